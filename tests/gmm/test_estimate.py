import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gmm.mixtures import as_lists, random_frames, random_model
from tests.reference import diag_gmm
from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.accumulate import GmmStatistics, accumulate
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.estimate import EstimateOptions, auxiliary, estimate


@given(st.integers(0, 10_000), st.booleans())
def test_no_iteration_lowers_the_likelihood(seed: int, soft: bool) -> None:
    frames, pdfs = random_frames(seed, random_model(seed, spread=2.0), 300)
    weights = np.random.default_rng(seed).uniform(size=300) if soft else None
    model = random_model(seed + 1, max_gaussians=3)
    options = EstimateOptions(min_variance=1e-4, min_occupancy=0.0, remove_low_count=False)
    before = -np.inf
    for _ in range(6):
        statistics = accumulate(model, frames, pdfs, weights=weights)
        assert statistics.log_likelihood >= before - 1e-3
        before = statistics.log_likelihood
        result = estimate(model, statistics, options)
        assert result.objective_change >= -1e-3
        model = result.model


def test_the_likelihood_rises_by_the_objective_or_more() -> None:
    frames, pdfs = random_frames(1, random_model(1), 400)
    model = random_model(2)
    statistics = accumulate(model, frames, pdfs)
    result = estimate(model, statistics, EstimateOptions(remove_low_count=False))
    after = accumulate(result.model, frames, pdfs)
    assert after.log_likelihood - statistics.log_likelihood >= result.objective_change - 1e-2 > 0
    assert result.frames == pytest.approx(400)


@pytest.mark.parametrize("remove", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_the_update_is_kaldis_gaussian_by_gaussian(seed: int, remove: bool) -> None:
    model = random_model(seed, num_pdfs=6, max_gaussians=6)
    frames, pdfs = random_frames(seed, model, 400)
    used = pdfs != 3  # one pdf has no frames at all
    statistics = accumulate(model, frames[used], pdfs[used])
    options = EstimateOptions(min_variance=1.0, min_occupancy=12.0, remove_low_count=remove)
    result = estimate(model, statistics, options)
    flat = list(zip(statistics.occupancy, statistics.first, statistics.second, strict=True))
    naive = [
        diag_gmm.update(mixture, flat[a:b], min_variance=1.0, min_occupancy=12.0, remove=remove)
        for mixture, a, b in zip(as_lists(model), model.offsets[:-1], model.offsets[1:], strict=True)
    ]
    assert np.diff(result.model.offsets).tolist() == [len(mixture) for mixture in naive]
    for found, i in ((result.model.weights, 0), (result.model.means, 1), (result.model.variances, 2)):
        np.testing.assert_allclose(found, [g[i] for mixture in naive for g in mixture], rtol=1e-10, atol=1e-12)
    assert result.removed == model.num_gaussians - result.model.num_gaussians
    assert (result.removed > 0) == remove
    assert result.floored > 0


def test_a_pdf_whose_gaussians_all_have_too_little_data_keeps_one() -> None:
    model = random_model(3, num_pdfs=2)
    result = estimate(model, GmmStatistics.zeros(model))
    assert np.diff(result.model.offsets).tolist() == [1, 1]
    assert result.model.weights.tolist() == [1.0, 1.0]
    assert result.objective_change == 0.0


def test_variances_stay_above_a_fraction_of_the_variance_of_all_frames() -> None:
    model = AcousticModel(np.array([0, 1, 2]), np.ones(2), np.array([[0.0], [10.0]]), np.ones((2, 1)))
    frames = np.array([[0.0]] * 20 + [[10.0]] * 20)
    statistics = accumulate(model, frames, np.repeat([0, 1], 20))
    result = estimate(model, statistics, EstimateOptions(relative_floor=0.01))
    np.testing.assert_allclose(result.model.variances, 0.01 * 25.0)
    assert result.floored == 2
    assert estimate(model, statistics).model.variances.tolist() == [[0.001], [0.001]]


def test_the_auxiliary_function_is_that_of_the_posteriors() -> None:
    model = random_model(4)
    frames, pdfs = random_frames(4, model, 30)
    naive = 0.0
    for frame, pdf in zip(frames.astype(float), pdfs, strict=True):
        scores = [diag_gmm.log_density(frame, *gaussian) for gaussian in as_lists(model)[pdf]]
        whole = diag_gmm.log_sum(scores)
        naive += sum(np.exp(score - whole) * score for score in scores)
    assert auxiliary(model, accumulate(model, frames, pdfs)) == pytest.approx(naive, rel=1e-5)


def test_options_and_statistics_that_do_not_fit_are_told() -> None:
    with pytest.raises(WfstAsrError, match="min_variance is 0"):
        EstimateOptions(min_variance=0.0)
    with pytest.raises(WfstAsrError, match="relative_floor is 2"):
        EstimateOptions(relative_floor=2.0)
    with pytest.raises(WfstAsrError, match="min_occupancy is -1"):
        EstimateOptions(min_occupancy=-1.0)
    with pytest.raises(WfstAsrError, match="accumulate them with this model"):
        estimate(random_model(0), GmmStatistics.zeros(random_model(1, num_pdfs=9)))
