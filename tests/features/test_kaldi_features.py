import importlib.resources
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.kaldi_oracle import kaldi_fbank, kaldi_mfcc
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.fbank import FbankOptions, fbank
from wfst_asr.features.frames import WINDOWS, FrameOptions, num_frames
from wfst_asr.features.mel import MelOptions
from wfst_asr.features.mfcc import MfccOptions, mfcc
from wfst_asr.features.spectrogram import SpectrogramOptions, spectrogram
from wfst_asr.io.wav import read_audio


def even_frames(*, sample_rate_hz: float, round_to_power_of_two: bool, **others: Any) -> FrameOptions:
    odd = sample_rate_hz == 11025.0
    return FrameOptions(sample_rate_hz=sample_rate_hz, round_to_power_of_two=round_to_power_of_two or odd, **others)


frame_options = st.builds(
    even_frames,
    sample_rate_hz=st.sampled_from([8000.0, 16000.0, 11025.0]),
    frame_shift_ms=st.sampled_from([10.0, 12.5, 5.0]),
    frame_length_ms=st.sampled_from([25.0, 20.0, 32.0]),
    preemphasis=st.sampled_from([0.97, 0.0, 0.5]),
    remove_dc_offset=st.booleans(),
    window=st.sampled_from(WINDOWS),
    blackman_coeff=st.sampled_from([0.42, 0.4]),
    round_to_power_of_two=st.booleans(),
    snip_edges=st.booleans(),
)
mel_options = st.builds(
    MelOptions,
    num_bins=st.sampled_from([23, 15]),
    low_freq_hz=st.sampled_from([20.0, 0.0, 100.0]),
    high_freq_hz=st.sampled_from([0.0, 3700.0, -300.0]),
    htk_mode=st.booleans(),
)
lengths = st.sampled_from([1, 79, 80, 200, 399, 400, 401, 4000, 8000])
energy_floors = st.sampled_from([0.0, 1e9])


def noisy_chirp(num_samples: int) -> np.ndarray:
    time = np.arange(num_samples)
    tone = 3000 * np.sin(1e-4 * time**2) + 700 * np.sin(0.3 * time)
    return (tone + np.random.default_rng(1).normal(20, 500, num_samples)).round().astype(np.float32)


@settings(max_examples=120, derandomize=True)
@given(
    st.builds(
        FbankOptions,
        frames=frame_options,
        mel=mel_options,
        use_energy=st.booleans(),
        raw_energy=st.booleans(),
        energy_floor=energy_floors,
        htk_compat=st.booleans(),
        use_power=st.booleans(),
    ),
    lengths,
)
def test_fbank_is_kaldis_on_every_option(options: FbankOptions, num_samples: int) -> None:
    samples = noisy_chirp(num_samples)
    ours, theirs = fbank(samples, options), kaldi_fbank(samples, options)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)


@settings(max_examples=120, derandomize=True)
@given(
    st.builds(
        MfccOptions,
        frames=frame_options,
        mel=mel_options,
        num_ceps=st.sampled_from([13, 1, 15]),
        use_energy=st.booleans(),
        raw_energy=st.booleans(),
        energy_floor=energy_floors,
        cepstral_lifter=st.sampled_from([22.0, 0.0, 13.5]),
        htk_compat=st.booleans(),
    ),
    lengths,
)
def test_mfcc_is_kaldis_on_every_option(options: MfccOptions, num_samples: int) -> None:
    samples = noisy_chirp(num_samples)
    ours, theirs = mfcc(samples, options), kaldi_mfcc(samples, options)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)


def test_energies_without_logarithm_are_kaldis() -> None:
    options = FbankOptions(use_log_fbank=False)
    samples = noisy_chirp(8000)
    np.testing.assert_allclose(fbank(samples, options), kaldi_fbank(samples, options), rtol=1e-3)


