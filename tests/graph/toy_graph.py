"""A small recogniser with every trap: homophones, prefixes, variants, a word equal to silence, trigrams with back-off."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.symbols import SymbolTable
from wfst_asr.graph.grammar_fst import grammar_arcs
from wfst_asr.graph.lexicon_fst import LexiconOptions, lexicon_arcs
from wfst_asr.hmm.topology import HmmTopology, kaldi_topology
from wfst_asr.hmm.transition_model import TransitionModel, transition_model_from_tree
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lm.arpa import read_arpa
from wfst_asr.tree.decision_tree import PDF_CLASS, Constant, DecisionTree, EventMap, Split, Table

PRONUNCIATIONS = [
    ("red", "R EH D"), ("read", "R EH D"), ("read", "R IY D"), ("reed", "R IY D"), ("a", "AH"), ("a", "EY"),
    ("at", "AE T"), ("the", "DH AH"), ("the", "DH IY"), ("ad", "AE D"), ("add", "AE D"), ("reader", "R IY D ER"),
    ("tea", "T IY"), ("t", "T IY"), ("tee", "T IY"), ("eat", "IY T"), ("eater", "IY T ER"), ("<noise>", "SIL"),
]  # fmt: skip


@dataclass(frozen=True)
class Toy:
    lexicon: ArcTable
    grammar: ArcTable
    phones: SymbolTable
    words: SymbolTable
    tree: DecisionTree
    topology: HmmTopology
    model: TransitionModel


def arpa_text(words: list[str], rng: np.random.Generator) -> str:
    """An ARPA file with all unigrams, and some of the bigrams and trigrams whose histories are listed."""
    unigrams = ["<s>", *words]
    bigrams = [(a, b) for a in unigrams for b in [*words, "</s>"] if rng.random() < 0.3]
    trigrams = [(a, b, c) for a, b in bigrams if b != "</s>" for c in [*words, "</s>"] if rng.random() < 0.2]
    lines = ["\\data\\", f"ngram 1={len(unigrams) + 1}", f"ngram 2={len(bigrams)}", f"ngram 3={len(trigrams)}", ""]

    def number(low: float, high: float) -> str:
        return f"{rng.uniform(low, high):.5f}"

    lines += ["\\1-grams:", f"{number(-2, -0.5)}\t</s>"]
    lines += [f"{'-99' if w == '<s>' else number(-2.5, -0.7)}\t{w}\t{number(-0.6, -0.05)}" for w in unigrams]
    lines += ["", "\\2-grams:"]
    for ngram in bigrams:
        weight = "" if ngram[-1] == "</s>" else f"\t{number(-0.5, -0.05)}"
        lines.append(f"{number(-1.5, -0.2)}\t{' '.join(ngram)}{weight}")
    lines += ["", "\\3-grams:", *(f"{number(-1, -0.1)}\t{' '.join(ngram)}" for ngram in trigrams), "", "\\end\\", ""]
    return "\n".join(lines)


def toy_tree(
    topology: HmmTopology, silence: int, rng: np.random.Generator, *, width: int, central: int
) -> DecisionTree:
    """A tree with random questions about both neighbours; silence does not depend on context."""
    count = 0
    phones = [*topology.phones, 0]

    def grow(depth: int, keys: list[int]) -> EventMap:
        nonlocal count
        if depth == 0 or not keys:
            count += 1
            return Constant(count - 1)
        key = int(rng.choice(keys))
        some = frozenset(int(p) for p in phones if rng.random() < 0.5) or frozenset({phones[0]})
        rest = [k for k in keys if k != key]
        return Split(key, some, grow(depth - 1, rest), grow(depth - 1, rest))

    neighbours = [k for k in range(width) if k != central]
    nodes: list[EventMap | None] = [None] * (1 + max(topology.phones))
    for phone in topology.phones:
        depth = 0 if phone == silence else 2
        classes = tuple(grow(depth, neighbours) for _ in range(topology.num_pdf_classes(phone)))
        nodes[phone] = Table(PDF_CLASS, classes)
    return DecisionTree(width, central, Table(central, tuple(nodes)))


def make_toy(folder: Path, *, width: int = 3, central: int = 1, seed: int = 5, disambiguate: bool = True) -> Toy:
    rng = np.random.default_rng(seed)
    lexicon = Lexicon.from_pairs(PRONUNCIATIONS)
    names = ["SIL", *(phone for phone in lexicon.phones if phone != "SIL")]
    phones = SymbolTable.from_names([*names, *(f"#{k}" for k in range(8))])
    words = SymbolTable.from_names([*lexicon.words, "#0", "<s>", "</s>"])
    (folder / "toy.arpa").write_text(arpa_text(list(lexicon.words), rng))
    topology = kaldi_topology([phones[name] for name in names[1:]], [phones["SIL"]])
    tree = toy_tree(topology, phones["SIL"], rng, width=width, central=central)
    return Toy(
        lexicon=lexicon_arcs(lexicon, phones, words, LexiconOptions(disambiguate=disambiguate)),
        grammar=grammar_arcs(read_arpa(folder / "toy.arpa"), words).table,
        phones=phones,
        words=words,
        tree=tree,
        topology=topology,
        model=transition_model_from_tree(tree, topology),
    )
