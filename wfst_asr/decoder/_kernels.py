"""Kernels of the beam search; `decoder/beam.py` says what they do, `decoder/viterbi.py` is the definition.

A token is a state reached at a frame.  Tokens of a frame lie one after another in creation order; the place of a token
among all tokens ever made (minus those that were collected) is its trace index, under which its back-pointer is kept.
A hash table finds the token of a state: an entry is (address << 32 | trace index) and counts as empty if its trace
index lies before the frame that is being made, so that the table is never cleared between frames.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from wfst_asr.decoder._prefetch import prefetch as _prefetch
from wfst_asr.decoder._pruning import best_token, pruning_cutoff

prefetch: Any = _prefetch
NO_ARC = np.uint32(0xFFFFFFFF)
_LOW = np.uint64(0xFFFFFFFF)
_AHEAD = 6  # tokens between a prefetch and its use
_IN_NO_LIST = -2
_CYCLE_GAIN = np.float32(1e-4)  # least gain that expands a state on an epsilon cycle again


class Frontier(NamedTuple):
    """Tokens of one frame, with the lists of tokens that wait for the epsilon step.

    Attributes:
        target: (C,) uint32 address and epsilon code of each token's state.
        cost: (C,) float32.
        link: (C,) int32 next token of the same epsilon level, -1 at the end.
        head: first token of each level's list.
        tail: last token of the list of the highest code, which is a queue.
    """

    target: Any
    cost: Any
    link: Any
    head: Any
    tail: Any


class Trace(NamedTuple):
    """Back-pointers: trace index of the token before (0 at the start) and address of the arc from it."""

    previous: Any
    arc: Any


@njit(cache=True, nogil=True)
def make_frontier(capacity: int, codes: int) -> Any:
    return Frontier(
        np.empty(capacity, np.uint32),
        np.empty(capacity, np.float32),
        np.empty(capacity, np.int32),
        np.full(codes, -1, np.int32),
        np.full(1, -1, np.int32),
    )


@njit(cache=True, nogil=True)
def _reach(
    table: Any, hash_shift: Any, frontier: Any, trace: Any, base: int, count: int, shift: Any,
    target: Any, cost: Any, previous: Any, arc: Any,
) -> int:  # fmt: skip
    """Put a token at `target` or improve the one that is there; return the new number of tokens."""
    address = np.uint64(target & np.uint32((np.uint32(1) << shift) - np.uint32(1)))
    mask = np.uint64(len(table) - 1)
    place = np.uint64(np.uint32(address * np.uint64(2654435769))) >> hash_shift
    first = np.uint64(base)
    while True:
        entry = table[place]
        index = entry & _LOW
        if index < first:
            table[place] = (address << np.uint64(32)) | np.uint64(base + count)
            frontier.target[count] = target
            frontier.cost[count] = cost
            trace.previous[base + count] = previous
            trace.arc[base + count] = arc
            code = target >> shift
            if code > 0:
                _enlist(frontier, count, code)
            return count + 1
        if entry >> np.uint64(32) == address:
            slot = index - first
            old = frontier.cost[slot]
            if cost < old:
                last = np.uint32(len(frontier.head) - 1)
                if last == target >> shift and frontier.link[slot] == _IN_NO_LIST:
                    if cost >= old - _CYCLE_GAIN:
                        return count
                    _enlist(frontier, int(slot), last)
                frontier.cost[slot] = cost
                trace.previous[index] = previous
                trace.arc[index] = arc
            return count
        place = (place + np.uint64(1)) & mask


@njit(cache=True, nogil=True)
def _enlist(frontier: Any, slot: int, code: Any) -> None:
    """Add a token to the list of its epsilon level: in front, but at the end of the queue of the highest code."""
    if code == len(frontier.head) - 1:
        frontier.link[slot] = -1
        if frontier.head[code] < 0:
            frontier.head[code] = slot
        else:
            frontier.link[frontier.tail[0]] = slot
        frontier.tail[0] = slot
    else:
        frontier.link[slot] = frontier.head[code]
        frontier.head[code] = slot


@njit(cache=True, nogil=True)
def _emit(
    words: Any, costs: Any, row: Any, old_target: Any, old_cost: Any, old_count: int, old_base: int, i: int,
    cutoff: Any, next_cutoff: Any, beam: Any, table: Any, hash_shift: Any, target: Any, cost: Any, link: Any, head: Any,
    tail: Any, previous: Any, arc: Any, base: int, count: int, shift: Any,
) -> tuple[int, int, Any, int]:  # fmt: skip
    """Expand the emitting arcs of tokens `i...` until all are done or the buffers are full.

    `_reach` is written out here, since the call would cost more than the work.

    Returns:
        the first token not expanded, the number of new tokens, the next frame's cutoff, the number of arcs expanded.
    """
    capacity = min(len(cost), len(table) // 2)
    address_mask = (np.uint32(1) << shift) - np.uint32(1)
    hash_mask = np.uint64(len(table) - 1)
    last = np.uint32(len(head) - 1)
    first = np.uint64(base)
    expanded = 0
    while i < old_count:
        ahead = min(i + _AHEAD, old_count - 1)
        prefetch(words, old_target[ahead] & address_mask)
        token_cost = old_cost[i]
        if token_cost > cutoff:
            i += 1
            continue
        to = old_target[i]
        a = np.int64(to & address_mask)
        emitting = np.int64(words[a + 2])
        if count + emitting + 1 > capacity:
            break
        column = words[a]
        stop = a + 4 + 3 * emitting
        expanded += emitting
        came_from = np.int32(old_base + i)
        i += 1
        if column > 0:
            expanded += 1
            new = token_cost + costs[a + 1] + row[column - np.uint32(1)]
            this = a
            a += 1
        else:
            a += 4
            if a == stop:
                continue
            to = words[a + 1]
            new = token_cost + costs[a + 2] + row[words[a]]
            this = a
            a += 3
        while True:
            if new < next_cutoff:
                next_cutoff = min(next_cutoff, new + beam)
                address = np.uint64(to & address_mask)
                place = np.uint64(np.uint32(address * np.uint64(2654435769))) >> hash_shift
                while True:
                    entry = table[place]
                    index = entry & _LOW
                    if index < first:
                        table[place] = (address << np.uint64(32)) | np.uint64(base + count)
                        target[count] = to
                        cost[count] = new
                        previous[base + count] = came_from
                        arc[base + count] = this
                        code = to >> shift
                        if code > 0:
                            if code == last:
                                link[count] = -1
                                if head[code] < 0:
                                    head[code] = count
                                else:
                                    link[tail[0]] = count
                                tail[0] = count
                            else:
                                link[count] = head[code]
                                head[code] = count
                        count += 1
                        break
                    if entry >> np.uint64(32) == address:
                        if new < cost[index - first]:
                            cost[index - first] = new
                            previous[index] = came_from
                            arc[index] = this
                        break
                    place = (place + np.uint64(1)) & hash_mask
            if this + 1 == a:
                a = this + 4
            if a >= stop:
                break
            to = words[a + 1]
            new = token_cost + costs[a + 2] + row[words[a]]
            this = a
            a += 3
    return i, count, next_cutoff, expanded


@njit(cache=True, nogil=True)
def _epsilon_step(
    words: Any, costs: Any, cutoff: Any, table: Any, hash_shift: Any, frontier: Any, trace: Any, base: int, count: int,
    shift: Any,
) -> tuple[int, int, bool]:  # fmt: skip
    """Follow epsilon arcs level by level until no token waits or the buffers are full.

    Returns:
        the number of tokens, of arcs expanded, and whether all is done.
    """
    capacity = min(len(frontier.cost), len(table) // 2)
    address_mask = (np.uint32(1) << shift) - np.uint32(1)
    expanded = 0
    for code in range(1, len(frontier.head)):
        while frontier.head[code] >= 0:
            slot = frontier.head[code]
            at = int(frontier.target[slot] & address_mask)
            epsilons = np.int64(words[at + 3])
            if count + epsilons > capacity:
                return count, expanded, False
            frontier.head[code] = frontier.link[slot]
            frontier.link[slot] = _IN_NO_LIST
            cost = frontier.cost[slot]
            if cost > cutoff:
                continue
            a = at + 4 + 3 * int(words[at + 2])
            stop = a + 2 * epsilons
            expanded += epsilons
            while a < stop:
                new = cost + costs[a + 1]
                if new < cutoff:
                    count = _reach(
                        table, hash_shift, frontier, trace, base, count, shift, words[a], new, base + slot, a
                    )
                a += 2
    return count, expanded, True


@njit(cache=True, nogil=True)
def _grown(array: Any, size: int) -> Any:
    larger = np.empty(size, array.dtype)
    larger[: len(array)] = array
    return larger


@njit(cache=True, nogil=True)
def _wider(frontier: Any, capacity: int) -> Any:
    return Frontier(
        _grown(frontier.target, capacity),
        _grown(frontier.cost, capacity),
        _grown(frontier.link, capacity),
        frontier.head,
        frontier.tail,
    )


@njit(cache=True, nogil=True)
def _hash_shift(table: Any) -> Any:
    bits = 0
    while (1 << bits) < len(table):
        bits += 1
    return np.uint64(32 - bits)


@njit(cache=True, nogil=True)
def _rehashed(frontier: Any, count: int, base: int, shift: Any, size: int) -> Any:
    """Return a table of `size` entries that holds the tokens of the frontier."""
    table = np.zeros(size, np.uint64)
    hash_shift = _hash_shift(table)
    mask = np.uint64(size - 1)
    for slot in range(count):
        address = np.uint64(frontier.target[slot] & np.uint32((np.uint32(1) << shift) - np.uint32(1)))
        place = np.uint64(np.uint32(address * np.uint64(2654435769))) >> hash_shift
        while table[place] != np.uint64(0):
            place = (place + np.uint64(1)) & mask
        table[place] = (address << np.uint64(32)) | np.uint64(base + slot)
    return table


@njit(cache=True, nogil=True)
def _collect(trace: Any, first: int, count: int) -> int:
    """Drop the back-pointers that no token `first ... first + count - 1` needs; return the new place of the first."""
    place = np.zeros(first + count, np.int32)
    for i in range(first, first + count):
        place[i] = 1
    for i in range(first, first + count):
        j = trace.previous[i]
        while place[j] == 0 and j > 0:
            place[j] = 1
            j = trace.previous[j]
    live = 1
    for i in range(1, first + count):
        if place[i] == 1:
            place[i] = live
            live += 1
    for i in range(1, first + count):
        if place[i] > 0:
            trace.previous[place[i]] = place[trace.previous[i]]
            trace.arc[place[i]] = trace.arc[i]
    return live - count


@njit(cache=True, nogil=True)
def _room(trace: Any, size: int) -> Any:
    return Trace(_grown(trace.previous, size), _grown(trace.arc, size))


@njit(cache=True, nogil=True)
def begin_search(words: Any, costs: Any, start: Any, shift: Any, codes: int, beam: Any, capacity: int) -> Any:
    """Return the frontier of the start state and what epsilon arcs reach from it, its size, trace and table."""
    frontier = make_frontier(capacity, codes)
    trace = Trace(np.zeros(8 * capacity, np.int32), np.zeros(8 * capacity, np.uint32))
    table = np.zeros(2 * capacity, np.uint64)
    count = _reach(
        table, _hash_shift(table), frontier, trace, 1, 0, shift, np.uint32(start), np.float32(0.0), 0, NO_ARC
    )
    done = False
    expanded = 0
    while not done:
        count, more, done = _epsilon_step(
            words, costs, beam, table, _hash_shift(table), frontier, trace, 1, count, shift
        )
        expanded += more
        if not done:
            frontier = _wider(frontier, 2 * len(frontier.cost))
            trace = _room(trace, 2 * len(trace.arc))
            table = _rehashed(frontier, count, 1, shift, 2 * len(table))
    return frontier, count, trace, table, expanded


@njit(cache=True, nogil=True)
def advance_search(
    words: Any, costs: Any, shift: Any, scores: Any, scale: Any, beam: Any, max_active: int, min_active: int,
    beam_delta: Any, frontier: Any, spare: Any, base: int, count: int, trace: Any, table: Any, offset: float,
    tally: Any,
) -> Any:  # fmt: skip
    """Search through the frames of `scores`; stop early when no token is left.

    Returns:
        frontier, spare, base, count, trace, table, offset (what the costs of the frontier lack to their totals), and
        the number of frames that were searched.  `tally` counts tokens expanded or not, emitting arcs, epsilon arcs,
        frames that max_active cut, and the most tokens of a frame.
    """
    row = np.empty(scores.shape[1], np.float32)
    hash_shift = _hash_shift(table)
    for t in range(scores.shape[0]):
        best_slot = best_token(frontier.cost, count)
        best = frontier.cost[best_slot]
        cutoff, next_beam, limited = pruning_cutoff(
            frontier.cost, count, best, beam, max_active, min_active, beam_delta
        )
        for p in range(scores.shape[1]):
            row[p] = np.float32(-scale * scores[t, p]) - best
        if base + count + len(spare.cost) > len(trace.arc):
            base = _collect(trace, base, count)
            table[:] = np.uint64(0)
            if 2 * (base + count + len(spare.cost)) > len(trace.arc):
                trace = _room(trace, 2 * (base + count + len(spare.cost)))
        next_base = base + count
        # the best token's arcs alone, for an early cutoff
        next_cutoff = np.float32(np.inf)
        at = int(frontier.target[best_slot] & ((np.uint32(1) << shift) - np.uint32(1)))
        if words[at] > 0:
            next_cutoff = best + costs[at + 1] + row[words[at] - np.uint32(1)] + next_beam
        for k in range(np.int64(words[at + 2])):
            a = at + 4 + 3 * k
            next_cutoff = min(next_cutoff, best + costs[a + 2] + row[words[a]] + next_beam)
        new_count, i = 0, 0
        while i < count:
            i, new_count, next_cutoff, expanded = _emit(
                words, costs, row, frontier.target, frontier.cost, count, base, i, cutoff, next_cutoff, next_beam,
                table, hash_shift, spare.target, spare.cost, spare.link, spare.head, spare.tail, trace.previous,
                trace.arc, next_base, new_count, shift,
            )  # fmt: skip
            tally[1] += expanded
            if i < count:
                spare, trace, table, hash_shift = _double(spare, new_count, next_base, trace, table, shift)
        done = False
        while not done:
            new_count, expanded, done = _epsilon_step(
                words, costs, next_cutoff, table, hash_shift, spare, trace, next_base, new_count, shift
            )
            tally[2] += expanded
            if not done:
                spare, trace, table, hash_shift = _double(spare, new_count, next_base, trace, table, shift)
        if new_count == 0:
            return frontier, spare, base, count, trace, table, offset, t
        tally[0] += count
        tally[3] += limited
        tally[4] = max(tally[4], new_count)
        offset += best
        frontier, spare = spare, frontier
        base, count = next_base, new_count
    return frontier, spare, base, count, trace, table, offset, scores.shape[0]


@njit(cache=True, nogil=True)
def _double(frontier: Any, count: int, base: int, trace: Any, table: Any, shift: Any) -> Any:
    """Return the buffers of the frame in the making at twice their size."""
    capacity = 2 * len(frontier.cost)
    frontier = _wider(frontier, capacity)
    if base + capacity > len(trace.arc):
        trace = _room(trace, 2 * (base + capacity))
    if len(table) < 2 * capacity:
        table = _rehashed(frontier, count, base, shift, 2 * capacity)
    return frontier, trace, table, _hash_shift(table)


@njit(cache=True, nogil=True)
def trace_back(trace: Any, index: int) -> Any:
    """Return the addresses of the arcs of the path that ends in a token, first arc first."""
    length = 0
    i = index
    while trace.previous[i] > 0:
        length += 1
        i = trace.previous[i]
    path = np.empty(length, np.uint32)
    i = index
    while length > 0:
        length -= 1
        path[length] = trace.arc[i]
        i = trace.previous[i]
    return path


@njit(cache=True, nogil=True)
def arcs_of_path(kind: Any, rank: Any, state: Any, first: Any, stop: Any, ilabel: Any, nextstate: Any) -> Any:
    """Return the place in the const FST of each arc of a path.

    kind: 0 self-loop of the header, 1 emitting arc, 2 epsilon arc; rank: its place among its kind in the block.
    """
    found = np.empty(len(kind), np.int64)
    for i in range(len(kind)):
        seen = 0
        looped = False
        for a in range(first[i], stop[i]):
            if ilabel[a] == 0:
                this = 2
            elif nextstate[a] == state[i] and not looped:
                this = 0
                looped = True
            else:
                this = 1
            if this == kind[i]:
                if seen == rank[i]:
                    found[i] = a
                    break
                seen += 1
    return found