def test_speech_has_kaldis_features_where_single_precision_can_tell() -> None:
    # The oracle's FFT is float32: a filter 80 dB below the loudest of its frame is rounding noise there, not here.
    with importlib.resources.as_file(importlib.resources.files("pstrain") / "data/sample/kevin-alice-16k.wav") as path:
        samples = read_audio(path).samples[:160000]
    options = FbankOptions(mel=MelOptions(num_bins=80))
    ours, theirs = fbank(samples, options), kaldi_fbank(samples, options)
    audible = theirs > theirs.max(axis=1, keepdims=True) - np.log(1e8)
    np.testing.assert_allclose(ours[audible], theirs[audible], rtol=0, atol=1e-3)
    assert audible.mean() > 0.99
    np.testing.assert_allclose(mfcc(samples), kaldi_mfcc(samples, MfccOptions()), rtol=0, atol=1e-3)


def test_spectrogram_is_the_log_of_the_dft_with_the_energy_first() -> None:
    samples = noisy_chirp(4000)
    options = SpectrogramOptions(frames=FrameOptions(preemphasis=0.0, window="hamming"))
    frame = samples[160:560].astype(np.float64)
    frame -= frame.mean()
    dft = (frame * np.hamming(400)) @ np.exp(-2j * np.pi * np.outer(np.arange(400), np.arange(257)) / 512)
    expected = np.log(abs(dft) ** 2)
    expected[0] = np.log((frame**2).sum())
    np.testing.assert_allclose(spectrogram(samples, options)[1], expected, atol=1e-4)


def test_energy_floor_holds_digital_silence() -> None:
    silence = np.zeros(1600, dtype=np.float32)
    assert mfcc(silence, MfccOptions(energy_floor=1.0))[0, 0] == 0.0
    assert np.isfinite(mfcc(silence)).all()
    assert np.isfinite(spectrogram(silence)).all()


def test_dither_needs_random_numbers_and_repeats_with_a_seed() -> None:
    options = MfccOptions(frames=FrameOptions(dither=1.0))
    silence = np.zeros(1600, dtype=np.float32)
    with pytest.raises(WfstAsrError, match="pass rng"):
        mfcc(silence, options)
    first = mfcc(silence, options, rng=np.random.default_rng(3))
    second = mfcc(silence, options, rng=np.random.default_rng(3))
    assert np.array_equal(first, second)
    assert first[:, 0].mean() == pytest.approx(np.log(400), abs=0.1)


@pytest.mark.parametrize("length", [1, 31, 33, 64, 100])
def test_chunks_join_without_a_seam(length: int) -> None:
    samples = noisy_chirp(400 + 160 * (length - 1))
    whole = fbank(samples)
    last = fbank(samples[160 * (length - 1) :])
    assert len(whole) == length == num_frames(len(samples), FrameOptions())
    np.testing.assert_allclose(whole[-1:], last, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FrameOptions(window="kaiser"), "window is 'kaiser'; expected one of povey"),
        (lambda: FrameOptions(sample_rate_hz=0), "sample_rate_hz is 0"),
        (lambda: FrameOptions(frame_shift_ms=0.01), "frame_shift_ms is 0.01; expected at least one sample"),
        (
            lambda: FrameOptions(sample_rate_hz=11025, round_to_power_of_two=False),
            "275 points; expected an even number",
        ),
        (lambda: FrameOptions(preemphasis=2), "preemphasis is 2; expected 0 to 1"),
        (lambda: MelOptions(num_bins=2), "num_bins is 2; expected at least 3"),
        (lambda: MfccOptions(num_ceps=24), "num_ceps is 24; expected 1 to the number of mel filters, 23"),
        (lambda: fbank(np.zeros(99, np.float32), FbankOptions(mel=MelOptions(low_freq_hz=9000))), "from 9000 to 8000"),
        (lambda: fbank(np.zeros(99, np.float32), FbankOptions(mel=MelOptions(num_bins=300))), "holds no FFT bin"),
        (lambda: mfcc(np.zeros((9, 2), np.float32)), "expected one channel"),
    ],
)
def test_bad_options_are_told_in_one_sentence(make, message) -> None:
    with pytest.raises(WfstAsrError, match=message):
        make()
