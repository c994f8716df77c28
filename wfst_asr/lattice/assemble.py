"""Lattices from arcs in any order: topologically sorted, with frames, without what is on no path."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.compact_pruning import offsets, take_strings


@dataclass(frozen=True)
class Arrangement:
    """Which states and arcs a lattice keeps, and in which order.

    Attributes:
        states: (S,) the states kept, by their numbers before.
        arcs: (A,) the arcs kept, by their numbers before, in the order of their new sources.
        frame: (S,) int32 frames consumed before each state.
        first_arc: (S + 1,) int64.
        nextstate: (A,) int32 new numbers.
    """

    states: NDArray[np.int32]
    arcs: NDArray[np.int32]
    frame: NDArray[np.int32]
    first_arc: NDArray[np.int64]
    nextstate: NDArray[np.int32]


def arrange(
    first_arc: NDArray[np.int64],
    nextstate: NDArray[np.int32],
    consumed: NDArray[np.integer[Any]],
    *,
    is_final: NDArray[np.bool_],
    end_consumed: NDArray[np.integer[Any]] | None = None,
    start: int = 0,
    in_time_order: bool = True,
) -> Arrangement:
    """Order the states so that every arc leads to a higher one; drop the states and arcs that are on no path.

    Arcs of a state stay in their order, and states too where every arc leads to a higher one already (and in the order
    of time, where that is asked for).  Linear in the arcs.

    Args:
        first_arc: (S + 1,) int64, arcs stand by their source.
        nextstate: (A,) int32.
        consumed: (A,) frames that each arc consumes.
        is_final: (S,) whether a path may end in a state.
        end_consumed: (S,) frames consumed by ending in a state.
        start: the start state, which becomes state 0.
        in_time_order: states are sorted by their frames.

    Raises:
        WfstAsrError: the arcs have a cycle, or paths to a state or to the end consume different numbers of frames.
    """
    from wfst_asr.lattice import _order_kernels as kernels

    if not len(is_final) or start < 0:
        return _nothing()
    status, at, states, frame = kernels.order_states(
        first_arc, nextstate, consumed.astype(np.int32), np.ascontiguousarray(is_final), start
    )
    if status == kernels.CYCLE:
        raise WfstAsrError(f"has a cycle of arcs through state {at}; expected an acyclic lattice")
    if status == kernels.FRAMES_DIFFER:
        raise WfstAsrError(
            f"has paths to state {at} that consume different numbers of frames; expected input labels (transition-ids) "
            "one a frame"
        )
    if not len(states):
        return _nothing()
    ends = states[is_final[states]]
    last = frame[ends] if end_consumed is None else frame[ends] + end_consumed[ends]
    if len(ends) and last.min() != last.max():
        raise WfstAsrError(
            f"has paths of {last.min()} and of {last.max()} frames; expected input labels (transition-ids) one a frame"
        )
    if in_time_order and np.any(np.diff(frame[states]) < 0):
        states = states[np.argsort(frame[states], kind="stable")]
    number = np.full(len(is_final), -1, dtype=np.int32)
    number[states] = np.arange(len(states), dtype=np.int32)
    first, arcs = take_strings(first_arc, np.arange(len(nextstate), dtype=np.int32), states)
    source = np.repeat(np.arange(len(states)), np.diff(first))
    keep = number[nextstate[arcs]] >= 0
    arcs = arcs[keep]
    first = offsets(np.bincount(source[keep], minlength=len(states)))
    return Arrangement(states, arcs, frame[states], first, number[nextstate[arcs]])


def _nothing() -> Arrangement:
    none = np.zeros(0, dtype=np.int32)
    return Arrangement(none, none, none, np.zeros(1, dtype=np.int64), none)
