"""`wfst-asr transcribe` and `wfst-asr demo` with the English model and its 200 commonest words."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.toy_world import status_of
from wfst_asr.cli.demo import sample_recording, spoken_words

WORDS = ("--max-words", "200")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pocketsphinx")
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def recording() -> Path:
    pytest.importorskip("pstrain")
    return sample_recording()[0]


@pytest.fixture(autouse=True)
def shown_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which the command replaces


def test_spoken_words_are_lower_case_without_punctuation() -> None:
    assert spoken_words("  Don\u2019t -- \u2018stop\u2019, MR. Rabbit's 2nd!\n") == [
        "don't", "stop", "mr", "rabbit's", "2nd",
    ]  # fmt: skip
    assert spoken_words("\u2026 ?! ") == []


@pytest.mark.parametrize("command", ["demo", "transcribe"])
def test_help_names_the_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(command, "--help") == 0
    told = capsys.readouterr().out
    assert all(option in told for option in ("--beam", "--max-words", "--cache", "--cmn"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["transcribe", "no.wav"], "no.wav: no such file; expected an audio file"),
        (["demo", "no.wav"], "no.wav: no such file; expected an audio file"),
        (["demo", __file__, "--transcript", "no.txt"], "no.txt: no such file"),
        (["transcribe", __file__], "not audio that can be read"),
        (["transcribe", "sound.wav", "--beam", "-1"], "beam -1.0, expected a number above 0"),
        (["transcribe", "sound.wav", "--acoustic-scale", "0"], "acoustic_scale 0.0, expected a number above 0"),
        (["transcribe", "sound.wav", "--max-words", "-5"], "max_words is -5; expected 0 (all words)"),
        (["transcribe", "sound.wav", "--cache", __file__], "cannot be written"),
        (["transcribe", "sound.wav", "--cache", __file__, "--on-the-fly"], "cannot be written"),
    ],
)
def test_mistakes_are_told_before_a_graph_is_compiled(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("pocketsphinx")
    monkeypatch.chdir(tmp_path)
    soundfile.write("sound.wav", np.zeros(16000), 16000)
    assert status_of(*arguments) == 1
    told = capsys.readouterr().err.splitlines()
    assert message in told[-1]


def test_transcripts_must_be_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "said.txt").write_bytes(b"\xff\xfe\x00")
    assert status_of("demo", __file__, "--transcript", tmp_path / "said.txt") == 1
    assert "said.txt: not UTF-8 text; give a text file of what is said" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
def test_words_come_as_text_as_lines_and_as_json(
    cache: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of("transcribe", recording, "--cache", cache, *WORDS) == 0
    first = capsys.readouterr()
    assert "compiling the English graph into" in first.err
    text = first.out.rstrip("\n")
    assert status_of("transcribe", recording, "--cache", cache, *WORDS, "--json") == 0
    again = capsys.readouterr()
    assert again.err == ""
    told = json.loads(again.out)
    assert told["text"] == text
    assert [word["word"] for word in told["words"]] == text.split()
    assert told["audio"] == str(recording)
    assert {"duration_s", "cpu_seconds", "reached_final", "graph_cost", "acoustic_cost"} <= set(told)
    ends = [0.0]
    for word in told["words"]:
        assert ends[-1] <= word["start_s"] < word["end_s"] <= told["duration_s"]
        ends.append(word["end_s"])
    assert status_of("transcribe", recording, "--cache", cache, *WORDS, "--times") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rsplit(" ", 3)[-1] for line in lines] == text.split()
    assert all("confidence" not in word for word in told["words"])
    assert status_of("transcribe", recording, "--cache", cache, *WORDS, "--times", "--confidence") == 0
    sure = [line.rsplit(" ", 2)[-2:] for line in capsys.readouterr().out.splitlines()]
    assert [word for word, _ in sure] == text.split()
    assert all(0 < float(confidence) <= 1 for _, confidence in sure)
    assert status_of("transcribe", recording, "--cache", cache, *WORDS, "--json", "--confidence") == 0
    words = json.loads(capsys.readouterr().out)["words"]
    assert [word["confidence"] for word in words] == pytest.approx([float(c) for _, c in sure], abs=1e-3)
    assert status_of("transcribe", recording, "--cache", cache, *WORDS, "--confidence") == 2


@pytest.mark.filterwarnings("default")
def test_the_demo_tells_where_the_graph_is_from_words_and_error_rate(
    cache: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of("demo", "--cache", cache, *WORDS) == 0
    told = capsys.readouterr().out
    assert str(recording) in told
    for part in ("graph: ", "peak MB", "real-time factor", "word error rate", "substitutions"):
        assert part in told
    assert "\x1b" not in told
    # a recording that is no audio ends in one sentence
    assert status_of("demo", __file__, "--cache", cache, *WORDS) == 1
    assert "not audio that can be read" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
def test_new_words_of_the_english_graph_are_decoded_and_its_sentences_stay(
    cache: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of("transcribe", recording, "--cache", cache, *WORDS) == 0
    text = capsys.readouterr().out
    (graph,) = cache.glob("english-*")
    (tmp_path / "new.txt").write_text("zyzzyva Z IH Z IH V AH\n")
    command = ("graph", "add-words", graph, tmp_path / "more", "--lexicon", tmp_path / "new.txt", "--prob", "1e-9")
    assert status_of(*command) == 0
    assert "decoded: zyzzyva (Z IH Z IH V AH)\n" in capsys.readouterr().out
    assert status_of("transcribe", recording, "--graph", tmp_path / "more") == 0
    assert capsys.readouterr().out == text
    assert status_of("transcribe", recording, "--graph", tmp_path) == 1


@pytest.mark.filterwarnings("default")
def test_the_language_model_composed_in_the_search_gives_the_same_words(
    recording: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = []
    for ways in ([], ["--on-the-fly"], ["--on-the-fly"]):
        assert status_of("transcribe", recording, *WORDS, "--cache", cache, "--json", *ways) == 0
        told = capsys.readouterr()
        heard.append(json.loads(told.out))
        assert ("compiling HCL" in told.err) is (len(heard) == 2)
    assert heard[0]["text"] == heard[1]["text"] == heard[2]["text"]
    assert heard[1]["graph_cost"] == pytest.approx(heard[0]["graph_cost"], abs=0.1)
    assert status_of("transcribe", recording, "--on-the-fly", "--graph", cache) == 2
