"""Kernel of the direct H: HMM labels that are no chains become networks of chains, a copy a destination."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, rehashed, slot_of
from wfst_asr.graph._arrays_kernels import NOT_FINAL, grown_arcs
from wfst_asr.graph._hmm_kernels import log_sum_units
from wfst_asr.graph._window_kernels import sort_by_label


@njit(cache=True, nogil=True)
def expand_networks(first, arcs, final, num_chains, network_first, network_arcs):  # type: ignore[no-untyped-def]
    """Replace the labels above `num_chains` by their networks; return (first, arcs, final).

    An arc with such a label is replaced by the arcs of the network's entry; its places inside are states, made once for
    each (network, destination).  Arcs of one state with the same label go through one copy, with their log-sum as cost,
    to a state behind it where they part.  The arcs of every state stay sorted by (ilabel, olabel).

    The arcs of network n are network_arcs[network_first[n]:network_first[n + 1]], (place, place, chain): place 0 is the
    entry, -1 the exit.
    """
    num_old = first.shape[0] - 1
    num_networks = network_first.shape[0] - 1
    num_places = np.zeros(num_networks, np.int64)
    largest = 0
    for network in range(num_networks):
        largest = max(largest, network_first[network + 1] - network_first[network])
        for k in range(network_first[network], network_first[network + 1]):
            num_places[network] = max(num_places[network], network_arcs[k, 0])
    new_arcs = np.empty((arcs.shape[0] + 1024, 4), np.int32)
    new_first = np.empty(num_old + 1024, np.int64)
    num_arcs = 0 * num_old  # not the literal 0, for which numba would compile what is called once more
    # states made here: (copy, place inside it) as positive numbers, or where arcs part (first arc, -number of arcs)
    made_of = np.empty(1024, np.int64)
    made_place = np.empty(1024, np.int64)
    copy_keys = np.empty(1024, np.int64)  # network * 2^32 + destination
    copy_begin = np.empty(1024, np.int64)  # state of its place 1
    slots = np.full(4096, -1, np.int32)
    num_made = num_copies = 0 * num_old
    state = 0
    while state < num_old + num_made:
        new_first = grown(new_first, state + 2)
        new_first[state] = num_arcs
        begin, network_labels = num_arcs, 0
        if state < num_old:
            low, high, copy, place = first[state], first[state + 1], -1, 0
        elif made_place[state - num_old] < 0:
            low = made_of[state - num_old]
            high, copy, place = low - made_place[state - num_old], -1, -1
        else:
            low, high, copy, place = 0, 0, made_of[state - num_old], made_place[state - num_old]
        needed = (high - low) * (1 + largest) + largest
        new_arcs = grown_arcs(new_arcs, num_arcs + needed)
        potential = log_sum_units(arcs, low, high) if place < 0 else 0
        arc = low
        while arc < high:
            label, end = int(arcs[arc, 0]), arc + 1
            out, cost, target = int(arcs[arc, 1]), int(arcs[arc, 2]), int(arcs[arc, 3])
            if place < 0:  # where arcs part: the label was given out, the cost in part
                label = 0
                cost -= potential
            if label <= num_chains:
                new_arcs[num_arcs, 0], new_arcs[num_arcs, 1] = label, out
                new_arcs[num_arcs, 2], new_arcs[num_arcs, 3] = cost, target
                num_arcs += 1
                arc = end
                continue
            network_labels += 1
            network = label - 1 - num_chains
            while end < high and arcs[end, 0] == label:
                end += 1
            most = num_made + 1 + num_places[network]
            made_of, made_place = grown(made_of, most), grown(made_place, most)
            if end > arc + 1:
                out, cost, target = 0, log_sum_units(arcs, arc, end), num_old + num_made
                made_of[num_made], made_place[num_made] = arc, arc - end
                num_made += 1
            inside = np.int64(0)
            if num_places[network] > 0:
                copy_keys, copy_begin = grown(copy_keys, num_copies + 1), grown(copy_begin, num_copies + 1)
                if 2 * num_copies + 2 > slots.shape[0]:
                    slots = rehashed(slots, copy_keys, num_copies)
                key = (network << 32) | target
                slot = slot_of(slots, copy_keys, key)
                if slots[slot] < 0:
                    slots[slot] = num_copies
                    copy_keys[num_copies], copy_begin[num_copies] = key, num_old + num_made
                    for inner in range(num_places[network]):
                        made_of[num_made], made_place[num_made] = num_copies, inner + 1
                        num_made += 1
                    num_copies += 1
                inside = copy_begin[slots[slot]]
            for k in range(network_first[network], network_first[network + 1]):
                if network_arcs[k, 0] == 0:
                    new_arcs[num_arcs, 0], new_arcs[num_arcs, 1] = network_arcs[k, 2] + 1, out
                    new_arcs[num_arcs, 2] = cost
                    new_arcs[num_arcs, 3] = target if network_arcs[k, 1] < 0 else inside + network_arcs[k, 1] - 1
                    num_arcs += 1
            arc = end
        if copy >= 0:
            network, target = copy_keys[copy] >> 32, copy_keys[copy] & 0xFFFFFFFF
            for k in range(network_first[network], network_first[network + 1]):
                if network_arcs[k, 0] == place:
                    new_arcs[num_arcs, 0], new_arcs[num_arcs, 1], new_arcs[num_arcs, 2] = network_arcs[k, 2] + 1, 0, 0
                    past = network_arcs[k, 1] < 0
                    new_arcs[num_arcs, 3] = target if past else copy_begin[copy] + network_arcs[k, 1] - 1
                    num_arcs += 1
        if network_labels > 0:
            sort_by_label(new_arcs, begin, num_arcs)
        state += 1
    num_states = num_old + num_made
    new_first = grown(new_first, num_states + 1)
    new_first[num_states] = num_arcs
    new_final = np.full(num_states, NOT_FINAL, np.int32)
    for old in range(num_old):
        new_final[old] = final[old]
    return new_first[: num_states + 1], new_arcs[:num_arcs], new_final
