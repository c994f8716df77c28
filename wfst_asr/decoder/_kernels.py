"""Kernels of the beam search; `decoder/beam.py` says what they do, `decoder/viterbi.py` is the definition.

A token is a state reached at a frame.  Tokens of a frame lie one after another in creation order; the place of a token
among all tokens ever made (minus those that were collected) is its trace index, under which its back-pointer is kept.
A hash table finds the token of a state: an entry is (address << 32 | trace index) and counts as empty if its trace
index lies before the frame that is being made, so that the table is never cleared between frames.

Where a graph is composed while the search goes on, `expansion` holds what of (`_lazy_kernels.py`), else it is None.
Where a lattice is asked for, `links` holds the arcs into tokens that are not their best ones (`_link_kernels.py`);
where one of them is None the kernels are compiled without what belongs to it, and cost what they cost before.
"""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.decoder._cycle_kernels import follow_cycles, queue_last
from wfst_asr.decoder._emitting_kernels import (
    choose,
    choose_level,
    enter,
    first_cutoff,
    gather,
    gather_epsilons,
    keep_others,
    settle,
    wider_candidates,
)
from wfst_asr.decoder._frontier_kernels import make_frontier
from wfst_asr.decoder._lazy_kernels import READY, link_frontier
from wfst_asr.decoder._link_kernels import (
    begin_frame,
    collect_unlinked,
    end_frame,
    prune_recent,
    room_for_step,
    tokens_worth,
)
from wfst_asr.decoder._pruning import best_token, pruning_cutoff
from wfst_asr.decoder._table_kernels import bits_for, fill_table
from wfst_asr.decoder._trace_kernels import room

NO_ARC = np.uint32(0xFFFFFFFF)
DONE, TOO_MANY_TOKENS, MORE_GRAPH = 0, 1, 2  # why a search stopped; MORE_GRAPH + what `link_frontier` returned
_LOW_HALF = np.int64(0xFFFFFFFF)
_MANY = 2  # times min_active are tokens enough that the next frame mostly has min_active within the beam
_NEAR = np.float32(0.75)  # tokens within this of the best are asked first for a cutoff
_LEAST_TABLE_BITS = 12
_ROUNDING = np.float32(1e-6)  # of costs, at most


def begin_search(
    words: Any, costs: Any, start: Any, shift: Any, beam: Any, frontier: Any, trace: Any, table: Any, candidates: Any,
    links: Any,
) -> Any:  # fmt: skip
    """Return the frontier of the start state and what epsilon arcs reach, its size, trace, table, candidates, links.

    The last is the number of arcs followed.  The buffers may have been another search's.  No kernel itself, since it
    calls the large one for each frame's tokens, which would be compiled into it a second time.
    """
    table[:] = 0
    frontier.head[:] = -1
    candidates.target[0] = start
    candidates.cost[0] = 0.0
    candidates.source[0] = 0
    candidates.arc[0] = NO_ARC
    trace.previous[0] = 0
    begun = begin_frame(links, len(trace.arc), 1) if links is not None else None
    frontier, count, _, trace, table, candidates, arcs, begun = _complete(
        words, costs, frontier, 1, beam, trace, table, candidates, 1, shift, begun
    )
    if links is not None:
        end_frame(begun, frontier.target, frontier.cost, 1, count)
    return frontier, count, trace, table, candidates, begun, arcs


