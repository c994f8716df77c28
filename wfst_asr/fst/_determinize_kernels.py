"""Kernels of determinization with epsilon removal: hash-consed strings, subsets in flat arrays, growth by doubling.

A string of output labels is a number: 0 is empty, string s is `label[s]` followed by the string `rest[s]`; equal
strings have equal numbers.  A subset is a run of elements (state, string, cost), sorted by state.
"""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, mixed

DONE, NOT_FUNCTIONAL, TOO_LONG, TOO_MANY = 0, 1, 2, 3


@njit(cache=True, nogil=True)
def _chained(count: int, hashes: np.ndarray, slots: int) -> tuple[np.ndarray, np.ndarray]:
    """Return heads by slot and followers of `count` entries, for hash chains of twice the room."""
    heads = np.full(slots, -1, np.int64)
    followers = np.full(slots, -1, np.int64)
    for i in range(count):
        at = hashes[i] & np.uint64(slots - 1)
        followers[i] = heads[at]
        heads[at] = i
    return heads, followers


@njit(cache=True, nogil=True, inline="always")
def _plus(a, b, use_log):  # type: ignore[no-untyped-def]
    """Return -ln(e^-a + e^-b), or the smaller of the two."""
    low, high = (a, b) if a < b else (b, a)
    if not use_log or high == np.inf:
        return low
    return low - np.log1p(np.exp(low - high))


@njit(cache=True, nogil=True)
def _appended(strings, count, string, label, buffer):  # type: ignore[no-untyped-def]
    """Return the string tables, their count and the string followed by a label (-1: longer than the buffer).

    The string is taken apart and put together again from its end, so that equal strings get equal numbers.
    """
    s_label, s_rest, s_hash, heads, followers = strings
    length = 0
    while string != 0:
        buffer[length] = s_label[string]
        string = s_rest[string]
        length += 1
        if length + 1 >= buffer.shape[0]:
            return strings, count, -1
    buffer[length] = label
    result = 0
    for k in range(length, -1, -1):
        h = mixed((np.uint64(buffer[k]) << np.uint64(32)) | np.uint64(result))
        found = heads[h & np.uint64(heads.shape[0] - 1)]
        while found >= 0 and (s_label[found] != buffer[k] or s_rest[found] != result):
            found = followers[found]
        if found < 0:
            found = count
            s_label, s_rest = grown(s_label, found + 1), grown(s_rest, found + 1)
            s_hash = grown(s_hash, found + 1)
            s_label[found], s_rest[found], s_hash[found] = buffer[k], result, h
            count += 1
            if count > heads.shape[0]:
                heads, followers = _chained(count, s_hash, 2 * heads.shape[0])
            else:
                followers[found] = heads[h & np.uint64(heads.shape[0] - 1)]
                heads[h & np.uint64(heads.shape[0] - 1)] = found
        result = found
    return (s_label, s_rest, s_hash, heads, followers), count, result


@njit(cache=True, nogil=True)
def _tell(information, subset, first, second, label):  # type: ignore[no-untyped-def]
    information[0], information[1], information[2], information[3] = subset, first, second, label


