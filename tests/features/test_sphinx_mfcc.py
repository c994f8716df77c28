import importlib.resources
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.features.sphinx_oracle import SAMPLE, sphinx_fe
from wfst_asr.errors import WfstAsrError
from wfst_asr.features._kernels import remove_noise_kernel
from wfst_asr.features.sphinx_mfcc import num_sphinx_frames, sphinx_mfcc
from wfst_asr.features.sphinx_noise import noise_state, remove_noise
from wfst_asr.features.sphinx_options import SphinxFeatureOptions, read_feat_params
from wfst_asr.io.wav import read_audio


def english_options() -> SphinxFeatureOptions:
    resource = importlib.resources.files("pocketsphinx") / "model" / "en-us" / "en-us" / "feat.params"
    with importlib.resources.as_file(resource) as path:
        return read_feat_params(path)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(SAMPLE).samples


def assert_equal_to_sphinx_fe(samples: np.ndarray, options: SphinxFeatureOptions, folder: Path) -> None:
    ours, theirs = sphinx_mfcc(samples, options), sphinx_fe(samples, options, folder)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)


def test_english_feat_params_are_read_in_full() -> None:
    options = english_options()
    assert (options.lowerf, options.upperf, options.nfilt, options.lifter) == (130.0, 6800.0, 25, 22)
    assert (options.transform, options.remove_noise, options.cmn, options.agc) == ("dct", True, "batch", "none")
    assert (options.feat, options.svspec, options.model) == ("1s_c_d_dd", "0-12/13-25/26-38", "ptm")
    assert options.others == ()


def test_speech_has_sphinx_fes_cepstra_with_the_english_options(speech: np.ndarray, tmp_path: Path) -> None:
    assert_equal_to_sphinx_fe(speech, english_options(), tmp_path)


def test_corpora_have_sphinx_fes_cepstra(corpora: Path, tmp_path: Path) -> None:
    recordings = sorted((corpora / "librispeech_mini/dev/flac").glob("*.flac"))[::20]
    recordings += sorted((corpora / "an4/test/flac").glob("*.flac"))[::40]
    assert recordings
    for recording in recordings:
        assert_equal_to_sphinx_fe(read_audio(recording).samples, english_options(), tmp_path)


def test_random_options_have_sphinx_fes_cepstra(speech: np.ndarray, tmp_path: Path) -> None:
    choose = random.Random(0).choice
    for _ in range(40):
        options = SphinxFeatureOptions(
            transform=choose(["legacy", "dct", "htk"]),
            lifter=choose([0, 22, 13]),
            nfilt=choose([25, 40, 31]),
            lowerf=choose([130.0, 133.33334, 200.0]),
            upperf=choose([6800.0, 6855.4976, 7000.0]),
            ncep=choose([13, 12, 20]),
            remove_noise=choose([True, False]),
            remove_dc=choose([True, False]),
            unit_area=choose([True, False]),
            round_filters=choose([True, False]),
            doublebw=choose([True, False]),
            alpha=choose([0.97, 0.0, 0.5]),
            frate=choose([100, 105, 80]),
            wlen=choose([0.025625, 0.025, 0.02]),
            nfft=choose([512, 1024]),
        )
        assert_equal_to_sphinx_fe(speech[8000:24000], options, tmp_path)


@pytest.mark.parametrize("num_samples", [2047, 2048, 2049, 2169, 2170, 2171, 4096, 5000])
def test_recordings_of_any_length_have_sphinx_fes_frames(speech: np.ndarray, tmp_path: Path, num_samples: int) -> None:
    assert_equal_to_sphinx_fe(speech[3000 : 3000 + num_samples], SphinxFeatureOptions(), tmp_path)


@pytest.mark.parametrize("sample_rate_hz", [8000, 11025, 16000])
def test_other_sample_rates_have_sphinx_fes_cepstra(speech: np.ndarray, tmp_path: Path, sample_rate_hz: int) -> None:
    options = SphinxFeatureOptions(samprate=sample_rate_hz, upperf=3500.0, lowerf=200.0, nfilt=31)
    assert_equal_to_sphinx_fe(speech[:16000], options, tmp_path)


