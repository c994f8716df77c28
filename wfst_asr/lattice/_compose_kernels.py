"""Kernels of the composition of a lattice with an FST of words."""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _longer(values: Any) -> Any:
    """Return a copy of a matrix with room for twice the rows."""
    result = np.empty((2 * len(values), values.shape[1]), values.dtype)
    for i in range(len(values)):
        for j in range(values.shape[1]):
            result[i, j] = values[i, j]
    return result


@njit(cache=True, nogil=True)
def _place(table: Any, keys: Any, key: Any) -> Any:
    """Return the cell of a hash table of ids where a key stands, or the free one where it belongs."""
    mask = len(table) - 1
    h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    at = np.int64((h ^ (h >> np.uint64(29))) & np.uint64(mask))
    while table[at] >= 0 and keys[table[at], 0] != key:
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
) -> tuple[Any, Any, Any, Any]:
    """Walk over the pairs of states, lattice state by lattice state.

    A pair has a third part: whether an epsilon of the FST was taken since the last word.  Epsilons of the lattice are
    then not taken any more, so that two orders of the same epsilons are not two paths.

    Returns:
        for each pair, (S, 2): the lattice state, and the arc behind its last; (S, 1): the FST's cost of ending in it;
        for the arcs, by pair, (A, 3): the pair that follows, the lattice arc (-1: an epsilon of the FST), the word;
        (A, 1): the FST's cost.  The first array is empty if there were more than `max_arcs` arcs.
    """
    num_lattice_states = len(first_arc) - 1
    num_fst_states = len(fst_final)
    head = np.full(num_lattice_states, -1, np.int32)
    tail = np.full(num_lattice_states, -1, np.int32)
    cells = np.full(4096, -1, np.int32)
    keys = np.empty((1024, 2), np.int64)  # of the pairs as they are met: key, place in the order of processing
    link = np.empty((1024, 1), np.int32)  # the next pair of the same lattice state
    first_out = np.empty((1024, 2), np.int64)  # of the pairs as they are processed: lattice state, behind its last arc
    end_cost = np.empty((1024, 1), np.float64)
    done = 0
    out = np.empty((4096, 3), np.int32)  # of the arcs: the pair that follows, lattice arc, word
    out_cost = np.empty((4096, 1), np.float64)
    arcs = 0

    keys[0, 0] = 2 * np.int64(start)
    link[0, 0] = -1
    cells[_place(cells, keys, keys[0, 0])] = 0
    head[0] = tail[0] = 0
    ids = 1
    for s in range(num_lattice_states):
        pair = head[s]
        while pair >= 0:
            rest = keys[pair, 0] - np.int64(s) * num_fst_states * 2
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
                    if arcs == len(out):
                        if arcs >= max_arcs:
                            return first_out[:0], end_cost, out, out_cost
                        out = _longer(out)
                        out_cost = _longer(out_cost)
                    of_fst = k < first_arc[s]
                    of_lattice = not of_fst and word[k] == 0
                    d = np.int64(s if of_fst else nextstate[k])
                    e = np.int64(q if of_lattice else fst_nextstate[i])
                    flag = 1 if of_fst else 0
                    out[arcs, 1] = -1 if of_fst else k
                    out[arcs, 2] = 0 if of_lattice else fst_olabel[i]
                    out_cost[arcs, 0] = 0.0 if of_lattice else spent + fst_cost[i]
                    key = (d * num_fst_states + e) * 2 + flag
                    cell = _place(cells, keys, key)
                    if cells[cell] < 0:
                        if ids == len(keys):
                            keys = _longer(keys)
                            link = _longer(link)
                            first_out = _longer(first_out)
                            end_cost = _longer(end_cost)
                            cells = np.full(4 * len(keys), -1, np.int32)
                            for j in range(ids):
                                cells[_place(cells, keys, keys[j, 0])] = j
                            cell = _place(cells, keys, key)
                        cells[cell] = ids
                        keys[ids, 0] = key
                        link[ids, 0] = -1
                        if head[d] < 0:
                            head[d] = ids
                        else:
                            link[tail[d], 0] = ids
                        tail[d] = ids
                        ids += 1
                    out[arcs, 0] = cells[cell]
                    arcs += 1
            keys[pair, 1] = done
            first_out[done, 0] = s
            first_out[done, 1] = arcs
            end_cost[done, 0] = np.inf
            if is_final[s]:
                spent = 0.0
                at = q
                while at >= 0 and fst_final[at] == np.inf:
                    spent += backoff_cost[at]
                    at = backoff_state[at]
                if at >= 0:
                    end_cost[done, 0] = spent + fst_final[at]
            done += 1
            pair = link[pair, 0]
    for a in range(arcs):
        out[a, 0] = keys[out[a, 0], 1]
    return first_out[:done], end_cost[:done], out[:arcs], out_cost[:arcs]
