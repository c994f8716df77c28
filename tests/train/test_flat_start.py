"""The first model: quiet frames told from loud ones, and flat starts that are compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfst_asr.errors import WfstAsrError
from wfst_asr.train.corpus import corpus_of
from wfst_asr.train.flat_start import corpus_loudness, flat_model, loudness_classes
from wfst_asr.train.monophone import MonophoneOptions, usual_size


@given(st.integers(0, 1000), st.floats(4.0, 20.0), st.floats(0.2, 0.8))
def test_two_gaussians_are_found_again(seed: int, distance: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    quiet = rng.random(4000) < share
    loudness = np.where(quiet, rng.normal(0.0, 1.0, 4000), rng.normal(distance, 1.0, 4000))
    classes = loudness_classes(loudness)
    assert classes.means == pytest.approx([0.0, distance], abs=0.4)
    assert np.mean((classes.quiet(loudness) > 0.5) == quiet) > 0.95


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=30))
def test_posteriors_fall_with_loudness_and_stay_probabilities(values: list[float]) -> None:
    loudness = np.sort(np.asarray(values))
    quiet = loudness_classes(loudness).quiet(loudness)
    assert np.all((quiet >= 0) & (quiet <= 1))
    assert quiet[0] >= quiet[-1] - 1e-12


def test_loudness_is_counted_from_the_mean_of_the_speaker() -> None:
    rows = [
        ("a", "x", (), np.full((4, 2), 3.0, np.float32)),
        ("b", "y", (), np.array([[1.0, 0.0], [5.0, 0.0]], np.float32)),
    ]
    corpus = corpus_of(rows)
    assert corpus_loudness(corpus, 0, corpus.cmvn_stats).tolist() == [0, 0, 0, 0, -2, 2]


def test_the_flat_model_is_the_gaussian_of_all_frames() -> None:
    frames = np.random.default_rng(1).normal(2.0, 3.0, (500, 2))
    parts = [np.stack([np.full(2, float(len(f))), f.sum(axis=0), (f**2).sum(axis=0)]) for f in np.split(frames, 5)]
    model = flat_model(parts, 3)
    assert model.num_gaussians == 3
    for pdf in range(3):
        np.testing.assert_allclose(model.means[pdf], frames.mean(axis=0))
        np.testing.assert_allclose(model.variances[pdf], frames.var(axis=0))


def test_sizes_grow_with_the_frames_and_never_below_a_gaussian_a_pdf() -> None:
    sizes = [usual_size(frames, 100, 170.0) for frames in (0, 1_000, 100_000, 1_000_000)]
    assert sizes == sorted(sizes) == [100, 100, 588, 5882]


def test_a_number_of_starts_below_one_is_refused() -> None:
    with pytest.raises(WfstAsrError, match="starts is 0"):
        MonophoneOptions(starts=0)