@pytest.mark.parametrize("remove", [True, False])
def test_silence_and_full_scale_noise_have_sphinx_fes_cepstra(tmp_path: Path, remove: bool) -> None:
    options = SphinxFeatureOptions(remove_noise=remove)
    noise = np.random.default_rng(0).integers(-32768, 32768, 20000).astype(np.float32)
    noise[8000:14000] = 0.0
    assert_equal_to_sphinx_fe(noise, options, tmp_path)
    assert_equal_to_sphinx_fe(np.zeros(5000, dtype=np.float32), options, tmp_path)


@given(st.integers(0, 40), st.integers(1, 30), st.integers(0, 2**31), st.sampled_from([0.1, 1e3, 1e9]))
def test_compiled_noise_removal_is_the_definition(frames: int, filters: int, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    energies = scale * rng.exponential(size=(frames, filters)) * (rng.random((frames, filters)) > 0.2)
    np.testing.assert_allclose(remove_noise_kernel(energies, noise_state(energies)), remove_noise(energies), rtol=1e-9)


def test_few_samples_make_one_padded_frame() -> None:
    assert [num_sphinx_frames(n, SphinxFeatureOptions()) for n in (0, 1, 409, 410, 569, 570)] == [0, 1, 1, 2, 2, 3]
    assert sphinx_mfcc(np.ones(5, dtype=np.float32)).shape == (1, 13)
    assert sphinx_mfcc(np.ones(0, dtype=np.float32)).shape == (0, 13)


def test_chunks_join_without_a_seam(speech: np.ndarray) -> None:
    options = SphinxFeatureOptions(remove_noise=False)
    tail = sphinx_mfcc(speech[160 * 100 - 1 :][1:], options)
    np.testing.assert_allclose(sphinx_mfcc(speech, options)[101:], tail[1:], atol=1e-4)


def test_dither_repeats_with_a_seed_and_needs_one() -> None:
    options = SphinxFeatureOptions(dither=True, remove_noise=False)
    silence = np.zeros(4000, dtype=np.float32)
    with pytest.raises(WfstAsrError, match="pass rng"):
        sphinx_mfcc(silence, options)
    first, second = (sphinx_mfcc(silence, options, rng=np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-nfilt many", "feat.params:1: -nfilt is 'many'; expected a number"),
        ("-lowerf 130\nupperf 6800", "feat.params:2: found 'upperf'; expected an option such as -nfilt"),
        ("-nfilt", "the option '-nfilt' at the end has no value"),
        ("-remove_noise maybe", "expected yes or no"),
        ("-transform fft", "-transform is 'fft'; expected legacy, dct or htk"),
        ("-nfft 500", "-nfft is 500; expected 0 or a power of 2 that holds the window of 410 samples"),
        ("-nfft 256", "-nfft is 256"),
        ("-upperf 9000", r"-upperf is 9000.0; expected at most half the sample rate \(8000 Hz\)"),
        ("-warp_params 1.1", "frequency warping is not supported"),
    ],
)
def test_bad_feat_params_are_told_in_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "feat.params").write_text(text)
    with pytest.raises(WfstAsrError, match=message):
        read_feat_params(tmp_path / "feat.params")


def test_a_missing_feat_params_and_too_many_filters_are_errors(tmp_path: Path) -> None:
    with pytest.raises(WfstAsrError, match="no such file; expected a Sphinx model"):
        read_feat_params(tmp_path / "feat.params")
    with pytest.raises(WfstAsrError, match="narrower than the FFT's bins"):
        sphinx_mfcc(np.zeros(1000, dtype=np.float32), SphinxFeatureOptions(nfilt=200))
    with pytest.raises(WfstAsrError, match="expected one channel"):
        sphinx_mfcc(np.zeros((1000, 2), dtype=np.float32))
