"""Kernels of pruned lattice determinization: subsets best first, strings as nodes of a tree with hashes of prefixes.

A state of the result is a subset of elements (exit, cost, acoustic cost, string): an exit is a state of the raw lattice
that words leave, or where paths end, and the string holds the labels of the frames since the subset's cut.  Cost and
string that all elements share stand on the arc into the subset.

A string is a node (parent, label, frame, hash) of a tree: one label a frame, and a hash that is the sum of what every
frame adds, so that the hash of a string since a cut is a difference.  Strings since a cut are taken to be equal if
their hashes of 64 bits are.
"""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, mixed

DONE, MEMORY, STEPS = 0, 1, 2
_KEY_STEPS = 1 << 14  # steps of a cost in the order of the heap
_FRAME_BITS = 22
_COSTLIEST = 1 << 40
_BIT = np.zeros(64, np.int64)
for _i in range(64):
    _BIT[((1 << _i) * 0x03F79D71B4CB0A89 & 0xFFFFFFFFFFFFFFFF) >> 58] = _i


@njit(cache=True, nogil=True, inline="always")
def _label_hash(frame: Any, label: Any) -> Any:
    return mixed((np.uint64(frame) << np.uint64(32)) + np.uint64(label) + np.uint64(0x9E3779B97F4A7C15))


@njit(cache=True, nogil=True)
def _pushed(keys: Any, states: Any, count: int, key: int, state: int) -> tuple[Any, Any]:
    """Put a state into a binary heap of `count` entries."""
    keys, states = grown(keys, count + 1), grown(states, count + 1)
    at = count
    while at > 0 and keys[(at - 1) >> 1] > key:
        keys[at], states[at] = keys[(at - 1) >> 1], states[(at - 1) >> 1]
        at = (at - 1) >> 1
    keys[at], states[at] = key, state
    return keys, states


@njit(cache=True, nogil=True)
def _pop(keys: Any, states: Any, count: int) -> int:
    """Take the state of the lowest key out of a heap of `count` entries."""
    lowest = states[0]
    key, state = keys[count - 1], states[count - 1]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= count - 1:
            break
        if child + 1 < count - 1 and keys[child + 1] < keys[child]:
            child += 1
        if keys[child] >= key:
            break
        keys[at], states[at] = keys[child], states[child]
        at = child
    keys[at], states[at] = key, state
    return int(lowest)


@njit(cache=True, nogil=True)
def _common_node(nodes: Any, first: int, other: int) -> tuple[int, int]:
    """Return a node whose string is the longest common prefix of those of two nodes, and the steps taken."""
    parent, _, frame, prefix_hash = nodes
    steps = 0
    while first != other:
        if frame[first] > frame[other]:
            first = parent[first]
        elif frame[other] > frame[first]:
            other = parent[other]
        elif prefix_hash[first] == prefix_hash[other]:
            break
        else:
            first, other = parent[first], parent[other]
        steps += 1
    return first, steps


@njit(cache=True, nogil=True)
def _appended(nodes: Any, count: int, parent: int, label: int) -> Any:
    """Make node `count`: the string of `parent` and a label."""
    n_parent, n_label, n_frame, n_hash = nodes
    if count == n_parent.shape[0]:
        n_parent, n_label = grown(n_parent, count + 1), grown(n_label, count + 1)
        n_frame, n_hash = grown(n_frame, count + 1), grown(n_hash, count + 1)
    n_parent[count], n_label[count] = parent, label
    n_frame[count] = n_frame[parent] + 1
    n_hash[count] = n_hash[parent] + _label_hash(n_frame[parent], label)
    return n_parent, n_label, n_frame, n_hash


