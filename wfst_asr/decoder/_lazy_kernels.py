"""Kernels that compose HCL with G while the search goes on; `graph/on_the_fly_definition.py` is the definition.

A composed state is numbered when an arc to it is made, laid when the search may reach it (its block is written, and
what its epsilon arcs lead to is laid too), and linked when it is expanded: then what its emitting arcs lead to is laid.
Arrays are handed on one by one, since numba counts references each time that one is taken out of a tuple;
`link_frontier` takes them as borrowed, which numba does not count at all.
"""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.decoder._borrowed import borrowed as _borrowed
from wfst_asr.decoder._composed_kernels import (
    DEGREE,
    E_COST,
    E_NEXT,
    E_RANK,
    E_TOTAL,
    E_WORD,
    FINAL,
    FIRST_ARC,
    G_BACKOFF,
    G_BACKOFF_COST,
    G_BACKOFFS,
    G_FINAL,
    G_FIRST,
    GIVEN,
    H_FINAL,
    H_FIRST,
    H_LEVEL,
    H_SET,
    LAST_CODE,
    LEVELS,
    MARGIN,
    MARKER,
    NOT_LAID,
    NUM_ARCS,
    NUM_BLOCKS,
    NUM_STATES,
    NUM_WORDS,
    POTENTIAL,
    SHIFT,
    STATE_OF_G,
    STATE_OF_HCL,
    TARGET,
    number_of,
)

borrowed: Any = _borrowed
READY, MORE_SLOTS, FULL = 0, 1, 2
_MOST_ALIKE = 64  # entries that may be pronunciations of one word
_EXACT = 1e-6  # part of a state's probability below which sums of it are added up anew


@njit(cache=True, nogil=True)
def _inside(rank: Any, members: Any, set_first: Any, ranges: Any) -> bool:
    """Return whether a rank is in a set."""
    begin, end = set_first[members], set_first[members + 1]
    while begin < end:
        middle = (begin + end) >> 1
        if ranges[middle, 1] <= rank:
            begin = middle + 1
        else:
            end = middle
    return bool(begin < set_first[members + 1] and ranges[begin, 0] <= rank)


@njit(cache=True, nogil=True)
def _word_potential(
    members: Any, word: Any, set_first: Any, ranges: Any, word_cost: Any, of_word_first: Any, of_word: Any
) -> float:
    """Return V of a word that was given out, infinite where none of its pronunciations is in the set."""
    total = 0.0
    for k in range(of_word_first[word], of_word_first[word + 1]):
        rank = of_word[k]
        if _inside(rank, members, set_first, ranges):
            total += np.exp(-np.float64(word_cost[rank]))
    return -np.log(total) if total > 0.0 else np.inf


@njit(cache=True, nogil=True)
def _lower_bound(entries: Any, low: Any, high: Any, rank: Any) -> Any:
    """Return the first entry from `low` up to `high` with at least this rank."""
    while low < high:
        middle = (low + high) >> 1
        if entries[middle, E_RANK] < rank:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _potential(
    members: Any, begin: Any, end: Any, set_first: Any, ranges: Any, entries: Any, real: Any, total: Any
) -> Any:
    """Return V of a set and the entries of a state of G, infinite where none is in it; how many are; first and last."""
    count, first, last = np.int64(0), np.int64(-1), np.int64(-1)
    likely = 0.0
    at = np.int64(begin)
    for k in range(set_first[members], set_first[members + 1]):
        at = _lower_bound(entries, at, end, ranges[k, 0])
        if at == end:
            break
        until = _lower_bound(entries, at, end, ranges[k, 1])
        if until > at:
            if first < 0:
                first = at
            last = until - 1
            count += until - at
            likely += total[until - 1, E_TOTAL] - (total[at - 1, E_TOTAL] if at > begin else 0.0)
            at = until
    if count == 0:
        return np.inf, count, first, last
    if count == 1:
        return np.float64(real[first, E_COST]), count, first, last
    if likely > _EXACT * total[end - 1, E_TOTAL]:
        return -np.log(likely), count, first, last
    # the sums of the whole state are too coarse for these
    least = np.float64(np.inf)
    for i in range(first, last + 1):
        if _inside(entries[i, E_RANK], members, set_first, ranges):
            least = min(least, np.float64(real[i, E_COST]))
    likely = 0.0
    for i in range(first, last + 1):
        if _inside(entries[i, E_RANK], members, set_first, ranges):
            likely += np.exp(least - real[i, E_COST])
    return least - np.log(likely), count, first, last


