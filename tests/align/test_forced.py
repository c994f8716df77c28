"""The aligner against enumeration, and its laws."""

import math
import tracemalloc
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.align.graphs import COLUMNS, COSTS, as_lists, graphs, left_to_right_graph, scores_of
from tests.reference.naive_align import paths_of_graph
from wfst_asr.align import _search
from wfst_asr.align.forced import AlignmentError, align, forward_first, loops_first, transition_costs
from wfst_asr.align.options import AlignOptions
from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.training_graph import TrainingGraph
from wfst_asr.hmm.topology import kaldi_topology
from wfst_asr.hmm.transition_model import transition_model_from_tree
from wfst_asr.tree.decision_tree import monophone_tree

EXACT = AlignOptions(beam=math.inf, acoustic_scale=0.5)


@settings(max_examples=150, deadline=None)
@given(graph=graphs(), seed=st.integers(0, 1000), num_frames=st.integers(1, 5))
def test_the_best_path_is_that_of_enumeration(graph: TrainingGraph, seed: int, num_frames: int) -> None:
    scores = scores_of(seed, num_frames)
    paths = list(paths_of_graph(as_lists(graph), COSTS, COLUMNS, scores, 0.5))
    if not paths:
        with pytest.raises(AlignmentError):
            align(graph, scores, COLUMNS, COSTS, EXACT)
        return
    found = align(graph, scores, COLUMNS, COSTS, EXACT)
    lowest = min(cost for cost, _ in paths)
    assert found.graph_cost - 0.5 * found.log_likelihood == pytest.approx(lowest, abs=1e-4)
    best = [path for cost, path in paths if cost < lowest + 1e-4]
    arcs = as_lists(graph)["arcs"]
    assert found.states.tolist() in [[arcs[number][0] for number in path] for path in best]
    sums = [sum(scores[t][COLUMNS[arcs[number][2]]] for t, number in enumerate(path)) for path in best]
    assert any(found.log_likelihood == pytest.approx(total, abs=1e-4) for total in sums)


@settings(max_examples=60, deadline=None)
@given(graph=graphs(), seed=st.integers(0, 1000), beam=st.floats(0.5, 50.0))
def test_a_beam_never_finds_a_better_path_and_a_wide_one_finds_the_best(
    graph: TrainingGraph, seed: int, beam: float
) -> None:
    scores = scores_of(seed, 6)
    try:
        exact = align(graph, scores, COLUMNS, COSTS, EXACT)
    except AlignmentError:
        return
    wide = align(graph, scores, COLUMNS, COSTS, replace(EXACT, beam=1e6))
    assert wide.transition_ids.tobytes() == exact.transition_ids.tobytes()
    try:
        narrow = align(graph, scores, COLUMNS, COSTS, replace(EXACT, beam=beam, retry_beam=1e6))
    except AlignmentError as error:  # only the one beam was tried
        pytest.fail(str(error))
    total = narrow.graph_cost - 0.5 * narrow.log_likelihood
    assert total >= exact.graph_cost - 0.5 * exact.log_likelihood - 1e-4


def test_back_pointers_are_dropped_without_changing_the_path() -> None:
    graph = left_to_right_graph(60)
    rng = np.random.default_rng(0)
    columns = np.arange(-1, 120, dtype=np.int32) // 2
    scores = rng.normal(size=(4000, 60)).astype(np.float32)
    costs = np.zeros(121, dtype=np.float32)
    found = align(graph, scores, columns, costs, AlignOptions(beam=math.inf))  # 240,000 tokens: more than one buffer
    cost = np.full((4001, 61), np.inf)
    cost[0, 0] = 0.0
    for t in range(4000):
        emitted = cost[t, :60] - 0.1 * scores[t]
        cost[t + 1, :60] = emitted
        cost[t + 1, 1:61] = np.minimum(cost[t + 1, 1:61], emitted)
    assert found.graph_cost - 0.1 * found.log_likelihood == pytest.approx(cost[4000, 60], abs=1e-2)
    assert np.all(np.diff(found.states) >= 0)
    assert (found.states[0], found.states[-1]) == (0, 59)


def test_memory_is_bounded() -> None:
    graph = left_to_right_graph(60)
    columns, costs = np.arange(-1, 120, dtype=np.int32) // 2, np.zeros(121, dtype=np.float32)
    scores = np.zeros((4000, 60), dtype=np.float32)
    with (
        mock.patch.object(_search, "MAX_TOKENS", 1 << 10),
        pytest.raises(AlignmentError, match=r"within beam inf take more than .* use a smaller beam"),
    ):
        align(graph, scores, columns, costs, AlignOptions(beam=math.inf))


