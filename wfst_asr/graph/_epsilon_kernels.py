"""Kernels of the last steps of the direct compiler: epsilons removed where nothing grows, self-loops added."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown
from wfst_asr.graph._arrays_kernels import NOT_FINAL


@njit(cache=True, nogil=True)
def inlinable_states(start, first, ilabel, olabel, nextstate, final, loop):  # type: ignore[no-untyped-def]
    """Mark the states that an epsilon arc into them may be replaced by: not the start, not final, without self-loop,
    and with either one arc in or one arc out, so that the machine does not grow.
    """
    num_states = first.shape[0] - 1
    arcs_in = np.zeros(num_states, np.int32)
    for arc in range(nextstate.shape[0]):
        if arcs_in[nextstate[arc]] < 2:
            arcs_in[nextstate[arc]] += 1
    mark = np.zeros(num_states, np.uint8)
    for state in range(num_states):
        if state == start or final[state] != NOT_FINAL or loop[state] >= 0:
            continue
        if arcs_in[state] == 1 or first[state + 1] - first[state] == 1:
            mark[state] = 1
    return mark


@njit(cache=True, nogil=True)
def without_local_epsilons(first, ilabel, olabel, cost, nextstate, inlinable):  # type: ignore[no-untyped-def]
    """Replace epsilon arcs into inlinable states by those states' arcs; the states themselves stay, perhaps unreached.

    An arc with an output label is replaced only where no arc behind it has one.  A chain of such arcs is followed to
    its end; a cycle of them is left as it is.
    """
    num_states = first.shape[0] - 1
    capacity = ilabel.shape[0] + 1024
    new_ilabel = np.empty(capacity, np.int32)
    new_olabel = np.empty(capacity, np.int32)
    new_cost = np.empty(capacity, np.int32)
    new_next = np.empty(capacity, np.int32)
    new_first = np.empty(num_states + 1, np.int64)
    arc_stack = np.empty(1024, np.int64)
    label_stack = np.empty(1024, np.int32)
    cost_stack = np.empty(1024, np.int32)
    hops_stack = np.empty(1024, np.int32)
    count = 0
    for state in range(num_states):
        new_first[state] = count
        depth = 0
        for arc in range(first[state + 1] - 1, first[state] - 1, -1):
            if depth == arc_stack.shape[0]:
                arc_stack = grown(arc_stack, depth + 1)
                label_stack = grown(label_stack, depth + 1)
                cost_stack = grown(cost_stack, depth + 1)
                hops_stack = grown(hops_stack, depth + 1)
            arc_stack[depth], label_stack[depth], cost_stack[depth], hops_stack[depth] = arc, 0, 0, 0
            depth += 1
        while depth > 0:
            depth -= 1
            arc, label, so_far, hops = arc_stack[depth], label_stack[depth], cost_stack[depth], hops_stack[depth]
            target = nextstate[arc]
            out = olabel[arc] if label == 0 else label
            expand = ilabel[arc] == 0 and inlinable[target] == 1 and target != state and hops < 8
            if expand and out != 0:
                for k in range(first[target], first[target + 1]):
                    expand = expand and olabel[k] == 0
            if expand:
                for k in range(first[target + 1] - 1, first[target] - 1, -1):
                    if depth == arc_stack.shape[0]:
                        arc_stack = grown(arc_stack, depth + 1)
                        label_stack = grown(label_stack, depth + 1)
                        cost_stack = grown(cost_stack, depth + 1)
                        hops_stack = grown(hops_stack, depth + 1)
                    arc_stack[depth], label_stack[depth] = k, out
                    cost_stack[depth], hops_stack[depth] = so_far + cost[arc], hops + 1
                    depth += 1
                continue
            if count == new_ilabel.shape[0]:
                new_ilabel = grown(new_ilabel, count + 1)
                new_olabel = grown(new_olabel, count + 1)
                new_cost = grown(new_cost, count + 1)
                new_next = grown(new_next, count + 1)
            new_ilabel[count], new_olabel[count] = ilabel[arc], out
            new_cost[count], new_next[count] = so_far + cost[arc], target
            count += 1
    new_first[num_states] = count
    return (
        new_first,
        new_ilabel[:count].copy(),
        new_olabel[:count].copy(),
        new_cost[:count].copy(),
        new_next[:count].copy(),
    )


@njit(cache=True, nogil=True)
def with_self_loops(  # type: ignore[no-untyped-def]
    first, ilabel, olabel, cost, nextstate, loop, unit_label, unit_loop_label, unit_loop_cost, cost_scale
):
    """Return (first, arcs as four arrays) with labels for units, float32 costs, and a state's self-loop first."""
    num_states = first.shape[0] - 1
    total = ilabel.shape[0]
    for state in range(num_states):
        if loop[state] >= 0:
            total += 1
    new_first = np.empty(num_states + 1, np.int64)
    new_ilabel = np.empty(total, np.int32)
    new_olabel = np.empty(total, np.int32)
    new_cost = np.empty(total, np.float32)
    new_next = np.empty(total, np.int32)
    at = 0
    for state in range(num_states):
        new_first[state] = at
        if loop[state] >= 0:
            new_ilabel[at], new_olabel[at] = unit_loop_label[loop[state]], 0
            new_cost[at], new_next[at] = unit_loop_cost[loop[state]], state
            at += 1
        for arc in range(first[state], first[state + 1]):
            new_ilabel[at] = 0 if ilabel[arc] == 0 else unit_label[ilabel[arc] - 1]
            new_olabel[at] = olabel[arc]
            new_cost[at] = cost[arc] * cost_scale
            new_next[at] = nextstate[arc]
            at += 1
    new_first[num_states] = at
    return new_first, new_ilabel, new_olabel, new_cost, new_next
