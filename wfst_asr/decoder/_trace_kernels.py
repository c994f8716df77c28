"""Kernels of the back-pointers of the search."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit


class Trace(NamedTuple):
    """Back-pointers, and room for those that are kept when they are collected.

    Attributes:
        previous: (N,) int32 trace index of the token before, 0 at the start.
        arc: (N,) uint32 address of the arc from it.
        place: (N,) int32 new places, zeros between collections.
        kept_previous, kept_arc: (N,) as `previous` and `arc`.
    """

    previous: Any
    arc: Any
    place: Any
    kept_previous: Any
    kept_arc: Any


def make_trace(size: int) -> Trace:
    """Return room for `size` tokens; memory that is not used is never touched."""
    return Trace(
        np.empty(size, np.int32),
        np.empty(size, np.uint32),
        np.zeros(size, np.int32),
        np.empty(size, np.int32),
        np.empty(size, np.uint32),
    )


@njit(cache=True, nogil=True)
def grown(array: Any, size: int) -> Any:
    larger = np.empty(size, array.dtype)
    for i in range(len(array)):  # a slice would take seconds to compile
        larger[i] = array[i]
    return larger


@njit(cache=True, nogil=True)
def collect(trace: Any, first: int, count: int) -> int:
    """Drop the back-pointers that no token `first ... first + count - 1` needs; return the new place of the first.

    Linear in what is kept, but for clearing `place`.
    """
    previous, arc, place = trace.previous, trace.arc, trace.place
    kept_previous, kept_arc = trace.kept_previous, trace.kept_arc
    live = 1
    for i in range(first, first + count):
        j = previous[i]
        while 0 < j < first and place[j] == 0:
            place[j] = live
            kept_previous[live], kept_arc[live] = previous[j], arc[j]
            live += 1
            j = previous[j]
    for k in range(1, live):
        previous[k] = place[kept_previous[k]]
        arc[k] = kept_arc[k]
    for i in range(count):
        j = previous[first + i]
        previous[live + i] = place[j] if j < first else j - first + live
        arc[live + i] = arc[first + i]
    for j in range(first):
        place[j] = 0
    return live


@njit(cache=True, nogil=True)
def room(trace: Any, size: int) -> Any:
    return Trace(
        grown(trace.previous, size),
        grown(trace.arc, size),
        np.zeros(size, np.int32),
        np.empty(size, np.int32),
        np.empty(size, np.uint32),
    )


@njit(cache=True, nogil=True)
def trace_back(trace: Any, index: int) -> Any:
    """Return the addresses of the arcs of the path that ends in a token, first arc first."""
    length = 0
    i = index
    while trace.previous[i] > 0:
        length += 1
        i = trace.previous[i]
    path = np.empty(length, np.uint32)
    i = index
    while length > 0:
        length -= 1
        path[length] = trace.arc[i]
        i = trace.previous[i]
    return path


@njit(cache=True, nogil=True)
def arcs_of_path(kind: Any, rank: Any, state: Any, first: Any, stop: Any, ilabel: Any, nextstate: Any) -> Any:
    """Return the place in the const FST of each arc of a path.

    kind: 0 self-loop of the header, 1 emitting arc, 2 epsilon arc; rank: its place among its kind in the block.
    """
    found = np.empty(len(kind), np.int64)
    for i in range(len(kind)):
        seen = 0
        looped = False
        for a in range(first[i], stop[i]):
            if ilabel[a] == 0:
                this = 2
            elif nextstate[a] == state[i] and not looped:
                this = 0
                looped = True
            else:
                this = 1
            if this == kind[i]:
                if seen == rank[i]:
                    found[i] = a
                    break
                seen += 1
    return found
