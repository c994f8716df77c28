"""Training stages on folders: data, lang and the folder of an earlier stage in, the folder of a model out."""

import hashlib
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from wfst_asr.atomic_files import check_writable_folder, files_together, written_aside
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.features.mfcc import MfccOptions
from wfst_asr.fst.symbols import write_symbols
from wfst_asr.graph.lang_dir import LangDir, read_lang_dir
from wfst_asr.io.archives import matrix_writer, read_integer_vectors, vector_writer
from wfst_asr.io.data_checks import validate_data_dir
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.recipe.corpus_features import load_corpus, sample_rate_of
from wfst_asr.recipe.lang_checks import check_phones, check_states
from wfst_asr.recipe.model_dir import (
    FEATURES_NAME,
    MATRIX_NAME,
    MODEL_NAME,
    SI_MODEL_NAME,
    TrainedModel,
    read_trained_model,
    read_transforms,
    write_model_files,
)
from wfst_asr.recipe.training_run import LOG_NAME, TrainingRun, training_run
from wfst_asr.train.corpus import Corpus
from wfst_asr.train.lang import TrainingLang, read_training_lang
from wfst_asr.train.lda_mllt import LdaMlltOptions, train_lda_mllt
from wfst_asr.train.monophone import MonophoneOptions, train_monophones
from wfst_asr.train.sat import SatOptions, train_sat
from wfst_asr.train.stage import Alignments, StageResult
from wfst_asr.train.triphone import TriphoneOptions, train_triphones
from wfst_asr.tree.log import write_tree_log

ALIGNMENTS_NAME, TRANSFORMS_NAME, FAILURES_NAME = "ali.ark", "fmllr.ark", "failures.tsv"
TREE_LOG_NAME, PHONES_NAME, DOUBTFUL_NAME = "tree.jsonl", "phones.txt", "doubtful.tsv"
_OF_ONE_MODEL = (MATRIX_NAME, SI_MODEL_NAME, TRANSFORMS_NAME, TREE_LOG_NAME, DOUBTFUL_NAME)
_FORMAT = 1  # of checkpoints; a change in what training computes asks for another number
Step = Callable[[str, int, int], None]
Options = TypeVar("Options", MonophoneOptions, TriphoneOptions, LdaMlltOptions)


@dataclass(frozen=True)
class TrainingSummary:
    """What a training stage made.

    Attributes:
        folder: of the model.
        stage: its name.
        utterances: trained on.
        failures: utterances left out.
        frames: aligned frames.
        pdfs: tied states.
        gaussians: Gaussians.
        log_likelihood_per_frame: of the last iteration.
        doubtful: utterances trained on whose transcripts may not belong to them (doubtful.tsv; found by `mono`).
    """

    folder: Path
    stage: str
    utterances: int
    failures: int
    frames: int
    pdfs: int
    gaussians: int
    log_likelihood_per_frame: float
    doubtful: int = 0


Folder = str | os.PathLike[str]


def train_mono(
    data_dir: Folder,
    lang_dir: Folder,
    out_dir: Folder,
    *,
    options: MonophoneOptions | None = None,
    num_jobs: int = 1,
    step: Step | None = None,
) -> TrainingSummary:
    """Train monophones from a flat start; see `train_monophones`.

    Writes final.mdl, tree, features.json, phones.txt, ali.ark, log.jsonl and failures.tsv into `out_dir`.

    Raises:
        WfstAsrError: bad data, or a folder that cannot be written.
    """
    job = _Job.of(data_dir, lang_dir, out_dir, step)
    options = job.at_sample_rate(options or MonophoneOptions())
    corpus = job.corpus(options.pipeline.mfcc)
    with job.run("mono", options, corpus) as run:
        result = train_monophones(corpus, job.lang, options, num_jobs=num_jobs, progress=run.progress)
        return job.write("mono", result, run)


def train_deltas(
    data_dir: Folder,
    lang_dir: Folder,
    alignments: Folder,
    out_dir: Folder,
    *,
    options: TriphoneOptions | None = None,
    num_jobs: int = 1,
    step: Step | None = None,
) -> TrainingSummary:
    """Train triphones from the folder of an earlier stage; see `train_triphones`.  Errors as `train_mono`."""
    job = _Job.of(data_dir, lang_dir, out_dir, step)
    earlier = job.earlier(alignments)
    options = job.at_sample_rate(options or TriphoneOptions())
    corpus = job.corpus(options.pipeline.mfcc)
    with job.run("deltas", options, corpus, alignments) as run:
        result = train_triphones(corpus, job.lang, earlier, options, num_jobs=num_jobs, progress=run.progress)
        return job.write("deltas", result, run)