@njit(cache=True, nogil=True)
def _closure(
    entries: Any, exit_cost: Any, eps: Any, eps_cost: Any, reached: Any, reached_by: Any, queue: Any, limit: float
) -> tuple[Any, int, int]:
    """Follow the arcs without a word from entries as long as a path to the end costs at most `limit`.

    Entries are (states, costs, acoustic costs), each state once.  Fills for the states that are reached the cost and
    acoustic cost of the best way (`reached`) and its last arc (`reached_by`, -1 - i for entry i).

    Returns:
        the states that are exits within the limit, in order, how many they are, and the steps taken.
    """
    states, costs, acoustic = entries
    eps_first, eps_next = eps
    to_end, exit_to_end = exit_cost
    bits, exits = queue
    low, high = len(bits), -1
    steps = 0
    for i in range(states.shape[0]):
        s = states[i]
        reached[s, 0], reached[s, 1], reached_by[s] = costs[i], acoustic[i], -1 - i
        bits[s >> 6] |= np.uint64(1) << np.uint64(s & 63)
        low, high = min(low, s >> 6), max(high, s >> 6)
    count = 0
    while low <= high:
        word = bits[low]
        if word == 0:
            low += 1
            continue
        lowest = word & (~word + np.uint64(1))
        bits[low] = word ^ lowest
        s = (low << 6) + _BIT[(lowest * np.uint64(0x03F79D71B4CB0A89)) >> np.uint64(58)]
        here = reached[s, 0]
        if here + exit_to_end[s] <= limit:
            exits = grown(exits, count + 1)
            exits[count] = s
            count += 1
        for a in range(eps_first[s], eps_first[s + 1]):
            steps += 1
            d = eps_next[a]
            cost = here + eps_cost[a, 0]
            if cost + to_end[d] > limit:
                continue
            bit = np.uint64(1) << np.uint64(d & 63)
            if bits[d >> 6] & bit == 0:
                bits[d >> 6] |= bit
                high = max(high, d >> 6)
            elif reached[d, 0] <= cost:
                continue
            reached[d, 0], reached[d, 1], reached_by[d] = cost, reached[s, 1] + eps_cost[a, 1], a
    return exits, count, steps


