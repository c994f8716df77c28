"""det(L o G) built directly: one lexical tree a language model state, as flat arrays.

The determinized lexicon is a prefix tree, so det(L o G) is, for every state of G, the tree of just the words that G
offers there: log-sum weights at the branches, the word on the first arc that is its own, and behind that arc a tail
that all trees share which lead on to the same state of G with the same rest of the pronunciation.  Homophones and
words that are the beginning of others end in an epsilon arc with the word, where the OpenFst path has a disambiguation
symbol that is removed later.  The relation is that of Mohri, Pereira and Riley, "Speech recognition with weighted
finite-state transducers" (2008), section 3.1.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation


@dataclass(frozen=True)
class Machine:
    """A transducer under construction: CSR arrays with integer costs in units of 1/1024 nat.

    Attributes:
        first: (S + 1,) int64; the arcs of state s are `arcs[first[s]:first[s + 1]]`.
        arcs: (A, 4) int32: ilabel, olabel, cost, nextstate.
        final: (S,) int32 final costs; NOT_FINAL (2**31 - 1) where a state is not final.
        start: start state.
    """

    first: NDArray[np.int64]
    arcs: NDArray[np.int32]
    final: NDArray[np.int32]
    start: int = 0

    @property
    def num_states(self) -> int:
        return len(self.final)

    @property
    def num_arcs(self) -> int:
        return len(self.arcs)

    def table(self) -> ArcTable:
        """Return the machine as an ArcTable with float costs."""
        from wfst_asr.graph._arrays_kernels import COST_UNITS, NOT_FINAL

        arcs = np.array(self.arcs, order="C").view(ARC_DTYPE).reshape(-1)
        arcs["cost"] = self.arcs[:, 2] / np.float32(COST_UNITS)
        final = np.where(self.final == NOT_FINAL, np.inf, self.final / COST_UNITS).astype(np.float32)
        return ArcTable(self.start, self.first, arcs, final)


@dataclass(frozen=True)
class PronunciationArrays:
    """The lexicon as the tree kernel reads it, pronunciations sorted by their phones (rank 0 first).

    Attributes:
        word: (R,) int32 word id of each pronunciation.
        first: (R + 1,) int64 offsets into `phone`.
        phone: flat phone ids.
        cost: (R,) float64, -log of the pronunciation probability.
        tail: flat, one entry more a pronunciation than `phone`: the tail node of what is left of the word's
            pronunciations that begin like this one up to that position; node 0 is "nothing left".
        tail_first: offsets of the tail nodes into `tail_arcs`.
        tail_arcs: (arcs, 3) int32 phone, tail node that it leads to, and cost in 1/1024.
        tail_end: cost of ending at a node, NOT_FINAL where no pronunciation ends.
    """

    word: NDArray[np.int32]
    first: NDArray[np.int64]
    phone: NDArray[np.int32]
    cost: NDArray[np.float64]
    tail: NDArray[np.int32]
    tail_first: NDArray[np.int64]
    tail_arcs: NDArray[np.int32]
    tail_end: NDArray[np.int32]


class _TailNodes:
    """Hash-consed nodes: (end cost or None, ((phone, child, cost), ...))."""

    def __init__(self) -> None:
        self.number: dict[tuple[int | None, tuple[tuple[int, int, int], ...]], int] = {(0, ()): 0}

    def node(self, end: int | None, arcs: tuple[tuple[int, int, int], ...]) -> int:
        return self.number.setdefault((end, arcs), len(self.number))


def _word_tree(
    entries: list[tuple[tuple[int, ...], float, int]], depth: int, nodes: _TailNodes, tails: list[NDArray[np.int32]]
) -> tuple[int, float]:
    """Make the nodes of one word's pronunciations that agree up to `depth`; return (node, -log sum of their costs)."""
    from wfst_asr.graph._arrays_kernels import COST_UNITS

    if len(entries) == 1:
        phones, cost, rank = entries[0]
        node = 0
        tails[rank][len(phones)] = 0
        for position in range(len(phones) - 1, depth - 1, -1):
            node = nodes.node(None, ((phones[position], node, 0),))
            tails[rank][position] = node
        return node, cost
    total = -float(np.logaddexp.reduce([-cost for _, cost, _ in entries]))
    units = round(total * COST_UNITS)
    end: int | None = None
    groups: dict[int, list[tuple[tuple[int, ...], float, int]]] = {}
    for entry in entries:
        if len(entry[0]) == depth:
            end = round(entry[1] * COST_UNITS) - units
        else:
            groups.setdefault(entry[0][depth], []).append(entry)
    arcs = []
    for phone, group in sorted(groups.items()):
        child, group_cost = _word_tree(group, depth + 1, nodes, tails)
        arcs.append((phone, child, round(group_cost * COST_UNITS) - units))
    node = nodes.node(end, tuple(arcs))
    for _, _, rank in entries:
        tails[rank][depth] = node
    return node, total


def pronunciation_arrays(
    lexicon: Lexicon, *, word_ids: Mapping[str, int], phone_ids: Mapping[str, int]
) -> PronunciationArrays:
    """Sort the pronunciations of the words in `word_ids` and number what can follow after each phone of each.

    Raises:
        WfstAsrError: a phone is not in `phone_ids`, or no word is in `word_ids`.
    """
    rows = []
    for entry in lexicon.entries:
        if entry.word in word_ids:
            rows.append((_phone_tuple(entry, phone_ids), word_ids[entry.word], -float(np.log(entry.prob))))
    return pronunciation_arrays_of_rows(rows)


