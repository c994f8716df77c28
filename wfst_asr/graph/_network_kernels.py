"""Kernel of the direct H: HMM labels that are no chains become networks of chains, a copy a destination."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, rehashed, slot_of
from wfst_asr.graph._arrays_kernels import NOT_FINAL
from wfst_asr.graph._hmm_kernels import log_sum_units
from wfst_asr.graph._window_kernels import sort_by_label


@njit(cache=True, nogil=True)
def expand_networks(  # type: ignore[no-untyped-def]
    first,
    ilabel,
    olabel,
    cost,
    nextstate,
    final,
    num_chains,
    network_first,
    network_source,
    network_target,
    network_hmm,
):
    """Replace the labels above `num_chains` by their networks; return (first, ilabel, olabel, cost, nextstate, final).

    An arc with such a label is replaced by the arcs of the network's entry; its places inside are states, made once for
    each (network, destination).  Arcs of one state with the same label go through one copy, with their log-sum as cost,
    to a state behind it where they part.  The arcs of every state stay sorted by (ilabel, olabel).
    """
    num_old = first.shape[0] - 1
    num_networks = network_first.shape[0] - 1
    num_places = np.zeros(num_networks, np.int64)
    for network in range(num_networks):
        for k in range(network_first[network], network_first[network + 1]):
            num_places[network] = max(num_places[network], network_source[k])
    capacity = ilabel.shape[0] + 1024
    new_ilabel = np.empty(capacity, np.int32)
    new_olabel = np.empty(capacity, np.int32)
    new_cost = np.empty(capacity, np.int32)
    new_next = np.empty(capacity, np.int32)
    new_first = np.empty(num_old + 1024, np.int64)
    num_arcs = np.int64(0)
    # states made here: a place inside (copy, place), or where arcs part (first arc, -1 - number of arcs)
    made_what = np.empty(1024, np.int64)
    made_which = np.empty(1024, np.int64)
    num_made = 0
    copy_keys = np.empty(1024, np.int64)  # network * 2^32 + destination
    copy_begin = np.empty(1024, np.int64)  # index among the states made here of its first place
    slots = np.full(4096, -1, np.int32)
    num_copies = 0
    parting_cost = np.empty(1024, np.int32)  # by state made here

    state = 0
    while state < num_old + num_made:
        new_first = grown(new_first, state + 2)
        new_first[state] = num_arcs
        begin = num_arcs
        if state >= num_old:
            index = state - num_old
            if made_which[index] < 0:
                needed = num_arcs - made_which[index]
            else:
                network = copy_keys[made_what[index]] >> 32
                needed = num_arcs + network_first[network + 1] - network_first[network]
        else:
            needed = num_arcs
            for arc in range(first[state], first[state + 1]):
                network = np.int64(ilabel[arc]) - 1 - num_chains
                needed += 1 if network < 0 else network_first[network + 1] - network_first[network]
        if needed > new_ilabel.shape[0]:
            new_ilabel, new_olabel = grown(new_ilabel, needed), grown(new_olabel, needed)
            new_cost, new_next = grown(new_cost, needed), grown(new_next, needed)
        if state >= num_old:
            index = state - num_old
            if made_which[index] < 0:
                for arc in range(made_what[index], made_what[index] - made_which[index] - 1):
                    new_ilabel[num_arcs], new_olabel[num_arcs] = 0, olabel[arc]
                    new_cost[num_arcs], new_next[num_arcs] = cost[arc] - parting_cost[index], nextstate[arc]
                    num_arcs += 1
            else:
                key, place = copy_keys[made_what[index]], made_which[index]
                network = key >> 32
                for k in range(network_first[network], network_first[network + 1]):
                    if network_source[k] == place:
                        new_ilabel[num_arcs], new_olabel[num_arcs], new_cost[num_arcs] = network_hmm[k] + 1, 0, 0
                        if network_target[k] < 0:
                            new_next[num_arcs] = key & 0xFFFFFFFF
                        else:
                            new_next[num_arcs] = num_old + copy_begin[made_what[index]] + network_target[k] - 1
                        num_arcs += 1
            state += 1
            continue
        arc = first[state]
        sorted_already = True
        while arc < first[state + 1]:
            if ilabel[arc] <= num_chains:
                new_ilabel[num_arcs], new_olabel[num_arcs] = ilabel[arc], olabel[arc]
                new_cost[num_arcs], new_next[num_arcs] = cost[arc], nextstate[arc]
                num_arcs += 1
                arc += 1
                continue
            sorted_already = False
            network = np.int64(ilabel[arc]) - 1 - num_chains
            end = arc + 1
            while end < first[state + 1] and ilabel[end] == ilabel[arc]:
                end += 1
            out, arc_cost, target = olabel[arc], np.int64(cost[arc]), np.int64(nextstate[arc])
            most = num_made + 1 + num_places[network]
            made_what, made_which = grown(made_what, most), grown(made_which, most)
            parting_cost = grown(parting_cost, most)
            if end > arc + 1:
                out, arc_cost, target = np.int32(0), log_sum_units(cost, arc, end), np.int64(num_old + num_made)
                made_what[num_made], made_which[num_made] = arc, -(end - arc) - 1
                parting_cost[num_made] = arc_cost
                num_made += 1
            copy = np.int64(-1)
            if num_places[network] > 0:
                key = (network << 32) | target
                slot = slot_of(slots, copy_keys, key)
                if slots[slot] < 0:
                    copy_keys, copy_begin = grown(copy_keys, num_copies + 1), grown(copy_begin, num_copies + 1)
                    slots[slot] = num_copies
                    copy_keys[num_copies], copy_begin[num_copies] = key, num_made
                    for place in range(num_places[network]):
                        made_what[num_made], made_which[num_made] = num_copies, place + 1
                        num_made += 1
                    copy = np.int64(num_copies)
                    num_copies += 1
                    if 2 * num_copies > slots.shape[0]:
                        slots = rehashed(slots, copy_keys, num_copies)
                else:
                    copy = np.int64(slots[slot])
            for k in range(network_first[network], network_first[network + 1]):
                if network_source[k] == 0:
                    new_ilabel[num_arcs], new_olabel[num_arcs] = network_hmm[k] + 1, out
                    new_cost[num_arcs] = arc_cost
                    if network_target[k] < 0:
                        new_next[num_arcs] = target
                    else:
                        new_next[num_arcs] = num_old + copy_begin[copy] + network_target[k] - 1
                    num_arcs += 1
            arc = end
        if not sorted_already:
            sort_by_label(new_ilabel, new_olabel, new_cost, new_next, begin, num_arcs)
        state += 1
    num_states = num_old + num_made
    new_first = grown(new_first, num_states + 1)
    new_first[num_states] = num_arcs
    new_final = np.full(num_states, NOT_FINAL, np.int32)
    new_final[:num_old] = final
    return (
        new_first[: num_states + 1].copy(),
        new_ilabel[:num_arcs].copy(),
        new_olabel[:num_arcs].copy(),
        new_cost[:num_arcs].copy(),
        new_next[:num_arcs].copy(),
        new_final,
    )
