import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from wfst_asr.cli.data import data as data_command
from wfst_asr.cli.features import features as features_command
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.io.archives import ArchiveTable
from wfst_asr.io.data_checks import validate_data_dir
from wfst_asr.io.data_dir import DataDir, read_data_dir, write_data_dir
from wfst_asr.io.data_parts import choose_utterances, split, with_speakers, with_utterances


def write_files(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("wav_scp", "wav.scp")).write_text(text)
    return folder


@pytest.fixture
def good(tmp_path: Path) -> Path:
    folder = write_files(
        tmp_path / "good",
        wav_scp="a-1 flac/a-1.flac\na-2 flac/a-2.flac\nb-1 flac/b-1.flac\n",
        text="a-1 RED\na-2 RED HOUSE\nb-1 BLUE\n",
        utt2spk="a-1 a\na-2 a\nb-1 b\n",
        spk2utt="a a-1 a-2\nb b-1\n",
        utt2dur="a-1 0.5\na-2 0.5\nb-1 0.5\n",
        spk2gender="a f\nb m\n",
    )
    (folder / "flac").mkdir()
    for name in ("a-1", "a-2", "b-1"):
        soundfile.write(folder / f"flac/{name}.flac", np.random.default_rng(0).normal(0, 0.1, 8000), 16000)
    return folder


def messages(folder: Path) -> str:
    return "\n".join(str(problem) for problem in validate_data_dir(folder))


def test_paths_count_from_the_directory(good: Path) -> None:
    data = read_data_dir(good)
    assert data.utterances == ("a-1", "a-2", "b-1")
    assert data.text is not None
    assert data.text["a-2"] == "RED HOUSE"
    assert data.spk2utt == {"a": ("a-1", "a-2"), "b": ("b-1",)}
    assert [(name, len(sound.samples)) for name, sound in data.audio()] == [(n, 8000) for n in data.utterances]
    assert validate_data_dir(good, read_sound=True) == []


def test_conversions_are_told_once_with_a_count(good: Path) -> None:
    with pytest.warns(WfstAsrWarning, match="3 of 3 utterances, 16000 Hz mono: resampled to 8000 Hz") as caught:
        list(read_data_dir(good).audio(sample_rate_hz=8000))
    assert len(caught) == 1


def test_corpora_are_without_problems(corpora: Path) -> None:
    for name in ("librispeech_mini/dev", "an4/test", "yesno"):
        assert validate_data_dir(corpora / name) == []


def test_every_problem_is_listed_with_file_and_line(good: Path) -> None:
    write_files(
        good,
        wav_scp="a-2 flac/a-2.flac\na-1 flac/missing.flac\na-1 flac/a-1.flac\nc-1 sph2pipe -f wav c.sph |\nd-1\n",
        text="a-1\na-3 WORDS\nc-1 GREEN\n\n",
        utt2spk="a-1 z\na-2 a\nc-1 c\nd-1 d\n",
        spk2utt="a a-2\nc c-1 a-1\n",
        utt2dur="a-1 long\nb-9 1.0\n",
    )
    (good / "text").write_bytes((good / "text").read_bytes() + b"d-1 caf\xe9")
    listed = messages(good)
    for expected in (
        "wav.scp:2: 'a-1' is out of order",
        "wav.scp:2: recording 'a-1': '" + str(good / "flac/missing.flac") + "': no such file",
        "wav.scp:3: the id 'a-1' is in line 2 already",
        "wav.scp:4: recording 'c-1' is a command",
        "wav.scp:5: recording 'd-1' has no path",
        "text:1: utterance 'a-1' has an empty transcript",
        "text:2: utterance 'a-3' is not in wav.scp",
        "text:4: the line is empty",
        "text:5: byte 8 is not UTF-8",
        "text:5: the last line has no end of line",
        "text: utterance 'a-2' of wav.scp has no line",
        "utt2spk:2: speaker 'a' is out of order",
        "spk2utt:2: utterance 'a-1' is of speaker 'c', but utt2spk says 'z'",
        "spk2utt: utterance 'd-1' of utt2spk is missing",
        "utt2dur:1: 'long' is no duration",
        "utt2dur:2: utterance 'b-9' is not in the directory",
    ):
        assert expected in listed
    with pytest.raises(
        WfstAsrError, match=r"the id 'a-1' is in line 2 already; keep one \(and \d+ more: wfst-asr data"
    ):
        read_data_dir(good)


