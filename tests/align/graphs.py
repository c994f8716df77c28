"""Small random graphs for tests of alignment and forward-backward."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from wfst_asr.graph.training_graph import TrainingGraph

NUM_IDS = 4


def graph_of(
    num_states: int, arcs: list[tuple[int, int, int, float]], finals: dict[int, float], starts: dict[int, float]
) -> TrainingGraph:
    """Make a graph of arcs (source, target, transition-id, cost)."""
    arcs = sorted(arcs, key=lambda arc: arc[0])
    counts = np.bincount([arc[0] for arc in arcs], minlength=num_states)
    final_cost = np.full(num_states, np.inf, dtype=np.float32)
    final_cost[list(finals)] = list(finals.values())
    return TrainingGraph(
        first=np.concatenate(([0], np.cumsum(counts))).astype(np.int32),
        ilabel=np.array([arc[2] for arc in arcs], dtype=np.int32),
        cost=np.array([arc[3] for arc in arcs], dtype=np.float32),
        nextstate=np.array([arc[1] for arc in arcs], dtype=np.int32),
        final_cost=final_cost,
        start_states=np.array(list(starts), dtype=np.int32),
        start_costs=np.array(list(starts.values()), dtype=np.float32),
        state_word=np.array([*range(num_states - 1), -1], dtype=np.int32),
        state_phone=np.array([1] * (num_states - 1) + [0], dtype=np.int32),
    )


def as_lists(graph: TrainingGraph) -> dict[str, Any]:
    """Return the graph as the naive twins take it."""
    source = np.repeat(np.arange(graph.num_states), np.diff(graph.first))
    columns = (source, graph.nextstate, graph.ilabel, graph.cost)
    return {
        "arcs": list(zip(*(column.tolist() for column in columns), strict=True)),
        "starts": list(zip(graph.start_states.tolist(), graph.start_costs.tolist(), strict=True)),
        "finals": {state: cost for state, cost in enumerate(graph.final_cost.tolist()) if cost < np.inf},
    }


@st.composite
def graphs(draw: st.DrawFn) -> TrainingGraph:
    """Two to five states, arcs anywhere (the last state has none and ends), any start."""
    num_states = draw(st.integers(2, 5))
    costs = st.floats(-2.0, 4.0, width=16)
    emitting = st.integers(0, num_states - 2)
    arc = st.tuples(emitting, st.integers(0, num_states - 1), st.integers(1, NUM_IDS), costs)
    arcs = draw(st.lists(arc, min_size=1, max_size=8))
    return graph_of(
        num_states, arcs, {num_states - 1: draw(costs)}, draw(st.dictionaries(emitting, costs, min_size=1, max_size=2))
    )


def scores_of(seed: int, num_frames: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=3.0, size=(num_frames, 3)).astype(np.float32)


COLUMNS = np.array([-1, 0, 1, 2, 1], dtype=np.int32)
COSTS = np.array([0.0, 0.25, 1.0, 0.5, 0.125], dtype=np.float32)


def left_to_right_graph(num_states: int, *, loops: bool = True) -> TrainingGraph:
    """Emitting states in a row, with transition-ids 2i + 1 (loop) and 2i + 2 (forward), and the end."""
    arcs = [(i, i, 2 * i + 1, 0.0) for i in range(num_states) if loops]
    arcs += [(i, i + 1, 2 * i + 2, 0.0) for i in range(num_states)]
    return graph_of(num_states + 1, arcs, {num_states: 0.0}, {0: 0.0})
