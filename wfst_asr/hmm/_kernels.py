"""Kernels of forward-backward, and of the length of paths."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def frames_to_end(first, nextstate, final_cost):  # type: ignore[no-untyped-def]
    """Return the least number of arcs from every state to a final one; -1 where there is none."""
    num_states = final_cost.shape[0]
    left = np.full(num_states, -1, np.int32)
    for state in range(num_states):
        if final_cost[state] < np.inf:
            left[state] = 0
    changed = True
    while changed:
        changed = False
        for state in range(num_states - 1, -1, -1):
            for arc in range(first[state], first[state + 1]):
                dest = nextstate[arc]
                if left[dest] >= 0 and (left[state] < 0 or left[dest] + 1 < left[state]):
                    left[state] = left[dest] + 1
                    changed = True
    return left
