"""HCL and G apart, for a search that composes them: the parts, and what they must look like.

HCL is compiled like HCLG (`direct.py`), with a G of one state that has one word for each pronunciation.  Its output
labels are thus pronunciations, numbered by rank (sorted by phones, so that those below a node of the lexical tree are
neighbours), and an arc with the label `marker` stands at the root of the tree, where G may back off.  The costs of the
tree are taken out again: they are G's, and come in when a state of HCL meets a state of G (`on_the_fly_definition`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable
from wfst_asr.graph.direct import context_windows_of, expand_to_hmm_states, merge_equal_states, with_networks
from wfst_asr.graph.lexical_tree import PronunciationArrays, lexical_tree_lg, pronunciation_arrays_of_rows
from wfst_asr.graph.step_clock import StepClock
from wfst_asr.graph.window_hmms import WindowHmms


@dataclass(frozen=True)
class LookAheadHcl:
    """HCL, and which pronunciations may come first from each of its states.

    Attributes:
        table: input labels as in HCLG; output labels are ranks + 1, or `marker`.
        marker: label of the arcs at the root, which G backs off along; the number of pronunciations + 1.
        set_of: (S,) int32 set of ranks that may come first from a state; 0 for any, and nothing to look ahead to.
        set_first: (sets + 1,) int64 offsets of the sets into the ranges.
        low: first rank of each range, rising within a set; the number of pronunciations stands for the end.
        high: rank after its last.
        word: (R,) int32 word of each pronunciation.
        cost: (R,) float32 its cost.
    """

    table: ArcTable
    marker: int
    set_of: NDArray[np.int32]
    set_first: NDArray[np.int64]
    low: NDArray[np.int32]
    high: NDArray[np.int32]
    word: NDArray[np.int32]
    cost: NDArray[np.float32]


@dataclass(frozen=True)
class BackoffEntries:
    """G as a back-off model in arrays: for each state the pronunciations of its own words, in the order of their ranks.

    Attributes:
        start: start state.
        first: (S + 1,) int64 offsets of the states' entries.
        rank: (E,) int32 pronunciations, rising within a state; ending is one entry more, with the number of
            pronunciations as its rank.
        cost: (E,) float32 of the word and the pronunciation.
        nextstate: (E,) int32, -1 for ending.
        total: (E,) float64 sum of exp(-cost) of the state's entries up to this one.
        final_cost: (S,) float32, infinite where a state is not final.
        backoff_state: (S,) int32, -1 for none.
        backoff_cost: (S,) float32.
        backoffs: (S,) int32 how many times one can back off from a state.
    """

    start: int
    first: NDArray[np.int64]
    rank: NDArray[np.int32]
    cost: NDArray[np.float32]
    nextstate: NDArray[np.int32]
    total: NDArray[np.float64]
    final_cost: NDArray[np.float32]
    backoff_state: NDArray[np.int32]
    backoff_cost: NDArray[np.float32]
    backoffs: NDArray[np.int32]


def compile_hcl(
    pronunciations: PronunciationArrays,
    hmms: WindowHmms,
    *,
    silence_phone: int = 0,
    silence_prob: float = 0.5,
    clock: StepClock | None = None,
) -> LookAheadHcl:
    """Compile HCL for a search that composes it with G.

    Args:
        pronunciations: the lexicon (`pronunciation_arrays`).
        hmms: context and HMM states.
        silence_phone: the optional silence, 0 for none.
        silence_prob: its probability.
        clock: records the steps and tells them while they run.
    """
    clock = clock or StepClock()
    count = len(pronunciations.word)
    marker, backoff = count + 1, count + 2
    p = pronunciations
    phones = np.split(p.phone, p.first[1:-1])
    ranked = pronunciation_arrays_of_rows((tuple(some.tolist()), rank + 1, 0.0) for rank, some in enumerate(phones))
    loop = np.zeros(count + 1, dtype=ARC_DTYPE)
    loop["ilabel"] = loop["olabel"] = np.arange(1, count + 2)
    loop["ilabel"][count], loop["olabel"][count] = backoff, marker
    words = ArcTable(0, np.array([0, count + 1]), loop, np.zeros(1, dtype=np.float32))
    with clock.step("det(L)") as size:
        machine = lexical_tree_lg(
            ranked, words, backoff_label=backoff, silence_phone=silence_phone, silence_prob=silence_prob
        )
        machine = merge_equal_states(machine, rounds=1)
        size.set(machine.num_states, machine.num_arcs)
    with clock.step("C o L") as size:
        machine = merge_equal_states(context_windows_of(machine, hmms), rounds=2)
        size.set(machine.num_states, machine.num_arcs)
    with clock.step("H o CL, self-loops") as size:
        table = expand_to_hmm_states(with_networks(machine, hmms), hmms)
        size.set(table.num_states, table.num_arcs)
    with clock.step("look-ahead") as size:
        hcl = _with_sets(table, marker, p)
        size.set(len(hcl.set_first) - 1, len(hcl.low))
    return hcl


def _with_sets(table: ArcTable, marker: int, pronunciations: PronunciationArrays) -> LookAheadHcl:
    """Find the sets, and take the costs of the tree out: each state's is -log of how many words may come from it."""
    from wfst_asr.graph import _on_the_fly_kernels as kernels
    from wfst_asr.graph._arrays_kernels import COST_UNITS, finishing_order

    rows = table.arcs.view(np.int32).reshape(-1, 4)
    order = finishing_order(table.start, table.first_arc, rows)
    is_open = kernels.open_states(order, table.first_arc, rows, marker)
    is_final = np.isfinite(table.final_cost)
    set_of, set_first, low, high = kernels.next_words(
        order, table.first_arc, rows, is_final.astype(np.uint8), is_open, marker - 1
    )
    members = np.add.reduceat(np.append(high - low, 0), set_first[:-1])
    members[set_first[:-1] == set_first[1:]] = 1
    ahead = -np.log(members)[set_of]
    arcs = table.arcs.copy()
    source = table.source()
    behind = np.where(arcs["olabel"] == 0, ahead[arcs["nextstate"]], 0.0)
    units = np.rint((arcs["cost"] + ahead[source] - behind) * COST_UNITS)
    arcs["cost"] = units / COST_UNITS
    final = np.where(is_final, np.rint((table.final_cost + ahead) * COST_UNITS) / COST_UNITS, np.inf)
    return LookAheadHcl(
        table=ArcTable(table.start, table.first_arc, arcs, final.astype(np.float32)),
        marker=marker,
        set_of=set_of,
        set_first=set_first,
        low=low,
        high=high,
        word=pronunciations.word,
        cost=pronunciations.cost.astype(np.float32),
    )


