"""`wfst-asr explain`: score matrices, recordings, references in files, and bad input."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.toy_world import status_of
from wfst_asr.cli.demo import sample_recording

Fails = Callable[..., None]


def told_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    assert status_of("explain", *arguments, "--json") == 0
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    return record


def test_what_was_decoded_is_correct_and_the_language_model_is_told_apart(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, *words = (world / "decoded" / "text").read_text().split()
    text = " ".join(words)
    for lm in ("lm.arpa", "lang/G.fst"):
        told = told_json(capsys, "graph", "a", text, "--scores", "scores.ark", "--lm", lm)
        assert told["verdict"] == "correct"
        assert told["reference"]["text"] == text
        costs = [row["lm_cost"] for row in told["reference"]["words"] if row["word"]]
        assert sum(costs) == pytest.approx(told["reference"]["lm_cost"], abs=1e-3)
        assert all(cost > 0 for cost in costs)
    told = told_json(capsys, "graph", "a", "decoded/text", "--scores", "scores.ark")
    assert told["verdict"] == "correct"
    assert told["reference"]["lm_cost"] is None


def test_another_sentence_is_the_models_error(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (world / "said").write_text("red green\n")
    told = told_json(capsys, "graph", "a", "said", "--scores", "scores.ark", "--lm", "lm.arpa")
    assert told["verdict"] == "model"
    assert told["gap"] == pytest.approx(sum(region["gap"] for region in told["regions"]), abs=1e-2)
    capsys.readouterr()
    assert status_of("explain", "graph", "a", "red green", "--scores", "scores.ark", "--lm", "lm.arpa") == 0
    printed = capsys.readouterr().out
    assert "the models prefer what was found" in printed
    assert "of it lm" in printed
    assert "R EH D" in printed
    assert status_of("explain", "graph", "a", "red gren", "--scores", "scores.ark") == 0
    assert "spelled like 'gren': green" in capsys.readouterr().out


def test_a_recording_is_scored_by_its_model(
    here: Path, spoken: Any, trained_on_spoken: Path, capsys: pytest.CaptureFixture[str], fails: Fails
) -> None:
    lines = (here / "data" / "text").read_text().splitlines()
    utterance, *words = lines[0].split()
    (here / "words").write_text("".join(line.partition(" ")[2] + "\n" for line in lines))
    assert status_of("lm", "train", "words", "lm.arpa", "--order", 1, "--smoothing", "witten-bell") == 0
    model = trained_on_spoken / "mono"
    assert status_of("graph", "compile", "lang", model, "graph", "--lm", "lm.arpa") == 0
    sounds = [line.split() for line in (here / "data" / "wav.scp").read_text().splitlines()]
    path = Path("data", next(row[1] for row in sounds if row[0] == utterance))
    told = told_json(capsys, "graph", path, "data/text", "--utterance", utterance, "--model", model, "--lm", "lm.arpa")
    assert told["verdict"] in ("correct", "model")
    assert told["reference"]["text"] == " ".join(words)
    assert told["reference"]["lm_cost"] > 0
    graph = Path("bare")
    shutil.copytree("graph", graph)
    (graph / "manifest.json").unlink()
    (graph / "input_labels.npy").unlink()
    again = told_json(capsys, graph, path, "data/text", "--utterance", utterance, "--model", model)
    assert again["reference"]["text"] == " ".join(words)
    assert again["reference"]["total"] == pytest.approx(told["reference"]["total"], abs=0.01)
    fails("adaptation is of the models of PocketSphinx", "explain", "graph", path, "x", "--model", model, "--adapt")
    fails("give its folder with --model", "explain", "graph", path, "x")


def test_bad_input_is_one_sentence(world: Path, fails: Fails) -> None:
    fails("has no utterance 'b'", "explain", "graph", "b", "red", "--scores", "scores.ark")
    fails("scores.arc: no such file", "explain", "graph", "a", "red", "--scores", "scores.arc")
    fails("missing.wav: no such file", "explain", "graph", "missing.wav", "red", "--model", "model")
    fails("nowhere: no such file", "explain", "nowhere", "a", "red", "--scores", "scores.ark")
    fails("has no line of 'b'", "explain", "graph", "a", "decoded/text", "--scores", "scores.ark", "--utterance", "b")
    fails("--utterance is of a REFERENCE", "explain", "graph", "a", "red", "--scores", "scores.ark", "--utterance", "a")
    fails("give the path of a language model", "explain", "graph", "a", "red", "--scores", "scores.ark", "--lm", "no")
    fails("beam -1", "explain", "graph", "a", "red", "--scores", "scores.ark", "--beam", "-1")
    assert status_of("explain", "graph", "a", "red", "--scores", "scores.ark", "--model", "model") == 2


@pytest.mark.filterwarnings("default")  # of words without pronunciation
def test_the_english_model_scores_a_recording_as_transcribe_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("pstrain")
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which the command replaces
    recording, few = sample_recording()[0], ("--max-words", 200, "--cache", tmp_path)
    assert status_of("transcribe", recording, *few, "--json") == 0
    transcribed = json.loads(capsys.readouterr().out.splitlines()[-1])
    told = told_json(capsys, "english", recording, "the people of the world", *few)
    assert told["verdict"] == "model"
    assert told["hypothesis"]["text"] == transcribed["text"]
    assert told["hypothesis"]["graph_cost"] == pytest.approx(transcribed["graph_cost"], abs=0.01)
    assert told["hypothesis"]["times_exact"]
    assert told_json(capsys, "english", recording, transcribed["text"], *few)["verdict"] == "correct"
