"""Kernel of pruned lattice determinization: subsets of a raw lattice's states, the best first.

A state of the result is a subset of elements (exit, cost, acoustic cost, string): an exit is a raw state that words
leave, or where paths end; the string holds the labels of the frames since the subset's cut.  Costs are told from those
of the subset's best element, its star; what leads to the star stands on the arcs into the subset, and so does the
string up to the cut, which all elements share.

An arc into a subset leaves so much of the beam that was not used up on the way, and only elements within that are made.
Subsets are one state if they are equal as far as the beam of the worse of the two goes; the better one's elements stay.
"""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown
from wfst_asr.lattice._subset_kernels import (
    EXIT,
    LABEL,
    NODE,
    PARENT,
    ancestor,
    close,
    grown_rows,
    pop,
    push,
    same_within,
    spell,
)

MEMORY, STEPS = 1, 2
_KEYS = 1 << 14  # steps of a unit of cost in the order of the heap
_FRAMES = (1 << 22) - 1
_COSTLIEST = 1 << 40
_BEGIN, _END, _CUT, _DONE, _CHAIN, _ARCS = 0, 1, 2, 3, 4, 5
_SOURCE, _NEXT, _WORD, _FIRST, _SIBLING = 0, 1, 2, 3, 4


@njit(cache=True, nogil=True)
def _collect(subset: Any, elements: Any, word: Any, word_cost: Any, to_end: Any, limit: float, found: Any) -> Any:
    """Collect the word arcs that leave a subset on paths within a limit: lists of candidates by word.

    Fills `found`: rows (arc, element, next candidate of the word), their costs, the first candidate of each word (-1:
    none) and the words that have any.  Returns how many candidates and words there are.
    """
    element, element_cost = elements
    word_first, word_next, _, word_id = word
    candidate, candidate_cost, head, words = found
    count, num_words = 0, 0
    for e in range(subset[_BEGIN], subset[_END]):
        s = element[e, EXIT]
        for a in range(word_first[s], word_first[s + 1]):
            cost = element_cost[e, 0] + word_cost[a, 0]
            if cost + to_end[word_next[a]] > limit:
                continue
            w = word_id[a]
            if head[w] < 0:
                words[num_words] = w
                num_words += 1
            candidate[count, 0], candidate[count, 1], candidate[count, 2] = a, e, head[w]
            candidate_cost[count] = cost
            head[w] = count
            count += 1
    return count, num_words


@njit(cache=True, nogil=True)
def _enter(first: int, elements: Any, word: Any, word_cost: Any, found: Any, entries: Any) -> int:
    """Make entries of the states that the candidates of a word lead to, each by its best, and return their number."""
    element, element_cost = elements
    _, word_next, word_label, _ = word
    candidate, candidate_cost, _, _ = found
    entry, entry_cost, entry_of = entries
    count = 0
    c = first
    while c >= 0:
        a = candidate[c, 0]
        d = word_next[a]
        i = entry_of[d]
        if i >= count or entry[i, 0] != d:
            i = count
            entry_of[d] = i
            entry[i, 0], entry_cost[i, 0] = d, np.inf
            count += 1
        if candidate_cost[c] <= entry_cost[i, 0]:  # the list runs backwards, and of equal ones the first is taken
            e = candidate[c, 1]
            entry[i, 1], entry[i, 2] = element[e, NODE], word_label[a]
            entry_cost[i, 0], entry_cost[i, 1] = candidate_cost[c], element_cost[e, 1] + word_cost[a, 1]
        c = candidate[c, 2]
    return count


@njit(cache=True, nogil=True)
def _can_cut_earlier(subset: Any, cut: int, states: Any, arcs: Any, labels: Any, nodes: Any, node: int) -> bool:
    """Tell whether all arcs into a subset have the labels of `node`, at the subset's cut, from frame `cut` on."""
    arc = subset[_ARCS]
    while arc >= 0:
        source_cut = states[arcs[arc, _SOURCE], _CUT]
        if source_cut > cut:
            return False
        at = node
        for frame in range(subset[_CUT] - 1, cut - 1, -1):
            if labels[arcs[arc, _FIRST] + frame - source_cut] != nodes[at, LABEL]:
                return False
            at = nodes[at, PARENT]
        arc = arcs[arc, _SIBLING]
    return True


