"""Alignment on folders: data, lang and a trained model in, files of times and likelihoods out."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wfst_asr.align.options import AlignOptions
from wfst_asr.atomic_files import check_writable_folder
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.symbols import read_symbols, write_symbols
from wfst_asr.graph.lang_dir import read_lang_dir
from wfst_asr.io.archives import matrix_writer, read_integer_vectors, vector_writer
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.kaldi.transition_model import read_transition_model
from wfst_asr.lexicon.spoken_words import SpokenWord, write_spoken_words
from wfst_asr.recipe.alignment_files import (
    AlignmentNames,
    spoken_words_of,
    write_ctms,
    write_phone_likelihoods,
    write_textgrids,
)
from wfst_asr.recipe.corpus_features import load_corpus
from wfst_asr.recipe.lang_checks import check_phones
from wfst_asr.recipe.model_dir import MODEL_NAME, read_trained_model, write_trained_model
from wfst_asr.recipe.training import ALIGNMENTS_NAME, FAILURES_NAME, TRANSFORMS_NAME, write_failures
from wfst_asr.train.aligning import AlignmentModel, align_corpus
from wfst_asr.train.lang import read_training_lang

SPOKEN_NAME, TEXTGRIDS_NAME, LIKELIHOODS_NAME = "prons.txt", "textgrid", "phones.tsv"
Folder = str | os.PathLike[str]


@dataclass(frozen=True)
class AligningSummary:
    """What an alignment made.

    Attributes:
        folder: where it is.
        utterances: aligned.
        failures: utterances that could not be.
        first_failure: the first of them with its reason; empty if there is none.
        retried: utterances that needed the wider beam.
        words: aligned.
        phones: aligned, silence among them.
        frames: aligned.
        audio_seconds: of the aligned frames.
        log_likelihood_per_frame: acoustic.
    """

    folder: Path
    utterances: int
    failures: int
    first_failure: str
    retried: int
    words: int
    phones: int
    frames: int
    audio_seconds: float
    log_likelihood_per_frame: float


def align_data(
    data_dir: Folder,
    lang_dir: Folder,
    model_dir: Folder,
    out_dir: Folder,
    *,
    options: AlignOptions | None = None,
    textgrids: bool = True,
    num_jobs: int = 1,
    step: Callable[[str, int, int], None] | None = None,
) -> AligningSummary:
    """Align a data directory and write what is found.

    Writes into `out_dir`: ali.ark (transition-ids), words.ctm and phones.ctm (with the log likelihood a frame),
    textgrid/UTTERANCE.TextGrid, phones.tsv (log likelihood of every phone), prons.txt (the words as they were spoken),
    failures.tsv, fmllr.ark of adapted models, and the model itself, so that the folder is one to train the next stage
    from.

    Args:
        data_dir: recordings and transcripts.
        lang_dir: the lexicon, of the model's phones.
        model_dir: folder of the trained model.
        out_dir: where to write.
        options: beams and scales.
        textgrids: whether TextGrids are wanted.
        num_jobs: processes.
        step: called with what is being done, its number and their count.

    Raises:
        WfstAsrError: nothing could be aligned, files are missing or damaged, or `lang_dir` has other phones.
    """
    out, tell = Path(out_dir), step or (lambda _what, _at, _of: None)
    check_writable_folder(out)
    model = read_trained_model(model_dir, network=False)
    lang = read_lang_dir(lang_dir)
    check_phones(lang, Path(model_dir))
    training_lang = read_training_lang(lang)
    data = read_data_dir(data_dir)
    if data.text is None:
        raise WfstAsrError(f"{Path(data_dir) / 'text'}: no such file; alignment needs the transcripts")
    corpus = load_corpus(data_dir, model.pipeline.mfcc, report=lambda done, of: tell("cepstra", done, of))
    parts = AlignmentModel(model.tree, model.transitions, model.gmm, model.pipeline, model.si_gmm)
    result = align_corpus(corpus, training_lang, parts, options, num_jobs=num_jobs, step=tell)
    failures = dict(result.failures)
    write_failures(failures, out / FAILURES_NAME)
    first = next(((name, failures[name]) for name in sorted(failures)), None)
    told = f"'{first[0]}': {first[1]}" if first else ""
    if not result.utterances:
        raise WfstAsrError(
            f"not one of {len(data.utterances)} utterances could be aligned; {told} "
            f"(all reasons: {out / FAILURES_NAME})"
        )
    tell("writing", 0, 1)
    names = AlignmentNames(lang, model.transitions, frame_shift_s=corpus.frame_shift_s)
    words_of = dict(zip(corpus.utterances, corpus.words or (), strict=True))
    named = [
        names.of_frames(utterance, words_of[utterance], one.transition_ids, one.position, one.log_likelihood)
        for utterance, one in sorted(result.utterances.items())
    ]
    with vector_writer(out / ALIGNMENTS_NAME) as write:
        for utterance in sorted(result.utterances):
            write(utterance, result.utterances[utterance].transition_ids)
    if result.transforms:
        with matrix_writer(out / TRANSFORMS_NAME) as write_matrix:
            for speaker in sorted(result.transforms):
                write_matrix(speaker, result.transforms[speaker].astype(np.float32))
    write_ctms(named, data, out)
    write_phone_likelihoods(named, out / LIKELIHOODS_NAME)
    write_spoken_words(spoken_words_of(named), out / SPOKEN_NAME)
    if textgrids:
        write_textgrids(named, data, out / TEXTGRIDS_NAME)
    if out.resolve() != Path(model_dir).resolve():
        write_symbols(read_symbols(lang.folder / "phones.txt"), out / "phones.txt")
        write_trained_model(model, out)
    tell("writing", 1, 1)
    frames = sum(len(one.transition_ids) for one in result.utterances.values())
    likelihood = sum(float(one.log_likelihood.sum(dtype=np.float64)) for one in result.utterances.values())
    return AligningSummary(
        out,
        len(result.utterances),
        len(failures),
        told,
        sum(one.retried for one in result.utterances.values()),
        sum(len(one.transcript) for one in named),
        sum(len(one.phone_names) for one in named),
        frames,
        round(frames * corpus.frame_shift_s, 3),
        likelihood / frames,
    )


def spoken_words_of_archive(data_dir: Folder, lang_dir: Folder, alignments: Folder) -> Iterator[SpokenWord]:
    """Yield the words of a folder with ali.ark and final.mdl as they were spoken, such as a trained model's.

    Args:
        data_dir: the transcripts.
        lang_dir: what the alignments were made with.
        alignments: the folder, of ours or Kaldi's (with ali.ark as one file).

    Raises:
        WfstAsrError: a file is missing, or the alignments are not of these transcripts, lexicon or model.
    """
    lang, root = read_lang_dir(lang_dir), Path(alignments)
    data = read_data_dir(data_dir)
    names = AlignmentNames(lang, read_transition_model(root / MODEL_NAME))
    for utterance, ids in read_integer_vectors(root / ALIGNMENTS_NAME):
        if utterance not in (data.text or {}):
            raise WfstAsrError(f"{data_dir}: has no transcript of the aligned utterance '{utterance}'")
        yield from names.of_transcript(utterance, (data.text or {})[utterance].split(), ids).spoken_words()
