"""Kernels of the last step of the direct compiler: epsilons removed where nothing grows, self-loops added."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown
from wfst_asr.graph._arrays_kernels import COST_UNITS, NOT_FINAL


@njit(cache=True, nogil=True)
def inlinable_states(start, count, nextstate, final, loop):  # type: ignore[no-untyped-def]
    """Mark the states that an epsilon arc into them may be replaced by: not the start, not final, without self-loop,
    and with either one arc in or one arc out, so that the machine does not grow.
    """
    num_states = count.shape[0]
    arcs_in = np.zeros(num_states, np.uint8)
    for arc in range(nextstate.shape[0]):
        if arcs_in[nextstate[arc]] < 2:
            arcs_in[nextstate[arc]] += 1
    mark = np.zeros(num_states, np.uint8)
    for state in range(num_states):
        if state == start or final[state] != NOT_FINAL or loop[state] >= 0:
            continue
        if arcs_in[state] == 1 or count[state] == 1:
            mark[state] = 1
    return mark


@njit(cache=True, nogil=True)
def finished_graph(  # type: ignore[no-untyped-def]
    arcs,
    start,
    begin,
    count,
    ilabel,
    olabel,
    cost,
    nextstate,
    final,
    loop,
    inlinable,
    unit_label,
    unit_loop_label,
    unit_loop_cost,
):
    """Write the arcs of the graph, its states numbered depth first from 0; return (first, final costs, number of arcs).

    Epsilon arcs into inlinable states become what leaves these states, which then are not reached any more; an arc with
    an output label is replaced only where no arc behind it has one.  A chain of such arcs is followed to its end; a
    cycle of them is left as it is.  The self-loop of a state is its first arc; labels are those of the units.

    `arcs` is filled: records of ARC_DTYPE, as many as there are arcs and self-loops (no more can come).  The arcs of
    state s are begin[s]:begin[s] + count[s]; an ilabel is a unit + 1, a cost or final cost an integer in
    1 / COST_UNITS, `loop` the unit of a state's self-loop or -1.
    """
    num_states = count.shape[0]
    new_number = np.full(num_states, -1, np.int32)
    first = np.empty(num_states + 1, np.int64)
    final_cost = np.empty(num_states, np.float32)
    stack = np.empty(4096, np.int32)  # numbers of states under way, and where in their arcs the search is
    cursor = np.empty(4096, np.int64)
    arc_stack = np.empty(1024, np.int64)
    label_stack = np.empty(1024, np.int32)
    cost_stack = np.empty(1024, np.int32)
    hops_stack = np.empty(1024, np.int32)
    numbered, at, depth = 0, np.int64(0), 0
    first[0] = 0
    state = np.int64(start)
    while True:
        if state >= 0:  # a new state: write its arcs
            new_number[state] = numbered
            final_cost[numbered] = np.inf if final[state] == NOT_FINAL else final[state] / COST_UNITS
            if loop[state] >= 0:
                arcs[at].ilabel, arcs[at].olabel = unit_loop_label[loop[state]], 0
                arcs[at].cost, arcs[at].nextstate = unit_loop_cost[loop[state]], numbered
                at += 1
            if depth == stack.shape[0]:
                stack, cursor = grown(stack, depth + 1), grown(cursor, depth + 1)
            stack[depth], cursor[depth] = numbered, at
            depth += 1
            for k in range(begin[state], begin[state] + count[state]):
                arc_stack[0], label_stack[0], cost_stack[0], hops_stack[0] = k, 0, 0, 0
                waiting = 1
                while waiting > 0:
                    waiting -= 1
                    arc, label = arc_stack[waiting], label_stack[waiting]
                    so_far, hops = cost_stack[waiting], hops_stack[waiting]
                    target = nextstate[arc]
                    out = olabel[arc] if label == 0 else label
                    expand = ilabel[arc] == 0 and inlinable[target] == 1 and target != state and hops < 8
                    if expand and out != 0:
                        for i in range(begin[target], begin[target] + count[target]):
                            expand = expand and olabel[i] == 0
                    if expand:
                        most = waiting + count[target]
                        if most > arc_stack.shape[0]:
                            arc_stack, label_stack = grown(arc_stack, most), grown(label_stack, most)
                            cost_stack, hops_stack = grown(cost_stack, most), grown(hops_stack, most)
                        for i in range(begin[target] + count[target] - 1, begin[target] - 1, -1):
                            arc_stack[waiting], label_stack[waiting] = i, out
                            cost_stack[waiting], hops_stack[waiting] = so_far + cost[arc], hops + 1
                            waiting += 1
                        continue
                    arcs[at].ilabel = 0 if ilabel[arc] == 0 else unit_label[ilabel[arc] - 1]
                    arcs[at].olabel = out
                    arcs[at].cost = np.float32(so_far + cost[arc]) * np.float32(1.0 / COST_UNITS)
                    arcs[at].nextstate = target  # its old number, until the search passes
                    at += 1
            numbered += 1
            first[numbered] = at
        if cursor[depth - 1] < first[stack[depth - 1] + 1]:
            arc = cursor[depth - 1]
            cursor[depth - 1] += 1
            state = np.int64(arcs[arc].nextstate)
            if new_number[state] >= 0:
                arcs[arc].nextstate = new_number[state]
                state = np.int64(-1)
            else:
                arcs[arc].nextstate = numbered
        else:
            state = np.int64(-1)
            depth -= 1
            if depth == 0:
                break
    return first[: numbered + 1].copy(), final_cost[:numbered].copy(), at
