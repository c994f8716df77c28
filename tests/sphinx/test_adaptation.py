"""Constrained MLLR of the cepstra on synthetic data of a small model."""

from dataclasses import replace

import numpy as np
import pytest

from tests.reference.cepstral_fmllr import statistics as naive_statistics
from wfst_asr.errors import WfstAsrError
from wfst_asr.sphinx.adaptation import (
    AdaptOptions,
    CepstralTransform,
    TransformEstimator,
    TransformStatistics,
    improved,
)
from wfst_asr.sphinx.gaussians import Codebooks
from wfst_asr.sphinx.scorer import MixtureScorer

SIZE, STREAMS, BOOKS, DENSITIES, SENONES = 4, 3, 5, 6, 20


@pytest.fixture(scope="module")
def scorer() -> MixtureScorer:
    rng = np.random.default_rng(0)
    shape = (BOOKS, DENSITIES, SIZE)
    means = tuple(rng.normal(scale=3.0, size=shape).astype(np.float32) for _ in range(STREAMS))
    variances = tuple(rng.uniform(0.3, 1.0, shape).astype(np.float32) for _ in range(STREAMS))
    weights = rng.dirichlet(np.ones(DENSITIES), size=(STREAMS, SENONES)).transpose(0, 2, 1)
    return MixtureScorer(
        Codebooks(means, variances),
        np.log(weights + 1e-4).astype(np.float32),
        (np.arange(SENONES) % BOOKS).astype(np.int32),
    )


@pytest.fixture(scope="module")
def estimator(scorer: MixtureScorer) -> TransformEstimator:
    return TransformEstimator(scorer, cepstra=SIZE)


