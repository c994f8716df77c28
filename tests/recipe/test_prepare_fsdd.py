import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wfst_asr.errors import WfstAsrError
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.recipe.prepare_fsdd import WORDS, join_digits, prepare_fsdd


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of recordings as the home packs it: two speakers, two digits, indices 0 to 13."""
    folder = tmp_path_factory.mktemp("fsdd") / "free-spoken-digit-dataset-1.0.10" / "recordings"
    folder.mkdir(parents=True)
    for digit in (3, 7):
        for speaker in ("ann", "bob"):
            for index in range(14):
                samples = np.full(80 + index, 100 * digit + index, dtype=np.int16)
                soundfile.write(folder / f"{digit}_{speaker}_{index}.wav", samples, 8000)
    return folder.parent.parent


def test_recordings_0_to_4_test_and_the_next_validate(home: Path, tmp_path: Path) -> None:
    figures = prepare_fsdd(home, tmp_path)
    assert figures["train_utterances"] == 2 * 2 * 4
    indices = {}
    for part in ("train", "valid", "test"):
        data = read_data_dir(tmp_path / part)
        indices[part] = {int(name.split("-")[2]) for name in data.utterances}
        assert set((data.text or {}).values()) == {"THREE", "SEVEN"}
        assert set(data.spk2utt) == {"ann", "bob"}
    assert indices == {"test": set(range(5)), "valid": set(range(5, 10)), "train": set(range(10, 14))}


def test_a_data_directory_gives_the_same_sets(home: Path, tmp_path: Path) -> None:
    prepare_fsdd(home, tmp_path / "first")
    whole = tmp_path / "whole"
    whole.mkdir()
    for name in ("wav.scp", "text", "utt2spk"):
        lines = [
            line
            for part in ("train", "valid", "test")
            for line in (tmp_path / "first" / part / name).read_text().splitlines(keepends=True)
        ]
        (whole / name).write_text("".join(sorted(lines)))
    prepare_fsdd(whole, tmp_path / "second")
    for part in ("train", "valid", "test"):
        for name in ("wav.scp", "text", "utt2spk"):
            assert (tmp_path / "first" / part / name).read_text() == (tmp_path / "second" / part / name).read_text()


def test_strings_are_the_recordings_one_after_another(home: Path, tmp_path: Path) -> None:
    prepare_fsdd(home, tmp_path)
    out = tmp_path / "strings"
    figures = join_digits(tmp_path / "train", out, recordings=home, seed=1)
    shutil.move(out, tmp_path / "moved")
    joined = read_data_dir(tmp_path / "moved")
    assert figures["strings"] == len(joined.utterances)
    heard = []
    for name in joined.utterances:
        words = (joined.text or {})[name].split()
        samples = joined.read_audio(name).samples
        loud = np.abs(samples) > 50  # the pauses are not
        begins = np.flatnonzero(loud & ~np.concatenate([[False], loud[:-1]]))
        values = samples[begins].astype(int).tolist()
        assert [WORDS[value // 100] for value in values] == words
        assert len(words) <= 7
        assert len(set(values)) == len(values)
        speaker = joined.speaker(name)
        heard += [(speaker, value) for value in values]
    assert sorted(heard) == sorted((who, 100 * d + i) for who in ("ann", "bob") for d in (3, 7) for i in range(10, 14))


def test_as_many_strings_as_asked_for_and_the_same_for_a_seed(home: Path, tmp_path: Path) -> None:
    prepare_fsdd(home, tmp_path)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        join_digits(tmp_path / "test", tmp_path / name, recordings=home, strings=9, digits=(2, 2), seed=seed)
    texts = {name: (tmp_path / name / "text").read_text() for name in "abc"}
    assert texts["a"].count("\n") == 9
    assert all(len(line.split()) == 3 for line in texts["a"].splitlines())
    assert texts["a"] == texts["b"] != texts["c"]
    sound = next((tmp_path / "a" / "wav").iterdir()).name
    assert (tmp_path / "a" / "wav" / sound).read_bytes() == (tmp_path / "b" / "wav" / sound).read_bytes()


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WfstAsrError, match=r"has neither a wav\.scp nor recordings named like 0_george_12"):
        prepare_fsdd(tmp_path, tmp_path / "out")
    soundfile.write(tmp_path / "0_ann_1.wav", np.zeros(80, np.int16), 8000)
    with pytest.raises(WfstAsrError, match="has no recordings for 'train'"):
        prepare_fsdd(tmp_path, tmp_path / "out")
    (tmp_path / "wav.scp").write_text("ann_0_1 0_ann_1.wav\n")
    (tmp_path / "text").write_text("ann_0_1 ZERO\n")
    with pytest.raises(WfstAsrError, match="utterance 'ann_0_1', expected a name like 'george-0-12'"):
        prepare_fsdd(tmp_path, tmp_path / "out")
