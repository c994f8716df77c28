"""Kernels of the training graph: words through L, and context windows; one small machine an utterance.

Phone machines are in CSR arrays: the arcs of node v are `first[v]:first[v + 1]`, node 0 is the start.  Contexts of
k phones are numbers of k digits to the base `base`, first phone first, 0 beyond the ends of the utterance.

Results are written to arrays of a given capacity; a result that needs more says so, and the caller tries again.
(Kernels with arrays that grow take several times as long to compile.)
"""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import slot_of


@njit(cache=True, nogil=True)
def compose_words(first, ilabel, olabel, cost, nextstate, between, start, words, capacity):  # type: ignore[no-untyped-def]
    """List the arcs of all pairs (words read, state of L) that are reached; pairs are numbered breadth first.

    Args: L in CSR arrays, each state's arcs sorted by `olabel`; `between`, states of L between words; word ids; the
    number of pairs that are made room for, a power of two; the arcs have room for twice as many.

    Returns: number of pairs, -1 if they do not fit; key of each pair, state of L * (words + 1) + words read; their CSR
    bounds; phone, cost, destination and word of every arc: the word's position, -1 for what comes between words.
    """
    num_words = np.int64(words.shape[0])
    slots = np.full(2 * capacity, -1, np.int32)
    keys = np.empty(capacity, np.int64)
    bounds = np.zeros(capacity + 1, np.int32)
    phones, costs = np.empty(2 * capacity, np.int32), np.empty(2 * capacity, np.float32)
    dests, positions = np.empty(2 * capacity, np.int32), np.empty(2 * capacity, np.int32)
    keys[0] = np.int64(start) * (num_words + 1)
    slots[slot_of(slots, keys, keys[0])] = 0
    num_nodes, num_arcs, node = 1, 0, 0
    while node < num_nodes:
        state = keys[node] // (num_words + 1)
        position = keys[node] - state * (num_words + 1)
        for step in range(1 if position == num_words else 2):
            label = words[position] if step else 0
            low, high = first[state], first[state + 1]
            while low < high:
                middle = (low + high) >> 1
                if olabel[middle] < label:
                    low = middle + 1
                else:
                    high = middle
            for arc in range(low, first[state + 1]):
                if olabel[arc] != label:
                    break
                key = np.int64(nextstate[arc]) * (num_words + 1) + position + step
                slot = slot_of(slots, keys, key)
                if slots[slot] < 0:
                    if num_nodes == capacity:
                        return -1, keys, bounds, phones, costs, dests, positions
                    keys[num_nodes] = key
                    slots[slot] = num_nodes
                    num_nodes += 1
                if num_arcs == 2 * capacity:
                    return -1, keys, bounds, phones, costs, dests, positions
                phones[num_arcs], costs[num_arcs], dests[num_arcs] = ilabel[arc], cost[arc], slots[slot]
                positions[num_arcs] = -1 if step == 0 and between[state] else position - 1 + step
                num_arcs += 1
        node += 1
        bounds[node] = num_arcs
    return num_nodes, keys, bounds, phones, costs, dests, positions


@njit(cache=True, nogil=True)
def without_epsilons(num_raw, raw_first, raw_phone, raw_cost, raw_dest, raw_word, raw_final, capacity):  # type: ignore[no-untyped-def]
    """Remove the epsilons (phone 0) of a machine, and what does not lead to its end.

    Returns: number of arcs, -1 if they do not fit; number of nodes; CSR bounds, phone, cost, destination and word of
    every arc; final costs.
    """
    useful = np.zeros(num_raw, np.bool_)
    changed = True
    while changed:
        changed = False
        for node in range(num_raw - 1, -1, -1):
            if not useful[node]:
                found = raw_final[node] < np.inf
                for arc in range(raw_first[node], raw_first[node + 1]):
                    found = found or useful[raw_dest[arc]]
                useful[node] = found
                changed = changed or found
    number = np.full(num_raw, -1, np.int32)  # of the nodes that phones lead to, and of the start
    order, closure = np.empty(num_raw, np.int32), np.empty(num_raw, np.int32)
    distance = np.full(num_raw, np.inf, np.float32)
    bounds = np.zeros(num_raw + 1, np.int32)
    finals = np.full(num_raw, np.inf, np.float32)
    phones, costs = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    dests, positions = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    number[0] = order[0] = 0
    count = 1 if useful[0] else 0
    num_arcs, at = 0, 0
    while at < count:
        closure[0] = order[at]
        distance[order[at]] = 0.0
        size, changed = 1, True
        while changed:  # shortest distances by relaxation; the sets are of one to three nodes
            changed = False
            index = 0
            while index < size:
                node = closure[index]
                for arc in range(raw_first[node], raw_first[node + 1]):
                    dest = raw_dest[arc]
                    reached = distance[node] + raw_cost[arc]
                    if raw_phone[arc] == 0 and useful[dest] and reached < distance[dest]:
                        if distance[dest] == np.inf:
                            closure[size] = dest
                            size += 1
                        distance[dest] = reached
                        changed = True
                index += 1
        for index in range(size):
            node = closure[index]
            finals[at] = min(finals[at], distance[node] + raw_final[node])
            for arc in range(raw_first[node], raw_first[node + 1]):
                dest = raw_dest[arc]
                if raw_phone[arc] != 0 and useful[dest]:
                    if number[dest] < 0:
                        number[dest] = count
                        order[count] = dest
                        count += 1
                    if num_arcs == capacity:
                        return -1, count, bounds, phones, costs, dests, positions, finals
                    phones[num_arcs], dests[num_arcs] = raw_phone[arc], number[dest]
                    costs[num_arcs] = distance[node] + raw_cost[arc]
                    positions[num_arcs] = raw_word[arc]
                    num_arcs += 1
        for index in range(size):
            distance[closure[index]] = np.inf
        at += 1
        bounds[at] = num_arcs
    return num_arcs, count, bounds, phones, costs, dests, positions, finals


@njit(cache=True, nogil=True)
def longer_contexts(first, phone, other, is_end, before_first, before, factor_of_old, factor_of_phone, capacity):  # type: ignore[no-untyped-def]
    """Make contexts longer by a phone: of every node, those of its neighbours with the phone of the arc between.

    The arcs of node v, `first[v]:first[v + 1]`, are those that enter it (or leave it), `other` their other end; a
    longer context is old * `factor_of_old` + phone * `factor_of_phone`, and 0 where the utterance begins (or ends).

    Returns: number of contexts, -1 if they do not fit; CSR bounds and contexts, distinct in each node.
    """
    num_nodes = first.shape[0] - 1
    bounds = np.zeros(num_nodes + 1, np.int32)
    values = np.empty(capacity, np.int64)
    end = 0
    for node in range(num_nodes):
        begin = end
        if is_end[node]:
            if end == capacity:
                return -1, bounds, values
            values[end] = 0
            end += 1
        for arc in range(first[node], first[node + 1]):
            for index in range(before_first[other[arc]], before_first[other[arc] + 1]):
                value = before[index] * factor_of_old + phone[arc] * factor_of_phone
                seen = False
                for known in range(begin, end):
                    seen = seen or values[known] == value
                if not seen:
                    if end == capacity:
                        return -1, bounds, values
                    values[end] = value
                    end += 1
        bounds[node + 1] = end
    return end, bounds, values
