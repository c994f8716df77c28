"""Kernels of the beam search; `decoder/beam.py` says what they do, `decoder/viterbi.py` is the definition.

A token is a state reached at a frame.  Tokens of a frame lie one after another in creation order; the place of a token
among all tokens ever made (minus those that were collected) is its trace index, under which its back-pointer is kept.
A hash table finds the token of a state: an entry is (address << 32 | trace index) and counts as empty if its trace
index lies before the frame that is being made, so that the table is never cleared between frames.

Where a lattice is asked for, `links` holds the arcs into tokens that are not their best ones (`_link_kernels.py`);
where it is None the kernels are compiled without what belongs to it, and the best path costs what it cost before.
"""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.decoder._frontier_kernels import make_frontier, wider_frontier
from wfst_asr.decoder._link_kernels import (
    LINKS_FULL,
    NUM_LINKS,
    begin_frame,
    collect_unlinked,
    end_frame,
    links_full,
    prune_recent,
    room_for_tokens,
    wider_links,
)
from wfst_asr.decoder._prefetch import prefetch as _prefetch
from wfst_asr.decoder._pruning import best_token, pruning_cutoff
from wfst_asr.decoder._trace_kernels import Trace, room

prefetch: Any = _prefetch
NO_ARC = np.uint32(0xFFFFFFFF)
_LOW = np.uint64(0xFFFFFFFF)
_AHEAD = 6  # tokens between a prefetch and its use
_IN_NO_LIST = -2
_LEAST_TABLE_BITS = 12
_CYCLE_GAIN = np.float32(1e-4)  # least gain that expands a state on an epsilon cycle again


@njit(cache=True, nogil=True)
def _expand(
    words: Any, costs: Any, row: Any, emitting_step: bool, old_target: Any, old_cost: Any, old_count: int,
    old_base: int, i: int, cutoff: Any, next_cutoff: Any, beam: Any, table: Any, table_bits: int, target: Any,
    cost: Any, link: Any, head: Any, tail: Any, previous: Any, arc: Any, base: int, count: int, shift: Any,
    links: Any,
) -> tuple[int, int, Any, int]:  # fmt: skip
    """Follow the emitting arcs of tokens `i...` of the old frame, or the epsilon arcs of the new frame's waiting lists.

    Stops when all is done or when the buffers may not hold what the next token leads to.  Both steps are one function,
    since a call for each arc would cost more than its work (numba counts references to the arrays passed).

    Returns:
        the first token of the old frame not expanded (`old_count` when all is done, also in the epsilon step), the
        number of new tokens, the next frame's cutoff, the number of arcs followed.
    """
    capacity = min(len(cost), 1 << (table_bits - 1))
    if links is not None:
        other, numbers, lattice_beam = links.other, links.numbers, links.beam[0]
        records, record_costs = links.records, links.records.view(np.float32)
        num_links, link_capacity = numbers[NUM_LINKS], len(records)
    address_mask = (np.uint32(1) << shift) - np.uint32(1)
    hash_mask = np.uint64((1 << table_bits) - 1)
    hash_shift = np.uint64(32 - table_bits)
    last = np.uint32(len(head) - 1)
    first = np.uint64(base)
    code_now = 1
    expanded: Any = 0
    while True:
        # the next token, its first arc and where its arcs end
        if emitting_step:
            if i == old_count:
                break
            prefetch(words, old_target[min(i + _AHEAD, old_count - 1)] & address_mask)
            token_cost = old_cost[i]
            if token_cost > cutoff:
                i += 1
                continue
            to = old_target[i]
            a = np.int64(to & address_mask)
            arcs = np.int64(words[a + 2])
            if count + arcs + 1 > capacity:
                break
            if links is not None:  # noqa: SIM102  (left out of the kernel only where it stands alone)
                if num_links + arcs + 1 > link_capacity:
                    numbers[LINKS_FULL] = 1
                    break
            came_from = np.int32(old_base + i)
            i += 1
            stop = a + 4 + 3 * arcs
            this = a
            if words[a] > 0:
                arcs += 1
                new = token_cost + costs[a + 1] + row[words[a] - np.uint32(1)]
                a += 4
            else:
                if arcs == 0:
                    continue
                this = a + 4
                to = words[this + 1]
                new = token_cost + costs[this + 2] + row[words[this]]
                a += 7
        else:
            while code_now <= last and head[code_now] < 0:
                code_now += 1
            if code_now > last:
                i = old_count
                break
            slot = head[code_now]
            a = np.int64(target[slot] & address_mask)
            arcs = np.int64(words[a + 3])
            if count + arcs > capacity:
                break
            if links is not None:  # noqa: SIM102
                if num_links + arcs > link_capacity:
                    numbers[LINKS_FULL] = 1
                    break
            head[code_now] = link[slot]
            link[slot] = _IN_NO_LIST
            token_cost = cost[slot]
            if token_cost > cutoff:
                continue
            came_from = np.int32(base + slot)
            this = a + 4 + 3 * np.int64(words[a + 2])
            a = this + 2
            stop = this + 2 * arcs
            to = words[this]
            new = token_cost + costs[this + 1]
        expanded += arcs
        while True:
            if new < next_cutoff:
                if emitting_step:
                    next_cutoff = min(next_cutoff, new + beam)
                # find the token of state `to`, make or improve it
                address = np.uint64(to & address_mask)
                place = np.uint64(np.uint32(address * np.uint64(2654435769))) >> hash_shift
                while True:
                    entry = table[place]
                    index = entry & _LOW
                    waits = False
                    if index < first:
                        table[place] = (address << np.uint64(32)) | np.uint64(base + count)
                        target[count] = to
                        cost[count] = new
                        previous[base + count] = came_from
                        arc[base + count] = this
                        if links is not None:
                            other[base + count] = -1
                        waits = to >> shift > 0
                        slot = count
                        count += 1
                    elif entry >> np.uint64(32) == address:
                        slot = np.int64(index - first)
                        old = cost[slot]
                        better = new < old
                        if better and to >> shift == last and link[slot] == _IN_NO_LIST:
                            # on an epsilon cycle and expanded already: waits again if the gain is above rounding
                            waits = better = new < old - _CYCLE_GAIN
                        if links is not None:
                            # the worse of the two ways into the token becomes a link, if it may be in the lattice
                            worse = old if better else new
                            if abs(new - old) <= lattice_beam:
                                records[num_links, 0] = previous[index] if better else came_from
                                records[num_links, 1] = np.int32(arc[index] if better else np.uint32(this))
                                record_costs[num_links, 2] = worse
                                records[num_links, 3] = other[index]
                                other[index] = num_links
                                num_links += 1
                        if better:
                            cost[slot] = new
                            previous[index] = came_from
                            arc[index] = this
                    else:
                        place = (place + np.uint64(1)) & hash_mask
                        continue
                    if waits:
                        code = to >> shift
                        if code < last:
                            link[slot] = head[code]
                            head[code] = slot
                        else:  # the list of the highest code is a queue
                            link[slot] = -1
                            if head[code] < 0:
                                head[code] = slot
                            else:
                                link[tail[0]] = slot
                            tail[0] = slot
                    break
            if a >= stop:
                break
            this = a
            if emitting_step:
                to = words[a + 1]
                new = token_cost + costs[a + 2] + row[words[a]]
                a += 3
            else:
                to = words[a]
                new = token_cost + costs[a + 1]
                a += 2
    if links is not None:
        numbers[NUM_LINKS] = num_links
    return i, count, next_cutoff, expanded


