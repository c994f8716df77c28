"""Kernel of G: the arcs of every state, ascending by label."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import sorted_order


@njit(cache=True, nogil=True)
def _sort(values, size):  # type: ignore[no-untyped-def]
    """Sort the first `size` values; most states have few arcs."""
    if size > 48:
        some = values[:size].copy()
        order = sorted_order(some)
        for i in range(size):
            values[i] = some[order[i]]
        return
    for i in range(1, size):
        value = values[i]
        k = i
        while k > 0 and values[k - 1] > value:
            values[k] = values[k - 1]
            k -= 1
        values[k] = value


@njit(cache=True, nogil=True)
def fill_arcs(  # type: ignore[no-untyped-def]
    arcs, spoken, source, label, cost, leads_to, backoff_label, backoff_state, backoff_cost
):
    """Fill in the arcs of all states, each state's ascending by label; return where each state's begin.

    Args:
        arcs: (A,) records of ARC_DTYPE, filled; A = spoken arcs + states - 1.
        spoken: (M,) int64 numbers of the n-grams that are arcs, in the order of their states.
        source: (M,) int64 state of each.
        label: (M,) int32 label of each.
        cost: (M,) float64 cost of each.
        leads_to: (N,) int32 state by number of an n-gram.
        backoff_label: label of the back-off arcs.
        backoff_state: (S,) int32 where the back-off arc of each state leads, -1 for none.
        backoff_cost: (S,) float32.
    """
    num_states = len(backoff_state)
    first_arc = np.zeros(num_states + 1, np.int64)
    place = np.empty(len(spoken) + 1, np.int64)  # of the arcs of a state: label, and which of them it is
    row, at = 0, 0
    for state in range(num_states):
        begin, ascending = row, True
        while row < len(spoken) and source[row] == state:
            place[row - begin] = (np.int64(label[row]) << 32) | (row - begin)
            ascending = ascending and (row == begin or label[row - 1] < label[row])
            row += 1
        size = row - begin
        if backoff_state[state] >= 0:
            place[size] = (np.int64(backoff_label) << 32) | size
            ascending = ascending and (size == 0 or label[row - 1] < backoff_label)
            size += 1
        if not ascending:
            _sort(place, size)
        for k in range(size):
            which = begin + (place[k] & 0xFFFFFFFF)
            if which < row:
                arcs[at].ilabel = label[which]
                arcs[at].olabel = label[which]
                arcs[at].cost = cost[which]
                arcs[at].nextstate = leads_to[spoken[which]]
            else:
                arcs[at].ilabel = backoff_label
                arcs[at].olabel = 0
                arcs[at].cost = backoff_cost[state]
                arcs[at].nextstate = backoff_state[state]
            at += 1
        first_arc[state + 1] = at
    return first_arc
