"""The adapter of hama's network against the package itself, and recordings longer than the network hears."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfst_asr.errors import WfstAsrError
from wfst_asr.neural import hama as adapter

needs_hama = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("hama", "onnxruntime")),
    reason="needs the extra english-ctc",
)


@given(st.integers(1, 20_000))
def test_pieces_cover_every_frame_once_and_are_heard_with_a_margin(num_frames: int) -> None:
    taken = 0
    for begin, first, end in adapter.pieces(num_frames):
        assert begin == taken
        assert end > begin
        assert begin - first == min(100, begin)
        heard_to = min(first + 1500, num_frames)
        assert end == heard_to or heard_to - end == 100
        taken = end
    assert taken == num_frames


@needs_hama
def test_words_are_pronounced_as_the_package_does_one_by_one() -> None:
    import hama

    words = ["of", "one", "Considerable", "don't", "x", "northanger", "general", "the"]
    one_by_one = hama.G2PModel()
    told: list[int] = []
    batched = adapter.hama_pronunciations([*words, "of"], batch_size=2, report=told.append)
    assert told[-1] == len(words)
    for word in words:
        phones = [alignment.phoneme for alignment in one_by_one.predict(word).alignments]
        assert list(batched[word]) == [phone for phone in phones if phone.strip()], word


@needs_hama
def test_scores_are_those_of_the_package_and_rows_are_log_probabilities(corpora: Path) -> None:
    import hama

    from wfst_asr.io.wav import read_audio

    sound = read_audio(next((corpora / "librispeech_mini" / "dev" / "flac").iterdir()), sample_rate_hz=16000)
    samples = sound.samples[: 16000 * 8]
    network = adapter.load_hama_network()
    ours = network.log_probs(samples)
    assert ours.shape == (len(samples) // 320 + 1, network.tokens.num_columns)
    assert np.logaddexp.reduce(ours, axis=1) == pytest.approx(0.0, abs=1e-4)
    theirs = hama.ASRModel().transcribe_waveform(samples / 32768.0, 16000)
    adjusted = ours / np.float32(0.95)  # the package's temperature and bias of the blank
    adjusted[:, network.tokens.blank] -= 0.1
    assert (adjusted.argmax(axis=1) == theirs.frame_token_ids).mean() > 0.99


@needs_hama
def test_a_recording_longer_than_the_network_hears_is_scored_to_its_end(corpora: Path) -> None:
    from wfst_asr.io.wav import read_audio

    folder = corpora / "librispeech_mini" / "dev" / "flac"
    parts = [read_audio(path, sample_rate_hz=16000).samples for path in sorted(folder.iterdir())[1:6]]
    long = np.concatenate(parts)[: 16000 * 50]
    assert len(long) == 16000 * 50
    network = adapter.load_hama_network()
    rows = network.log_probs(long)
    assert len(rows) == 2501
    alone = network.log_probs(long[16000 * 32 : 16000 * 48])[100:-100]
    within = rows[32 * 50 + 100 :][: len(alone)]
    assert (alone.argmax(axis=1) == within.argmax(axis=1)).mean() > 0.95


@needs_hama
def test_what_is_too_short_for_a_window_is_refused() -> None:
    network = adapter.load_hama_network()
    with pytest.raises(WfstAsrError, match="the recording has 399 samples, too few for one frame"):
        network.log_probs(np.zeros(399, dtype=np.float32))
    assert network.log_probs(np.zeros(400, dtype=np.float32)).shape[0] == 2


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "find_spec", lambda name: None)
    with pytest.raises(WfstAsrError, match=r"install it with: pip install 'wfst-asr\[english-ctc\]'"):
        adapter.load_hama_network()
