"""Kernels shared by the direct compiler: depth-first order, merging of equal states, sums of costs.

A machine here is `first` (S + 1,), `arcs` (A, 4) int32 with the columns ilabel, olabel, cost, nextstate, and `final`
(S,).  Costs are integers in units of 1 / COST_UNITS nats, so that sums telescope exactly and equal means equal.
"""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import mixed

COST_UNITS = 1024
NOT_FINAL = np.int32(2**31 - 1)


@njit(cache=True, nogil=True)
def grown_arcs(arcs: np.ndarray, needed: int) -> np.ndarray:
    """Return `arcs`, or a copy of at least twice its length if `needed` does not fit."""
    if needed <= arcs.shape[0]:
        return arcs
    larger = np.empty((max(needed, 2 * arcs.shape[0]), 4), np.int32)
    for arc in range(arcs.shape[0]):
        for column in range(4):
            larger[arc, column] = arcs[arc, column]
    return larger


@njit(cache=True, nogil=True)
def _state_hash(state, first, arcs, final, rep):  # type: ignore[no-untyped-def]
    h = mixed(np.uint64(final[state]) + np.uint64(0x9E3779B97F4A7C15))
    for arc in range(first[state], first[state + 1]):
        labels = (np.uint64(np.uint32(arcs[arc, 0])) << np.uint64(32)) | np.uint64(np.uint32(arcs[arc, 1]))
        rest = (np.uint64(np.uint32(arcs[arc, 2])) << np.uint64(32)) | np.uint64(np.uint32(rep[arcs[arc, 3]]))
        h = mixed((h + labels) * np.uint64(0x9E3779B97F4A7C15) + rest)
    return h


@njit(cache=True, nogil=True)
def _same_state(a, b, first, arcs, final, rep):  # type: ignore[no-untyped-def]
    if final[a] != final[b] or first[a + 1] - first[a] != first[b + 1] - first[b]:
        return False
    shift = first[b] - first[a]
    for arc in range(first[a], first[a + 1]):
        other = arc + shift
        for column in range(3):
            if arcs[arc, column] != arcs[other, column]:
                return False
        if rep[arcs[arc, 3]] != rep[arcs[other, 3]]:
            return False
    return True


@njit(cache=True, nogil=True)
def finishing_order(start: int, first: np.ndarray, arcs: np.ndarray) -> np.ndarray:
    """Return the states reachable from `start` in the order in which a depth-first search leaves them."""
    num_states = first.shape[0] - 1
    cursor = first[:-1].copy()
    seen = np.zeros(num_states, np.uint8)
    order = np.empty(num_states, np.int32)
    stack = np.empty(num_states, np.int32)
    depth, left = 1, 0
    stack[0] = start
    seen[start] = 1
    while depth > 0:
        state = stack[depth - 1]
        if cursor[state] < first[state + 1]:
            target = arcs[cursor[state], 3]
            cursor[state] += 1
            if seen[target] == 0:
                seen[target] = 1
                stack[depth] = target
                depth += 1
        else:
            order[left] = state
            left += 1
            depth -= 1
    return order[:left].copy()


@njit(cache=True, nogil=True)
def merge_round(order, first, arcs, final, rep):  # type: ignore[no-untyped-def]
    """Merge states with the same final cost and the same arcs to merged states; return how many were merged.

    `order` visits successors first as far as there are no cycles, so that one round merges all equal suffixes and
    further rounds only what hangs on cycles.  Merging states with equal arcs is a congruence: it never changes the
    weighted relation.  Every candidate is compared with its representative, hashes only find it.
    """
    size = 1
    while size < 2 * order.shape[0]:
        size *= 2
    slots = np.full(size, -1, np.int32)
    mask = np.uint64(size - 1)
    merged = 0
    for at_order in range(order.shape[0]):
        state = order[at_order]
        if rep[state] != state:
            continue
        at = _state_hash(state, first, arcs, final, rep) & mask
        while True:
            other = slots[at]
            if other < 0:
                slots[at] = state
                break
            if _same_state(state, other, first, arcs, final, rep):
                rep[state] = other
                merged += 1
                break
            at = (at + np.uint64(1)) & mask
    for state in range(rep.shape[0]):
        while rep[rep[state]] != rep[state]:
            rep[state] = rep[rep[state]]
    return merged


@njit(cache=True, nogil=True)
def merged_machine(start, first, arcs, final, rep):  # type: ignore[no-untyped-def]
    """Return (first, arcs, final) of the merged machine, its states numbered depth first from 0."""
    num_states = first.shape[0] - 1
    new_number = np.full(num_states, -1, np.int32)
    old_number = np.empty(num_states, np.int32)
    cursor = first[:-1].copy()
    stack = np.empty(num_states, np.int32)
    begin = rep[start]
    stack[0], old_number[0] = begin, begin
    new_number[begin] = 0
    depth, count, num_arcs = 1, 1, first[begin + 1] - first[begin]
    while depth > 0:
        state = stack[depth - 1]
        if cursor[state] < first[state + 1]:
            target = rep[arcs[cursor[state], 3]]
            cursor[state] += 1
            if new_number[target] < 0:
                new_number[target] = count
                old_number[count] = target
                count += 1
                num_arcs += first[target + 1] - first[target]
                stack[depth] = target
                depth += 1
        else:
            depth -= 1
    new_first = np.empty(count + 1, np.int64)
    new_arcs = np.empty((num_arcs, 4), np.int32)
    new_final = np.empty(count, np.int32)
    at = 0
    for number in range(count):
        state = old_number[number]
        new_first[number] = at
        new_final[number] = final[state]
        for arc in range(first[state], first[state + 1]):
            for column in range(3):
                new_arcs[at, column] = arcs[arc, column]
            new_arcs[at, 3] = new_number[rep[arcs[arc, 3]]]
            at += 1
    new_first[count] = at
    return new_first, new_arcs, new_final


@njit(cache=True, nogil=True)
def log_sum(costs: np.ndarray, begin: int, end: int) -> float:
    """Return -log(sum(exp(-cost))) of costs[begin:end]."""
    smallest = costs[begin]
    for i in range(begin + 1, end):
        smallest = min(smallest, costs[i])
    total = 0.0
    for i in range(begin, end):
        total += np.exp(smallest - costs[i])
    return float(smallest - np.log(total))
