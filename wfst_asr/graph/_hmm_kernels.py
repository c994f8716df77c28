"""Kernel of the direct H: HMM labels become chains of states that share equal beginnings and equal ends."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, mixed
from wfst_asr.graph._arrays_kernels import COST_UNITS

NO_LOOP = -1


@njit(cache=True, nogil=True)
def absorbed_loops(start, first, ilabel, nextstate, final, hmm_last_unit):  # type: ignore[no-untyped-def]
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
            target, label = nextstate[arc], ilabel[arc]
            if label == 0:
                loop[target] = mixed_up
                continue
            shared = (arc > first[state] and ilabel[arc - 1] == label) or (
                arc + 1 < first[state + 1] and ilabel[arc + 1] == label
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


@njit(cache=True, nogil=True, inline="always")
def _equal_runs(ilabel, olabel, cost, nextstate, a, b, length):  # type: ignore[no-untyped-def]
    for k in range(length):
        if ilabel[a + k] != ilabel[b + k] or olabel[a + k] != olabel[b + k]:
            return False
        if cost[a + k] != cost[b + k] or nextstate[a + k] != nextstate[b + k]:
            return False
    return True


@njit(cache=True, nogil=True)
def log_sum_units(cost, begin, end):  # type: ignore[no-untyped-def]
    """Return the integer -log sum of the costs begin..end-1, in the units that they have."""
    if end - begin == 1:
        return np.int64(cost[begin])
    smallest = cost[begin]
    for i in range(begin + 1, end):
        smallest = min(smallest, cost[i])
    total = 0.0
    for i in range(begin, end):
        total += np.exp((smallest - cost[i]) / COST_UNITS)
    return np.int64(np.rint(smallest - np.log(total) * COST_UNITS))


@njit(cache=True, nogil=True, inline="always")
def _run_hash(ilabel, olabel, cost, nextstate, at, length, loop_unit):  # type: ignore[no-untyped-def]
    h = mixed(np.uint64(loop_unit) + np.uint64(0x9E3779B97F4A7C15))
    for k in range(at, at + length):
        labels = (np.uint64(np.uint32(ilabel[k])) << np.uint64(32)) | np.uint64(np.uint32(olabel[k]))
        rest = (np.uint64(np.uint32(cost[k])) << np.uint64(32)) | np.uint64(np.uint32(nextstate[k]))
        h = mixed((h + labels) * np.uint64(0x9E3779B97F4A7C15) + rest)
    return h


@njit(cache=True, nogil=True, inline="always")
def _insert_state(slots, h, index):  # type: ignore[no-untyped-def]
    mask = np.uint64(slots.shape[0] - 1)
    at = h & mask
    while slots[at] >= 0:
        at = (at + np.uint64(1)) & mask
    slots[at] = index


@njit(cache=True, nogil=True)
def _rehash_states(slots, hashes, count):  # type: ignore[no-untyped-def]
    larger = np.full(2 * slots.shape[0], -1, np.int32)
    for index in range(count):
        _insert_state(larger, hashes[index], index)
    return larger


@njit(cache=True, nogil=True, inline="always")
def _find_state(  # type: ignore[no-untyped-def]
    slots, hashes, h, loop, loop_unit, begin, count, num_old, ilabel, olabel, cost, nextstate, run, length
):
    mask = np.uint64(slots.shape[0] - 1)
    at = h & mask
    while slots[at] >= 0:
        index = slots[at]
        if hashes[index] == h:
            state = num_old + index
            if (
                loop[state] == loop_unit
                and count[state] == length
                and _equal_runs(ilabel, olabel, cost, nextstate, begin[state], run, length)
            ):
                return state
        at = (at + np.uint64(1)) & mask
    return -1


@njit(cache=True, nogil=True)
def expand_hmms(  # type: ignore[no-untyped-def]
    first, ilabel, olabel, cost, nextstate, loop_of_state, hmm_first, hmm_unit, unit_enter_cost
):
    """Replace every HMM label by its states; return (begin, count, (ilabel, olabel, cost, nextstate), loop).

    The arcs of state s are begin[s]:begin[s] + count[s]; loop is the unit of its self-loop, -1 for none.

    The arcs of a state are sorted by HMM label and HMM numbers are in the lexicographic order of their units, so that
    arcs whose HMMs begin alike stand together: they share the states of the common beginning (determinization where
    it is local), their cost is the log-sum, and the rest follows where they part.  Equal ends, that is states with
    the same loop and the same arcs, are made once (minimisation where it is local).  Labels of the result are
    units + 1; the cost of an arc has `unit_enter_cost` of its unit added.
    """
    num_old = first.shape[0] - 1
    capacity = 3 * ilabel.shape[0] + 1024
    new_ilabel = np.empty(capacity, np.int32)
    new_olabel = np.empty(capacity, np.int32)
    new_cost = np.empty(capacity, np.int32)
    new_next = np.empty(capacity, np.int32)
    begin = np.empty(2 * num_old + 1024, np.int64)
    count = np.empty(2 * num_old + 1024, np.int32)
    loop = np.empty(2 * num_old + 1024, np.int32)
    loop[:num_old] = loop_of_state
    num_states, num_arcs = num_old, 0
    hashes = np.empty(1 << 19, np.uint64)  # of the states made here
    slots = np.full(1 << 20, -1, np.int32)

    # a stack of the groups under construction; their arcs are collected in scratch space, innermost last
    low = np.empty(64, np.int64)
    high = np.empty(64, np.int64)
    at = np.empty(64, np.int64)
    potential = np.empty(64, np.int64)
    scratch_begin = np.empty(64, np.int64)
    s_ilabel = np.empty(4096, np.int32)
    s_olabel = np.empty(4096, np.int32)
    s_cost = np.empty(4096, np.int32)
    s_next = np.empty(4096, np.int32)

    longest = 1
    for hmm in range(hmm_first.shape[0] - 1):
        longest = max(longest, int(hmm_first[hmm + 1] - hmm_first[hmm]))

    for state in range(num_old):
        # no arc becomes more than a state and two arcs for each unit of its HMM
        more_arcs = num_arcs + 2 * (longest + 1) * (first[state + 1] - first[state])
        if more_arcs > new_ilabel.shape[0]:
            new_ilabel = grown(new_ilabel, more_arcs)
            new_olabel = grown(new_olabel, more_arcs)
            new_cost = grown(new_cost, more_arcs)
            new_next = grown(new_next, more_arcs)
        more_states = num_states + (longest + 1) * (first[state + 1] - first[state])
        if more_states > begin.shape[0]:
            begin, count, loop = grown(begin, more_states), grown(count, more_states), grown(loop, more_states)
        if more_states - num_old > hashes.shape[0]:
            hashes = grown(hashes, more_states - num_old)
        while 2 * (more_states - num_old) > slots.shape[0]:
            slots = _rehash_states(slots, hashes, num_states - num_old)
        used = 0
        depth = 0  # units of the common beginning that were read
        low[0], high[0], at[0] = first[state], first[state + 1], first[state]
        potential[0], scratch_begin[0] = 0, 0
        while True:
            if used + 2 > s_ilabel.shape[0]:
                s_ilabel = grown(s_ilabel, used + 2)
                s_olabel = grown(s_olabel, used + 2)
                s_cost = grown(s_cost, used + 2)
                s_next = grown(s_next, used + 2)
            i = at[depth]
            if i < high[depth]:
                if ilabel[i] == 0:  # an epsilon arc of the state itself (depth 0)
                    s_ilabel[used], s_olabel[used] = 0, olabel[i]
                    s_cost[used], s_next[used] = cost[i], nextstate[i]
                    used += 1
                    at[depth] = i + 1
                    continue
                hmm = int(ilabel[i]) - 1
                if hmm_first[hmm] + depth == hmm_first[hmm + 1]:  # the HMM ends here, with others of its label
                    s_ilabel[used], s_olabel[used] = 0, olabel[i]
                    s_cost[used], s_next[used] = cost[i] - potential[depth], nextstate[i]
                    used += 1
                    at[depth] = i + 1
                    continue
                unit = hmm_unit[hmm_first[hmm] + depth]
                j = i + 1
                while j < high[depth]:
                    other = np.int64(ilabel[j]) - 1
                    if hmm_first[other] + depth == hmm_first[other + 1]:
                        break
                    if hmm_unit[hmm_first[other] + depth] != unit:
                        break
                    j += 1
                group = log_sum_units(cost, i, j)
                s_ilabel[used] = unit + 1
                s_olabel[used] = olabel[i] if j == i + 1 else 0
                s_cost[used] = group - potential[depth] + unit_enter_cost[unit]
                if j == i + 1:  # a single arc: its chain from here on, from the end backwards
                    target = np.int64(nextstate[i])
                    last = hmm_first[hmm + 1] - 1
                    if loop[target] != hmm_unit[last] or target >= num_old:
                        position = last
                        c_ilabel, c_cost, c_next = np.int32(0), np.int32(0), target
                    else:
                        position = last - 1
                        c_ilabel = np.int32(hmm_unit[last] + 1)
                        c_cost, c_next = np.int32(unit_enter_cost[hmm_unit[last]]), target
                    while position >= hmm_first[hmm] + depth:
                        loop_unit = hmm_unit[position]
                        new_ilabel[num_arcs], new_olabel[num_arcs] = c_ilabel, 0
                        new_cost[num_arcs], new_next[num_arcs] = c_cost, c_next
                        h = _run_hash(new_ilabel, new_olabel, new_cost, new_next, num_arcs, 1, loop_unit)
                        found = _find_state(
                            slots,
                            hashes,
                            h,
                            loop,
                            loop_unit,
                            begin,
                            count,
                            num_old,
                            new_ilabel,
                            new_olabel,
                            new_cost,
                            new_next,
                            num_arcs,
                            1,
                        )
                        if found < 0:
                            begin[num_states], count[num_states], loop[num_states] = num_arcs, 1, loop_unit
                            hashes[num_states - num_old] = h
                            _insert_state(slots, h, num_states - num_old)
                            found = num_states
                            num_states += 1
                            num_arcs += 1
                        c_ilabel, c_cost, c_next = np.int32(loop_unit + 1), np.int32(unit_enter_cost[loop_unit]), found
                        position -= 1
                    s_next[used] = c_next
                    used += 1
                    at[depth] = j
                    continue
                s_next[used] = -1  # filled when the shared state is made
                used += 1
                at[depth] = j
                depth += 1
                if depth == low.shape[0]:
                    low, high, at = grown(low, depth + 1), grown(high, depth + 1), grown(at, depth + 1)
                    potential, scratch_begin = grown(potential, depth + 1), grown(scratch_begin, depth + 1)
                low[depth], high[depth], at[depth] = i, j, i
                potential[depth], scratch_begin[depth] = group, used
                continue
            # the group is complete: make its state, or find an equal one
            begin_of_run = scratch_begin[depth]
            length = used - begin_of_run
            for k in range(length):
                new_ilabel[num_arcs + k] = s_ilabel[begin_of_run + k]
                new_olabel[num_arcs + k] = s_olabel[begin_of_run + k]
                new_cost[num_arcs + k] = s_cost[begin_of_run + k]
                new_next[num_arcs + k] = s_next[begin_of_run + k]
            used = begin_of_run
            if depth == 0:
                begin[state], count[state] = num_arcs, length
                num_arcs += length
                break
            loop_unit = hmm_unit[hmm_first[np.int64(ilabel[low[depth]]) - 1] + depth - 1]
            h = _run_hash(new_ilabel, new_olabel, new_cost, new_next, num_arcs, length, loop_unit)
            found = _find_state(
                slots,
                hashes,
                h,
                loop,
                loop_unit,
                begin,
                count,
                num_old,
                new_ilabel,
                new_olabel,
                new_cost,
                new_next,
                num_arcs,
                length,
            )
            if found < 0:
                begin[num_states], count[num_states], loop[num_states] = num_arcs, length, loop_unit
                hashes[num_states - num_old] = h
                _insert_state(slots, h, num_states - num_old)
                found = num_states
                num_states += 1
                num_arcs += length
            depth -= 1
            s_next[used - 1] = found

    arcs = (new_ilabel[:num_arcs], new_olabel[:num_arcs], new_cost[:num_arcs], new_next[:num_arcs])
    return begin[:num_states], count[:num_states], arcs, loop[:num_states]
