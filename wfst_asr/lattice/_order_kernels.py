"""Kernels that order the states of a lattice: every arc to a higher state, nothing that is on no path."""

from typing import Any

import numpy as np
from numba import njit

ORDERED = 0
CYCLE = 1
FRAMES_DIFFER = 2


@njit(cache=True, nogil=True)
def order_states(first_arc: Any, nextstate: Any, consumed: Any, is_final: Any, start: int) -> tuple[Any, Any, Any, Any]:
    """Order the states that are on a path from the start to a final state.

    The order of the states is kept where every arc leads to a higher state already; else it is that of a depth-first
    search that takes the arcs of a state from the last to the first, finished states last.

    Returns:
        a status (ORDERED, CYCLE or FRAMES_DIFFER) and the state that is at fault; the states in order; (S,) the frames
        consumed before each state, -1 for those on no path.
    """
    states = len(first_arc) - 1
    ascending = True
    for s in range(states):
        for a in range(first_arc[s], first_arc[s + 1]):
            ascending &= nextstate[a] > s
    order = np.empty(states, np.int32)
    reached = 0
    seen = np.zeros(states, np.int8)  # 1 on the stack, 2 done
    frame = np.full(states, -1, np.int32)
    if ascending:
        seen[start] = 2
        for s in range(start, states):
            if seen[s] == 2:
                order[reached] = s
                reached += 1
                for a in range(first_arc[s], first_arc[s + 1]):
                    seen[nextstate[a]] = 2
    else:
        stack = np.empty(states, np.int32)
        next_arc = first_arc[1:].copy()
        depth = 1
        stack[0] = start
        seen[start] = 1
        place = states
        while depth > 0:
            s = stack[depth - 1]
            if next_arc[s] == first_arc[s]:
                seen[s] = 2
                depth -= 1
                place -= 1
                order[place] = s
                continue
            next_arc[s] -= 1
            d = nextstate[next_arc[s]]
            if seen[d] == 1:
                return CYCLE, d, order, frame
            if seen[d] == 0:
                seen[d] = 1
                stack[depth] = d
                depth += 1
        reached = states - place
        order = order[place:].copy()
    useful = np.zeros(states, np.bool_)
    for i in range(reached - 1, -1, -1):
        s = order[i]
        useful[s] = is_final[s]
        for a in range(first_arc[s], first_arc[s + 1]):
            useful[s] |= useful[nextstate[a]]
    kept = 0
    end_frame = -1
    for i in range(reached):
        s = order[i]
        if not useful[s]:
            continue
        order[kept] = s
        kept += 1
        if s == start:
            frame[s] = 0
        for a in range(first_arc[s], first_arc[s + 1]):
            d = nextstate[a]
            if useful[d]:
                there = frame[s] + consumed[a]
                if frame[d] >= 0 and frame[d] != there:
                    return FRAMES_DIFFER, d, order, frame
                frame[d] = there
    return ORDERED, end_frame, order[:kept].copy(), frame
