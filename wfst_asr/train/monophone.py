"""Monophones from a flat start (Kaldi `train_mono.sh`)."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.pipeline import FeaturePipeline
from wfst_asr.gmm.estimate import estimate
from wfst_asr.graph.training_graph import TrainingGraphCompiler
from wfst_asr.hmm.estimate import estimate_transitions
from wfst_asr.hmm.transition_model import TransitionModel, transition_model_from_tree
from wfst_asr.train import training_split as on_split
from wfst_asr.train.corpus import Corpus
from wfst_asr.train.doubtful import doubtful_transcripts, transcript_gaps
from wfst_asr.train.flat_start import corpus_loudness, first_statistics, flat_model, loudness_classes, moments
from wfst_asr.train.iterations import Model, Progress, Workers, merged, realign_all, run_iterations
from wfst_asr.train.lang import TrainingLang
from wfst_asr.train.schedule import MONOPHONE_REALIGN, Schedule
from wfst_asr.train.stage import StageResult, start_workers, training_splits
from wfst_asr.train.training_split import AlignmentTally
from wfst_asr.tree.decision_tree import monophone_tree

_FEW_FRAMES = 60_000
_STARTS = 5
_TRIAL_ITERATIONS = 8


def monophone_schedule() -> Schedule:
    """Return the schedule of monophones: alignments change fast at first."""
    return Schedule(
        num_iterations=40, realign=MONOPHONE_REALIGN, last_increase=30, frames_per_gaussian=170.0, first_beam=6.0
    )


@dataclass(frozen=True)
class MonophoneOptions:
    """How monophones are trained.

    Attributes:
        schedule: iterations and sizes.
        pipeline: the features.
        seed: of the flat start and of splitting.
        starts: flat starts that are tried, a few iterations each; the likeliest goes on.  In all of them quiet frames
            count for silence.  None: 5 for less than ten minutes, where chance decides much; else a single one by even
            alignment alone, whose alignments made better triphones on larger corpora.
    """

    schedule: Schedule = field(default_factory=monophone_schedule)
    pipeline: FeaturePipeline = field(default_factory=FeaturePipeline)
    seed: int = 0
    starts: int | None = None

    def __post_init__(self) -> None:
        if self.starts is not None and self.starts < 1:
            raise WfstAsrError(f"starts is {self.starts}; expected at least 1")


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
    states of its transcript, one Gaussian a state is estimated (see `flat_start`), and then alignment and estimation
    take turns while Gaussians are split.

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
        column = options.pipeline.mfcc.num_ceps - 1 if options.pipeline.mfcc.htk_compat else 0
        few = corpus.num_frames < _FEW_FRAMES
        by_loudness = few or options.starts is not None
        start = _FlatStart(workers, corpus, lang, transitions, schedule, column if by_loudness else None)
        model, tally = start.model(options.seed)
        failures = dict(tally.failures)
        if tally.frames == 0:
            utterance, reason = next(iter({**unusable, **failures}.items()))
            raise WfstAsrError(f"not one utterance can be trained on; '{utterance}': {reason}")
        starts = options.starts or (_STARTS if few else 1)
        num_gaussians = schedule.num_gaussians or usual_size(tally.frames, tree.num_pdfs, schedule.frames_per_gaussian)
        if starts > 1:
            progress.step("flat starts", 0, schedule.num_iterations)
            model = start.best_model(range(options.seed, options.seed + starts), num_gaussians) or model
            if 1 not in schedule.realign:  # the splits have the alignments of the last start
                realign_all(workers, model, schedule)
        model = run_iterations(
            workers,
            model,
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


def usual_size(frames: int, num_pdfs: int, frames_per_gaussian: float) -> int:
    """Return the number of Gaussians for so many frames; small corpora of few phones get up to twice as many.

    >>> usual_size(252_734, 104, 170.0), usual_size(18_996, 11, 170.0), usual_size(900, 9, 170.0)
    (1487, 220, 11)
    """
    least = min(20 * num_pdfs, round(2 * frames / frames_per_gaussian)) if frames < _FEW_FRAMES else 0
    return max(num_pdfs, round(frames / frames_per_gaussian), least)


@dataclass(frozen=True)
class _FlatStart:
    """Makes first models, one for every seed; `column` is of the loudness, None where it counts for nothing."""

    workers: Workers
    corpus: Corpus
    lang: TrainingLang
    transitions: TransitionModel
    schedule: Schedule
    column: int | None

    def model(self, seed: int) -> tuple[Model, AlignmentTally]:
        """Return the model of frames spread evenly, one Gaussian a pdf, and what became of the utterances."""
        workers, cmvn = self.workers, self.corpus.cmvn_stats
        tally = merged(workers.map(on_split.align_equally, seed))
        flat = flat_model(workers.map(moments), self.transitions.num_pdfs)
        if tally.frames == 0:
            return Model(flat, self.transitions), tally
        if self.column is None:
            found = merged(workers.map(on_split.statistics, flat, self.transitions))
        else:
            classes = loudness_classes(corpus_loudness(self.corpus, self.column, cmvn))
            found = merged(
                workers.map(first_statistics, flat, self.transitions, self.lang.silence, classes, self.column, cmvn)
            )
        transitions, _ = estimate_transitions(self.transitions, found.transitions)
        gmm = estimate(flat, found.gmm, replace(self.schedule.estimate, min_occupancy=3.0)).model
        return Model(gmm, transitions), tally

    def best_model(self, seeds: Iterable[int], num_gaussians: int) -> Model | None:
        """Return the model, after a few iterations, of the seed whose alignment is likeliest in the end.

        None if the utterances cannot be aligned with any of them.
        """
        trial = replace(
            self.schedule,
            num_iterations=_TRIAL_ITERATIONS,
            realign=frozenset(range(1, _TRIAL_ITERATIONS + 1)),
            last_increase=_TRIAL_ITERATIONS,
        )
        size = min(2 * self.transitions.num_pdfs, num_gaussians)
        best: tuple[float, Model] | None = None
        for seed in seeds:
            first, _ = self.model(seed)
            try:
                model = run_iterations(
                    self.workers, first, trial,
                    stage="mono", seed=seed, failures={}, num_gaussians=size, progress=Progress(),
                )  # fmt: skip
                tally = realign_all(self.workers, model, trial, soft=False)
            except WfstAsrError:
                continue
            if best is None or tally.log_likelihood / tally.frames > best[0]:
                best = tally.log_likelihood / tally.frames, model
        return best[1] if best else None


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
