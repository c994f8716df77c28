"""Kernel of pruned lattice determinization: subsets of a raw lattice's states, the best first.

A state of the result is a subset of elements (exit, cost, acoustic cost, string): an exit is a raw state that words
leave, or where paths end; the string holds the labels of the frames since the subset's cut.  The cost of the best way
through a subset and the string up to the cut, which all elements share, stand on the arcs that lead to it.  Elements
are made as far as a path through them costs at most the beam more than the best one through their subset: what a
subset holds does not depend on how it was reached, so that subsets with the same elements are one state.
"""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown
from wfst_asr.lattice._subset_kernels import (
    EXIT,
    FRAME,
    LABEL,
    NODE,
    PARENT,
    close,
    grown_rows,
    pop,
    push,
    same_elements,
    spell,
    subset_hash,
)

MEMORY, STEPS = 1, 2
_KEYS = 1 << 14  # steps of a unit of cost in the order of the heap
_FRAMES = (1 << 22) - 1
_COSTLIEST = 1 << 40
_BEGIN, _END, _CUT, _DONE, _CHAIN = 0, 1, 2, 3, 4
_SOURCE, _NEXT, _WORD, _FIRST = 0, 1, 2, 3


@njit(cache=True, nogil=True)
def _collect(subset: Any, elements: Any, word: Any, word_cost: Any, limit: float, found: Any) -> Any:
    """Collect the word arcs that leave a subset on paths within a limit: lists of candidates by word.

    Fills `found`: rows (arc, element, next candidate of the word), their costs, the first candidate of each word (-1:
    none) and the words that have any.  Returns how many candidates and words there are.
    """
    element, element_cost = elements
    word_first, _, _, word_id = word
    candidate, candidate_cost, head, words = found
    count, num_words = 0, 0
    for e in range(subset[_BEGIN], subset[_END]):
        s = element[e, EXIT]
        for a in range(word_first[s], word_first[s + 1]):
            if element_cost[e, 0] + word_cost[a, 0] > limit:
                continue
            w = word_id[a]
            if head[w] < 0:
                words[num_words] = w
                num_words += 1
            candidate[count, 0], candidate[count, 1], candidate[count, 2] = a, e, head[w]
            candidate_cost[count] = element_cost[e, 0] + word_cost[a, 1]
            head[w] = count
            count += 1
    return count, num_words


