"""Kernels of the subsets of lattice determinization: closures over arcs without words, strings, comparison.

A string is a node (parent, label, frame, mark) of a tree: one label a frame, and a hash that is the sum of what every
frame adds, so that the hash of a string since a frame is a difference.  Strings are taken to be equal if their hashes
of 64 bits are.  Nodes are rows of an int32 array beside an array of hashes; a mark is the number of the last entry
set whose strings were compared over this node.

Indices in the hottest loops are unsigned, which spares the check for negative ones.
"""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import mixed
from wfst_asr.lattice._determinize_arrays import (
    EXIT,
    FRAME,
    LABEL,
    MARK,
    NEXT_LABEL,
    NODE,
    PARENT,
    STATE,
    STRING,
    Raw,
    Ways,
)

_DE_BRUIJN = 0x03F79D71B4CB0A89
_BIT = np.zeros(64, np.uint64)
for _i in range(64):
    _BIT[((1 << _i) * _DE_BRUIJN & 0xFFFFFFFFFFFFFFFF) >> 58] = _i


@njit(cache=True, nogil=True)
def close(raw: Raw, ways: Ways, entry: Any, entry_cost: Any, count: Any, limit: Any) -> Any:
    """Follow the arcs without a word from `count` entries as long as a path to the end costs at most `limit`.

    States are taken from the set of bits in their order, which is topological.  Fills `exits`, `exit_cost` and `by`.

    Returns:
        how many exits there are, states and arcs that were looked at.
    """
    first, nextstate, arc_cost, leave = raw.first, raw.nextstate, raw.cost, raw.leave
    reached, bits, by, exits, exit_cost = ways.reached, ways.bits, ways.by, ways.exits, ways.exit_cost
    one, six, low_bits = np.uint64(1), np.uint64(6), np.uint64(63)
    low, high = np.uint64(len(bits)), np.uint64(0)
    for i in range(count):
        s = np.uint64(entry[i, STATE])
        reached[s], by[s] = entry_cost[i, 0], -1 - i
        place = s >> six
        bits[place] |= one << (s & low_bits)
        low, high = min(low, place), max(high, place)
    num_exits, num_states, num_arcs = 0, 0, np.uint64(0)
    while low <= high:
        word = bits[low]
        if word == 0:
            low += one
            continue
        lowest = word & (~word + one)
        bits[low] = word ^ lowest
        s = (low << six) + _BIT[(lowest * np.uint64(_DE_BRUIJN)) >> np.uint64(58)]
        num_states += 1
        here = reached[s]
        reached[s] = np.inf
        if here + leave[s] <= limit:
            exits[num_exits], exit_cost[num_exits] = s, here
            num_exits += 1
        begin, end = first[s], first[s + one]
        num_arcs += end - begin
        for a in range(begin, end):
            d = np.uint64(nextstate[a])
            cost = here + arc_cost[a, one]
            before = reached[d]
            better = (here + arc_cost[a, np.uint64(0)] <= limit) & (cost < before)
            reached[d] = cost if better else before
            by[d] = np.int32(a) if better else by[d]
            place = d >> six
            bits[place] |= np.uint64(better) << (d & low_bits)
            high = max(high, place if better else np.uint64(0))
    return num_exits, num_states, np.int64(num_arcs)


@njit(cache=True, nogil=True)
def _append(nodes: Any, node_hash: Any, count: Any, parent: Any, label: Any) -> None:
    """Make node `count`: the string of `parent` and a label."""
    frame = nodes[parent, FRAME]
    nodes[count, PARENT], nodes[count, LABEL], nodes[count, FRAME], nodes[count, MARK] = parent, label, frame + 1, 0
    key = (np.uint64(frame) << np.uint64(32)) + np.uint64(label) + np.uint64(0x9E3779B97F4A7C15)
    node_hash[count] = node_hash[parent] + mixed(key)


@njit(cache=True, nogil=True)
def _common(nodes: Any, node_hash: Any, one: Any, other: Any) -> Any:
    """Return the node of the longest common prefix of two strings."""
    while one != other:
        if nodes[one, FRAME] > nodes[other, FRAME]:
            one = nodes[one, PARENT]
        elif nodes[other, FRAME] > nodes[one, FRAME]:
            other = nodes[other, PARENT]
        elif node_hash[one] == node_hash[other]:
            break
        else:
            one, other = nodes[one, PARENT], nodes[other, PARENT]
    return one