@njit(cache=True, nogil=True)
def _emit(
    words: Any, costs: Any, loop_row: Any, frontier: Any, base: int, count: int, cutoff: Any, best: Any,
    next_beam: Any, min_active: int, candidates: Any, shift: Any, most_tokens: int,
) -> Any:  # fmt: skip
    """Gather the candidates of the next frame's tokens along emitting arcs.

    Returns:
        the candidates, their number (-1 for more than `most_tokens`), the cutoff, the number of arcs followed.
    """
    address_mask = (np.uint32(1) << shift) - np.uint32(1)
    if len(candidates.chosen) <= count:
        candidates = wider_candidates(candidates, 2 * count)
    chosen = choose(frontier.cost, count, cutoff, candidates.chosen)
    row = loop_row[1:]
    # with few tokens, the next frame may look for some beyond the beam: then only the best one's arcs
    near = best + _NEAR if chosen > _MANY * min_active else best
    next_cutoff = first_cutoff(
        words, costs, loop_row, row, frontier.target, frontier.cost, candidates, chosen, near, next_beam, address_mask
    )
    done: Any = np.int64(0)
    num: Any = np.int64(0)
    arcs: Any = np.int64(0)
    while True:
        done, num, next_cutoff, followed = gather(
            words, costs, loop_row, row, frontier.target, frontier.cost, base, candidates, done, chosen, num,
            next_cutoff, next_beam, address_mask,
        )  # fmt: skip
        arcs += followed
        if num > most_tokens:
            num = np.int64(-1)
            return candidates, num, next_cutoff, arcs
        if done == chosen:
            break
        candidates = wider_candidates(candidates, 2 * len(candidates.arc))
    if next_beam < _ROUNDING * abs(next_cutoff):  # else the beam might vanish beside the costs
        next_cutoff += np.float32(_ROUNDING * abs(next_cutoff))
    return candidates, num, next_cutoff, arcs


@njit(cache=True, nogil=True)
def _complete(
    words: Any, costs: Any, frontier: Any, num: int, cutoff: Any, trace: Any, table: Any, candidates: Any, base: int,
    shift: Any, links: Any,
) -> Any:  # fmt: skip
    """Make the tokens of a frame from `num` candidates and what epsilon arcs lead to from there.

    Returns:
        the frontier, number of tokens, slot of the best, trace, table, candidates, number of epsilon arcs, links.
    """
    bits = max(_LEAST_TABLE_BITS, bits_for(3 * num))
    if len(table) < 1 << bits:
        table = np.zeros(1 << bits, np.uint64)
    begin: Any = np.int64(0)
    none: Any = np.int64(0)
    made, waiting, losers = enter(candidates, begin, num, table, bits, base, none, none, none, shift, links)
    arcs: Any = np.int64(0)
    last = len(frontier.head) - 1
    level: Any = np.int64(1)
    above = waiting
    while above > 0 and level < last:
        chosen, above = choose_level(words, candidates, waiting, level, shift)
        begin = num
        done: Any = np.int64(0)
        while True:
            done, num, followed = gather_epsilons(words, costs, candidates, done, chosen, num, cutoff, base, shift)
            arcs += followed
            if done == chosen:
                break
            candidates = wider_candidates(candidates, 2 * len(candidates.arc))
        if made + num - begin > 1 << (bits - 1):
            bits = bits_for(4 * (made + num - begin))
            if len(table) < 1 << bits:
                table = np.empty(1 << bits, np.uint64)
            if len(frontier.target) < made:
                frontier = make_frontier(2 * made, len(frontier.head))
            for slot in range(made):
                frontier.target[slot] = candidates.target[candidates.best[slot] & _LOW_HALF]
            fill_table(table, bits, frontier.target, made, base, shift)
        before = waiting
        made, waiting, losers = enter(candidates, begin, num, table, bits, base, made, waiting, losers, shift, links)
        above += waiting - before
        level += 1
    if len(frontier.cost) < made:
        frontier = make_frontier(2 * made, len(frontier.head))
    if base + len(frontier.cost) > len(trace.arc):
        trace = room(trace, 2 * (base + len(frontier.cost)))
    links = room_for_step(links, len(trace.arc), losers)
    best = settle(candidates, made, frontier.target, frontier.cost, trace.previous, trace.arc, base)
    keep_others(candidates, losers, links, frontier.cost, base, made)
    if above > 0:  # of the highest code
        queue_last(candidates, waiting, frontier, shift)
        frontier, trace, table, made, followed, links = follow_cycles(
            words, costs, cutoff, frontier, trace, table, bits, base, made, shift, links
        )
        arcs += followed
        best = np.int64(best_token(frontier.cost, made))
    return frontier, made, best, trace, table, candidates, arcs, links


