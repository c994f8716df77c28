"""Alignment of a corpus with a trained model (Kaldi `align_si.sh`; with adaptation `align_fmllr.sh`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wfst_asr.align.forced import AlignmentError, align, loops_first, score_columns, transition_costs
from wfst_asr.align.intervals import frame_log_likelihoods
from wfst_asr.align.options import AlignOptions
from wfst_asr.features.pipeline import FeaturePipeline
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.fmllr import FmllrStatistics, accumulate_fmllr, estimate_fmllr
from wfst_asr.graph.training_graph import TrainingGraphCompiler
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.train import training_split as on_split
from wfst_asr.train.corpus import Corpus
from wfst_asr.train.lang import TrainingLang
from wfst_asr.train.stage import start_workers, training_splits
from wfst_asr.train.training_split import TrainingSplit
from wfst_asr.tree.decision_tree import DecisionTree

Step = Callable[[str, int, int], None]


@dataclass(frozen=True)
class AlignmentModel:
    """What an alignment needs of a trained model; the fields of `recipe.model_dir.TrainedModel` of the same names."""

    tree: DecisionTree
    transitions: TransitionModel
    gmm: AcousticModel
    pipeline: FeaturePipeline
    si_gmm: AcousticModel | None = None


@dataclass(frozen=True)
class AlignedUtterance:
    """The best path of an utterance through its words.

    Attributes:
        transition_ids: (T,) int32, in Kaldi's reordered order.
        log_likelihood: (T,) float32, acoustic, natural log, of every frame.
        position: (T,) int32 position in the transcript of the word of every frame, -1 for silence between words.
        word_ids: ids of the transcript's words.
        retried: whether the wider beam was needed.
    """

    transition_ids: NDArray[np.int32]
    log_likelihood: NDArray[np.float32]
    position: NDArray[np.int32]
    word_ids: tuple[int, ...]
    retried: bool


@dataclass(frozen=True)
class CorpusAlignment:
    """What became of the utterances of a corpus.

    Attributes:
        utterances: by id, in the order of the corpus.
        failures: reason by id of those that could not be aligned.
        transforms: (d, d + 1) by speaker, of adapted models.
    """

    utterances: Mapping[str, AlignedUtterance]
    failures: Mapping[str, str]
    transforms: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


def align_corpus(
    corpus: Corpus,
    lang: TrainingLang,
    model: AlignmentModel,
    options: AlignOptions | None = None,
    *,
    min_count: float = 500.0,
    num_jobs: int = 1,
    step: Step | None = None,
) -> CorpusAlignment:
    """Align every utterance with its transcript.

    A speaker-adapted model (`si_gmm`) aligns twice: its speaker-independent Gaussians first, from which a transform a
    speaker is estimated, then its own on the transformed features.

    Args:
        corpus: with transcripts; raw cepstra as the model's pipeline expects them.
        lang: the lexicon and phones of the model.
        model: what to align with.
        options: beams and scales.
        min_count: frames of speech below which a speaker keeps the identity transform.
        num_jobs: processes; the result does not depend on it.
        step: called with what is done, its number and their count.

    Raises:
        WfstAsrError: there are no transcripts, or no word of them is in the lexicon.
    """
    options, tell = options or AlignOptions(), step or (lambda _what, _at, _of: None)
    passes = 2 if model.si_gmm is not None else 1
    of = 2 + passes
    failures: dict[str, str] = {}
    splits = training_splits(corpus, lang, failures)
    transforms: dict[str, NDArray[np.float64]] = {}
    with start_workers(splits, num_jobs) as workers:
        tell("features", 0, of)
        workers.map(on_split.set_features, model.pipeline, corpus.cmvn_stats, transforms)
        tell("training graphs", 1, of)
        compiler = TrainingGraphCompiler(lang.lexicon, model.tree, model.transitions, words=lang.words)
        for part in workers.map(on_split.compile_graphs, compiler):
            failures.update(part)
        if model.si_gmm is not None:
            tell("first pass", 2, of)
            workers.map(on_split.realign, model.si_gmm, model.transitions, options)
            statistics: dict[str, FmllrStatistics] = {}
            for found in workers.map(first_pass_statistics, model.gmm, model.si_gmm, model.transitions, lang.silence):
                for speaker, own in found.items():
                    statistics[speaker] = statistics[speaker] + own if speaker in statistics else own
            for speaker in sorted(statistics):
                transforms[speaker] = estimate_fmllr(statistics[speaker], min_count=min_count).transform
            workers.map(on_split.set_matrix, model.pipeline.matrix, transforms)
        tell("aligning", of - 1, of)
        aligned: dict[str, AlignedUtterance] = {}
        for utterances, reasons in workers.map(align_in_detail, model.gmm, model.transitions, options):
            aligned.update(utterances)
            failures.update(reasons)
        tell("aligning", of, of)
    return CorpusAlignment(aligned, failures, transforms)


def align_in_detail(
    split: TrainingSplit, gmm: AcousticModel, transitions: TransitionModel, options: AlignOptions
) -> tuple[dict[str, AlignedUtterance], dict[str, str]]:
    """Align every utterance of a split; return the alignments, and the reasons where there is none."""
    costs = transition_costs(transitions, options)
    aligned: dict[str, AlignedUtterance] = {}
    failures: dict[str, str] = {}
    for index, graph in enumerate(split.graphs):
        if graph is None:
            continue
        utterance = split.corpus.utterances[index]
        pdfs = graph.pdfs(transitions)
        scores = gmm.log_likelihoods(split.features_of(index), pdfs)
        try:
            found = align(graph, scores, score_columns(transitions, pdfs), costs, options)
        except AlignmentError as error:
            failures[utterance] = str(error)
            continue
        columns = np.full(transitions.num_pdfs, -1, dtype=np.int64)
        columns[pdfs] = np.arange(len(pdfs))
        path = loops_first(found.transition_ids, transitions)
        aligned[utterance] = AlignedUtterance(
            found.transition_ids,
            frame_log_likelihoods(path, scores, transitions, columns=columns).astype(np.float32),
            graph.state_word[found.states],
            split.word_ids[index] or (),
            found.retried,
        )
    return aligned, failures


def first_pass_statistics(
    split: TrainingSplit,
    gmm: AcousticModel,
    si_gmm: AcousticModel,
    transitions: TransitionModel,
    silence: frozenset[int],
) -> dict[str, FmllrStatistics]:
    """Sum up what each speaker's first transform is estimated from: posteriors of `si_gmm`, fitted to `gmm`."""
    frames, ids, _ = split.entries()
    keep = ~np.isin(transitions.phone[ids], sorted(silence))
    frames, pdfs = frames[keep], transitions.pdf_id[ids[keep]]
    names = sorted(set(split.corpus.speakers))
    of_utterance = np.searchsorted(names, split.corpus.speakers)
    of_frame = np.repeat(of_utterance, np.diff(split.corpus.first))[frames]
    result = {}
    for number, name in enumerate(names):
        rows = np.flatnonzero(of_frame == number)
        if len(rows):
            features = split.features[frames[rows]]
            result[name] = accumulate_fmllr(gmm, features, pdfs[rows], posterior_model=si_gmm)
    return result