def test_text_without_its_recording_is_an_error_and_so_the_reverse(good: Path) -> None:
    write_files(good, text="a-1 RED\na-2 RED HOUSE\nb-1 BLUE\nb-2 GREEN\n")
    with pytest.raises(WfstAsrError, match=r"text:4: utterance 'b-2' is not in wav\.scp; remove the line"):
        read_data_dir(good)
    write_files(good, text="a-1 RED\na-2 RED HOUSE\n")
    with pytest.raises(WfstAsrError, match=r"text: utterance 'b-1' of wav\.scp has no line; add it"):
        read_data_dir(good)


def test_directories_without_recordings_are_errors(tmp_path: Path) -> None:
    with pytest.raises(WfstAsrError, match="no such folder; expected a data directory"):
        read_data_dir(tmp_path / "none")
    with pytest.raises(WfstAsrError, match=r"wav\.scp: no such file"):
        read_data_dir(tmp_path)
    write_files(tmp_path, wav_scp="")
    with pytest.raises(WfstAsrError, match="there are no utterances"):
        read_data_dir(tmp_path)


def test_segments_cut_recordings_into_utterances(good: Path) -> None:
    write_files(good, segments="u1 a-1 0.1 0.2\nu2 a-1 0.2 0.45\n", text="u1 RED\nu2 HOUSE\n", utt2spk="u1 a\nu2 a\n")
    (good / "spk2utt").unlink()
    (good / "utt2dur").unlink()
    data = read_data_dir(good)
    assert [(name, len(sound.samples)) for name, sound in data.audio()] == [("u1", 1600), ("u2", 4000)]
    part = with_utterances(data, ["u2"])
    assert list(part.recordings) == ["a-1"]
    write_data_dir(part, good.parent / "part")
    assert read_data_dir(good.parent / "part").segments == part.segments
    write_files(good, segments="u1 a-1 0.3 0.2\nu2 x-1 0 1\nu3 a-1\n")
    listed = messages(good)
    assert "segments:1: segment 'u1' goes from 0.3 to 0.2 s" in listed
    assert "segments:2: recording 'x-1' is not in wav.scp" in listed
    assert "segments:3: found 'u3 a-1'; expected 'utterance recording start end'" in listed


def test_subsets_read_back_without_problems(good: Path, tmp_path: Path) -> None:
    data = read_data_dir(good)
    write_data_dir(with_speakers(data, ["a"]), tmp_path / "a")
    back = read_data_dir(tmp_path / "a")
    assert back.utterances == ("a-1", "a-2")
    assert back.spk2gender == {"a": "f"}
    assert back.utt2dur == {"a-1": 0.5, "a-2": 0.5}
    assert validate_data_dir(tmp_path / "a") == []
    with pytest.raises(WfstAsrError, match="utterance 'x' and 1 more is not in the data directory"):
        with_utterances(data, ["x", "y", "a-1"])
    with pytest.raises(WfstAsrError, match="speaker 'q' is not in the data directory; it has 2 speakers"):
        with_speakers(data, ["q"])


def test_random_choices_repeat_with_a_seed() -> None:
    names = [f"u{i}" for i in range(50)]
    first, second = (choose_utterances(names, 9, how="random", rng=np.random.default_rng(4)) for _ in range(2))
    assert first == second == sorted(set(first), key=names.index)
    with pytest.raises(WfstAsrError, match="51 utterances were asked for; expected 1 to the 50 there are"):
        choose_utterances(names, 51)


