"""MLLT against loops and a general optimiser."""

import numpy as np
import pytest

from tests.gmm.transform_world import drawn, naive_entries, random_model, total_log_likelihood
from tests.reference import fmllr as naive_rows
from tests.reference import mllt as naive
from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.mllt import MlltStatistics, accumulate_mllt, estimate_mllt, model_in_new_space

SIZES = (1, 3, 2, 70)  # more Gaussians than are summed at a time


def correlated_frames(
    seed: int, *, dim: int = 4, num_frames: int = 400
) -> tuple[AcousticModel, np.ndarray, np.ndarray]:
    """A model with the right means and diagonal variances, for frames whose errors are correlated."""
    rng = np.random.default_rng(seed)
    model = random_model(rng, dim=dim, sizes=SIZES)
    pdf_ids = rng.integers(0, len(SIZES), num_frames)
    mixing = np.eye(dim) + 0.5 * rng.normal(size=(dim, dim))
    features = (drawn(rng, model, pdf_ids) @ mixing.T).astype(np.float32)
    return model_in_new_space(model, mixing), features, pdf_ids


def test_statistics_equal_the_loop_over_weighted_entries() -> None:
    rng = np.random.default_rng(5)
    model, features, _ = correlated_frames(0, num_frames=30)
    frames, pdf_ids = rng.integers(0, 30, 90), rng.integers(0, 4, 90)
    weights = rng.random(90) * (rng.random(90) < 0.8)
    found = accumulate_mllt(model, features, pdf_ids, weights=weights, frames=frames)
    count, quadratic = naive.statistics(features, naive_entries(model, features, pdf_ids, weights, frames))
    assert found.count == pytest.approx(count, rel=1e-12)
    np.testing.assert_allclose(found.quadratic, quadratic, rtol=1e-9, atol=1e-9)


def test_parts_add_up_to_the_whole() -> None:
    model, features, pdf_ids = correlated_frames(1)
    whole = accumulate_mllt(model, features, pdf_ids)
    parts = sum(
        (accumulate_mllt(model, features[at], pdf_ids[at]) for at in np.array_split(np.arange(400), 3)),
        start=MlltStatistics.zeros(4),
    )
    assert parts.count == pytest.approx(whole.count)
    np.testing.assert_allclose(parts.quadratic, whole.quadratic, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_objective_rises_to_where_a_general_optimiser_ends(seed: int) -> None:
    model, features, pdf_ids = correlated_frames(seed)
    statistics = accumulate_mllt(model, features, pdf_ids)
    before = naive.objective(np.eye(4), statistics.count, statistics.quadratic)
    previous = before
    for iterations in (1, 2, 5, 200):
        found = estimate_mllt(statistics, iterations=iterations)
        after = naive.objective(found.matrix, statistics.count, statistics.quadratic)
        assert after >= previous
        assert found.objective_change * statistics.count == pytest.approx(after - before, abs=1e-8 * abs(after))
        previous = after
    _, best = naive_rows.maximum(np.eye(4), statistics.count, np.zeros((4, 4)), statistics.quadratic)
    assert previous == pytest.approx(best, abs=1e-4 * statistics.count)


@pytest.mark.parametrize("seed", range(4))
def test_the_likelihood_with_its_determinant_rises_by_at_least_the_objective(seed: int) -> None:
    model, features, pdf_ids = correlated_frames(seed)
    found = estimate_mllt(accumulate_mllt(model, features, pdf_ids))
    after = total_log_likelihood(model_in_new_space(model, found.matrix), features @ found.matrix.T, pdf_ids)
    after += len(features) * np.linalg.slogdet(found.matrix)[1]
    before = total_log_likelihood(model, features, pdf_ids)
    assert found.objective_change > 0.1
    assert after - before >= found.objective_change * len(features) - 1e-3


def test_one_gaussian_is_whitened() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(5000, 3)) @ rng.normal(size=(3, 3)) + 2.0
    model = AcousticModel(np.array([0, 1]), np.ones(1), x.mean(axis=0)[None], np.ones((1, 3)))
    matrix = estimate_mllt(accumulate_mllt(model, x, np.zeros(5000, dtype=np.int32))).matrix
    np.testing.assert_allclose(np.cov((x @ matrix.T).T, bias=True), np.eye(3), atol=1e-3)


def test_a_model_in_its_new_space_keeps_weights_and_variances() -> None:
    model = random_model(np.random.default_rng(0), dim=2, sizes=(1, 2))
    moved = model_in_new_space(model, np.array([[0.0, 2.0], [1.0, 0.0]]))
    np.testing.assert_array_equal(moved.means, model.means[:, ::-1] * [2.0, 1.0])
    assert moved.variances is model.variances
    assert moved.weights is model.weights


def test_frames_that_do_not_fill_the_space_are_refused() -> None:
    model, features, pdf_ids = correlated_frames(0)
    with pytest.raises(WfstAsrError, match="MLLT: 3 frames do not fill the 4 dimensions"):
        estimate_mllt(accumulate_mllt(model, features[:3], pdf_ids[:3] * 0))
    with pytest.raises(WfstAsrError, match="MLLT: 0 frames"):
        estimate_mllt(MlltStatistics.zeros(4))
    with pytest.raises(WfstAsrError, match=r"features are \(400, 3\); the model's means have 4 dimensions"):
        accumulate_mllt(model, features[:, :3], pdf_ids)
    with pytest.raises(WfstAsrError, match="class 4 is out of range"):
        accumulate_mllt(model, features, pdf_ids + 1)
    with pytest.raises(WfstAsrError, match=r"the transform is \(3, 3\)"):
        model_in_new_space(model, np.eye(3))
