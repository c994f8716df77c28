"""Kernels of lattices: arcs stand by their source, and lead to higher states."""

from typing import Any

import numpy as np
from numba import njit

_LANE_CELLS = 1 << 22  # costs held at once by a sweep: 32 MB


@njit(cache=True, nogil=True)
def _log_add(a: float, b: float) -> Any:
    """Return -log(exp(-a) + exp(-b))."""
    low = min(a, b)
    if low == np.inf:
        return low
    return low - np.log1p(np.exp(low - max(a, b)))


@njit(cache=True, nogil=True)
def forward_backward(first_arc: Any, nextstate: Any, cost: Any, final: Any, soft: bool) -> tuple[Any, Any]:
    """Return the costs of the states from the start and to the end, (S,) each: of the best path, or (soft) of all."""
    states = len(first_arc) - 1
    forward = np.full(states, np.inf)
    backward = final.copy()
    if states > 0:
        forward[0] = 0.0
    for s in range(states):
        here = forward[s]
        for a in range(first_arc[s], first_arc[s + 1]):
            d = nextstate[a]
            forward[d] = _log_add(forward[d], here + cost[a]) if soft else min(forward[d], here + cost[a])
    for s in range(states - 1, -1, -1):
        here = backward[s]
        for a in range(first_arc[s], first_arc[s + 1]):
            to_end = cost[a] + backward[nextstate[a]]
            here = _log_add(here, to_end) if soft else min(here, to_end)
        backward[s] = here
    return forward, backward


@njit(cache=True, nogil=True)
def best_paths(
    first_arc: Any,
    nextstate: Any,
    is_word: Any,
    graph: Any,
    acoustic: Any,
    final: Any,
    final_acoustic: Any,
    scales: Any,
    penalties: Any,
) -> tuple[Any, Any]:
    """Find the best path for each of L (acoustic scale, insertion penalty): backward costs, then a walk from state 0.

    Returns:
        the arcs of the paths one after another, and (L + 1,) where each path begins.  Of equal paths the one whose arcs
        come first is taken.
    """
    states = len(first_arc) - 1
    lanes = len(scales)
    at_once = min(lanes, max(1, _LANE_CELLS // max(1, states)))
    begins = np.zeros(lanes + 1, np.int64)
    path = np.empty(1024, np.int32)
    length = 0
    to_end = np.empty((states, at_once))
    for lane in range(0, lanes, at_once):
        width = min(at_once, lanes - lane)
        for s in range(states - 1, -1, -1):
            here = to_end[s]
            for k in range(width):
                here[k] = final[s] + np.float64(final_acoustic[s]) * scales[lane + k]
            for a in range(first_arc[s], first_arc[s + 1]):
                there = to_end[nextstate[a]]
                g = np.float64(graph[a])
                c = np.float64(acoustic[a])
                word = np.float64(is_word[a])
                for k in range(width):
                    through = g + c * scales[lane + k] + word * penalties[lane + k] + there[k]
                    here[k] = through if through < here[k] else here[k]
        for k in range(width):
            s = 0
            while states > 0:
                best = -1
                lowest = final[s] + np.float64(final_acoustic[s]) * scales[lane + k]
                for a in range(first_arc[s], first_arc[s + 1]):
                    through = (
                        np.float64(graph[a])
                        + np.float64(acoustic[a]) * scales[lane + k]
                        + np.float64(is_word[a]) * penalties[lane + k]
                        + to_end[nextstate[a], k]
                    )
                    if through < lowest:
                        lowest = through
                        best = a
                if best < 0:
                    break
                if length == len(path):
                    longer = np.empty(2 * length, np.int32)
                    for i in range(length):
                        longer[i] = path[i]
                    path = longer
                path[length] = best
                length += 1
                s = nextstate[best]
            begins[lane + k + 1] = length
    return path, begins
