"""Triphones with tied states, on cepstra and their differences (Kaldi `train_deltas.sh`)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.pipeline import FeaturePipeline
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.graph.training_graph import TrainingGraphCompiler
from wfst_asr.train import training_split as on_split
from wfst_asr.train.corpus import Corpus
from wfst_asr.train.iterations import Before, Model, Progress, Workers, merged, realign_all, run_iterations
from wfst_asr.train.lang import TrainingLang
from wfst_asr.train.phone_segments import why_no_path
from wfst_asr.train.schedule import Schedule
from wfst_asr.train.split_workers import SplitWorkers
from wfst_asr.train.stage import Alignments, StageResult, speech_frames, start_workers, training_splits
from wfst_asr.train.training_split import TrainingSplit
from wfst_asr.train.transform_statistics import carry_over, tree_statistics
from wfst_asr.train.tying import TiedModel, TyingOptions, tie_states


@dataclass(frozen=True)
class TriphoneOptions:
    """How triphones are trained.

    Attributes:
        schedule: iterations and sizes.
        tying: the tree.
        pipeline: the features.
        seed: of splitting.
    """

    schedule: Schedule = field(default_factory=Schedule)
    tying: TyingOptions = field(default_factory=TyingOptions)
    pipeline: FeaturePipeline = field(default_factory=FeaturePipeline)
    seed: int = 0


def train_triphones(
    corpus: Corpus,
    lang: TrainingLang,
    alignments: Alignments,
    options: TriphoneOptions | None = None,
    *,
    num_jobs: int = 1,
    progress: Progress | None = None,
) -> StageResult:
    """Train triphones from the alignments of an earlier stage.

    Args:
        corpus: with transcripts.
        lang: lexicon, phones and topology.
        alignments: of the earlier stage, on the same topology.
        options: iterations and sizes.
        num_jobs: processes; the result does not depend on it.
        progress: is told of every step.

    Raises:
        WfstAsrError: no utterance has an alignment.
    """
    options, progress = options or TriphoneOptions(), progress or Progress()
    schedule, iterations = options.schedule, options.schedule.num_iterations
    failures: dict[str, str] = {}
    with begin(corpus, lang, alignments, failures, num_jobs=num_jobs) as workers:
        progress.step("features", 0, iterations)
        workers.map(on_split.set_features, options.pipeline, corpus.cmvn_stats, {})
        progress.step("tree", 0, iterations)
        tied = tie(workers, lang, alignments, options.tying, schedule)
        model = Model(tied.gmm, tied.transitions)
        return finish(
            workers, lang, tied, model, options.pipeline, schedule,
            stage="deltas", seed=options.seed, failures=failures, progress=progress, speech=_speech(lang, alignments),
        )  # fmt: skip


def begin(
    corpus: Corpus, lang: TrainingLang, alignments: Alignments, failures: dict[str, str], *, num_jobs: int
) -> SplitWorkers[TrainingSplit]:
    """Start workers on the splits of a corpus, with the alignments of an earlier stage.

    Raises:
        WfstAsrError: no utterance has an alignment of as many frames as it has features.
    """
    splits = training_splits(corpus, lang, failures)
    found = 0
    for split in splits:
        for index, utterance in enumerate(split.corpus.utterances):
            ids = alignments.transition_ids.get(utterance)
            frames = split.corpus.first[index + 1] - split.corpus.first[index]
            if ids is None or split.word_ids[index] is None:
                continue
            if len(ids) != frames:
                failures[utterance] = f"its alignment has {len(ids)} frames, its features {frames}"
            elif reason := why_no_path(ids, alignments.transitions):
                failures[utterance] = f"its alignment is not of the model: {reason}"
            else:
                split.alignments[index] = ids
                found += 1
    if not found:
        _refuse(corpus, failures)
    return start_workers(splits, num_jobs)


def _refuse(corpus: Corpus, failures: dict[str, str]) -> NoReturn:
    some = next((f" ('{name}': {failures[name]})" for name in corpus.utterances if name in failures), "")
    raise WfstAsrError(
        f"not one of {len(corpus.utterances)} utterances has an alignment that fits{some}; give the folder of a model "
        "that was trained or aligned on this data"
    )


def tie(
    workers: Workers, lang: TrainingLang, alignments: Alignments, tying: TyingOptions, schedule: Schedule
) -> TiedModel:
    """Build the tree on the splits' features, and carry the alignments over to it."""
    stats = merged(workers.map(tree_statistics, alignments.transitions, lang.silence))
    tied = tie_states(
        stats, lang, tying, speech_frames=_speech(lang, alignments), min_variance=schedule.estimate.min_variance
    )
    workers.map(carry_over, alignments.transitions, tied.transitions, tied.tree)
    return tied


def _speech(lang: TrainingLang, alignments: Alignments) -> int:
    return speech_frames(alignments.transition_ids, alignments.transitions, lang.silence)


def finish(
    workers: Workers,
    lang: TrainingLang,
    tied: TiedModel,
    model: Model,
    pipeline: FeaturePipeline,
    schedule: Schedule,
    *,
    stage: str,
    seed: int,
    failures: dict[str, str],
    progress: Progress,
    speech: int,
    before: Before | None = None,
    si_model: Callable[[Workers, Model], AcousticModel] | None = None,
) -> StageResult:
    """Compile the training graphs of the tree, run the iterations and align once more."""
    progress.step("training graphs", 0, schedule.num_iterations)
    unusable = dict(failures)
    for found in workers.map(on_split.compile_graphs, TrainingGraphCompiler(lang.lexicon, tied.tree, tied.transitions)):
        unusable.update(found)
    if not any(workers.map(on_split.num_aligned)):
        raise WfstAsrError(
            "not one alignment is of the words of its utterance; give the folder of a model that was trained or "
            "aligned on these transcripts"
        )
    latest: dict[str, str] = {}
    model = run_iterations(
        workers,
        model,
        schedule,
        stage=stage,
        seed=seed,
        failures=latest,
        num_gaussians=schedule.num_gaussians or round(speech / schedule.frames_per_gaussian),
        progress=progress,
        before=before,
    )
    si_gmm = si_model(workers, model) if si_model else None
    progress.step("aligning", schedule.num_iterations, schedule.num_iterations)
    last = realign_all(workers, model, schedule, soft=False)
    aligned = {name: ids for part in workers.map(on_split.alignments) for name, ids in part.items()}
    return StageResult(
        tied.tree,
        model.transitions,
        model.gmm,
        pipeline.with_matrix(model.matrix),
        aligned,
        {name: reason for name, reason in {**unusable, **last.failures}.items() if name not in aligned},
        si_gmm=si_gmm,
        transforms=model.transforms,
        tree_report=tied.report,
    )