@njit(cache=True, nogil=True)
def advance_search(
    words: Any, costs: Any, shift: Any, scores: Any, scale: Any, beam: Any, max_active: int, min_active: int,
    beam_delta: Any, frontier: Any, spare: Any, candidates: Any, base: int, count: int, trace: Any, table: Any,
    offset: float, tally: Any, links: Any, most_tokens: int, statistics: Any, expansion: Any,
) -> Any:  # fmt: skip
    """Search through the frames of `scores`; stop early when no token is left, or more than `most_tokens` are kept, or
    the graph that is composed needs more room; a search that stopped for that goes on when it is called again.

    Returns:
        frontier, spare, candidates, base, count, trace, table, offset (what the costs of the frontier lack to their
        totals), the number of frames that were searched, the links, and why it stopped (DONE and so on).  `tally`
        counts tokens, emitting arcs, epsilon arcs, frames that max_active cut, and the most tokens of a frame;
        `statistics` (T, 5) holds for each frame its tokens, arcs, best total cost, beam, and whether max_active cut it,
        and for the frame at which no token was left.
    """
    row = np.empty(scores.shape[1] + 1, np.float32)
    row[0] = np.float32(np.inf)
    address_mask = (np.uint32(1) << shift) - np.uint32(1)
    best_slot: Any = np.int64(best_token(frontier.cost, count))
    for t in range(scores.shape[0]):
        best = frontier.cost[best_slot]
        cutoff, next_beam, limited = pruning_cutoff(
            frontier.cost, count, best, beam, max_active, min_active, beam_delta
        )
        if expansion is not None:
            room_left = link_frontier(expansion, frontier.target, frontier.cost, count, cutoff)
            if room_left != READY:
                why = MORE_GRAPH + room_left
                return frontier, spare, candidates, base, count, trace, table, offset, t, links, why
        kept = prune_recent(links, trace, costs, base, count)
        if base + count + len(spare.cost) > len(trace.arc):
            kept = collect_unlinked(links, trace, kept, count)
            if 2 * (kept + count + len(spare.cost)) > len(trace.arc):
                trace = room(trace, 2 * (kept + count + len(spare.cost)))
        if kept != base:
            base = kept
            table[:] = np.uint64(0)
        if base + count + tokens_worth(links) > most_tokens:
            return frontier, spare, candidates, base, count, trace, table, offset, t, links, TOO_MANY_TOKENS
        next_base = base + count
        links = begin_frame(links, len(trace.arc), next_base)
        # the next frame's costs are relative to the best token's best arc
        at = np.int64(frontier.target[best_slot] & address_mask)
        column = np.int64(words[at])
        lowest = np.float32(np.inf)
        if column > 0:
            lowest = np.float32(costs[at + 1] - scale * scores[t, column - 1])
        for k in range(np.int64(words[at + 2])):
            a = at + 4 + 3 * k
            lowest = min(lowest, np.float32(costs[a + 2] - scale * scores[t, np.int64(words[a])]))
        level: Any = np.float32(best + lowest) if abs(lowest) < np.inf else best
        for p in range(scores.shape[1]):
            row[p + 1] = np.float32(-scale * scores[t, p]) - level
        candidates, num, next_cutoff, emitting = _emit(
            words, costs, row, frontier, base, count, cutoff, best, next_beam, min_active, candidates, shift,
            most_tokens,
        )  # fmt: skip
        if num < 0:
            return frontier, spare, candidates, base, count, trace, table, offset, t, links, TOO_MANY_TOKENS
        spare, new_count, best_slot, trace, table, candidates, epsilons, links = _complete(
            words, costs, spare, num, next_cutoff, trace, table, candidates, next_base, shift, links
        )
        statistics[t, 0], statistics[t, 1], statistics[t, 2] = count, emitting + epsilons, offset + best
        statistics[t, 3], statistics[t, 4] = cutoff - best, limited
        if new_count == 0:
            return frontier, spare, candidates, base, count, trace, table, offset, t, links, DONE
        end_frame(links, spare.target, spare.cost, next_base, new_count)
        tally[0] += count
        tally[1] += emitting
        tally[2] += epsilons
        tally[3] += limited
        tally[4] = max(tally[4], new_count)
        offset += level
        frontier, spare = spare, frontier
        base, count = next_base, new_count
    return frontier, spare, candidates, base, count, trace, table, offset, scores.shape[0], links, DONE
