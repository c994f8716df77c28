"""Exact Viterbi search: short, slow, the definition that the beam search is held to.

delta_t(s) = min over arcs (r, s) of  delta_{t-1}(r) + cost(arc) - scale * score(t, column(arc)),  with epsilon arcs
followed within a frame until nothing gets better.  O(T * A) and more for epsilon arcs.  Rabiner 1989, section III.B.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.fst.arcs import ArcTable


@dataclass(frozen=True)
class ExactPath:
    """The best path through a graph.

    Attributes:
        cost: its total cost, final cost included where the last state is final; infinity if there is no path.
        arcs: its arcs, by their place in the graph.
        reached_final: whether it ends in a final state; if no final state can be reached the best of all is given.
    """

    cost: float
    arcs: tuple[int, ...]
    reached_final: bool


def viterbi(graph: ArcTable, scores: ArrayLike, columns: ArrayLike, *, acoustic_scale: float = 1.0) -> ExactPath:
    """Find the best path of a graph for acoustic scores, in float64.

    Args:
        graph: input labels index `columns`; label 0 is epsilon; no epsilon cycle of negative cost.
        scores: (T, P) log likelihoods.
        columns: (L,) score column of each input label; entry 0 is not read.
        acoustic_scale: factor on the scores.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> graph = arc_table(2, [(0, 0, 1, 0, 0.5), (0, 1, 2, 7, 1.0)], finals={1: 0.25})
    >>> viterbi(graph, [[-1.0, -9.0], [-9.0, -1.0]], [0, 0, 1])
    ExactPath(cost=3.75, arcs=(0, 1), reached_final=True)
    """
    frames = np.asarray(scores, dtype=np.float64)
    source, target = graph.source(), np.asarray(graph.arcs["nextstate"])
    label, arc_cost = np.asarray(graph.arcs["ilabel"]), graph.arcs["cost"].astype(np.float64)
    epsilon, emitting = np.flatnonzero(label == 0), np.flatnonzero(label != 0)
    column = np.asarray(columns, dtype=np.int64)[label[emitting]]
    delta = np.full(graph.num_states, np.inf)
    if graph.start >= 0:
        delta[graph.start] = 0.0
    back: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []  # arcs into each state: of the frame, then epsilon
    for t in range(len(frames) + 1):
        entered = np.full(graph.num_states, -1, dtype=np.int64)
        if t > 0:
            before = delta
            delta = np.full(graph.num_states, np.inf)
            new = before[source[emitting]] + arc_cost[emitting] - acoustic_scale * frames[t - 1, column]
            _lower(delta, entered, emitting, target[emitting], new)
        followed = np.full(graph.num_states, -1, dtype=np.int64)
        while _lower(delta, followed, epsilon, target[epsilon], delta[source[epsilon]] + arc_cost[epsilon]):
            pass
        back.append((entered, followed))
    total = delta + graph.final_cost
    reached = bool(np.isfinite(total).any())
    end = total if reached else delta
    state = int(np.argmin(end)) if len(end) else -1
    if state < 0 or not np.isfinite(end[state]):
        return ExactPath(np.inf, (), False)
    return ExactPath(float(end[state]), tuple(_back(state, back, source)), reached)


def _lower(
    delta: NDArray[np.float64],
    entered: NDArray[np.int64],
    arcs: NDArray[np.int64],
    target: NDArray[np.int32],
    new: NDArray[np.float64],
) -> bool:
    """Lower `delta` at the targets of arcs that improve it, the first arc among equals; return whether any did."""
    order = np.lexsort((arcs, new, target))
    first = np.ones(len(order), dtype=bool)
    first[1:] = target[order][1:] != target[order][:-1]
    best = order[first]
    best = best[new[best] < delta[target[best]] - 1e-12]
    delta[target[best]] = new[best]
    entered[target[best]] = arcs[best]
    return len(best) > 0


def _back(state: int, back: list[tuple[NDArray[np.int64], NDArray[np.int64]]], source: NDArray[np.int32]) -> list[int]:
    arcs: list[int] = []
    t = len(back) - 1
    while True:
        entered, followed = back[t]
        if followed[state] >= 0:
            arcs.append(int(followed[state]))
        elif entered[state] >= 0:
            arcs.append(int(entered[state]))
            t -= 1
        else:
            return arcs[::-1]
        state = int(source[arcs[-1]])
