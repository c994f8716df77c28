"""Train a hybrid network on folders: a model of Gaussian mixtures, its alignments, recordings."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wfst_asr.atomic_files import check_writable_folder, files_together, written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.pipeline import FeaturePipeline
from wfst_asr.io.archives import INTEGERS, ArchiveTable
from wfst_asr.recipe.corpus_features import load_corpus
from wfst_asr.recipe.hybrid_model import HYBRID_NAME, HybridNetwork, write_hybrid_files
from wfst_asr.recipe.model_dir import MODEL_NAME, SI_MODEL_NAME, read_trained_model, write_model_files
from wfst_asr.recipe.neural_model import CURVES_NAME, curves_text
from wfst_asr.train.hybrid import AlignedFrames, HybridOptions, train_hybrid_network

Step = Callable[[str, int, int], None]
Folder = str | os.PathLike[str]
ALIGNMENTS_NAME = "ali.ark"
RUNNING_NAME, CHECKPOINT_NAME = ".training", "checkpoint"
_EVERY = 10  # one speaker (or utterance, of fewer) in so many is held out


@dataclass(frozen=True)
class HybridSummary:
    """What a training came to.

    Attributes:
        pdfs: tied states.
        weights: numbers that were trained.
        utterances: trained on.
        frames: trained on.
        left_out: utterances without an alignment that fits.
        epochs: done.
        best_epoch: whose weights were kept.
        train_loss: cross-entropy a frame in that epoch.
        valid_loss: likewise, of speakers held out.
        frame_errors: frames of these whose best pdf is not the aligned one, in percent.
        stopped: why it ended.
    """

    pdfs: int
    weights: int
    utterances: int
    frames: int
    left_out: int
    epochs: int
    best_epoch: int
    train_loss: float
    valid_loss: float
    frame_errors: float
    stopped: str


def train_hybrid(
    gmm_dir: Folder,
    data_dir: Folder,
    alignments: Folder,
    out_dir: Folder,
    *,
    options: HybridOptions | None = None,
    step: Step | None = None,
) -> HybridSummary:
    """Train a network for the tied states of a model, and write its folder, see `wfst_asr.recipe.hybrid_model`.

    The features are the model's cepstra with differences, normalised by speaker, without its matrix.  A training that
    was killed goes on from its checkpoint, in the folder `.training`.

    Args:
        gmm_dir: the model whose states are the classes.
        data_dir: recordings.
        alignments: transition-ids by utterance, an ark, or a folder with `ali.ark`.
        out_dir: folder of the hybrid model; graphs of `gmm_dir` are graphs of it.
        options: see HybridOptions.
        step: told what is done.

    Raises:
        WfstAsrError: a folder or file is bad, alignments are of another model, or training fails.
    """
    options, told, out = options or HybridOptions(), step or (lambda _what, _at, _of: None), Path(out_dir)
    check_writable_folder(out)
    model = read_trained_model(gmm_dir, network=False)
    pipeline = FeaturePipeline(mfcc=model.pipeline.mfcc, norm_vars=True, delta_order=2)
    corpus = load_corpus(data_dir, pipeline.mfcc, report=lambda at, of: told("cepstra", at, of))
    path = Path(alignments) / ALIGNMENTS_NAME if Path(alignments).is_dir() else Path(alignments)
    table = ArchiveTable(path, INTEGERS)
    aligned: list[tuple[str, AlignedFrames]] = []
    for index, utterance in enumerate(corpus.utterances):
        raw = corpus.raw(index)
        if utterance not in table or len(table[utterance]) != len(raw):
            continue
        labels = np.asarray(table[utterance])
        if labels.min() < 1 or labels.max() >= len(model.transitions.pdf_id):
            raise WfstAsrError(
                f"{path}: '{utterance}' holds the transition-id {labels.max()}, but {gmm_dir} has "
                f"{len(model.transitions.pdf_id) - 1}; give the alignments of that model"
            )
        speaker = corpus.speakers[index]
        features = pipeline.apply(raw, corpus.cmvn_stats[speaker])
        pdfs = np.asarray(model.transitions.pdf_id)[labels].astype(np.int64)
        aligned.append((speaker, AlignedFrames(utterance, features, pdfs)))
    if len(aligned) < 2:
        raise WfstAsrError(
            f"{path}: has alignments of {len(aligned)} utterances of {data_dir} with as many frames, expected 2 or more"
        )
    train, valid = _split(aligned)
    checkpoint = out / RUNNING_NAME / CHECKPOINT_NAME
    trained = train_hybrid_network(
        train, valid, model.gmm.num_pdfs, options, checkpoint=checkpoint, progress=told, on_epoch=None
    )
    best = trained.best
    summary = HybridSummary(
        pdfs=model.gmm.num_pdfs,
        weights=sum(weight.numel() for weight in trained.network.parameters()),
        utterances=len(train),
        frames=int(trained.counts.sum()),
        left_out=len(corpus.utterances) - len(aligned) + len(corpus.left_out),
        epochs=len(trained.history),
        best_epoch=trained.best_epoch,
        train_loss=round(best["train_loss"], 4),
        valid_loss=round(best["loss"], 4),
        frame_errors=round(best["frame_errors"], 3),
        stopped=trained.stopped,
    )
    network = HybridNetwork(trained.network, pipeline, trained.counts, {**vars(summary), "seed": options.fit.seed})
    with files_together(out, last=HYBRID_NAME, others=(SI_MODEL_NAME,)) as aside:
        write_model_files(replace(model, si_gmm=None), aside)
        shutil.copyfile(Path(gmm_dir) / MODEL_NAME, aside / MODEL_NAME)  # byte for byte: graphs know it by its hash
        with written_aside(aside / CURVES_NAME) as curves:
            curves.write_text(curves_text(trained.history), encoding="utf-8")
        write_hybrid_files(network, aside)
    shutil.rmtree(out / RUNNING_NAME, ignore_errors=True)
    return summary


def _split(aligned: list[tuple[str, AlignedFrames]]) -> tuple[list[AlignedFrames], list[AlignedFrames]]:
    """Hold out one speaker in ten, or one utterance in ten of fewer speakers."""
    speakers = sorted({speaker for speaker, _ in aligned})
    if len(speakers) >= _EVERY:
        held = set(speakers[_EVERY // 2 :: _EVERY])
        return [one for name, one in aligned if name not in held], [one for name, one in aligned if name in held]
    places = set(range(min(_EVERY // 2, len(aligned) - 1), len(aligned), _EVERY))
    return (
        [one for place, (_, one) in enumerate(aligned) if place not in places],
        [one for place, (_, one) in enumerate(aligned) if place in places],
    )