@njit(cache=True, nogil=True)
def _enter(first: int, elements: Any, word: Any, word_cost: Any, found: Any, entries: Any) -> tuple[int, float]:
    """Make entries of the states that the candidates of a word lead to, each by its best.

    Returns:
        their number, and the lowest cost of a path to the end.
    """
    element, element_cost = elements
    _, word_next, word_label, _ = word
    candidate, candidate_cost, _, _ = found
    entry, entry_cost, entry_of = entries
    count = 0
    lowest = np.inf
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
        lowest = min(lowest, element_cost[candidate[c, 1], 0] + word_cost[a, 0])
        if candidate_cost[c] <= entry_cost[i, 0]:  # the list runs backwards, and of equal ones the first is taken
            e = candidate[c, 1]
            entry[i, 1], entry[i, 2] = element[e, NODE], word_label[a]
            entry_cost[i, 0], entry_cost[i, 1] = candidate_cost[c], element_cost[e, 1] + word_cost[a, 2]
        c = candidate[c, 2]
    return count, lowest


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
    frame: Any, eps: Any, eps_cost: Any, word: Any, word_cost: Any, final: Any, exit_to_end: Any, limits: Any
) -> Any:
    """Run the subset construction.

    Args:
        frame: (S,) of the raw states.
        eps: (S + 1,) first arc without word of a state, and of each such arc nextstate, label and source.
        eps_cost: (E, 3) cost to the end, cost of the arc, acoustic cost.
        word: (S + 1,) first word arc of a state, and of each such arc nextstate, label and word, words from 0 up.
        word_cost: (W, 3) as for `eps_cost`.
        final: (S,) cost of ending.
        exit_to_end: (S,) best cost to the end of ways that take a word arc, or end, at once.
        limits: cost of the best path, beam, tolerance of costs of equal subsets, bytes, steps.

    Returns:
        (which limit was met, or 0; the beam that was covered), (N, 2) cut and lowest exit of the states, arcs (source,
        next, word, first label), (A, 2) their costs, their labels, (F, 2) ends
        (state, first label), (F, 2) their costs, their labels.
    """
    eps_first, eps_next, eps_label, eps_source = eps
    best, beam, delta, max_bytes, max_steps = limits
    raw, num_word_arcs = len(frame), len(word_cost)
    width = beam + 4.0 / _KEYS
    # what grows: strings, elements, states, arcs, ends, a heap of states
    nodes, node_hash, num_nodes = np.zeros((1024, 3), np.int32), np.zeros(1024, np.uint64), 1
    element, element_cost, num_elements = np.zeros((1024, 2), np.int32), np.zeros((1024, 2)), 0
    state, hashes, num_states = np.zeros((256, 5), np.int32), np.zeros((256, 2), np.uint64), 0
    forward = np.zeros(256)
    arc, arc_cost, num_arcs = np.zeros((256, 4), np.int32), np.zeros((256, 2)), 0
    labels, num_labels = np.zeros(4096, np.int32), 0
    end, end_cost, num_ends = np.zeros((64, 2), np.int32), np.zeros((64, 2)), 0
    end_labels, num_end_labels = np.zeros(1024, np.int32), 0
    heap_key, heap_state, num_heap = np.zeros(256, np.int64), np.zeros(256, np.int32), 0
    heads = np.full(256, -1, np.int32)  # the last state by hash, others by _CHAIN
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
    status, steps, lowest_end, source = 0, 0, np.inf, -1
    while True:
        count = 1
        here = state[max(0, source)].copy()  # the array grows
        if source >= 0:
            taken, count = _collect(
                here, (element, element_cost), word, word_cost, best + 2 * width - forward[source], found
            )
            steps += taken + here[_END] - here[_BEGIN]
            last = here[_BEGIN]
            for e in range(here[_BEGIN], here[_END]):
                if element_cost[e, 0] + final[element[e, EXIT]] < element_cost[last, 0] + final[element[last, EXIT]]:
                    last = e
            cost = element_cost[last, 0] + final[element[last, EXIT]]
            if forward[source] + cost <= best + width:
                lowest_end = min(lowest_end, forward[source] + cost)
                end, end_cost = grown_rows(end, num_ends + 1), grown_rows(end_cost, num_ends + 1)
                end[num_ends, 0], end[num_ends, 1] = source, num_end_labels
                end_cost[num_ends, 0], end_cost[num_ends, 1] = cost, element_cost[last, 1]
                num_ends += 1
                length = frame[element[last, EXIT]] - here[_CUT]
                end_labels = _write(end_labels, num_end_labels, nodes, element[last, NODE], length)
                num_end_labels += length
        for k in range(count):
            if source < 0:
                entry[0, 0], entry[0, 1], entry[0, 2] = 0, 0, 0
                entry_cost[0, 0], entry_cost[0, 1] = 0.0, 0.0
                num_entries, lowest = 1, best
            else:
                num_entries, lowest = _enter(
                    head[words[k]], (element, element_cost), word, word_cost, found, (entry, entry_cost, entry_of)
                )
                head[words[k]] = -1
                if forward[source] + lowest > best + width:
                    continue
            num_exits, num_reached, num_looked = close(
                entry,
                entry_cost,
                num_entries,
                exit_to_end,
                (eps_first, eps_next),
                eps_cost,
                (reached, reached_by, exits, bits),
                lowest + width,
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
            least = exits[0]
            for i in range(num_exits):
                s = exits[i]
                element[num_elements + i, EXIT], element[num_elements + i, NODE] = s, node_of[s]
                if reached[s, 0] < reached[least, 0]:
                    least = s
            for i in range(num_filled):
                node_of[filled[i]] = -1
            base, base_acoustic, ahead = 0.0, 0.0, 0.0
            if source >= 0:
                base, base_acoustic = reached[least, 0], reached[least, 1]
                ahead = forward[source] + base
            else:
                common = 0
            end_element = num_elements + num_exits
            for i in range(num_elements, end_element):
                element_cost[i, 0] = reached[element[i, EXIT], 0] - base
                element_cost[i, 1] = reached[element[i, EXIT], 1] - base_acoustic
            # the state that this subset is, if it is known
            cut, cut_hash = nodes[common, FRAME], node_hash[common]
            whole_hash = subset_hash(element, num_elements, end_element, node_hash, cut_hash)
            subset = heads[whole_hash & np.uint64(len(heads) - 1)]
            this = (num_elements, end_element, cut_hash)
            while subset >= 0:
                if hashes[subset, 0] == whole_hash:
                    other = (state[subset, _BEGIN], state[subset, _END], hashes[subset, 1])
                    steps += num_exits
                    if same_elements(element, element_cost, node_hash, this, other, delta):
                        break
                subset = state[subset, _CHAIN]
            if source >= 0:
                arc, arc_cost = grown_rows(arc, num_arcs + 1), grown_rows(arc_cost, num_arcs + 1)
                arc[num_arcs, _SOURCE], arc[num_arcs, _WORD], arc[num_arcs, _FIRST] = source, words[k], num_labels
                arc[num_arcs, _NEXT] = subset if subset >= 0 else num_states
                arc_cost[num_arcs, 0], arc_cost[num_arcs, 1] = base, base_acoustic
                num_arcs += 1
                labels = _write(labels, num_labels, nodes, common, cut - here[_CUT])
                num_labels += cut - here[_CUT]
            if subset >= 0:
                num_nodes = low_nodes
                if state[subset, _DONE] != 0 or ahead >= forward[subset]:
                    continue
            else:
                num_elements = end_element
                subset = num_states
                num_states += 1
                state, hashes = grown_rows(state, num_states), grown_rows(hashes, num_states)
                forward = grown(forward, num_states)
                state[subset, _BEGIN], state[subset, _END] = this[0], this[1]
                state[subset, _CUT], state[subset, _DONE] = cut, 0
                hashes[subset, 0], hashes[subset, 1] = whole_hash, cut_hash
                again = subset
                if num_states > len(heads):
                    heads = np.full(4 * len(heads), -1, np.int32)
                    again = 0
                for i in range(again, num_states):
                    slot = hashes[i, 0] & np.uint64(len(heads) - 1)
                    state[i, _CHAIN] = heads[slot]
                    heads[slot] = i
            forward[subset] = ahead
            gap = np.int64(min(max(0.0, ahead - base + lowest - best) * _KEYS, _COSTLIEST))
            key = (gap + 1) * (_FRAMES + 1) - 1 - (np.int64(frame[exits[num_exits - 1]]) & _FRAMES)
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
        used = 20 * len(nodes) + 24 * len(element) + 44 * len(state) + 4 * len(heads) + 36 * len(arc) + 4 * len(labels)
        used += 24 * len(end) + 4 * len(end_labels) + 12 * len(heap_key)
        covered = max(0.0, (heap_key[0] // (_FRAMES + 1) - 2) / _KEYS)
        reached_end = lowest_end <= best + max(1e-6, covered)  # the best path is there
        if reached_end and (used > max_bytes or steps > max_steps):
            status = MEMORY if used > max_bytes else STEPS
            beam = min(beam, covered)
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
