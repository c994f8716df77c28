"""Mixtures of grammars and language models: each sentence is from one of them, chosen at its begin."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable, arc_table
from wfst_asr.fst.ops import connect
from wfst_asr.fst.symbols import SymbolTable
from wfst_asr.graph.grammar_acceptor import GrammarAcceptor, determinized
from wfst_asr.graph.grammar_fst import BACKOFF_SYMBOL
from wfst_asr.graph.word_grammar import without_epsilons

_LONGEST_RUN = 64


def mix_grammars(
    members: Sequence[ArcTable], shares: Sequence[float], words: SymbolTable, *, again: float = 0.0
) -> GrammarAcceptor:
    """Mix acceptors of words: p(sentence) = sum of share * p(sentence | member).

    Without back-off models the mixture is determinized, so that a sentence which several members accept has one path
    with the sum of its probabilities.  Back-off arcs allow no such thing: then the choice stands on arcs of `#0` before
    the first word, as many as tell it from backing off.  All paths stay; their sum is the mixture, and a search for the
    best path takes the member that likes the sentence best.

    Args:
        members: acceptors of word ids, with `#0` on back-off arcs.
        shares: the share of each, above 0; 1 for each unites them without a cost.
        words: names of the ids.
        again: probability that after a sentence another one follows without a pause between utterances; only without
            back-off models, which go on by themselves.

    Raises:
        WfstAsrError: shares that are no positive numbers or too many; `again` outside [0, 1) or with a back-off model;
            `#0` is needed and missing, or follows itself without end.

    >>> yes = arc_table(2, [(0, 1, 1, 1, 0.0)], finals={1: 0.0})
    >>> no = arc_table(2, [(0, 1, 2, 2, 0.0)], finals={1: 0.0})
    >>> words = SymbolTable.from_names(["yes", "no", "#0"])
    >>> mix_grammars([yes, no], [0.5, 0.5], words).table.arcs.tolist()
    [(1, 1, 0.693145751953125, 1), (2, 2, 0.693145751953125, 1)]
    """
    if len(shares) != len(members):
        raise WfstAsrError(f"{len(shares)} weights for {len(members)} grammars; give one for each")
    if not members or not all(0.0 < share < float("inf") for share in shares):
        raise WfstAsrError(f"the weights are {', '.join(f'{share:g}' for share in shares)}; expected numbers above 0")
    if not 0.0 <= again < 1.0:
        raise WfstAsrError(f"the probability of another sentence is {again:g}; expected 0 or more, and less than 1")
    marker = words.get(BACKOFF_SYMBOL, -1)
    backs_off = [bool(np.any(member.arcs["ilabel"] == marker)) for member in members]
    if not any(backs_off):
        table = _united(members, shares, again)
        return determinized(without_epsilons(table, "the mixture"), words, "the mixture", use_log=True)
    if again:
        raise WfstAsrError(
            "a back-off model goes on after a sentence by itself and cannot be repeated; repeat grammars only, and mix "
            "with the model after that"
        )
    # grammars first: their entries need the fewest marks
    order = sorted(range(len(members)), key=lambda i: backs_off[i])
    run = max(longest_run(member, marker) for member in members) + 1
    table = _chosen_by_marks([members[i] for i in order], [shares[i] for i in order], marker, run)
    return GrammarAcceptor(table, int(np.count_nonzero(table.arcs["ilabel"] == marker)))


def longest_run(table: ArcTable, marker: int) -> int:
    """Return how many arcs with one label may follow each other.

    Raises:
        WfstAsrError: they make a cycle.

    >>> longest_run(arc_table(3, [(0, 1, 9, 0, 0.0), (1, 2, 9, 0, 0.0), (2, 0, 1, 1, 0.0)], finals={2: 0.0}), 9)
    2
    """
    marked = table.arcs["ilabel"] == marker
    source, nextstate = table.source()[marked], table.arcs["nextstate"][marked]
    reached, length = np.ones(table.num_states, dtype=bool), 0
    while len(step := nextstate[reached[source]]):
        length += 1
        if length > _LONGEST_RUN:
            raise WfstAsrError(f"G has more than {_LONGEST_RUN} arcs of '{BACKOFF_SYMBOL}' in a row; make G anew")
        reached = np.zeros(table.num_states, dtype=bool)
        reached[step] = True
    return length


def _stacked(members: Sequence[ArcTable], first: int) -> tuple[NDArray[np.int64], NDArray[np.void], list[int]]:
    """Return source states and arcs of the members one after another from state `first` on, and their start states."""
    offset = first + np.concatenate(([0], np.cumsum([member.num_states for member in members])))
    sources, records = [], []
    for member, low in zip(members, offset[:-1].tolist(), strict=True):
        arcs = member.arcs.copy()
        arcs["nextstate"] += low
        sources.append(member.source().astype(np.int64) + low)
        records.append(arcs)
    starts = [member.start + low for member, low in zip(members, offset[:-1].tolist(), strict=True)]
    return np.concatenate(sources), np.concatenate(records), starts


def _costs(shares: Sequence[float]) -> NDArray[np.float64]:
    costs: NDArray[np.float64] = -np.log(np.asarray(shares, dtype=np.float64))
    return costs + 0.0


def _united(members: Sequence[ArcTable], shares: Sequence[float], again: float) -> ArcTable:
    """Put a start state with epsilon arcs before the members, and with `again` one back from each of their ends."""
    source, arcs, starts = _stacked(members, 1)
    entries = np.zeros(len(members), dtype=ARC_DTYPE)
    entries["cost"], entries["nextstate"] = _costs(shares), starts
    finals = np.concatenate([[np.inf], *(member.final_cost for member in members)]).astype(np.float32)
    sources, records = [source, np.zeros(len(members), np.int64)], [arcs, entries]
    if again:
        ends = np.flatnonzero(np.isfinite(finals))
        back = np.zeros(len(ends), dtype=ARC_DTYPE)
        back["cost"] = finals[ends] - np.log(again)
        sources.append(ends)
        records.append(back)
        finals[ends] -= np.float32(np.log1p(-again))
    return arc_table(len(finals), np.concatenate(records), source=np.concatenate(sources), finals=finals)


def _chosen_by_marks(members: Sequence[ArcTable], shares: Sequence[float], marker: int, run: int) -> ArcTable:
    """Put a chain of marks before the members: member k stands behind k * run + 1 of them."""
    length = (len(members) - 1) * run + 1  # states of the chain, of which 0 is the start
    source, arcs, starts = _stacked(members, length)
    chain = np.zeros(length - 1, dtype=ARC_DTYPE)
    chain["ilabel"], chain["nextstate"] = marker, np.arange(1, length)
    entries = np.zeros(len(members), dtype=ARC_DTYPE)
    entries["ilabel"], entries["cost"], entries["nextstate"] = marker, _costs(shares), starts
    finals = np.concatenate([np.full(length, np.inf), *(member.final_cost for member in members)])
    where = np.concatenate((source, np.arange(length - 1), run * np.arange(len(members))))
    return connect(
        arc_table(len(finals), np.concatenate((arcs, chain, entries)), source=where, finals=finals.astype(np.float32))
    )
