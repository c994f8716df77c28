"""Kernel that puts HMM states in the place of phones in context; the second half of the training graph."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def merged_units(first, dest, before_first, before, after_first, after, unit_first, piece, base, kept):  # type: ignore[no-untyped-def]
    """Merge the units of an arc that have one HMM and the same future, then those with the same past.

    Returns the unit that stands for each unit: the first of its class.  Two contexts before the arc share a future if
    the phones that its followers still see, their remainders by `kept`, are the same; two contexts after it share a
    past if all phones but their last are the same.
    """
    merged = np.arange(piece.shape[0]).astype(np.int32)
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
    first, phone, cost, dest, final, before_first, before, after_first, after, unit_first,
    piece, merged, first_state, first_ids, entry_of_phone, entry_states, state_arcs, arc_index, arc_dest, arc_cost,
    entering, entering_state, entering_cost, left_scale, right_scale, base, end_state, capacity,
):  # fmt: skip
    """Put the states of its HMM in the place of every unit of a phone machine.

    Args: the phone machine, its contexts and units (see `training_graph`); `piece`, the HMM of every unit, a row of
    `first_ids` (pieces, states) that holds the first transition-id of each emitting state; `merged`, and the first
    state of every unit that stands for itself; topologies by entry: the emitting states of entry e are
    `entry_states[e]:entry_states[e + 1]`, the transitions of one of them `state_arcs[s]:state_arcs[s + 1]` with their
    index among its transition-ids, the state (of the entry) they lead to, -1 for out of the phone, and their cost
    besides the probability of the transition-id; `entering[e]` the states that begin the phone; base ** phones before;
    base ** (phones after - 1), 0 if there are none; the state that ends the utterance.

    Returns: the number of arcs and of states that begin the utterance, -1 if they do not fit; CSR bounds; label, cost
    and destination of every arc; states that begin the utterance and their costs.
    """
    num_nodes = first.shape[0] - 1
    bounds = np.zeros(end_state + 2, np.int32)
    ilabels, costs, nexts = np.empty(capacity, np.int32), np.empty(capacity, np.float32), np.empty(capacity, np.int32)
    follow, follow_cost = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    starts, start_costs = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    num_starts, num_out, state = 0, 0, 0
    for node in range(-1, num_nodes):  # -1: what comes before the utterance; it has one unit, and only followers
        for arc in range(first[node] if node >= 0 else -1, first[node + 1] if node >= 0 else 0):
            num_before, target, unit = 1, 0, -1
            if arc >= 0:
                num_before, target, unit = before_first[node + 1] - before_first[node], dest[arc], unit_first[arc]
            num_after = after_first[target + 1] - after_first[target]
            for pair in range(num_before * num_after if arc >= 0 else 1):
                if arc >= 0 and merged[unit + pair] != unit + pair:
                    continue
                i = pair // num_after
                context = np.int64(0)
                if arc >= 0:
                    context = (before[before_first[node] + i] * base + phone[arc]) % left_scale
                row = 0
                while before[before_first[target] + row] != context:
                    row += 1
                num_follow = 0
                for k in range(num_after):  # the contexts after that were merged into this unit
                    if arc >= 0 and merged[unit + i * num_after + k] != unit + pair:
                        continue
                    ahead = after[after_first[target] + k]
                    ahead_phone = ahead // right_scale if right_scale > 0 else np.int64(0)
                    ahead_rest = ahead - ahead_phone * right_scale
                    if arc >= 0 and ahead == 0 and final[target] < np.inf:
                        if num_follow == capacity:
                            return -1, -1, bounds, ilabels, costs, nexts, starts, start_costs
                        follow[num_follow], follow_cost[num_follow] = end_state, final[target]
                        num_follow += 1
                    for arc2 in range(first[target], first[target + 1]):
                        if right_scale > 0 and ahead_phone != phone[arc2]:
                            continue
                        a1 = after_first[dest[arc2]]
                        num_after2 = after_first[dest[arc2] + 1] - a1
                        u1 = unit_first[arc2] + row * num_after2
                        entry2 = entry_of_phone[phone[arc2]]
                        for m in range(num_after2):
                            if right_scale > 0 and after[a1 + m] // base != ahead_rest:
                                continue
                            seen = False
                            for n in range(m):
                                seen = seen or merged[u1 + n] == merged[u1 + m]
                            if seen:
                                continue
                            for e in range(entering[entry2], entering[entry2 + 1]):
                                if num_follow == capacity:
                                    return -1, -1, bounds, ilabels, costs, nexts, starts, start_costs
                                follow[num_follow] = first_state[merged[u1 + m]] + entering_state[e]
                                follow_cost[num_follow] = cost[arc2] + entering_cost[e]
                                num_follow += 1
                if arc < 0:
                    for f in range(num_follow):
                        starts[f], start_costs[f] = follow[f], follow_cost[f]
                    num_starts = num_follow
                    continue
                entry = entry_of_phone[phone[arc]]
                for local in range(entry_states[entry], entry_states[entry + 1]):
                    label = first_ids[piece[unit + pair], local - entry_states[entry]]
                    for t in range(state_arcs[local], state_arcs[local + 1]):
                        size = 1 if arc_dest[t] >= 0 else num_follow
                        if num_out + size > capacity:
                            return -1, -1, bounds, ilabels, costs, nexts, starts, start_costs
                        for f in range(size):
                            ilabels[num_out], costs[num_out] = label + arc_index[t], arc_cost[t]
                            if arc_dest[t] >= 0:
                                nexts[num_out] = first_state[unit + pair] + arc_dest[t]
                            else:
                                nexts[num_out] = follow[f]
                                costs[num_out] += follow_cost[f]
                            num_out += 1
                    state += 1
                    bounds[state] = num_out
    bounds[end_state + 1] = num_out
    return num_out, num_starts, bounds, ilabels, costs, nexts, starts, start_costs