def backoff_entries(
    grammar: ArcTable, pronunciations: PronunciationArrays, *, backoff_label: int, name: str = "G"
) -> BackoffEntries:
    """Lay G out for a search that composes it with HCL.

    Args:
        grammar: an acceptor of words with at most one arc without a word (`backoff_label` or epsilon) from each state
            and no cycle of them: every back-off model, and grammars of that form.
        pronunciations: the lexicon that HCL was compiled with; words without pronunciation are left out.
        backoff_label: the label of `#0`.
        name: what to call G in messages.

    Raises:
        WfstAsrError: a G of another form.
    """
    from wfst_asr.graph import _on_the_fly_kernels as kernels
    from wfst_asr.graph._tree_kernels import entries_by_state

    arcs, source = grammar.arcs, grammar.source()
    if grammar.start < 0 or grammar.num_states == 0:
        raise WfstAsrError(f"{name}: is empty; no sentence of it can be spoken")
    silent = (arcs["ilabel"] == backoff_label) | (arcs["ilabel"] == 0)
    told = np.where(silent, 0, arcs["ilabel"])
    if (given := np.flatnonzero(told != np.where(arcs["olabel"] == backoff_label, 0, arcs["olabel"]))).size:
        arc = int(given[0])
        raise WfstAsrError(
            f"{name}: reads word {arcs['ilabel'][arc]} and gives word {arcs['olabel'][arc]}; a grammar that is "
            "composed while decoding must be an acceptor: compile the whole graph"
        )
    backing = np.flatnonzero(silent)
    times = np.bincount(source[backing], minlength=grammar.num_states)
    if (times > 1).any():
        state = int(np.argmax(times > 1))
        raise WfstAsrError(
            f"{name}: state {state} has {times[state]} arcs without a word, where a back-off model has one; "
            "compile the whole graph"
        )
    backoff_state = np.full(grammar.num_states, -1, dtype=np.int32)
    backoff_cost = np.zeros(grammar.num_states, dtype=np.float32)
    backoff_state[source[backing]] = arcs["nextstate"][backing]
    backoff_cost[source[backing]] = arcs["cost"][backing]

    ilabel = np.ascontiguousarray(arcs["ilabel"])
    spoken = np.flatnonzero(~silent)
    num_words = int(max(ilabel.max(initial=0), pronunciations.word.max())) + 1
    order = spoken[np.argsort(ilabel[spoken], kind="stable")]
    by_word = np.concatenate(([0], np.cumsum(np.bincount(ilabel[spoken], minlength=num_words))))
    first, rank, arc_of = entries_by_state(source, by_word, order, pronunciations.word, grammar.num_states)
    cost = (arcs["cost"][arc_of] + pronunciations.cost[rank]).astype(np.float32)
    nextstate = arcs["nextstate"][arc_of].astype(np.int32)
    ends = np.flatnonzero(np.isfinite(grammar.final_cost))
    at = first[ends + 1]
    rank = np.insert(rank, at, len(pronunciations.word))
    cost = np.insert(cost, at, grammar.final_cost[ends])
    nextstate = np.insert(nextstate, at, -1)
    first = first + np.concatenate(([0], np.cumsum(np.isfinite(grammar.final_cost))))
    return BackoffEntries(
        start=grammar.start,
        first=first,
        rank=rank,
        cost=cost,
        nextstate=nextstate,
        total=kernels.running_totals(first, cost),
        final_cost=grammar.final_cost.astype(np.float32),
        backoff_state=backoff_state,
        backoff_cost=backoff_cost,
        backoffs=_times_backed_off(backoff_state, name),
    )


def _times_backed_off(backoff_state: NDArray[np.int32], name: str) -> NDArray[np.int32]:
    times = np.zeros(len(backoff_state), dtype=np.int32)
    at = backoff_state.copy()
    for _ in range(256):
        more = at >= 0
        if not more.any():
            return times
        times += more
        at[more] = backoff_state[at[more]]
    raise WfstAsrError(f"{name}: backs off more than 255 times, or in a circle; compile the whole graph")
