"""Kernel of pruned lattice determinization: subsets of a raw lattice's states, in the order of time.

A state of the result is a subset of elements (exit, cost, acoustic cost, string): an exit is a raw state that words
leave, or where paths end; the string holds the labels of the frames since the subset's cut.  The cost of the best way
through a subset and the string up to the cut, which all elements share, stand on the arcs that lead to it.  Elements
are made as far as a path through them costs at most the beam more than the best one through their subset, or half the
beam where no path through the entries can have more than that left: what a subset holds depends on its entries, but not
on how they were reached, and subsets with the same elements are one state.

Elements follow from the entries, the raw states that word arcs lead to with their costs and strings; what entries led
to is kept, so that the arcs without words are not followed again from the same entries.  Kaldi: `initial_hash_`.

Arcs lead to a later cut, or to a higher lowest exit: in this order the cost of the best way to a subset is known when
its arcs are made, and what was passed is not needed any more.
"""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.lattice._determinize_arrays import (
    ARC_FIRST,
    ARC_NEXT,
    ARC_SOURCE,
    ARC_WORD,
    ARCS,
    BEGIN,
    CHAIN,
    COUNTS,
    CROWDED,
    CUT,
    DONE,
    ELEMENTS,
    END,
    END_LABELS,
    ENDS,
    EXIT,
    FRAME,
    HEAP,
    KNOWN,
    KNOWN_BEGIN,
    KNOWN_CUT,
    KNOWN_END,
    KNOWN_KEY,
    KNOWN_STATE,
    LABEL,
    LABELS,
    LABELS_END,
    LOW,
    MARK,
    MARKS,
    NEXT_LABEL,
    NODE,
    NODES,
    PARENT,
    ROOM,
    SOURCE,
    STATE,
    STATES,
    STEPS,
    STEPS_DONE,
    STRING,
    Candidates,
    Entries,
    Known,
    Made,
    Raw,
    Ways,
    Words,
)
from wfst_asr.lattice._entry_kernels import collect, enter, entries_hash, is_known, remember
from wfst_asr.lattice._heap_kernels import pop, push
from wfst_asr.lattice._subset_kernels import close, common_of_entries, elements_hash, same_elements, spell

_SLACK = 1e-5  # beyond the beam, for what rounding and equal subsets add up to


@njit(cache=True, nogil=True)
def _write(labels: Any, count: Any, nodes: Any, node: Any, length: Any) -> Any:
    """Append the last `length` labels of a string; return how many labels there are now."""
    for i in range(count + length - 1, count - 1, -1):
        labels[i] = nodes[node, LABEL]
        node = nodes[node, PARENT]
    return count + length


@njit(cache=True, nogil=True)
def _chain(first_of: Any, state: Any, state_hash: Any, begin: Any, end: Any) -> None:
    """Enter states into the lists by hash, but those that were passed; from state 0 on the lists are made new."""
    if begin == 0:
        for i in range(len(first_of)):
            first_of[i] = -1
    for i in range(begin, end):
        if state[i, DONE] == 0:
            slot = state_hash[i, 0] & np.uint64(len(first_of) - 1)
            state[i, CHAIN] = first_of[slot]
            first_of[slot] = i


