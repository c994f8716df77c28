"""Kernel of pruned lattice determinization: subsets of a raw lattice's states, in the order of time.

A state of the result is a subset of elements (exit, cost, acoustic cost, string): an exit is a raw state that words
leave, or where paths end; the string holds the labels of the frames since the subset's cut.  The cost of the best way
through a subset and the string up to the cut, which all elements share, stand on the arcs that lead to it.  Elements
are made as far as a path through them costs at most the beam more than the best one through their subset: what a
subset holds does not depend on how it was reached, so that subsets with the same elements are one state.

Arcs lead to a later cut, or to a higher lowest exit: in this order the cost of the best way to a subset is known when
its arcs are made, and what was passed is not needed any more.
"""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown
from wfst_asr.lattice._subset_kernels import (
    ACOUSTIC,
    COST,
    EPS_BEGIN,
    EPS_END,
    EXIT,
    FRAME,
    LABEL,
    NODE,
    PARENT,
    STRING,
    TO_END,
    close,
    grown_rows,
    pop,
    push,
    same_elements,
    spell,
    subset_hash,
)

MEMORY, STEPS = 1, 2
_SLACK = 1e-5  # beyond the beam, for what rounding and equal subsets add up to
_BEGIN, _END, _CUT, _LOW, _DONE, _CHAIN = 0, 1, 2, 3, 4, 5
_SOURCE, _NEXT, _WORD, _FIRST = 0, 1, 2, 3


@njit(cache=True, nogil=True)
def _collect(begin: int, end: int, elements: Any, word: Any, word_cost: Any, limit: float, found: Any) -> Any:
    """Collect the word arcs that leave a subset on paths within a limit: lists of candidates by word.

    Fills `found`: rows (arc, element, next candidate of the word), their costs, the first candidate of each word (-1:
    none) and the words that have any.  Returns how many candidates and words there are.
    """
    element, element_cost = elements
    word_first, _, _, word_id = word
    candidate, candidate_cost, head, words = found
    count, num_words = 0, 0
    for e in range(begin, end):
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
def _chain(state: Any, hashes: Any, heads: Any, begin: int, end: int) -> None:
    """Enter states into the lists by hash, but those that were passed; from state 0 on the lists are made new."""
    if begin == 0:
        for i in range(len(heads)):
            heads[i] = -1
    for i in range(begin, end):
        if state[i, _DONE] == 0:
            slot = hashes[i, 0] & np.uint64(len(heads) - 1)
            state[i, _CHAIN] = heads[slot]
            heads[slot] = i


@njit(cache=True, nogil=True)
def _forget(
    state: Any, num_states: int, element: Any, element_cost: Any, nodes: Any, node_hash: Any, count: int
) -> tuple[int, int]:
    """Drop the elements of states that were passed, and strings that no other element needs, moving the others up.

    Returns the numbers of nodes and of elements.
    """
    unused = np.iinfo(np.int32).max
    cut = np.empty(count, np.int32)  # the frame down to which a node's string is needed
    for i in range(count):
        cut[i] = unused
    elements = 0
    for i in range(num_states):
        begin, end = state[i, _BEGIN], state[i, _END]
        if state[i, _DONE] != 0:
            begin = end
        state[i, _BEGIN] = elements
        for e in range(begin, end):
            node = element[e, NODE]
            cut[node] = min(cut[node], state[i, _CUT])
            element[elements, EXIT], element[elements, NODE] = element[e, EXIT], node
            element_cost[elements, 0], element_cost[elements, 1] = element_cost[e, 0], element_cost[e, 1]
            elements += 1
        state[i, _END] = elements
    for i in range(count - 1, 0, -1):
        if cut[i] < nodes[i, FRAME]:
            cut[nodes[i, PARENT]] = min(cut[nodes[i, PARENT]], cut[i])
    cut[0] = 0
    kept = 0
    for i in range(count):
        if cut[i] == unused:
            continue
        nodes[kept, PARENT] = cut[nodes[i, PARENT]] if cut[i] < nodes[i, FRAME] else 0
        nodes[kept, LABEL], nodes[kept, FRAME], node_hash[kept] = nodes[i, LABEL], nodes[i, FRAME], node_hash[i]
        cut[i] = kept  # from here on, where it is now
        kept += 1
    for e in range(elements):
        element[e, NODE] = cut[element[e, NODE]]
    return kept, elements


