"""Kernels of the training graph: words through L, context windows, HMM states; one small machine an utterance.

Phone machines are in CSR arrays: the arcs of node v are `first[v]:first[v + 1]`, node 0 is the start.  Contexts of
k phones are numbers of k digits to the base `base`, first phone first, 0 beyond the ends of the utterance.
"""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, rehashed, slot_of


@njit(cache=True, nogil=True)
def _compose_words(first, ilabel, olabel, cost, nextstate, between, start, words):  # type: ignore[no-untyped-def]
    """Return the arcs of all pairs (words read, state of L) that are reached; pairs are numbered breadth first.

    The word of an arc is its position in `words`, -1 for what comes between words.
    """
    num_words = words.shape[0]
    slots = np.full(256, -1, np.int32)
    keys = np.empty(128, np.int64)
    keys[0] = np.int64(start) * (num_words + 1)
    slots[slot_of(slots, keys, keys[0])] = 0
    num_nodes, num_arcs, node = 1, 0, 0
    node_first = np.zeros(129, np.int32)
    phones = np.empty(256, np.int32)
    costs = np.empty(256, np.float32)
    dests = np.empty(256, np.int32)
    positions = np.empty(256, np.int32)
    while node < num_nodes:
        state, position = keys[node] // (num_words + 1), keys[node] % (num_words + 1)
        for step in range(1 if position == num_words else 2):
            label = words[position] if step else 0
            low, high = first[state], first[state + 1]
            while low < high:
                middle = (low + high) >> 1
                if olabel[middle] < label:
                    low = middle + 1
                else:
                    high = middle
            arc = low
            while arc < first[state + 1] and olabel[arc] == label:
                key = np.int64(nextstate[arc]) * (num_words + 1) + position + step
                keys = grown(keys, num_nodes + 1)
                slot = slot_of(slots, keys, key)
                if slots[slot] < 0:
                    keys[num_nodes] = key
                    slots[slot] = num_nodes
                    num_nodes += 1
                    if 2 * num_nodes > slots.shape[0]:
                        slots = rehashed(slots, keys, num_nodes)
                dest = slots[slot_of(slots, keys, key)]
                phones, costs = grown(phones, num_arcs + 1), grown(costs, num_arcs + 1)
                dests, positions = grown(dests, num_arcs + 1), grown(positions, num_arcs + 1)
                phones[num_arcs], costs[num_arcs], dests[num_arcs] = ilabel[arc], cost[arc], dest
                positions[num_arcs] = position - 1 + step
                if step == 0 and between[state]:
                    positions[num_arcs] = -1
                num_arcs += 1
                arc += 1
        node += 1
        node_first = grown(node_first, node + 1)
        node_first[node] = num_arcs
    return keys[:num_nodes], node_first[: num_nodes + 1], phones, costs, dests, positions


