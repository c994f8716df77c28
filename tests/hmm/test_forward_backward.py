"""Posteriors over all paths against enumeration."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.align.graphs import COLUMNS, COSTS, as_lists, graphs, left_to_right_graph, scores_of
from tests.reference.naive_align import paths_of_graph, posteriors
from wfst_asr.align.forced import AlignmentError, align
from wfst_asr.align.options import AlignOptions
from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.training_graph import TrainingGraph
from wfst_asr.hmm.forward_backward import forward_backward

EXACT = AlignOptions(beam=math.inf, acoustic_scale=0.5)


@settings(max_examples=150, deadline=None)
@given(graph=graphs(), seed=st.integers(0, 1000), num_frames=st.integers(1, 5))
def test_posteriors_are_those_of_enumeration(graph: TrainingGraph, seed: int, num_frames: int) -> None:
    scores = scores_of(seed, num_frames)
    lists = as_lists(graph)
    if not any(True for _ in paths_of_graph(lists, COSTS, COLUMNS, scores, 0.5)):
        with pytest.raises(AlignmentError):
            forward_backward(graph, scores, COLUMNS, COSTS, EXACT)
        return
    expected, total = posteriors(lists, COSTS, COLUMNS, scores, 0.5)
    found = forward_backward(graph, scores, COLUMNS, COSTS, EXACT, min_posterior=0.0)
    assert found.log_likelihood == pytest.approx(total, abs=1e-4)
    keys = list(zip(found.frames.tolist(), found.transition_ids.tolist(), strict=True))
    assert keys == sorted(set(keys))
    assert dict(zip(keys, found.posteriors.tolist(), strict=True)) == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(np.bincount(found.frames, found.posteriors), 1.0, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), num_frames=st.integers(8, 40))
def test_pruned_posteriors_sum_to_one_and_come_near(seed: int, num_frames: int) -> None:
    graph = left_to_right_graph(6)
    columns, costs = np.arange(-1, 12, dtype=np.int32) // 2, np.full(13, 0.5, dtype=np.float32)
    scores = np.random.default_rng(seed).normal(scale=2.0, size=(num_frames, 6)).astype(np.float32)
    exact = forward_backward(graph, scores, columns, costs, EXACT, min_posterior=0.0)
    pruned = forward_backward(graph, scores, columns, costs, replace(EXACT, beam=20.0), min_posterior=1e-3)
    np.testing.assert_allclose(np.bincount(pruned.frames, pruned.posteriors), 1.0, atol=1e-9)
    assert len(pruned.frames) <= len(exact.frames)
    assert pruned.log_likelihood <= exact.log_likelihood + 1e-9
    dense = np.zeros((2, num_frames, 13))
    dense[0][exact.frames, exact.transition_ids] = exact.posteriors
    dense[1][pruned.frames, pruned.transition_ids] = pruned.posteriors
    assert np.abs(dense[0] - dense[1]).max() < 0.05


def test_sharp_scores_give_the_best_path() -> None:
    graph = left_to_right_graph(4)
    columns, costs = np.arange(-1, 8, dtype=np.int32) // 2, np.zeros(9, dtype=np.float32)
    scores = np.random.default_rng(0).normal(scale=100.0, size=(30, 4)).astype(np.float32)
    options = AlignOptions(beam=math.inf, acoustic_scale=10.0)
    found = forward_backward(graph, scores, columns, costs, options)
    best = align(graph, scores, columns, costs, options)
    assert found.frames.tolist() == list(range(30))
    assert columns[found.transition_ids].tolist() == best.states.tolist()
    assert found.log_likelihood == pytest.approx(10.0 * best.log_likelihood, rel=1e-6)


def test_failures_have_reasons_and_the_wider_beam_is_tried() -> None:
    graph = left_to_right_graph(2)
    columns, costs = np.array([-1, 0, 0, 1, 1], dtype=np.int32), np.zeros(5, dtype=np.float32)
    late = np.array([[0.0, 0.0], [0.0, -200.0], [0.0, -200.0]], dtype=np.float32)
    assert forward_backward(graph, late, columns, costs, AlignOptions()).log_likelihood == pytest.approx(-20.0)
    with pytest.raises(AlignmentError, match="no path within beam 10 has reached the end at frame 3"):
        forward_backward(graph, late, columns, costs, AlignOptions(retry_beam=0.0))
    with pytest.raises(AlignmentError, match="too short for its words: 1 frames"):
        forward_backward(graph, late[:1], columns, costs, AlignOptions())
    with pytest.raises(WfstAsrError, match=r"min_posterior 0\.7"):
        forward_backward(graph, late, columns, costs, AlignOptions(), min_posterior=0.7)
