"""Kernels of the subsets of lattice determinization: closures over arcs without words, strings, comparison.

A string is a node (parent, label, frame, hash) of a tree: one label a frame, and a hash that is the sum of what every
frame adds, so that the hash of a string since a frame is a difference.  Strings are taken to be equal if their hashes
of 64 bits are.  Nodes are rows of an int32 array (parent, label, frame) beside an array of hashes.
"""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import mixed

PARENT, LABEL, FRAME = 0, 1, 2
EXIT, NODE = 0, 1
COST, ACOUSTIC, TO_END = 0, 1, 2
EPS_BEGIN, EPS_END, BY, STRING = 0, 1, 2, 3
_DE_BRUIJN = 0x03F79D71B4CB0A89
_BIT = np.zeros(64, np.int64)
for _i in range(64):
    _BIT[((1 << _i) * _DE_BRUIJN & 0xFFFFFFFFFFFFFFFF) >> 58] = _i


@njit(cache=True, nogil=True)
def grown_rows(array: Any, needed: int) -> Any:
    """Return `array` (N, K), or a copy of at least twice its length if `needed` rows do not fit."""
    if needed <= array.shape[0]:
        return array
    larger = np.empty((max(needed, 2 * array.shape[0]), array.shape[1]), array.dtype)
    for i in range(array.shape[0]):
        for k in range(array.shape[1]):
            larger[i, k] = array[i, k]
    return larger


@njit(cache=True, nogil=True)
def push(keys: Any, states: Any, count: int, key: Any, state: Any) -> None:
    """Put a state into a binary heap of `count` entries."""
    at = count
    while at > 0 and keys[(at - 1) >> 1] > key:
        keys[at], states[at] = keys[(at - 1) >> 1], states[(at - 1) >> 1]
        at = (at - 1) >> 1
    keys[at], states[at] = key, state


@njit(cache=True, nogil=True)
def pop(keys: Any, states: Any, count: int) -> Any:
    """Take the state of the lowest key out of a heap of `count` entries."""
    lowest = states[0]
    key, state = keys[count - 1], states[count - 1]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= count - 1:
            break
        if child + 1 < count - 1 and keys[child + 1] < keys[child]:
            child += 1
        if keys[child] >= key:
            break
        keys[at], states[at] = keys[child], states[child]
        at = child
    keys[at], states[at] = key, state
    return lowest


@njit(cache=True, nogil=True)
def close(
    entry: Any, entry_cost: Any, count: int, eps_next: Any, eps_cost: Any, raw: Any, way: Any, limit: float
) -> tuple[int, int, int]:
    """Follow the arcs without a word from entries as long as a path to the end costs at most `limit`.

    States are taken from a set of bits in their order, which is topological.

    Args:
        entry: rows (state, ...), each state once, of which `count` are used.
        entry_cost: rows (cost, acoustic cost).
        count: entries.
        eps_next: (E,) where each arc without a word leads.
        eps_cost: (E, 3) cost to the end, cost of the arc, acoustic cost.
        raw: of the raw states, rows (cost, acoustic cost, cost to the end of ways that take a word arc, or end, at
            once) and rows (first arc, end of the arcs, last arc of the best way here, string): costs of the best way
            and its last arc, or -1 - i for entry i, are filled in for the states that are reached.
        way: (S,) filled with the exits within the limit, in order; and a set of bits, empty before and after.
        limit: on a path to the end.

    Returns:
        how many exits there are, states and arcs that were looked at.
    """
    reached, place = raw
    exits, bits = way
    low, high = len(bits), -1
    for i in range(count):
        s = entry[i, 0]
        reached[s, COST], reached[s, ACOUSTIC], place[s, BY] = entry_cost[i, 0], entry_cost[i, 1], -1 - i
        bits[s >> 6] |= np.uint64(1) << np.uint64(s & 63)
        low, high = min(low, s >> 6), max(high, s >> 6)
    num_exits, num_states, num_arcs = 0, 0, 0
    while low <= high:
        word = bits[low]
        if word == 0:
            low += 1
            continue
        lowest = word & (~word + np.uint64(1))
        bits[low] = word ^ lowest
        s = (low << 6) + _BIT[(lowest * np.uint64(_DE_BRUIJN)) >> np.uint64(58)]
        num_states += 1
        here = reached[s, COST]
        if here + reached[s, TO_END] <= limit:
            exits[num_exits] = s
            num_exits += 1
        begin, end = place[s, EPS_BEGIN], place[s, EPS_END]
        num_arcs += end - begin
        for a in range(begin, end):
            if here + eps_cost[a, 0] > limit:
                continue
            d = eps_next[a]
            cost = here + eps_cost[a, 1]
            bit = np.uint64(1) << np.uint64(d & 63)
            if bits[d >> 6] & bit == 0:
                bits[d >> 6] |= bit
                high = max(high, d >> 6)
            elif reached[d, COST] <= cost:
                continue
            reached[d, COST], reached[d, ACOUSTIC] = cost, reached[s, ACOUSTIC] + eps_cost[a, 2]
            place[d, BY] = a
    return num_exits, num_states, num_arcs