@njit(cache=True, nogil=True)
def _fill_table(table: Any, bits: int, target: Any, count: int, base: int, shift: Any) -> None:
    """Clear the first 2^bits entries and enter the tokens of a frame."""
    table[: 1 << bits] = np.uint64(0)
    mask = np.uint64((1 << bits) - 1)
    for slot in range(count):
        address = np.uint64(target[slot] & np.uint32((np.uint32(1) << shift) - np.uint32(1)))
        place = np.uint64(np.uint32(address * np.uint64(2654435769))) >> np.uint64(32 - bits)
        while table[place] != np.uint64(0):
            place = (place + np.uint64(1)) & mask
        table[place] = (address << np.uint64(32)) | np.uint64(base + slot)


@njit(cache=True, nogil=True)
def begin_search(
    words: Any, costs: Any, start: Any, shift: Any, codes: int, beam: Any, capacity: int, trace_size: int, links: Any
) -> Any:  # fmt: skip
    """Return the frontier of the start state and what epsilon arcs reach, its size, trace, table, arcs, links."""
    frontier = make_frontier(capacity, codes)
    trace = Trace(np.empty(trace_size, np.int32), np.empty(trace_size, np.uint32))
    table = np.zeros(2 * capacity, np.uint64)
    frontier.target[0] = start
    frontier.cost[0] = np.float32(0.0)
    trace.previous[0] = trace.previous[1] = 0
    trace.arc[1] = NO_ARC
    if start >> shift > 0:
        frontier.head[start >> shift] = 0
        frontier.tail[0] = 0
        frontier.link[0] = -1
    bits = _bits(len(table))
    # numbers with a type, since numba compiles a function anew for each literal that it is called with
    base: Any = np.int64(1)
    count = base
    _fill_table(table, bits, frontier.target, count, base, shift)
    begun = begin_frame(links, len(trace.arc), base)
    frontier, trace, table, count, arcs, closed = _close(
        words, costs, beam, frontier, trace, table, bits, base, count, shift, begun
    )
    end_frame(closed, frontier.target, frontier.cost, base, count)
    return frontier, count, trace, table, arcs, closed


