"""Kernels that choose a frame's pruning cutoff, with Kaldi's meaning of beam, max_active, min_active and beam_delta."""

from typing import Any

import numpy as np
from numba import njit

_BINS = 512


@njit(cache=True, nogil=True)
def best_token(cost: Any, count: int) -> int:
    """Return the slot of the lowest cost, the first among equals; 0 if there is none."""
    best = 0
    lowest = cost[0]
    for i in range(1, count):
        if cost[i] < lowest:
            lowest = cost[i]
            best = i
    return best


@njit(cache=True, nogil=True)
def _select(values: Any, rank: int) -> Any:
    """Return the value with `rank` before it in rising order, and disorder the values (Hoare's quickselect).

    np.partition does the same, but takes seconds to compile.
    """
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    return values[rank]


@njit(cache=True, nogil=True)
def _bin(cost: Any, low: Any, top: Any, factor: Any) -> Any:
    """Return the bin of a cost; the last one for what is above all or, where costs overflow, no number."""
    place = (min(cost, top) - low) * factor
    return np.uint32(place if place < np.float32(_BINS + 1) else np.float32(_BINS + 1))


@njit(cache=True, nogil=True)
def smallest_within(cost: Any, count: int, rank: int, low: Any, high: Any) -> Any:
    """Return the cost with exactly `rank` costs before it in rising order if it is at most `high`, else infinity.

    `low` must be the lowest cost.  One histogram of the range, then a selection inside the bin that holds the rank.
    """
    top = high
    if high == np.inf:
        top = low
        for i in range(count):
            if cost[i] < np.inf and cost[i] > top:
                top = cost[i]
    factor = np.float32(0.0)
    if top > low:
        factor = np.float32(_BINS) / (top - low)
        if not factor < np.inf:
            factor = np.float32(0.0)
    histogram = np.zeros(_BINS + 2, np.int32)
    for i in range(count):
        histogram[_bin(cost[i], low, top, factor)] += 1
    before, found = 0, 0
    while found <= _BINS and before + histogram[found] <= rank:
        before += histogram[found]
        found += 1
    if found > _BINS:
        return np.float32(np.inf)
    inside = np.empty(histogram[found], np.float32)
    k = 0
    for i in range(count):
        if _bin(cost[i], low, top, factor) == found and cost[i] <= high:
            inside[k] = cost[i]
            k += 1
    if rank - before >= k:
        return np.float32(np.inf)
    return _select(inside[:k], rank - before)


@njit(cache=True, nogil=True)
def pruning_cutoff(
    cost: Any, count: int, best: Any, beam: Any, max_active: int, min_active: int, beam_delta: Any
) -> tuple[Any, Any, bool]:
    """Return the cost above which tokens are not expanded, the beam for the next frame, and if max_active decided.

    Kaldi: `LatticeFasterDecoder::GetCutoff`.  What Kaldi leaves to chance differs: the next frame's cutoff falls as the
    arcs are followed, so that some tokens above it live on (and count for max_active), which ones depending on the
    order of Kaldi's hash table, here on the order in which tokens were made.  It begins lower here, with the arcs of
    all tokens near the best one, where Kaldi asks the best one alone.  Paths within the beam are kept by both.
    """
    beam_cutoff = best + beam
    infinite = np.float32(np.inf)
    if count > max_active:
        limit = smallest_within(cost, count, max_active, best, beam_cutoff)
        if limit < beam_cutoff:
            return limit, np.float32(limit - best + beam_delta), True
    if count <= min_active:
        return infinite, infinite, False
    within = 0
    for i in range(count):
        if cost[i] <= beam_cutoff:
            within += 1
            if within > min_active:
                return beam_cutoff, beam, False
    looser = smallest_within(cost, count, min_active, best, infinite)
    return looser, np.float32(looser - best + beam_delta), False
