"""Lattices from arcs in any order: topologically sorted, with frames, without what is on no path."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError

_Number = TypeVar("_Number", bound=np.generic)


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
    arcs: NDArray[np.int64]
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
    arcs = concatenated_ranges(first_arc[states], first_arc[states + 1])
    source = np.repeat(np.arange(len(states)), first_arc[states + 1] - first_arc[states])
    keep = number[nextstate[arcs]] >= 0
    arcs, source = arcs[keep], source[keep]
    first = np.zeros(len(states) + 1, dtype=np.int64)
    np.cumsum(np.bincount(source, minlength=len(states)), out=first[1:])
    return Arrangement(states, arcs, frame[states], first, number[nextstate[arcs]])


def _nothing() -> Arrangement:
    none = np.zeros(0, dtype=np.int32)
    return Arrangement(none, np.zeros(0, dtype=np.int64), none, np.zeros(1, dtype=np.int64), none)


def concatenated_ranges(begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return begin[0] .. end[0] - 1, begin[1] .. end[1] - 1 and so on, in one array.

    >>> concatenated_ranges(np.array([5, 0]), np.array([7, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    length = end - begin
    before = np.cumsum(length) - length
    return np.repeat(begin - before, length) + np.arange(int(length.sum()), dtype=np.int64)


def taken_strings(
    first: NDArray[np.int64], values: NDArray[_Number], items: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[_Number]]:
    """Take the strings `values[first[i] : first[i + 1]]` of some items; an item of -1 has none.

    >>> taken_strings(np.array([0, 2, 3]), np.array([7, 8, 9]), np.array([1, -1, 0]))
    (array([0, 1, 1, 3]), array([9, 7, 8]))
    """
    begin, end = first[items], np.where(items < 0, first[items], first[items + 1])
    taken = np.zeros(len(items) + 1, dtype=np.int64)
    np.cumsum(end - begin, out=taken[1:])
    return taken, values[concatenated_ranges(begin, end)]
