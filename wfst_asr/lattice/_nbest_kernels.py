"""Kernel of the n best word sequences: A* over the tree of word prefixes, each with the states it may have reached."""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, sorted_order

_PER_UNIT = 2.0**30  # costs are compared in steps of 1e-9, so that rounding breaks no tie between word sequences
_HIGHEST = 2.0**32
_END = -1  # the "word" of a whole sequence; sorts before all others


@njit(cache=True, nogil=True)
def _before(a: Any, b: Any, key: Any, parent: Any, depth: Any, word: Any) -> Any:
    """Tell whether prefix a comes before prefix b: the lower cost, then the order of the words."""
    if key[a] != key[b]:
        return key[a] < key[b]
    shorter = depth[a] < depth[b]
    while depth[a] > depth[b]:
        a = parent[a]
    while depth[b] > depth[a]:
        b = parent[b]
    if a == b:
        return shorter
    while parent[a] != parent[b]:
        a = parent[a]
        b = parent[b]
    return word[a] < word[b]


@njit(cache=True, nogil=True)
def n_best(first_arc: Any, nextstate: Any, words: Any, cost: Any, to_end: Any, n: Any, limit: Any) -> tuple[Any, Any]:
    """Return the arcs of the best paths of the n best word sequences one after another, and (found + 1,) their begins.

    The states and arcs are those of a `SingleEnd`; `to_end` is (S,) the exact cost of the best way from each state to
    the end, `n` how many are wanted at most, `limit` the highest cost of a path.
    """
    end = len(first_arc) - 2
    # prefixes: a tree of words; the entries of each are states with the cost of the best path to them
    parent = np.empty(256, np.int64)
    depth = np.empty(256, np.int64)
    word = np.empty(256, np.int64)
    key = np.empty(256, np.int64)
    first_entry = np.empty(256, np.int64)
    entry_end = np.empty(256, np.int64)
    state = np.empty(1024, np.int32)
    reached = np.empty(1024, np.float64)
    back = np.empty(1024, np.int64)
    by_arc = np.empty(1024, np.int64)
    heap = np.empty(256, np.int64)
    pending = np.empty(64, np.int64)  # heap of the states of the prefix at hand
    entry_of = np.full(end + 1, -1, np.int64)
    onward = np.empty(64, np.int64)  # arcs with words out of the prefix at hand: word and next state, arc, entry
    onward_arc = np.empty(64, np.int64)
    onward_entry = np.empty(64, np.int64)
    path = np.empty(1024, np.int64)
    begins = np.zeros(n + 1, np.int64)
    found = 0

    parent[0], depth[0], word[0], key[0], first_entry[0], entry_end[0] = -1, 0, 0, 0, 0, 1
    state[0], reached[0], back[0], by_arc[0] = 0, 0.0, -1, -1
    prefixes, entries, waiting = 1, 1, 1
    heap[0] = 0
    while waiting > 0 and found < n:
        at = heap[0]
        waiting -= 1
        last = heap[waiting]
        hole = 0
        while 2 * hole + 1 < waiting:
            child = 2 * hole + 1
            if child + 1 < waiting and _before(heap[child + 1], heap[child], key, parent, depth, word):
                child += 1
            if not _before(heap[child], last, key, parent, depth, word):
                break
            heap[hole] = heap[child]
            hole = child
        heap[hole] = last

        if word[at] == _END:
            entry = first_entry[at]
            length = 0
            while back[entry] >= 0:
                entry = back[entry]
                length += 1
            path = grown(path, begins[found] + length)
            found += 1
            begins[found] = begins[found - 1] + length
            entry = first_entry[at]
            for i in range(length):
                path[begins[found] - 1 - i] = by_arc[entry]
                entry = back[entry]
            continue

        # all states that the prefix reaches, by arcs without words: taken in order, each once, at its final cost
        count = 0
        for entry in range(first_entry[at], entry_end[at]):  # ascending states, so a heap already
            pending = grown(pending, count + 1)
            pending[count] = state[entry]
            entry_of[state[entry]] = entry
            count += 1
        arcs = 0
        while count > 0:
            s = pending[0]
            count -= 1
            last = pending[count]
            hole = 0
            while 2 * hole + 1 < count:
                child = 2 * hole + 1
                if child + 1 < count and pending[child + 1] < pending[child]:
                    child += 1
                if pending[child] >= last:
                    break
                pending[hole] = pending[child]
                hole = child
            pending[hole] = last
            entry = entry_of[s]
            entry_of[s] = -1
            for a in range(first_arc[s], first_arc[s + 1]):
                d = nextstate[a]
                there = reached[entry] + cost[a]
                if not there + to_end[d] <= limit:
                    continue
                if words[a] != 0 or d == end:
                    onward = grown(onward, arcs + 1)
                    onward_arc = grown(onward_arc, arcs + 1)
                    onward_entry = grown(onward_entry, arcs + 1)
                    onward[arcs] = ((np.int64(words[a]) if d != end else np.int64(_END)) << 32) + d
                    onward_arc[arcs] = a
                    onward_entry[arcs] = entry
                    arcs += 1
                    continue
                new = entry_of[d]
                if new < 0:
                    state = grown(state, entries + 1)
                    reached = grown(reached, entries + 1)
                    back = grown(back, entries + 1)
                    by_arc = grown(by_arc, entries + 1)
                    new = entries
                    entries += 1
                    state[new] = d
                    reached[new] = np.inf
                    entry_of[d] = new
                    pending = grown(pending, count + 1)
                    i = count
                    count += 1
                    while i > 0 and pending[(i - 1) // 2] > d:
                        pending[i] = pending[(i - 1) // 2]
                        i = (i - 1) // 2
                    pending[i] = d
                if there < reached[new]:
                    reached[new] = there
                    back[new] = entry
                    by_arc[new] = a

        # the longer prefixes: one for each word, with its states in ascending order
        order = sorted_order(onward[:arcs])
        i = 0
        while i < arcs:
            new_word = onward[order[i]] >> 32
            lowest = np.inf
            parent = grown(parent, prefixes + 1)
            depth = grown(depth, prefixes + 1)
            word = grown(word, prefixes + 1)
            key = grown(key, prefixes + 1)
            first_entry = grown(first_entry, prefixes + 1)
            entry_end = grown(entry_end, prefixes + 1)
            first_entry[prefixes] = entries
            while i < arcs and onward[order[i]] >> 32 == new_word:
                d = onward[order[i]] - (new_word << 32)
                if entries == first_entry[prefixes] or state[entries - 1] != d:
                    state = grown(state, entries + 1)
                    reached = grown(reached, entries + 1)
                    back = grown(back, entries + 1)
                    by_arc = grown(by_arc, entries + 1)
                    state[entries] = d
                    reached[entries] = np.inf
                    entries += 1
                there = reached[onward_entry[order[i]]] + cost[onward_arc[order[i]]]
                if there < reached[entries - 1]:
                    reached[entries - 1] = there
                    back[entries - 1] = onward_entry[order[i]]
                    by_arc[entries - 1] = onward_arc[order[i]]
                    lowest = min(lowest, there + to_end[d])
                i += 1
            entry_end[prefixes] = entries
            parent[prefixes], depth[prefixes], word[prefixes] = at, depth[at] + 1, new_word
            key[prefixes] = np.int64(np.rint(min(max(lowest - to_end[0], 0.0), _HIGHEST) * _PER_UNIT))
            heap = grown(heap, waiting + 1)
            hole = waiting
            waiting += 1
            while hole > 0 and _before(prefixes, heap[(hole - 1) // 2], key, parent, depth, word):
                heap[hole] = heap[(hole - 1) // 2]
                hole = (hole - 1) // 2
            heap[hole] = prefixes
            prefixes += 1
    return path[: begins[found]], begins[: found + 1]
