"""G of a grammar: its words become those of a lang directory, and it is made deterministic where that is possible."""

import warnings
from dataclasses import dataclass

import numpy as np

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable, arc_table
from wfst_asr.fst.determinize import determinize_star
from wfst_asr.fst.ops import connect, minimize_encoded
from wfst_asr.fst.symbols import EPSILON, SymbolTable, is_disambiguation_symbol
from wfst_asr.graph.grammar_fst import BACKOFF_SYMBOL
from wfst_asr.graph.word_grammar import WordGrammar, relabelled

NEVER_LABELS = (EPSILON, "<s>", "</s>")
DELTA = 2.0**-16  # nats; costs are kept to this
_MAX_NAMED = 8


@dataclass(frozen=True)
class GrammarAcceptor:
    """G of a grammar.

    Attributes:
        table: an acceptor of word ids without epsilons; where it has `#0`, that is an input whose output is epsilon.
        num_marks: arcs with `#0`, which tell apart paths that agree in their words; 0 where G could be determinized.
    """

    table: ArcTable
    num_marks: int


def grammar_acceptor(
    grammar: WordGrammar, words: SymbolTable, *, skip_missing: bool = False, where: str = "words.txt"
) -> GrammarAcceptor:
    """Compile a grammar to G.

    The cost of a sentence in G is that of its cheapest path in the grammar, as everywhere in the tropical semiring.

    Args:
        grammar: the grammar.
        words: the words of the lang directory.
        skip_missing: leave out the sentences with words that `words` has not, with a warning; else they are an error.
        where: how messages call `words`.

    Returns:
        A deterministic and minimal acceptor, its costs kept to 1/65536 nat an arc.  Where costs drift apart on a loop,
        so that no deterministic machine has them, or it would have more than 20 times the states, arcs that carry the
        same word out of one state are told apart by `#0`.

    Raises:
        WfstAsrError: a word is missing in `words`, nothing is left without the missing ones, or `#0` is needed and
            missing.

    >>> import pynini
    >>> from wfst_asr.graph.word_grammar import word_grammar
    >>> words = SymbolTable.from_names(["no", "yes", "#0"])
    >>> grammar_acceptor(word_grammar(pynini.union("yes", "no") + " yes"), words).table.arcs.tolist()
    [(1, 1, 0.0, 1), (2, 2, 0.0, 1), (2, 2, 0.0, 2)]
    """
    return determinized(grammar_in_words(grammar, words, skip_missing=skip_missing, where=where), words, grammar.source)


def grammar_in_words(
    grammar: WordGrammar,
    words: SymbolTable,
    *,
    skip_missing: bool = False,
    where: str = "words.txt",
    remedy: str = "leave out the sentences that have them with --skip-missing",
) -> ArcTable:
    """Return the grammar with the ids of `words` for labels; arguments and errors as `grammar_acceptor`.

    `remedy` is what messages advise beside adding missing words to the lexicon.
    """
    label_of = np.zeros(len(grammar.names), dtype=np.int32)
    missing = []
    for i, name in enumerate(grammar.names[1:], start=1):
        if name not in words or name in NEVER_LABELS or is_disambiguation_symbol(name):
            missing.append(name)
        else:
            label_of[i] = words[name]
    if not missing:
        return relabelled(grammar.table, label_of)
    named = ", ".join(f"'{name}'" for name in missing[:_MAX_NAMED])
    named += f" and {len(missing) - _MAX_NAMED} more" if len(missing) > _MAX_NAMED else ""
    count = "a word" if len(missing) == 1 else f"{len(missing)} words"
    if not skip_missing:
        raise WfstAsrError(
            f"{grammar.source} has {count} that {where} lacks: {named}; {_advice(missing, words)}add them to the "
            f"lexicon, or {remedy}"
        )
    keep = label_of[grammar.table.arcs["ilabel"]] > 0
    kept_before = np.concatenate(([0], np.cumsum(keep)))
    old = grammar.table
    table = connect(ArcTable(old.start, kept_before[old.first_arc], old.arcs[keep], old.final_cost))
    if table.num_arcs == 0:
        raise WfstAsrError(f"{grammar.source} has no sentence left without the words that {where} lacks: {named}")
    warnings.warn(
        f"{grammar.source}: sentences with {count} that {where} lacks were left out: {named}",
        WfstAsrWarning,
        stacklevel=2,
    )
    return relabelled(table, label_of)