@njit(cache=True, nogil=True)
def _is_one_word(members: Any, count: Any, first: Any, last: Any, set_first: Any, ranges: Any, entries: Any) -> bool:
    """Return whether all entries in a set are pronunciations of one arc of G; see `_potential`.

    Ending has word 0; two arcs with one word have every pronunciation twice.
    """
    word = entries[first, E_WORD]
    if count > _MOST_ALIKE or word == 0 or entries[last, E_WORD] != word:
        return False
    before = np.int64(-1)
    for i in range(first, last + 1):
        rank = np.int64(entries[i, E_RANK])
        if _inside(rank, members, set_first, ranges):
            if entries[i, E_WORD] != word or rank == before:
                return False
            before = rank
    return True


@njit(cache=True, nogil=True)
def _make_arcs(
    s: Any, facts: Any, h_states: Any, h_arcs: Any, h_arcs_real: Any, set_first: Any, ranges: Any, word_cost: Any,
    of_word_first: Any, of_word: Any, g_states: Any, g_states_real: Any, entries: Any, entries_real: Any,
    entries_total: Any, states: Any, states_real: Any, arcs: Any, arcs_real: Any, slots: Any, numbers: Any,
) -> None:  # fmt: skip
    """Append the arcs of a composed state."""
    q, g, given = np.int64(states[s, STATE_OF_HCL]), np.int64(states[s, STATE_OF_G]), np.int64(states[s, GIVEN])
    potential = np.float64(states_real[s, POTENTIAL])
    begin, end = np.int64(g_states[g, G_FIRST]), np.int64(g_states[g + 1, G_FIRST])
    marker = facts[MARKER]
    made = numbers[NUM_ARCS]
    for arc in range(h_states[q, H_FIRST], h_states[q + 1, H_FIRST]):
        olabel, behind = np.int64(h_arcs[arc, 1]), np.int64(h_arcs[arc, 3])
        cost = np.float64(h_arcs_real[arc, 2])
        word, to_g, to_given, ahead = np.int64(0), g, np.int64(0), 0.0
        if olabel == marker:
            to_g = np.int64(g_states[g, G_BACKOFF])
            if to_g < 0:
                continue
            cost += g_states_real[g, G_BACKOFF_COST]
        elif olabel > 0 and given > 0:
            at = of_word_first[given]
            while at < of_word_first[given + 1] and of_word[at] != olabel - 1:
                at += 1
            if at == of_word_first[given + 1]:
                continue
            cost += word_cost[olabel - 1] - potential
        elif olabel > 0:
            i = _lower_bound(entries, begin, end, olabel - 1)
            while i + 1 < end and entries[i, E_RANK] == olabel - 1 and entries[i + 1, E_RANK] == olabel - 1:
                arcs[made, 0], arcs[made, 1] = h_arcs[arc, 0], entries[i, E_WORD]
                arcs_real[made, 2] = cost + entries_real[i, E_COST] - potential
                to_g = np.int64(entries[i, E_NEXT])
                arcs[made, 3] = number_of(behind, to_g, np.int64(0), 0.0, states, states_real, slots, numbers)
                made += 1
                i += 1
            if i == end or entries[i, E_RANK] != olabel - 1:
                continue
            word, to_g = np.int64(entries[i, E_WORD]), np.int64(entries[i, E_NEXT])
            cost += entries_real[i, E_COST] - potential
        elif behind == q:
            to_given, ahead = given, potential
        elif h_states[behind, H_SET] == 0:
            to_given = given
            cost -= potential
        elif given > 0:
            members = np.int64(h_states[behind, H_SET])
            to_given = given
            ahead = _word_potential(members, given, set_first, ranges, word_cost, of_word_first, of_word)
            if ahead == np.inf:
                continue
            cost += ahead - potential
        else:
            members = np.int64(h_states[behind, H_SET])
            ahead, count, first, last = _potential(
                members, begin, end, set_first, ranges, entries, entries_real, entries_total
            )
            if count == 0:
                continue
            cost += ahead - potential
            if _is_one_word(members, count, first, last, set_first, ranges, entries):
                word = to_given = np.int64(entries[first, E_WORD])
                to_g = np.int64(entries[first, E_NEXT])
                ahead -= np.float64(entries_real[first, E_COST]) - np.float64(word_cost[entries[first, E_RANK]])
        arcs[made, 0], arcs[made, 1] = h_arcs[arc, 0], word
        arcs_real[made, 2] = cost
        arcs[made, 3] = number_of(behind, to_g, to_given, ahead, states, states_real, slots, numbers)
        made += 1
    numbers[NUM_ARCS] = made