@pytest.mark.parametrize("by_speaker", [True, False])
@pytest.mark.parametrize("parts", [1, 2, 4, 7])
def test_splits_hold_every_utterance_once(parts: int, by_speaker: bool) -> None:
    rng = np.random.default_rng(parts)
    names = [f"s{i % 7}-{i:03d}" for i in range(40)]
    data = DataDir(
        recordings={name: Path(name) for name in names},
        utt2spk={name: name[:2] for name in names},
        utt2dur={name: float(rng.exponential() + (100 if name.endswith("20") else 0)) for name in names},
    )
    pieces = split(data, parts, by_speaker=by_speaker)
    assert len(pieces) == parts
    assert sorted(name for piece in pieces for name in piece.utterances) == sorted(names)
    if by_speaker:
        assert sum(len(piece.spk2utt) for piece in pieces) == 7
        with pytest.raises(WfstAsrError, match="expected 1 to the number of speakers, 7"):
            split(data, 8)


def test_the_data_command_validates_subsets_and_splits(good: Path, tmp_path: Path) -> None:
    run = CliRunner()
    result = run.invoke(data_command, ["validate", str(good)])
    assert "3 utterances of 2 speakers, no problems" in result.output
    (good / "text").write_text("a-1 RED\n")
    result = run.invoke(data_command, ["validate", str(good), "--json"], standalone_mode=False)
    assert result.return_value == 1
    assert len(json.loads(result.output)["problems"]) == 2
    result = run.invoke(data_command, ["validate", str(good)])
    assert isinstance(result.exception, WfstAsrError)
    assert "2 problems found" in str(result.exception)
    (good / "text").unlink()
    assert run.invoke(data_command, ["subset", str(good), str(tmp_path / "s"), "--last", "2"]).exit_code == 0
    assert read_data_dir(tmp_path / "s").utterances == ("a-2", "b-1")
    (tmp_path / "ids").write_text("b-1 anything\n")
    run.invoke(data_command, ["subset", str(good), str(tmp_path / "t"), "--ids", str(tmp_path / "ids")])
    assert read_data_dir(tmp_path / "t").utterances == ("b-1",)
    assert run.invoke(data_command, ["subset", str(good), str(tmp_path / "t")]).exit_code == 2
    result = run.invoke(data_command, ["split", str(good), str(tmp_path / "p"), "--parts", "2", "--json"])
    assert [row["utterances"] for row in json.loads(result.output)] == [2, 1]


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        (["--kind", "mfcc", "--num-ceps", "20"], 20),
        (["--kind", "fbank", "--num-mel-bins", "40", "--use-energy", "--dither", "1"], 41),
        (["--kind", "spectrogram", "--window", "hamming"], 257),
        (["--kind", "sphinx"], 13),
    ],
)
def test_the_features_command_writes_an_archive(good: Path, tmp_path: Path, options: list[str], columns: int) -> None:
    result = CliRunner().invoke(features_command, ["extract", str(good), str(tmp_path / "out"), *options, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["utterances"] == 3
    table = ArchiveTable(tmp_path / "out" / "feats.scp")
    assert table["a-1"].shape == (json.loads(result.stdout)["frames"] / 3, columns)


def test_options_of_another_kind_are_wrong_usage(good: Path, tmp_path: Path) -> None:
    run = CliRunner()
    for options in (["--kind", "fbank", "--num-ceps", "9"], ["--kind", "sphinx", "--window", "sine"]):
        assert run.invoke(features_command, ["extract", str(good), str(tmp_path / "o"), *options]).exit_code == 2
    assert not (tmp_path / "o").exists()


def test_utterances_shorter_than_a_frame_are_left_out_and_told(good: Path, tmp_path: Path) -> None:
    soundfile.write(good / "flac/a-2.flac", np.zeros(100), 16000)
    with pytest.warns(WfstAsrWarning, match="utterances shorter than a frame were left out, 1: a-2"):
        CliRunner().invoke(features_command, ["extract", str(good), str(tmp_path / "out")])
    assert list(ArchiveTable(tmp_path / "out" / "feats.scp")) == ["a-1", "b-1"]