@njit(cache=True, nogil=True)
def phone_machine(  # type: ignore[no-untyped-def]
    first, ilabel, olabel, cost, nextstate, final, between, start, words
):
    """Compose a word sequence with L; the result has no epsilons and nothing that does not lead to the end.

    Args: L in CSR arrays, each state's arcs sorted by `olabel`; `between`, states of L between words; word ids.

    Returns: first, phone, cost, dest, word position of every arc, and the final cost of every node.
    """
    num_words = words.shape[0]
    keys, raw_first, raw_phone, raw_cost, raw_dest, raw_word = _compose_words(
        first, ilabel, olabel, cost, nextstate, between, start, words
    )
    num_raw = keys.shape[0]
    raw_final = np.full(num_raw, np.inf, np.float32)
    useful = np.zeros(num_raw, np.bool_)
    for node in range(num_raw):
        if keys[node] % (num_words + 1) == num_words:
            raw_final[node] = final[keys[node] // (num_words + 1)]
            useful[node] = raw_final[node] < np.inf
    changed = True
    while changed:
        changed = False
        for node in range(num_raw - 1, -1, -1):
            if not useful[node]:
                for arc in range(raw_first[node], raw_first[node + 1]):
                    if useful[raw_dest[arc]]:
                        useful[node] = changed = True
                        break

    number = np.full(num_raw, -1, np.int32)  # of the nodes that phones lead to, and of the start
    order = np.empty(num_raw, np.int32)
    number[0] = order[0] = 0
    count = 1 if useful[0] else 0
    distance = np.full(num_raw, np.inf, np.float32)
    closure = np.empty(num_raw, np.int32)
    out_first = np.zeros(num_raw + 1, np.int32)
    phones = np.empty(2 * raw_first[-1] + 1, np.int32)
    costs = np.empty(2 * raw_first[-1] + 1, np.float32)
    dests = np.empty(2 * raw_first[-1] + 1, np.int32)
    positions = np.empty(2 * raw_first[-1] + 1, np.int32)
    finals = np.full(num_raw, np.inf, np.float32)
    num_arcs, at = 0, 0
    while at < count:
        closure[0] = order[at]
        distance[order[at]] = 0.0
        size, changed = 1, True
        while changed:  # epsilons: shortest distances by relaxation; the sets are of two or three nodes
            changed = False
            index = 0
            while index < size:
                node = closure[index]
                for arc in range(raw_first[node], raw_first[node + 1]):
                    dest = raw_dest[arc]
                    if raw_phone[arc] == 0 and useful[dest]:
                        reached = distance[node] + raw_cost[arc]
                        if distance[dest] == np.inf:
                            closure[size] = dest
                            size += 1
                            distance[dest] = reached
                        elif reached < distance[dest]:
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
                    phones, costs = grown(phones, num_arcs + 1), grown(costs, num_arcs + 1)
                    dests, positions = grown(dests, num_arcs + 1), grown(positions, num_arcs + 1)
                    phones[num_arcs], dests[num_arcs] = raw_phone[arc], number[dest]
                    costs[num_arcs] = distance[node] + raw_cost[arc]
                    positions[num_arcs] = raw_word[arc]
                    num_arcs += 1
        for index in range(size):
            distance[closure[index]] = np.inf
        at += 1
        out_first[at] = num_arcs
    return (
        out_first[: count + 1],
        phones[:num_arcs],
        costs[:num_arcs],
        dests[:num_arcs],
        positions[:num_arcs],
        finals[:count],
    )


@njit(cache=True, nogil=True)
def _add_distinct(values, begin, end, value):  # type: ignore[no-untyped-def]
    """Add a value to `values[begin:end]` unless it is there; return the array and the new end."""
    for index in range(begin, end):
        if values[index] == value:
            return values, end
    values = grown(values, end + 1)
    values[end] = value
    return values, end + 1


@njit(cache=True, nogil=True)
def _contexts(first, phone, other, is_end, base, width, is_left):  # type: ignore[no-untyped-def]
    """Return the contexts of `width` phones of every node, as CSR: those before it, or those after it.

    The arcs of node v, `first[v]:first[v + 1]`, are those that enter it (or leave it), `other` their other end.
    """
    num_nodes = first.shape[0] - 1
    bounds = np.arange(num_nodes + 1).astype(np.int32)
    values = np.zeros(num_nodes, np.int64)
    scale = np.int64(1)
    for _ in range(width):
        new_bounds = np.zeros(num_nodes + 1, np.int32)
        new_values = np.empty(2 * values.shape[0] + 1, np.int64)
        end = 0
        for node in range(num_nodes):
            begin = end
            if is_end[node]:
                new_values, end = _add_distinct(new_values, begin, end, np.int64(0))
            for arc in range(first[node], first[node + 1]):
                for index in range(bounds[other[arc]], bounds[other[arc] + 1]):
                    value = values[index] * base + phone[arc] if is_left else phone[arc] * scale + values[index]
                    new_values, end = _add_distinct(new_values, begin, end, value)
            new_bounds[node + 1] = end
        bounds, values = new_bounds, new_values[:end]
        scale *= base
    return bounds, values


@njit(cache=True, nogil=True)
def context_windows(first, phone, dest, final, base, left, right):  # type: ignore[no-untyped-def]
    """List the windows of `left` phones before and `right` phones after every arc of a phone machine.

    Returns: bounds and values of the contexts before and after every node; the unit of arc a, its i-th context
    before and its j-th after is `unit_first[a] + i * (contexts after) + j`; the window of every unit.
    """
    num_nodes, num_arcs = first.shape[0] - 1, phone.shape[0]
    entering = np.zeros(num_nodes + 1, np.int32)
    for arc in range(num_arcs):
        entering[dest[arc] + 1] += 1
    entering = np.cumsum(entering).astype(np.int32)
    fill = entering.copy()
    in_phone, in_source = np.empty(num_arcs, np.int32), np.empty(num_arcs, np.int32)
    for node in range(num_nodes):
        for arc in range(first[node], first[node + 1]):
            at = fill[dest[arc]]
            in_phone[at], in_source[at] = phone[arc], node
            fill[dest[arc]] += 1
    is_start = np.zeros(num_nodes, np.bool_)
    is_start[:1] = True
    before_first, before = _contexts(entering, in_phone, in_source, is_start, base, left, True)
    after_first, after = _contexts(first, phone, dest, final < np.inf, base, right, False)
    unit_first = np.zeros(num_arcs + 1, np.int32)
    scale = np.int64(base) ** right
    count = 0
    for node in range(num_nodes):
        for arc in range(first[node], first[node + 1]):
            num_after = after_first[dest[arc] + 1] - after_first[dest[arc]]
            count += (before_first[node + 1] - before_first[node]) * num_after
            unit_first[arc + 1] = count
    windows = np.empty(count, np.int64)
    unit = 0
    for node in range(num_nodes):
        for arc in range(first[node], first[node + 1]):
            for i in range(before_first[node], before_first[node + 1]):
                for j in range(after_first[dest[arc]], after_first[dest[arc] + 1]):
                    windows[unit] = (before[i] * base + phone[arc]) * scale + after[j]
                    unit += 1
    return before_first, before, after_first, after, unit_first, windows
