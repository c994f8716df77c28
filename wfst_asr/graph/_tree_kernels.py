"""Kernels of the direct L o G: one lexical tree a language model state, tails shared by (rest of word, next state)."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, rehashed, slot_of
from wfst_asr.graph._arrays_kernels import COST_UNITS, NOT_FINAL, grown_arcs, log_sum


@njit(cache=True, nogil=True)
def entries_by_state(g_source, by_word_first, by_word_arc, pron_word, num_states):  # type: ignore[no-untyped-def]
    """List, for each G state, its (pronunciation rank, G arc) in the order of the pronunciations' ranks.

    A counting sort: pronunciations are visited by rank and handed to the arcs that carry their word.
    """
    first = np.zeros(num_states + 1, np.int64)
    for rank in range(pron_word.shape[0]):
        word = pron_word[rank]
        for i in range(by_word_first[word], by_word_first[word + 1]):
            first[g_source[by_word_arc[i]] + 1] += 1
    for state in range(num_states):
        first[state + 1] += first[state]
    fill = first[:-1].copy()
    ranks = np.empty(first[num_states], np.int32)
    arcs = np.empty(first[num_states], np.int32)
    for rank in range(pron_word.shape[0]):
        word = pron_word[rank]
        for i in range(by_word_first[word], by_word_first[word + 1]):
            arc = by_word_arc[i]
            at = fill[g_source[arc]]
            fill[g_source[arc]] += 1
            ranks[at] = rank
            arcs[at] = arc
    return first, ranks, arcs


@njit(cache=True, nogil=True)
def _tail_number(slots, keys, num_tails, key):  # type: ignore[no-untyped-def]
    """Return the number of a tail by (node, destination); `num_tails` where it is new, and now has that number."""
    slot = slot_of(slots, keys, key)
    if slots[slot] < 0:
        slots[slot] = num_tails
        keys[num_tails] = key
    return np.int64(slots[slot])


@njit(cache=True, nogil=True)
def lexical_trees(  # type: ignore[no-untyped-def]
    g_first,
    g_arcs,
    g_final,
    backoff_label,
    entry_first,
    entry_rank,
    entry_arc,
    pron_first,
    pron_phone,
    pron_cost,
    pron_tail,
    tail_first,
    tail_arcs,
    tail_end,
    silence_phone,
    silence_cost,
    no_silence_cost,
):
    """Return the machine det(L o G) as (first, arcs, final), see `lexical_tree.py`.

    State d < S is G's state d after a word, before the optional silence; S + d is the root of d's tree.  Without a
    silence phone (0) both are one.  The inner nodes of the trees follow, then the tails.
    """
    num_g = g_first.shape[0] - 1
    root_shift = num_g if silence_phone > 0 else 0
    num_states = num_g + root_shift
    arcs = np.empty((4 * num_g + 4 * entry_rank.shape[0] + 1024, 4), np.int32)
    states = np.empty(
        2 * num_states + 1024, np.int64
    )  # the first arc and the number of arcs of each, one after another
    num_arcs = 0

    slots = np.full(1 << 16, -1, np.int32)  # tails by (tail node, destination)
    keys = np.empty(1 << 15, np.int64)
    num_tails = 0 * num_g  # not the literal 0, for which numba would compile what is called once more
    is_tail = 1 << 30  # in the place of a state: the number of a tail

    stack = np.empty((4096, 5), np.int64)  # of nodes: first and last entry, depth, state, cost
    entry_cost = np.empty(1024, np.float64)

    for d in range(num_g):
        low, high = entry_first[d], entry_first[d + 1]
        arcs = grown_arcs(arcs, num_arcs + 2)
        if silence_phone > 0:
            states[2 * d], states[2 * d + 1] = num_arcs, 2
            arcs[num_arcs, 0], arcs[num_arcs, 1], arcs[num_arcs, 2] = 0, 0, no_silence_cost
            arcs[num_arcs, 3] = d + root_shift
            arcs[num_arcs + 1, 0], arcs[num_arcs + 1, 1], arcs[num_arcs + 1, 2] = silence_phone, 0, silence_cost
            arcs[num_arcs + 1, 3] = d + root_shift
            num_arcs += 2
        entry_cost = grown(entry_cost, high - low)
        for i in range(low, high):
            entry_cost[i - low] = g_arcs[entry_arc[i], 2] / COST_UNITS + pron_cost[entry_rank[i]]
        keys = grown(keys, num_tails + high - low)
        while 2 * (num_tails + high - low) > slots.shape[0]:
            slots = rehashed(slots, keys, num_tails)
        size = 1
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3], stack[0, 4] = low, high, 0, d + root_shift, 0
        while size > 0:
            size -= 1
            a, b, depth, state = stack[size, 0], stack[size, 1], stack[size, 2], stack[size, 3]
            potential = stack[size, 4]
            arcs = grown_arcs(arcs, num_arcs + (b - a) + (g_first[d + 1] - g_first[d]) + 1)
            states = grown(states, 2 * (num_states + b - a))
            if size + b - a > stack.shape[0]:
                larger = np.empty((2 * (size + b - a), 5), np.int64)
                for i in range(size):
                    for column in range(5):
                        larger[i, column] = stack[i, column]
                stack = larger
            begin = num_arcs
            if depth == 0:
                for arc in range(g_first[d], g_first[d + 1]):
                    if g_arcs[arc, 0] == backoff_label or g_arcs[arc, 0] == 0:
                        arcs[num_arcs, 0], arcs[num_arcs, 1], arcs[num_arcs, 2] = 0, g_arcs[arc, 1], g_arcs[arc, 2]
                        arcs[num_arcs, 3] = g_arcs[arc, 3] + root_shift
                        num_arcs += 1
            i = a
            while i < b:
                rank, g_arc = entry_rank[i], entry_arc[i]
                at = pron_first[rank] + depth
                if at == pron_first[rank + 1]:  # the word ends at a node that it shares
                    arcs[num_arcs, 0], arcs[num_arcs, 1] = 0, g_arcs[g_arc, 1]
                    arcs[num_arcs, 2] = np.int64(np.rint(entry_cost[i - low] * COST_UNITS)) - potential
                    arcs[num_arcs, 3] = g_arcs[g_arc, 3]
                    num_arcs += 1
                    i += 1
                    continue
                phone = pron_phone[at]
                j = i + 1
                one_word = True
                while j < b and pron_phone[pron_first[entry_rank[j]] + depth] == phone:
                    one_word = one_word and entry_arc[j] == g_arc
                    j += 1
                group = np.int64(np.rint(log_sum(entry_cost, i - low, j - low) * COST_UNITS))
                arcs[num_arcs, 0], arcs[num_arcs, 2] = phone, group - potential
                if one_word:
                    arcs[num_arcs, 1] = g_arcs[g_arc, 1]
                    node = np.int64(pron_tail[at + rank + 1])  # one entry more a pronunciation than pron_phone
                    target = np.int64(g_arcs[g_arc, 3])
                    if node != 0:
                        tail = _tail_number(slots, keys, num_tails, node * num_g + target)
                        num_tails = max(num_tails, tail + 1)
                        target = is_tail + tail
                    arcs[num_arcs, 3] = target
                else:
                    arcs[num_arcs, 1], arcs[num_arcs, 3] = 0, num_states
                    stack[size, 0], stack[size, 1], stack[size, 2] = i, j, depth + 1
                    stack[size, 3], stack[size, 4] = num_states, group
                    size += 1
                    num_states += 1
                num_arcs += 1
                i = j
            states[2 * state], states[2 * state + 1] = begin, num_arcs - begin

    # the tails, whose arcs come in the order of their numbers
    num_tree_states, num_tree_arcs = num_states, num_arcs
    tail_begin = np.empty(num_tails + 1, np.int64)
    tail = 0
    while tail < num_tails:
        tail_begin = grown(tail_begin, tail + 2)
        tail_begin[tail] = num_arcs
        node, destination = keys[tail] // num_g, keys[tail] % num_g
        most = tail_first[node + 1] - tail_first[node] + 1
        arcs = grown_arcs(arcs, num_arcs + most)
        keys = grown(keys, num_tails + most)
        while 2 * (num_tails + most) > slots.shape[0]:
            slots = rehashed(slots, keys, num_tails)
        if tail_end[node] != NOT_FINAL:
            arcs[num_arcs, 0], arcs[num_arcs, 1], arcs[num_arcs, 2] = 0, 0, tail_end[node]
            arcs[num_arcs, 3] = destination
            num_arcs += 1
        for k in range(tail_first[node], tail_first[node + 1]):
            child, target = np.int64(tail_arcs[k, 1]), destination
            if child != 0:
                number = _tail_number(slots, keys, num_tails, child * num_g + destination)
                num_tails = max(num_tails, number + 1)
                target = is_tail + number
            arcs[num_arcs, 0], arcs[num_arcs, 1], arcs[num_arcs, 2] = tail_arcs[k, 0], 0, tail_arcs[k, 2]
            arcs[num_arcs, 3] = target
            num_arcs += 1
        tail += 1

    num_states += num_tails
    first = np.empty(num_states + 1, np.int64)
    ordered = np.empty((num_arcs, 4), np.int32)
    final = np.full(num_states, NOT_FINAL, np.int32)
    for d in range(num_g):
        final[root_shift + d] = g_final[d]
    at = 0
    for state in range(num_tree_states):
        first[state] = at
        for arc in range(states[2 * state], states[2 * state] + states[2 * state + 1]):
            for column in range(4):
                ordered[at, column] = arcs[arc, column]
            at += 1
    for tail in range(num_tails):
        first[num_tree_states + tail] = tail_begin[tail]
    for arc in range(num_tree_arcs, num_arcs):
        for column in range(4):
            ordered[arc, column] = arcs[arc, column]
    for arc in range(num_arcs):
        if ordered[arc, 3] >= is_tail:
            ordered[arc, 3] += num_tree_states - is_tail
    first[num_states] = num_arcs
    return first, ordered, final
