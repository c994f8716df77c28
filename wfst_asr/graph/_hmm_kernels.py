"""Kernel of the direct H: HMM labels become chains of states that share equal beginnings and equal ends."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, mixed
from wfst_asr.graph._arrays_kernels import COST_UNITS, grown_arcs

NO_LOOP = -1


@njit(cache=True, nogil=True)
def absorbed_loops(start, first, arcs, hmm_last_unit):  # type: ignore[no-untyped-def]
    """Return for each state the unit whose self-loop may stand on it, or NO_LOOP.

    That is the last unit of the HMMs that enter the state, if all arcs into it end in the same one and each is the
    only arc of its source with that label (else the loop stands on a state of its own before it).
    """
    num_states = first.shape[0] - 1
    unknown, mixed_up = -2, -3
    loop = np.full(num_states, unknown, np.int32)
    loop[start] = mixed_up
    for state in range(num_states):
        for arc in range(first[state], first[state + 1]):
            label, target = arcs[arc, 0], arcs[arc, 3]
            if label == 0:
                loop[target] = mixed_up
                continue
            shared = (arc > first[state] and arcs[arc - 1, 0] == label) or (
                arc + 1 < first[state + 1] and arcs[arc + 1, 0] == label
            )
            unit = hmm_last_unit[label - 1]
            if shared or (loop[target] != unknown and loop[target] != unit):
                loop[target] = mixed_up
            elif loop[target] == unknown:
                loop[target] = unit
    for state in range(num_states):
        if loop[state] < 0:
            loop[state] = NO_LOOP
    return loop


@njit(cache=True, nogil=True)
def log_sum_units(arcs: np.ndarray, begin: int, end: int) -> int:
    """Return the integer -log sum of the costs of the arcs begin..end-1, in the units that they have."""
    smallest = int(arcs[begin, 2])
    if end - begin == 1:
        return smallest
    for i in range(begin + 1, end):
        smallest = min(smallest, int(arcs[i, 2]))
    total = 0.0
    for i in range(begin, end):
        total += np.exp((smallest - arcs[i, 2]) / COST_UNITS)
    return int(np.rint(smallest - np.log(total) * COST_UNITS))


@njit(cache=True, nogil=True)
def _state_of_run(slots, hashes, states, num_old, num_made, arcs, run, what):  # type: ignore[no-untyped-def]
    """Return the state made here that has the arcs run.. and the loop of `what` (see `expand_hmms`).

    Where there is none, it becomes state num_old + num_made, for which all arrays have room.
    """
    length = what >> 32
    h = mixed(np.uint64(what & 0xFFFFFFFF) + np.uint64(0x9E3779B97F4A7C14))
    for k in range(run, run + length):
        labels = (np.uint64(np.uint32(arcs[k, 0])) << np.uint64(32)) | np.uint64(np.uint32(arcs[k, 1]))
        rest = (np.uint64(np.uint32(arcs[k, 2])) << np.uint64(32)) | np.uint64(np.uint32(arcs[k, 3]))
        h = mixed((h + labels) * np.uint64(0x9E3779B97F4A7C15) + rest)
    mask = np.uint64(slots.shape[0] - 1)
    at = h & mask
    while slots[at] >= 0:
        state = num_old + slots[at]
        if hashes[slots[at]] == h and states[state, 1] == what:
            shift = states[state, 0] - run
            same = True
            for k in range(run, run + length):
                for column in range(4):
                    same = same and arcs[k, column] == arcs[k + shift, column]
            if same:
                return state
        at = (at + np.uint64(1)) & mask
    slots[at] = num_made
    hashes[num_made] = h
    state = num_old + num_made
    states[state, 0], states[state, 1] = run, what
    return state


@njit(cache=True, nogil=True)
def _rehashed_states(slots, hashes, count):  # type: ignore[no-untyped-def]
    larger = np.full(2 * slots.shape[0], -1, np.int32)
    mask = np.uint64(larger.shape[0] - 1)
    for index in range(count):
        at = hashes[index] & mask
        while larger[at] >= 0:
            at = (at + np.uint64(1)) & mask
        larger[at] = index
    return larger


@njit(cache=True, nogil=True)
def expand_hmms(first, arcs, loop_of_state, hmm_first, hmm_unit, unit_enter_cost):  # type: ignore[no-untyped-def]
    """Replace every HMM label by its states; return (states, arcs).

    The arcs of a state are sorted by HMM label and HMM numbers are in the lexicographic order of their units, so that
    arcs whose HMMs begin alike stand together: they share the states of the common beginning (determinization where
    it is local), their cost is the log-sum, and the rest follows where they part.  Equal ends, that is states with
    the same loop and the same arcs, are made once (minimisation where it is local).  Labels of the result are
    units + 1; the cost of an arc has `unit_enter_cost` of its unit added.

    `states` is (S, 2) int64: a state's first arc, and its number of arcs * 2^32 + the unit of its loop + 1 (0: none).
    """
    num_old = first.shape[0] - 1
    new_arcs = np.empty((3 * arcs.shape[0] + 1024, 4), np.int32)
    states = np.empty((2 * num_old + 1024, 2), np.int64)
    num_made = num_arcs = 0 * num_old  # not the literal 0, for which numba would compile what is called once more
    hashes = np.empty(1 << 15, np.uint64)  # of the states made here
    slots = np.full(1 << 16, -1, np.int32)

    # a stack of the groups under construction: their first and last arc, the arc that the search is at, their cost, and
    # where their new arcs begin in scratch space, innermost last
    longest = 1
    for hmm in range(hmm_first.shape[0] - 1):
        longest = max(longest, hmm_first[hmm + 1] - hmm_first[hmm])
    stack = np.empty((longest + 1, 5), np.int64)
    scratch = np.empty((4096, 4), np.int32)

    for state in range(num_old):
        # no arc becomes more than a state and two arcs for each unit of its HMM
        degree = first[state + 1] - first[state]
        new_arcs = grown_arcs(new_arcs, num_arcs + 2 * (longest + 1) * degree)
        scratch = grown_arcs(scratch, 2 * (longest + 1) * (degree + 1))
        most = num_made + (longest + 1) * degree
        if num_old + most > states.shape[0]:
            larger = np.empty((2 * states.shape[0] + most, 2), np.int64)
            for i in range(num_old + num_made):
                larger[i, 0], larger[i, 1] = states[i, 0], states[i, 1]
            states = larger
        hashes = grown(hashes, most)
        while 2 * most > slots.shape[0]:
            slots = _rehashed_states(slots, hashes, num_made)
        used, depth = 0, 0  # depth: units of the common beginning that were read
        stack[0, 0], stack[0, 1], stack[0, 2] = first[state], first[state + 1], first[state]
        stack[0, 3], stack[0, 4] = 0, 0
        while True:
            i, high = stack[depth, 2], stack[depth, 1]
            if i < high:
                hmm = int(arcs[i, 0]) - 1
                if hmm < 0 or hmm_first[hmm] + depth == hmm_first[hmm + 1]:
                    # an epsilon arc of the state itself, or the HMM ends here, with others of its label
                    scratch[used, 0], scratch[used, 1] = 0, arcs[i, 1]
                    scratch[used, 2], scratch[used, 3] = arcs[i, 2] - stack[depth, 3], arcs[i, 3]
                    used += 1
                    stack[depth, 2] = i + 1
                    continue
                unit = hmm_unit[hmm_first[hmm] + depth]
                j = i + 1
                while j < high:
                    other = np.int64(arcs[j, 0]) - 1
                    if hmm_first[other] + depth == hmm_first[other + 1]:
                        break
                    if hmm_unit[hmm_first[other] + depth] != unit:
                        break
                    j += 1
                group = log_sum_units(arcs, i, j)
                scratch[used, 0] = unit + 1
                scratch[used, 1] = arcs[i, 1] if j == i + 1 else 0
                scratch[used, 2] = group - stack[depth, 3] + unit_enter_cost[unit]
                stack[depth, 2] = j
                if j > i + 1:
                    scratch[used, 3] = -1  # filled when the shared state is made
                    used += 1
                    depth += 1
                    stack[depth, 0], stack[depth, 1], stack[depth, 2] = i, j, i
                    stack[depth, 3], stack[depth, 4] = group, used
                    continue
                # a single arc: its chain from here on, from the end backwards
                target = np.int64(arcs[i, 3])
                position = hmm_first[hmm + 1] - 1
                label, cost = np.int64(0), np.int64(0)
                if loop_of_state[target] == hmm_unit[position]:
                    label, cost = np.int64(hmm_unit[position] + 1), np.int64(unit_enter_cost[hmm_unit[position]])
                    position -= 1
                while position >= hmm_first[hmm] + depth:
                    new_arcs[num_arcs, 0], new_arcs[num_arcs, 1] = label, 0
                    new_arcs[num_arcs, 2], new_arcs[num_arcs, 3] = cost, target
                    label = np.int64(hmm_unit[position]) + 1
                    cost = np.int64(unit_enter_cost[hmm_unit[position]])
                    what = (np.int64(1) << 32) | label
                    target = _state_of_run(slots, hashes, states, num_old, num_made, new_arcs, num_arcs, what)
                    if target == num_old + num_made:
                        num_made += 1
                        num_arcs += 1
                    position -= 1
                scratch[used, 3] = target
                used += 1
                continue
            # the group is complete: make its state, or find an equal one
            begin_of_run = stack[depth, 4]
            length = used - begin_of_run
            for k in range(length):
                for column in range(4):
                    new_arcs[num_arcs + k, column] = scratch[begin_of_run + k, column]
            used = begin_of_run
            if depth == 0:
                states[state, 0] = num_arcs
                states[state, 1] = (length << 32) | (loop_of_state[state] + 1)
                num_arcs += length
                break
            label = np.int64(hmm_unit[hmm_first[np.int64(arcs[stack[depth, 0], 0]) - 1] + depth - 1]) + 1
            what = (length << 32) | label
            found = _state_of_run(slots, hashes, states, num_old, num_made, new_arcs, num_arcs, what)
            if found == num_old + num_made:
                num_made += 1
                num_arcs += length
            depth -= 1
            scratch[used - 1, 3] = found
    return states[: num_old + num_made], new_arcs[:num_arcs]