@njit(cache=True, nogil=True)
def _append(nodes: Any, node_hash: Any, count: int, parent: int, label: int) -> None:
    """Make node `count`: the string of `parent` and a label."""
    frame = nodes[parent, FRAME]
    nodes[count, PARENT], nodes[count, LABEL], nodes[count, FRAME] = parent, label, frame + 1
    key = (np.uint64(frame) << np.uint64(32)) + np.uint64(label) + np.uint64(0x9E3779B97F4A7C15)
    node_hash[count] = node_hash[parent] + mixed(key)


@njit(cache=True, nogil=True)
def spell(
    exits: Any,
    num_exits: int,
    entry: Any,
    place: Any,
    eps_source: Any,
    eps_label: Any,
    scratch: Any,
    strings: Any,
    count: int,
) -> tuple[int, int, int]:
    """Make the strings of the best ways to exits, and find their longest common prefix.

    Args:
        exits: states whose ways are wanted.
        num_exits: how many there are.
        entry: rows (state, string, label that follows) of the entries.
        place: rows of the raw states, with the best ways as `close` left them, and strings that are -1; the strings of
            the states on the ways are filled in.
        eps_source: (E,) where each arc begins.
        eps_label: (E,) labels.
        scratch: (S,) filled with the states whose strings were filled in; and (S,) room for a way.
        strings: nodes and their hashes, with room for one more for each state that was reached.
        count: nodes so far.

    Returns:
        the number of nodes, the node of the common prefix, how many strings were filled in.
    """
    nodes, node_hash = strings
    filled, trail = scratch
    num_filled = 0
    common = -1
    for i in range(num_exits):
        s = exits[i]
        depth = 0
        at = s
        while place[at, STRING] < 0 and place[at, BY] >= 0:
            trail[depth] = place[at, BY]
            depth += 1
            at = eps_source[place[at, BY]]
        shared = -1  # the way from here on is that of an exit before
        if place[at, STRING] < 0:
            e = -1 - place[at, BY]
            node = entry[e, 1]
            if entry[e, 2] != 0:
                _append(nodes, node_hash, count, node, entry[e, 2])
                node = count
                count += 1
            place[at, STRING] = node
            filled[num_filled] = at
            num_filled += 1
        else:
            shared = place[at, STRING]
        node = place[at, STRING]
        for j in range(depth - 1, -1, -1):
            a = trail[j]
            if eps_label[a] != 0:
                _append(nodes, node_hash, count, node, eps_label[a])
                node = count
                count += 1
            at = s if j == 0 else eps_source[trail[j - 1]]
            place[at, STRING] = node
            filled[num_filled] = at
            num_filled += 1
        if common < 0:
            common = node
        elif shared < 0 or nodes[shared, FRAME] < nodes[common, FRAME]:
            while common != node:
                if nodes[common, FRAME] > nodes[node, FRAME]:
                    common = nodes[common, PARENT]
                elif nodes[node, FRAME] > nodes[common, FRAME]:
                    node = nodes[node, PARENT]
                elif node_hash[common] == node_hash[node]:
                    break
                else:
                    common, node = nodes[common, PARENT], nodes[node, PARENT]
    return count, common, num_filled


@njit(cache=True, nogil=True)
def subset_hash(element: Any, begin: int, end: int, node_hash: Any, cut_hash: Any) -> Any:
    """Return a hash of the exits of elements and of their strings since a cut."""
    result = np.uint64(end - begin)
    for i in range(begin, end):
        result = result * np.uint64(0x9E3779B97F4A7C15) + np.uint64(element[i, EXIT])
        result = mixed(result + node_hash[element[i, NODE]] - cut_hash)
    return result


@njit(cache=True, nogil=True)
def same_elements(element: Any, element_cost: Any, node_hash: Any, one: Any, other: Any, delta: float) -> bool:
    """Tell whether two subsets have the same elements, but for costs that differ by at most `delta`.

    A subset is (first element, end, hash of the string up to its cut); elements are sorted by exit.
    """
    i, end, hash_i = one
    j, end_j, hash_j = other
    if end - i != end_j - j:
        return False
    while i < end:
        if (
            element[i, EXIT] != element[j, EXIT]
            or node_hash[element[i, NODE]] - hash_i != node_hash[element[j, NODE]] - hash_j
            or abs(element_cost[i, 0] - element_cost[j, 0]) > delta
            or abs(element_cost[i, 1] - element_cost[j, 1]) > delta
        ):
            return False
        i += 1
        j += 1
    return True