def train_mllt(
    data_dir: Folder,
    lang_dir: Folder,
    alignments: Folder,
    out_dir: Folder,
    *,
    options: LdaMlltOptions | None = None,
    num_jobs: int = 1,
    step: Step | None = None,
) -> TrainingSummary:
    """Train triphones on LDA+MLLT features; see `train_lda_mllt`.  Errors as `train_mono`."""
    job = _Job.of(data_dir, lang_dir, out_dir, step)
    earlier = job.earlier(alignments)
    options = job.at_sample_rate(options or LdaMlltOptions())
    corpus = job.corpus(options.pipeline.mfcc)
    with job.run("lda-mllt", options, corpus, alignments) as run:
        result = train_lda_mllt(corpus, job.lang, earlier, options, num_jobs=num_jobs, progress=run.progress)
        return job.write("lda-mllt", result, run)


def train_adaptive(
    data_dir: Folder,
    lang_dir: Folder,
    alignments: Folder,
    out_dir: Folder,
    *,
    options: SatOptions | None = None,
    num_jobs: int = 1,
    step: Step | None = None,
) -> TrainingSummary:
    """Train a speaker-adapted model on the features of an earlier stage; see `train_sat`.  Errors as `train_mono`."""
    job = _Job.of(data_dir, lang_dir, out_dir, step)
    options = options or SatOptions()
    earlier = job.earlier(alignments)
    first = read_trained_model(alignments, network=False)
    transforms = read_transforms(Path(alignments) / TRANSFORMS_NAME)
    corpus = job.corpus(first.pipeline.mfcc)
    with job.run("sat", options, corpus, alignments) as run:
        result = train_sat(
            corpus, job.lang, earlier, first.gmm, first.pipeline, options,
            num_jobs=num_jobs, progress=run.progress, transforms=transforms,
        )  # fmt: skip
        return job.write("sat", result, run)


def read_alignments(folder: Folder) -> Alignments:
    """Read the alignments of a model's folder.

    Raises:
        WfstAsrError: a file is missing or damaged.
    """
    root = Path(folder)
    model = read_trained_model(root)
    path = root / ALIGNMENTS_NAME
    if not path.exists():
        raise WfstAsrError(f"{path}: no such file; align the data with: wfst-asr align DATA LANG MODEL {root}")
    ids = dict(read_integer_vectors(path))
    most = model.transitions.num_transition_ids
    for utterance, found in ids.items():
        if len(found) == 0 or found.min() < 1 or found.max() > most:
            raise WfstAsrError(
                f"{path}: the alignment of '{utterance}' is not of {root / MODEL_NAME} ({most} transition-ids); "
                "align again"
            )
    return Alignments(ids, model.transitions)


