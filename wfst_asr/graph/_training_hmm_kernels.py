"""Kernel that puts HMM states in the place of phones in context; the second half of the training graph."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown


@njit(cache=True, nogil=True)
def merged_units(first, dest, before_first, before, after_first, after, unit_first, piece, base, left):  # type: ignore[no-untyped-def]
    """Merge the units of an arc that have one HMM and the same future, then those with the same past.

    Returns the unit that stands for each unit: the first of its class.  Two contexts before the arc share a future if
    the phones that its followers still see are the same; two contexts after it share a past likewise.
    """
    merged = np.arange(piece.shape[0]).astype(np.int32)
    kept = np.int64(base) ** max(left - 1, 0)
    num_nodes = first.shape[0] - 1
    for node in range(num_nodes):
        b0, num_before = before_first[node], before_first[node + 1] - before_first[node]
        for arc in range(first[node], first[node + 1]):
            a0 = after_first[dest[arc]]
            num_after = after_first[dest[arc] + 1] - a0
            u0 = unit_first[arc]
            for j in range(num_after):
                for i in range(1, num_before):
                    for k in range(i):
                        same = piece[u0 + k * num_after + j] == piece[u0 + i * num_after + j]
                        if same and before[b0 + k] % kept == before[b0 + i] % kept:
                            merged[u0 + i * num_after + j] = merged[u0 + k * num_after + j]
                            break
            for j in range(1, num_after):
                for k in range(j):
                    if after[a0 + k] // base != after[a0 + j] // base:
                        continue
                    for i in range(num_before):
                        one, other = u0 + i * num_after + k, u0 + i * num_after + j
                        if merged[other] != other or merged[one] != one or piece[one] != piece[other]:
                            continue
                        same = True
                        for row in range(num_before):
                            in_one = merged[u0 + row * num_after + k] == one
                            in_other = merged[u0 + row * num_after + j] == other
                            same = same and in_one == in_other
                        if same:
                            for row in range(num_before):
                                if merged[u0 + row * num_after + j] == other:
                                    merged[u0 + row * num_after + j] = one
    return merged


@njit(cache=True, nogil=True)
def hmm_graph(  # type: ignore[no-untyped-def]
    first, phone, cost, dest, word, final, before_first, before, after_first, after, unit_first,
    piece, first_ids, entry_of_phone, entry_states, state_arcs, arc_index, arc_dest, arc_cost,
    entering, entering_state, entering_cost, base, left, right,
):  # fmt: skip
    """Expand every unit of a phone machine into the states of its HMM; the last state of the result ends the utterance.

    Args: the phone machine and its contexts (see `context_windows`); `piece`, the HMM of every unit, a row of
    `first_ids` (pieces, states) that holds the first transition-id of each emitting state; topologies by entry:
    the emitting states of entry e are `entry_states[e]:entry_states[e + 1]`, the transitions of one of them
    `state_arcs[s]:state_arcs[s + 1]` with their index among its transition-ids, the state (of the entry) they lead to,
    -1 for out of the phone, and their cost besides the probability of the transition-id; `entering[e]` the states that
    begin the phone.

    Returns: first, ilabel, cost, nextstate, start states, start costs, word and phone of every state.
    """
    num_nodes, num_arcs = first.shape[0] - 1, phone.shape[0]
    merged = merged_units(first, dest, before_first, before, after_first, after, unit_first, piece, base, left)
    first_state = np.full(piece.shape[0], -1, np.int32)
    num_states = 0
    for arc in range(num_arcs):
        entry = entry_of_phone[phone[arc]]
        for unit in range(unit_first[arc], unit_first[arc + 1]):
            if merged[unit] == unit:
                first_state[unit] = num_states
                num_states += entry_states[entry + 1] - entry_states[entry]
    end_state = num_states

    out_first = np.zeros(num_states + 2, np.int32)
    state_word = np.full(num_states + 1, -1, np.int32)
    state_phone = np.zeros(num_states + 1, np.int32)
    capacity = 4 * num_states + 16
    ilabels, costs = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    nexts = np.empty(capacity, np.int32)
    follow, follow_cost = np.empty(16, np.int32), np.empty(16, np.float32)
    starts, start_costs = np.empty(16, np.int32), np.empty(16, np.float32)
    num_starts, num_out, state = 0, 0, 0
    left_scale, right_scale = np.int64(base) ** left, np.int64(base) ** max(right - 1, 0)
    for node in range(-1, num_nodes):  # -1: what begins the utterance; only its followers are listed
        for arc in range(first[node] if node >= 0 else -1, first[node + 1] if node >= 0 else 0):
            node_before = before_first[node + 1] - before_first[node] if node >= 0 else 1
            target = dest[arc] if arc >= 0 else 0
            num_after = after_first[target + 1] - after_first[target]
            for i in range(node_before):
                for j in range(num_after if arc >= 0 else 1):
                    unit = unit_first[arc] + i * num_after + j if arc >= 0 else -1
                    if unit >= 0 and merged[unit] != unit:
                        continue
                    context = np.int64(0)
                    if arc >= 0:
                        context = (before[before_first[node] + i] * base + phone[arc]) % left_scale
                    num_follow = 0
                    for k in range(num_after):  # the contexts after that were merged into this unit
                        if arc >= 0 and merged[unit_first[arc] + i * num_after + k] != unit:
                            continue
                        ahead = after[after_first[target] + k]
                        if arc >= 0 and ahead == 0 and final[target] < np.inf:
                            follow, follow_cost = grown(follow, num_follow + 1), grown(follow_cost, num_follow + 1)
                            follow[num_follow], follow_cost[num_follow] = end_state, final[target]
                            num_follow += 1
                        for arc2 in range(first[target], first[target + 1]):
                            if right > 0 and ahead // right_scale != phone[arc2]:
                                continue
                            row = before_first[target]
                            while before[row] != context:
                                row += 1
                            a1 = after_first[dest[arc2]]
                            num_after2 = after_first[dest[arc2] + 1] - a1
                            u1 = unit_first[arc2] + (row - before_first[target]) * num_after2
                            entry2 = entry_of_phone[phone[arc2]]
                            for m in range(num_after2):
                                if right > 0 and after[a1 + m] // base != ahead % right_scale:
                                    continue
                                seen = False
                                for n in range(m):
                                    seen = seen or merged[u1 + n] == merged[u1 + m]
                                if seen:
                                    continue
                                for e in range(entering[entry2], entering[entry2 + 1]):
                                    follow = grown(follow, num_follow + 1)
                                    follow_cost = grown(follow_cost, num_follow + 1)
                                    follow[num_follow] = first_state[merged[u1 + m]] + entering_state[e]
                                    follow_cost[num_follow] = cost[arc2] + entering_cost[e]
                                    num_follow += 1
                    if arc < 0:
                        starts, start_costs, num_starts = follow.copy(), follow_cost.copy(), num_follow
                        continue
                    entry = entry_of_phone[phone[arc]]
                    for local in range(entry_states[entry], entry_states[entry + 1]):
                        state_word[state], state_phone[state] = word[arc], phone[arc]
                        label = first_ids[piece[unit], local - entry_states[entry]]
                        for t in range(state_arcs[local], state_arcs[local + 1]):
                            size = 1 if arc_dest[t] >= 0 else num_follow
                            ilabels, costs = grown(ilabels, num_out + size), grown(costs, num_out + size)
                            nexts = grown(nexts, num_out + size)
                            for f in range(size):
                                ilabels[num_out], costs[num_out] = label + arc_index[t], arc_cost[t]
                                if arc_dest[t] >= 0:
                                    nexts[num_out] = first_state[unit] + arc_dest[t]
                                else:
                                    nexts[num_out] = follow[f]
                                    costs[num_out] += follow_cost[f]
                                num_out += 1
                        state += 1
                        out_first[state] = num_out
    out_first[end_state + 1] = num_out
    return (
        out_first,
        ilabels[:num_out],
        costs[:num_out],
        nexts[:num_out],
        starts[:num_starts],
        start_costs[:num_starts],
        state_word,
        state_phone,
    )
