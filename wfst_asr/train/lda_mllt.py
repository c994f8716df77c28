"""Triphones on spliced frames reduced by LDA, decorrelated by MLLT (Kaldi `train_lda_mllt.sh`)."""

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.features.pipeline import FeaturePipeline
from wfst_asr.gmm.lda import LdaStatistics, estimate_lda
from wfst_asr.gmm.mllt import estimate_mllt, model_in_new_space
from wfst_asr.train import training_split as on_split
from wfst_asr.train.corpus import Corpus
from wfst_asr.train.iterations import Model, Progress, Workers, merged
from wfst_asr.train.lang import TrainingLang
from wfst_asr.train.schedule import Schedule
from wfst_asr.train.stage import Alignments, StageResult, speech_frames
from wfst_asr.train.transform_statistics import lda_statistics, mllt_statistics
from wfst_asr.train.triphone import begin, finish, tie
from wfst_asr.train.tying import TyingOptions


@dataclass(frozen=True)
class LdaMlltOptions:
    """How triphones on LDA+MLLT features are trained.

    Attributes:
        schedule: iterations and sizes.
        tying: the tree.
        pipeline: the features before the matrix; cepstra with three neighbours on either side.
        dim: dimensions after LDA.
        mllt_iterations: iterations (from 1) that begin with an MLLT update.
        seed: of splitting.
    """

    schedule: Schedule = field(default_factory=Schedule)
    tying: TyingOptions = field(default_factory=TyingOptions)
    pipeline: FeaturePipeline = field(default_factory=lambda: FeaturePipeline(delta_order=0, splice=(3, 3)))
    dim: int = 40
    mllt_iterations: frozenset[int] = frozenset({2, 4, 6, 12})
    seed: int = 0


def train_lda_mllt(
    corpus: Corpus,
    lang: TrainingLang,
    alignments: Alignments,
    options: LdaMlltOptions | None = None,
    *,
    num_jobs: int = 1,
    progress: Progress | None = None,
) -> StageResult:
    """Train triphones on LDA features with MLLT from the alignments of an earlier stage.

    The classes of LDA are the earlier model's tied states; MLLT turns the space so that diagonal covariances fit best.
    LDA gives fewer dimensions than asked for where there are not as many classes, and an MLLT update that there is too
    little speech for is left out; both are told in a warning.  Arguments and errors as `train_triphones`; besides:

    Raises:
        WfstAsrError: too little speech for LDA.
    """
    options, progress = options or LdaMlltOptions(), progress or Progress()
    schedule = options.schedule
    failures: dict[str, str] = {}
    with begin(corpus, lang, alignments, failures, num_jobs=num_jobs) as workers:
        progress.step("features", 0, schedule.num_iterations)
        workers.map(on_split.set_features, options.pipeline.with_matrix(None), corpus.cmvn_stats, {})
        progress.step("LDA", 0, schedule.num_iterations)
        matrix = _lda(merged(workers.map(lda_statistics, alignments.transitions, lang.silence)), options.dim)
        workers.map(on_split.set_matrix, matrix, {})
        progress.step("tree", 0, schedule.num_iterations)
        tied = tie(workers, lang, alignments, options.tying, schedule)

        skipped: list[int] = []

        def before(workers: Workers, model: Model, iteration: int) -> tuple[Model, str]:
            if iteration not in options.mllt_iterations:
                return model, ""
            progress.step("MLLT", iteration, schedule.num_iterations)
            stats = merged(workers.map(mllt_statistics, model.gmm, model.transitions, lang.silence))
            try:
                update = estimate_mllt(stats).matrix
            except WfstAsrError as error:  # of too little speech; the space stays as it is
                if not skipped:
                    warnings.warn(f"iteration {iteration} goes without {error}", WfstAsrWarning, stacklevel=2)
                skipped.append(iteration)
                return model, "no MLLT"
            turned = update if model.matrix is None else update @ model.matrix
            workers.map(on_split.set_matrix, turned, {})
            return replace(model, gmm=model_in_new_space(model.gmm, update), matrix=turned), "MLLT"

        return finish(
            workers, lang, tied, Model(tied.gmm, tied.transitions, matrix), options.pipeline, schedule,
            stage="lda-mllt", seed=options.seed, failures=failures, progress=progress, before=before,
            speech=speech_frames(alignments.transition_ids, alignments.transitions, lang.silence),
        )  # fmt: skip


def _lda(stats: LdaStatistics, dim: int) -> NDArray[np.float64]:
    """Estimate LDA to `dim` dimensions, or to as many as the classes can tell apart."""
    most = int((stats.count > 0.0).sum()) - 1
    if 0 < most < dim:
        warnings.warn(
            f"LDA gives {most} dimensions, not {dim}: the alignments have {most + 1} tied states of speech",
            WfstAsrWarning,
            stacklevel=2,
        )
    return estimate_lda(stats, min(dim, max(most, 1)))
