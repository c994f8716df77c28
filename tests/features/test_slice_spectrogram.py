"""Slices in bands: the article's 320 samples and 161 energies, and what a spectrogram is."""

import numpy as np
import pytest

from tests.features import hello_slice
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.slice_spectrogram import SliceOptions, band_frequencies_hz, slice_spectrogram

WRONG_DIGIT = 125  # printed 88.947, computed 80.947


def test_the_article_prints_161_bands_for_320_samples():
    assert len(hello_slice.samples()) == 320
    assert slice_spectrogram(hello_slice.samples()).shape == (1, len(hello_slice.bands())) == (1, 161)
    np.testing.assert_array_equal(band_frequencies_hz(), 50.0 * np.arange(161))


def test_every_number_of_the_article_but_one_comes_out():
    computed, printed = slice_spectrogram(hello_slice.samples())[0], np.array(hello_slice.bands())
    off = np.abs(computed - printed)
    assert off[WRONG_DIGIT] == pytest.approx(8, abs=1e-4)
    assert np.delete(off, WRONG_DIGIT).max() < 2e-5  # float32
    assert np.corrcoef(np.delete(computed, WRONG_DIGIT), np.delete(printed, WRONG_DIGIT))[0, 1] > 0.999999


def test_the_sign_that_the_article_lost_matters():
    samples = hello_slice.samples()
    samples[73] = 1648
    assert np.abs(slice_spectrogram(samples)[0] - hello_slice.bands()).max() > 50


def test_peaks_are_where_the_article_has_them_and_low_bands_are_the_loudest():
    bands = slice_spectrogram(hello_slice.samples())[0]
    printed = np.array(hello_slice.bands())
    assert bands.argmax() == printed.argmax() == 2  # 100 Hz
    np.testing.assert_array_equal(np.sort(np.argsort(-bands)[:8]), np.sort(np.argsort(-printed)[:8]))
    local = [k for k in range(6, 155) if bands[k] == bands[k - 6 : k + 7].max()]
    assert [50 * k for k in local] == [1050, 2900, 3950, 5300, 6100, 6800]
    assert bands[:80].mean() > bands[80:].mean() + 40


@pytest.mark.parametrize("window", ["rectangular", "hanning", "hamming"])
def test_power_is_that_of_the_sound(window):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 300, 160_000)
    options = SliceOptions(window=window, scale="log", step_ms=10)
    power = np.exp(slice_spectrogram(noise, options).astype(np.float64))
    assert power.shape == (999, 161)
    assert power.mean(axis=0).sum() * 50 == pytest.approx(300**2, rel=0.02)  # density times the width of a band


def test_scales_are_of_one_power():
    samples = hello_slice.samples()
    article = slice_spectrogram(samples)
    decibel = slice_spectrogram(samples, SliceOptions(scale="decibel"))
    log = slice_spectrogram(samples, SliceOptions(scale="log"))
    np.testing.assert_allclose(article, 2 * (decibel + 50), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(decibel, log * 10 / np.log(10), rtol=1e-5, atol=1e-4)


def test_slices_may_overlap_and_a_rest_is_dropped():
    sound = np.random.default_rng(1).normal(0, 100, 16_000 + 100)
    assert slice_spectrogram(sound).shape == (50, 161)
    overlapping = slice_spectrogram(sound, SliceOptions(step_ms=10))
    assert overlapping.shape == (99, 161)
    np.testing.assert_array_equal(overlapping[::2], slice_spectrogram(sound)[:50])
    assert slice_spectrogram(sound[:300]).shape == (0, 161)
    assert slice_spectrogram(sound[:8000], SliceOptions(sample_rate_hz=8000)).shape == (50, 81)


def test_digital_silence_has_the_floor():
    assert (slice_spectrogram(np.zeros(640)) == -100).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SliceOptions(scale="bel"), "scale is 'bel'; expected one of article, decibel, log"),
        (lambda: SliceOptions(window="box"), "window is 'box'"),
        (lambda: SliceOptions(slice_ms=0.01), "slice_ms is 0.01; expected at least one sample"),
        (lambda: SliceOptions(slice_ms=1.32), "slice_ms is 1.32: 21 samples; expected an even number"),
        (lambda: SliceOptions(step_ms=float("nan")), "step_ms is nan"),
        (lambda: SliceOptions(power_floor=0), "power_floor is 0"),
        (lambda: slice_spectrogram(np.zeros((2, 400))), "one channel"),
        (lambda: slice_spectrogram([0.0, np.nan]), "sample 1 is not finite"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(WfstAsrError, match=message):
        call()
