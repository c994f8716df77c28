"""Kernels of HCL for decoding without composing G: which pronunciations may come next from each state."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, mixed, sorted_order


@njit(cache=True, nogil=True)
def open_states(order, first, arcs, marker):  # type: ignore[no-untyped-def]
    """Mark the states that a root is reached from without a word: those from which any word may come.

    A root has an arc with the output label `marker`; `order` visits successors first as far as there are no cycles.
    """
    mark = np.zeros(first.shape[0] - 1, np.uint8)
    changed = True
    while changed:
        changed = False
        for i in range(order.shape[0]):
            state = order[i]
            if mark[state] == 1:
                continue
            for arc in range(first[state], first[state + 1]):
                word = arcs[arc, 1]
                if word == marker or (word == 0 and mark[arcs[arc, 3]] == 1):
                    mark[state] = 1
                    changed = True
                    break
    return mark


@njit(cache=True, nogil=True)
def _set_number(slots, hashes, set_first, low, high, num_sets, some_low, some_high, size):  # type: ignore[no-untyped-def]
    """Return the number of a set of ranges; `num_sets` where it is new, and is stored there (room is there)."""
    h = np.uint64(size)
    for i in range(size):
        members = (np.uint64(some_low[i]) << np.uint64(32)) | np.uint64(some_high[i])
        h = mixed(h * np.uint64(0x9E3779B97F4A7C15) + members)
    mask = np.uint64(slots.shape[0] - 1)
    at = h & mask
    while slots[at] >= 0:
        number = slots[at]
        if hashes[number] == h and set_first[number + 1] - set_first[number] == size:
            same = True
            for i in range(size):
                place = set_first[number] + i
                same = same and low[place] == some_low[i] and high[place] == some_high[i]
            if same:
                return np.int64(number)
        at = (at + np.uint64(1)) & mask
    slots[at] = num_sets
    hashes[num_sets] = h
    begin = set_first[num_sets]
    for i in range(size):
        low[begin + i], high[begin + i] = some_low[i], some_high[i]
    set_first[num_sets + 1] = begin + size
    return np.int64(num_sets)


@njit(cache=True, nogil=True)
def next_words(order, first, arcs, is_final, is_open, end):  # type: ignore[no-untyped-def]
    """Return for each state the set of output labels - 1 that can come first, with `end` for ending without one.

    Returns:
        (S,) int32 set of each state, 0 for open states; (sets + 1,) int64 first range of each set; the ranges' first
        members and the members after their last ones, both rising within a set.  Set 0 is empty.
    """
    num_states = first.shape[0] - 1
    set_of = np.zeros(num_states, np.int32)
    slots = np.full(1 << 16, -1, np.int32)
    hashes = np.zeros(1 << 15, np.uint64)
    set_first = np.zeros(1 << 15, np.int64)
    low, high = np.empty(1 << 16, np.int32), np.empty(1 << 16, np.int32)
    keys = np.empty(1024, np.int64)
    num_sets = 1 + 0 * num_states  # not a literal, for which numba would compile what is called once more
    changed = True
    while changed:
        changed = False
        for i in range(order.shape[0]):
            state = order[i]
            if is_open[state] == 1:
                continue
            size = 0 * num_states
            keys = grown(keys, 1)
            if is_final[state] == 1:
                keys[0] = (np.int64(end) << 32) | (end + 1)
                size += 1
            for arc in range(first[state], first[state + 1]):
                word, target = np.int64(arcs[arc, 1]), arcs[arc, 3]
                if word > 0:
                    keys = grown(keys, size + 1)
                    keys[size] = ((word - 1) << 32) | word
                    size += 1
                    continue
                begin, stop = set_first[set_of[target]], set_first[set_of[target] + 1]
                keys = grown(keys, size + stop - begin)
                for k in range(begin, stop):
                    keys[size] = (np.int64(low[k]) << 32) | np.int64(high[k])
                    size += 1
            some = keys[:size].copy()
            ranked = sorted_order(some)
            some_low, some_high = np.empty(size, np.int32), np.empty(size, np.int32)
            count = 0 * num_states
            for k in range(size):
                a, b = some[ranked[k]] >> 32, some[ranked[k]] & 0xFFFFFFFF
                if count > 0 and a <= some_high[count - 1]:
                    some_high[count - 1] = max(some_high[count - 1], b)
                else:
                    some_low[count], some_high[count] = a, b
                    count += 1
            if count == 0:
                continue
            hashes, set_first = grown(hashes, num_sets + 1), grown(set_first, num_sets + 2)
            low, high = grown(low, set_first[num_sets] + count), grown(high, set_first[num_sets] + count)
            if 2 * num_sets + 2 > slots.shape[0]:
                slots = np.full(2 * slots.shape[0], -1, np.int32)
                mask = np.uint64(slots.shape[0] - 1)
                for number in range(1, num_sets):
                    at = hashes[number] & mask
                    while slots[at] >= 0:
                        at = (at + np.uint64(1)) & mask
                    slots[at] = number
            number = _set_number(slots, hashes, set_first, low, high, num_sets, some_low, some_high, count)
            num_sets = max(num_sets, number + 1)
            if number != set_of[state]:
                set_of[state] = number
                changed = True
    size = set_first[num_sets]
    return set_of, set_first[: num_sets + 1].copy(), low[:size].copy(), high[:size].copy()


@njit(cache=True, nogil=True)
def running_totals(first, cost):  # type: ignore[no-untyped-def]
    """Return the sums of exp(-cost) within each state, up to each entry."""
    total = np.empty(cost.shape[0], np.float64)
    for state in range(first.shape[0] - 1):
        so_far = 0.0
        for i in range(first[state], first[state + 1]):
            so_far += np.exp(-np.float64(cost[i]))
            total[i] = so_far
    return total
