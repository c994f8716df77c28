"""Kernels that take from a graph what can say a given sequence of words."""

from typing import Any

import numpy as np
from numba import njit

FOUND, NO_WORD, TOO_LARGE = 0, 1, 2


@njit(cache=True, nogil=True)
def _longer(values: Any) -> Any:
    longer = np.empty(2 * len(values), values.dtype)
    longer[: len(values)] = values
    return longer


@njit(cache=True, nogil=True)
def paths_of_words(
    first_arc: Any, num_arcs: Any, olabel: Any, nextstate: Any, final_cost: Any, start: int, words: Any, free: Any,
    max_states: int,
) -> Any:  # fmt: skip
    """Compose a graph with a sequence of words, layer by layer: a layer is what lies between one word and the next.

    In each layer the states that arcs without a word reach are found, and of these only those are kept from which the
    next word, or the end, is reached.

    Args:
        first_arc: (S,) of each state of the graph, and so `num_arcs`, `final_cost`.
        num_arcs: see there.
        olabel: (A,) words, and so `nextstate`.
        nextstate: see there.
        final_cost: infinity where a state is not final.
        start: start state.
        words: (N,).
        free: (W,) words that may come anywhere, bool; words beyond are not free.
        max_states: states looked at in one layer, at most.

    Returns:
        FOUND, NO_WORD or TOO_LARGE; the layer that was the last; (P,) states of the graph, and (P,) their layers;
        (B,) source in P, target in P, and place of each arc, sources rising; the start's place in P (or -1).
    """
    local = np.full(len(first_arc), -1, np.int32)
    entered = np.full(len(first_arc), -1, np.int32)
    made_state, made_layer = np.empty(1024, np.int32), np.empty(1024, np.int32)
    made: Any = np.int64(0)
    source, target, place = np.empty(1024, np.int32), np.empty(1024, np.int32), np.empty(1024, np.int64)
    arcs: Any = np.int64(0)
    crossing_from: Any = np.int64(0)  # arcs from here on lead to entries of this layer, numbered from -1 downwards
    visited = np.empty(1024, np.int32)
    visited[0] = start
    count: Any = np.int64(1)
    begun: Any = np.int64(-1)
    status, layer = FOUND, 0
    while True:
        for i in range(count):
            local[visited[i]] = i
        wanted = words[layer] if layer < len(words) else -1
        # all that arcs without a word reach, and how many arcs enter each
        entering = np.zeros(1024, np.int32)
        i = 0
        inner = 0
        while i < count:
            s = visited[i]
            for a in range(np.int64(first_arc[s]), np.int64(first_arc[s]) + num_arcs[s]):
                word = olabel[a]
                if word != 0 and not (word < len(free) and free[word]):
                    continue
                d = nextstate[a]
                if local[d] < 0:
                    if count == len(visited):
                        visited = _longer(visited)
                    visited[count] = d
                    local[d] = count
                    count += 1
                while local[d] >= len(entering):
                    old = len(entering)
                    entering = _longer(entering)
                    entering[old:] = 0
                entering[local[d]] += 1
                inner += 1
            i += 1
            if count > max_states:
                return TOO_LARGE, layer, made_state[:0], made_layer[:0], source[:0], target[:0], place[:0], begun
        # backwards from the next word, or the end
        first = np.zeros(count + 1, np.int64)
        for i in range(count):
            first[i + 1] = first[i] + (entering[i] if i < len(entering) else 0)
        fill = first[:-1].copy()
        before = np.empty(inner, np.int32)
        useful = np.zeros(count, np.bool_)
        stack = np.empty(count, np.int32)
        height = 0
        for i in range(count):
            s = visited[i]
            good = layer == len(words) and final_cost[s] < np.inf
            for a in range(np.int64(first_arc[s]), np.int64(first_arc[s]) + num_arcs[s]):
                word = olabel[a]
                if word == 0 or (word < len(free) and free[word]):
                    d = local[nextstate[a]]
                    before[fill[d]] = i
                    fill[d] += 1
                elif word == wanted:
                    good = True
            if good:
                useful[i] = True
                stack[height] = i
                height += 1
        while height > 0:
            height -= 1
            i = stack[height]
            for k in range(first[i], first[i + 1]):
                p = before[k]
                if not useful[p]:
                    useful[p] = True
                    stack[height] = p
                    height += 1
        # number the useful states, and let the arcs that enter the layer lead to them
        number = np.full(count, -1, np.int32)
        for i in range(count):
            if useful[i]:
                if made == len(made_state):
                    made_state, made_layer = _longer(made_state), _longer(made_layer)
                made_state[made] = visited[i]
                made_layer[made] = layer
                number[i] = made
                made += 1
        if layer == 0:
            begun = np.int64(number[0])
        kept = crossing_from
        for b in range(crossing_from, arcs):
            t = target[b] if target[b] >= 0 else number[-1 - target[b]]
            if t >= 0:
                source[kept], target[kept], place[kept] = source[b], t, place[b]
                kept += 1
        arcs = kept
        if not useful.any():
            status = NO_WORD
            break
        crossing_from = arcs
        # the arcs of the useful states
        following = np.empty(1024, np.int32)
        coming = 0
        for i in range(count):
            if not useful[i]:
                continue
            s = visited[i]
            for a in range(np.int64(first_arc[s]), np.int64(first_arc[s]) + num_arcs[s]):
                word = olabel[a]
                d = nextstate[a]
                if word == 0 or (word < len(free) and free[word]):
                    t = number[local[d]]
                    if t < 0:
                        continue
                elif word == wanted:
                    if entered[d] < 0:
                        if coming == len(following):
                            following = _longer(following)
                        following[coming] = d
                        entered[d] = coming
                        coming += 1
                    t = -1 - entered[d]
                else:
                    continue
                if arcs == len(source):
                    source, target, place = _longer(source), _longer(target), _longer(place)
                source[arcs], target[arcs], place[arcs] = number[i], t, a
                arcs += 1
        for i in range(count):
            local[visited[i]] = -1
        for i in range(coming):
            entered[following[i]] = -1
        if layer == len(words):
            break
        layer += 1
        visited, count = following, coming
    return (
        status, layer, made_state[:made], made_layer[:made], source[:arcs], target[:arcs], place[:arcs], begun
    )  # fmt: skip


@njit(cache=True, nogil=True)
def leads_to_end(source: Any, target: Any, end: Any) -> Any:
    """Return (P,) whether a state leads to one of those marked in `end`."""
    states = len(end)
    first = np.zeros(states + 1, np.int64)
    for b in range(len(target)):
        first[target[b] + 1] += 1
    for i in range(states):
        first[i + 1] += first[i]
    fill = first[:-1].copy()
    before = np.empty(len(source), np.int32)
    for b in range(len(source)):
        before[fill[target[b]]] = source[b]
        fill[target[b]] += 1
    useful = end.copy()
    stack = np.empty(states, np.int32)
    height = 0
    for i in range(states):
        if useful[i]:
            stack[height] = i
            height += 1
    while height > 0:
        height -= 1
        i = stack[height]
        for k in range(first[i], first[i + 1]):
            p = before[k]
            if not useful[p]:
                useful[p] = True
                stack[height] = p
                height += 1
    return useful
