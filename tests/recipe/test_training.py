"""Training stages on folders: what they write, that it reads back, same seed same bytes, runs that are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.synthetic_speech import Spoken
from tests.toy_world import status_of
from tests.train.stages import DELTAS, LDA_MLLT, MONO, SAT, with_schedule
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.symbols import read_symbols
from wfst_asr.io.archives import read_integer_vectors, read_matrices
from wfst_asr.recipe.model_dir import read_trained_model
from wfst_asr.recipe.training import read_alignments, train_adaptive, train_deltas, train_mllt, train_mono
from wfst_asr.recipe.training_run import RUNNING_NAME, log_of
from wfst_asr.tree.log import read_tree_log

EARLIER = {"deltas": "mono", "lda-mllt": "deltas", "sat": "lda-mllt"}


def run_stage(name: str, spoken: Spoken, root: Path, out: Path, options: Any = None, **more: Any) -> Any:
    stages: dict[str, tuple[Callable[..., Any], Any]] = {
        "mono": (train_mono, MONO),
        "deltas": (train_deltas, DELTAS),
        "lda-mllt": (train_mllt, LDA_MLLT),
        "sat": (train_adaptive, SAT),
    }
    function, own = stages[name]
    earlier = [root / EARLIER[name]] if name in EARLIER else []
    return function(spoken.data, spoken.lang, *earlier, out, options=options or own, **more)


@pytest.fixture(scope="module")
def models(spoken: Spoken, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models of all stages."""
    root = tmp_path_factory.mktemp("models")
    for name in ("mono", "deltas", "lda-mllt", "sat"):
        summary = run_stage(name, spoken, root, root / name)
        assert (summary.stage, summary.utterances, summary.failures) == (name, 16, 0)
    return root


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


FILES = {"final.mdl", "tree", "features.json", "phones.txt", "ali.ark", "log.jsonl", "failures.tsv"}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("mono", set()),
        ("deltas", {"tree.jsonl"}),
        ("lda-mllt", {"tree.jsonl", "final.mat"}),
        ("sat", {"tree.jsonl", "final.mat", "final.alimdl", "fmllr.ark"}),
    ],
)
def test_a_stage_writes_its_files_and_nothing_else(models: Path, name: str, more: set[str]) -> None:
    assert set(contents(models / name)) == FILES | more


@pytest.mark.parametrize("name", ["mono", "deltas", "lda-mllt", "sat"])
def test_models_read_back(models: Path, spoken: Spoken, name: str) -> None:
    model = read_trained_model(models / name)
    alignments = read_alignments(models / name)
    assert len(alignments.transition_ids) == 16
    assert model.pipeline.dim == model.gmm.dim == (39 if name in ("mono", "deltas") else 10)
    assert model.tree.num_pdfs == model.gmm.num_pdfs == model.transitions.num_pdfs
    assert model.gmm.num_gaussians == (model.info or {})["gaussians"] == 40
    assert model.silence == ("SIL", "SPN")
    assert model.adapted == (name == "sat")
    assert dict(read_symbols(models / name / "phones.txt").items()) == dict(
        read_symbols(spoken.lang / "phones.txt").items()
    )


def test_the_speaker_independent_model_of_sat_has_the_same_gaussians(models: Path) -> None:
    model = read_trained_model(models / "sat")
    assert model.si_gmm is not None
    np.testing.assert_array_equal(model.gmm.offsets, model.si_gmm.offsets)
    assert not np.allclose(model.gmm.means, model.si_gmm.means)
    transforms = dict(read_matrices(models / "sat" / "fmllr.ark"))
    assert {name: matrix.shape for name, matrix in transforms.items()} == {"anna": (10, 11), "bert": (10, 11)}