@njit(cache=True, nogil=True)
def determinize(
    frame: Any, eps: Any, eps_cost: Any, word: Any, word_cost: Any, final: Any, exit_cost: Any, limits: Any
) -> Any:
    """Determinize a lattice from the start, best subsets first.

    Args:
        frame: (S,) of the raw states.
        eps: (S + 1,) first arc without word of a state, and of each such arc nextstate, label and source.
        eps_cost: (E, 2) cost and acoustic cost.
        word: (S + 1,) first word arc of a state, and of each such arc nextstate, label and word, words from 0 up.
        word_cost: (W, 2) as for `eps_cost`.
        final: (S,) cost of ending.
        exit_cost: (S,) best cost to the end, and (S,) of ways that take a word arc, or end, at once.
        limits: beam, tolerance of costs of equal subsets, bytes and steps.

    Returns:
        (status, beam, bytes, steps), states (frame, first exit, whether expanded), their final costs (cost, acoustic
        cost), arcs (source, next, word), their costs, (first label, labels) of arcs and of ends, with ends as (state,
        first label).
    """
    eps_first, eps_next, eps_label, eps_source = eps
    word_first, word_next, word_label, word_id = word
    to_end, exit_to_end = exit_cost
    beam, delta, max_bytes, max_steps = limits
    raw_states = len(frame)
    num_words = 0
    for a in range(len(word_id)):
        num_words = max(num_words, word_id[a] + 1)
    best = to_end[0]
    width = beam + 2.0 / _KEY_STEPS
    # strings
    nodes = (np.zeros(1024, np.int32), np.zeros(1024, np.int32), np.zeros(1024, np.int32), np.zeros(1024, np.uint64))
    nodes[0][0] = -1
    num_nodes = 1
    # elements of the subsets: exit and string, cost and acoustic cost
    el_exit, el_node = np.empty(1024, np.int32), np.empty(1024, np.int32)
    el_cost, el_acoustic = np.empty(1024), np.empty(1024)
    num_elements = 0
    # subsets
    st_first = np.zeros(256, np.int64)
    st_cut = np.zeros(256, np.int32)
    st_cut_hash, st_hash = np.zeros(256, np.uint64), np.zeros(256, np.uint64)
    st_forward, st_to_end = np.empty(256), np.empty(256)
    st_done = np.zeros(256, np.uint8)
    st_chain = np.empty(256, np.int32)
    heads = np.full(1024, -1, np.int32)
    num_subsets = 0
    # the result
    ar_source, ar_next, ar_word = np.empty(512, np.int32), np.empty(512, np.int32), np.empty(512, np.int32)
    ar_cost, ar_acoustic = np.empty(512), np.empty(512)
    ar_first = np.zeros(512, np.int64)
    labels = np.empty(4096, np.int32)
    num_arcs = 0
    num_labels = 0
    en_state, en_cost, en_acoustic = np.empty(64, np.int32), np.empty(64), np.empty(64)
    en_first = np.zeros(64, np.int64)
    end_labels = np.empty(1024, np.int32)
    num_ends = 0
    num_end_labels = 0
    heap_key, heap_state = np.empty(256, np.int64), np.empty(256, np.int32)
    heap_count = 0
    # scratch: closure by raw state, candidates of a subset by word, entries of a word
    reached = np.empty((raw_states, 2))
    reached_by = np.empty(raw_states, np.int32)
    node_of = np.empty(raw_states, np.int32)
    node_epoch = np.full(raw_states, -1, np.int64)
    entry_of = np.empty(raw_states, np.int32)
    entry_epoch = np.full(raw_states, -1, np.int64)
    bits = np.zeros((raw_states >> 6) + 1, np.uint64)
    exits = np.empty(64, np.int32)
    trail = np.empty(64, np.int32)
    word_head = np.full(num_words, -1, np.int32)
    seen_words = np.empty(64, np.int32)
    ca_arc, ca_element, ca_next = np.empty(64, np.int32), np.empty(64, np.int64), np.empty(64, np.int32)
    ca_cost = np.empty(64)
    in_state, in_candidate = np.empty(64, np.int32), np.empty(64, np.int32)
    in_cost, in_acoustic = np.empty(64), np.empty(64)
    epoch = 0
    steps = 0
    used = 0
    status = DONE
    reached_end = False
    source = -1  # the first round makes the start
    while True:
        seen = 0
        if source < 0:
            seen_words[0] = -1
            seen = 1
        else:
            # collect the word arcs that leave the subset, by word
            count = 0
            end_cost = np.inf
            end_element = -1
            for e in range(st_first[source], st_first[source + 1]):
                s = el_exit[e]
                if el_cost[e] + final[s] < end_cost:
                    end_cost, end_element = el_cost[e] + final[s], e
                for a in range(word_first[s], word_first[s + 1]):
                    cost = el_cost[e] + word_cost[a, 0]
                    if to_end[word_next[a]] == np.inf:
                        continue
                    w = word_id[a]
                    if word_head[w] < 0:
                        seen_words = grown(seen_words, seen + 1)
                        seen_words[seen] = w
                        seen += 1
                    if count == len(ca_arc):
                        ca_arc, ca_element = grown(ca_arc, count + 1), grown(ca_element, count + 1)
                        ca_next, ca_cost = grown(ca_next, count + 1), grown(ca_cost, count + 1)
                    ca_arc[count], ca_element[count], ca_cost[count] = a, e, cost
                    ca_next[count] = word_head[w]
                    word_head[w] = count
                    count += 1
            steps += count
            if st_forward[source] + end_cost <= best + width:
                reached_end = True
                if num_ends == len(en_state):
                    en_state, en_cost = grown(en_state, num_ends + 1), grown(en_cost, num_ends + 1)
                    en_acoustic, en_first = grown(en_acoustic, num_ends + 1), grown(en_first, num_ends + 1)
                en_state[num_ends], en_cost[num_ends] = source, end_cost
                en_acoustic[num_ends] = el_acoustic[end_element]
                en_first[num_ends] = num_end_labels
                num_ends += 1
                node = el_node[end_element]
                length = nodes[2][node] - st_cut[source]
                end_labels = grown(end_labels, num_end_labels + length)
                for i in range(length - 1, -1, -1):
                    end_labels[num_end_labels + i] = nodes[1][node]
                    node = nodes[0][node]
                num_end_labels += length
        for k in range(seen):
            # the entries of a word: what its arcs lead to
            w = seen_words[k]
            epoch += 1
            num_in = 0
            lowest = np.inf
            if w < 0:
                in_state[0], in_cost[0], in_acoustic[0], in_candidate[0] = 0, 0.0, 0.0, -1
                num_in = 1
                lowest = best
            else:
                c = word_head[w]
                word_head[w] = -1
                while c >= 0:
                    d = word_next[ca_arc[c]]
                    if entry_epoch[d] != epoch:
                        entry_epoch[d], entry_of[d] = epoch, num_in
                        if num_in == len(in_state):
                            in_state, in_candidate = grown(in_state, num_in + 1), grown(in_candidate, num_in + 1)
                            in_cost, in_acoustic = grown(in_cost, num_in + 1), grown(in_acoustic, num_in + 1)
                        in_state[num_in], in_cost[num_in], in_candidate[num_in] = d, ca_cost[c], c
                        num_in += 1
                    elif ca_cost[c] <= in_cost[entry_of[d]]:  # the list runs backwards: of equal ones the first is left
                        in_cost[entry_of[d]], in_candidate[entry_of[d]] = ca_cost[c], c
                    lowest = min(lowest, ca_cost[c] + to_end[d])
                    c = ca_next[c]
                if st_forward[source] + lowest > best + width:
                    continue
                for i in range(num_in):
                    c = in_candidate[i]
                    in_acoustic[i] = el_acoustic[ca_element[c]] + word_cost[ca_arc[c], 1]
            # the exits that they lead to within the beam
            exits, num_exits, taken = _closure(
                (in_state[:num_in], in_cost[:num_in], in_acoustic[:num_in]),
                exit_cost,
                (eps_first, eps_next),
                eps_cost,
                reached,
                reached_by,
                (bits, exits),
                lowest + width,
            )
            steps += taken + num_exits
            # their strings, with the longest common prefix
            low_nodes = num_nodes
            least = 0
            common = 0
            el_exit, el_node = grown(el_exit, num_elements + num_exits), grown(el_node, num_elements + num_exits)
            el_cost = grown(el_cost, num_elements + num_exits)
            el_acoustic = grown(el_acoustic, num_elements + num_exits)
            for i in range(num_exits):
                s = exits[i]
                depth = 0
                at = s
                while node_epoch[at] != epoch and reached_by[at] >= 0:
                    trail = grown(trail, depth + 1)
                    trail[depth] = reached_by[at]
                    depth += 1
                    at = eps_source[reached_by[at]]
                if node_epoch[at] != epoch:
                    c = in_candidate[-1 - reached_by[at]]
                    node = 0
                    if c >= 0:
                        node = el_node[ca_element[c]]
                        label = word_label[ca_arc[c]]
                        if label != 0:
                            nodes = _appended(nodes, num_nodes, node, label)
                            node = num_nodes
                            num_nodes += 1
                    node_of[at], node_epoch[at] = node, epoch
                node = node_of[at]
                for j in range(depth - 1, -1, -1):
                    a = trail[j]
                    if eps_label[a] != 0:
                        nodes = _appended(nodes, num_nodes, node, eps_label[a])
                        node = num_nodes
                        num_nodes += 1
                    node_of[eps_next[a]], node_epoch[eps_next[a]] = node, epoch
                steps += depth
                if w >= 0:
                    common, taken = _common_node(nodes, node if i == 0 else common, node)
                    steps += taken
                e = num_elements + i
                el_exit[e], el_node[e] = s, node
                el_cost[e], el_acoustic[e] = reached[s, 0], reached[s, 1]
                if reached[s, 0] < reached[exits[least], 0]:
                    least = i
            base_cost, base_acoustic = 0.0, 0.0
            if w >= 0:
                base_cost, base_acoustic = reached[exits[least], 0], reached[exits[least], 1]
            cut_hash = nodes[3][common]
            subset_hash = np.uint64(num_exits)
            for e in range(num_elements, num_elements + num_exits):
                el_cost[e] -= base_cost
                el_acoustic[e] -= base_acoustic
                subset_hash = mixed(
                    subset_hash * np.uint64(0x9E3779B97F4A7C15)
                    + np.uint64(el_exit[e])
                    + mixed(nodes[3][el_node[e]] - cut_hash)
                )
            # the subset, if it is known
            found = -1
            subset = heads[subset_hash & np.uint64(len(heads) - 1)]
            while subset >= 0:
                begin = st_first[subset]
                same = st_hash[subset] == subset_hash and st_first[subset + 1] - begin == num_exits
                if same:
                    for i in range(num_exits):
                        a, b = begin + i, num_elements + i
                        if (
                            el_exit[a] != el_exit[b]
                            or nodes[3][el_node[a]] - st_cut_hash[subset] != nodes[3][el_node[b]] - cut_hash
                            or abs(el_cost[a] - el_cost[b]) > delta
                            or abs(el_acoustic[a] - el_acoustic[b]) > delta
                        ):
                            same = False
                            break
                if same:
                    found = subset
                    break
                subset = st_chain[subset]
            forward = 0.0
            if w >= 0:
                forward = st_forward[source] + base_cost
                cut = nodes[2][common]
                length = cut - st_cut[source]
                labels = grown(labels, num_labels + length)
                node = common
                for i in range(length - 1, -1, -1):
                    labels[num_labels + i] = nodes[1][node]
                    node = nodes[0][node]
                if num_arcs == len(ar_source):
                    ar_source, ar_next = grown(ar_source, num_arcs + 1), grown(ar_next, num_arcs + 1)
                    ar_word, ar_first = grown(ar_word, num_arcs + 1), grown(ar_first, num_arcs + 1)
                    ar_cost, ar_acoustic = grown(ar_cost, num_arcs + 1), grown(ar_acoustic, num_arcs + 1)
                ar_source[num_arcs], ar_word[num_arcs], ar_first[num_arcs] = source, w, num_labels
                ar_next[num_arcs] = found if found >= 0 else num_subsets
                ar_cost[num_arcs], ar_acoustic[num_arcs] = base_cost, base_acoustic
                num_arcs += 1
                num_labels += length
            if found >= 0:
                num_nodes = low_nodes
                if st_done[found] != 0 or forward >= st_forward[found]:
                    continue
                st_forward[found] = forward
            else:
                found = num_subsets
                if found + 1 >= len(st_cut):
                    st_first, st_cut = grown(st_first, found + 2), grown(st_cut, found + 2)
                    st_hash, st_cut_hash = grown(st_hash, found + 2), grown(st_cut_hash, found + 2)
                    st_forward, st_to_end = grown(st_forward, found + 2), grown(st_to_end, found + 2)
                    st_done, st_chain = grown(st_done, found + 2), grown(st_chain, found + 2)
                num_elements += num_exits
                st_first[found + 1] = num_elements
                st_cut[found], st_cut_hash[found], st_hash[found] = nodes[2][common], cut_hash, subset_hash
                st_forward[found], st_to_end[found], st_done[found] = forward, lowest - base_cost, 0
                num_subsets += 1
                if num_subsets > len(heads):
                    heads = np.full(4 * len(heads), -1, np.int32)
                    low = 0
                else:
                    low = found
                for subset in range(low, num_subsets):
                    slot = st_hash[subset] & np.uint64(len(heads) - 1)
                    st_chain[subset] = heads[slot]
                    heads[slot] = subset
            gap = min(max(0.0, forward + st_to_end[found] - best) * _KEY_STEPS, _COSTLIEST)
            last = min(np.int64(frame[el_exit[st_first[found + 1] - 1]]), (1 << _FRAME_BITS) - 1)
            key = (np.int64(gap) << _FRAME_BITS) + (1 << _FRAME_BITS) - 1 - last
            heap_key, heap_state = _pushed(heap_key, heap_state, heap_count, key, found)
            heap_count += 1
        if source >= 0:
            st_done[source] = 1
        while heap_count > 0 and st_done[heap_state[0]] != 0:
            _pop(heap_key, heap_state, heap_count)
            heap_count -= 1
        if heap_count == 0:
            break
        used = (
            20 * len(nodes[0])
            + 24 * len(el_exit)
            + 49 * len(st_cut)
            + 4 * len(heads)
            + 36 * len(ar_source)
            + 4 * len(labels)
            + 28 * len(en_state)
            + 4 * len(end_labels)
            + 12 * len(heap_key)
        )
        if reached_end and used > max_bytes:
            status = MEMORY
        elif reached_end and steps > max_steps:
            status = STEPS
        if status != DONE:
            beam = min(beam, max(0.0, (heap_key[0] >> _FRAME_BITS) / _KEY_STEPS - 1e-3))
            break
        source = _pop(heap_key, heap_state, heap_count)
        heap_count -= 1
    first_exit = np.empty(num_subsets, np.int32)
    for subset in range(num_subsets):
        first_exit[subset] = el_exit[st_first[subset]]
    ar_first = grown(ar_first, num_arcs + 1)
    ar_first[num_arcs] = num_labels
    en_first = grown(en_first, num_ends + 1)
    en_first[num_ends] = num_end_labels
    return (
        (status, beam, used, steps),
        (st_cut[:num_subsets], first_exit),
        (ar_source[:num_arcs], ar_next[:num_arcs], ar_word[:num_arcs]),
        (ar_cost[:num_arcs], ar_acoustic[:num_arcs]),
        (ar_first[: num_arcs + 1], labels[:num_labels]),
        en_state[:num_ends],
        (en_cost[:num_ends], en_acoustic[:num_ends]),
        (en_first[: num_ends + 1], end_labels[:num_end_labels]),
    )