def _advice(missing: list[str], words: SymbolTable) -> str:
    for case, change in (("upper", str.upper), ("lower", str.lower)):
        if all(change(name) in words for name in missing):
            return f"they are there in {case} case, for which there is --case {case}; else "
    return ""


def determinized(table: ArcTable, words: SymbolTable, source: str, *, use_log: bool = False) -> GrammarAcceptor:
    """Make an acceptor of words deterministic and minimal, or else mark it (`with_marks`).

    Args:
        table: an acceptor of word ids without `#0` and epsilons.
        words: names of the ids.
        source: how messages call it.
        use_log: add the probabilities of paths with the same words; else the cheapest counts.

    Raises:
        WfstAsrError: `#0` is needed and `words` has none.
    """
    limit = 20 * table.num_states + 10_000
    try:
        result = determinize_star(table, use_log=use_log, delta=DELTA, max_states=limit, what=source)
    except WfstAsrError:  # costs that drift apart on a loop, or a machine that grows beyond measure
        if BACKOFF_SYMBOL not in words:
            raise WfstAsrError(
                f"{source} cannot be determinized within {limit:,} states (costs of paths with the same words may "
                f"drift apart on a loop), and words.txt has no '{BACKOFF_SYMBOL}' to tell them apart; make it with "
                "wfst-asr lang make"
            ) from None
        result = with_marks(minimize_encoded(table, delta=DELTA), words[BACKOFF_SYMBOL])
        return GrammarAcceptor(result, int(np.count_nonzero(result.arcs["olabel"] == 0)))
    return GrammarAcceptor(minimize_encoded(result, delta=DELTA), 0)


def with_marks(table: ArcTable, marker: int) -> ArcTable:
    """Tell apart arcs with one label that leave one state: the second stands behind one mark, the third behind two.

    Every path stays, at its cost; with the marks as labels the machine is deterministic.

    >>> twice = arc_table(2, [(0, 0, 5, 5, 1.0), (0, 1, 5, 5, 2.0)], finals={1: 0.0})
    >>> with_marks(twice, 9).arcs.tolist()
    [(5, 5, 1.0, 0), (9, 0, 0.0, 2), (5, 5, 2.0, 1)]
    """
    source, label = table.source(), table.arcs["ilabel"]
    order = np.lexsort((table.arcs["nextstate"], table.arcs["cost"], label, source))
    source, arcs = source[order], table.arcs[order]
    new = np.append(True, (source[1:] != source[:-1]) | (arcs["ilabel"][1:] != arcs["ilabel"][:-1]))[: len(arcs)]
    first = np.flatnonzero(new)
    rank = np.arange(len(arcs)) - first[np.cumsum(new) - 1]
    length = np.zeros(table.num_states, dtype=np.int64)
    np.maximum.at(length, source, rank)
    first_node = table.num_states + np.cumsum(length) - length
    node = table.num_states + np.arange(length.sum())
    owner = np.repeat(np.arange(table.num_states), length)
    marks = np.zeros(len(node), dtype=ARC_DTYPE)
    marks["ilabel"], marks["nextstate"] = marker, node
    before = np.where(node == first_node[owner], owner, node - 1)
    leaves = np.where(rank == 0, source, first_node[source] + rank - 1)
    finals = np.append(table.final_cost, np.full(len(node), np.inf, dtype=np.float32))
    return arc_table(
        len(finals),
        np.concatenate((arcs, marks)),
        source=np.concatenate((leaves, before)),
        finals=finals,
        start=table.start,
    )