@njit(cache=True, nogil=True)
def _write(labels: Any, count: int, nodes: Any, node: int, length: int) -> Any:
    """Append the last `length` labels of a string."""
    labels = grown(labels, count + length)
    for i in range(count + length - 1, count - 1, -1):
        labels[i] = nodes[node, LABEL]
        node = nodes[node, PARENT]
    return labels


@njit(cache=True, nogil=True)
def determinize(
    frame: Any, eps: Any, eps_cost: Any, word: Any, word_cost: Any, final: Any, costs_to_end: Any, limits: Any
) -> Any:
    """Run the subset construction.

    Args:
        frame: (S,) of the raw states.
        eps: (S + 1,) first arc without word of a state, and of each such arc nextstate, label and source.
        eps_cost: (E, 2) cost and acoustic cost.
        word: (S + 1,) first word arc of a state, and of each such arc nextstate, label and word, words from 0 up.
        word_cost: (W, 2) as for `eps_cost`.
        final: (S,) cost of ending.
        costs_to_end: (S,) best cost to the end, and (S,) of ways that take a word arc, or end, at once.
        limits: beam, tolerance of costs of equal subsets, bytes, steps.

    Returns:
        (which limit was met, or 0; the beam that was covered), (N, 2) cut and lowest exit of the states, arcs (source,
        next, word, first label), (A, 2) their costs, their labels, which end with the next state's cut, (F, 2) ends
        (state, first label), (F, 2) their costs, their labels.
    """
    eps_first, eps_next, eps_label, eps_source = eps
    to_end, exit_to_end = costs_to_end
    beam, delta, max_bytes, max_steps = limits
    raw, num_word_arcs = len(frame), len(word_cost)
    best = to_end[0]
    width, same_width = best + beam + 8.0 / _KEYS, best + beam + 4.0 / _KEYS
    # what grows: strings, elements, states, arcs, ends, a heap of states
    nodes, node_hash, num_nodes = np.zeros((1024, 3), np.int32), np.zeros(1024, np.uint64), 1
    element, element_cost, num_elements = np.zeros((1024, 2), np.int32), np.zeros((1024, 2)), 0
    state, cut_hash, num_states = np.zeros((256, 6), np.int32), np.zeros(256, np.uint64), 0
    forward = np.zeros(256)
    arc, arc_cost, num_arcs = np.zeros((256, 5), np.int32), np.zeros((256, 2)), 0
    labels, num_labels = np.zeros(4096, np.int32), 0
    end, end_cost, num_ends = np.zeros((64, 2), np.int32), np.zeros((64, 2)), 0
    end_labels, num_end_labels = np.zeros(1024, np.int32), 0
    heap_key, heap_state, num_heap = np.zeros(256, np.int64), np.zeros(256, np.int32), 0
    of_star = np.full(raw, -1, np.int32)  # the first state with a star, others by _CHAIN
    # scratch
    reached, reached_by, exits = np.empty((raw, 2)), np.empty(raw, np.int32), np.empty(raw, np.int32)
    bits = np.zeros((raw >> 6) + 1, np.uint64)
    node_of, filled, trail = np.full(raw, -1, np.int32), np.empty(raw, np.int32), np.empty(raw, np.int32)
    candidate, candidate_cost = np.empty((num_word_arcs, 3), np.int32), np.empty(num_word_arcs)
    num_words = 0
    for a in range(num_word_arcs):
        num_words = max(num_words, word[3][a] + 1)
    head, words = np.full(num_words, -1, np.int32), np.empty(num_words + 1, np.int32)
    found = (candidate, candidate_cost, head, words)
    entry, entry_cost, entry_of = np.empty((raw, 3), np.int32), np.empty((raw, 2)), np.zeros(raw, np.int32)
    status, steps, reached_end, source = 0, 0, False, -1
    while True:
        count = 1
        if source >= 0:
            here = state[source]
            taken, count = _collect(
                here, (element, element_cost), word, word_cost, to_end, width - forward[source], found
            )
            steps += taken + here[_END] - here[_BEGIN]
            last = here[_BEGIN]
            for e in range(here[_BEGIN], here[_END]):
                if element_cost[e, 0] + final[element[e, EXIT]] < element_cost[last, 0] + final[element[last, EXIT]]:
                    last = e
            cost = element_cost[last, 0] + final[element[last, EXIT]]
            if forward[source] + cost <= width:
                reached_end = True
                end, end_cost = grown_rows(end, num_ends + 1), grown_rows(end_cost, num_ends + 1)
                end[num_ends, 0], end[num_ends, 1] = source, num_end_labels
                end_cost[num_ends, 0], end_cost[num_ends, 1] = cost, element_cost[last, 1]
                num_ends += 1
                length = frame[element[last, EXIT]] - here[_CUT]
                end_labels = _write(end_labels, num_end_labels, nodes, element[last, NODE], length)
                num_end_labels += length
        for k in range(count):
            limit = width
            if source < 0:
                entry[0, 0], entry[0, 1], entry[0, 2] = 0, 0, 0
                entry_cost[0, 0], entry_cost[0, 1] = 0.0, 0.0
                num_entries = 1
            else:
                limit -= forward[source]
                num_entries = _enter(
                    head[words[k]], (element, element_cost), word, word_cost, found, (entry, entry_cost, entry_of)
                )
                head[words[k]] = -1
            num_exits, num_reached, num_looked = close(
                entry,
                entry_cost,
                num_entries,
                costs_to_end,
                (eps_first, eps_next),
                eps_cost,
                (reached, reached_by, exits, bits),
                limit,
            )
            steps += num_entries + num_looked
            nodes, node_hash = grown_rows(nodes, num_nodes + num_reached), grown(node_hash, num_nodes + num_reached)
            low_nodes = num_nodes
            num_nodes, common, num_filled = spell(
                exits[:num_exits],
                entry,
                reached_by,
                eps_source,
                eps_label,
                (node_of, filled, trail),
                (nodes, node_hash),
                num_nodes,
            )
            steps += num_nodes - low_nodes
            element = grown_rows(element, num_elements + num_exits)
            element_cost = grown_rows(element_cost, num_elements + num_exits)
            star, lowest = 0, np.inf
            for i in range(num_exits):
                s = exits[i]
                element[num_elements + i, EXIT], element[num_elements + i, NODE] = s, node_of[s]
                if reached[s, 0] + exit_to_end[s] < lowest:
                    star, lowest = s, reached[s, 0] + exit_to_end[s]
            star_node = node_of[star]
            for i in range(num_filled):
                node_of[filled[i]] = -1
            base, base_acoustic, ahead = 0.0, 0.0, 0.0
            if source >= 0:
                base, base_acoustic = reached[star, 0], reached[star, 1]
                ahead = forward[source] + base
            else:
                common = 0
            for i in range(num_elements, num_elements + num_exits):
                element_cost[i, 0] = reached[element[i, EXIT], 0] - base
                element_cost[i, 1] = reached[element[i, EXIT], 1] - base_acoustic
            cut = nodes[common, 2]
            # the state that this subset is, if it is known
            subset = of_star[star]
            replaced = False
            while subset >= 0:
                known = state[subset]
                better = ahead < forward[subset]
                if known[_CUT] >= state[source, _CUT] and not (
                    known[_DONE] != 0 and ahead < forward[subset] - 2.0 / _KEYS
                ):
                    steps += num_exits
                    at_cut = ancestor(nodes, star_node, known[_CUT])
                    same, more = same_within(
                        element,
                        element_cost,
                        node_hash,
                        exit_to_end,
                        (known[_BEGIN], known[_END], cut_hash[subset]),
                        (num_elements, num_elements + num_exits, node_hash[at_cut]),
                        same_width - max(ahead, forward[subset]),
                        delta,
                    )
                    replaced = same and more and better and known[_DONE] == 0
                    if replaced and cut < known[_CUT]:
                        same = _can_cut_earlier(known, cut, state, arc, labels, nodes, at_cut)
                        replaced = same
                    if same:
                        break
                subset = known[_CHAIN]
            if subset < 0:
                subset = num_states
                num_states += 1
                state, cut_hash = grown_rows(state, num_states), grown(cut_hash, num_states)
                forward = grown(forward, num_states)
                state[subset, _CUT], state[subset, _DONE], state[subset, _ARCS] = cut, 0, -1
                state[subset, _CHAIN] = of_star[star]
                of_star[star] = subset
                forward[subset] = np.inf
                replaced = True
            if replaced:
                state[subset, _BEGIN], state[subset, _END] = num_elements, num_elements + num_exits
                state[subset, _CUT] = min(cut, state[subset, _CUT])
                cut_hash[subset] = node_hash[ancestor(nodes, common, state[subset, _CUT])]
                num_elements += num_exits
            if source >= 0:
                length = state[subset, _CUT] - state[source, _CUT]
                labels = _write(labels, num_labels, nodes, ancestor(nodes, star_node, state[subset, _CUT]), length)
                arc, arc_cost = grown_rows(arc, num_arcs + 1), grown_rows(arc_cost, num_arcs + 1)
                arc[num_arcs, _SOURCE], arc[num_arcs, _NEXT], arc[num_arcs, _WORD] = source, subset, words[k]
                arc[num_arcs, _FIRST], arc[num_arcs, _SIBLING] = num_labels, state[subset, _ARCS]
                arc_cost[num_arcs, 0], arc_cost[num_arcs, 1] = base, base_acoustic
                state[subset, _ARCS] = num_arcs
                num_arcs += 1
                num_labels += length
            if not replaced:
                num_nodes = low_nodes
            if ahead < forward[subset] and state[subset, _DONE] == 0:
                forward[subset] = ahead
                gap = np.int64(min(max(0.0, ahead - base + lowest - best) * _KEYS, _COSTLIEST))
                key = (gap + 1) * (_FRAMES + 1) - 1 - (np.int64(frame[star]) & _FRAMES)
                heap_key, heap_state = grown(heap_key, num_heap + 1), grown(heap_state, num_heap + 1)
                push(heap_key, heap_state, num_heap, key, subset)
                num_heap += 1
        if source >= 0:
            state[source, _DONE] = 1
        while num_heap > 0 and state[heap_state[0], _DONE] != 0:
            pop(heap_key, heap_state, num_heap)
            num_heap -= 1
        if num_heap == 0:
            break
        used = 20 * len(nodes) + 24 * len(element) + 40 * len(state) + 36 * len(arc) + 4 * len(labels)
        used += 24 * len(end) + 4 * len(end_labels) + 12 * len(heap_key)
        if reached_end and (used > max_bytes or steps > max_steps):
            status = MEMORY if used > max_bytes else STEPS
            beam = min(beam, max(0.0, (heap_key[0] // (_FRAMES + 1) - 2) / _KEYS))
            break
        source = pop(heap_key, heap_state, num_heap)
        num_heap -= 1
    form = np.empty((num_states, 2), np.int32)
    for i in range(num_states):
        form[i, 0], form[i, 1] = state[i, _CUT], element[state[i, _BEGIN], EXIT]
    return (
        (status, beam, steps),
        form,
        arc[:num_arcs],
        arc_cost[:num_arcs],
        labels[:num_labels],
        end[:num_ends],
        end_cost[:num_ends],
        end_labels[:num_end_labels],
    )
