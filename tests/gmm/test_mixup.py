import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gmm.mixtures import as_lists, random_model
from tests.reference import diag_gmm
from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.mixup import gaussian_targets, merge_to, split_to


@given(
    st.lists(st.floats(0.0, 5000.0), min_size=1, max_size=12),
    st.integers(1, 200),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.sampled_from([1.0, 20.0]),
)
def test_gaussians_are_shared_out_as_kaldi_does(
    occupancy: list[float], wanted: int, power: float, min_count: float
) -> None:
    found = gaussian_targets(np.array(occupancy), wanted, power=power, min_count=min_count)
    assert sum(found) <= max(wanted, len(occupancy))
    assert all(size == 1 or size * min_count < frames for size, frames in zip(found, occupancy, strict=True))
    naive = diag_gmm.split_targets(occupancy, wanted, power=power, min_count=min_count)
    assert sorted(found.tolist()) == sorted(naive)


def moments(model: AcousticModel) -> list[tuple[np.ndarray, np.ndarray]]:
    result = []
    for a, b in zip(model.offsets[:-1], model.offsets[1:], strict=True):
        weights, means = model.weights[a:b, None], model.means[a:b]
        mean = (weights * means).sum(axis=0)
        result.append((mean, (weights * (model.variances[a:b] + means**2)).sum(axis=0) - mean**2))
    return result


def test_splitting_keeps_the_mean_and_almost_the_variance_of_every_pdf() -> None:
    model = random_model(1)
    occupancy = np.array([900.0, 500.0, 100.0, 2000.0])
    more = split_to(model, occupancy, num_gaussians=40, rng=np.random.default_rng(0))
    assert more.num_gaussians == 40
    np.testing.assert_allclose(np.add.reduceat(more.weights, more.offsets[:-1]), 1.0)
    for (mean, variance), (new_mean, new_variance) in zip(moments(model), moments(more), strict=True):
        np.testing.assert_allclose(new_mean, mean, atol=1e-12)
        np.testing.assert_allclose(new_variance, variance, rtol=5e-3)


def test_the_heaviest_gaussian_is_halved_and_moved_apart_by_standard_deviations() -> None:
    model = AcousticModel(np.array([0, 2]), np.array([0.3, 0.7]), np.zeros((2, 3)), np.array([[1.0] * 3, [9.0] * 3]))
    more = split_to(model, np.array([1000.0]), num_gaussians=3, perturb=0.5, rng=np.random.default_rng(3))
    noise = np.random.default_rng(3).standard_normal((1, 3))[0]
    assert more.weights.tolist() == [0.3, 0.35, 0.35]
    np.testing.assert_allclose(more.means, [[0.0] * 3, -1.5 * noise, 1.5 * noise])
    np.testing.assert_allclose(more.variances, [[1.0] * 3, [9.0] * 3, [9.0] * 3])


def test_the_same_seed_gives_the_same_bytes_and_the_model_stays_as_it_was() -> None:
    model = random_model(2)
    before = model.weights.copy()
    occupancy = np.full(4, 1000.0)
    first, second, other = (
        split_to(model, occupancy, num_gaussians=50, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.means.tobytes() == second.means.tobytes()
    assert first.means.tobytes() != other.means.tobytes()
    np.testing.assert_array_equal(model.weights, before)


def test_pdfs_with_their_share_or_more_are_not_split() -> None:
    model = random_model(3)
    same = split_to(model, np.full(4, 1000.0), num_gaussians=4, rng=np.random.default_rng(0))
    assert same is model
    few = split_to(model, np.full(4, 30.0), num_gaussians=1000, rng=np.random.default_rng(0))
    assert few.num_gaussians == model.num_gaussians


@pytest.mark.parametrize("wanted", [1, 4, 6, 9, 100])
def test_merging_joins_the_pairs_that_lose_the_least(wanted: int) -> None:
    model = random_model(4, max_gaussians=7)
    occupancy = np.array([900.0, 500.0, 100.0, 2000.0])
    fewer = merge_to(model, occupancy, num_gaussians=wanted)
    targets = gaussian_targets(occupancy, wanted, power=0.25, min_count=20.0)
    naive = [diag_gmm.merge(mixture, size) for mixture, size in zip(as_lists(model), targets, strict=True)]
    assert np.diff(fewer.offsets).tolist() == [len(mixture) for mixture in naive]
    for found, i in ((fewer.weights, 0), (fewer.means, 1), (fewer.variances, 2)):
        np.testing.assert_allclose(found, [g[i] for mixture in naive for g in mixture], rtol=1e-9, atol=1e-12)
    for (mean, variance), (new_mean, new_variance) in zip(moments(model), moments(fewer), strict=True):
        np.testing.assert_allclose(new_mean, mean, atol=1e-12)
        np.testing.assert_allclose(new_variance, variance)


def test_occupancies_of_another_model_are_told() -> None:
    with pytest.raises(WfstAsrError, match=r"occupancies of shape \(3,\) for a model of 4 pdfs"):
        merge_to(random_model(0), np.ones(3), num_gaussians=4)
