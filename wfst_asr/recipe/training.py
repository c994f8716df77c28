"""Training stages on folders: data, lang and the folder of an earlier stage in, the folder of a model out."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from wfst_asr.atomic_files import check_writable_folder, written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.mfcc import MfccOptions
from wfst_asr.fst.symbols import read_symbols, write_symbols
from wfst_asr.graph.lang_dir import read_lang_dir
from wfst_asr.io.archives import matrix_writer, read_integer_vectors, vector_writer
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.recipe.corpus_features import load_corpus, sample_rate_of
from wfst_asr.recipe.model_dir import (
    MODEL_NAME,
    TrainedModel,
    read_trained_model,
    read_transforms,
    write_trained_model,
)
from wfst_asr.train.checkpoint import Checkpoint
from wfst_asr.train.corpus import Corpus
from wfst_asr.train.iterations import IterationRecord, Progress
from wfst_asr.train.lang import TrainingLang, read_training_lang
from wfst_asr.train.lda_mllt import LdaMlltOptions, train_lda_mllt
from wfst_asr.train.monophone import MonophoneOptions, train_monophones
from wfst_asr.train.sat import SatOptions, train_sat
from wfst_asr.train.stage import Alignments, StageResult
from wfst_asr.train.triphone import TriphoneOptions, train_triphones

ALIGNMENTS_NAME, TRANSFORMS_NAME, FAILURES_NAME, LOG_NAME = "ali.ark", "fmllr.ark", "failures.tsv", "log.jsonl"
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
    """

    folder: Path
    stage: str
    utterances: int
    failures: int
    frames: int
    pdfs: int
    gaussians: int
    log_likelihood_per_frame: float


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
    with job.progress("mono", options, corpus) as progress:
        result = train_monophones(corpus, job.lang, options, num_jobs=num_jobs, progress=progress)
    return job.write("mono", result)


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
    options = job.at_sample_rate(options or TriphoneOptions())
    corpus = job.corpus(options.pipeline.mfcc)
    with job.progress("deltas", options, corpus, alignments) as progress:
        earlier = read_alignments(alignments)
        result = train_triphones(corpus, job.lang, earlier, options, num_jobs=num_jobs, progress=progress)
    return job.write("deltas", result)


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
    options = job.at_sample_rate(options or LdaMlltOptions())
    corpus = job.corpus(options.pipeline.mfcc)
    with job.progress("lda-mllt", options, corpus, alignments) as progress:
        earlier = read_alignments(alignments)
        result = train_lda_mllt(corpus, job.lang, earlier, options, num_jobs=num_jobs, progress=progress)
    return job.write("lda-mllt", result)


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
    first = read_trained_model(alignments)
    corpus = job.corpus(first.pipeline.mfcc)
    with job.progress("sat", options, corpus, alignments) as progress:
        earlier = read_alignments(alignments)
        result = train_sat(
            corpus, job.lang, earlier, first.gmm, first.pipeline, options,
            num_jobs=num_jobs, progress=progress, transforms=read_transforms(Path(alignments) / TRANSFORMS_NAME),
        )  # fmt: skip
    return job.write("sat", result)


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
    lang_dir: Path
    out_dir: Path
    lang: TrainingLang
    step: Step

    @classmethod
    def of(cls, data_dir: Folder, lang_dir: Folder, out_dir: Folder, step: Step | None) -> "_Job":
        check_writable_folder(out_dir)
        lang = read_training_lang(lang_dir)
        return cls(Path(data_dir), Path(lang_dir), Path(out_dir), lang, step or (lambda _what, _at, _of: None))

    def at_sample_rate(self, options: Options) -> Options:
        """Return the options with the recordings' sample rate."""
        rate = sample_rate_of(read_data_dir(self.data_dir))
        frames = replace(options.pipeline.mfcc.frames, sample_rate_hz=rate)
        return replace(options, pipeline=replace(options.pipeline, mfcc=replace(options.pipeline.mfcc, frames=frames)))

    def corpus(self, mfcc: MfccOptions) -> Corpus:
        return load_corpus(self.data_dir, mfcc, report=lambda done, of: self.step("cepstra", done, of))

    @contextmanager
    def progress(self, stage: str, options: Any, corpus: Corpus, earlier: Folder | None = None) -> Iterator[Progress]:
        """Yield what a stage tells its steps, its log and its checkpoints to; the log is a file as it grows."""
        digest = hashlib.sha256(repr((stage, options, corpus.utterances, corpus.words)).encode())
        digest.update(corpus.features.tobytes())
        for path in sorted(self.lang_dir.rglob("*")):
            if path.is_file():
                digest.update(path.read_bytes())
        if earlier is not None:
            for name in (MODEL_NAME, ALIGNMENTS_NAME):
                if (Path(earlier) / name).exists():
                    digest.update((Path(earlier) / name).read_bytes())
        checkpoint = Checkpoint(self.out_dir / "checkpoint.npz", digest.hexdigest())
        self.out_dir.mkdir(parents=True, exist_ok=True)
        with (self.out_dir / LOG_NAME).open("w", encoding="utf-8") as log:

            def write(record: IterationRecord) -> None:
                log.write(json.dumps(asdict(record)) + "\n")
                log.flush()

            yield Progress(self.step, write, checkpoint)

    def write(self, stage: str, result: StageResult) -> TrainingSummary:
        """Write the model and its files."""
        lang = read_lang_dir(self.lang_dir)
        out = self.out_dir
        with vector_writer(out / ALIGNMENTS_NAME) as write:
            for utterance in sorted(result.alignments):
                write(utterance, result.alignments[utterance])
        if result.transforms:
            with matrix_writer(out / TRANSFORMS_NAME) as write_matrix:
                for speaker in sorted(result.transforms):
                    write_matrix(speaker, result.transforms[speaker].astype(np.float32))
        else:
            (out / TRANSFORMS_NAME).unlink(missing_ok=True)
        write_failures(result.failures, out / FAILURES_NAME)
        write_symbols(read_symbols(self.lang_dir / "phones.txt"), out / "phones.txt")
        frames = sum(len(ids) for ids in result.alignments.values())
        lines = (out / LOG_NAME).read_text(encoding="utf-8").splitlines()
        likelihood = json.loads(lines[-1])["log_likelihood_per_frame"] if lines else float("nan")
        summary = TrainingSummary(
            out, stage, len(result.alignments), len(result.failures), frames,
            result.gmm.num_pdfs, result.gmm.num_gaussians, likelihood,
        )  # fmt: skip
        info = {
            "stage": stage,
            "utterances": summary.utterances,
            "frames": frames,
            "pdfs": summary.pdfs,
            "gaussians": summary.gaussians,
        }
        model = TrainedModel(
            result.tree, result.transitions, result.gmm, result.pipeline, result.si_gmm, lang.silence_phones, info
        )
        write_trained_model(model, out)
        Checkpoint(out / "checkpoint.npz").remove()
        return summary


def write_failures(failures: Mapping[str, str], path: Path) -> None:
    """Write the reason why each utterance was left out, a line each."""
    with written_aside(path) as aside:
        lines = [f"{utterance}\t{failures[utterance]}\n" for utterance in sorted(failures)]
        aside.write_text("".join(lines), encoding="utf-8")