def test_a_long_recording_takes_little_memory() -> None:
    graph = left_to_right_graph(300)
    columns, costs = np.arange(-1, 600, dtype=np.int32) // 2, np.zeros(601, dtype=np.float32)
    truth = np.minimum(np.arange(20000) // 60, 299)
    scores = np.where(truth[:, None] == np.arange(300), 0.0, -30.0).astype(np.float32)
    tracemalloc.start()
    found = align(graph, scores, columns, costs, AlignOptions(beam=40.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.log_likelihood == 0.0
    assert peak < 10e6


def test_failures_have_reasons() -> None:
    graph = left_to_right_graph(4)
    columns, costs = np.arange(-1, 8, dtype=np.int32) // 2, np.zeros(9, dtype=np.float32)
    with pytest.raises(AlignmentError, match="too short for its words: 3 frames, but the shortest path has 4"):
        align(graph, np.zeros((3, 4), np.float32), columns, costs)
    with pytest.raises(AlignmentError, match="too short for its words: 0 frames"):
        align(graph, np.zeros((0, 4), np.float32), columns, costs)
    damaged = np.zeros((9, 4), np.float32)
    damaged[5, 2] = np.nan
    with pytest.raises(AlignmentError, match=r"not finite at frame 5 \(1 of 9 frames\)"):
        align(graph, damaged, columns, costs)
    stuck = np.tile(np.array([0.0, -9e3, -9e3, -9e3], np.float32), (9, 1))
    with pytest.raises(AlignmentError, match=r"within beam 40 has reached the end .*the best one was at word 1 of 4"):
        align(graph, stuck, columns, costs)
    with pytest.raises(AlignmentError, match="too long for HMMs without self-loops"):
        align(left_to_right_graph(4, loops=False), np.zeros((9, 4), np.float32), columns, costs)
    with pytest.raises(WfstAsrError, match="asks for score columns 0 to 3, but there are 2"):
        align(graph, np.zeros((9, 2), np.float32), columns, costs)
    with pytest.raises(WfstAsrError, match=r"scores of shape \(9,\)"):
        align(graph, np.zeros(9, np.float32), columns, costs)


def test_the_wider_beam_is_tried_where_the_first_does_not_reach_the_end() -> None:
    graph = left_to_right_graph(2)
    columns, costs = np.array([-1, 0, 0, 1, 1], dtype=np.int32), np.zeros(5, dtype=np.float32)
    late = np.array([[0.0, 0.0], [0.0, -200.0], [0.0, -200.0]], dtype=np.float32)
    found = align(graph, late, columns, costs, AlignOptions())
    assert (found.beam, found.retried) == (40.0, True)
    with pytest.raises(AlignmentError, match="no path within beam 10 "):
        align(graph, late, columns, costs, AlignOptions(retry_beam=0))


def test_transition_ids_come_forward_first() -> None:
    graph = left_to_right_graph(2)
    columns, costs = np.array([-1, 0, 0, 1, 1], dtype=np.int32), np.zeros(5, dtype=np.float32)
    scores = np.array([[0, -50], [0, -50], [0, -50], [-50, 0], [-50, 0]], dtype=np.float32)
    found = align(graph, scores, columns, costs, AlignOptions())
    assert found.transition_ids.tolist() == [2, 1, 1, 4, 3]
    assert found.states.tolist() == [0, 0, 0, 1, 1]
    assert (found.log_likelihood, found.graph_cost) == (0.0, 0.0)


@given(data=st.data())
def test_the_two_orders_of_self_loops_lead_to_each_other(data: st.DataObject) -> None:
    model = transition_model_from_tree(monophone_tree({1: 5, 2: 3}), kaldi_topology([2], [1]))
    forward = np.flatnonzero(~model.is_self_loop)[1:].tolist()
    visits = data.draw(st.lists(st.tuples(st.sampled_from(forward), st.integers(0, 3)), max_size=6))
    plain, reordered = [], []
    for label, loops in visits:
        loop = int(model.self_loop_id[model.transition_state[label]])
        plain += [loop] * loops + [label]
        reordered += [label] + [loop] * loops
    assert forward_first(plain, model).tolist() == reordered
    assert loops_first(reordered, model).tolist() == plain


def test_orders_that_cannot_be_are_refused() -> None:
    model = transition_model_from_tree(monophone_tree({1: 3}), kaldi_topology([1], []))
    with pytest.raises(WfstAsrError, match="end with a self-loop"):
        forward_first([2, 1], model)
    with pytest.raises(WfstAsrError, match="begin with a self-loop"):
        loops_first([1, 2], model)


def test_transition_costs_without_scales_are_log_probabilities() -> None:
    model = transition_model_from_tree(monophone_tree({1: 5, 2: 3}), kaldi_topology([2], [1]))
    plain = transition_costs(model, AlignOptions(transition_scale=1.0, self_loop_scale=1.0))
    np.testing.assert_allclose(plain[1:], -model.log_prob[1:], atol=1e-5)
    assert not transition_costs(model, AlignOptions(transition_scale=0.0, self_loop_scale=0.0)).any()


def test_options_are_checked() -> None:
    for values in ({"beam": 0.0}, {"retry_beam": -1.0}, {"acoustic_scale": math.nan}, {"self_loop_scale": -0.1}):
        with pytest.raises(WfstAsrError, match=next(iter(values))):
            AlignOptions(**values)
