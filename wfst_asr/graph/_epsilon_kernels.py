"""Kernels of the last step of the direct compiler: epsilons removed where nothing grows, self-loops added."""

import numpy as np
from numba import njit

from wfst_asr.graph._arrays_kernels import COST_UNITS, NOT_FINAL, grown_arcs


@njit(cache=True, nogil=True)
def inlinable_states(start, states, arcs, final):  # type: ignore[no-untyped-def]
    """Mark the states that an epsilon arc into them may be replaced by: not the start, not final, without self-loop,
    and with either one arc in or one arc out, so that the machine does not grow.
    """
    num_states = states.shape[0]
    arcs_in = np.zeros(num_states, np.uint8)
    for arc in range(arcs.shape[0]):
        if arcs_in[arcs[arc, 3]] < 2:
            arcs_in[arcs[arc, 3]] += 1
    mark = np.zeros(num_states, np.uint8)
    for state in range(num_states):
        final_or_looping = (state < final.shape[0] and final[state] != NOT_FINAL) or (
            states[state, 1] & 0xFFFFFFFF
        ) != 0
        if state != start and not final_or_looping and (arcs_in[state] == 1 or states[state, 1] >> 32 == 1):
            mark[state] = 1
    return mark


@njit(cache=True, nogil=True)
def finished_graph(  # type: ignore[no-untyped-def]
    out, out_cost, start, states, arcs, final, inlinable, unit_label, unit_loop_label, unit_loop_cost
):
    """Write the arcs of the graph, its states numbered depth first from 0; return (first, final costs, number of arcs).

    Epsilon arcs into inlinable states become what leaves these states, which then are not reached any more; an arc with
    an output label is replaced only where no arc behind it has one.  A chain of such arcs is followed to its end; a
    cycle of them is left as it is.  The self-loop of a state is its first arc; labels are those of the units.

    `out` is filled: rows as `arcs`, as many as there are arcs and self-loops (no more can come), and `out_cost` is the
    same memory as float32.  `states` and `arcs` are those of `expand_hmms`: an ilabel is a unit + 1, a cost an integer
    in 1 / COST_UNITS.  `final` has the final costs of the first states, as integers; the others have none.
    """
    num_states = states.shape[0]
    new_number = np.full(num_states, -1, np.int32)
    first = np.empty(num_states + 1, np.int64)
    final_cost = np.empty(num_states, np.float32)
    search = np.empty((4096, 2), np.int64)  # numbers of states under way, and where in their arcs the search is
    waiting = np.empty((1024, 4), np.int32)  # arcs under way: number, label, cost, hops
    numbered, at, depth = 0, 0, 0
    first[0] = 0
    state = np.int64(start)
    while True:
        if state >= 0:  # a new state: write its arcs
            new_number[state] = numbered
            ends = state < final.shape[0] and final[state] != NOT_FINAL
            final_cost[numbered] = final[state] / COST_UNITS if ends else np.inf
            begin, loop = states[state, 0], (states[state, 1] & 0xFFFFFFFF) - 1
            if loop >= 0:
                out[at, 0], out[at, 1], out[at, 3] = unit_loop_label[loop], 0, numbered
                out_cost[at, 2] = unit_loop_cost[loop]
                at += 1
            if depth == search.shape[0]:
                larger = np.empty((2 * depth, 2), np.int64)
                for i in range(depth):
                    larger[i, 0], larger[i, 1] = search[i, 0], search[i, 1]
                search = larger
            search[depth, 0], search[depth, 1] = numbered, at
            depth += 1
            for k in range(begin, begin + (states[state, 1] >> 32)):
                waiting[0, 0], waiting[0, 1], waiting[0, 2], waiting[0, 3] = k, 0, 0, 0
                size = 1
                while size > 0:
                    size -= 1
                    arc, label, so_far, hops = waiting[size, 0], waiting[size, 1], waiting[size, 2], waiting[size, 3]
                    target = arcs[arc, 3]
                    word = arcs[arc, 1] if label == 0 else label
                    low = states[target, 0]
                    high = low + (states[target, 1] >> 32)
                    expand = arcs[arc, 0] == 0 and inlinable[target] == 1 and target != state and hops < 8
                    if expand and word != 0:
                        for i in range(low, high):
                            expand = expand and arcs[i, 1] == 0
                    if expand:
                        waiting = grown_arcs(waiting, size + high - low)
                        for i in range(high - 1, low - 1, -1):
                            waiting[size, 0], waiting[size, 1] = i, word
                            waiting[size, 2], waiting[size, 3] = so_far + arcs[arc, 2], hops + 1
                            size += 1
                        continue
                    out[at, 0] = 0 if arcs[arc, 0] == 0 else unit_label[arcs[arc, 0] - 1]
                    out[at, 1] = word
                    out_cost[at, 2] = np.float32(so_far + arcs[arc, 2]) * np.float32(1.0 / COST_UNITS)
                    out[at, 3] = target  # its old number, until the search passes
                    at += 1
            numbered += 1
            first[numbered] = at
        if search[depth - 1, 1] < first[search[depth - 1, 0] + 1]:
            arc = search[depth - 1, 1]
            search[depth - 1, 1] += 1
            state = np.int64(out[arc, 3])
            if new_number[state] >= 0:
                out[arc, 3] = new_number[state]
                state = np.int64(-1)
            else:
                out[arc, 3] = numbered
        else:
            state = np.int64(-1)
            depth -= 1
            if depth == 0:
                break
    return first[: numbered + 1].copy(), final_cost[:numbered].copy(), at