@njit(cache=True, nogil=True)
def common_of_entries(nodes: Any, node_hash: Any, entry: Any, count: Any, mark: Any) -> Any:
    """Find the longest common prefix of the strings of entries, in time linear in the nodes between it and them.

    Args:
        nodes: with marks below `mark`.
        node_hash: of the nodes.
        entry: rows (state, string, label).
        count: at least one.
        mark: for the nodes that are passed.

    Returns:
        its node, and how many nodes were passed.
    """
    common = np.int64(entry[0, STRING])
    passed = 0
    for i in range(1, count):
        at = np.int64(entry[i, STRING])
        frame = nodes[common, FRAME]
        while nodes[at, MARK] != mark and nodes[at, FRAME] > frame:
            nodes[at, MARK] = mark
            at = np.int64(nodes[at, PARENT])
            passed += 1
        if nodes[at, MARK] != mark and at != common:
            common = _common(nodes, node_hash, common, at)
    return common, passed


@njit(cache=True, nogil=True)
def spell(
    raw: Raw, ways: Ways, entry: Any, entry_cost: Any, num_exits: Any, nodes: Any, node_hash: Any, count: Any
) -> Any:
    """Make the strings of the best ways to exits, and find their longest common prefix.

    Args:
        raw: the lattice.
        ways: with exits and the best ways, as `close` left them; the strings and acoustic costs of the states on the
            ways to exits are filled in.
        entry: rows (state, string, label) of the entries.
        entry_cost: rows (cost, acoustic cost).
        num_exits: at least one.
        nodes: strings, with room for one more for each state that was reached.
        node_hash: of the nodes.
        count: nodes so far.

    Returns:
        the number of nodes, the node of the common prefix, how many strings were filled in.
    """
    by, string, acoustic, filled, trail = ways.by, ways.string, ways.acoustic, ways.filled, ways.trail
    source = raw.source
    num_filled = 0
    common = np.int64(-1)
    for i in range(num_exits):
        s = np.int64(ways.exits[i])
        depth = 0
        at = s
        while string[at] < 0 and by[at] >= 0:
            trail[depth] = by[at]
            depth += 1
            at = np.int64(source[by[at]])
        shared = np.int64(string[at])  # the way from here on is that of an exit before, if this is a node
        if shared < 0:
            e = -1 - by[at]
            node = np.int64(entry[e, STRING])
            if entry[e, NEXT_LABEL] != 0:
                _append(nodes, node_hash, count, node, entry[e, NEXT_LABEL])
                node = count
                count += 1
            string[at], acoustic[at] = node, entry_cost[e, 1]
            filled[num_filled] = at
            num_filled += 1
        node, cost = np.int64(string[at]), acoustic[at]
        for j in range(depth - 1, -1, -1):
            a = trail[j]
            if raw.label[a] != 0:
                _append(nodes, node_hash, count, node, raw.label[a])
                node = count
                count += 1
            cost += raw.acoustic[a]
            at = s if j == 0 else np.int64(source[trail[j - 1]])
            string[at], acoustic[at] = node, cost
            filled[num_filled] = at
            num_filled += 1
        if common < 0:
            common = node
        elif shared < 0 or nodes[shared, FRAME] < nodes[common, FRAME]:
            common = _common(nodes, node_hash, common, node)
    return count, common, num_filled


@njit(cache=True, nogil=True)
def elements_hash(element: Any, begin: Any, end: Any, node_hash: Any, cut_hash: Any) -> Any:
    """Return a hash of the exits of elements and of their strings since a cut."""
    result = np.uint64(end - begin)
    for i in range(begin, end):
        result = result * np.uint64(0x9E3779B97F4A7C15) + np.uint64(element[i, EXIT])
        result = mixed(result + node_hash[element[i, NODE]] - cut_hash)
    return result


@njit(cache=True, nogil=True)
def same_elements(element: Any, element_cost: Any, node_hash: Any, one: Any, other: Any, delta: Any) -> bool:
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