@njit(cache=True, nogil=True)
def determinize(frame: Any, eps: Any, eps_cost: Any, word: Any, word_cost: Any, final: Any, limits: Any) -> Any:
    """Run the subset construction.

    Args:
        frame: (S,) of the raw states.
        eps: (S + 1,) first arc without word of a state, and of each such arc nextstate, label and source.
        eps_cost: (E, 3) cost to the end, cost of the arc, acoustic cost.
        word: (S + 1,) first word arc of a state, and of each such arc nextstate, label and word, words from 0 up.
        word_cost: (W, 3) as for `eps_cost`.
        final: (S,) cost of ending.
        limits: cost of the best path, beam, tolerance of costs of equal subsets, bytes, steps, number of strings and
            elements from which on those that are not needed any more are dropped.

    Returns:
        (which limit was met, or 0; the frame that was reached then), states (_, _, cut, lowest exit), arcs
        (source, next, word, first label), (A, 3) their costs, acoustic costs and of the best path through them, their
        labels, (F, 2) ends (state, first label), (F, 2) their costs, their labels.
    """
    eps_first, eps_next, eps_label, eps_source = eps
    best, beam, delta, max_bytes, max_steps, crowded = limits
    num_raw, num_word_arcs = len(frame), len(word_cost)
    width = beam + _SLACK
    # what grows: strings, elements, states, arcs, ends, a heap of states
    nodes, node_hash, num_nodes = np.zeros((1024, 3), np.int32), np.zeros(1024, np.uint64), 1
    element, element_cost, num_elements = np.zeros((1024, 2), np.int32), np.zeros((1024, 2)), 0
    state, hashes, num_states = np.zeros((256, 6), np.int32), np.zeros((256, 2), np.uint64), 0
    forward = np.zeros(256)
    arc, arc_cost, num_arcs = np.zeros((256, 4), np.int32), np.zeros((256, 3)), 0
    labels, num_labels = np.zeros(4096, np.int32), 0
    end, end_cost, num_ends = np.zeros((64, 2), np.int32), np.zeros((64, 2)), 0
    end_labels, num_end_labels = np.zeros(1024, np.int32), 0
    heap_key, heap_state, num_heap = np.zeros(256, np.int64), np.zeros(256, np.int32), 0
    heads = np.empty(256, np.int32)  # the last state by hash, others by _CHAIN
    _chain(state, hashes, heads, 0, 0)
    # raw states and arcs
    reached, place = np.empty((num_raw, 3)), np.empty((num_raw, 4), np.int32)
    for s in range(num_raw):
        reached[s, TO_END] = final[s]
        for a in range(word[0][s], word[0][s + 1]):
            reached[s, TO_END] = min(reached[s, TO_END], word_cost[a, 0])
        place[s, EPS_BEGIN], place[s, EPS_END], place[s, STRING] = eps_first[s], eps_first[s + 1], -1
    num_words = 0
    for a in range(num_word_arcs):
        num_words = max(num_words, word[3][a] + 1)
    # scratch
    exits, filled, trail = np.empty(num_raw, np.int32), np.empty(num_raw, np.int32), np.empty(num_raw, np.int32)
    bits = np.zeros((num_raw >> 6) + 1, np.uint64)
    head, words = np.empty(num_words, np.int32), np.empty(num_words + 1, np.int32)
    for w in range(num_words):
        head[w] = -1
    found = (np.empty((num_word_arcs, 3), np.int32), np.empty(num_word_arcs), head, words)
    entry, entry_cost, entry_of = np.empty((num_raw, 3), np.int32), np.empty((num_raw, 2)), np.zeros(num_raw, np.int32)
    status, steps, source = 0, 0, -1
    while True:
        count = 1
        cut_here = state[max(0, source), _CUT]
        if source >= 0:
            begin_here, end_here = state[source, _BEGIN], state[source, _END]
            taken, count = _collect(
                begin_here,
                end_here,
                (element, element_cost),
                word,
                word_cost,
                best + 2 * width - forward[source],
                found,
            )
            steps += taken + end_here - begin_here
            last = begin_here
            for e in range(begin_here, end_here):
                if element_cost[e, 0] + final[element[e, EXIT]] < element_cost[last, 0] + final[element[last, EXIT]]:
                    last = e
            cost = element_cost[last, 0] + final[element[last, EXIT]]
            if forward[source] + cost <= best + width:
                end, end_cost = grown_rows(end, num_ends + 1), grown_rows(end_cost, num_ends + 1)
                end[num_ends, 0], end[num_ends, 1] = source, num_end_labels
                end_cost[num_ends, 0], end_cost[num_ends, 1] = cost, element_cost[last, 1]
                num_ends += 1
                length = frame[element[last, EXIT]] - cut_here
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
                entry, entry_cost, num_entries, eps_next, eps_cost, (reached, place), (exits, bits), lowest + width
            )
            steps += num_entries + num_looked
            nodes, node_hash = grown_rows(nodes, num_nodes + num_reached), grown(node_hash, num_nodes + num_reached)
            low_nodes = num_nodes
            num_nodes, common, num_filled = spell(
                exits,
                num_exits,
                entry,
                place,
                eps_source,
                eps_label,
                (filled, trail),
                (nodes, node_hash),
                num_nodes,
            )
            steps += num_nodes - low_nodes
            # elements, told from the one that is cheapest up to here
            end_element = num_elements + num_exits
            element, element_cost = grown_rows(element, end_element), grown_rows(element_cost, end_element)
            least = exits[0]
            for i in range(num_exits):
                s = exits[i]
                if reached[s, COST] < reached[least, COST]:
                    least = s
            base, base_acoustic, ahead = 0.0, 0.0, 0.0
            if source >= 0:
                base, base_acoustic = reached[least, COST], reached[least, ACOUSTIC]
                ahead = forward[source] + base
            else:
                common = 0
            for i in range(num_exits):
                s, e = exits[i], num_elements + i
                element[e, EXIT], element[e, NODE] = s, place[s, STRING]
                element_cost[e, 0], element_cost[e, 1] = reached[s, COST] - base, reached[s, ACOUSTIC] - base_acoustic
            for i in range(num_filled):
                place[filled[i], STRING] = -1
            # the state that this subset is, if it is known
            cut, cut_hash = nodes[common, FRAME], node_hash[common]
            whole_hash = subset_hash(element, num_elements, end_element, node_hash, cut_hash)
            subset = heads[whole_hash & np.uint64(len(heads) - 1)]
            this = (num_elements, end_element, cut_hash)
            while subset >= 0:
                if hashes[subset, 0] == whole_hash and state[subset, _DONE] == 0:
                    other = (state[subset, _BEGIN], state[subset, _END], hashes[subset, 1])
                    steps += num_exits
                    if same_elements(element, element_cost, node_hash, this, other, delta):
                        break
                subset = state[subset, _CHAIN]
            if subset >= 0:
                num_nodes = low_nodes
                forward[subset] = min(forward[subset], ahead)
            else:
                subset = num_states
                num_states += 1
                state, hashes = grown_rows(state, num_states), grown_rows(hashes, num_states)
                forward = grown(forward, num_states)
                state[subset, _BEGIN], state[subset, _END] = num_elements, end_element
                state[subset, _CUT], state[subset, _LOW], state[subset, _DONE] = cut, exits[0], 0
                hashes[subset, 0], hashes[subset, 1] = whole_hash, cut_hash
                forward[subset] = ahead
                num_elements = end_element
                again = subset
                if num_states > len(heads):
                    heads = np.empty(4 * len(heads), np.int32)
                    again = 0
                _chain(state, hashes, heads, again, num_states)
                heap_key, heap_state = grown(heap_key, num_heap + 1), grown(heap_state, num_heap + 1)
                push(heap_key, heap_state, num_heap, (np.int64(cut) << 32) + np.int64(exits[0]), subset)
                num_heap += 1
            if source >= 0:
                arc, arc_cost = grown_rows(arc, num_arcs + 1), grown_rows(arc_cost, num_arcs + 1)
                arc[num_arcs, _SOURCE], arc[num_arcs, _NEXT] = source, subset
                arc[num_arcs, _WORD], arc[num_arcs, _FIRST] = words[k], num_labels
                arc_cost[num_arcs, 0], arc_cost[num_arcs, 1] = base, base_acoustic
                arc_cost[num_arcs, 2] = forward[source] + lowest
                num_arcs += 1
                labels = _write(labels, num_labels, nodes, common, cut - cut_here)
                num_labels += cut - cut_here
        if source >= 0:
            state[source, _DONE] = 1
        if num_heap == 0:
            break
        if num_nodes + num_elements > crowded:
            num_nodes, num_elements = _forget(state, num_states, element, element_cost, nodes, node_hash, num_nodes)
            _chain(state, hashes, heads, 0, num_states)
            steps += num_nodes + num_elements + num_states
            crowded = max(crowded, 2.0 * (num_nodes + num_elements))
        used = 20 * len(nodes) + 24 * len(element) + 48 * len(state) + 4 * len(heads)
        used += 40 * len(arc) + 4 * len(labels) + 24 * len(end) + 4 * len(end_labels) + 12 * len(heap_key)
        if used > max_bytes or steps > max_steps:
            status = MEMORY if used > max_bytes else STEPS
            break
        source = pop(heap_key, heap_state, num_heap)
        num_heap -= 1
    return (
        (status, state[max(0, source), _CUT]),
        state[:num_states],
        arc[:num_arcs],
        arc_cost[:num_arcs],
        labels[:num_labels],
        end[:num_ends],
        end_cost[:num_ends],
        end_labels[:num_end_labels],
    )
