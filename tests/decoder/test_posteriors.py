import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfst_asr.decoder.posteriors import PRIOR_FLOOR, divide_by_priors, log_priors, log_softmax, row_log_sums
from wfst_asr.errors import WfstAsrError

ROWS = st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=4)


@given(ROWS)
def test_softmax_makes_rows_that_sum_to_one(rows):
    found = log_softmax(rows)
    assert found.dtype == np.float32
    assert np.allclose(np.exp(found.astype(float)).sum(axis=1), 1, atol=1e-5)
    assert np.allclose(np.diff(found, axis=1), np.diff(rows, axis=1), atol=1e-4)


def test_rows_of_impossible_scores_have_no_sum():
    assert row_log_sums([[-np.inf, -np.inf], [0.0, -np.inf]]).tolist() == [-np.inf, 0.0]


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=6))
def test_counts_probabilities_and_logarithms_are_the_same_priors(counts):
    priors = np.array(counts) / sum(counts)
    assert np.allclose(log_priors(counts), log_priors(priors))
    assert np.allclose(log_priors(counts), log_priors(np.log(priors)))


def test_a_pdf_never_seen_has_the_floor_as_its_prior():
    assert np.allclose(np.exp(log_priors([1, 0])), [1, PRIOR_FLOOR])
    assert np.allclose(np.exp(log_priors([1, 0], floor=0.1)), [1, 0.1])
    assert np.isfinite(divide_by_priors(np.log([[0.5, 0.5]]), log_priors([1, 0]))).all()


@given(st.floats(0, 2))
def test_division_is_bayes_rule_to_a_power(scale):
    posteriors, prior = np.array([[0.2, 0.8], [0.5, 0.5]]), np.array([0.25, 0.75])
    found = divide_by_priors(np.log(posteriors), np.log(prior), prior_scale=scale)
    assert np.allclose(found, np.log(posteriors / prior**scale), atol=1e-6)


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ([-1.0, -1.0, -1.0], "sum to 1.104, expected 1"),
        ([1.0, -1.0], "not numbers of both signs"),
        ([0.0, 0.0], "expected counts"),
        ([np.nan, 1.0], "a vector of numbers"),
        ([[1.0]], "a vector of numbers"),
    ],
)
def test_what_is_no_prior_is_refused(priors, message):
    with pytest.raises(WfstAsrError, match=message):
        log_priors(priors)


def test_priors_that_do_not_fit_are_refused():
    with pytest.raises(WfstAsrError, match="floor of priors 0"):
        log_priors([1.0], floor=0)
    with pytest.raises(WfstAsrError, match=r"scores have 2 columns, but the graph expects 1 .one for each prior"):
        divide_by_priors([[0.0, 0.0]], [0.0])
    with pytest.raises(WfstAsrError, match="none above 0; use log_priors"):
        divide_by_priors([[0.0, 0.0]], [3.0, 1.0])
    with pytest.raises(WfstAsrError, match="prior_scale -1"):
        divide_by_priors([[0.0, 0.0]], [-1.0, -1.0], prior_scale=-1)
