"""Kernels of the composition of a lattice with an FST of words."""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _longer(values: Any) -> Any:
    """Return a copy with twice the room."""
    result = np.empty(2 * len(values), values.dtype)
    result[: len(values)] = values
    return result


@njit(cache=True, nogil=True)
def _place(table: Any, keys: Any, key: Any) -> Any:
    """Return the cell of a hash table of ids where a key stands, or the free one where it belongs."""
    mask = len(table) - 1
    h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    at = np.int64((h ^ (h >> np.uint64(29))) & np.uint64(mask))
    while table[at] >= 0 and keys[table[at]] != key:
        at = (at + 1) & mask
    return at


@njit(cache=True, nogil=True)
def compose(
    first_arc: Any,
    nextstate: Any,
    word: Any,
    is_final: Any,
    start: int,
    fst_first: Any,
    fst_first_word: Any,
    fst_ilabel: Any,
    fst_olabel: Any,
    fst_cost: Any,
    fst_nextstate: Any,
    backoff_state: Any,
    backoff_cost: Any,
    fst_final: Any,
    max_arcs: int,
) -> tuple[Any, Any, Any, Any, Any, Any, Any]:
    """Walk over the pairs of states, lattice state by lattice state.

    A pair has a third part: whether an epsilon of the FST was taken since the last word.  Epsilons of the lattice are
    then not taken any more, so that two orders of the same epsilons are not two paths.

    Returns:
        (S,) the lattice state of each pair; (S,) the FST's cost of ending in it; (S + 1,) its first arc; and for the
        arcs, by pair: the pair that follows, the lattice arc (-1: an epsilon of the FST), the word, the FST's cost.
        The first array is empty if there were more than `max_arcs` arcs.
    """
    num_lattice_states = len(first_arc) - 1
    num_fst_states = len(fst_final)
    head = np.full(num_lattice_states, -1, np.int32)
    tail = np.full(num_lattice_states, -1, np.int32)
    keys = np.empty(1024, np.int64)
    link = np.empty(1024, np.int32)
    cells = np.full(4096, -1, np.int32)
    number = np.empty(1024, np.int32)  # in the order of processing
    ids = 0

    first_out = np.empty(1025, np.int64)
    lattice_state = np.empty(1024, np.int32)
    end_cost = np.empty(1024, np.float64)
    done = 0
    out_next = np.empty(4096, np.int32)
    out_arc = np.empty(4096, np.int32)
    out_word = np.empty(4096, np.int32)
    out_cost = np.empty(4096, np.float64)
    arcs = 0

    keys[0] = 2 * np.int64(start)
    link[0] = -1
    cells[_place(cells, keys[:0], keys[0])] = 0
    head[0] = tail[0] = 0
    ids = 1
    first_out[0] = 0
    for s in range(num_lattice_states):
        pair = head[s]
        while pair >= 0:
            rest = keys[pair] - np.int64(s) * num_fst_states * 2
            q = rest // 2
            after_epsilon = rest % 2
            # what leaves: k of -1 are the FST's epsilons, others the lattice's arcs
            for k in range(first_arc[s] - 1, first_arc[s + 1]):
                spent = 0.0
                low = high = 0
                if k < first_arc[s]:
                    low, high = fst_first[q], fst_first_word[q]
                elif word[k] == 0:
                    high = 1 - after_epsilon
                else:
                    at = q
                    while at >= 0:
                        low, end = fst_first_word[at], fst_first[at + 1]
                        high = end
                        while low < high:
                            middle = (low + high) // 2
                            if fst_ilabel[middle] < word[k]:
                                low = middle + 1
                            else:
                                high = middle
                        while high < end and fst_ilabel[high] == word[k]:
                            high += 1
                        if high > low:
                            break
                        spent += backoff_cost[at]
                        at = backoff_state[at]
                for i in range(low, high):
                    if arcs == len(out_next):
                        if arcs >= max_arcs:
                            return lattice_state[:0], end_cost, first_out, out_next, out_arc, out_word, out_cost
                        out_next = _longer(out_next)
                        out_arc = _longer(out_arc)
                        out_word = _longer(out_word)
                        out_cost = _longer(out_cost)
                    if k < first_arc[s]:
                        out_arc[arcs] = -1
                        d, e, flag = np.int64(s), np.int64(fst_nextstate[i]), 1
                    elif word[k] == 0:
                        out_arc[arcs] = k
                        d, e, flag = np.int64(nextstate[k]), np.int64(q), 0
                    else:
                        out_arc[arcs] = k
                        d, e, flag = np.int64(nextstate[k]), np.int64(fst_nextstate[i]), 0
                    own = k >= first_arc[s] and word[k] == 0
                    out_word[arcs] = 0 if own else fst_olabel[i]
                    out_cost[arcs] = 0.0 if own else spent + fst_cost[i]
                    key = (d * num_fst_states + e) * 2 + flag
                    cell = _place(cells, keys, key)
                    if cells[cell] < 0:
                        if ids == len(keys):
                            keys = _longer(keys)
                            link = _longer(link)
                            number = _longer(number)
                            cells = np.full(4 * len(keys), -1, np.int32)
                            for j in range(ids):
                                cells[_place(cells, keys, keys[j])] = j
                            cell = _place(cells, keys, key)
                        cells[cell] = ids
                        keys[ids] = key
                        link[ids] = -1
                        if head[d] < 0:
                            head[d] = ids
                        else:
                            link[tail[d]] = ids
                        tail[d] = ids
                        ids += 1
                    out_next[arcs] = cells[cell]
                    arcs += 1
            if done == len(lattice_state):
                lattice_state = _longer(lattice_state)
                end_cost = _longer(end_cost)
                grown = np.empty(2 * done + 1, np.int64)
                grown[: done + 1] = first_out
                first_out = grown
            number[pair] = done
            lattice_state[done] = s
            end_cost[done] = np.inf
            if is_final[s]:
                spent = 0.0
                at = q
                while at >= 0 and fst_final[at] == np.inf:
                    spent += backoff_cost[at]
                    at = backoff_state[at]
                if at >= 0:
                    end_cost[done] = spent + fst_final[at]
            done += 1
            first_out[done] = arcs
            pair = link[pair]
    for a in range(arcs):
        out_next[a] = number[out_next[a]]
    return (
        lattice_state[:done].copy(),
        end_cost[:done].copy(),
        first_out[: done + 1].copy(),
        out_next[:arcs].copy(),
        out_arc[:arcs].copy(),
        out_word[:arcs].copy(),
        out_cost[:arcs].copy(),
    )
