"""Self-loops of HMM states, added to a graph as the last step (Kaldi `AddSelfLoops`, `hmm-utils.cc`)."""

from typing import Any

import numpy as np
import pynini
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable, arc_table
from wfst_asr.fst.convert import from_pynini, to_pynini
from wfst_asr.hmm.transition_model import TransitionModel


def add_self_loops(
    fst: pynini.Fst | ArcTable, model: TransitionModel, *, self_loop_scale: float = 1.0, reorder: bool = True
) -> Any:
    """Add the self-loops of the HMM states to a graph that has only the other transitions.

    With `reorder` the loop follows its forward transition: the state that a transition-id leads to gets the
    self-loop of that transition's HMM state, and what leaves that state, final cost included, pays
    -self_loop_scale ln(1 - p(self-loop)).  A state that transitions of several HMM states enter gets one new state
    for each of them before it, joined by an epsilon arc.  Without `reorder` the loop comes before the transition.

    Args:
        fst: a graph whose input labels are transition-ids, epsilon, or (above them) disambiguation symbols.
        model: the transition model of its labels.
        self_loop_scale: factor on the log probabilities of self-loops and of not taking them; Kaldi's graphs use 0.1.
        reorder: see above; graphs for decoding are reordered.

    Returns:
        The graph with self-loops (output epsilon), of the same kind as `fst` (pynini.Fst or ArcTable).

    Raises:
        WfstAsrError: the graph has self-loop transitions already.

    Linear in the size of the graph.
    """
    table = fst if isinstance(fst, ArcTable) else from_pynini(fst)
    labels = table.arcs["ilabel"]
    known = np.where(labels <= model.num_transition_ids, labels, 0)
    if model.is_self_loop[known].any():
        raise WfstAsrError("the graph has self-loops already; add them once, as the last step")
    state_of_arc = model.transition_state[known].astype(np.int64)
    if reorder:
        result = _loops_after_transitions(table, state_of_arc, model, self_loop_scale)
    else:
        result = _loops_before_transitions(table, state_of_arc, model, self_loop_scale)
    return result if isinstance(fst, ArcTable) else to_pynini(result)


def _loops_after_transitions(
    table: ArcTable, state_of_arc: NDArray[np.int64], model: TransitionModel, scale: float
) -> ArcTable:
    dest = table.arcs["nextstate"].astype(np.int64)
    low = np.full(table.num_states, np.iinfo(np.int64).max)
    high = np.full(table.num_states, -1)
    np.minimum.at(low, dest, state_of_arc)
    np.maximum.at(high, dest, state_of_arc)
    low[table.start], high[table.start] = 0, max(int(high[table.start]), 0)
    mixed = np.flatnonzero((low != high) & (high >= 0))
    is_mixed = np.zeros(table.num_states, dtype=bool)
    is_mixed[mixed] = True
    moved = np.flatnonzero(is_mixed[dest] & (state_of_arc > 0))
    pairs = dest[moved] * (model.num_transition_states + 1) + state_of_arc[moved]
    distinct, which = np.unique(pairs, return_inverse=True)
    arcs = table.arcs.copy()
    arcs["nextstate"][moved] = table.num_states + which
    bridges = np.zeros(len(distinct), dtype=ARC_DTYPE)
    bridges["nextstate"] = distinct // (model.num_transition_states + 1)
    inside = np.where(is_mixed | (high < 0), 0, high)
    inside = np.concatenate((inside, distinct % (model.num_transition_states + 1)))
    source = np.concatenate((table.source().astype(np.int64), table.num_states + np.arange(len(distinct))))
    final = np.concatenate((table.final_cost, np.full(len(distinct), np.inf, np.float32)))
    leave = (-scale * model.non_self_loop_log_prob.astype(np.float64)).astype(np.float32)[inside]
    arcs = np.concatenate((arcs, bridges))
    arcs["cost"] += leave[source]
    return _with_loops(arcs, source, final + leave, inside, model, scale, table.start)


def _loops_before_transitions(
    table: ArcTable, state_of_arc: NDArray[np.int64], model: TransitionModel, scale: float
) -> ArcTable:
    origin = table.source().astype(np.int64)
    low = np.full(table.num_states, np.iinfo(np.int64).max)
    high = np.full(table.num_states, -1)
    np.minimum.at(low, origin, state_of_arc)
    np.maximum.at(high, origin, state_of_arc)
    ends = np.isfinite(table.final_cost)
    low[ends], high[ends] = 0, np.maximum(high[ends], 0)
    is_mixed = (low != high) & (high >= 0)
    moved = np.flatnonzero(is_mixed[origin] & (state_of_arc > 0))
    pairs = origin[moved] * (model.num_transition_states + 1) + state_of_arc[moved]
    distinct, which = np.unique(pairs, return_inverse=True)
    source = origin.copy()
    source[moved] = table.num_states + which
    bridges = np.zeros(len(distinct), dtype=ARC_DTYPE)
    bridges["nextstate"] = table.num_states + np.arange(len(distinct))
    inside = np.concatenate((np.where(is_mixed | (high < 0), 0, high), distinct % (model.num_transition_states + 1)))
    leave = (-scale * model.non_self_loop_log_prob.astype(np.float64)).astype(np.float32)
    arcs = np.concatenate((table.arcs, bridges))
    arcs["cost"][: table.num_arcs] += leave[state_of_arc]
    source = np.concatenate((source, distinct // (model.num_transition_states + 1)))
    final = np.concatenate((table.final_cost, np.full(len(distinct), np.inf, np.float32)))
    return _with_loops(arcs, source, final, inside, model, scale, table.start)


def _with_loops(
    arcs: NDArray[np.void],
    source: NDArray[np.int64],
    final: NDArray[np.float32],
    inside: NDArray[np.int64],
    model: TransitionModel,
    scale: float,
    start: int,
) -> ArcTable:
    """Add to every state the self-loop of the transition-state that it is inside of (0: none)."""
    loop_ids = model.self_loop_id[inside]
    looping = np.flatnonzero(loop_ids)
    loops = np.zeros(len(looping), dtype=ARC_DTYPE)
    loops["ilabel"] = loop_ids[looping]
    loops["cost"] = -scale * model.log_prob[loop_ids[looping]].astype(np.float64)
    loops["nextstate"] = looping
    return arc_table(
        len(final),
        np.concatenate((arcs, loops)),
        source=np.concatenate((source, looping)),
        finals=final.astype(np.float32),
        start=start,
    )
