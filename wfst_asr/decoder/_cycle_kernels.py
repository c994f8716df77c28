"""Kernels of the epsilon arcs between states that no level is known of: those on epsilon cycles and behind them.

A state is expanded again when a cheaper way to it is found, which on a cycle may happen after it was expanded.
"""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.decoder._frontier_kernels import wider_frontier
from wfst_asr.decoder._link_kernels import LINKS_FULL, NUM_LINKS, links_full, room_for_tokens, wider_links
from wfst_asr.decoder._prefetch import prefetch as _prefetch
from wfst_asr.decoder._table_kernels import fill_table
from wfst_asr.decoder._trace_kernels import room

prefetch: Any = _prefetch
_LOW = np.uint64(0xFFFFFFFF)
_IN_NO_LIST = -2
# least gain that expands a state on an epsilon cycle again, and least gain by the cost that it is of
_CYCLE_GAIN, _ROUNDING = np.float32(1e-4), np.float32(1e-6)


@njit(cache=True, nogil=True)
def queue_last(candidates: Any, num_waiting: int, frontier: Any, shift: Any) -> None:
    """Put the tokens of the highest epsilon code, which no level is known of, into their queue."""
    last = np.uint32(len(frontier.head) - 1)
    target, link, waiting = frontier.target, frontier.link, candidates.waiting
    head = -1
    for k in range(num_waiting - 1, -1, -1):
        slot = waiting[k]
        if target[slot] >> shift == last:
            if head < 0:
                frontier.tail[0] = slot
            link[slot] = head
            head = slot
    frontier.head[last] = head


@njit(cache=True, nogil=True)
def follow_cycles(
    words: Any, costs: Any, cutoff: Any, frontier: Any, trace: Any, table: Any, bits: int, base: int, count: int,
    shift: Any, links: Any,
) -> Any:  # fmt: skip
    """Do the epsilon step of a frame, growing the buffers where they are full."""
    arcs: Any = np.int64(0)
    while True:
        done, count, followed = _follow_epsilons(
            words, costs, cutoff, table, bits, frontier.target, frontier.cost, frontier.link, frontier.head,
            frontier.tail, trace.previous, trace.arc, base, count, shift, links,
        )  # fmt: skip
        arcs += followed
        if done:
            return frontier, trace, table, count, arcs, links
        frontier, trace, table, bits, links = _doubled(frontier, count, base, trace, table, bits, shift, links)


@njit(cache=True, nogil=True)
def _doubled(frontier: Any, count: int, base: int, trace: Any, table: Any, bits: int, shift: Any, links: Any) -> Any:
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
    fill_table(table, bits, frontier.target, count, base, shift)
    return frontier, trace, table, bits, room_for_tokens(links, len(trace.arc))


@njit(cache=True, nogil=True)
def _follow_epsilons(
    words: Any, costs: Any, cutoff: Any, table: Any, table_bits: int, target: Any, cost: Any, link: Any, head: Any,
    tail: Any, previous: Any, arc: Any, base: int, count: int, shift: Any, links: Any,
) -> tuple[bool, int, int]:  # fmt: skip
    """Follow the epsilon arcs of the tokens in the waiting lists, level by level.

    Returns:
        whether all is done (if not, the buffers may not hold what the next token leads to), the number of tokens, and
        of arcs followed.
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
    done = False
    while True:
        while code_now <= last and head[code_now] < 0:
            code_now += 1
        if code_now > last:
            done = True
            break
        slot = head[code_now]
        block = np.int64(target[slot] & address_mask)
        arcs = np.int64(words[block + 3])
        if count + arcs > capacity:
            break
        if links is not None:  # noqa: SIM102  (left out of the kernel only where it stands alone)
            if num_links + arcs > link_capacity:
                numbers[LINKS_FULL] = 1
                break
        head[code_now] = link[slot]
        link[slot] = _IN_NO_LIST
        token_cost = cost[slot]
        if token_cost > cutoff:
            continue
        came_from = np.int32(base + slot)
        begin = block + 4 + 3 * np.int64(words[block + 2])
        expanded += arcs
        for this in range(begin, begin + 2 * arcs, 2):
            new = token_cost + costs[this + 1]
            if not new < cutoff:
                continue
            to = words[this]
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
                        waits = better = new < old - max(_CYCLE_GAIN, _ROUNDING * abs(old))
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
                    prefetch(words, to & address_mask)
                    code = to >> shift
                    if code < last:
                        link[slot] = head[code]
                        head[code] = slot
                    else:
                        link[slot] = -1
                        if head[code] < 0:
                            head[code] = slot
                        else:
                            link[tail[0]] = slot
                        tail[0] = slot
                break
    if links is not None:
        numbers[NUM_LINKS] = num_links
    return done, count, expanded
