"""Kernels that make a lattice of the tokens and links that a search kept."""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.decoder._link_kernels import NUM_FRAMES, clear_marks, link_slack, mark_within, marked
from wfst_asr.decoder._prefetch import prefetch as _prefetch

prefetch: Any = _prefetch
_NOT_MET, _WAITS = -1, -2
_BEST_ARC, _DONE = -2, -1
_AHEAD = 4  # tokens between a prefetch and its use


@njit(cache=True, nogil=True)
def gather_lattice(
    links: Any, trace: Any, costs: Any, last_extra: Any, base: int, count: int, beam: Any
) -> tuple[Any, Any, Any, Any, Any]:
    """Return the tokens and arcs within `beam` of the best path, by `last_extra` of the newest frame's tokens.

    Every arc leads to a higher state.  An arc that closes a cycle of epsilon arcs is left out, but never a best arc.

    Returns:
        (S,) trace index, (S,) frames consumed, (S + 1,) first arc, (A,) nextstate, (A,) address of each arc.
    """
    end = base + count
    whole: Any = np.int64(0)
    mark_within(links, trace, costs, last_extra, whole, end, beam)
    begin = links.frames[0, 0]
    extra, previous, arc_into, other, frames = links.extra, trace.previous, trace.arc, links.other, links.frames
    records, record_costs, token_costs = links.records, links.records.view(np.float32), links.tokens.view(np.float32)
    token, frame_of = _forward_order(links, trace, costs, end, beam)
    clear_marks(links.marks, end - begin)
    number = trace.place
    states = len(token)
    first_arc = np.zeros(states + 1, np.int64)
    most = 0
    for s in range(states):
        most += 1
        k = np.int64(other[token[s]])
        while k >= 0:
            most += 1
            k = np.int64(records[k, 3])
    source, target, address = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.uint32)
    arcs = 0
    for s in range(states):
        i = token[s]
        first = frames[frame_of[s], 0]
        before = np.int64(previous[i])
        arc = arc_into[i]
        k = np.int64(other[i])
        within = before >= begin
        of_state = arcs
        while True:
            # an epsilon arc may be there twice, if its source lies on a cycle and was expanded again
            if within and number[before - begin] < s:
                known = False
                if before >= first:
                    for j in range(of_state, arcs):
                        known |= address[j] == arc and source[j] == number[before - begin]
                if not known:
                    source[arcs], target[arcs], address[arcs] = number[before - begin], s, arc
                    first_arc[number[before - begin] + 1] += 1
                    arcs += 1
            if k < 0:
                break
            before = np.int64(records[k, 0])
            arc = np.uint32(records[k, 1])
            within = extra[i - begin] + link_slack(records, record_costs, token_costs, costs, k, i, first) <= beam
            k = np.int64(records[k, 3])
    for s in range(states):
        first_arc[s + 1] += first_arc[s]
    nextstate, addresses = np.empty(arcs, np.int32), np.empty(arcs, np.uint32)
    filled = first_arc.copy()
    for j in range(arcs):
        at = filled[source[j]]
        filled[source[j]] += 1
        nextstate[at], addresses[at] = target[j], address[j]
    return token, frame_of, first_arc, nextstate, addresses


