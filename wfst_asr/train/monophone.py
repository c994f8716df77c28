"""Monophones from a flat start (Kaldi `train_mono.sh`)."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.pipeline import FeaturePipeline
from wfst_asr.gmm.acoustic_model import AcousticModel, single_gaussians
from wfst_asr.gmm.estimate import EstimateOptions, estimate
from wfst_asr.graph.training_graph import TrainingGraphCompiler
from wfst_asr.hmm.estimate import estimate_transitions
from wfst_asr.hmm.transition_model import transition_model_from_tree
from wfst_asr.train import training_split as on_split
from wfst_asr.train.corpus import Corpus
from wfst_asr.train.doubtful import doubtful_transcripts, transcript_gaps
from wfst_asr.train.iterations import Model, Progress, merged, realign_all, run_iterations
from wfst_asr.train.lang import TrainingLang
from wfst_asr.train.schedule import MONOPHONE_REALIGN, Schedule
from wfst_asr.train.stage import StageResult, start_workers, training_splits
from wfst_asr.train.training_split import TrainingSplit
from wfst_asr.tree.decision_tree import monophone_tree


def monophone_schedule() -> Schedule:
    """Return the schedule of monophones: alignments change fast at first, and few pdfs share many frames unevenly."""
    return Schedule(
        num_iterations=40,
        realign=MONOPHONE_REALIGN,
        frames_per_gaussian=170.0,
        last_increase=30,
        power=0.5,
        first_beam=6.0,
    )


@dataclass(frozen=True)
class MonophoneOptions:
    """How monophones are trained.

    Attributes:
        schedule: iterations and sizes.
        pipeline: the features.
        seed: of the flat start and of splitting.
    """

    schedule: Schedule = field(default_factory=monophone_schedule)
    pipeline: FeaturePipeline = field(default_factory=FeaturePipeline)
    seed: int = 0


def train_monophones(
    corpus: Corpus,
    lang: TrainingLang,
    options: MonophoneOptions | None = None,
    *,
    num_jobs: int = 1,
    progress: Progress | None = None,
) -> StageResult:
    """Train monophones from recordings and transcripts alone.

    All states begin with the mean and the variance of all frames; each utterance's frames are spread evenly over the
    states of its transcript, one Gaussian a state is estimated, and then alignment and estimation take turns while
    Gaussians are split.

    Args:
        corpus: with transcripts.
        lang: lexicon, phones and topology.
        options: iterations and sizes.
        num_jobs: processes; the result does not depend on it.
        progress: is told of every step.

    Raises:
        WfstAsrError: nothing to train on, or not one utterance could be aligned.
    """
    options, progress = options or MonophoneOptions(), progress or Progress()
    schedule = options.schedule
    unusable: dict[str, str] = {}
    splits = training_splits(corpus, lang, unusable)
    sizes = {phone: lang.topology.num_pdf_classes(phone) for phone in lang.topology.phones}
    tree = monophone_tree(sizes, shared=_sharing(lang, sizes))
    transitions = transition_model_from_tree(tree, lang.topology)
    with start_workers(splits, num_jobs) as workers:
        progress.step("features", 0, schedule.num_iterations)
        workers.map(on_split.set_features, options.pipeline, corpus.cmvn_stats, {})
        progress.step("training graphs", 0, schedule.num_iterations)
        compiler = TrainingGraphCompiler(lang.lexicon, tree, transitions)
        for found in workers.map(on_split.compile_graphs, compiler):
            unusable.update(found)
        tally = merged(workers.map(on_split.align_equally, options.seed))
        failures = dict(tally.failures)
        if tally.frames == 0:
            utterance, reason = next(iter({**unusable, **failures}.items()))
            raise WfstAsrError(f"not one utterance can be trained on; '{utterance}': {reason}")
        gmm = flat_model(workers.map(_moments), tree.num_pdfs)
        first = merged(workers.map(on_split.statistics, gmm, transitions))
        transitions, _ = estimate_transitions(transitions, first.transitions)
        gmm = estimate(gmm, first.gmm, replace(schedule.estimate, min_occupancy=3.0)).model
        num_gaussians = schedule.num_gaussians
        if num_gaussians is None:
            num_gaussians = max(tree.num_pdfs, round(tally.frames / schedule.frames_per_gaussian))
        model = run_iterations(
            workers,
            Model(gmm, transitions),
            schedule,
            stage="mono",
            seed=options.seed,
            failures=failures,
            num_gaussians=num_gaussians,
            progress=progress,
        )
        progress.step("aligning", schedule.num_iterations, schedule.num_iterations)
        last = realign_all(workers, model, schedule, soft=False)
        alignments = {name: ids for part in workers.map(on_split.alignments) for name, ids in part.items()}
        gaps: dict[str, float] = {}
        for own in workers.map(transcript_gaps, model.gmm, model.transitions, lang.silence):
            gaps.update(own)
    reasons, doubtful = {**unusable, **last.failures}, doubtful_transcripts(gaps)
    return StageResult(tree, model.transitions, model.gmm, options.pipeline, alignments, reasons, doubtful=doubtful)


def flat_model(moments: list[NDArray[np.float64]], num_pdfs: int) -> AcousticModel:
    """Return the model in which every pdf is the Gaussian of all frames.

    Args:
        moments: a (3, D) array a split: frames (in every column), their sum, the sum of their squares.
        num_pdfs: P.
    """
    count, first, second = np.sum(moments, axis=0)
    only = np.zeros((num_pdfs, len(first)))
    counts = np.zeros(num_pdfs)
    counts[0], rows, squares = count[0], only.copy(), only.copy()
    rows[0], squares[0] = first, second
    return single_gaussians(counts, rows, squares, variance_floor=EstimateOptions().min_variance)


def _moments(split: TrainingSplit) -> NDArray[np.float64]:
    wide = split.features.astype(np.float64)
    return np.stack([np.full(wide.shape[1], float(len(wide))), wide.sum(axis=0), (wide**2).sum(axis=0)])


def _sharing(lang: TrainingLang, sizes: dict[int, int]) -> list[tuple[int, ...]]:
    """Return the phone sets that share pdfs; only phones of as many pdf-classes can."""
    for root in lang.roots:
        if len({sizes[phone] for phone in root.phones}) > 1:
            names = " ".join(lang.phone_names.get(phone, str(phone)) for phone in root.phones)
            raise WfstAsrError(
                f"the phones '{names}' share their states (phones/roots.txt) but have HMMs of different sizes; "
                "give them one topology or lines of their own"
            )
    return [root.phones for root in lang.roots]
