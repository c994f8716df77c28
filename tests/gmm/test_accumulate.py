import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gmm.mixtures import as_lists, random_frames, random_model
from tests.reference import diag_gmm
from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.accumulate import GmmStatistics, accumulate


def assert_same(one: GmmStatistics, other: GmmStatistics, *, rtol: float = 1e-12) -> None:
    for name in ("occupancy", "first", "second", "log_likelihood", "frames"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(("dim", "count"), [(1, 3), (5, 200), (13, 0), (39, 150)])
def test_sums_are_those_of_the_formulas(dim: int, count: int) -> None:
    model = random_model(dim, dim=dim)
    frames, pdfs = random_frames(count, model, count)
    found = accumulate(model, frames, pdfs)
    entries = [(k, pdf, 1.0) for k, pdf in enumerate(pdfs)]
    naive, total = diag_gmm.statistics(as_lists(model), frames.astype(float), entries)
    flat = [gaussian for mixture in naive for gaussian in mixture]
    for got, i in ((found.occupancy, 0), (found.first, 1), (found.second, 2)):
        np.testing.assert_allclose(got, [gaussian[i] for gaussian in flat], rtol=2e-4, atol=2e-4)
    assert found.log_likelihood == pytest.approx(total, rel=1e-6, abs=1e-3)
    assert found.frames == count
    np.testing.assert_allclose(found.pdf_occupancy(model), np.bincount(pdfs, minlength=4), rtol=1e-6)


def test_posteriors_are_of_the_features_and_sums_of_the_statistics_features() -> None:
    model = random_model(2, dim=4)
    frames, pdfs = random_frames(3, model, 90)
    observed = np.random.default_rng(4).normal(size=(90, 7)).astype(np.float32)
    found = accumulate(model, frames, pdfs, statistics_features=observed)
    entries = [(k, pdf, 1.0) for k, pdf in enumerate(pdfs)]
    naive, _ = diag_gmm.statistics(as_lists(model), frames.astype(float), entries, observed.astype(float))
    np.testing.assert_allclose(found.first, [g[1] for mixture in naive for g in mixture], rtol=1e-3, atol=1e-3)
    assert found.second.shape == (model.num_gaussians, 7)
    assert_same(found, GmmStatistics.zeros(model, 7) + found)


@given(st.integers(0, 1000), st.integers(1, 300))
def test_statistics_of_parts_add_up_to_those_of_the_whole(seed: int, count: int) -> None:
    model = random_model(seed % 7)
    frames, pdfs = random_frames(seed, model, count)
    cut = count // 3
    parts = accumulate(model, frames[:cut], pdfs[:cut]) + accumulate(model, frames[cut:], pdfs[cut:])
    assert_same(parts + GmmStatistics.zeros(model), accumulate(model, frames, pdfs), rtol=1e-6)


def test_a_frame_split_over_entries_counts_as_its_weights() -> None:
    model = random_model(6)
    frames, pdfs = random_frames(7, model, 120)
    other = (pdfs + 1) % model.num_pdfs
    share = np.random.default_rng(8).uniform(size=120)
    soft = accumulate(
        model,
        frames,
        np.concatenate((pdfs, other)),
        weights=np.concatenate((share, 1 - share)),
        frames=np.concatenate((np.arange(120), np.arange(120))),
    )
    assert soft.frames == pytest.approx(120)
    assert_same(
        soft, accumulate(model, frames, pdfs, weights=share) + accumulate(model, frames, other, weights=1 - share)
    )
    doubled = accumulate(model, frames, pdfs, weights=np.full(120, 2.0))
    once = accumulate(model, frames, pdfs)
    assert_same(doubled, once + once)
    certain = accumulate(model, frames, np.concatenate((pdfs, other)), weights=np.repeat([1.0, 0.0], 120),
                         frames=np.tile(np.arange(120), 2))  # fmt: skip
    assert_same(certain, once)


def test_the_same_call_gives_the_same_bytes_and_the_order_of_frames_hardly_matters() -> None:
    model = random_model(9)
    frames, pdfs = random_frames(10, model, 500)
    once, again = accumulate(model, frames, pdfs), accumulate(model, frames, pdfs)
    assert once.second.tobytes() == again.second.tobytes()
    assert once.log_likelihood == again.log_likelihood
    mixed = np.random.default_rng(11).permutation(500)
    assert_same(accumulate(model, frames[mixed], pdfs[mixed]), once, rtol=1e-9)
    assert_same(accumulate(model, frames, pdfs[mixed], frames=mixed), once, rtol=1e-9)


def test_lengths_that_do_not_fit_are_told() -> None:
    model = random_model(1)
    frames, pdfs = random_frames(1, model, 10)
    with pytest.raises(WfstAsrError, match="an alignment of frames 0 to 9, but there are 9 frames"):
        accumulate(model, frames[:-1], pdfs)
    with pytest.raises(WfstAsrError, match="expected the same number of each"):
        accumulate(model, frames, pdfs, weights=np.ones(3))
    with pytest.raises(WfstAsrError, match="pdf-id -1, but"):
        accumulate(model, frames, np.full(10, -1))
    with pytest.raises(WfstAsrError, match="do not add"):
        accumulate(model, frames, pdfs) + GmmStatistics.zeros(model, 3)