@njit(cache=True, nogil=True)
def determinize_kernel(  # type: ignore[no-untyped-def]
    first, ilabel, olabel, cost, nextstate, final, start, delta, use_log, max_states, max_string
):
    """Run the subset construction on a machine whose arcs are sorted by input label, epsilons first.

    Returns (status, information, subset count, arcs, strings): information is (subset, string, string, input label)
    of a failure; arcs are (source, ilabel, string, cost, next), where next is -1 for a final cost; strings are
    (label, rest); and (parent, label) of every subset for tracing back, with (first element, state, string, cost).
    """
    num_in = final.shape[0]
    # strings
    s_heads, s_followers = _chained(0, np.zeros(1, np.uint64), 1024)
    strings = (np.zeros(1024, np.int32), np.zeros(1024, np.int32), np.zeros(1024, np.uint64), s_heads, s_followers)
    num_strings = 1
    buffer = np.zeros(max_string + 1, np.int32)
    # subsets
    e_state = np.zeros(4096, np.int32)
    e_string = np.zeros(4096, np.int32)
    e_cost = np.zeros(4096, np.float64)
    num_elements = 1
    sub_first = np.zeros(1024, np.int64)
    sub_first[1] = 1
    sub_hash = np.zeros(1024, np.uint64)
    sub_parent = np.full(1024, -1, np.int64)
    sub_label = np.zeros(1024, np.int32)
    num_subsets = 1
    e_state[0] = start
    heads, followers = _chained(0, sub_hash, 1024)
    # output
    o_source = np.zeros(4096, np.int64)
    o_ilabel = np.zeros(4096, np.int32)
    o_string = np.zeros(4096, np.int32)
    o_cost = np.zeros(4096, np.float64)
    o_next = np.zeros(4096, np.int64)
    num_arcs = 0
    # the epsilon closure of one subset
    where = np.full(num_in, -1, np.int32)
    c_state = np.zeros(num_in, np.int32)
    c_string = np.zeros(num_in, np.int32)
    c_cost = np.zeros(num_in, np.float64)
    c_todo = np.zeros(num_in, np.float64)
    c_queued = np.zeros(num_in, np.bool_)
    queue = np.zeros(1024, np.int64)
    # the arcs that leave it
    t_key = np.zeros(1024, np.int64)
    t_string = np.zeros(1024, np.int32)
    t_cost = np.zeros(1024, np.float64)
    information = np.zeros(4, np.int64)
    status = DONE
    subset = 0
    while subset < num_subsets and status == DONE:
        # Epsilon closure: costs travel on while they change by more than delta.
        num_closed = 0
        num_queued = 0
        at_queue = 0
        for i in range(sub_first[subset], sub_first[subset + 1]):
            state = e_state[i]
            where[state] = num_closed
            c_state[num_closed], c_string[num_closed] = state, e_string[i]
            c_cost[num_closed], c_todo[num_closed] = np.inf, e_cost[i]
            c_queued[num_closed] = True
            queue = grown(queue, num_queued + 1)
            queue[num_queued] = num_closed
            num_queued += 1
            num_closed += 1
        while at_queue < num_queued and status == DONE:
            here = queue[at_queue]
            at_queue += 1
            todo = c_todo[here]
            c_cost[here] = _plus(c_cost[here], todo, use_log)
            c_todo[here] = np.inf
            c_queued[here] = False
            state = c_state[here]
            for arc in range(first[state], first[state + 1]):
                if ilabel[arc] != 0:
                    break
                string = c_string[here]
                if olabel[arc] != 0:
                    strings, num_strings, string = _appended(strings, num_strings, string, olabel[arc], buffer)
                    if string < 0:
                        status = TOO_LONG
                        _tell(information, subset, c_string[here], c_string[here], 0)
                        break
                there = where[nextstate[arc]]
                if there < 0:
                    there = num_closed
                    where[nextstate[arc]] = there
                    c_state[there], c_string[there] = nextstate[arc], string
                    c_cost[there], c_todo[there] = np.inf, np.inf
                    c_queued[there] = False
                    num_closed += 1
                elif c_string[there] != string:
                    status = NOT_FUNCTIONAL
                    _tell(information, subset, c_string[there], string, 0)
                    break
                c_todo[there] = _plus(c_todo[there], todo + cost[arc], use_log)
                if not c_queued[there]:
                    total = _plus(c_cost[there], c_todo[there], use_log)
                    if c_cost[there] == np.inf or c_cost[there] - total > delta:
                        c_queued[there] = True
                        queue = grown(queue, num_queued + 1)
                        queue[num_queued] = there
                        num_queued += 1
        # Final cost and leaving arcs.
        num_leaving = 0
        end_cost, end_string, is_final = np.inf, 0, False
        for here in range(num_closed):
            state = c_state[here]
            total = _plus(c_cost[here], c_todo[here], use_log)
            where[state] = -1
            if status != DONE:
                continue
            if final[state] != np.inf:
                if is_final and end_string != c_string[here]:
                    status = NOT_FUNCTIONAL
                    _tell(information, subset, end_string, c_string[here], 0)
                is_final, end_string = True, c_string[here]
                end_cost = _plus(end_cost, total + final[state], use_log)
            for arc in range(first[state], first[state + 1]):
                if ilabel[arc] == 0:
                    continue
                string = c_string[here]
                if olabel[arc] != 0:
                    strings, num_strings, string = _appended(strings, num_strings, string, olabel[arc], buffer)
                    if string < 0:
                        status = TOO_LONG
                        _tell(information, subset, c_string[here], c_string[here], ilabel[arc])
                        break
                if num_leaving + 1 > t_key.shape[0]:
                    t_key, t_string = grown(t_key, num_leaving + 1), grown(t_string, num_leaving + 1)
                    t_cost = grown(t_cost, num_leaving + 1)
                t_key[num_leaving] = (np.int64(ilabel[arc]) << 32) | np.int64(nextstate[arc])
                t_string[num_leaving], t_cost[num_leaving] = string, total + cost[arc]
                num_leaving += 1
        if status != DONE:
            break
        if is_final:
            if num_arcs + 1 > o_source.shape[0]:
                o_source, o_ilabel = grown(o_source, num_arcs + 1), grown(o_ilabel, num_arcs + 1)
                o_string, o_cost = grown(o_string, num_arcs + 1), grown(o_cost, num_arcs + 1)
                o_next = grown(o_next, num_arcs + 1)
            o_source[num_arcs], o_ilabel[num_arcs], o_string[num_arcs] = subset, 0, end_string
            o_cost[num_arcs], o_next[num_arcs] = end_cost, -1
            num_arcs += 1
        # Group the leaving arcs by input label, then by state.
        s_label, s_rest = strings[0], strings[1]
        order = np.argsort(t_key[:num_leaving], kind="mergesort")
        i = 0
        while i < num_leaving:
            label = t_key[order[i]] >> 32
            low = num_elements
            total = np.inf
            while i < num_leaving and t_key[order[i]] >> 32 == label:
                entry = order[i]
                state = t_key[entry] & 0xFFFFFFFF
                if num_elements > low and e_state[num_elements - 1] == state:
                    if e_string[num_elements - 1] != t_string[entry]:
                        status = NOT_FUNCTIONAL
                        _tell(information, subset, e_string[num_elements - 1], t_string[entry], label)
                        break
                    e_cost[num_elements - 1] = _plus(e_cost[num_elements - 1], t_cost[entry], use_log)
                else:
                    if num_elements + 1 > e_state.shape[0]:
                        e_state, e_string = grown(e_state, num_elements + 1), grown(e_string, num_elements + 1)
                        e_cost = grown(e_cost, num_elements + 1)
                    e_state[num_elements], e_string[num_elements] = state, t_string[entry]
                    e_cost[num_elements] = t_cost[entry]
                    num_elements += 1
                total = _plus(total, t_cost[entry], use_log)
                i += 1
            if status != DONE:
                break
            # The longest common prefix of the strings and the total cost go onto the arc.
            prefix = e_string[low]
            shared = 0
            cursor = prefix
            while cursor != 0:
                shared += 1
                cursor = s_rest[cursor]
            for k in range(low + 1, num_elements):
                a, b, same = prefix, e_string[k], 0
                while same < shared and b != 0 and s_label[a] == s_label[b]:
                    a, b, same = s_rest[a], s_rest[b], same + 1
                shared = same
                if shared == 0:
                    break
            h = np.uint64(0x9E3779B97F4A7C15)
            for k in range(low, num_elements):
                for _ in range(shared):
                    e_string[k] = s_rest[e_string[k]]
                e_cost[k] -= total
                h = mixed(h + ((np.uint64(e_state[k]) << np.uint64(32)) | np.uint64(e_string[k])))
            dest = heads[h & np.uint64(heads.shape[0] - 1)]
            while dest >= 0:
                size = sub_first[dest + 1] - sub_first[dest]
                equal = sub_hash[dest] == h and size == num_elements - low
                if equal:
                    for k in range(size):
                        a, b = sub_first[dest] + k, low + k
                        if e_state[a] != e_state[b] or e_string[a] != e_string[b] or abs(e_cost[a] - e_cost[b]) > delta:
                            equal = False
                            break
                if equal:
                    break
                dest = followers[dest]
            if dest >= 0:
                num_elements = low
            else:
                dest = num_subsets
                sub_first, sub_hash = grown(sub_first, dest + 2), grown(sub_hash, dest + 2)
                sub_parent, sub_label = grown(sub_parent, dest + 2), grown(sub_label, dest + 2)
                sub_first[dest + 1] = num_elements
                sub_hash[dest], sub_parent[dest], sub_label[dest] = h, subset, label
                num_subsets += 1
                if num_subsets > heads.shape[0]:
                    heads, followers = _chained(num_subsets, sub_hash, 2 * heads.shape[0])
                else:
                    followers[dest] = heads[h & np.uint64(heads.shape[0] - 1)]
                    heads[h & np.uint64(heads.shape[0] - 1)] = dest
            if num_arcs + 1 > o_source.shape[0]:
                o_source, o_ilabel = grown(o_source, num_arcs + 1), grown(o_ilabel, num_arcs + 1)
                o_string, o_cost = grown(o_string, num_arcs + 1), grown(o_cost, num_arcs + 1)
                o_next = grown(o_next, num_arcs + 1)
            # The prefix is the first `shared` labels of `prefix`; it is written as (string, length) for the caller.
            o_source[num_arcs], o_ilabel[num_arcs], o_string[num_arcs] = subset, label, prefix
            o_cost[num_arcs], o_next[num_arcs] = total, (np.int64(shared) << 32) | dest
            num_arcs += 1
        subset += 1
        if max_states >= 0 and num_subsets > max_states:
            status = TOO_MANY
    out = (o_source[:num_arcs], o_ilabel[:num_arcs], o_string[:num_arcs], o_cost[:num_arcs], o_next[:num_arcs])
    trace = (sub_parent[:num_subsets], sub_label[:num_subsets], sub_first[: num_subsets + 1], e_string[:num_elements])
    return status, information, num_subsets, out, (strings[0][:num_strings], strings[1][:num_strings]), trace


