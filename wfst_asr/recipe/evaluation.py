"""Decode a test set with a trained model and score it at every language-model weight, as Kaldi's recipes do."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import check_writable_folder, written_aside
from wfst_asr.decoder.search_graph import SearchGraph, load_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.fmllr import apply_transform
from wfst_asr.io.archives import matrix_writer
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.recipe.corpus_features import load_corpus
from wfst_asr.recipe.decoding import DecodedUtterance, SetOptions, decode_set, hypotheses_of
from wfst_asr.recipe.hybrid_model import USUAL_LM_WEIGHT, HybridNetwork
from wfst_asr.recipe.labelled_graph import words_of_silence
from wfst_asr.recipe.model_dir import TrainedModel, read_trained_model
from wfst_asr.recipe.scorers import check_graph_of_model
from wfst_asr.recipe.speaker_adaptation import AdaptationOptions, SpeakerStatistics
from wfst_asr.score.sweep import Sweep, score_sweep
from wfst_asr.train.corpus import Corpus

Step = Callable[[str, int, int], None]
Folder = str | os.PathLike[str]
_NEGLIGIBLE = 1e-3  # posteriors below it teach a transform nothing


@dataclass(frozen=True)
class EvaluationOptions:
    """How a test set is decoded and scored.

    Attributes:
        decoding: search, weights and penalties.
        adaptation: of models that are adapted to speakers.
        default_lm_weight: the weight that is used where nothing can be tuned; None: that of the graph, for networks 10.
    """

    decoding: SetOptions = field(default_factory=SetOptions)
    adaptation: AdaptationOptions = field(default_factory=AdaptationOptions)
    default_lm_weight: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """The error rates of a test set, in percent.

    Attributes:
        wer: at the best weight and penalty of those tried.
        lm_weight: the best weight.
        insertion_penalty: the best penalty.
        wer_default: at the default weight, without penalty.
        default_lm_weight: that weight.
        wer_first_pass: of the first pass, at its best weight; None where there was one pass.
        words: words of the references.
        utterances: of the test set.
        without_path: utterances that no path was found for, or without usable sound; their words count as deleted.
        real_time_factor: CPU seconds of all passes a second of speech.
    """

    wer: float
    lm_weight: float
    insertion_penalty: float
    wer_default: float
    default_lm_weight: float
    wer_first_pass: float | None
    words: int
    utterances: int
    without_path: int
    real_time_factor: float


def evaluate(
    model_dir: Folder,
    graph_dir: Folder,
    data_dir: Folder,
    out_dir: Folder,
    *,
    options: EvaluationOptions | None = None,
    num_jobs: int = 1,
    step: Step | None = None,
) -> Evaluation:
    """Decode a data directory with transcripts and score it; speaker-adapted models in several passes.

    Writes into `out_dir`: text (the words at the default weight), scoring.txt (error rates of all weights and
    penalties), evaluation.json, and for adapted models fmllr.ark.

    Raises:
        WfstAsrError: a folder is missing or bad, the graph is of another model, or nothing could be decoded.
    """
    options, told = options or EvaluationOptions(), step or (lambda _what, _at, _of: None)
    check_writable_folder(out_dir)
    model, graph = read_trained_model(model_dir), load_graph(graph_dir)
    check_graph_of_model(graph.manifest, model_dir, graph=str(graph_dir))
    check_columns(graph, model, Path(model_dir))
    model = with_silence_of(graph, model)
    corpus = load_corpus(data_dir, model.pipeline.mfcc)
    if corpus.words is None or not any(corpus.words):
        raise WfstAsrError(f"{data_dir}: has no transcripts to score with; add its file 'text'")
    if model.network and options.decoding.search.acoustic_scale is None:
        search = replace(options.decoding.search, acoustic_scale=1.0 / USUAL_LM_WEIGHT)
        options = replace(options, decoding=replace(options.decoding, search=search))
    passes = decode_passes(corpus, model, graph, options, num_jobs=num_jobs, step=told)
    references = dict(zip(corpus.utterances, corpus.words, strict=True))
    if corpus.left_out:  # they count as recognised without a word
        text = read_data_dir(data_dir).text or {}
        references |= {utterance: tuple(text.get(utterance, "").split()) for utterance in corpus.left_out}
    silent = words_of_silence(Path(graph_dir) / "align_lexicon.txt", model.silence)
    usual = USUAL_LM_WEIGHT if model.network else float(round(1.0 / graph.acoustic_scale))
    default_weight = options.default_lm_weight or usual
    sweeps = []
    for found in passes.decoded:
        hypotheses = hypotheses_of(found, options.decoding, left_out=silent)
        for words in hypotheses.values():
            words |= dict.fromkeys(corpus.left_out, ())
        sweeps.append(score_sweep(references, hypotheses, default=(default_weight, 0.0)))
    decoded, sweep = passes.decoded[-1], sweeps[-1]
    if not any(one.words for one in decoded):
        raise WfstAsrError(f"{data_dir}: not one utterance could be decoded: {decoded[0].reason}")
    result = _result(sweep, sweeps, passes, corpus)
    _write(Path(out_dir), result, sweep, hypotheses[sweep.default], passes.transforms)
    return result


def check_columns(graph: SearchGraph, model: TrainedModel, model_dir: Path) -> None:
    """Refuse a graph of another number of tied states than the model's.

    Raises:
        WfstAsrError: they differ.
    """
    if graph.num_columns != model.gmm.num_pdfs:
        raise WfstAsrError(
            f"{graph.name}: expects scores of {graph.num_columns} pdfs, but {model_dir} has {model.gmm.num_pdfs}; "
            "compile the graph with this model"
        )


def with_silence_of(graph: SearchGraph, model: TrainedModel) -> TrainedModel:
    """Return a model with the graph's phones of silence where its folder does not tell them, as Kaldi's do not."""
    if model.silence or graph.manifest is None:
        return model
    return replace(model, silence=graph.manifest.silence_phones)


@dataclass(frozen=True)
class Passes:
    """What the passes over a test set gave.

    Attributes:
        decoded: the utterances, by pass.
        transforms: by speaker, that the last pass used.
    """

    decoded: tuple[list[DecodedUtterance], ...]
    transforms: Mapping[str, NDArray[np.float64]]


def decode_passes(
    corpus: Corpus,
    model: TrainedModel,
    graph: SearchGraph,
    options: EvaluationOptions,
    *,
    num_jobs: int = 1,
    step: Step = lambda _what, _at, _of: None,
    take: Callable[[DecodedUtterance], None] | None = None,
) -> Passes:
    """Decode a corpus, for adapted models again with the transforms that the pass before taught.

    Args:
        corpus: cepstra by utterance and speaker.
        model: of the corpus' features.
        graph: compiled with the model.
        options: search and adaptation; `decoding.wanted` and `decoding.keep_statistics` are of the last pass.
        num_jobs: threads.
        step: called with each utterance of each pass.
        take: called with each utterance of the last pass as it comes; only it sees lattices, which are not kept.
    """
    count = options.adaptation.passes if model.adapted else 0
    stats_in = corpus.cmvn_stats
    plain = [model.pipeline.apply(corpus.raw(i), stats_in[name]) for i, name in enumerate(corpus.speakers)]
    silence = _silence_ids(graph, model)
    transforms: dict[str, NDArray[np.float64]] = {}
    features, results = plain, []
    scorer = model.first_scorer
    for number in range(count + 1):
        last = number == count
        chosen = options.decoding
        if not last:
            scale = chosen.search.acoustic_scale or 1.0 / 12.0
            chosen = replace(
                chosen, posterior_scale=scale, min_posterior=_NEGLIGIBLE, wanted=None, keep_statistics=False
            )
        found = []
        speakers = SpeakerStatistics(model, silence, options.adaptation, transforms)
        for index, one in enumerate(decode_set(graph, _scores(corpus, features, scorer), chosen, num_jobs=num_jobs)):
            step(f"decoding, pass {number + 1}" if count else "decoding", index + 1, len(plain))
            if one.posteriors is not None:
                speakers.add(corpus.speakers[index], plain[index], features[index], one.posteriors)
            if take and last:
                take(one)
            told = replace(one.from_lattice, lattice=None) if one.from_lattice else None
            found.append(replace(one, posteriors=None, from_lattice=told))
        results.append(found)
        if not last:
            transforms = speakers.transforms()
            features = [
                apply_transform(matrix, transforms[name]) if name in transforms else matrix
                for matrix, name in zip(plain, corpus.speakers, strict=True)
            ]
            scorer = model.gmm
    return Passes(tuple(results), transforms)


def _scores(
    corpus: Corpus, features: list[NDArray[np.float32]], scorer: AcousticModel | HybridNetwork
) -> Iterator[tuple[str, Callable[[], Any]]]:
    for utterance, matrix in zip(corpus.utterances, features, strict=True):
        yield utterance, partial(scorer.log_likelihoods, matrix)


def _silence_ids(graph: SearchGraph, model: TrainedModel) -> frozenset[int]:
    return frozenset(number for number, name in enumerate(graph.phones) if name in model.silence)


def _result(sweep: Sweep, sweeps: list[Sweep], passes: Passes, corpus: Corpus) -> Evaluation:
    best, default = sweep.best, sweep.at_default
    cpu = sum(one.cpu_seconds for found in passes.decoded for one in found)
    decoded = passes.decoded[-1]
    return Evaluation(
        wer=round(100 * best.counts.error_rate, 4),
        lm_weight=best.lm_weight,
        insertion_penalty=best.insertion_penalty,
        wer_default=round(100 * default.counts.error_rate, 4),
        default_lm_weight=sweep.default[0],
        wer_first_pass=round(100 * sweeps[0].best.counts.error_rate, 4) if len(sweeps) > 1 else None,
        words=best.counts.reference_length,
        utterances=len(decoded) + len(corpus.left_out),
        without_path=sum(one.best is None for one in decoded) + len(corpus.left_out),
        real_time_factor=round(cpu / (corpus.num_frames * corpus.frame_shift_s), 5),
    )


def _write(
    out: Path,
    result: Evaluation,
    sweep: Sweep,
    words: Mapping[str, tuple[str, ...]],
    transforms: Mapping[str, NDArray[np.float64]],
) -> None:
    with written_aside(out / "text") as aside:
        lines = [f"{utterance} {' '.join(words[utterance])}".rstrip() + "\n" for utterance in sorted(words)]
        aside.write_text("".join(lines), encoding="utf-8")
    with written_aside(out / "scoring.txt") as aside:
        aside.write_text(sweep.table() + "\n", encoding="utf-8")
    if transforms:
        with matrix_writer(out / "fmllr.ark") as write:
            for speaker in sorted(transforms):
                write(speaker, transforms[speaker].astype(np.float32))
    with written_aside(out / "evaluation.json") as aside:
        aside.write_text(json.dumps(result.__dict__, indent=1) + "\n", encoding="utf-8")
