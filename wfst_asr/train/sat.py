"""Speaker-adaptive training: an fMLLR transform a speaker (Kaldi `train_sat.sh`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from wfst_asr.features.pipeline import FeaturePipeline
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.estimate import EstimateOptions, estimate
from wfst_asr.gmm.fmllr import FmllrStatistics, compose, estimate_fmllr
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.train import training_split as on_split
from wfst_asr.train.corpus import Corpus
from wfst_asr.train.iterations import Model, Progress, Workers, merged
from wfst_asr.train.lang import TrainingLang
from wfst_asr.train.schedule import Schedule
from wfst_asr.train.stage import Alignments, StageResult, speech_frames
from wfst_asr.train.transform_statistics import fmllr_statistics, two_features_statistics, unadapted_statistics
from wfst_asr.train.triphone import begin, finish, tie
from wfst_asr.train.tying import TyingOptions


@dataclass(frozen=True)
class SatOptions:
    """How a speaker-adapted model is trained.

    Attributes:
        schedule: iterations and sizes.
        tying: the tree.
        fmllr_iterations: iterations (from 1) that begin with new transforms.
        min_count: frames of speech below which a speaker keeps the identity.
        si_iterations: passes of EM that fit the model for unadapted features to them, alignments as they are.
        seed: of splitting.
    """

    schedule: Schedule = field(default_factory=Schedule)
    tying: TyingOptions = field(default_factory=TyingOptions)
    fmllr_iterations: frozenset[int] = frozenset({2, 4, 6, 12})
    min_count: float = 500.0
    si_iterations: int = 6
    seed: int = 0


def train_sat(
    corpus: Corpus,
    lang: TrainingLang,
    alignments: Alignments,
    first_model: AcousticModel,
    pipeline: FeaturePipeline,
    options: SatOptions | None = None,
    *,
    num_jobs: int = 1,
    progress: Progress | None = None,
    transforms: Mapping[str, NDArray[np.float64]] | None = None,
) -> StageResult:
    """Train triphones on features that are adapted to every speaker, from the model and alignments of an earlier stage.

    Args:
        corpus: with transcripts and speakers.
        lang: lexicon, phones and topology.
        alignments: of the earlier stage.
        first_model: the earlier stage's Gaussians, from which the first transforms are estimated.
        pipeline: the earlier stage's features, with their matrix.
        options: iterations and sizes.
        num_jobs: processes; the result does not depend on it.
        progress: is told of every step.
        transforms: of the earlier stage, where it was speaker-adapted already.

    Returns:
        The model with the speakers' transforms, and in `si_gmm` the model for features that are not adapted, of the
        same Gaussians (Kaldi's `final.alimdl`): estimated by the posteriors of the adapted features, then fitted to
        the unadapted ones by a few passes of EM, which Kaldi's has not and which makes the first pass better.

    Raises:
        WfstAsrError: as `train_triphones`.
    """
    options, progress = options or SatOptions(), progress or Progress()
    schedule, iterations = options.schedule, options.schedule.num_iterations
    failures: dict[str, str] = {}
    with begin(corpus, lang, alignments, failures, num_jobs=num_jobs) as workers:
        progress.step("features", 0, iterations)
        workers.map(on_split.set_features, pipeline, corpus.cmvn_stats, transforms or {})
        progress.step("fMLLR", 0, iterations)
        found = _adapt(workers, first_model, alignments.transitions, lang, transforms or {}, options)
        workers.map(on_split.set_matrix, pipeline.matrix, found)
        progress.step("tree", 0, iterations)
        tied = tie(workers, lang, alignments, options.tying, schedule)

        def before(workers: Workers, model: Model, iteration: int) -> tuple[Model, str]:
            if iteration not in options.fmllr_iterations:
                return model, ""
            progress.step("fMLLR", iteration, iterations)
            changed = _adapt(workers, model.gmm, model.transitions, lang, model.transforms, options)
            workers.map(on_split.set_matrix, model.matrix, changed)
            return replace(model, transforms=changed), "fMLLR"

        def si_model(workers: Workers, model: Model) -> AcousticModel:
            progress.step("unadapted model", iterations, iterations)
            keep_all = EstimateOptions(remove_low_count=False)
            stats = merged(workers.map(two_features_statistics, model.gmm, model.transitions, model.matrix))
            gmm = estimate(model.gmm, stats, keep_all).model
            for _ in range(options.si_iterations):
                stats = merged(workers.map(unadapted_statistics, gmm, model.transitions, model.matrix))
                gmm = estimate(gmm, stats, keep_all).model
            return gmm

        return finish(
            workers, lang, tied, Model(tied.gmm, tied.transitions, pipeline.matrix, found), pipeline, schedule,
            stage="sat", seed=options.seed, failures=failures, progress=progress, before=before, si_model=si_model,
            speech=speech_frames(alignments.transition_ids, alignments.transitions, lang.silence),
        )  # fmt: skip


def _adapt(
    workers: Workers,
    gmm: AcousticModel,
    transitions: TransitionModel,
    lang: TrainingLang,
    before: Mapping[str, NDArray[np.float64]],
    options: SatOptions,
) -> dict[str, NDArray[np.float64]]:
    """Estimate every speaker's transform on top of the one that the features have already."""
    stats: dict[str, FmllrStatistics] = {}
    for part in workers.map(fmllr_statistics, gmm, transitions, lang.silence):
        for speaker, own in part.items():
            stats[speaker] = stats[speaker] + own if speaker in stats else own
    result = dict(before)  # a speaker without speech now keeps what there was
    for speaker in sorted(stats):
        transform = estimate_fmllr(stats[speaker], min_count=options.min_count).transform
        result[speaker] = compose(transform, before[speaker]) if speaker in before else transform
    return result
