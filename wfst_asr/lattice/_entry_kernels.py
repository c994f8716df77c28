"""Kernels of the entries of a subset: the raw states that word arcs lead to, with their costs and strings."""

from typing import Any

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import mixed
from wfst_asr.lattice._determinize_arrays import (
    EXIT,
    KNOWN_BEGIN,
    KNOWN_END,
    NEXT_LABEL,
    NODE,
    STATE,
    STRING,
    Candidates,
    Entries,
    Known,
    Words,
)


@njit(cache=True, nogil=True)
def collect(
    begin: Any, end: Any, element: Any, element_cost: Any, words: Words, candidates: Candidates, limit: Any
) -> Any:
    """Collect the word arcs that leave a subset on paths within a limit: lists of candidates by word.

    Returns how many candidates and words there are.
    """
    cost, candidate, head = words.cost, candidates.candidate, candidates.head
    count, num_words = 0, 0
    for e in range(begin, end):
        s = element[e, EXIT]
        for a in range(words.first[s], words.first[s + 1]):
            if element_cost[e, 0] + cost[a, 0] > limit:
                continue
            w = words.number[a]
            if head[w] < 0:
                candidates.words[num_words] = w
                num_words += 1
            candidate[count, 0], candidate[count, 1], candidate[count, 2] = a, e, head[w]
            candidates.cost[count] = element_cost[e, 0] + cost[a, 1]
            head[w] = count
            count += 1
    return count, num_words


@njit(cache=True, nogil=True)
def enter(word: Any, element: Any, element_cost: Any, words: Words, candidates: Candidates, entries: Entries) -> Any:
    """Make entries of the states that the candidates of a word lead to, each by its best; forget the candidates.

    Returns:
        their number, and the lowest cost of a path to the end.
    """
    cost, candidate, candidate_cost, head = words.cost, candidates.candidate, candidates.cost, candidates.head
    entry, entry_cost, entry_of = entries.entry, entries.cost, entries.of_state
    count = 0
    lowest = np.inf
    c = head[word]
    head[word] = -1
    while c >= 0:
        a, e = candidate[c, 0], candidate[c, 1]
        d = words.nextstate[a]
        i = entry_of[d]
        if i >= count or entry[i, STATE] != d:
            i = count
            entry_of[d] = i
            entry[i, STATE], entry_cost[i, 0] = d, np.inf
            count += 1
        lowest = min(lowest, element_cost[e, 0] + cost[a, 0])
        if candidate_cost[c] <= entry_cost[i, 0]:  # the list runs backwards, and of equal ones the first is taken
            entry[i, STRING], entry[i, NEXT_LABEL] = element[e, NODE], words.label[a]
            entry_cost[i, 0], entry_cost[i, 1] = candidate_cost[c], element_cost[e, 1] + cost[a, 2]
        c = candidate[c, 2]
    return count, lowest


@njit(cache=True, nogil=True)
def entries_hash(entry: Any, count: Any, node_hash: Any, cut_hash: Any) -> Any:
    """Return a hash of the states of entries, their strings since a cut and their labels."""
    result = np.uint64(count)
    for i in range(count):
        result = result * np.uint64(0x9E3779B97F4A7C15) + np.uint64(entry[i, STATE])
        result += np.uint64(entry[i, NEXT_LABEL]) << np.uint64(32)
        result = mixed(result + node_hash[entry[i, STRING]] - cut_hash)
    return result


@njit(cache=True, nogil=True)
def is_known(
    known: Known, slot: Any, entry: Any, entry_cost: Any, count: Any, node_hash: Any, cut_hash: Any, delta: Any
) -> bool:
    """Tell whether entries are those of a slot, but for costs that differ by at most `delta`."""
    begin = known.slot[slot, KNOWN_BEGIN]
    if known.slot[slot, KNOWN_END] - begin != count:
        return False
    for i in range(count):
        k = begin + i
        if (
            known.entry[k, 0] != entry[i, STATE]
            or known.entry[k, 1] != entry[i, NEXT_LABEL]
            or known.string_hash[k] != node_hash[entry[i, STRING]] - cut_hash
            or abs(known.cost[k, 0] - (entry_cost[i, 0] - entry_cost[0, 0])) > delta
            or abs(known.cost[k, 1] - (entry_cost[i, 1] - entry_cost[0, 1])) > delta
        ):
            return False
    return True


@njit(cache=True, nogil=True)
def remember(known: Known, used: Any, entry: Any, entry_cost: Any, count: Any, node_hash: Any, cut_hash: Any) -> None:
    """Put entries behind the `used` ones."""
    for i in range(count):
        k = used + i
        known.entry[k, 0], known.entry[k, 1] = entry[i, STATE], entry[i, NEXT_LABEL]
        known.string_hash[k] = node_hash[entry[i, STRING]] - cut_hash
        known.cost[k, 0] = entry_cost[i, 0] - entry_cost[0, 0]
        known.cost[k, 1] = entry_cost[i, 1] - entry_cost[0, 1]