@njit(cache=True, nogil=True)
def _forget(
    state: Any, num_states: Any, element: Any, element_cost: Any, nodes: Any, node_hash: Any, count: Any
) -> Any:
    """Drop the elements of states that were passed, and strings that no other element needs.

    Returns the numbers of nodes and of elements.
    """
    unused = 0x7FFFFFFF
    cut = np.empty(count, np.int32)  # the frame down to which a node's string is needed
    for i in range(count):
        cut[i] = unused
    elements = 0
    for i in range(num_states):
        begin, end = state[i, BEGIN], state[i, END]
        if state[i, DONE] != 0:
            begin = end
        state[i, BEGIN] = elements
        for e in range(begin, end):
            node = element[e, NODE]
            cut[node] = min(cut[node], state[i, CUT])
            element[elements, EXIT], element[elements, NODE] = element[e, EXIT], node
            element_cost[elements, 0], element_cost[elements, 1] = element_cost[e, 0], element_cost[e, 1]
            elements += 1
        state[i, END] = elements
    for i in range(count - 1, 0, -1):
        if cut[i] < nodes[i, FRAME]:
            cut[nodes[i, PARENT]] = min(cut[nodes[i, PARENT]], cut[i])
    cut[0] = 0
    kept = 0
    for i in range(count):
        if cut[i] == unused:
            continue
        nodes[kept, PARENT] = cut[nodes[i, PARENT]] if cut[i] < nodes[i, FRAME] else 0
        nodes[kept, LABEL], nodes[kept, FRAME], nodes[kept, MARK] = nodes[i, LABEL], nodes[i, FRAME], 0
        node_hash[kept] = node_hash[i]
        cut[i] = kept  # from here on, where it is now
        kept += 1
    for e in range(elements):
        element[e, NODE] = cut[element[e, NODE]]
    return kept, elements


