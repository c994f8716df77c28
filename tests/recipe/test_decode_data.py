"""`wfst-asr decode` with trained models: speakers, passes, graphs of other models, folders of Kaldi's."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from wfst_asr.cli.main import main
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.insertion_penalty import with_insertion_penalty
from wfst_asr.decoder.search_graph import load_graph
from wfst_asr.decoder.statistics_file import read_statistics
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.io.archives import matrix_writer, read_matrices
from wfst_asr.io.ctm import read_ctm
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.kaldi.lattice import read_lattices
from wfst_asr.recipe.decode_data import DataDecoder
from wfst_asr.recipe.evaluation import EvaluationOptions, evaluate
from wfst_asr.recipe.labelled_graph import load_alignment_graph
from wfst_asr.recipe.model_dir import read_trained_model
from wfst_asr.recipe.scorers import model_of_graph, scorer_for
from wfst_asr.recipe.trained_graph import compile_trained_graph
from wfst_asr.recipe.training import train_adaptive, train_mono
from wfst_asr.score.wer import read_text
from wfst_asr.train.monophone import MonophoneOptions
from wfst_asr.train.sat import SatOptions
from wfst_asr.train.schedule import Schedule

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"
FEW = Schedule(num_iterations=6, realign=frozenset({1, 2, 3, 4, 5}), last_increase=4)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sounds of docs/training.md, a lang directory, models `mono`, `other` and `sat`, and graphs of them."""
    folder = tmp_path_factory.mktemp("tones")
    for name in ("sounds.py", "lexicon.txt"):
        found = re.search(rf"^```\w+ file={re.escape(name)}\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
        assert found is not None
        (folder / name).write_text(found[1])
    subprocess.run([sys.executable, "sounds.py"], cwd=folder, check=True)
    lang = folder / "lang"
    assert run("lang", "make", folder / "lexicon.txt", lang, "--silence-phones", "SIL", "--no-position-dependent") == 0
    lines = (folder / "data" / "train" / "text").read_text().splitlines()
    (folder / "words").write_text("".join(line.partition(" ")[2] + "\n" for line in lines))
    lm = folder / "lm.arpa"
    assert run("lm", "train", folder / "words", lm, "--order", 1, "--smoothing", "witten-bell") == 0
    data = folder / "data" / "train"
    train_mono(data, lang, folder / "mono", options=MonophoneOptions(schedule=FEW))
    train_mono(data, lang, folder / "other", options=MonophoneOptions(schedule=FEW, seed=1))
    train_adaptive(data, lang, folder / "mono", folder / "sat", options=SatOptions(schedule=FEW))
    for name in ("mono", "sat"):
        compile_trained_graph(lang, lm, folder / name, folder / f"{name}-graph")
    return folder


def words_of(folder: Path) -> dict[str, tuple[str, ...]]:
    return {name: tuple(words) for name, words in read_text(folder / "text").items()}


def test_a_trained_model_finds_the_words(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = world / "data" / "test"
    assert run("decode", world / "mono-graph", test, tmp_path, "--model", world / "mono") == 0
    assert "4 utterances, 13 words, 7.2 s of speech" in capsys.readouterr().out
    assert words_of(tmp_path) == words_of(test)
    assert run("score", test, tmp_path) == 0
    assert "WER 0.00 %: 0 of 13" in capsys.readouterr().out
    assert len((tmp_path / "ctm").read_text().splitlines()) == 13
    assert sorted(path.name for path in tmp_path.iterdir()) == ["costs", "ctm", "text"]


def test_adapted_models_are_decoded_in_passes_as_the_recipes_do(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(world / "data" / "test", bare)
    (bare / "text").unlink()
    graph, model = world / "sat-graph", world / "sat"
    command = ("decode", graph, bare, tmp_path / "out", "--model", model, "--json", "--lm-weight", 12)
    assert run(*command) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["passes"], told["adapted_speakers"], told["utterances"]) == (4, 2, 4)
    evaluate(model, graph, world / "data" / "test", tmp_path / "evaluated")
    assert words_of(tmp_path / "out") == words_of(tmp_path / "evaluated")
    ours, theirs = (dict(read_matrices(tmp_path / name / "fmllr.ark")) for name in ("out", "evaluated"))
    assert sorted(ours) == sorted(theirs) == ["high", "low"]
    for speaker in ours:
        assert (ours[speaker] == theirs[speaker]).all()
    assert run(*command, "--passes", 2) == 0
    assert json.loads(capsys.readouterr().out)["passes"] == 2
    assert run(*command, "--no-adapt") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["passes"], told["adapted_speakers"]) == (1, 0)
    assert not (tmp_path / "out" / "fmllr.ark").exists()


def test_a_speaker_is_decoded_the_same_in_any_company(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = DataDecoder.of_folders(load_graph(world / "sat-graph"), world / "sat", world / "data" / "train")
    together = [group.decoded for group in decoder.decode(EvaluationOptions())]
    monkeypatch.setattr("wfst_asr.recipe.decode_data._GROUP", 1)
    apart = [group.decoded for group in decoder.decode(EvaluationOptions(), num_jobs=2)]
    assert (len(together), len(apart)) == (1, 2)
    costs = [
        {one.utterance: one.result and one.result.total_cost for g in way for one in g} for way in (together, apart)
    ]
    assert costs[0] == costs[1]
    assert len(costs[0]) == 24


def test_a_graph_of_another_model_is_refused(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = world / "data" / "test"
    for other in ("other", "sat"):
        assert run("decode", world / "mono-graph", test, tmp_path / "out", "--model", world / other) == 1
        error = capsys.readouterr().err
        assert f"was compiled with another model than {world / other / 'final.mdl'}" in error
        assert error.count("\n") == 1
    with pytest.raises(WfstAsrError, match="was compiled with another model"):
        evaluate(world / "other", world / "mono-graph", test, tmp_path / "out")
    assert not (tmp_path / "out" / "text").exists()
    assert model_of_graph(load_graph(world / "mono-graph").manifest, world / "mono") == world / "mono"
    assert run("decode", world / "mono-graph", test, tmp_path / "out") == 1
    assert "give its folder with --model" in capsys.readouterr().err


def test_a_graph_made_of_a_model_in_memory_is_of_the_models_folder(world: Path, tmp_path: Path) -> None:
    model = read_trained_model(world / "mono")
    compile_trained_graph(world / "lang", world / "lm.arpa", (model.tree, model.transitions), tmp_path / "graph")
    command = ("decode", tmp_path / "graph", world / "data" / "test", tmp_path / "out", "--model")
    assert run(*command, world / "mono") == 0
    assert run(*command, world / "other") == 1


@pytest.mark.filterwarnings("always::wfst_asr.errors.WfstAsrWarning")
def test_folders_as_kaldi_leaves_them(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, graph = tmp_path / "model", tmp_path / "graph"
    shutil.copytree(world / "sat", model)
    shutil.copytree(world / "sat-graph", graph)
    (model / "features.json").unlink()
    for name in ("manifest.json", "input_labels.npy"):
        (graph / name).unlink()
    with pytest.warns(WfstAsrWarning, match="13 MFCC at 8000 Hz, mean normalised, 2 orders of differences"):
        decoder = DataDecoder.of_folders(load_graph(world / "sat-graph"), model, world / "data" / "test")
    assert decoder.model.silence == ("SIL",)
    assert run("decode", graph, world / "data" / "test", tmp_path / "out", "--model", model, "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["passes"] == 4
    assert told.err.count("has no features.json") == 1
    assert words_of(tmp_path / "out") == words_of(world / "data" / "test")


@pytest.mark.filterwarnings("always::wfst_asr.errors.WfstAsrWarning")
def test_recordings_that_nothing_can_be_made_of_are_left_out_and_told_once(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(world / "data" / "test", data)
    soundfile.write(data / "tiny.wav", np.zeros(50), 8000)
    with (data / "wav.scp").open("a") as scp, (data / "utt2spk").open("a") as speakers:
        scp.write("tiny tiny.wav\n")
        speakers.write("tiny low\n")
    (data / "text").unlink()
    out = tmp_path / "out"
    assert run("decode", world / "mono-graph", data, out, "--model", world / "mono", "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["left_out"] == ["tiny"]
    assert told.err.count("tiny") == 1
    assert sorted(words_of(out)) == sorted(words_of(world / "data" / "test"))


def test_wrong_usage(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("decode", world / "mono-graph", world / "data" / "test", tmp_path / "out", "--model", world / "mono")
    assert run(*command, "--lm-weight", 10, "--acoustic-scale", 0.1) == 2
    assert run(*command, "--no-adapt", "--passes", 2) == 2
    assert run(*command, "--lm-weight", 0) == 2
    assert run(*command, "--passes", 2) == 1
    assert "is not adapted to speakers" in capsys.readouterr().err
    assert run(*command[:-1], tmp_path) == 1
    assert "has neither 'final.mdl' nor 'mdef'" in capsys.readouterr().err


def test_penalties_drop_words_and_are_costs_of_the_graph(world: Path, tmp_path: Path) -> None:
    command = ("decode", world / "mono-graph", world / "data" / "test", tmp_path / "out", "--model", world / "mono")
    assert run(*command, "--insertion-penalty", 100_000) == 0
    assert all(words == () for words in words_of(tmp_path / "out").values())
    graph = load_graph(world / "mono-graph")
    scores = scores_of(world, "mono")
    plain, dear = (decode(one, scores) for one in (graph, with_insertion_penalty(graph, 0.25)))
    assert dear.words == plain.words
    assert dear.graph_cost == pytest.approx(plain.graph_cost + 0.25 * len(plain.words), abs=1e-4)
    assert with_insertion_penalty(graph, 0.0) is graph
    with pytest.raises(WfstAsrError, match="insertion penalty nan, expected a number"):
        with_insertion_penalty(graph, float("nan"))


def scores_of(world: Path, model: str) -> Any:
    scorer, data = scorer_for(world / model), read_data_dir(world / "data" / "test")
    utterance = data.utterances[0]
    return scorer.scores(data.read_audio(utterance, sample_rate_hz=scorer.sample_rate_hz).samples)


def test_scores_of_a_recording_alone_are_scores_for_the_graph(world: Path, tmp_path: Path) -> None:
    with matrix_writer(tmp_path / "scores.ark") as write:
        write("one", scores_of(world, "sat"))
    assert run("decode", world / "sat-graph", "--scores", tmp_path / "scores.ark", tmp_path / "out") == 0
    assert len(words_of(tmp_path / "out")["one"]) > 0
    assert run("decode", world / "sat-graph", "--scores", tmp_path / "scores.ark", tmp_path / "out", "--no-adapt") == 2


@pytest.mark.filterwarnings("always::wfst_asr.errors.WfstAsrWarning")
def test_kaldis_model_and_graph_give_kaldis_words(
    corpora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = corpora / "kaldi_an4"
    graph = tmp_path / "graph"  # a copy: the decoder keeps its own form of the graph beside it
    graph.mkdir()
    for path in (golden / "graph").iterdir():
        if path.suffix != ".search":
            (graph / path.name).write_bytes(path.read_bytes())
    command = ("decode", graph, corpora / "an4" / "test", tmp_path / "out", "--model", golden / "model")
    assert run(*command, "--acoustic-scale", 0.083333) == 0
    assert "13 MFCC at 16000 Hz, mean normalised, 4 + 4 frames spliced" in capsys.readouterr().err
    found = words_of(tmp_path / "out")
    wanted = [line.split() for line in (golden / "lattices" / "hyp_words.txt").read_text().splitlines()]
    same = [found[utterance] == tuple(words) for utterance, *words in wanted]
    assert len(same) == 20
    assert sum(same) >= 19


def test_statistics_of_the_last_pass(world: Path, tmp_path: Path) -> None:
    command = ("decode", world / "sat-graph", world / "data" / "test", tmp_path, "--model", world / "sat")
    assert run(*command, "--statistics", "--passes", 2) == 0
    rows = [line.split("\t") for line in (tmp_path / "costs").read_text().splitlines()[1:]]
    told = read_statistics(tmp_path / "statistics.tsv")
    assert {name: len(found.tokens) for name, found in told.items()} == {row[0]: int(row[4]) for row in rows}
    assert all(found.tokens.min() >= 1 for found in told.values())


def test_lattices_and_confidences_of_the_last_pass(world: Path, tmp_path: Path) -> None:
    command = ("decode", world / "sat-graph", world / "data" / "test", tmp_path, "--model", world / "sat")
    assert run(*command, "--lattices", "--nbest", 3, "--mbr", "--lattice-beam", 6) == 0
    lattices = dict(read_lattices(tmp_path / "lat.ark"))
    assert sorted(lattices) == sorted(words_of(tmp_path))
    words = read_ctm(tmp_path / "ctm")
    assert all(word.confidence is not None and 0 < word.confidence <= 1 for word in words)
    first = [json.loads(line) for line in (tmp_path / "nbest.jsonl").read_text().splitlines()]
    ranked = {row["utterance"]: tuple(row["words"]) for row in first if row["rank"] == 1}
    assert ranked == words_of(world / "data" / "test")
    assert run(*command) == 0
    plain = read_ctm(tmp_path / "ctm")
    assert [word.word for word in plain] == [word.word for word in words]
    for one, other in zip(plain, words, strict=True):  # means over the paths of aligned words, to the frame
        assert one.start_s == pytest.approx(other.start_s, abs=0.05)
        assert one.duration_s == pytest.approx(other.duration_s, abs=0.05)


@pytest.mark.parametrize("folder", ["graph", "lang"])
def test_words_of_lattices_have_exact_times_with_the_graph(world: Path, tmp_path: Path, folder: str) -> None:
    graph = world / "mono-graph"
    assert run("decode", graph, world / "data" / "test", tmp_path, "--model", world / "mono", "--lattices") == 0
    aligned = ("--graph", graph)
    if folder == "lang":
        aligned = ("--graph", world / "lang", "--transitions", world / "mono" / "final.mdl")
    scale = ("--acoustic-scale", load_graph(graph).acoustic_scale, "--words", graph / "words.txt")
    for name in ("best", "mbr"):
        ctm = tmp_path / f"{name}.ctm"
        assert run("lattice", name, tmp_path / "lat.ark", *scale, "--ctm", ctm, *aligned) == 0
    exact = [(w.recording, w.word, w.start_s, w.duration_s, w.confidence) for w in read_ctm(tmp_path / "ctm")]
    told = [(w.recording, w.word, w.start_s, w.duration_s, w.confidence) for w in read_ctm(tmp_path / "best.ctm")]
    assert told == exact
    assert [w.word for w in read_ctm(tmp_path / "mbr.ctm")] == [row[1] for row in exact]


def test_a_lang_directory_alone_does_not_tell_phones(world: Path, tmp_path: Path) -> None:
    with pytest.raises(WfstAsrError, match=r"give the model's final\.mdl with --transitions"):
        load_alignment_graph(world / "lang")
    with pytest.raises(WfstAsrError, match=r"has neither HCLG\.fst nor phones\.txt"):
        load_alignment_graph(tmp_path)
