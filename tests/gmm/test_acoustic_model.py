import numpy as np
import pytest

from tests.gmm.mixtures import as_lists, random_frames, random_model
from tests.reference import diag_gmm
from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel, single_gaussians


@pytest.mark.parametrize("dim", [1, 7, 8, 13, 39, 40])
@pytest.mark.parametrize("count", [0, 1, 15, 64, 200])
def test_scores_are_the_log_densities_of_the_mixtures(dim: int, count: int) -> None:
    model = random_model(dim, dim=dim)
    frames, _ = random_frames(count, model, count)
    naive = [[diag_gmm.log_likelihood(frame, mixture) for mixture in as_lists(model)] for frame in frames]
    scores = model.log_likelihoods(frames)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, np.reshape(naive, (count, model.num_pdfs)), rtol=1e-6, atol=1e-5)


def test_scores_of_some_pdfs_are_their_columns_in_the_order_asked_for() -> None:
    model = random_model(1, num_pdfs=9)
    frames, _ = random_frames(2, model, 70)
    columns = [5, 0, 5, 8]
    np.testing.assert_array_equal(model.log_likelihoods(frames, columns), model.log_likelihoods(frames)[:, columns])
    assert model.log_likelihoods(frames, []).shape == (70, 0)


def test_frames_far_from_all_gaussians_have_finite_scores() -> None:
    model = random_model(3)
    frames = np.full((2, model.dim), 1e6, dtype=np.float32)
    scores = model.log_likelihoods(frames)
    naive = [diag_gmm.log_likelihood(frames[0].astype(float), mixture) for mixture in as_lists(model)]
    np.testing.assert_allclose(scores[0], naive, rtol=1e-5)


def test_a_gaussian_of_no_weight_does_not_count() -> None:
    with_none = AcousticModel(np.array([0, 2]), np.array([1.0, 0.0]), np.zeros((2, 1)), np.ones((2, 1)))
    alone = AcousticModel(np.array([0, 1]), np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    frames = np.linspace(-3, 3, 20)[:, None]
    np.testing.assert_allclose(with_none.log_likelihoods(frames), alone.log_likelihoods(frames), atol=1e-6)


def test_large_offsets_do_not_cost_precision() -> None:
    model = random_model(4)
    moved = AcousticModel(model.offsets, model.weights, model.means + 512.0, np.full_like(model.variances, 0.001))
    still = AcousticModel(model.offsets, model.weights, model.means, np.full_like(model.variances, 0.001))
    frames = (np.round(still.means * 256) / 256).astype(np.float32)
    naive = [[diag_gmm.log_likelihood(frame, m) for m in as_lists(still)] for frame in frames.astype(float)]
    np.testing.assert_allclose(still.log_likelihoods(frames), naive, rtol=1e-6, atol=1e-5)
    near = np.isclose(naive, np.max(naive, axis=1, keepdims=True))
    difference = moved.log_likelihoods(frames + 512) - np.array(naive)
    assert np.abs(difference[near]).max() < 0.1  # the means themselves are 3e-5 off in single precision


def test_a_pdf_without_frames_gets_the_gaussian_of_all_frames() -> None:
    rng = np.random.default_rng(0)
    frames, pdfs = rng.normal(size=(50, 3)), rng.choice([0, 2], 50)
    count = np.bincount(pdfs, minlength=3).astype(float)
    first = np.stack([frames[pdfs == p].sum(axis=0) for p in range(3)])
    second = np.stack([(frames[pdfs == p] ** 2).sum(axis=0) for p in range(3)])
    model = single_gaussians(count, first, second, variance_floor=1e-3)
    np.testing.assert_allclose(model.means[2], frames[pdfs == 2].mean(axis=0))
    np.testing.assert_allclose(model.variances[0], frames[pdfs == 0].var(axis=0))
    np.testing.assert_allclose(model.means[1], frames.mean(axis=0))
    np.testing.assert_allclose(model.variances[1], frames.var(axis=0))
    with pytest.raises(WfstAsrError, match="no frames to estimate"):
        single_gaussians(0 * count, first, second, variance_floor=1e-3)


def test_models_and_features_that_do_not_fit_are_told() -> None:
    model = random_model(5)
    with pytest.raises(WfstAsrError, match=r"features of shape \(3, 4\) for an acoustic model of 5 dimensions"):
        model.log_likelihoods(np.zeros((3, 4)))
    with pytest.raises(WfstAsrError, match="pdf-id 4, but the acoustic model has 4"):
        model.log_likelihoods(np.zeros((3, 5)), [1, 4])
    with pytest.raises(WfstAsrError, match="frame 1 holds what is not a number"):
        model.log_likelihoods(np.array([[0.0] * 5, [0, 0, np.nan, 0, 0]]))
    with pytest.raises(WfstAsrError, match="a variance that is not above 0"):
        AcousticModel(model.offsets, model.weights, model.means, 0 * model.variances)
    with pytest.raises(WfstAsrError, match="a pdf has no Gaussians"):
        AcousticModel(np.array([0, 0, model.num_gaussians]), model.weights, model.means, model.variances)
    with pytest.raises(WfstAsrError, match="do not belong together"):
        AcousticModel(model.offsets, model.weights[1:], model.means, model.variances)
