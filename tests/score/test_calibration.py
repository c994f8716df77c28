"""Calibration of confidences: fits against their definitions, measures by hand, files."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfst_asr.errors import WfstAsrError
from wfst_asr.score.calibration import (
    IsotonicCalibration,
    LogisticCalibration,
    expected_calibration_error,
    fit_isotonic,
    fit_logistic,
    load_calibration,
    normalized_cross_entropy,
    reliability_table,
    save_calibration,
    word_correctness,
)

WORDS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 0.95, 1.0]), st.booleans()), min_size=1, max_size=30
)


def min_max_isotonic(pairs):
    """The isotonic fit by its min-max formula."""
    values = sorted({c for c, _ in pairs})

    def mean(i, j):
        of = [right for c, right in pairs if values[i] <= c <= values[j]]
        return sum(of) / len(of)

    places = range(len(values))
    return values, [max(min(mean(i, j) for j in places if j >= k) for i in places if i <= k) for k in places]


@given(WORDS)
def test_isotonic_fit_equals_its_min_max_formula(pairs):
    confidences, right = zip(*pairs, strict=True)
    values, expected = min_max_isotonic(pairs)
    found = fit_isotonic(confidences, right)
    words = len(pairs)
    limited = np.clip(expected, 1 / (words + 2), (words + 1) / (words + 2))
    assert found(values) == pytest.approx(limited, abs=1e-9)
    assert (np.diff(found(np.linspace(0, 1, 101))) >= -1e-12).all()


@given(WORDS)
def test_no_other_logistic_curve_nearby_is_more_likely(pairs):
    confidences, right = (np.array(side) for side in zip(*pairs, strict=True))
    found = fit_logistic(confidences, right)
    rights = right.sum()
    target = np.where(right, (rights + 1) / (rights + 2), 1 / (len(right) - rights + 2))

    def likelihood(slope, intercept):
        p = LogisticCalibration(slope, intercept)(confidences)
        return (target * np.log(p) + (1 - target) * np.log1p(-p)).sum()

    best = likelihood(found.slope, found.intercept)
    for change in ((0.01, 0.0), (-0.01, 0.0), (0.0, 0.01), (0.0, -0.01)):
        assert best >= likelihood(found.slope + change[0], found.intercept + change[1]) - 1e-7


@pytest.mark.parametrize("fit", [fit_isotonic, fit_logistic])
def test_calibration_mends_confidences_that_are_too_high(fit, tmp_path):
    rng = np.random.default_rng(3)
    truth = rng.random(4000) ** 0.5
    right = rng.random(4000) < truth
    told = 1 / (1 + np.exp(-2.0 * (np.log(truth) - np.log1p(-truth)) - 0.5))
    calibration = fit(told[:2000], right[:2000])
    mended = calibration(told[2000:])
    assert expected_calibration_error(mended, right[2000:]) < 0.05
    assert expected_calibration_error(told[2000:], right[2000:]) > 0.1
    before = normalized_cross_entropy(told[2000:], right[2000:])
    assert normalized_cross_entropy(mended, right[2000:]) > max(0.05, before)
    save_calibration(calibration, tmp_path / "calibration.json")
    assert load_calibration(tmp_path / "calibration.json") == calibration


def test_normalized_cross_entropy_by_hand():
    right = [True, True, False, False]
    assert normalized_cross_entropy([0.5] * 4, right) == pytest.approx(0.0)
    assert normalized_cross_entropy([1.0, 1.0, 0.0, 0.0], right) == pytest.approx(1.0)
    assert normalized_cross_entropy([0.8, 0.8, 0.2, 0.2], right) == pytest.approx(1 + math.log2(0.8))
    assert normalized_cross_entropy([1.0, 1.0, 1.0, 0.0], right) == -math.inf
    assert normalized_cross_entropy([1.0, 1.0, 1.0, 0.0], right, clip=0.01) == pytest.approx(
        (4 + 3 * math.log2(0.99) + math.log2(0.01)) / 4
    )
    assert math.isnan(normalized_cross_entropy([0.5], [True]))


def test_reliability_counts_words_by_their_confidence():
    rows = reliability_table([0.0, 0.15, 0.1, 1.0, 0.95], [False, True, False, True, False], bins=10)
    assert [row.words for row in rows] == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    assert rows[1].mean_confidence == pytest.approx(0.125)
    assert rows[9].share_correct == 0.5
    assert math.isnan(rows[5].share_correct)
    error = expected_calibration_error([0.0, 0.15, 0.1, 1.0, 0.95], [False, True, False, True, False])
    assert error == pytest.approx((0 + 2 * 0.375 + 2 * 0.475) / 5)


def test_correctness_is_that_of_the_alignment():
    assert word_correctness([], ["a"]).tolist() == [False]
    assert word_correctness(["a"], []).shape == (0,)
    assert word_correctness(["a", "b", "c"], ["a", "c"]).tolist() == [True, True]


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(WfstAsrError, match="no words with confidences"):
        fit_isotonic([], [])
    with pytest.raises(WfstAsrError, match=r"confidence 1.5 of word 1"):
        fit_logistic([0.5, 1.5], [True, False])
    with pytest.raises(WfstAsrError, match="expected one a word"):
        expected_calibration_error([0.5], [True, False])
    with pytest.raises(WfstAsrError, match="0 ranges"):
        reliability_table([0.5], [True], bins=0)
    path = tmp_path / "calibration.json"
    with pytest.raises(WfstAsrError, match="cannot be read"):
        load_calibration(path)
    for text in (
        "{",
        "[]",
        '{"kind": "other"}',
        '{"kind": "isotonic", "confidences": [1, 0], "probabilities": [0, 1]}',
    ):
        path.write_text(text)
        with pytest.raises(WfstAsrError, match="calibration of confidences"):
            load_calibration(path)
    save_calibration(IsotonicCalibration((0.5,), (0.4,)), path)
    assert load_calibration(path)([0.1, 0.9]).tolist() == [0.4, 0.4]