def pronunciation_arrays_of_rows(rows: Iterable[tuple[tuple[int, ...], int, float]]) -> PronunciationArrays:
    """Do the same from (phone ids, word id, cost); of equal pronunciations of a word the cheapest counts."""
    from wfst_asr.graph._arrays_kernels import NOT_FINAL

    rows = list(rows)
    if not rows:
        raise WfstAsrError("no word of the lexicon is in the language model; check that both spell words alike")
    rows = sorted({(phones, word): (phones, word, cost) for phones, word, cost in sorted(rows, reverse=True)}.values())
    nodes = _TailNodes()
    tails = [np.zeros(len(phones) + 1, dtype=np.int32) for phones, _, _ in rows]
    by_word: dict[int, list[tuple[tuple[int, ...], float, int]]] = {}
    for rank, (phones, word, cost) in enumerate(rows):
        by_word.setdefault(word, []).append((phones, cost, rank))
    for entries in by_word.values():
        _word_tree(entries, 0, nodes, tails)
    flat = [arc for _, arcs in nodes.number for arc in arcs]
    return PronunciationArrays(
        word=np.array([word for _, word, _ in rows], dtype=np.int32),
        first=np.concatenate(([0], np.cumsum([len(phones) for phones, _, _ in rows]))).astype(np.int64),
        phone=np.array([phone for phones, _, _ in rows for phone in phones], dtype=np.int32),
        cost=np.array([cost for _, _, cost in rows]),
        tail=np.concatenate(tails),
        tail_first=np.concatenate(([0], np.cumsum([len(arcs) for _, arcs in nodes.number]))).astype(np.int64),
        tail_arcs=np.array(flat, dtype=np.int32).reshape(-1, 3),
        tail_end=np.array([NOT_FINAL if end is None else end for end, _ in nodes.number], dtype=np.int32),
    )


def _phone_tuple(entry: Pronunciation, phone_ids: Mapping[str, int]) -> tuple[int, ...]:
    try:
        return tuple(phone_ids[phone] for phone in entry.phones)
    except KeyError as error:
        raise WfstAsrError(
            f"word '{entry.word}' is pronounced '{' '.join(entry.phones)}', but the model has no phone "
            f"'{error.args[0]}'; use the model's phones, or train a model with it"
        ) from error


def grammar_entries(
    pronunciations: PronunciationArrays, grammar: ArcTable, *, backoff_label: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """List the pronunciations that each state of G offers, by rank.

    Returns:
        For each state its first entry, (S + 1,); of each entry the rank of the pronunciation and the arc of G; and the
        arcs of G as (A, 4) rows with costs in 1/1024 nat.
    """
    from wfst_asr.graph import _tree_kernels as kernels
    from wfst_asr.graph._arrays_kernels import COST_UNITS

    p = pronunciations
    arcs = np.array(grammar.arcs, order="C").view(np.int32).reshape(-1, 4)
    arcs[:, 2] = np.rint(grammar.arcs["cost"] * COST_UNITS)
    ilabel = np.ascontiguousarray(arcs[:, 0])
    num_words = int(max(ilabel.max(initial=0), p.word.max())) + 1
    with_word = np.flatnonzero((ilabel != backoff_label) & (ilabel != 0))
    order = with_word[np.argsort(ilabel[with_word], kind="stable")]
    by_word_first = np.concatenate(([0], np.cumsum(np.bincount(ilabel[with_word], minlength=num_words))))
    entry_first, entry_rank, entry_arc = kernels.entries_by_state(
        grammar.source(), by_word_first, order, p.word, grammar.num_states
    )
    return entry_first, entry_rank, entry_arc, arcs


def lexical_tree_lg(
    pronunciations: PronunciationArrays,
    grammar: ArcTable,
    *,
    backoff_label: int,
    silence_phone: int = 0,
    silence_prob: float = 0.5,
) -> Machine:
    """Build det(L o G) of a lexicon with optional silence and a language model acceptor.

    Args:
        pronunciations: the lexicon, see `pronunciation_arrays`.
        grammar: G; input labels are words, or `backoff_label` (or epsilon) for arcs taken without a word.
        backoff_label: the label of `#0`.
        silence_phone: phone id of the optional silence between words, at the begin and at the end; 0 for none.
        silence_prob: probability of that silence, in (0, 1).

    Returns:
        A machine with phones in, words out.  Costs are those of the log semiring determinization.
        Time and size are linear in the number of (G arc, pronunciation) pairs.
    """
    from wfst_asr.graph import _tree_kernels as kernels
    from wfst_asr.graph._arrays_kernels import COST_UNITS, NOT_FINAL

    p = pronunciations
    entry_first, entry_rank, entry_arc, arcs = grammar_entries(p, grammar, backoff_label=backoff_label)
    finite = np.isfinite(grammar.final_cost)
    final = np.full(grammar.num_states, NOT_FINAL, dtype=np.int32)
    final[finite] = np.rint(grammar.final_cost[finite] * COST_UNITS)
    first, tree_arcs, tree_final = kernels.lexical_trees(
        grammar.first_arc, arcs, final, backoff_label, entry_first, entry_rank, entry_arc,
        p.first, p.phone, p.cost, p.tail, p.tail_first, p.tail_arcs, p.tail_end, silence_phone,
        round(-np.log(silence_prob) * COST_UNITS) if silence_phone else 0,
        round(-np.log(1.0 - silence_prob) * COST_UNITS) if silence_phone else 0,
    )  # fmt: skip
    return Machine(first, tree_arcs, tree_final, start=grammar.start)
