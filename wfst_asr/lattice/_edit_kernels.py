"""Kernels of edit distance between a lattice and a word sequence: the least, and the expected one with statistics."""

from typing import Any

import numpy as np
from numba import njit

_TIE = 1e-9  # expected distances that differ by less are equal: rounding decides nothing
_PENALTY = 1e-5  # for a word of the lattice beside all bins, as in Kaldi: a word that can go into a bin does

_MATCH, _INSERT, _SKIP = 1, 2, 3


@njit(cache=True, nogil=True)
def nearest_path(first_arc: Any, nextstate: Any, word: Any, cost: Any, reference: Any) -> tuple[Any, Any]:
    """Return the arcs of the path nearest to the reference (fewest errors, then lowest cost), and its alignment.

    Returns:
        (N,) steps: an arc, or -1 for a word of the reference that is deleted.
        (N,) places in the reference: for an arc that is aligned to a word of the reference, or a deletion, the word's
        place; else -1.
    """
    states = len(first_arc) - 1
    length = len(reference)
    errors = np.empty((states, length + 1), np.int32)
    costs = np.empty((states, length + 1), np.float64)
    step = np.empty((states, length + 1), np.int32)
    aligned = np.zeros((states, length + 1), np.uint8)
    far = np.int32(1 << 30)
    for s in range(states - 1, -1, -1):
        for j in range(length, -1, -1):
            fewest, lowest, choice, match = far, np.inf, -2, 0
            if s == states - 1 and j == length:
                fewest, lowest = np.int32(0), 0.0
            for a in range(first_arc[s], first_arc[s + 1]):
                d = nextstate[a]
                if word[a] != 0 and j < length and errors[d, j + 1] < far:
                    e = errors[d, j + 1] + np.int32(word[a] != reference[j])
                    c = costs[d, j + 1] + cost[a]
                    if e < fewest or (e == fewest and c < lowest):
                        fewest, lowest, choice, match = e, c, a, 1
                if errors[d, j] < far:
                    e = errors[d, j] + np.int32(word[a] != 0)
                    c = costs[d, j] + cost[a]
                    if e < fewest or (e == fewest and c < lowest):
                        fewest, lowest, choice, match = e, c, a, 0
            if j < length and errors[s, j + 1] < far:
                e = errors[s, j + 1] + np.int32(1)
                c = costs[s, j + 1]
                if e < fewest or (e == fewest and c < lowest):
                    fewest, lowest, choice, match = e, c, -1, 1
            errors[s, j], costs[s, j], step[s, j], aligned[s, j] = fewest, lowest, choice, match
    steps = np.empty(states + length, np.int32)
    places = np.empty(states + length, np.int32)
    s, j, count = 0, 0, 0
    while step[s, j] != -2:
        steps[count] = step[s, j]
        places[count] = j if aligned[s, j] else -1
        count += 1
        ahead = aligned[s, j]
        if step[s, j] >= 0:
            s = nextstate[step[s, j]]
        j += ahead
    return steps[:count], places[:count]


@njit(cache=True, nogil=True)
def alignment_statistics(
    first_arc: Any, nextstate: Any, word: Any, share: Any, frame: Any, bins: Any, num_words: Any
) -> tuple[Any, Any, Any, Any, Any]:
    """Align all paths of a lattice with a sequence of bins, and return what falls into each bin.

    Xu, Povey, Mangu and Zhu 2011, figures 4 and 5.  The states, arcs and frames are those of a `SingleEnd`; `word` are
    (A,) numbers of words from 0, which is none, below `num_words`, V; `share` is (A,) the share of an arc in what comes
    to its next state, 0 for arcs that are on no path; `bins` are (Q,) the hypothesis, a word or none for each bin.

    Returns:
        (Q, V) posteriors; (Q, V) sums of posterior * first frame, and of posterior * end frame; the expected distance
        (with penalties); expected number of words beside all bins.
    """
    states = len(first_arc) - 1
    arcs = len(nextstate)
    q_end = len(bins)
    distance = np.zeros((states, q_end + 1))
    for q in range(q_end):
        distance[0, q + 1] = distance[0, q] + (bins[q] != 0)
    choice = np.empty((arcs, q_end + 1), np.uint8)
    for s in range(states):
        for a in range(first_arc[s], first_arc[s + 1]):
            part = share[a]
            if part == 0.0:
                continue
            w = word[a]
            here = distance[s]
            there = distance[nextstate[a]]
            beside = 1.0 + _PENALTY if w != 0 else 0.0
            now = here[0] + beside
            there[0] += part * now
            choice[a, 0] = _INSERT
            for q in range(1, q_end + 1):
                r = bins[q - 1]
                skip = now + (1.0 if r != 0 else 0.0)
                now = here[q - 1] + (1.0 if w != r else 0.0)
                taken = _MATCH
                insert = here[q] + beside
                if insert < now - _TIE:
                    now = insert
                    taken = _INSERT
                if skip < now - _TIE:
                    now = skip
                    taken = _SKIP
                choice[a, q] = taken
                there[q] += part * now
    posterior = np.zeros((q_end, num_words))
    begin = np.zeros((q_end, num_words))
    end = np.zeros((q_end, num_words))
    beside_bins = 0.0
    flow = np.zeros((states, q_end + 1))
    low = np.full(states, q_end + 1, np.int64)  # where flow is not zero
    high = np.full(states, -1, np.int64)
    flow[states - 1, q_end] = 1.0
    low[states - 1] = high[states - 1] = q_end
    for s in range(states - 1, -1, -1):
        for a in range(first_arc[s], first_arc[s + 1]):
            part = share[a]
            n = nextstate[a]
            if part == 0.0 or high[n] < 0:
                continue
            w = word[a]
            carried = 0.0
            for q in range(high[n], -1, -1):
                p = carried + part * flow[n, q]
                carried = 0.0
                if p == 0.0:
                    if q < low[n]:
                        break
                    continue
                taken = choice[a, q]
                if taken == _SKIP:
                    carried = p
                    posterior[q - 1, 0] += p
                    begin[q - 1, 0] += p * frame[n]
                    end[q - 1, 0] += p * frame[n]
                    continue
                to = q
                if taken == _MATCH:
                    to = q - 1
                    posterior[to, w] += p
                    begin[to, w] += p * frame[s]
                    end[to, w] += p * frame[n]
                elif w != 0:
                    beside_bins += p
                flow[s, to] += p
                low[s] = min(low[s], to)
                high[s] = max(high[s], to)
    carried = 0.0
    for q in range(q_end, 0, -1):
        carried += flow[0, q]
        posterior[q - 1, 0] += carried
        begin[q - 1, 0] += carried * frame[0]
        end[q - 1, 0] += carried * frame[0]
    return posterior, begin, end, distance[states - 1, q_end], beside_bins
