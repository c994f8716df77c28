"""Kernel of local epsilon removal: states' arcs as linked lists in flat arrays that grow."""

import numpy as np
from numba import njit

from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable, arc_table


def local_epsilon_removal(table: ArcTable) -> ArcTable:
    """Run the kernel; arcs into removed places are left out, dead states are not."""
    columns, source, final = _combine_arcs(
        np.ascontiguousarray(table.arcs["ilabel"]),
        np.ascontiguousarray(table.arcs["olabel"]),
        np.ascontiguousarray(table.arcs["cost"]),
        np.ascontiguousarray(table.arcs["nextstate"]),
        table.source(),
        table.first_arc,
        table.final_cost.copy(),
        table.start,
    )
    kept = np.flatnonzero(columns[3] >= 0)
    arcs = np.empty(len(kept), dtype=ARC_DTYPE)
    for name, column in zip(("ilabel", "olabel", "cost", "nextstate"), columns, strict=True):
        arcs[name] = column[kept]
    return arc_table(table.num_states, arcs, source=source[kept], finals=final, start=table.start)


@njit(cache=True, nogil=True)
def _doubled(array: np.ndarray) -> np.ndarray:
    larger = np.empty(2 * array.shape[0] + 64, array.dtype)
    larger[: array.shape[0]] = array
    return larger


@njit(cache=True, nogil=True)
def _combine_arcs(ilabel, olabel, cost, nextstate, source, first_arc, final, start):  # type: ignore[no-untyped-def]
    num_states = final.shape[0]
    count = ilabel.shape[0]
    follower = np.arange(1, count + 1).astype(np.int64)  # the arc after this one at the same state, -1 at the last
    head = np.full(num_states, -1, np.int64)
    tail = np.full(num_states, -1, np.int64)
    arcs_in = np.zeros(num_states, np.int64)
    arcs_out = np.zeros(num_states, np.int64)
    arcs_in[start] += 1
    for state in range(num_states):
        if first_arc[state] < first_arc[state + 1]:
            head[state], tail[state] = first_arc[state], first_arc[state + 1] - 1
            follower[tail[state]] = -1
        arcs_out[state] = first_arc[state + 1] - first_arc[state]
        if final[state] != np.inf:
            arcs_out[state] += 1
    for arc in range(count):
        arcs_in[nextstate[arc]] += 1
    for state in range(num_states):
        arc = head[state]
        while arc >= 0:
            middle = nextstate[arc]
            one_in, one_out = arcs_in[middle] == 1 if middle >= 0 else False, False
            if middle >= 0 and middle != state:
                one_out = arcs_out[middle] == 1
            if middle < 0 or middle == state or not (one_in or one_out):
                arc = follower[arc]
                continue
            left = arcs_out[middle]  # what could not be combined
            behind = head[middle]
            while behind >= 0:
                both_in = ilabel[arc] != 0 and ilabel[behind] != 0
                both_out = olabel[arc] != 0 and olabel[behind] != 0
                if nextstate[behind] >= 0 and not both_in and not both_out and nextstate[behind] != middle:
                    if count == ilabel.shape[0]:
                        ilabel, olabel, cost = _doubled(ilabel), _doubled(olabel), _doubled(cost)
                        nextstate, source, follower = _doubled(nextstate), _doubled(source), _doubled(follower)
                    ilabel[count] = ilabel[arc] if ilabel[arc] != 0 else ilabel[behind]
                    olabel[count] = olabel[arc] if olabel[arc] != 0 else olabel[behind]
                    cost[count] = cost[arc] + cost[behind]
                    nextstate[count] = nextstate[behind]
                    source[count] = state
                    follower[count] = -1
                    follower[tail[state]] = count
                    tail[state] = count
                    arcs_in[nextstate[count]] += 1
                    arcs_out[state] += 1
                    count += 1
                    left -= 1
                    if one_in:
                        arcs_in[nextstate[behind]] -= 1
                        arcs_out[middle] -= 1
                        nextstate[behind] = -1
                behind = follower[behind]
            if final[middle] != np.inf and ilabel[arc] == 0 and olabel[arc] == 0:
                if final[state] == np.inf:
                    arcs_out[state] += 1
                final[state] = min(final[state], cost[arc] + final[middle])
                left -= 1
                if one_in:
                    arcs_out[middle] -= 1
                    final[middle] = np.inf
            if left == 0:
                arcs_in[middle] -= 1
                arcs_out[state] -= 1
                nextstate[arc] = -1
            arc = follower[arc]
    return (ilabel[:count], olabel[:count], cost[:count], nextstate[:count]), source[:count], final