@njit(cache=True, nogil=True)
def determinize(
    raw: Raw,
    words: Words,
    candidates: Candidates,
    entries: Entries,
    ways: Ways,
    made: Made,
    known: Known,
    counts: Any,
    limits: Any,
) -> Any:
    """Run the subset construction from where it was left.

    A state whose arcs do not find room is begun again: the states that its arcs lead to are found again as they are.

    Args:
        raw: the lattice, but for its words.
        words: its arcs with words.
        candidates: to work on, as entries and ways.
        entries: of which each subset is made.
        ways: from the entries.
        made: what was made so far.
        known: what entries led to.
        counts: (2, COUNTS) int64 how much of everything was made, and the number of the source whose arcs are next (-1:
            the start), steps, marks, and the number of strings and elements from which on those that are not needed any
            more are dropped; in the second row with the arcs of the source that was left.
        limits: cost of the best path, beam, tolerance of costs of equal subsets, steps.

    Returns:
        0, or STEPS, or ROOM if there is too little of it.
    """
    best, beam, delta, max_steps = limits
    num_raw, num_frames = len(raw.frame), raw.frame[-1]
    width = beam + _SLACK
    nodes, node_hash, element, element_cost = made.nodes, made.node_hash, made.element, made.element_cost
    state, state_hash, forward, labels = made.state, made.state_hash, made.forward, made.labels
    exits, exit_cost, entry, entry_cost = ways.exits, ways.exit_cost, entries.entry, entries.cost
    arc, arc_cost, slots = made.arc, made.arc_cost, known.slot
    now = counts[0]
    _chain(made.first_of, state, state_hash, np.int64(0), now[STATES])
    while True:
        source = now[SOURCE]
        num_arcs, num_labels, num_ends, num_end_labels = now[ARCS], now[LABELS], now[ENDS], now[END_LABELS]
        count: Any = np.int64(1)
        cut_here, ahead_here = np.int64(0), 0.0
        room = True
        if source >= 0:
            begin, end = np.int64(state[source, BEGIN]), np.int64(state[source, END])
            cut_here, ahead_here = np.int64(state[source, CUT]), forward[source]
            taken, count = collect(begin, end, element, element_cost, words, candidates, best + 2 * width - ahead_here)
            now[STEPS_DONE] += taken + end - begin
            last: Any = begin
            for e in range(begin, end):
                if (
                    element_cost[e, 0] + raw.final[element[e, EXIT]]
                    < element_cost[last, 0] + raw.final[element[last, EXIT]]
                ):
                    last = e
            cost = element_cost[last, 0] + raw.final[element[last, EXIT]]
            room = num_ends < len(made.end) and num_end_labels + num_frames <= len(made.end_labels)
            if room and ahead_here + cost <= best + width:
                made.end[num_ends, 0], made.end[num_ends, 1] = source, num_end_labels
                made.end_cost[num_ends, 0], made.end_cost[num_ends, 1] = cost, element_cost[last, 1]
                num_ends += 1
                length = raw.frame[element[last, EXIT]] - cut_here
                num_end_labels = _write(made.end_labels, num_end_labels, nodes, np.int64(element[last, NODE]), length)
        for k in range(count):
            if source < 0:
                entry[0, STATE], entry[0, STRING], entry[0, NEXT_LABEL] = 0, 0, 0
                entry_cost[0, 0], entry_cost[0, 1] = 0.0, 0.0
                num_entries, lowest = np.int64(1), best
            else:
                num_entries, lowest = enter(candidates.words[k], element, element_cost, words, candidates, entries)
                if not room or ahead_here + lowest > best + width:
                    continue
            num_nodes, num_elements, num_known = now[NODES], now[ELEMENTS], now[KNOWN]
            if (
                num_nodes + num_raw > len(nodes)
                or num_elements + num_raw > len(element)
                or num_known + num_entries > len(known.entry)
                or now[STATES] >= len(state)
                or num_arcs >= len(arc)
                or num_labels + num_frames > len(labels)
            ):
                room = False  # goes on to take back the candidates
                continue
            # where these entries led to before
            now[MARKS] += 1
            common, passed = common_of_entries(nodes, node_hash, entry, num_entries, now[MARKS])
            now[STEPS_DONE] += num_entries + passed
            entry_cut, entry_hash = np.int64(nodes[common, FRAME]), node_hash[common]
            key = entries_hash(entry, num_entries, node_hash, entry_hash)
            slot = np.int64(key & np.uint64(len(slots) - 1))
            subset = np.int64(-1)
            same_key = slots[slot, KNOWN_KEY] == np.int64(key) and slots[slot, KNOWN_CUT] == entry_cut
            if same_key and is_known(known, slot, entry, entry_cost, num_entries, node_hash, entry_hash, delta):
                subset = slots[slot, KNOWN_STATE]
            first_label = num_labels
            if subset >= 0:
                base = entry_cost[0, 0] + known.base[slot, 0]
                base_acoustic = entry_cost[0, 1] + known.base[slot, 1]
                num_labels = _write(labels, num_labels, nodes, common, entry_cut - cut_here)
                length = np.int64(state[subset, CUT]) - entry_cut
                for i in range(slots[slot, LABELS_END] - length, slots[slot, LABELS_END]):
                    labels[num_labels] = labels[i]
                    num_labels += 1
            else:
                least_ahead = -np.inf  # whatever comes before
                for i in range(num_entries):
                    least_ahead = max(least_ahead, raw.forward[entry[i, STATE]] - entry_cost[i, 0])
                left = width if 2 * (best + width - least_ahead - lowest) > width else width / 2
                num_exits, _, looked = close(raw, ways, entry, entry_cost, num_entries, lowest + left)
                end_node, common, num_filled = spell(
                    raw, ways, entry, entry_cost, num_exits, nodes, node_hash, num_nodes
                )
                now[STEPS_DONE] += looked + end_node - num_nodes
                # elements, told from the one that is cheapest up to here
                least = 0
                for i in range(num_exits):
                    if exit_cost[i] < exit_cost[least]:
                        least = i
                base, base_acoustic = 0.0, 0.0
                if source >= 0:
                    base, base_acoustic = exit_cost[least], ways.acoustic[exits[least]]
                else:
                    common = np.int64(0)
                end_element = num_elements + num_exits
                for i in range(num_exits):
                    s, e = exits[i], num_elements + i
                    element[e, EXIT], element[e, NODE] = s, ways.string[s]
                    element_cost[e, 0], element_cost[e, 1] = exit_cost[i] - base, ways.acoustic[s] - base_acoustic
                for i in range(num_filled):
                    ways.string[ways.filled[i]] = -1
                # the state that this subset is, if it is known
                cut, cut_hash = np.int64(nodes[common, FRAME]), node_hash[common]
                whole_hash = elements_hash(element, num_elements, end_element, node_hash, cut_hash)
                subset = np.int64(made.first_of[whole_hash & np.uint64(len(made.first_of) - 1)])
                this = (num_elements, end_element, cut_hash)
                while subset >= 0:
                    if state_hash[subset, 0] == whole_hash and state[subset, DONE] == 0:
                        other = (np.int64(state[subset, BEGIN]), np.int64(state[subset, END]), state_hash[subset, 1])
                        now[STEPS_DONE] += num_exits
                        if same_elements(element, element_cost, node_hash, this, other, delta):
                            break
                    subset = np.int64(state[subset, CHAIN])
                num_labels = _write(labels, num_labels, nodes, common, cut - cut_here)
                if subset < 0:
                    subset = now[STATES]
                    state[subset, BEGIN], state[subset, END] = num_elements, end_element
                    state[subset, CUT], state[subset, LOW], state[subset, DONE] = cut, exits[0], 0
                    state_hash[subset, 0], state_hash[subset, 1] = whole_hash, cut_hash
                    forward[subset] = np.inf
                    now[STATES], now[NODES], now[ELEMENTS] = subset + 1, end_node, end_element
                    _chain(made.first_of, state, state_hash, subset, subset + 1)
                    push(made.heap_key, made.heap_state, now[HEAP], (cut << 32) + np.int64(exits[0]), subset)
                    now[HEAP] += 1
                if source >= 0:
                    slots[slot, KNOWN_KEY], slots[slot, KNOWN_CUT] = np.int64(key), entry_cut
                    slots[slot, KNOWN_STATE], slots[slot, LABELS_END] = subset, num_labels
                    slots[slot, KNOWN_BEGIN], slots[slot, KNOWN_END] = num_known, num_known + num_entries
                    known.base[slot, 0] = base - entry_cost[0, 0]
                    known.base[slot, 1] = base_acoustic - entry_cost[0, 1]
                    remember(known, num_known, entry, entry_cost, num_entries, node_hash, entry_hash)
                    now[KNOWN] += num_entries
            forward[subset] = min(forward[subset], ahead_here + base)
            if source >= 0:
                arc[num_arcs, ARC_SOURCE], arc[num_arcs, ARC_NEXT] = source, subset
                arc[num_arcs, ARC_WORD], arc[num_arcs, ARC_FIRST] = candidates.words[k], first_label
                arc_cost[num_arcs, 0], arc_cost[num_arcs, 1] = base, base_acoustic
                arc_cost[num_arcs, 2] = ahead_here + lowest
                num_arcs += 1
        for i in range(COUNTS):
            counts[1, i] = now[i]
        counts[1, ARCS], counts[1, LABELS] = num_arcs, num_labels
        counts[1, ENDS], counts[1, END_LABELS] = num_ends, num_end_labels
        if not room:
            return ROOM
        for i in range(COUNTS):
            now[i] = counts[1, i]
        if source >= 0:
            state[source, DONE] = 1
        if now[HEAP] == 0:
            return 0
        if now[NODES] + now[ELEMENTS] > now[CROWDED]:
            now[NODES], now[ELEMENTS] = _forget(state, now[STATES], element, element_cost, nodes, node_hash, now[NODES])
            now[KNOWN] = 0
            for i in range(len(slots)):
                slots[i, KNOWN_END] = 0
            _chain(made.first_of, state, state_hash, np.int64(0), now[STATES])
            now[STEPS_DONE] += now[NODES] + now[ELEMENTS] + now[STATES]
            now[CROWDED] = max(now[CROWDED], 2 * (now[NODES] + now[ELEMENTS]))
        now[SOURCE] = pop(made.heap_key, made.heap_state, now[HEAP])
        now[HEAP] -= 1
        if now[STEPS_DONE] > max_steps:
            return STEPS
