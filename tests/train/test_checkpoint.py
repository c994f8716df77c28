"""Stages that are cut off go on from their checkpoint and end with the same numbers."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.synthetic_speech import Spoken
from tests.train.stages import DELTAS, LDA_MLLT, MONO, SAT, read_corpus, same_models, stages
from wfst_asr.train.checkpoint import Checkpoint
from wfst_asr.train.iterations import IterationRecord, Model, Progress
from wfst_asr.train.stage import StageResult

OPTIONS = {"mono": MONO, "deltas": DELTAS, "lda-mllt": LDA_MLLT, "sat": SAT}
Stages = dict[str, Callable[..., StageResult]]


class CutOffError(Exception):
    """Stands for anything that ends a training."""


@pytest.fixture(scope="module")
def trainers(spoken: Spoken) -> Stages:
    return stages(*read_corpus(spoken))


def cut_off(stage: Callable[..., StageResult], options: object, checkpoint: Checkpoint, *, at: int) -> None:
    """Run a stage up to the estimation of an iteration."""

    def step(what: str, iteration: int, _of: int) -> None:
        if (what, iteration) == ("estimating", at):
            raise CutOffError

    with pytest.raises(CutOffError):
        stage(options, progress=Progress(step=step, checkpoint=checkpoint))


@pytest.mark.parametrize("name", ["mono", "deltas", "lda-mllt", "sat"])
@pytest.mark.parametrize("at", [5, 8])
def test_a_stage_that_was_cut_off_ends_with_the_same_numbers(
    trainers: Stages, tmp_path: Path, name: str, at: int
) -> None:
    stage, options = trainers[name], OPTIONS[name]
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz", "these options")
    cut_off(stage, options, checkpoint, at=at)
    log: list[IterationRecord] = []
    resumed = stage(options, progress=Progress(log=log.append, checkpoint=checkpoint))
    begin = max(k for k in options.schedule.realign if k <= at)  # type: ignore[attr-defined]
    assert [record.iteration for record in log] == list(range(begin, 9))
    whole_log: list[IterationRecord] = []
    whole = stage(options, progress=Progress(log=whole_log.append))
    assert log == whole_log[begin - 1 :]
    assert same_models(resumed, whole)
    for speaker, transform in whole.transforms.items():
        np.testing.assert_array_equal(resumed.transforms[speaker], transform)


def test_a_stage_cut_off_twice_still_ends_the_same(trainers: Stages, tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz", "k")
    cut_off(trainers["sat"], SAT, checkpoint, at=4)
    cut_off(trainers["sat"], SAT, checkpoint, at=7)
    resumed = trainers["sat"](progress=Progress(checkpoint=checkpoint))
    assert same_models(resumed, trainers["sat"]())


def test_checkpoints_of_other_options_are_not_taken_up(trainers: Stages, tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz", "one")
    cut_off(trainers["deltas"], DELTAS, checkpoint, at=7)
    log: list[IterationRecord] = []
    other = replace(checkpoint, key="another")
    trainers["deltas"](progress=Progress(log=log.append, checkpoint=other))
    assert log[0].iteration == 1
    checkpoint.remove_of_others()
    assert not checkpoint.path.exists()  # type: ignore[union-attr]


def test_damaged_checkpoints_are_as_good_as_none(trainers: Stages, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    checkpoint = Checkpoint(path, "k")
    cut_off(trainers["sat"], SAT, checkpoint, at=7)
    content = path.read_bytes()
    result = trainers["sat"]()
    model = Model(result.gmm, result.transitions)
    assert checkpoint.load(model) is not None
    rng = random.Random(0)
    damaged = [b"", b"junk", content[:100], content[: len(content) // 2], content[:-30], b"\x80\x04K\x01."]
    for _ in range(100):
        changed = bytearray(content)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        damaged.append(bytes(changed))
    for data in damaged:
        path.write_bytes(data)
        assert checkpoint.load(model) is None
    path.write_bytes(b"junk")
    checkpoint.remove_of_others()
    assert not path.exists()