@njit(cache=True, nogil=True)
def _bits(size: int) -> int:
    """Return the least number of bits that count to `size`."""
    bits = 1
    while (1 << bits) < size:
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def _close(
    words: Any, costs: Any, cutoff: Any, frontier: Any, trace: Any, table: Any, bits: int, base: int, count: int,
    shift: Any, links: Any,
) -> Any:  # fmt: skip
    """Do the epsilon step of a frame, growing the buffers where they are full."""
    no_row = np.empty(0, np.float32)
    zero: Any = np.int64(0)
    one: Any = np.int64(1)
    arcs, done = zero, zero
    while True:
        done, count, _, followed = _expand(
            words, costs, no_row, False, frontier.target, frontier.cost, one, zero, zero, cutoff, cutoff, cutoff,
            table, bits, frontier.target, frontier.cost, frontier.link, frontier.head, frontier.tail, trace.previous,
            trace.arc, base, count, shift, links,
        )  # fmt: skip
        arcs += followed
        if done == 1:
            return frontier, trace, table, count, arcs, links
        frontier, trace, table, bits, links = _double(frontier, count, base, trace, table, bits, shift, links)


@njit(cache=True, nogil=True)
def _double(frontier: Any, count: int, base: int, trace: Any, table: Any, bits: int, shift: Any, links: Any) -> Any:
    """Return the buffers of the frame in the making at twice the size that was too small."""
    if links_full(links):
        return frontier, trace, table, bits, wider_links(links)
    if len(frontier.cost) <= 1 << (bits - 1):
        frontier = wider_frontier(frontier, 2 * len(frontier.cost))
    capacity = len(frontier.cost)
    if base + capacity > len(trace.arc):
        trace = room(trace, 2 * (base + capacity))
    bits += 1
    if len(table) < 1 << bits:
        table = np.empty(1 << bits, np.uint64)
    _fill_table(table, bits, frontier.target, count, base, shift)
    return frontier, trace, table, bits, room_for_tokens(links, len(trace.arc))


@njit(cache=True, nogil=True)
def advance_search(
    words: Any, costs: Any, shift: Any, scores: Any, scale: Any, beam: Any, max_active: int, min_active: int,
    beam_delta: Any, frontier: Any, spare: Any, base: int, count: int, trace: Any, table: Any, offset: float,
    tally: Any, links: Any,
) -> Any:  # fmt: skip
    """Search through the frames of `scores`; stop early when no token is left.

    Returns:
        frontier, spare, base, count, trace, table, offset (what the costs of the frontier lack to their totals), the
        number of frames that were searched, and the links.  `tally` counts tokens, emitting arcs, epsilon arcs, frames
        that max_active cut, and the most tokens of a frame.
    """
    row = np.empty(scores.shape[1], np.float32)
    address_mask = (np.uint32(1) << shift) - np.uint32(1)
    for t in range(scores.shape[0]):
        best_slot = best_token(frontier.cost, count)
        best = frontier.cost[best_slot]
        cutoff, next_beam, limited = pruning_cutoff(
            frontier.cost, count, best, beam, max_active, min_active, beam_delta
        )
        for p in range(scores.shape[1]):
            row[p] = np.float32(-scale * scores[t, p]) - best
        kept = prune_recent(links, trace, costs, base, count)
        if base + count + len(spare.cost) > len(trace.arc):
            kept = collect_unlinked(links, trace, kept, count)
            if 2 * (kept + count + len(spare.cost)) > len(trace.arc):
                trace = room(trace, 2 * (kept + count + len(spare.cost)))
        if kept != base:
            base = kept
            table[:] = np.uint64(0)
        next_base = base + count
        links = begin_frame(links, len(trace.arc), next_base)
        # the table is as wide as the frame is likely to need, so that it stays in the cache
        bits = min(_bits(len(table)), max(_LEAST_TABLE_BITS, _bits(4 * count)))
        # the best token's arcs alone, for an early cutoff
        next_cutoff = np.float32(np.inf)
        at = np.int64(frontier.target[best_slot] & address_mask)
        if words[at] > 0:
            next_cutoff = best + costs[at + 1] + row[words[at] - np.uint32(1)] + next_beam
        for k in range(np.int64(words[at + 2])):
            a = at + 4 + 3 * k
            next_cutoff = min(next_cutoff, best + costs[a + 2] + row[words[a]] + next_beam)
        new_count: Any = np.int64(0)
        i: Any = np.int64(0)
        while i < count:
            i, new_count, next_cutoff, followed = _expand(
                words, costs, row, True, frontier.target, frontier.cost, count, base, i, cutoff, next_cutoff,
                next_beam, table, bits, spare.target, spare.cost, spare.link, spare.head, spare.tail, trace.previous,
                trace.arc, next_base, new_count, shift, links,
            )  # fmt: skip
            tally[1] += followed
            if i < count:
                spare, trace, table, bits, links = _double(
                    spare, new_count, next_base, trace, table, bits, shift, links
                )
        spare, trace, table, new_count, followed, links = _close(
            words, costs, next_cutoff, spare, trace, table, bits, next_base, new_count, shift, links
        )
        tally[2] += followed
        if new_count == 0:
            return frontier, spare, base, count, trace, table, offset, t, links
        end_frame(links, spare.target, spare.cost, next_base, new_count)
        tally[0] += count
        tally[3] += limited
        tally[4] = max(tally[4], new_count)
        offset += best
        frontier, spare = spare, frontier
        base, count = next_base, new_count
    return frontier, spare, base, count, trace, table, offset, scores.shape[0], links
