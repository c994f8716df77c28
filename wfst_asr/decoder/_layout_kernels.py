"""Kernels that lay a graph out for the search; see `decoder/layout.py` for the layout itself."""

from typing import Any

import numpy as np
from numba import njit

_HEADER_WORDS = 4  # words of a state's header
_EMITTING_WORDS = 3
_EPSILON_WORDS = 2


@njit(cache=True, nogil=True)
def depth_first_order(start: int, first_arc: Any, nextstate: Any) -> Any:
    """Return the reachable states in the order in which a depth-first walk meets them."""
    num_states = len(first_arc) - 1
    order = np.empty(num_states, np.int32)
    seen = np.zeros(num_states, np.bool_)
    cursor = np.empty(num_states, np.int64)
    stack = np.empty(num_states, np.int32)
    stack[0] = start
    seen[start] = True
    cursor[start] = first_arc[start]
    order[0] = start
    depth, count = 1, 1
    while depth > 0:
        s = stack[depth - 1]
        a = cursor[s]
        if a == first_arc[s + 1]:
            depth -= 1
            continue
        cursor[s] = a + 1
        d = nextstate[a]
        if not seen[d]:
            seen[d] = True
            cursor[d] = first_arc[d]
            order[count] = d
            count += 1
            stack[depth] = d
            depth += 1
    return order[:count].copy()


@njit(cache=True, nogil=True)
def check_arcs(ilabel: Any, cost: Any, nextstate: Any, num_states: int, num_labels: int) -> tuple[int, int]:
    """Return (problem, arc): 0 none, 1 next state, 2 label below 0, 3 label too high, 4 cost; the first such arc."""
    for a in range(len(ilabel)):
        if nextstate[a] < 0 or nextstate[a] >= num_states:
            return 1, a
        if ilabel[a] < 0:
            return 2, a
        if ilabel[a] >= num_labels:
            return 3, a
        if not cost[a] > -np.inf:
            return 4, a
    return 0, 0


@njit(cache=True, nogil=True)
def epsilon_levels(order: Any, first_arc: Any, ilabel: Any, nextstate: Any) -> tuple[Any, int]:
    """Give states with epsilon arcs a level so that every epsilon arc leads to a higher level (Kahn's algorithm).

    Returns:
        (S,) int32 levels: 0 for a state without epsilon arcs, from 1 on otherwise, -1 for states on an epsilon cycle or
        behind one; the number of states at -1.
    """
    num_states = len(first_arc) - 1
    waiting = np.zeros(num_states, np.int32)
    level = np.zeros(num_states, np.int32)
    for i in range(len(order)):
        s = order[i]
        for a in range(first_arc[s], first_arc[s + 1]):
            if ilabel[a] == 0:
                waiting[nextstate[a]] += 1
                level[s] = -1
    queue = np.empty(len(order), np.int32)
    tail = 0
    depth = np.ones(num_states, np.int32)
    for i in range(len(order)):
        if waiting[order[i]] == 0 and level[order[i]] != 0:
            queue[tail] = order[i]
            tail += 1
    head = 0
    while head < tail:
        s = queue[head]
        head += 1
        level[s] = depth[s]
        for a in range(first_arc[s], first_arc[s + 1]):
            if ilabel[a] == 0:
                d = nextstate[a]
                depth[d] = max(depth[d], depth[s] + 1)
                waiting[d] -= 1
                if waiting[d] == 0 and level[d] != 0:
                    queue[tail] = d
                    tail += 1
    left = 0
    for i in range(len(order)):
        if level[order[i]] < 0:
            left += 1
    return level, left


@njit(cache=True, nogil=True)
def negative_cycle_state(level: Any, first_arc: Any, ilabel: Any, cost: Any, nextstate: Any) -> int:
    """Return a state on an epsilon cycle of negative cost, or -1 (Bellman-Ford over the states at level -1)."""
    members = np.flatnonzero(level < 0)
    distance = np.zeros(len(level), np.float64)
    parent = np.full(len(level), -1, np.int32)
    colour = np.zeros(len(level), np.int32)
    for sweep in range(len(members) + 1):
        changed = False
        for s in members:
            for a in range(first_arc[s], first_arc[s + 1]):
                d = nextstate[a]
                if ilabel[a] == 0 and level[d] < 0 and distance[s] + cost[a] < distance[d] - 1e-6:
                    distance[d] = distance[s] + cost[a]
                    parent[d] = s
                    changed = True
        if not changed:
            return -1
        if sweep % 32 == 31 or sweep == len(members):
            colour[:] = 0
            for k in range(len(members)):
                s = members[k]
                while s >= 0 and colour[s] == 0:
                    colour[s] = k + 1
                    s = parent[s]
                if s >= 0 and colour[s] == k + 1:
                    return int(s)
    return -1


@njit(cache=True, nogil=True)
def block_starts(order: Any, first_arc: Any, ilabel: Any, nextstate: Any) -> Any:
    """Return the address of each state's block in the order of `order`, and the total at the end, (N + 1,) int64."""
    starts = np.empty(len(order) + 1, np.int64)
    at = 0
    for i in range(len(order)):
        s = order[i]
        starts[i] = at
        at += _HEADER_WORDS
        looped = False
        for a in range(first_arc[s], first_arc[s + 1]):
            if ilabel[a] == 0:
                at += _EPSILON_WORDS
            elif nextstate[a] == s and not looped:
                looped = True
            else:
                at += _EMITTING_WORDS
    starts[len(order)] = at
    return starts


@njit(cache=True, nogil=True)
def fill_blocks(
    words: Any,
    costs: Any,
    order: Any,
    starts: Any,
    code: Any,
    code_shift: int,
    first_arc: Any,
    ilabel: Any,
    cost: Any,
    nextstate: Any,
    columns: Any,
) -> None:
    """Write every block; `words` (uint32) and `costs` (float32) are two views of the same memory."""
    target = np.zeros(len(first_arc) - 1, np.uint32)
    for i in range(len(order)):
        s = order[i]
        target[s] = np.uint32(starts[i] | (np.int64(code[s]) << code_shift))
    for i in range(len(order)):
        s = order[i]
        begin = starts[i]
        words[begin] = 0
        words[begin + 1] = 0
        at = begin + _HEADER_WORDS
        emitting, epsilon = 0, 0
        looped = False
        for a in range(first_arc[s], first_arc[s + 1]):
            if ilabel[a] == 0:
                continue
            if nextstate[a] == s and not looped:
                looped = True
                words[begin] = np.uint32(columns[ilabel[a]] + 1)
                costs[begin + 1] = cost[a]
            else:
                words[at] = np.uint32(columns[ilabel[a]])
                words[at + 1] = target[nextstate[a]]
                costs[at + 2] = cost[a]
                at += _EMITTING_WORDS
                emitting += 1
        for a in range(first_arc[s], first_arc[s + 1]):
            if ilabel[a] == 0:
                words[at] = target[nextstate[a]]
                costs[at + 1] = cost[a]
                at += _EPSILON_WORDS
                epsilon += 1
        words[begin + 2] = np.uint32(emitting)
        words[begin + 3] = np.uint32(epsilon)