@njit(cache=True, nogil=True)
def spell_out(num_subsets, source, ilabel, string, cost, packed, s_label, s_rest):  # type: ignore[no-untyped-def]
    """Write the arcs with strings as arcs with labels, with states in between where a string is longer than one.

    Returns (source, ilabel, olabel, cost, nextstate, final costs).
    """
    total = 0
    extra = 0
    for i in range(source.shape[0]):
        length = 0
        if packed[i] >= 0:
            length = packed[i] >> 32
            total += max(1, length)
            extra += max(0, length - 1)
        else:
            cursor = string[i]
            while cursor != 0:
                length += 1
                cursor = s_rest[cursor]
            total += length
            extra += length
    a_source = np.empty(total, np.int64)
    a_ilabel = np.zeros(total, np.int32)
    a_olabel = np.zeros(total, np.int32)
    a_cost = np.zeros(total, np.float32)
    a_next = np.empty(total, np.int32)
    final = np.full(num_subsets + extra, np.inf, np.float32)
    count = 0
    fresh = num_subsets
    for i in range(source.shape[0]):
        here = source[i]
        cursor = string[i]
        owed = cost[i]
        if packed[i] < 0:
            while cursor != 0:
                a_source[count], a_olabel[count], a_cost[count], a_next[count] = here, s_label[cursor], owed, fresh
                here, owed, cursor = fresh, 0.0, s_rest[cursor]
                fresh += 1
                count += 1
            final[here] = owed
            continue
        length = max(1, packed[i] >> 32)
        for k in range(length):
            a_source[count] = here
            a_ilabel[count] = ilabel[i] if k == 0 else 0
            if packed[i] >> 32 > 0:
                a_olabel[count] = s_label[cursor]
                cursor = s_rest[cursor]
            a_cost[count] = owed
            owed = 0.0
            if k == length - 1:
                a_next[count] = packed[i] & 0xFFFFFFFF
            else:
                a_next[count] = fresh
                here = fresh
                fresh += 1
            count += 1
    return a_source, a_ilabel, a_olabel, a_cost, a_next, final
