"""The flat start."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.align.graphs import as_lists, graph_of, graphs, left_to_right_graph
from tests.reference.naive_align import paths_of_graph
from wfst_asr.align.equal import equal_alignment
from wfst_asr.align.forced import AlignmentError
from wfst_asr.graph.training_graph import TrainingGraph


@pytest.mark.parametrize("num_frames", [5, 6, 11, 24, 1000])
def test_states_are_visited_evenly(num_frames: int) -> None:
    found = equal_alignment(left_to_right_graph(5), num_frames, np.random.default_rng(0))
    visits = np.bincount(found.states, minlength=5)
    assert visits.sum() == num_frames
    assert visits.max() - visits.min() <= 1
    assert np.all(np.diff(found.states) >= 0)


@settings(max_examples=100, deadline=None)
@given(graph=graphs(), seed=st.integers(0, 100), num_frames=st.integers(1, 5))
def test_what_is_drawn_is_a_path_of_the_graph(graph: TrainingGraph, seed: int, num_frames: int) -> None:
    scores = np.zeros((num_frames, 1))
    lists = as_lists(graph)
    states = {
        tuple(lists["arcs"][number][0] for number in path)
        for _, path in paths_of_graph(lists, [0.0] * 5, [0] * 5, scores, 1.0)
    }
    try:
        found = equal_alignment(graph, num_frames, np.random.default_rng(seed))
    except AlignmentError:
        return
    assert tuple(found.states.tolist()) in states


def test_paths_are_drawn_by_their_probabilities() -> None:
    probs = {1: 0.2, 2: 0.8}
    arcs = [(i, 3, 2 * i, 0.0) for i in probs] + [(0, i, 9, -float(np.log(p))) for i, p in probs.items()]
    graph = graph_of(4, arcs, {3: 0.0}, {0: 0.0})
    drawn = [equal_alignment(graph, 2, np.random.default_rng(seed)).states[1] for seed in range(400)]
    assert 40 <= sum(state == 1 for state in drawn) <= 125


def test_long_ways_are_not_taken_where_there_is_no_time() -> None:
    arcs = [(0, 0, 1, 0.0), (0, 1, 2, 0.0), (1, 2, 4, 0.0), (2, 3, 6, 0.0), (0, 3, 8, 50.0)]
    graph = graph_of(4, arcs, {3: 0.0}, {0: 0.0})
    assert equal_alignment(graph, 2, np.random.default_rng(0)).states.tolist() == [0, 0]
    assert equal_alignment(graph, 4, np.random.default_rng(0)).states.tolist() == [0, 0, 1, 2]


def test_the_same_seed_gives_the_same_path() -> None:
    graph = left_to_right_graph(7)
    one, other = (equal_alignment(graph, 50, np.random.default_rng(3)) for _ in range(2))
    assert one.transition_ids.tobytes() == other.transition_ids.tobytes()


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(AlignmentError, match="too short for its words: 4 frames, but the shortest path has 5"):
        equal_alignment(left_to_right_graph(5), 4, np.random.default_rng(0))
    with pytest.raises(AlignmentError, match="7 frames, but a path of 5 has no self-loops"):
        equal_alignment(left_to_right_graph(5, loops=False), 7, np.random.default_rng(0))
    nowhere = graph_of(3, [(0, 1, 1, 0.0), (1, 0, 2, 0.0)], {2: 0.0}, {0: 0.0})
    with pytest.raises(AlignmentError, match="no path from its begin to its end"):
        equal_alignment(nowhere, 7, np.random.default_rng(0))