@njit(cache=True, nogil=True)
def _write_block(
    s: Any, facts: Any, columns: Any, h_states: Any, h_states_real: Any, g_states: Any, g_states_real: Any,
    low: Any, high: Any, words: Any, costs: Any, block_start: Any, block_state: Any, states: Any, states_real: Any,
    arcs: Any, arcs_real: Any, pending: Any, numbers: Any,
) -> None:  # fmt: skip
    """Write the block of a state whose arcs were made; their targets are left open."""
    states[s, FIRST_ARC], states[s, DEGREE] = low, high - low
    q, g = np.int64(states[s, STATE_OF_HCL]), np.int64(states[s, STATE_OF_G])
    final = np.float32(np.inf)
    if states[s, GIVEN] == 0:
        final = h_states_real[q, H_FINAL] + g_states_real[g, G_FINAL] - states_real[s, POTENTIAL]
    states_real[s, FINAL] = final
    begin = numbers[NUM_WORDS]
    words[begin], words[begin + 1] = 0, 0
    at = begin + 4
    emitting, epsilons = 0, 0
    looped = False
    for arc in range(low, high):
        if arcs[arc, 0] == 0:
            epsilons += 1
        elif arcs[arc, 3] == s and not looped:
            looped = True
            words[begin] = columns[arcs[arc, 0]] + 1
            costs[begin + 1] = arcs_real[arc, 2]
        else:
            words[at] = columns[arcs[arc, 0]]
            words[at + 1] = 0
            costs[at + 2] = arcs_real[arc, 2]
            at += 3
            emitting += 1
    words[begin + 2], words[begin + 3] = emitting, epsilons
    code = np.int64(0)
    if epsilons > 0:
        for arc in range(low, high):
            if arcs[arc, 0] == 0:
                words[at] = 0
                costs[at + 1] = arcs_real[arc, 2]
                at += 2
        levels = facts[LEVELS]
        code = 1 + np.int64(h_states[q, H_LEVEL]) * levels + levels - 1 - np.int64(g_states[g, G_BACKOFFS])
        code = min(code, facts[LAST_CODE])
    states[s, TARGET] = np.int32(np.uint32(begin | (code << facts[SHIFT])))
    block = numbers[NUM_BLOCKS]
    block_start[block], block_state[block] = begin, s
    if emitting > 0:
        pending[begin >> 2] = s + 1
    numbers[NUM_WORDS], numbers[NUM_BLOCKS] = at, block + 1


@njit(cache=True, nogil=True)
def room_left(facts: Any, words: Any, states: Any, arcs: Any, slots: Any, numbers: Any) -> int:
    """Return READY if a state can be laid, MORE_SLOTS, or FULL."""
    margin = facts[MARGIN]
    num_states, num_arcs = numbers[NUM_STATES] + margin, numbers[NUM_ARCS] + margin
    if num_states > len(states) or num_arcs > len(arcs) or numbers[NUM_WORDS] + 4 * margin > len(words):
        return FULL
    if 2 * num_states > len(slots):
        return MORE_SLOTS
    return READY


