"""Transition probabilities from counts; the comparison with Kaldi's code is in tests/align."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.estimate import estimate_transitions
from wfst_asr.hmm.topology import HmmTopology, left_to_right, silence_topology
from wfst_asr.hmm.transition_model import transition_model_from_tree
from wfst_asr.tree.decision_tree import monophone_tree

ENTRIES = (left_to_right(3, skip_prob=0.1), silence_topology(5))
MODEL = transition_model_from_tree(monophone_tree({1: 5, 2: 3, 3: 3}), HmmTopology(ENTRIES, {1: 1, 2: 0, 3: 0}))
COUNTS = arrays(np.float64, MODEL.num_transition_ids + 1, elements=st.floats(0.0, 1e4))


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS)
def test_probabilities_are_shares_of_the_counts_and_the_likelihood_does_not_fall(counts: np.ndarray) -> None:
    new, change = estimate_transitions(MODEL, counts, floor=1e-5, min_count=0.0)
    for state in range(1, MODEL.num_transition_states + 1):
        ids = np.arange(MODEL.first_id[state], MODEL.first_id[state + 1])
        total = counts[ids].sum()
        expected = counts[ids] / total if total > 0 else np.exp(MODEL.log_prob[ids].astype(np.float64))
        assert np.exp(new.log_prob[ids]) == pytest.approx(expected, abs=1e-4)
    assert change >= -1e-3 * counts.sum()


def test_states_with_small_counts_keep_their_probabilities() -> None:
    counts = np.full(MODEL.num_transition_ids + 1, 0.9)
    new, change = estimate_transitions(MODEL, counts)
    assert np.array_equal(new.log_prob, MODEL.log_prob)
    assert change == 0.0
    assert not np.array_equal(estimate_transitions(MODEL, 10 * counts)[0].log_prob, MODEL.log_prob)


def test_probabilities_are_floored() -> None:
    counts = np.zeros(MODEL.num_transition_ids + 1)
    counts[MODEL.self_loop_id[1:]] = 1000.0
    new, _ = estimate_transitions(MODEL, counts)
    assert np.exp(new.log_prob[1:]).min() == pytest.approx(0.01)
    assert np.isfinite(new.non_self_loop_log_prob).all()


def test_wrong_counts_are_refused() -> None:
    good = np.zeros(MODEL.num_transition_ids + 1)
    with pytest.raises(WfstAsrError, match="counts for"):
        estimate_transitions(MODEL, good[:-1])
    bad = good.copy()
    bad[3] = -1.0
    with pytest.raises(WfstAsrError, match="negative or not finite"):
        estimate_transitions(MODEL, bad)
    with pytest.raises(WfstAsrError, match=r"a floor of 0\.5"):
        estimate_transitions(MODEL, good, floor=0.5)