@pytest.mark.parametrize("name", ["deltas", "lda-mllt", "sat"])
def test_the_log_of_the_tree_fits_the_model(models: Path, name: str) -> None:
    model = read_trained_model(models / name)
    phones = dict(read_symbols(models / name / "phones.txt").items())
    log = read_tree_log(models / name / "tree.jsonl", phones)
    assert {leaf.pdf_id for leaf in log.leaves} == set(range(model.gmm.num_pdfs))
    assert len(log.leaves) - len(log.merges) == model.gmm.num_pdfs
    first = json.loads((models / name / "tree.jsonl").read_text().splitlines()[0])
    assert first["unseen_phones"] == ["SPN"]
    assert first["pdfs"] == model.gmm.num_pdfs


def test_the_log_has_a_line_an_iteration_and_is_drawn(models: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (models / "sat" / "log.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == list(range(1, 9))
    assert [line["note"] for line in lines] == ["", "fMLLR", "", "fMLLR", "", "", "", ""]
    for line in lines:
        assert (line["stage"], line["failed"], line["frames"]) == ("sat", 0, lines[0]["frames"])
        assert sum(int(size) * count for size, count in line["gaussians_by_pdf"].items()) == line["num_gaussians"]
    pytest.importorskip("matplotlib")
    assert status_of("train", "plot", models / "sat", tmp_path / "sat.png") == 0
    assert (tmp_path / "sat.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["mono", "deltas", "lda-mllt", "sat"])
def test_same_seed_same_bytes_whatever_the_number_of_processes(
    models: Path, spoken: Spoken, tmp_path: Path, name: str
) -> None:
    run_stage(name, spoken, models, tmp_path / "again", num_jobs=4 if name in ("mono", "sat") else 1)
    assert contents(tmp_path / "again") == contents(models / name)


def test_another_seed_gives_other_bytes(models: Path, spoken: Spoken, tmp_path: Path) -> None:
    for name, options in (("mono", replace(MONO, seed=1)), ("deltas", replace(DELTAS, seed=1))):
        run_stage(name, spoken, models, tmp_path / name, options)
        assert (tmp_path / name / "final.mdl").read_bytes() != (models / name / "final.mdl").read_bytes()


class CutOffError(Exception):
    """Stands for anything that ends a training."""


def step_that_fails(at: int) -> Callable[[str, int, int], None]:
    def step(what: str, iteration: int, _of: int) -> None:
        if (what, iteration) == ("estimating", at):
            raise CutOffError

    return step


@pytest.mark.parametrize("name", ["mono", "deltas", "lda-mllt", "sat"])
def test_a_stage_that_was_cut_off_resumes_and_ends_with_the_same_bytes(
    models: Path, spoken: Spoken, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "model"
    with pytest.raises(CutOffError):
        run_stage(name, spoken, models, out, step=step_that_fails(8))
    assert set(contents_of_running(out)) == {"checkpoint.npz", "log.jsonl"}
    assert [path.name for path in out.iterdir()] == [RUNNING_NAME]
    with pytest.raises(WfstAsrError, match="its training did not end, run it again"):
        read_trained_model(out)
    done: list[tuple[str, int]] = []
    run_stage(name, spoken, models, out, step=lambda what, at, _of: done.append((what, at)))
    begin = 6 if name != "mono" else 5
    assert min(at for what, at in done if what == "estimating") == begin
    assert contents(out) == contents(models / name)


def contents_of_running(folder: Path) -> dict[str, bytes]:
    return contents(folder / RUNNING_NAME)


def test_a_cut_off_stage_with_other_options_begins_anew(models: Path, spoken: Spoken, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with pytest.raises(CutOffError):
        run_stage("deltas", spoken, models, out, step=step_that_fails(8))
    done: list[tuple[str, int]] = []
    other = with_schedule(DELTAS, num_gaussians=30)
    run_stage("deltas", spoken, models, out, other, step=lambda what, at, _of: done.append((what, at)))
    assert min(at for what, at in done if what == "estimating") == 1
    assert [json.loads(line)["iteration"] for line in (out / "log.jsonl").read_text().splitlines()] == [*range(1, 9)]
    run_stage("deltas", spoken, models, tmp_path / "straight", other)
    assert contents(out) == contents(tmp_path / "straight")


def test_a_damaged_checkpoint_is_ignored(models: Path, spoken: Spoken, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with pytest.raises(CutOffError):
        run_stage("deltas", spoken, models, out, step=step_that_fails(8))
    path = out / RUNNING_NAME / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-50])
    run_stage("deltas", spoken, models, out)
    assert contents(out) == contents(models / "deltas")


def test_a_run_that_fails_before_its_first_checkpoint_leaves_nothing(
    models: Path, spoken: Spoken, tmp_path: Path
) -> None:
    with pytest.raises(CutOffError):
        run_stage("deltas", spoken, models, tmp_path / "new" / "model", step=step_that_fails(2))
    assert list(tmp_path.iterdir()) == []


def test_an_older_model_stays_until_the_new_one_is_written(models: Path, spoken: Spoken, tmp_path: Path) -> None:
    out = tmp_path / "model"
    run_stage("sat", spoken, models, out)
    before = contents(out)
    with pytest.raises(CutOffError):
        run_stage("deltas", spoken, models, out, step=step_that_fails(2))
    assert contents(out) == before
    with pytest.raises(CutOffError):
        run_stage("deltas", spoken, models, out, step=step_that_fails(8))
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert log_of(out) == out / RUNNING_NAME / "log.jsonl"  # the one that goes on
    assert read_trained_model(out).adapted
    run_stage("deltas", spoken, models, out)
    assert contents(out) == contents(models / "deltas")
    assert log_of(out) == out / "log.jsonl"


def test_a_stage_may_write_over_the_model_that_it_begins_with(models: Path, spoken: Spoken, tmp_path: Path) -> None:
    run_stage("mono", spoken, models, tmp_path / "mono")
    train_deltas(spoken.data, spoken.lang, tmp_path / "mono", tmp_path / "mono", options=DELTAS)
    assert contents(tmp_path / "mono") == contents(models / "deltas")


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.recipe.test_training import run_stage
from tests.synthetic_speech import Spoken

def step(what, iteration, of):
    if (what, iteration) == ("estimating", 7):
        print("now", flush=True)
        signal.pause()

data, lang, root, out = map(Path, sys.argv[1:])
run_stage("deltas", Spoken(data, lang), root, out, num_jobs=2, step=step)
"""


def test_a_run_that_was_killed_resumes_and_leaves_no_processes(models: Path, spoken: Spoken, tmp_path: Path) -> None:
    out = tmp_path / "model"
    command = [sys.executable, "-c", KILLED, *map(str, (spoken.data, spoken.lang, models, out))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "now\n"
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        workers = [int(pid) for pid in children.read_text().split()] if children.exists() else []
        assert len(workers) >= 2 or not children.exists()
        running.kill()
    assert running.returncode == -signal.SIGKILL
    run_stage("deltas", spoken, models, out)
    assert contents(out) == contents(models / "deltas")
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < deadline, "worker processes outlive the training"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_alignments_are_of_the_transcripts(models: Path, spoken: Spoken) -> None:
    words = dict(line.split(maxsplit=1) for line in (spoken.data / "text").read_text().splitlines())
    lexicon = dict(line.split(maxsplit=1) for line in (spoken.lang.parent / "lexicon.txt").read_text().splitlines())
    model = read_trained_model(models / "sat")
    names = read_symbols(models / "sat" / "phones.txt")
    for utterance, ids in read_integer_vectors(models / "sat" / "ali.ark"):
        ends = model.transitions.is_final[ids]
        phones = [names.names[number] for number in model.transitions.phone[ids[ends]]]
        expected = " ".join(lexicon[word] for word in words[utterance].split())
        assert " ".join(phone for phone in phones if phone != "SIL") == expected
