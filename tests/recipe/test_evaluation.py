"""Decoding and scoring of a test set: passes, files, utterances that count as lost, yes and no without an error."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.synthetic_speech import RATE, Spoken, write_speech, write_tables
from tests.train.stages import LDA_MLLT, MONO, SAT
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.io.archives import read_matrices
from wfst_asr.recipe.decoding import SetOptions
from wfst_asr.recipe.evaluation import Evaluation, EvaluationOptions, evaluate
from wfst_asr.recipe.language import make_lang, make_language_model
from wfst_asr.recipe.prepare_yesno import prepare_yesno
from wfst_asr.recipe.speaker_adaptation import AdaptationOptions
from wfst_asr.recipe.trained_graph import compile_trained_graph
from wfst_asr.recipe.training import train_adaptive, train_mllt, train_mono

OPTIONS = EvaluationOptions(SetOptions(lm_weights=(6.0, 10.0), insertion_penalties=(0.0,)), default_lm_weight=10.0)


@pytest.fixture(scope="module")
def models(spoken: Spoken, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with test/, and mono/ and sat/ with their graphs."""
    root = tmp_path_factory.mktemp("evaluated")
    train_mono(spoken.data, spoken.lang, root / "mono", options=MONO)
    train_mllt(spoken.data, spoken.lang, root / "mono", root / "lda-mllt", options=LDA_MLLT)
    train_adaptive(spoken.data, spoken.lang, root / "lda-mllt", root / "sat", options=SAT)
    make_language_model(root, data_dir=spoken.data, lang_dir=spoken.lang, order=2)
    for name in ("mono", "sat"):
        compile_trained_graph(spoken.lang, root / "lm.ngram", root / name, root / f"{name}-graph")
    write_speech(root / "test", utterances=6, seed=1)
    return root


def run(models: Path, name: str, out: Path, *, data: Path | None = None, options: EvaluationOptions = OPTIONS,
        num_jobs: int = 1) -> Evaluation:  # fmt: skip
    return evaluate(
        models / name, models / f"{name}-graph", data or models / "test", out, options=options, num_jobs=num_jobs
    )


def test_monophones_are_decoded_once(models: Path, tmp_path: Path) -> None:
    found = run(models, "mono", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["evaluation.json", "scoring.txt", "text"]
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == found.__dict__
    assert (found.words, found.utterances, found.without_path, found.wer_first_pass) == (36, 6, 0, None)
    assert found.wer <= found.wer_default
    assert found.wer < 10.0
    assert found.lm_weight in (6.0, 10.0)
    assert len((tmp_path / "out" / "text").read_text().splitlines()) == 6


@pytest.mark.parametrize("passes", [0, 1, 2])
def test_adapted_models_are_decoded_in_passes(models: Path, tmp_path: Path, passes: int) -> None:
    options = replace(OPTIONS, adaptation=AdaptationOptions(passes=passes, prior_frames=50.0))
    steps: list[str] = []
    found = evaluate(
        models / "sat", models / "sat-graph", models / "test", tmp_path / "out", options=options,
        step=lambda what, _at, _of: steps.append(what),
    )  # fmt: skip
    assert len(set(steps)) == passes + 1
    assert (found.wer_first_pass is None) == (passes == 0)
    assert (tmp_path / "out" / "fmllr.ark").exists() == (passes > 0)
    if passes:
        transforms = dict(read_matrices(tmp_path / "out" / "fmllr.ark"))
        assert sorted(transforms) == ["anna", "bert"]
        assert found.wer_first_pass is not None
        assert found.wer <= found.wer_first_pass + 5.0
    assert found.wer < 15.0


def test_the_number_of_threads_changes_nothing(models: Path, tmp_path: Path) -> None:
    one, three = (run(models, "sat", tmp_path / str(jobs), num_jobs=jobs) for jobs in (1, 3))
    assert replace(one, real_time_factor=0.0) == replace(three, real_time_factor=0.0)
    for name in ("text", "scoring.txt", "fmllr.ark"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_utterances_without_sound_count_as_recognised_without_a_word(models: Path, tmp_path: Path) -> None:
    data = tmp_path / "test"
    shutil.copytree(models / "test", data)
    soundfile.write(data / "wav" / "silent.wav", np.zeros(RATE), RATE)
    rows = {name: (name.split("-")[0], text) for name, text in text_of(data).items()}
    write_tables(data, {**rows, "silent": ("carl", "saw moss")})
    with pytest.warns(WfstAsrWarning, match="1 utterances were left out: 'silent' .no sound"):
        found = run(models, "mono", tmp_path / "out", data=data)
    clean = run(models, "mono", tmp_path / "clean")
    assert (found.words, found.utterances, found.without_path) == (38, 7, 1)
    assert found.wer == pytest.approx((clean.wer * 36 + 200) / 38, abs=0.01)
    assert text_of(tmp_path / "out")["silent"] == ""


def text_of(folder: Path) -> dict[str, str]:
    rows = (line.partition(" ") for line in (folder / "text").read_text().splitlines())
    return {key: value for key, _, value in rows}


def test_graphs_of_other_models_and_sets_without_transcripts_are_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(WfstAsrError, match="compile"):
        evaluate(models / "mono", models / "sat-graph", models / "test", tmp_path / "out", options=OPTIONS)
    data = tmp_path / "test"
    shutil.copytree(models / "test", data)
    (data / "text").unlink()
    with pytest.raises(WfstAsrError, match="has no transcripts to score with; add its file 'text'"):
        run(models, "mono", tmp_path / "out", data=data)
    assert not (tmp_path / "out").exists()


def test_adaptation_out_of_range_is_refused() -> None:
    with pytest.raises(WfstAsrError, match="adaptation with -1 passes"):
        AdaptationOptions(passes=-1)


def test_yes_and_no_are_recognised_without_an_error(corpora: Path, tmp_path: Path) -> None:
    prepare_yesno(corpora / "yesno", tmp_path / "data", num_train=31)
    entries = (("NO", "N"), ("YES", "Y"), ("<SIL>", "SIL"))
    make_lang(tmp_path / "lang", entries=entries, oov="<SIL>")
    train, test = tmp_path / "data" / "train", tmp_path / "data" / "test"
    (tmp_path / "lm").mkdir()
    make_language_model(tmp_path / "lm", data_dir=train, lang_dir=tmp_path / "lang", order=1)
    train_mono(train, tmp_path / "lang", tmp_path / "mono")
    compile_trained_graph(tmp_path / "lang", tmp_path / "lm" / "lm.ngram", tmp_path / "mono", tmp_path / "graph")
    found = evaluate(tmp_path / "mono", tmp_path / "graph", test, tmp_path / "out")
    assert found.wer == 0.0
    assert found.wer_default < 1.0  # the weight is not tuned: one or two words of 232
