"""LDA against its definition, and the laws of its space."""

import numpy as np
import pytest

from tests.reference import lda as naive
from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.lda import LdaStatistics, accumulate_lda, estimate_lda


def some_frames(seed: int = 0, *, num_frames: int = 900, dim: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 6, num_frames)
    mixing = rng.normal(size=(dim, dim))
    features = (rng.normal(size=(6, dim))[classes] + rng.normal(size=(num_frames, dim))) @ mixing + 10.0
    return features.astype(np.float32), classes


def test_statistics_equal_the_loop_over_weighted_entries() -> None:
    rng = np.random.default_rng(1)
    features, _ = some_frames(num_frames=60)
    frames, classes = rng.integers(0, 60, 5000), rng.integers(0, 5, 5000)
    weights = rng.random(5000) * (rng.random(5000) < 0.8)
    found = accumulate_lda(features, classes, 6, weights, frames=frames)
    expected = naive.statistics(features, frames, classes, weights, 6)
    for one, other in zip((found.count, found.first, found.total_second), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)
    assert found.count[5] == 0.0


def test_transform_equals_generalised_eigenvectors() -> None:
    features, classes = some_frames()
    found = estimate_lda(accumulate_lda(features, classes, 6), 4)
    np.testing.assert_allclose(found, naive.transform(*naive.covariances(features, classes), 4), atol=1e-8)


def test_the_within_class_covariance_becomes_the_identity_and_the_between_class_one_diagonal_and_falling() -> None:
    features, classes = some_frames(3)
    transform = estimate_lda(accumulate_lda(features, classes, 6), 5)
    within, between = naive.covariances(features @ transform.T, classes)
    np.testing.assert_allclose(within, np.eye(5), atol=1e-8)
    np.testing.assert_allclose(between, np.diag(np.diag(between)), atol=1e-8)
    assert np.all(np.diff(np.diag(between)) <= 0.0)


def test_parts_add_up_to_the_whole() -> None:
    features, classes = some_frames()
    whole = accumulate_lda(features, classes, 6)
    parts = sum(
        (accumulate_lda(features[at], classes[at], 6) for at in np.array_split(np.arange(900), 4)),
        start=LdaStatistics.zeros(6, 7),
    )
    np.testing.assert_allclose(parts.count, whole.count)
    np.testing.assert_allclose(parts.first, whole.first, rtol=1e-10)
    np.testing.assert_allclose(parts.total_second, whole.total_second, rtol=1e-10)


def test_classes_without_frames_change_nothing() -> None:
    features, classes = some_frames()
    few = estimate_lda(accumulate_lda(features, classes, 6), 4)
    np.testing.assert_allclose(estimate_lda(accumulate_lda(features, classes * 3 + 2, 40), 4), few, atol=1e-10)


def test_impossible_requests_are_named() -> None:
    features, classes = some_frames()
    statistics = accumulate_lda(features, classes, 9)
    with pytest.raises(WfstAsrError, match=r"LDA to 6 dimensions from 7 with 6 classes .* at most 5 dimensions"):
        estimate_lda(statistics, 6)
    with pytest.raises(WfstAsrError, match="LDA: 900 frames do not fill the 7 dimensions"):
        estimate_lda(accumulate_lda(np.repeat(features[:, :1], 7, axis=1), classes, 6), 2)
    with pytest.raises(WfstAsrError, match="class 5 is out of range; expected 0 to 4"):
        accumulate_lda(features, classes, 5)
    with pytest.raises(WfstAsrError, match="899 classes for 900 frames"):
        accumulate_lda(features, classes[1:], 6)
    with pytest.raises(WfstAsrError, match="negative or not finite"):
        accumulate_lda(features, classes, 6, np.full(900, np.nan))
