"""The best path through a training graph: Viterbi search with a beam and back-pointers that are thinned out."""

import numpy as np
from numpy.typing import NDArray

from wfst_asr.align._kernels import DIED, FULL, advance, drop_dead_tokens, trace
from wfst_asr.hmm.emitting_graph import AlignmentError, EmittingGraph, where_it_ended

MAX_TOKENS = 1 << 28
FIRST_TOKENS = 1 << 16


def best_path(
    graph: EmittingGraph,
    arc_cost: NDArray[np.float32],
    column: NDArray[np.int32],
    scores: NDArray[np.float32],
    scale: float,
    beam: float,
) -> tuple[NDArray[np.int32], float]:
    """Return the arcs (T,) of the path of least cost, and its cost.

    A token (8 bytes) is kept for every active state and frame.  When their arrays are full, those that no active state
    leads back to are dropped, and the arrays double only if half of them is still in use.

    Raises:
        AlignmentError: no path within the beam, or more than MAX_TOKENS tokens.
    """
    num_states, num_frames = len(graph.final_cost), len(scores)
    cost = np.full(num_states, np.inf)
    np.minimum.at(cost, graph.start_states, graph.start_costs.astype(np.float64))
    begin = np.flatnonzero(cost < np.inf)
    states, next_states = np.empty((2, num_states), dtype=np.int32)
    best_arc, came_from = np.empty((2, num_states), dtype=np.int32)
    tokens, costs = np.full(num_states, -1, dtype=np.int32), np.empty(num_states)
    states[: len(begin)], costs[: len(begin)] = begin, cost[begin]
    cost[:] = np.inf
    arcs, backs = np.empty((2, max(FIRST_TOKENS, 2 * num_states)), dtype=np.int32)
    status, frame, num_active, num_tokens = FULL, 0, len(begin), 0
    while True:
        status, frame, num_active, num_tokens = advance(
            graph.first, graph.nextstate, arc_cost, column, scores, float(scale), float(beam), frame,
            states, costs, tokens, num_active, arcs, backs, num_tokens, cost, best_arc, came_from, next_states,
        )  # fmt: skip
        if status != FULL:
            break
        num_tokens = drop_dead_tokens(arcs, backs, num_tokens, tokens, num_active)
        if num_tokens > MAX_TOKENS:
            raise AlignmentError(
                f"the paths within beam {beam:g} take more than {8 * MAX_TOKENS >> 30} GB at frame {frame} of "
                f"{num_frames}; use a smaller beam, or cut the utterance"
            )
        if 2 * num_tokens > len(arcs) - num_states:
            larger = np.empty((2, 2 * len(arcs)), dtype=np.int32)
            larger[0, :num_tokens], larger[1, :num_tokens] = arcs[:num_tokens], backs[:num_tokens]
            arcs, backs = larger
    furthest = int(states[np.argmin(costs[:num_active])])
    if status == DIED:
        raise AlignmentError(
            f"no path within beam {beam:g} at frame {frame} of {num_frames} (the best one was at "
            f"{where_it_ended(graph, furthest)}): the audio is too long for HMMs without self-loops, or the beam is "
            "too small"
        )
    ends = costs[:num_active] + graph.final_cost[states[:num_active]]
    if not np.isfinite(ends).any():
        raise AlignmentError(
            f"no path within beam {beam:g} has reached the end at frame {num_frames} (the best one was at "
            f"{where_it_ended(graph, furthest)}); check that the transcript belongs to the recording, or use a wider "
            "beam"
        )
    best = min(np.flatnonzero(ends == ends.min()), key=lambda i: int(states[i]))
    return trace(arcs, backs, int(tokens[best]), num_frames), float(ends[best])
