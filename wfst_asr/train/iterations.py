"""The loop of Viterbi (or soft) training: align, sum up, estimate, split Gaussians, again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.estimate import estimate
from wfst_asr.gmm.mixup import split_to
from wfst_asr.hmm.estimate import estimate_transitions
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.train import training_split as on_split
from wfst_asr.train.checkpoint import Checkpoint
from wfst_asr.train.schedule import Schedule
from wfst_asr.train.split_workers import SplitWorkers
from wfst_asr.train.training_split import AlignmentTally, TrainingSplit

Workers = SplitWorkers[TrainingSplit]
M = TypeVar("M")


@dataclass(frozen=True)
class Model:
    """What training improves.

    Attributes:
        gmm: the Gaussians.
        transitions: the transition model.
        matrix: of the features, (d, D) or None.
        transforms: (d, d + 1) by speaker.
    """

    gmm: AcousticModel
    transitions: TransitionModel
    matrix: NDArray[np.float64] | None = None
    transforms: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class IterationRecord:
    """A line of the training log.

    Attributes:
        stage: the stage's name.
        iteration: from 1; 0 for what comes before.
        log_likelihood_per_frame: of the model that the iteration began with, acoustic, natural log.
        frames: aligned frames.
        num_gaussians: after the iteration.
        realigned: whether the iteration aligned again.
        failed: utterances without alignment.
        retried: utterances that needed the wider beam.
        gaussians_by_pdf: how many pdfs have how many Gaussians.
        note: what else was done, such as "MLLT".
    """

    stage: str
    iteration: int
    log_likelihood_per_frame: float
    frames: float
    num_gaussians: int
    realigned: bool
    failed: int
    retried: int
    gaussians_by_pdf: dict[int, int]
    note: str = ""


@dataclass(frozen=True)
class Progress:
    """What a stage tells while it runs; each function may do nothing.

    Attributes:
        step: called with what is being done, the iteration and the number of iterations.
        log: called with the record of every iteration.
        checkpoint: keeps the model of a running stage.
    """

    step: Callable[[str, int, int], None] = lambda _what, _at, _of: None
    log: Callable[[IterationRecord], None] = lambda _record: None
    checkpoint: Checkpoint = field(default_factory=Checkpoint)


Before = Callable[[Workers, Model, int], tuple[Model, str]]


def merged(parts: list[M]) -> M:
    """Add the splits' statistics up, in the order of the splits."""
    result: Any = reduce(add, parts)
    return result  # type: ignore[no-any-return]


def run_iterations(
    workers: Workers,
    model: Model,
    schedule: Schedule,
    *,
    stage: str,
    seed: int,
    failures: dict[str, str],
    num_gaussians: int,
    progress: Progress,
    before: Before | None = None,
) -> Model:
    """Run the iterations of a stage.

    Args:
        workers: splits with features, graphs and first alignments.
        model: the first model.
        schedule: when to align and how to grow.
        stage: for the log.
        seed: of the directions in which Gaussians are split.
        failures: reasons by utterance; filled in place with what the last alignment said.
        num_gaussians: Gaussians at the end.
        progress: is told of every step.
        before: called before the statistics of each iteration, for what a stage does besides (MLLT, fMLLR); returns
            the model and a note for the log.

    Raises:
        WfstAsrError: not one utterance could be aligned.
    """
    begin, first = 1, model.gmm.num_gaussians
    if (saved := progress.checkpoint.load(model)) is not None:
        begin, first, model = saved
        workers.map(on_split.set_matrix, model.matrix, model.transforms)
    tally = AlignmentTally()
    for iteration in range(begin, schedule.num_iterations + 1):
        realigned = iteration in schedule.realign
        if realigned:
            progress.checkpoint.save(iteration, first, model)
            progress.step("aligning", iteration, schedule.num_iterations)
            options = schedule.align
            if schedule.first_beam is not None and iteration == min(schedule.realign):
                options = replace(options, beam=schedule.first_beam)
            tally = realign_all(workers, model, schedule, options=options)
            failures.clear()
            failures.update(tally.failures)
        note = ""
        if before is not None:
            model, note = before(workers, model, iteration)
        progress.step("estimating", iteration, schedule.num_iterations)
        found = merged(workers.map(on_split.statistics, model.gmm, model.transitions))
        target = schedule.target(iteration, first, num_gaussians)
        transitions, _ = estimate_transitions(model.transitions, found.transitions)
        gmm = estimate(model.gmm, found.gmm, schedule.estimate).model
        if iteration <= schedule.last_increase and target > gmm.num_gaussians:
            gmm = split_to(
                gmm,
                found.pdf_occupancy,
                num_gaussians=target,
                power=schedule.power,
                min_count=schedule.min_count,
                rng=np.random.default_rng([seed, iteration]),
            )
        model = replace(model, gmm=gmm, transitions=transitions)
        sizes, pdfs = np.unique(np.diff(gmm.offsets), return_counts=True)
        progress.log(
            IterationRecord(
                stage,
                iteration,
                found.gmm.log_likelihood / max(found.gmm.frames, 1.0),
                found.gmm.frames,
                gmm.num_gaussians,
                realigned,
                len(failures),
                tally.retried if realigned else 0,
                dict(zip(sizes.tolist(), pdfs.tolist(), strict=True)),
                note,
            )
        )
    return model


def realign_all(
    workers: Workers, model: Model, schedule: Schedule, *, options: Any = None, soft: bool | None = None
) -> AlignmentTally:
    """Align all splits.

    Raises:
        WfstAsrError: not one utterance could be aligned: the reason of the first.
    """
    soft = schedule.soft if soft is None else soft
    tally = merged(workers.map(on_split.realign, model.gmm, model.transitions, options or schedule.align, soft=soft))
    if tally.frames == 0:
        utterance, reason = next(iter(tally.failures.items()), ("", "there is none"))
        raise WfstAsrError(
            f"not one of {len(tally.failures)} utterances could be aligned; '{utterance}': {reason}; check that the "
            "transcripts belong to the recordings"
        )
    return tally
