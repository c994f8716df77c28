"""Kernel of the direct C: triphone (or monophone) windows read off the lexical trees, on the fly."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, rehashed, slot_of, sorted_order
from wfst_asr.graph._arrays_kernels import NOT_FINAL, grown_arcs


@njit(cache=True, nogil=True)
def sort_by_label(arcs, begin, end):  # type: ignore[no-untyped-def]
    """Sort the arcs begin..end-1 by (ilabel, olabel), stably."""
    size = end - begin
    if size > 24:
        keys = np.empty(size, np.int64)
        rows = np.empty((size, 4), np.int32)
        for i in range(size):
            keys[i] = (np.int64(arcs[begin + i, 0]) << 32) | np.int64(arcs[begin + i, 1])
            for column in range(4):
                rows[i, column] = arcs[begin + i, column]
        order = sorted_order(keys)
        for i in range(size):
            for column in range(4):
                arcs[begin + i, column] = rows[order[i], column]
        return
    for i in range(begin + 1, end):
        a, b, c, d = arcs[i, 0], arcs[i, 1], arcs[i, 2], arcs[i, 3]
        j = i - 1
        while j >= begin and (arcs[j, 0] > a or (arcs[j, 0] == a and arcs[j, 1] > b)):
            for column in range(4):
                arcs[j + 1, column] = arcs[j, column]
            j -= 1
        arcs[j + 1, 0], arcs[j + 1, 1], arcs[j + 1, 2], arcs[j + 1, 3] = a, b, c, d


@njit(cache=True, nogil=True)
def expand_windows(start, first, arcs, final, hmm_of, left_class, right_class):  # type: ignore[no-untyped-def]
    """Compose the context windows of width 3 with a phone machine; labels of the result are HMM numbers + 1.

    A state is (state of LG, class of the left phone, current phone): the current phone's window is complete, and its
    label given out, when the phone after it is read.  Phone 0 means that no phone was read yet.

    `hmm_of` is (left classes, phones + 1, right classes) int32 HMM numbers; `left_class` and `right_class` give the
    class of each phone as it stands left and right of another, entry 0 of the latter the end of the utterance.
    Returns (first, arcs, final).
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

    slots = np.full(1 << 16, -1, np.int32)
    keys = np.empty(1 << 15, np.int64)
    keys[0] = np.int64(start) * num_left * num_phones
    slots[slot_of(slots, keys, keys[0])] = 0
    num_arcs = 0 * start  # not the literal 0, for which numba would compile what is called once more
    num_states, state = num_arcs + 1, 0
    end_state = -1
    new_arcs = np.empty((2 * arcs.shape[0] + 1024, 4), np.int32)
    new_first = np.empty(1 << 15, np.int64)
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
        most = num_states + first[source + 1] - first[source] + 1
        keys = grown(keys, most)
        while 2 * most > slots.shape[0]:
            slots = rehashed(slots, keys, num_states)
        new_arcs = grown_arcs(new_arcs, num_arcs + most - num_states)
        begin = num_arcs
        for arc in range(first[source], first[source + 1]):
            read, target = np.int64(arcs[arc, 0]), np.int64(arcs[arc, 3])
            if read == 0:
                label = 0
                new_key = (target * num_left + left) * num_phones + phone
            else:
                label = 0 if phone == 0 else hmm_of[left, phone, right_class[read]] + 1
                new_left = np.int64(0 if context_free[read] else left_class[phone])
                new_key = (target * num_left + new_left) * num_phones + read
            slot = slot_of(slots, keys, new_key)
            if slots[slot] < 0:
                slots[slot] = num_states
                keys[num_states] = new_key
                num_states += 1
            new_arcs[num_arcs, 0], new_arcs[num_arcs, 1] = label, arcs[arc, 1]
            new_arcs[num_arcs, 2], new_arcs[num_arcs, 3] = arcs[arc, 2], slots[slot]
            num_arcs += 1
        if final[source] != NOT_FINAL:
            if end_state < 0:
                end_state = num_states
                keys[num_states] = -1
                num_states += 1
            new_arcs[num_arcs, 0] = 0 if phone == 0 else hmm_of[left, phone, right_class[0]] + 1
            new_arcs[num_arcs, 1], new_arcs[num_arcs, 2], new_arcs[num_arcs, 3] = 0, final[source], end_state
            num_arcs += 1
        sort_by_label(new_arcs, begin, num_arcs)
        state += 1
    new_first = grown(new_first, num_states + 1)
    new_first[num_states] = num_arcs
    new_final = np.full(num_states, NOT_FINAL, np.int32)
    if end_state >= 0:
        new_final[end_state] = 0
    return new_first[: num_states + 1], new_arcs[:num_arcs], new_final
