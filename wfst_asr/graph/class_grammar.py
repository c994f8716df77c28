"""G of a class-based language model: arcs of class tokens such as `$NAME` replaced by machines of the class.

A word may then come from the model or from a class, and from two classes.  After equal words the histories differ, and
on every loop their costs drift apart: det(L o G) would not end.  So the way into and out of a class is marked, with the
one disambiguation symbol that L lets pass, `#0`: back-off arcs follow each other fewer than R = (order of the model)
times, so R of them lead into the first class, 2 R into the second and so on; the way out is one.  The run of `#0`
between two words thus tells which way was taken, and G is as deterministic as it was.

The machine of a class is there once for each state that follows it, however many histories call it.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pynini
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable, arc_table
from wfst_asr.fst.convert import to_pynini
from wfst_asr.fst.determinize import determinize_star
from wfst_asr.fst.ops import Machine, as_table, connect, read_fst
from wfst_asr.fst.symbols import EPSILON, SymbolTable, is_disambiguation_symbol
from wfst_asr.graph.grammar_acceptor import grammar_in_words
from wfst_asr.graph.grammar_fst import grammar_arcs, grammar_fst
from wfst_asr.graph.grammar_source import call_grammar, is_function_source
from wfst_asr.graph.word_grammar import WHITE_SPACE, word_grammar
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.lm.classes import WordClass, is_class_token, read_class

_MAX_STATES = 10_000_000
_NEVER_LABELS = (EPSILON, "<s>", "</s>")
_FST_MAGIC = b"\xd6\xfd\xb2\x7e"


def class_grammar_fst(model: NGramModel, words: Mapping[str, int], classes: Mapping[str, Machine]) -> pynini.Fst:
    """Compile G from a model some of whose words are class tokens.

    The cost of a class on a path is that of its token, -ln p($NAME | history), and that of the entry,
    -ln p(entry | $NAME).

    Args:
        model: the language model.
        words: id by word, `#0` included, epsilon 0; need not have the class tokens.
        classes: the machine of each class token, as `read_class_machine`, `entries_fst` and `acceptor_of_words` make
            them.

    Returns:
        An acceptor but for `#0`, which has an epsilon output, its arcs sorted by input label.

    Raises:
        WfstAsrError: a class token of the model has no machine, a machine no class token, or as `grammar_arcs`.
    """
    tokens = {name: class_token(name, model) for name in classes}
    if len(set(tokens.values())) < len(tokens):
        raise WfstAsrError(f"the class '{next(iter(tokens.values()))}' was given more than once; give it one filling")
    for word in model.words:
        if is_class_token(word) and word not in words and word not in tokens.values():
            raise WfstAsrError(
                f"the class '{word}' of the language model has no entries; give them with --class '{word}=FILE'"
            )
    if not classes:
        return grammar_fst(model, words)
    label = max(words.values()) + 1 + np.arange(len(tokens))
    labels = dict(zip(tokens.values(), label.tolist(), strict=True))
    grammar = grammar_arcs(model, {**words, **labels})
    machines = {labels[tokens[name]]: as_table(machine) for name, machine in classes.items()}
    table = replace_classes(grammar.table, machines, marker=grammar.backoff_label, run=model.order)
    fst: pynini.Fst = to_pynini(table).arcsort("ilabel")
    return fst


def class_token(name: str, model: NGramModel) -> str:
    """Return the word of the model that `name` means: itself, or with `$` before it."""
    for token in (name, f"${name}"):
        if token in model.word_ids:
            return token
    tokens = [word for word in model.words if is_class_token(word)]
    has = f"its class tokens are {', '.join(map(repr, tokens[:5]))}" if tokens else "it has no class tokens"
    raise WfstAsrError(f"the language model has no word '{name}' to be filled as a class; {has}")


def replace_classes(grammar: ArcTable, classes: Mapping[int, ArcTable], *, marker: int, run: int) -> ArcTable:
    """Replace arcs by machines, their begin and end marked as the head of this module says.

    Args:
        grammar: an acceptor, whose arcs with a label of `classes` are replaced.
        classes: for each label, a deterministic acceptor without epsilons that does not accept the empty string.
        marker: input label of the marks; it has an epsilon output.
        run: more than the number of arcs with this label that may follow each other in `grammar`.
    """
    source, arcs = grammar.source(), grammar.arcs
    called = np.isin(arcs["ilabel"], np.fromiter(classes, dtype=np.int32, count=len(classes)))
    if not called.any():
        return grammar
    call, call_source = arcs[called], source[called]
    used = np.unique(call["ilabel"])
    number = np.searchsorted(used, call["ilabel"])  # of its class
    parts = [(source[~called].astype(np.int64), arcs[~called])]

    # chains of marks: node j of a state is reached by j marks, node 0 is the state itself
    sites, site = np.unique(call_source, return_inverse=True)
    length = np.zeros(len(sites), dtype=np.int64)
    np.maximum.at(length, site, run * (number + 1) - 1)
    first_node = grammar.num_states + np.cumsum(length) - length
    at = np.arange(length.sum())
    owner = np.repeat(np.arange(len(sites)), length)
    node = grammar.num_states + at
    parts.append((np.where(node == first_node[owner], sites[owner], node - 1), _marks(node, marker, 0.0)))
    num_states = int(grammar.num_states + length.sum())

    # the machine of a class, once for each state that follows
    key, copy = np.unique(np.stack([number, call["nextstate"]]), axis=1, return_inverse=True)
    root = np.empty(key.shape[1], dtype=np.int64)
    for c, label in enumerate(used.tolist()):
        machine = classes[label]
        copies = np.flatnonzero(key[0] == c)
        offset = num_states + machine.num_states * np.arange(len(copies), dtype=np.int64)
        num_states += machine.num_states * len(copies)
        if num_states >= 2**31:
            raise WfstAsrError("G with its classes has more than 2^31 states; shorten the classes or prune the model")
        root[copies] = offset + machine.start
        inside = np.tile(machine.arcs, len(copies))
        inside["nextstate"] += np.repeat(offset, machine.num_arcs).astype(np.int32)
        parts.append((np.add.outer(offset, machine.source()).ravel(), inside))
        final = np.flatnonzero(np.isfinite(machine.final_cost))
        out = _marks(np.repeat(key[1][copies], len(final)), marker, np.tile(machine.final_cost[final], len(copies)))
        parts.append((np.add.outer(offset, final).ravel(), out))
    position = run * (number + 1) - 1
    before = np.where(position == 0, call_source, first_node[site] + position - 1)
    parts.append((before, _marks(root[copy.ravel()], marker, call["cost"])))

    final_cost = np.full(num_states, np.inf, dtype=np.float32)
    final_cost[: grammar.num_states] = grammar.final_cost
    sources = np.concatenate([states for states, _ in parts])
    records = np.concatenate([records for _, records in parts])
    order = np.lexsort((records["ilabel"], sources))
    return arc_table(num_states, records[order], source=sources[order], finals=final_cost, start=grammar.start)


def _marks(nextstate: NDArray[np.integer], marker: int, cost: NDArray[np.float32] | float) -> NDArray[np.void]:
    arcs = np.zeros(len(nextstate), dtype=ARC_DTYPE)
    arcs["ilabel"], arcs["nextstate"], arcs["cost"] = marker, nextstate, cost
    return arcs


def entries_fst(word_class: WordClass, words: Mapping[str, int]) -> ArcTable:
    """Compile the entries of a class to a deterministic acceptor, their costs as near to the begin as they can be.

    Args:
        word_class: entries and probabilities.
        words: id by word.

    Raises:
        WfstAsrError: an entry has a word that is not in `words`.

    >>> entries_fst(WordClass("$X", (("new", "york"), ("york",)), (0.25, 0.75)), {"new": 1, "york": 2}).arcs.tolist()
    [(1, 1, 1.3862943649291992, 2), (2, 2, 0.28768208622932434, 1), (2, 2, 0.0, 1)]
    """
    entries: dict[tuple[int, ...], float] = {}
    for entry, prob in zip(word_class.entries, word_class.probs, strict=True):
        for word in entry:
            if word not in words or word in _NEVER_LABELS or is_disambiguation_symbol(word):
                raise WfstAsrError(
                    f"the entry '{' '.join(entry)}' of the class '{word_class.name}' has the word '{word}', which is "
                    "not among the words of words.txt; add it to the lexicon or remove the entry"
                )
        entries[tuple(words[word] for word in entry)] = prob
    mass: dict[tuple[int, ...], float] = {}
    for labels, prob in entries.items():
        for length in range(len(labels) + 1):
            mass[labels[:length]] = mass.get(labels[:length], 0.0) + prob
    inner = {labels[:length] for labels in entries for length in range(len(labels))}
    state = {(): 0} | dict.fromkeys(entries, 1)
    for number, labels in enumerate(sorted(inner - {()}), start=2):
        state[labels] = number
    arcs = [
        (state[labels[:-1]], state[labels], labels[-1], labels[-1], float(np.log(mass[labels[:-1]] / prob)))
        for labels, prob in sorted(mass.items())
        if labels
    ]
    finals = {state[labels]: float(np.log(mass[labels] / prob)) for labels, prob in entries.items()}
    return arc_table(1 + max(state.values()), arcs, finals=finals)


def acceptor_of_words(machine: Machine, name: str, words: SymbolTable) -> ArcTable:
    """Make any acceptor of words, such as a grammar of dates, fit to be a class.

    Paths with the same words become one, their probabilities added; costs are kept and not normalised.

    Args:
        machine: an acceptor, its labels ids of `words`.
        name: the class token, for messages.
        words: names of the ids.

    Raises:
        WfstAsrError: it accepts nothing or the empty string, is no acceptor, has a label that is no word, or cannot be
            determinized.
    """
    table = connect(machine)
    if table.num_states == 0:
        raise WfstAsrError(f"the grammar of the class '{name}' accepts nothing; correct it")
    if np.any(table.arcs["ilabel"] != table.arcs["olabel"]):
        raise WfstAsrError(f"the grammar of the class '{name}' is no acceptor; project it onto its words")
    for label in np.unique(table.arcs["ilabel"]).tolist():
        word = words.names.get(label)
        if label and (word is None or word in _NEVER_LABELS or is_disambiguation_symbol(word)):
            shown = f"number {label}" if word is None else f"'{word}'"
            raise WfstAsrError(
                f"the grammar of the class '{name}' has the label {shown}, which is no word of words.txt; take the "
                "ids of this words.txt"
            )
    table = determinize_star(
        table,
        max_states=_MAX_STATES,
        what=f"the grammar of the class '{name}'",
        iname=lambda label: words.names.get(label, str(label)),
        oname=lambda label: words.names.get(label, str(label)),
    )
    if np.isfinite(table.final_cost[table.start]):
        raise WfstAsrError(f"the grammar of the class '{name}' accepts the empty string; let it have one word at least")
    return table


def read_class_machine(source: str, name: str, words: SymbolTable) -> ArcTable:
    """Make the machine of a class from what the user names.

    Args:
        source: a file of entries (`read_class`), a file of OpenFst with an acceptor over the ids of `words`, or
            "file.py:function", a function that returns a pynini.Fst that accepts text (`word_grammar`) or, if it has a
            parameter `words`, such ids; the labels of a machine with a symbol table are looked up by name.
        name: the class token.
        words: names of the words' ids.

    Raises:
        WfstAsrError: no such file or function, or as `read_class`, `entries_fst` and `acceptor_of_words`.
    """
    if is_function_source(source):
        made, given_words = call_grammar(source, words=words)
        if not given_words and _is_text(made):
            text = word_grammar(made, f"the grammar of the class '{name}'")
            return acceptor_of_words(grammar_in_words(text, words, remedy="take them out of it"), name, words)
        return acceptor_of_words(_with_ids(made, name, words), name, words)
    try:
        with Path(source).open("rb") as opened:
            is_fst = opened.read(len(_FST_MAGIC)) == _FST_MAGIC
    except OSError:
        is_fst = False  # told by read_class
    if is_fst:
        return acceptor_of_words(read_fst(source), name, words)
    return entries_fst(read_class(source, name), words)


def _is_text(machine: pynini.Fst) -> bool:
    """Tell whether the labels are characters: none is a control character, as small ids of words would be."""
    labels = np.unique(as_table(machine).arcs["ilabel"])
    return machine.input_symbols() is None and bool(np.isin(labels[labels < ord(" ")], [0, *WHITE_SPACE]).all())


def _with_ids(machine: pynini.Fst, name: str, words: SymbolTable) -> ArcTable:
    """Return the machine with the ids of `words`, where it has a symbol table of its own."""
    table = as_table(machine)
    for side, symbols in (("ilabel", machine.input_symbols()), ("olabel", machine.output_symbols())):
        if symbols is None:
            continue
        ids = {0: 0}
        for label in np.unique(table.arcs[side]).tolist():
            word = symbols.find(label) if label else EPSILON
            if label and word not in words:
                raise WfstAsrError(
                    f"the grammar of the class '{name}' has the word '{word}', which is not among the words of "
                    "words.txt; add it to the lexicon or leave it out"
                )
            ids[label] = words[word] if label else 0
        arcs = table.arcs.copy()
        found, inverse = np.unique(arcs[side], return_inverse=True)
        arcs[side] = np.array([ids[label] for label in found.tolist()], dtype=np.int32)[inverse]
        table = ArcTable(table.start, table.first_arc, arcs, table.final_cost)
    return table