@dataclass(frozen=True)
class _Job:
    """The folders of one stage."""

    data_dir: Path
    out_dir: Path
    lang_dir: LangDir
    lang: TrainingLang
    step: Step

    @classmethod
    def of(cls, data_dir: Folder, lang_dir: Folder, out_dir: Folder, step: Step | None) -> "_Job":
        check_writable_folder(out_dir)
        fatal = [problem for problem in validate_data_dir(data_dir) if problem.fatal]
        if fatal:
            more = f" (and {len(fatal) - 1} more: wfst-asr data validate {data_dir})" if len(fatal) > 1 else ""
            first = min(fatal, key=lambda problem: problem.line == 0)  # a line tells more than a file
            raise WfstAsrError(f"{first}{more}")
        if not (Path(data_dir) / "text").exists():
            raise WfstAsrError(f"{Path(data_dir) / 'text'}: no such file; training needs the transcripts")
        lang = read_lang_dir(lang_dir)
        told = step or (lambda _what, _at, _of: None)
        return cls(Path(data_dir), Path(out_dir), lang, read_training_lang(lang), told)

    def at_sample_rate(self, options: Options) -> Options:
        """Return the options with the recordings' sample rate."""
        rate = sample_rate_of(read_data_dir(self.data_dir))
        frames = replace(options.pipeline.mfcc.frames, sample_rate_hz=rate)
        return replace(options, pipeline=replace(options.pipeline, mfcc=replace(options.pipeline.mfcc, frames=frames)))

    def corpus(self, mfcc: MfccOptions) -> Corpus:
        return load_corpus(self.data_dir, mfcc, report=lambda done, of: self.step("cepstra", done, of))

    def earlier(self, folder: Folder) -> Alignments:
        """Read the alignments of an earlier stage, of the same phones and HMMs."""
        found = read_alignments(folder)
        check_phones(self.lang_dir, Path(folder))
        check_states(self.lang_dir, found.transitions.topology, Path(folder))
        return found

    @contextmanager
    def run(self, stage: str, options: Any, corpus: Corpus, earlier: Folder | None = None) -> Iterator[TrainingRun]:
        """Yield what a stage tells its steps, its log and its checkpoints to."""
        told = (_FORMAT, stage, options, corpus.utterances, corpus.speakers, corpus.words)
        digest = hashlib.sha256(repr(told).encode())
        digest.update(corpus.features.tobytes())
        files = [path for path in sorted(self.lang_dir.folder.rglob("*")) if path.is_file()]
        if earlier is not None:
            names = (MODEL_NAME, ALIGNMENTS_NAME, MATRIX_NAME, FEATURES_NAME, TRANSFORMS_NAME)
            files += [Path(earlier) / name for name in names if (Path(earlier) / name).exists()]
        for path in files:
            digest.update(path.read_bytes())
        with training_run(self.out_dir, digest.hexdigest(), self.step) as run:
            yield run

    def write(self, stage: str, result: StageResult, run: TrainingRun) -> TrainingSummary:
        """Write the model and its files; those of an older model stay until all is written."""
        frames = sum(len(ids) for ids in result.alignments.values())
        summary = TrainingSummary(
            self.out_dir, stage, len(result.alignments), len(result.failures), frames,
            result.gmm.num_pdfs, result.gmm.num_gaussians, run.log_likelihood_per_frame, len(result.doubtful),
        )  # fmt: skip
        info = {name: getattr(summary, name) for name in ("stage", "utterances", "frames", "pdfs", "gaussians")}
        silence = self.lang_dir.silence_phones
        model = TrainedModel(result.tree, result.transitions, result.gmm, result.pipeline, result.si_gmm, silence, info)
        with files_together(self.out_dir, last=MODEL_NAME, others=_OF_ONE_MODEL) as aside:
            shutil.copyfile(run.log, aside / LOG_NAME)
            with vector_writer(aside / ALIGNMENTS_NAME) as write:
                for utterance in sorted(result.alignments):
                    write(utterance, result.alignments[utterance])
            if result.transforms:
                with matrix_writer(aside / TRANSFORMS_NAME) as write_matrix:
                    for speaker in sorted(result.transforms):
                        write_matrix(speaker, result.transforms[speaker].astype(np.float32))
            write_failures(result.failures, aside / FAILURES_NAME)
            if result.doubtful:
                write_failures(result.doubtful, aside / DOUBTFUL_NAME)
            write_symbols(self.lang_dir.phones, aside / PHONES_NAME)
            if result.tree_report is not None:
                write_tree_log(aside / TREE_LOG_NAME, result.tree_report, self.lang_dir.phones)
            write_model_files(model, aside)
        self._tell_unseen(result)
        if result.doubtful:
            warnings.warn(
                f"{len(result.doubtful)} transcripts may not belong to their recordings, the first of "
                f"'{min(result.doubtful)}'; they were trained on, all are in {self.out_dir / DOUBTFUL_NAME}",
                WfstAsrWarning,
                stacklevel=3,
            )
        return summary

    def _tell_unseen(self, result: StageResult) -> None:
        """Warn of phones of speech that no aligned frame was of, nor of one that shares their states."""
        ids = np.unique(np.concatenate([np.unique(found) for found in result.alignments.values()]))
        seen = set(result.transitions.phone[ids].tolist()) | self.lang.silence
        unseen = [self.lang.phone_names[root.phones[0]] for root in self.lang.roots if not seen & set(root.phones)]
        if unseen:
            some = ", ".join(f"'{name}'" for name in unseen[:5]) + (", ..." if len(unseen) > 5 else "")
            warnings.warn(
                f"{self.out_dir}: {len(unseen)} phones were never seen in training, so that the model does not know "
                f"their sound: {some}",
                WfstAsrWarning,
                stacklevel=4,
            )


def write_failures(failures: Mapping[str, str], path: Path) -> None:
    """Write the reason why each utterance was left out, a line each."""
    with written_aside(path) as aside:
        lines = [f"{utterance}\t{failures[utterance]}\n" for utterance in sorted(failures)]
        aside.write_text("".join(lines), encoding="utf-8")
