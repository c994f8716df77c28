"""Kernel of the direct C: triphone (or monophone) windows read off the lexical trees, on the fly."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, rehashed, slot_of, sorted_order
from wfst_asr.graph._arrays_kernels import NOT_FINAL


@njit(cache=True, nogil=True)
def sort_by_label(ilabel, olabel, cost, nextstate, begin, end):  # type: ignore[no-untyped-def]
    """Sort the arcs begin..end-1 by (ilabel, olabel), stably."""
    if end - begin > 24:
        size = end - begin
        keys = np.empty(size, np.int64)
        rows = np.empty((size, 4), np.int32)
        for i in range(size):
            arc = begin + i
            keys[i] = (np.int64(ilabel[arc]) << 32) | np.int64(olabel[arc])
            rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3] = ilabel[arc], olabel[arc], cost[arc], nextstate[arc]
        order = sorted_order(keys)
        for i in range(size):
            arc, row = begin + i, order[i]
            ilabel[arc], olabel[arc], cost[arc], nextstate[arc] = rows[row, 0], rows[row, 1], rows[row, 2], rows[row, 3]
        return
    for i in range(begin + 1, end):
        a, b, c, d = ilabel[i], olabel[i], cost[i], nextstate[i]
        j = i - 1
        while j >= begin and (ilabel[j] > a or (ilabel[j] == a and olabel[j] > b)):
            ilabel[j + 1], olabel[j + 1] = ilabel[j], olabel[j]
            cost[j + 1], nextstate[j + 1] = cost[j], nextstate[j]
            j -= 1
        ilabel[j + 1], olabel[j + 1], cost[j + 1], nextstate[j + 1] = a, b, c, d


@njit(cache=True, nogil=True)
def expand_windows(  # type: ignore[no-untyped-def]
    start, first, ilabel, olabel, cost, nextstate, final, hmm_of, left_class, right_class
):
    """Compose the context windows of width 3 with a phone machine; labels of the result are HMM numbers + 1.

    A state is (state of LG, class of the left phone, current phone): the current phone's window is complete, and its
    label given out, when the phone after it is read.  Phone 0 means that no phone was read yet.

    `hmm_of` is (left classes, phones + 1, right classes) int32 HMM numbers; `left_class` and `right_class` give the
    class of each phone as it stands left and right of another, entry 0 of the latter the end of the utterance.
    """
    num_phones = np.int64(left_class.shape[0])
    num_left = np.int64(hmm_of.shape[0])
    context_free = np.zeros(num_phones, np.uint8)  # phones whose HMM does not depend on the left phone
    for phone in range(1, num_phones):
        same = True
        for left in range(1, num_left):
            for right in range(hmm_of.shape[2]):
                same = same and hmm_of[left, phone, right] == hmm_of[0, phone, right]
        context_free[phone] = 1 if same else 0

    slots = np.full(1 << 20, -1, np.int32)
    keys = np.empty(1 << 19, np.int64)
    keys[0] = np.int64(start) * num_left * num_phones
    slots[slot_of(slots, keys, keys[0])] = 0
    num_states, state = 1, 0
    end_state = -1
    capacity = 2 * ilabel.shape[0] + 1024
    new_ilabel = np.empty(capacity, np.int32)
    new_olabel = np.empty(capacity, np.int32)
    new_cost = np.empty(capacity, np.int32)
    new_next = np.empty(capacity, np.int32)
    new_first = np.empty(1 << 19, np.int64)
    num_arcs = 0
    while state < num_states:
        new_first = grown(new_first, state + 2)
        new_first[state] = num_arcs
        if state == end_state:
            state += 1
            continue
        key = keys[state]
        phone = key % num_phones
        left = (key // num_phones) % num_left
        source = key // (num_phones * num_left)
        needed = num_arcs + first[source + 1] - first[source] + 1
        new_ilabel = grown(new_ilabel, needed)
        new_olabel = grown(new_olabel, needed)
        new_cost = grown(new_cost, needed)
        new_next = grown(new_next, needed)
        begin = num_arcs
        for arc in range(first[source], first[source + 1]):
            read = np.int64(ilabel[arc])
            if read == 0:
                label = 0
                new_key = (np.int64(nextstate[arc]) * num_left + left) * num_phones + phone
            else:
                label = 0 if phone == 0 else hmm_of[left, phone, right_class[read]] + 1
                new_left = np.int64(0 if context_free[read] else left_class[phone])
                new_key = (np.int64(nextstate[arc]) * num_left + new_left) * num_phones + read
            slot = slot_of(slots, keys, new_key)
            if slots[slot] < 0:
                keys = grown(keys, num_states + 1)
                slots[slot] = num_states
                keys[num_states] = new_key
                new_next[num_arcs] = num_states
                num_states += 1
                if 2 * num_states > slots.shape[0]:
                    slots = rehashed(slots, keys, num_states)
            else:
                new_next[num_arcs] = slots[slot]
            new_ilabel[num_arcs], new_olabel[num_arcs], new_cost[num_arcs] = label, olabel[arc], cost[arc]
            num_arcs += 1
        if final[source] != NOT_FINAL:
            if end_state < 0:
                end_state = num_states
                keys = grown(keys, num_states + 1)
                keys[num_states] = -1
                num_states += 1
                if 2 * num_states > slots.shape[0]:
                    slots = rehashed(slots, keys, num_states)
            new_ilabel[num_arcs] = 0 if phone == 0 else hmm_of[left, phone, right_class[0]] + 1
            new_olabel[num_arcs], new_cost[num_arcs], new_next[num_arcs] = 0, final[source], end_state
            num_arcs += 1
        sort_by_label(new_ilabel, new_olabel, new_cost, new_next, begin, num_arcs)
        state += 1
    new_first = grown(new_first, num_states + 1)
    new_first[num_states] = num_arcs
    new_final = np.full(num_states, NOT_FINAL, np.int32)
    if end_state >= 0:
        new_final[end_state] = 0
    return (
        new_first[: num_states + 1].copy(),
        new_ilabel[:num_arcs].copy(),
        new_olabel[:num_arcs].copy(),
        new_cost[:num_arcs].copy(),
        new_next[:num_arcs].copy(),
        new_final,
    )
