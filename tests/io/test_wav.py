import gc
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.io.wav import read_audio


def tone(rate: int, seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def test_sixteen_bit_samples_come_as_they_are(tmp_path: Path) -> None:
    samples = np.array([-32768, -1, 0, 1, 32767], dtype=np.int16)
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, samples, 16000, subtype="PCM_16")
        audio = read_audio(tmp_path / name, sample_rate_hz=16000)
        assert audio.samples.dtype == np.float32
        assert audio.samples.tolist() == samples.tolist()
        assert (audio.sample_rate_hz, audio.conversion, audio.duration_s) == (16000, "", 5 / 16000)


def test_ogg_and_float_wav_have_the_same_scale(tmp_path: Path) -> None:
    for name, subtype in (("a.ogg", "VORBIS"), ("a.wav", "FLOAT"), ("b.wav", "PCM_24")):
        soundfile.write(tmp_path / name, tone(16000), 16000, subtype=subtype)
        assert abs(read_audio(tmp_path / name).samples).max() == pytest.approx(16384, rel=0.05)


def test_stereo_at_another_rate_works_and_says_what_was_done(tmp_path: Path) -> None:
    left = tone(44100)
    soundfile.write(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)], axis=1), 44100)
    note = "44100 Hz stereo: mixed to one channel and resampled to 16000 Hz"
    with pytest.warns(WfstAsrWarning, match=note) as caught:
        audio = read_audio(tmp_path / "a.wav", sample_rate_hz=16000)
    assert len(caught) == 1
    assert audio.conversion == note
    expected = 0.5 * 32768 * tone(16000)
    assert len(audio.samples) == 8000
    np.testing.assert_allclose(audio.samples[200:-200], expected[200:-200], atol=30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_audio(tmp_path / "a.wav", sample_rate_hz=16000, warn=False).conversion == note


def test_six_channels_are_mixed_and_a_mono_file_only_resampled(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((100, 6)), 16000)
    with pytest.warns(WfstAsrWarning, match="16000 Hz 6 channels: mixed to one channel$"):
        read_audio(tmp_path / "a.wav")
    soundfile.write(tmp_path / "b.wav", np.zeros(100), 8000)
    with pytest.warns(WfstAsrWarning, match="8000 Hz mono: resampled to 16000 Hz$"):
        assert len(read_audio(tmp_path / "b.wav", sample_rate_hz=16000).samples) == 200


def test_a_stretch_is_the_stretch_of_the_whole(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", tone(16000), 16000)
    whole = read_audio(tmp_path / "a.flac").samples
    part = read_audio(tmp_path / "a.flac", start_s=0.1, end_s=0.2).samples
    assert np.array_equal(part, whole[1600:3200])
    assert np.array_equal(read_audio(tmp_path / "a.flac", start_s=0.4, end_s=9).samples, whole[6400:])
    for start_s, end_s in ((0.2, 0.1), (0.6, None), (-1.0, 0.1)):
        with pytest.raises(WfstAsrError, match=r"nothing lies between .* of a recording of 0\.50 s"):
            read_audio(tmp_path / "a.flac", start_s=start_s, end_s=end_s)


def test_bad_recordings_are_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with pytest.raises(WfstAsrError, match=r"a\.wav: no such file; expected an audio file"):
        read_audio(path)
    with pytest.raises(WfstAsrError, match="is a folder"):
        read_audio(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(WfstAsrError, match="the file is empty"):
        read_audio(path)
    path.write_text("just words, no sound\n" * 100)
    with pytest.raises(WfstAsrError, match="not audio that can be read"):
        read_audio(path)
    soundfile.write(path, np.zeros(0), 16000)
    with pytest.raises(WfstAsrError, match=r"the recording is empty \(0 samples\)"):
        read_audio(path)
    for value in (np.nan, np.inf):
        soundfile.write(path, np.array([0.0, 0.1, value]), 16000, subtype="FLOAT")
        with pytest.raises(WfstAsrError, match="sample 2 is NaN or infinite"):
            read_audio(path)
    soundfile.write(path, np.zeros(5), 16000)
    with pytest.raises(WfstAsrError, match="sample rate of 0 Hz"):
        read_audio(path, sample_rate_hz=0)


def test_files_are_closed_after_reading_and_after_errors(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(5), 16000)
    (tmp_path / "b.wav").write_text("no sound" * 100)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        read_audio(tmp_path / "a.wav")
        with pytest.raises(WfstAsrError):
            read_audio(tmp_path / "b.wav")
    assert len(os.listdir("/proc/self/fd")) == before
