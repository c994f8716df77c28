"""TrainingSplit: some utterances with their features, training graphs and alignments, and what is summed over them.

Every function that returns statistics returns a record that can be merged with those of other splits; the functions
run where the split lives (`SplitWorkers.map`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wfst_asr.align.equal import equal_alignment
from wfst_asr.align.forced import AlignmentError, align, score_columns, transition_costs
from wfst_asr.align.options import AlignOptions
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.pipeline import FeaturePipeline, affine
from wfst_asr.gmm.accumulate import GmmStatistics, accumulate
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.graph.training_graph import TrainingGraph, TrainingGraphCompiler
from wfst_asr.hmm.forward_backward import forward_backward
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.train.corpus import Corpus

Transforms = Mapping[str, NDArray[np.float64]]


class TrainingSplit:
    """Utterances of one split and the state of their training.

    Attributes:
        corpus: the utterances.
        word_ids: their words; None for an utterance that cannot be trained on.
        base: (n, D) features before the matrix and the speakers' transforms.
        features: (n, d) features that the model sees.
        graphs: training graphs; None where there is none.
        alignments: transition-ids of each utterance; None where it has none.
        soft: (frames, transition-ids, posteriors) of all utterances, in soft training only.
    """

    def __init__(self, corpus: Corpus, word_ids: Sequence[tuple[int, ...] | None]) -> None:
        self.corpus = corpus
        self.word_ids = list(word_ids)
        self.base = self.features = np.empty((0, 0), dtype=np.float32)
        self.graphs: list[TrainingGraph | None] = [None] * len(word_ids)
        self.alignments: list[NDArray[np.int32] | None] = [None] * len(word_ids)
        self.soft: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]] | None = None

    def entries(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64] | None]:
        """Return the frame, the transition-id and the weight of everything that statistics are summed over."""
        if self.soft is not None:
            return self.soft
        frames, ids = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
        for index, alignment in enumerate(self.alignments):
            if alignment is not None:
                begin = self.corpus.first[index]
                frames.append(np.arange(begin, begin + len(alignment), dtype=np.int64))
                ids.append(alignment)
        return np.concatenate(frames), np.concatenate(ids), None

    def features_of(self, index: int) -> NDArray[np.float32]:
        """Return the (T, d) features of an utterance."""
        return self.features[self.corpus.first[index] : self.corpus.first[index + 1]]


@dataclass(frozen=True)
class AlignmentTally:
    """What became of the utterances of a split when they were aligned.

    Attributes:
        log_likelihood: acoustic, summed over aligned frames.
        frames: aligned frames.
        failures: reason by utterance.
        retried: utterances that needed the wider beam.
    """

    log_likelihood: float = 0.0
    frames: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    retried: int = 0

    def __add__(self, other: "AlignmentTally") -> "AlignmentTally":
        return AlignmentTally(
            self.log_likelihood + other.log_likelihood,
            self.frames + other.frames,
            {**self.failures, **other.failures},
            self.retried + other.retried,
        )


def set_features(
    split: TrainingSplit, pipeline: FeaturePipeline, cmvn: Mapping[str, NDArray[np.float64]], transforms: Transforms
) -> None:
    """Compute the features of a pipeline from the raw cepstra; keeps those before the matrix."""
    plain = pipeline.with_matrix(None)
    corpus = split.corpus
    parts = [plain.apply(corpus.raw(i), cmvn[speaker]) for i, speaker in enumerate(corpus.speakers)]
    split.base = np.concatenate(parts)
    set_matrix(split, pipeline.matrix, transforms)


def set_matrix(split: TrainingSplit, matrix: NDArray[np.float64] | None, transforms: Transforms) -> None:
    """Apply another matrix, and other transforms by speaker, to the features before them."""
    features = split.base if matrix is None else affine(split.base, matrix)
    if transforms:
        features = features.copy() if matrix is None else features
        corpus = split.corpus
        for index, speaker in enumerate(corpus.speakers):
            if speaker in transforms:
                rows = slice(corpus.first[index], corpus.first[index + 1])
                features[rows] = affine(features[rows], transforms[speaker])
    split.features = features


def compile_graphs(split: TrainingSplit, compiler: TrainingGraphCompiler) -> dict[str, str]:
    """Compile the training graph of every utterance; return the reasons where there is none.

    An alignment that is no path of the graph is dropped, and told likewise.
    """
    failures = {}
    for index, words in enumerate(split.word_ids):
        split.graphs[index] = None
        if words is None:
            continue
        try:
            split.graphs[index] = compiler.compile(words)
        except WfstAsrError as error:
            failures[split.corpus.utterances[index]] = str(error)
            split.alignments[index] = None
            continue
        ids, graph = split.alignments[index], split.graphs[index]
        if ids is not None and graph is not None and not np.isin(ids, graph.ilabel).all():
            failures[split.corpus.utterances[index]] = "its alignment is of other words than its transcript"
            split.alignments[index] = None
    return failures


def num_aligned(split: TrainingSplit) -> int:
    """Count the utterances that have an alignment."""
    return sum(found is not None for found in split.alignments)


def align_equally(split: TrainingSplit, seed: int) -> AlignmentTally:
    """Spread the frames of each utterance evenly over the states of a path through its graph (flat start)."""
    tally = AlignmentTally()
    for index, graph in enumerate(split.graphs):
        if graph is None:
            continue
        frames = int(split.corpus.first[index + 1] - split.corpus.first[index])
        utterance = split.corpus.utterances[index]
        rng = np.random.default_rng([seed, *utterance.encode()])
        try:
            split.alignments[index] = equal_alignment(graph, frames, rng=rng).transition_ids
            tally += AlignmentTally(0.0, frames)
        except AlignmentError as error:
            split.alignments[index] = None
            tally += AlignmentTally(failures={utterance: str(error)})
    return tally


def realign(
    split: TrainingSplit,
    gmm: AcousticModel,
    transitions: TransitionModel,
    options: AlignOptions,
    *,
    soft: bool = False,
) -> AlignmentTally:
    """Align every utterance with the best path, or with all paths by their posteriors (`soft`)."""
    tally = AlignmentTally()
    costs = transition_costs(transitions, options)
    unscaled = unscaled_options(options)
    unscaled_costs = transition_costs(transitions, unscaled)
    parts: list[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]] = []
    for index, graph in enumerate(split.graphs):
        if graph is None:
            continue
        utterance = split.corpus.utterances[index]
        pdfs = graph.pdfs(transitions)
        columns = score_columns(transitions, pdfs)
        scores = gmm.log_likelihoods(split.features_of(index), pdfs)
        try:
            found = align(graph, scores, columns, costs, options)
            if soft:
                found_all = forward_backward(graph, scores, columns, unscaled_costs, unscaled)
                frames = found_all.frames + split.corpus.first[index]
                parts.append((frames, found_all.transition_ids, found_all.posteriors))
            split.alignments[index] = found.transition_ids
            tally += AlignmentTally(found.log_likelihood, len(scores), {}, int(found.retried))
        except AlignmentError as error:
            split.alignments[index] = None
            tally += AlignmentTally(failures={utterance: str(error)})
    if soft and parts:
        split.soft = tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))  # type: ignore[assignment]
    else:
        split.soft = None
    return tally


def unscaled_options(options: AlignOptions) -> AlignOptions:
    """Return the options of forward-backward: scores count whole, as EM wants it, and the beams are as much wider."""
    factor = 1.0 / options.acoustic_scale if options.acoustic_scale > 0 else 1.0
    return AlignOptions(options.beam * factor, options.retry_beam * factor, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Statistics:
    """What one iteration of training needs of all frames.

    Attributes:
        gmm: of the Gaussians.
        transitions: (I + 1,) counts of transition-ids.
        pdf_occupancy: (P,) frames of each pdf.
    """

    gmm: GmmStatistics
    transitions: NDArray[np.float64]
    pdf_occupancy: NDArray[np.float64]

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(
            self.gmm + other.gmm, self.transitions + other.transitions, self.pdf_occupancy + other.pdf_occupancy
        )


def statistics(split: TrainingSplit, gmm: AcousticModel, transitions: TransitionModel) -> Statistics:
    """Sum up the statistics of Gaussians and transitions."""
    frames, ids, weights = split.entries()
    pdfs = transitions.pdf_id[ids]
    return Statistics(
        accumulate(gmm, split.features, pdfs, weights=weights, frames=frames),
        np.bincount(ids, weights=weights, minlength=transitions.num_transition_ids + 1).astype(np.float64),
        np.bincount(pdfs, weights=weights, minlength=gmm.num_pdfs).astype(np.float64),
    )


def alignments(split: TrainingSplit) -> dict[str, NDArray[np.int32]]:
    """Return the alignments by utterance."""
    return {
        utterance: found
        for utterance, found in zip(split.corpus.utterances, split.alignments, strict=True)
        if found is not None
    }