def drawn(scorer: MixtureScorer, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features that the model draws, and their senones."""
    senones = rng.integers(0, SENONES, count)
    books = scorer.senone_codebook[senones]
    blocks = []
    for s in range(STREAMS):
        weights = np.exp(scorer.log_weights[s].astype(np.float64))
        density = [rng.choice(DENSITIES, p=weights[:, senone] / weights[:, senone].sum()) for senone in senones]
        blocks.append(
            rng.normal(scorer.codebooks.means[s][books, density], scorer.codebooks.variances[s][books, density] ** 0.5)
        )
    return np.concatenate(blocks, axis=1).astype(np.float32), senones


def distortion(rng: np.random.Generator, size: float) -> CepstralTransform:
    return CepstralTransform(np.eye(SIZE) + rng.normal(scale=size, size=(SIZE, SIZE)), rng.normal(size=SIZE))


def undone(transform: CepstralTransform, features: np.ndarray) -> np.ndarray:
    """Features that the transform turns into the given ones."""
    inverse = np.linalg.inv(transform.matrix).astype(np.float64)
    return CepstralTransform(inverse, -inverse @ transform.bias).apply(features)


def test_a_known_affine_distortion_is_recovered(scorer: MixtureScorer, estimator: TransformEstimator) -> None:
    rng = np.random.default_rng(1)
    features, senones = drawn(scorer, 4000, rng)
    truth = distortion(rng, 0.1)
    options = AdaptOptions(prior_frames=1.0, iterations=30)
    found = estimator.estimate(undone(truth, features), senones, options).transform
    np.testing.assert_allclose(found.matrix, truth.matrix, atol=0.03)
    np.testing.assert_allclose(found.bias, truth.bias, atol=0.1)


def test_the_objective_never_falls(scorer: MixtureScorer, estimator: TransformEstimator) -> None:
    rng = np.random.default_rng(2)
    for count in (60, 500):
        features, senones = drawn(scorer, count, rng)
        result = estimator.estimate(
            undone(distortion(rng, 0.3), features), senones, AdaptOptions(iterations=12, sweeps=1)
        )
        gains = np.diff(result.objective)
        assert len(gains) == 11
        assert gains.min() > -1e-5 * abs(result.objective[0])
        assert gains[0] > 1.0


def test_a_row_update_reaches_a_maximum_of_the_auxiliary_function(
    scorer: MixtureScorer, estimator: TransformEstimator
) -> None:
    rng = np.random.default_rng(3)
    features, senones = drawn(scorer, 300, rng)
    features = undone(distortion(rng, 0.2), features)
    start = CepstralTransform.identity(SIZE)
    own, occupancy, _ = estimator.statistics(features, senones, start)
    both = own + estimator.prior(occupancy, 20.0)
    values = [both.auxiliary(start)]
    current = start
    for _ in range(30):
        current = improved(both, current, sweeps=1)
        values.append(both.auxiliary(current))
    assert np.diff(values).min() > -1e-6
    assert values[1] > values[0]
    for _ in range(40):
        step = 1e-3 * rng.normal(size=(SIZE, SIZE + 1))
        near = CepstralTransform(current.matrix + step[:, :SIZE], current.bias + step[:, SIZE])
        assert both.auxiliary(near) <= values[-1] + 1e-6


def test_the_statistics_are_those_of_the_definition(scorer: MixtureScorer, estimator: TransformEstimator) -> None:
    rng = np.random.default_rng(4)
    features, senones = drawn(scorer, 40, rng)
    transform = distortion(rng, 0.2)
    found, occupancy, log_likelihood = estimator.statistics(features, senones, transform)
    books = scorer.codebooks
    quadratic, linear = naive_statistics(
        features, senones, list(books.means), list(books.variances), scorer.log_weights, scorer.senone_codebook,
        transform.matrix, transform.bias,
    )  # fmt: skip
    np.testing.assert_allclose(found.quadratic, quadratic, rtol=1e-3, atol=1e-3 * np.abs(quadratic).max())
    np.testing.assert_allclose(found.linear, linear, rtol=1e-3, atol=1e-3 * np.abs(linear).max())
    assert found.count == 40 * STREAMS
    np.testing.assert_allclose(occupancy.sum(axis=(1, 2)), 40, rtol=1e-5)
    scores = scorer.log_likelihoods(transform.apply(features))[np.arange(40), senones]
    assert log_likelihood == pytest.approx(float(scores.sum()), rel=1e-4)


def test_the_prior_is_best_explained_by_the_identity(scorer: MixtureScorer, estimator: TransformEstimator) -> None:
    features, senones = drawn(scorer, 50, np.random.default_rng(5))
    identity = CepstralTransform.identity(SIZE)
    _, occupancy, _ = estimator.statistics(features, senones, identity)
    prior = estimator.prior(occupancy, 10.0)
    found = improved(prior, identity, sweeps=5)
    np.testing.assert_allclose(found.matrix, np.eye(SIZE), atol=1e-5)
    np.testing.assert_allclose(found.bias, 0.0, atol=1e-5)


def test_one_stream_of_all_blocks_gives_transforms_too(scorer: MixtureScorer) -> None:
    books = scorer.codebooks
    joined = MixtureScorer(
        Codebooks((np.concatenate(books.means, axis=2),), (np.concatenate(books.variances, axis=2),)),
        scorer.log_weights[:1],
        scorer.senone_codebook,
    )
    rng = np.random.default_rng(6)
    senones = rng.integers(0, SENONES, 3000)
    owner, density = scorer.senone_codebook[senones], rng.integers(0, DENSITIES, 3000)
    mean, variance = joined.codebooks.means[0], joined.codebooks.variances[0]
    features = rng.normal(mean[owner, density], variance[owner, density] ** 0.5).astype(np.float32)
    truth = distortion(rng, 0.1)
    options = AdaptOptions(prior_frames=1.0, iterations=10)
    found = TransformEstimator(joined, cepstra=SIZE).estimate(undone(truth, features), senones, options).transform
    np.testing.assert_allclose(found.matrix, truth.matrix, atol=0.03)


def test_short_recordings_fall_back(scorer: MixtureScorer, estimator: TransformEstimator) -> None:
    rng = np.random.default_rng(7)
    features, senones = drawn(scorer, 60, rng)
    features = undone(distortion(rng, 0.3), features)
    for count in (0, 49):
        result = estimator.estimate(features[:count], senones[:count])
        assert result.objective == ()
        assert result.num_frames == count
        np.testing.assert_array_equal(result.transform.apply(features), features)
    distances = [
        np.abs(
            estimator.estimate(features, senones, AdaptOptions(prior_frames=prior)).transform.matrix - np.eye(SIZE)
        ).max()
        for prior in (10.0, 1e3, 1e6)
    ]
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < 1e-3


def test_a_handful_of_frames_gives_a_finite_transform(scorer: MixtureScorer, estimator: TransformEstimator) -> None:
    features, senones = drawn(scorer, 2, np.random.default_rng(8))
    result = estimator.estimate(features, senones, AdaptOptions(min_frames=0, prior_frames=1.0))
    assert np.isfinite(result.transform.apply(features)).all()
    assert np.linalg.det(result.transform.matrix) > 0


def test_adding_statistics_adds_their_auxiliary_functions() -> None:
    rng = np.random.default_rng(9)
    one, two = (TransformStatistics(rng.normal(size=(2, 3, 3)), rng.normal(size=(2, 3)), n) for n in (3.0, 4.0))
    transform = CepstralTransform(np.array([[1.0, 0.5], [0.0, 2.0]]), np.array([1.0, -1.0]))
    total = one.auxiliary(transform) + two.auxiliary(transform)
    assert (one + two).auxiliary(transform) == pytest.approx(total)


def test_bad_options_and_models_are_refused(scorer: MixtureScorer) -> None:
    with pytest.raises(WfstAsrError, match=r"streams have .*not multiples of the 3 cepstra"):
        TransformEstimator(scorer, cepstra=3)
    for change, message in (
        ({"prior_frames": 0.0}, "prior_frames is 0.0"),
        ({"iterations": 0}, "expected at least 1 of each"),
        ({"rounds": 0}, "rounds is 0"),
        ({"first_beam": -1.0}, "first_beam is -1.0"),
    ):
        with pytest.raises(WfstAsrError, match=message):
            replace(AdaptOptions(), **change)
