"""Kernels of the passes that make the tokens of a frame out of those of the frame before.

The work is cut into passes over short arrays, each with as few branches as can be: which arcs stay within the beam,
and which of them lead to states that are met for the first time, is as good as random to the processor, and a branch
that is guessed wrongly costs more than the work on an arc.  Arrays are taken out of their tuples before a loop, since
each time that it happens numba counts the array as in use once more, which costs as much as ten arcs.
    choose           the tokens within the beam
    first_cutoff     from the arcs of the best of them
    gather           candidates: their emitting arcs within the cutoff, which falls as better ones are met
    enter            candidates into tokens: for each state the best one, kept as (cost, candidate) in one number
    choose_level     the tokens with epsilon arcs of a level, whose costs are final when all lower levels are done
    gather_epsilons  candidates: their epsilon arcs, which are entered in the same way
    settle           states, costs and back-pointers of the tokens
    keep_others      for lattices: the candidates that are not the best of their state but within the lattice beam
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from wfst_asr.decoder._link_kernels import NUM_LINKS
from wfst_asr.decoder._prefetch import prefetch as _prefetch
from wfst_asr.decoder._trace_kernels import grown

prefetch: Any = _prefetch
# whole numbers without sign, since numba adds a check for a negative one to each access by a number with a sign
_AHEAD = np.uint64(8)  # tokens between a prefetch and its use
_ONE, _TWO, _THREE, _FOUR = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
_ENTRIES_AHEAD = 12  # candidates between a prefetch of a table entry and its use
_NONE = np.int64(0x7FFFFFFFFFFFFFFF)
_LOW = np.int64(0xFFFFFFFF)
_HALF = np.int64(32)
_MAGNITUDE = np.int64(0x7FFFFFFF)


class Candidates(NamedTuple):
    """Arcs that may be the best into the tokens of a frame in the making, C of them at most.

    Attributes:
        target: (C + 1,) uint32 address and epsilon code of the state that an arc leads to.
        cost: (C + 1,) float32 of the path.
        source: (C + 1,) int32 trace index of the token that it comes from.
        arc: (C + 1,) uint32 address of the arc.
        slot: (C + 1,) int32 token that it leads to.
        best: (C + 1,) int64 best candidate of each token: sortable bits of its cost << 32 | candidate.
        loser: (C + 1,) int32 candidates that are not the best of their token, for lattices.
        chosen: (C + 1,) int32 tokens that are expanded.
        waiting: (C + 1,) int32 tokens with epsilon arcs.
    """

    target: Any
    cost: Any
    source: Any
    arc: Any
    slot: Any
    best: Any
    loser: Any
    chosen: Any
    waiting: Any


@njit(cache=True, nogil=True)
def make_candidates(capacity: int) -> Any:
    return Candidates(
        np.empty(capacity + 1, np.uint32),
        np.empty(capacity + 1, np.float32),
        np.empty(capacity + 1, np.int32),
        np.empty(capacity + 1, np.uint32),
        np.empty(capacity + 1, np.int32),
        np.empty(capacity + 1, np.int64),
        np.empty(capacity + 1, np.int32),
        np.empty(capacity + 1, np.int32),
        np.empty(capacity + 1, np.int32),
    )


@njit(cache=True, nogil=True)
def wider_candidates(candidates: Any, capacity: int) -> Any:
    """Return room for `capacity` candidates, with those that are there."""
    return Candidates(
        grown(candidates.target, capacity + 1),
        grown(candidates.cost, capacity + 1),
        grown(candidates.source, capacity + 1),
        grown(candidates.arc, capacity + 1),
        grown(candidates.slot, capacity + 1),
        grown(candidates.best, capacity + 1),
        grown(candidates.loser, capacity + 1),
        grown(candidates.chosen, capacity + 1),
        grown(candidates.waiting, capacity + 1),
    )


@njit(cache=True, nogil=True)
def choose(cost: Any, count: int, cutoff: Any, chosen: Any) -> Any:
    """List the tokens that cost at most `cutoff`."""
    k: Any = np.uint64(0)
    for i in range(count):
        chosen[k] = i
        k += np.uint64(cost[i] <= cutoff)
    return np.int64(k)


@njit(cache=True, nogil=True)
def gather(
    words: Any, costs: Any, loop_row: Any, row: Any, target: Any, cost: Any, base: int, candidates: Any, i: int,
    num_chosen: int, num: int, cutoff: Any, beam: Any, address_mask: Any,
) -> Any:  # fmt: skip
    """Follow the emitting arcs of the chosen tokens from the `i`-th on; candidates are appended from `num` on.

    Stops before a token whose arcs there may be no room for.

    `loop_row` holds the costs of the columns in this frame from 1 on, and infinity at 0, which a state without a
    self-loop has in place of a column; `row` is the same from 1 on.  Candidates that cost `cutoff` or more are left
    out, and it falls to the best candidate's cost + `beam`.

    Returns:
        number of chosen tokens done, of candidates, the cutoff, the number of arcs followed.
    """
    chosen = candidates.chosen
    to, new_cost, source, arc = candidates.target, candidates.cost, candidates.source, candidates.arc
    capacity = np.uint64(len(arc) - 1)
    n = np.uint64(num)
    followed = np.uint64(0)
    at = np.uint64(i)
    stop_at = np.uint64(num_chosen)
    while at < stop_at:
        ahead = np.uint64(chosen[min(at + _AHEAD, stop_at - _ONE)])
        prefetch(words, target[ahead] & address_mask)
        slot = np.uint64(chosen[at])
        state = target[slot]
        a = np.uint64(state & address_mask)
        arcs = np.uint64(words[a + _TWO])
        if n + arcs + _ONE > capacity:
            break
        at += _ONE
        before = cost[slot]
        came_from = np.int32(np.uint64(base) + slot)
        column = np.uint64(words[a])
        followed += arcs + np.uint64(column > 0)
        new = before + costs[a + _ONE] + loop_row[column]
        to[n] = state
        new_cost[n] = new
        source[n] = came_from
        arc[n] = np.uint32(a)
        n += np.uint64(new < cutoff)
        cutoff = min(cutoff, new + beam)
        a += _FOUR
        stop = a + _THREE * arcs
        while a < stop:
            new = before + costs[a + _TWO] + row[np.uint64(words[a])]
            to[n] = words[a + _ONE]
            new_cost[n] = new
            source[n] = came_from
            arc[n] = np.uint32(a)
            n += np.uint64(new < cutoff)
            cutoff = min(cutoff, new + beam)
            a += _THREE
    return np.int64(at), np.int64(n), cutoff, np.int64(followed)


@njit(cache=True, nogil=True)
def enter(
    candidates: Any, begin: int, end: int, table: Any, bits: int, base: int, made: int, num_waiting: int,
    num_losers: int, shift: Any, links: Any,
) -> Any:  # fmt: skip
    """Make tokens of the candidates from `begin` up to `end`.

    The table (see `_kernels.py`) must have room for all of them.  What follows from the entry found is computed with
    masks, not branches: `live` is 1 if the entry is of this frame, and its token is new if it is not.

    Returns:
        the number of tokens, of those with epsilon arcs, and (with links) of candidates that are not the best.
    """
    target, cost, slots, best = candidates.target, candidates.cost, candidates.slot, candidates.best
    waiting, loser = candidates.waiting, candidates.loser
    bits_of_cost = cost.view(np.int32)
    address_mask = (np.uint32(1) << shift) - np.uint32(1)
    hash_shift = np.uint64(32 - bits)
    hash_mask = np.uint64((1 << bits) - 1)
    first = np.int64(base)
    count, waits, losers = np.int64(made), np.uint64(num_waiting), np.uint64(num_losers)
    last: Any = np.int64(end - 1)
    for j in range(begin, end):
        ahead = np.uint64(target[np.uint64(min(j + _ENTRIES_AHEAD, last))] & address_mask)
        prefetch(table, np.uint64(np.uint32(ahead * np.uint64(2654435769))) >> hash_shift)
        to = target[j]
        address = np.int64(to & address_mask)
        place = np.uint64(np.uint32(np.uint64(address) * np.uint64(2654435769))) >> hash_shift
        best[np.uint64(count)] = _NONE
        while True:
            entry = np.int64(table[place])
            index = entry & _LOW
            live = np.int64(np.uint64(first - np.int64(1) - index) >> np.uint64(63))
            of_another = (((entry >> _HALF) ^ address) + _LOW) >> _HALF
            if (of_another & live) == 0:
                break
            place = (place + np.uint64(1)) & hash_mask
        slot = np.uint64((count & ~-live) | ((index - first) & -live))
        table[place] = np.uint64(address << _HALF) | (np.uint64(first) + slot)
        key = np.int64(bits_of_cost[j])
        key = ((key ^ ((key >> np.int64(31)) & _MAGNITUDE)) << _HALF) | np.int64(j)
        before = best[slot]
        lower = min(before, key)
        best[slot] = lower
        is_new = np.int64(1) - live
        waiting[waits] = np.int32(slot)
        waits += np.uint64(is_new & np.int64(to > address_mask))
        count += is_new
        if links is not None:
            slots[j] = np.int32(slot)
            loser[losers] = np.int32((before ^ key ^ lower) & _LOW)
            losers += np.uint64(live)
    return np.int64(count), np.int64(waits), np.int64(losers)


@njit(cache=True, nogil=True)
def choose_level(words: Any, candidates: Any, num_waiting: int, level: int, shift: Any) -> Any:
    """List the waiting tokens of an epsilon level; return how many they are, and how many there are above."""
    address_mask = (np.uint32(1) << shift) - np.uint32(1)
    target, best, waiting, chosen = candidates.target, candidates.best, candidates.waiting, candidates.chosen
    k = np.uint64(0)
    above = np.int64(0)
    for w in range(num_waiting):
        slot = np.uint64(waiting[w])
        to = target[np.uint64(best[slot] & _LOW)]
        if level == 1:
            prefetch(words, to & address_mask)
        code = np.int64(to >> shift)
        chosen[k] = np.int32(slot)
        k += np.uint64(code == level)
        above += np.int64(code > level)
    return np.int64(k), above


@njit(cache=True, nogil=True)
def gather_epsilons(
    words: Any, costs: Any, candidates: Any, i: int, num_chosen: int, num: int, cutoff: Any, base: int, shift: Any
) -> Any:  # fmt: skip
    """Follow the epsilon arcs of the chosen tokens of the frame in the making, as `gather` does the emitting ones.

    Returns:
        number of chosen tokens done, of candidates, and of arcs followed.
    """
    address_mask = (np.uint32(1) << shift) - np.uint32(1)
    chosen, best = candidates.chosen, candidates.best
    to, new_cost, source, arc = candidates.target, candidates.cost, candidates.source, candidates.arc
    capacity = np.uint64(len(arc) - 1)
    n = np.uint64(num)
    followed = np.uint64(0)
    at = np.uint64(i)
    while at < np.uint64(num_chosen):
        slot = np.uint64(chosen[at])
        j = np.uint64(best[slot] & _LOW)
        block = np.uint64(to[j] & address_mask)
        arcs = np.uint64(words[block + _THREE])
        if n + arcs > capacity:
            break
        at += _ONE
        before = new_cost[j]
        if before > cutoff:
            continue
        came_from = np.int32(np.uint64(base) + slot)
        followed += arcs
        a = block + _FOUR + _THREE * np.uint64(words[block + _TWO])
        stop = a + _TWO * arcs
        while a < stop:
            new = before + costs[a + _ONE]
            to[n] = words[a]
            new_cost[n] = new
            source[n] = came_from
            arc[n] = np.uint32(a)
            n += np.uint64(new < cutoff)
            a += _TWO
    return np.int64(at), np.int64(n), np.int64(followed)


@njit(cache=True, nogil=True)
def settle(candidates: Any, count: int, target: Any, cost: Any, previous: Any, arc: Any, base: int) -> Any:
    """Write the tokens of a frame from their best candidates; return the slot of the best token."""
    best = candidates.best
    to, new_cost, source, from_arc = candidates.target, candidates.cost, candidates.source, candidates.arc
    lowest, at = _NONE, np.int64(0)
    for slot in range(count):
        key = best[slot]
        if key < lowest:
            lowest = key
            at = np.int64(slot)
        j = np.uint64(key & _LOW)
        target[slot] = to[j]
        cost[slot] = new_cost[j]
        previous[base + slot] = source[j]
        arc[base + slot] = from_arc[j]
    return at


@njit(cache=True, nogil=True)
def first_cutoff(
    words: Any, costs: Any, loop_row: Any, row: Any, target: Any, cost: Any, candidates: Any, num_chosen: int,
    high: Any, beam: Any, address_mask: Any,
) -> Any:  # fmt: skip
    """Return a cutoff for the next frame from the emitting arcs of those chosen tokens that cost at most `high`.

    The best token of the next frame mostly comes from one of them, so that few candidates are gathered in vain.
    """
    chosen = candidates.chosen
    lowest = np.float32(np.inf)
    for i in range(num_chosen):
        slot = np.uint64(chosen[i])
        before = cost[slot]
        if before > high:
            continue
        a = np.uint64(target[slot] & address_mask)
        arcs = np.uint64(words[a + _TWO])
        lowest = min(lowest, before + costs[a + _ONE] + loop_row[np.uint64(words[a])])
        a += _FOUR
        stop = a + _THREE * arcs
        while a < stop:
            lowest = min(lowest, before + costs[a + _TWO] + row[np.uint64(words[a])])
            a += _THREE
    cutoff = lowest + beam
    if cutoff <= lowest < np.inf:  # a beam that vanishes beside the cost
        cutoff = np.float32(lowest + np.float32(1e-6) * abs(lowest))
    return cutoff


@njit(cache=True, nogil=True)
def keep_others(candidates: Any, num_losers: int, links: Any, cost: Any, base: int, count: int) -> None:
    """Make links of the candidates that are not the best into their tokens but within the lattice beam of them.

    There must be room for `num_losers` links and one.
    """
    if links is not None:
        slots, loser, new_cost, beam = candidates.slot, candidates.loser, candidates.cost, links.beam[0]
        source, arc, bits_of_cost = candidates.source, candidates.arc, new_cost.view(np.int32)
        records, other = links.records, links.other
        for slot in range(count):
            other[base + slot] = -1
        made = np.int64(links.numbers[NUM_LINKS])
        for k in range(num_losers):
            j = np.uint64(loser[k])
            owner = np.uint64(slots[j])
            into = np.uint64(base) + owner
            at = np.uint64(made)
            chain = other[into]
            records[at, 0] = source[j]
            records[at, 1] = np.int32(arc[j])
            records[at, 2] = bits_of_cost[j]
            records[at, 3] = chain
            is_link = np.int64(new_cost[j] <= cost[owner] + beam)
            other[into] = np.int32(np.int64(chain) + is_link * (made - np.int64(chain)))
            made += is_link
        links.numbers[NUM_LINKS] = made