@njit(cache=True, nogil=True)
def _forward_order(links: Any, trace: Any, costs: Any, end: int, beam: Any) -> tuple[Any, Any]:
    """Put the marked tokens in an order in which arcs go forward: in each frame, depth first to what comes before.

    `trace.place` then holds the number of each, by its place after the first token of all.
    """
    begin = links.frames[0, 0]
    extra, number, previous, other = links.extra, trace.place, trace.previous, links.other
    records, record_costs, token_costs = links.records, links.records.view(np.float32), links.tokens.view(np.float32)
    roots = np.empty(end - begin, np.int32)
    states = marked(links.marks, 0, end - begin, roots)
    token, frame_of = np.empty(states, np.int64), np.empty(states, np.int32)
    for n in range(states):
        number[roots[n]] = _NOT_MET
    made = 0
    stack, cursor = np.empty(states, np.int64), np.empty(states, np.int64)
    frames = links.numbers[NUM_FRAMES]
    at = 0
    for frame in range(frames):
        first = links.frames[frame, 0]
        stop = links.frames[frame + 1, 0] if frame + 1 < frames else end
        while at < states and roots[at] < stop - begin:
            root = roots[at] + begin
            at += 1
            if at + 2 * _AHEAD < states:
                prefetch(previous, roots[at + 2 * _AHEAD] + begin)
                prefetch(other, roots[at + 2 * _AHEAD] + begin)
                prefetch(token_costs, 2 * (roots[at + 2 * _AHEAD] + begin))
                prefetch(records, 4 * np.int64(other[roots[at + _AHEAD] + begin]))
            if number[root - begin] != _NOT_MET:
                continue
            stack[0], cursor[0] = root, _BEST_ARC
            number[root - begin] = _WAITS
            depth = 1
            while depth > 0:
                i, k = stack[depth - 1], cursor[depth - 1]
                if k == _DONE:
                    token[made], frame_of[made] = i, frame
                    number[i - begin] = made
                    made += 1
                    depth -= 1
                    continue
                if k == _BEST_ARC:
                    before = np.int64(previous[i])
                    cursor[depth - 1] = other[i]
                else:
                    before = np.int64(records[k, 0])
                    cursor[depth - 1] = records[k, 3]
                    if (
                        before >= first
                        and extra[i - begin] + link_slack(records, record_costs, token_costs, costs, k, i, first) > beam
                    ):
                        continue
                if before < first or number[before - begin] != _NOT_MET:
                    continue
                # where the best way to the token before leads through one that waits, the arc closes a cycle
                j = before
                while j >= first and number[j - begin] == _NOT_MET:
                    j = np.int64(previous[j])
                if j < first or number[j - begin] != _WAITS:
                    stack[depth], cursor[depth] = before, _BEST_ARC
                    number[before - begin] = _WAITS
                    depth += 1
    return token, frame_of


@njit(cache=True, nogil=True)
def labels_of_arcs(
    group: Any, group_first: Any, begin: Any, state: Any, first_arc: Any, address: Any, words: Any, fst_states: Any,
    fst_arcs: Any, width: int,
) -> Any:  # fmt: skip
    """Return the input label, output label and cost of each arc of a lattice, from the const FST.

    group[group_first[u] : group_first[u + 1]] are the lattice states that stand in state `state[u]` of the graph, whose
    block begins at `begin[u]`; each of these states' arcs are looked through once.  `fst_states` and `fst_arcs` are the
    FST's states (`width` words each) and arcs (four words each) as int32.
    """
    ilabel, olabel = np.empty(len(address), np.int32), np.empty(len(address), np.int32)
    cost = np.empty(len(address), np.float32)
    cost_bits = cost.view(np.int32)
    emitting_place, epsilon_place = np.empty(64, np.int64), np.empty(64, np.int64)
    last = len(state) - 1
    for u in range(len(state)):
        prefetch(fst_states, width * np.int64(state[min(u + 4 * _AHEAD, last)]))
        prefetch(words, np.int64(begin[min(u + 4 * _AHEAD, last)]))
        prefetch(fst_arcs, 4 * np.int64(fst_states[width * np.int64(state[min(u + 2 * _AHEAD, last)]) + 1]))
        block = np.int64(begin[u])
        emitting, epsilons = np.int64(words[block + 2]), np.int64(words[block + 3])
        if max(emitting, epsilons) > len(emitting_place):
            emitting_place = np.empty(2 * max(emitting, epsilons), np.int64)
            epsilon_place = np.empty(2 * max(emitting, epsilons), np.int64)
        loop, m, e = -1, 0, 0
        s = np.int64(state[u])
        begin_arc = np.int64(np.uint32(fst_states[width * s + 1]))
        for a in range(begin_arc, begin_arc + np.int64(np.uint32(fst_states[width * s + 2]))):
            if fst_arcs[4 * a] == 0:
                epsilon_place[e] = a
                e += 1
            elif fst_arcs[4 * a + 3] == s and loop < 0:
                loop = a
            else:
                emitting_place[m] = a
                m += 1
        for g in range(group_first[u], group_first[u + 1]):
            for arc in range(first_arc[group[g]], first_arc[group[g] + 1]):
                offset = np.int64(address[arc]) - block - 4
                if offset < 0:
                    found = loop
                elif offset < 3 * emitting:
                    found = emitting_place[offset // 3]
                else:
                    found = epsilon_place[(offset - 3 * emitting) // 2]
                ilabel[arc], olabel[arc] = fst_arcs[4 * found], fst_arcs[4 * found + 1]
                cost_bits[arc] = fst_arcs[4 * found + 2]
    return ilabel, olabel, cost
