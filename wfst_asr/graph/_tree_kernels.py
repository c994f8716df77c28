"""Kernel of the direct L o G: one lexical tree a language model state, tails shared by (rest of word, next state)."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, rehashed, slot_of
from wfst_asr.graph._arrays_kernels import COST_UNITS, NOT_FINAL, log_sum


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
def lexical_trees(  # type: ignore[no-untyped-def]
    g_first,
    g_ilabel,
    g_olabel,
    g_cost,
    g_next,
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
    tail_phone,
    tail_child,
    tail_cost,
    tail_end,
    silence_phone,
    silence_cost,
    no_silence_cost,
):
    """Return the machine det(L o G) as (first, ilabel, olabel, cost, nextstate, final), see `lexical_tree.py`.

    State d < S is G's state d after a word, before the optional silence; S + d is the root of d's tree.  Without a
    silence phone (0) both are one.
    """
    num_g = g_first.shape[0] - 1
    root_shift = num_g if silence_phone > 0 else 0
    num_states = num_g + root_shift
    capacity = 4 * num_g + 4 * entry_rank.shape[0] + 1024
    ilabel = np.empty(capacity, np.int32)
    olabel = np.empty(capacity, np.int32)
    cost = np.empty(capacity, np.int32)
    nextstate = np.empty(capacity, np.int32)
    begin = np.empty(max(1024, 2 * num_states), np.int64)
    count = np.empty(max(1024, 2 * num_states), np.int32)
    num_arcs = 0

    slots = np.full(1 << 16, -1, np.int32)  # tail instances by (tail node, destination)
    tail_keys = np.empty(1 << 15, np.int64)
    tail_state = np.empty(1 << 15, np.int32)
    num_tails, expanded_tails = 0, 0

    node_low = np.empty(4096, np.int64)
    node_high = np.empty(4096, np.int64)
    node_depth = np.empty(4096, np.int32)
    node_state = np.empty(4096, np.int32)
    node_cost = np.empty(4096, np.int64)
    entry_cost = np.empty(1024, np.float64)

    for d in range(num_g):
        ilabel = grown(ilabel, num_arcs + 2)
        olabel = grown(olabel, num_arcs + 2)
        cost = grown(cost, num_arcs + 2)
        nextstate = grown(nextstate, num_arcs + 2)
        if silence_phone > 0:
            begin[d], count[d] = num_arcs, 2
            ilabel[num_arcs], olabel[num_arcs], cost[num_arcs] = 0, 0, no_silence_cost
            nextstate[num_arcs] = d + root_shift
            ilabel[num_arcs + 1], olabel[num_arcs + 1], cost[num_arcs + 1] = silence_phone, 0, silence_cost
            nextstate[num_arcs + 1] = d + root_shift
            num_arcs += 2

        low, high = entry_first[d], entry_first[d + 1]
        entry_cost = grown(entry_cost, high - low)
        for i in range(low, high):
            entry_cost[i - low] = g_cost[entry_arc[i]] / COST_UNITS + pron_cost[entry_rank[i]]
        depth_of_stack = 1
        node_low[0], node_high[0], node_depth[0] = low, high, 0
        node_state[0], node_cost[0] = d + root_shift, 0
        while depth_of_stack > 0:
            depth_of_stack -= 1
            a, b = node_low[depth_of_stack], node_high[depth_of_stack]
            depth, state = node_depth[depth_of_stack], node_state[depth_of_stack]
            potential = node_cost[depth_of_stack]
            begin[state] = num_arcs
            needed = num_arcs + (b - a) + (g_first[d + 1] - g_first[d]) + 1
            ilabel = grown(ilabel, needed)
            olabel = grown(olabel, needed)
            cost = grown(cost, needed)
            nextstate = grown(nextstate, needed)
            if depth == 0:
                for arc in range(g_first[d], g_first[d + 1]):
                    if g_ilabel[arc] == backoff_label or g_ilabel[arc] == 0:
                        ilabel[num_arcs], olabel[num_arcs], cost[num_arcs] = 0, g_olabel[arc], g_cost[arc]
                        nextstate[num_arcs] = g_next[arc] + root_shift
                        num_arcs += 1
            i = a
            while i < b:
                rank = entry_rank[i]
                at = pron_first[rank] + depth
                if at == pron_first[rank + 1]:  # the word ends at a node that it shares
                    ilabel[num_arcs], olabel[num_arcs] = 0, g_olabel[entry_arc[i]]
                    cost[num_arcs] = np.int64(np.rint(entry_cost[i - low] * COST_UNITS)) - potential
                    nextstate[num_arcs] = g_next[entry_arc[i]]
                    num_arcs += 1
                    i += 1
                    continue
                phone = pron_phone[at]
                j = i + 1
                one_word = True
                while j < b and pron_phone[pron_first[entry_rank[j]] + depth] == phone:
                    one_word = one_word and entry_arc[j] == entry_arc[i]
                    j += 1
                group = np.int64(np.rint(log_sum(entry_cost, i - low, j - low) * COST_UNITS))
                ilabel[num_arcs] = phone
                cost[num_arcs] = group - potential
                if one_word:
                    g_arc = entry_arc[i]
                    olabel[num_arcs] = g_olabel[g_arc]
                    node = pron_tail[at + rank + 1]  # pron_tail has one entry more a pronunciation than pron_phone
                    destination = g_next[g_arc]
                    if node == 0:
                        nextstate[num_arcs] = destination
                    else:
                        key = np.int64(node) * num_g + destination
                        slot = slot_of(slots, tail_keys, key)
                        if slots[slot] < 0:
                            tail_keys = grown(tail_keys, num_tails + 1)
                            tail_state = grown(tail_state, num_tails + 1)
                            begin = grown(begin, num_states + 1)
                            count = grown(count, num_states + 1)
                            slots[slot] = num_tails
                            tail_keys[num_tails], tail_state[num_tails] = key, num_states
                            num_tails += 1
                            num_states += 1
                            nextstate[num_arcs] = num_states - 1
                            if 2 * num_tails > slots.shape[0]:
                                slots = rehashed(slots, tail_keys, num_tails)
                        else:
                            nextstate[num_arcs] = tail_state[slots[slot]]
                else:
                    olabel[num_arcs] = 0
                    begin = grown(begin, num_states + 1)
                    count = grown(count, num_states + 1)
                    nextstate[num_arcs] = num_states
                    if depth_of_stack == node_low.shape[0]:
                        node_low = grown(node_low, depth_of_stack + 1)
                        node_high = grown(node_high, depth_of_stack + 1)
                        node_depth = grown(node_depth, depth_of_stack + 1)
                        node_state = grown(node_state, depth_of_stack + 1)
                        node_cost = grown(node_cost, depth_of_stack + 1)
                    node_low[depth_of_stack], node_high[depth_of_stack] = i, j
                    node_depth[depth_of_stack], node_state[depth_of_stack] = depth + 1, num_states
                    node_cost[depth_of_stack] = group
                    depth_of_stack += 1
                    num_states += 1
                num_arcs += 1
                i = j
            count[state] = num_arcs - begin[state]

        while expanded_tails < num_tails:
            node, destination = tail_keys[expanded_tails] // num_g, tail_keys[expanded_tails] % num_g
            state = tail_state[expanded_tails]
            expanded_tails += 1
            begin[state] = num_arcs
            needed = num_arcs + tail_first[node + 1] - tail_first[node] + 1
            ilabel = grown(ilabel, needed)
            olabel = grown(olabel, needed)
            cost = grown(cost, needed)
            nextstate = grown(nextstate, needed)
            if tail_end[node] != NOT_FINAL:
                ilabel[num_arcs], olabel[num_arcs], cost[num_arcs] = 0, 0, tail_end[node]
                nextstate[num_arcs] = destination
                num_arcs += 1
            for k in range(tail_first[node], tail_first[node + 1]):
                ilabel[num_arcs], olabel[num_arcs], cost[num_arcs] = tail_phone[k], 0, tail_cost[k]
                child = tail_child[k]
                if child == 0:
                    nextstate[num_arcs] = destination
                else:
                    key = np.int64(child) * num_g + destination
                    slot = slot_of(slots, tail_keys, key)
                    if slots[slot] < 0:
                        tail_keys = grown(tail_keys, num_tails + 1)
                        tail_state = grown(tail_state, num_tails + 1)
                        begin = grown(begin, num_states + 1)
                        count = grown(count, num_states + 1)
                        slots[slot] = num_tails
                        tail_keys[num_tails], tail_state[num_tails] = key, num_states
                        nextstate[num_arcs] = num_states
                        num_tails += 1
                        num_states += 1
                        if 2 * num_tails > slots.shape[0]:
                            slots = rehashed(slots, tail_keys, num_tails)
                    else:
                        nextstate[num_arcs] = tail_state[slots[slot]]
                num_arcs += 1
            count[state] = num_arcs - begin[state]

    first = np.empty(num_states + 1, np.int64)
    order_ilabel = np.empty(num_arcs, np.int32)
    order_olabel = np.empty(num_arcs, np.int32)
    order_cost = np.empty(num_arcs, np.int32)
    order_next = np.empty(num_arcs, np.int32)
    final = np.full(num_states, NOT_FINAL, np.int32)
    final[root_shift : root_shift + num_g] = g_final
    at = 0
    for state in range(num_states):
        first[state] = at
        for arc in range(begin[state], begin[state] + count[state]):
            order_ilabel[at], order_olabel[at] = ilabel[arc], olabel[arc]
            order_cost[at], order_next[at] = cost[arc], nextstate[arc]
            at += 1
    first[num_states] = at
    return first, order_ilabel, order_olabel, order_cost, order_next, final