@njit(cache=True, nogil=True)
def lay(
    s: Any, facts: Any, h_states: Any, h_states_real: Any, h_arcs: Any, h_arcs_real: Any, columns: Any, set_first: Any,
    ranges: Any, word_cost: Any, of_word_first: Any, of_word: Any, g_states: Any, g_states_real: Any, entries: Any,
    entries_real: Any, entries_total: Any, words: Any, costs: Any, block_start: Any, block_state: Any, states: Any,
    states_real: Any, arcs: Any, arcs_real: Any, pending: Any, slots: Any, numbers: Any, waiting: Any,
) -> None:  # fmt: skip
    """Lay a numbered state and what its epsilon arcs lead to; `waiting` has room for `margin` states."""
    address_mask = np.int64((1 << facts[SHIFT]) - 1)
    size = 0 * s
    new = np.int64(s)
    while new >= 0:
        low = numbers[NUM_ARCS]
        _make_arcs(
            new, facts, h_states, h_arcs, h_arcs_real, set_first, ranges, word_cost, of_word_first, of_word, g_states,
            g_states_real, entries, entries_real, entries_total, states, states_real, arcs, arcs_real, slots, numbers,
        )  # fmt: skip
        _write_block(
            new, facts, columns, h_states, h_states_real, g_states, g_states_real, low, numbers[NUM_ARCS], words, costs,
            block_start, block_state, states, states_real, arcs, arcs_real, pending, numbers,
        )  # fmt: skip
        waiting[size] = new
        size += 1
        new = np.int64(-1)
        while size > 0 and new < 0:  # the next one that an epsilon arc leads to; where there is none, fill the targets
            t = waiting[size - 1]
            begin = np.int64(states[t, TARGET]) & address_mask
            at = begin + 4 + 3 * np.int64(words[begin + 2])
            for arc in range(states[t, FIRST_ARC], states[t, FIRST_ARC] + states[t, DEGREE]):
                if arcs[arc, 0] == 0:
                    if states[arcs[arc, 3], TARGET] == NOT_LAID:
                        new = np.int64(arcs[arc, 3])
                        break
                    words[at] = np.uint32(states[arcs[arc, 3], TARGET])
                    at += 2
            size -= np.int64(new < 0)


@njit(cache=True, nogil=True)
def link_frontier(expansion: Any, target: Any, cost: Any, count: Any, cutoff: Any) -> int:
    """Link the states of all tokens that cost at most `cutoff`; return READY, or what is missing."""
    parts, laid = expansion.parts, expansion.laid
    facts, h_states, h_states_real = borrowed(parts.facts), borrowed(parts.h_states), borrowed(parts.h_states_real)
    h_arcs, h_arcs_real, columns = borrowed(parts.h_arcs), borrowed(parts.h_arcs_real), borrowed(parts.columns)
    set_first, ranges, word_cost = borrowed(parts.set_first), borrowed(parts.ranges), borrowed(parts.word_cost)
    of_word_first, of_word, g_states = borrowed(parts.of_word_first), borrowed(parts.of_word), borrowed(parts.g_states)
    g_states_real, entries, entries_real = (
        borrowed(parts.g_states_real),
        borrowed(parts.entries),
        borrowed(parts.entries_real),
    )
    entries_total = borrowed(parts.entries_total)
    words, costs, block_start = borrowed(laid.words), borrowed(laid.costs), borrowed(laid.block_start)
    block_state, states, states_real = borrowed(laid.block_state), borrowed(laid.states), borrowed(laid.states_real)
    arcs, arcs_real, pending = borrowed(laid.arcs), borrowed(laid.arcs_real), borrowed(laid.pending)
    slots, numbers = borrowed(laid.slots), borrowed(laid.numbers)
    waiting = borrowed(expansion.waiting)
    address_mask = np.uint32((1 << facts[SHIFT]) - 1)
    for token in range(count):
        if not cost[token] <= cutoff:
            continue
        begin = np.int64(target[token] & address_mask)
        if pending[begin >> 2] == 0:
            continue
        s = np.int64(pending[begin >> 2]) - 1
        at = begin + 5
        looped = False
        low = np.int64(states[s, FIRST_ARC])
        for arc in range(low, low + states[s, DEGREE]):
            if arcs[arc, 0] == 0:
                continue
            behind = np.int64(arcs[arc, 3])
            if behind == s and not looped:
                looped = True
                continue
            if states[behind, TARGET] == NOT_LAID:
                room = room_left(facts, words, states, arcs, slots, numbers)
                if room != READY:
                    return room
                lay(
                    behind, facts, h_states, h_states_real, h_arcs, h_arcs_real, columns, set_first, ranges, word_cost,
                    of_word_first, of_word, g_states, g_states_real, entries, entries_real, entries_total, words, costs,
                    block_start, block_state, states, states_real, arcs, arcs_real, pending, slots, numbers, waiting,
                )  # fmt: skip
            words[at] = np.uint32(states[behind, TARGET])
            at += 3
        pending[begin >> 2] = 0
    return READY
