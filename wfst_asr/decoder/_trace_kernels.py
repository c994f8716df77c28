"""Kernels of the back-pointers of the search."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit


class Trace(NamedTuple):
    """Back-pointers: trace index of the token before (0 at the start) and address of the arc from it."""

    previous: Any
    arc: Any


@njit(cache=True, nogil=True)
def grown(array: Any, size: int) -> Any:
    larger = np.empty(size, array.dtype)
    for i in range(len(array)):  # a slice would take seconds to compile
        larger[i] = array[i]
    return larger


@njit(cache=True, nogil=True)
def collect(trace: Any, first: int, count: int) -> int:
    """Drop the back-pointers that no token `first ... first + count - 1` needs; return the new place of the first."""
    place = np.zeros(first + count, np.int32)
    for i in range(first, first + count):
        place[i] = 1
    for i in range(first, first + count):
        j = trace.previous[i]
        while place[j] == 0 and j > 0:
            place[j] = 1
            j = trace.previous[j]
    live = 1
    for i in range(1, first + count):
        if place[i] == 1:
            place[i] = live
            live += 1
    for i in range(1, first + count):
        if place[i] > 0:
            trace.previous[place[i]] = place[trace.previous[i]]
            trace.arc[place[i]] = trace.arc[i]
    return live - count


@njit(cache=True, nogil=True)
def room(trace: Any, size: int) -> Any:
    return Trace(grown(trace.previous, size), grown(trace.arc, size))


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
