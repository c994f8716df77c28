"""What splits sum up for the tree and for linear transforms: triphone states, LDA, MLLT, fMLLR by speaker."""

import numpy as np
from numpy.typing import NDArray

from wfst_asr.features.pipeline import affine
from wfst_asr.gmm.accumulate import GmmStatistics, accumulate
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.fmllr import FmllrStatistics, accumulate_fmllr
from wfst_asr.gmm.lda import LdaStatistics, accumulate_lda
from wfst_asr.gmm.mllt import MlltStatistics, accumulate_mllt
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.train.phone_segments import convert_alignments, phone_segments
from wfst_asr.train.training_split import TrainingSplit
from wfst_asr.tree.context_dependency import ContextDependency
from wfst_asr.tree.stats import TreeStatistics, accumulate_tree_statistics


def _aligned(split: TrainingSplit) -> tuple[NDArray[np.int64], list[NDArray[np.int32]]]:
    frames, _, _ = split.entries() if split.soft is None else (np.empty(0, np.int64), None, None)
    if split.soft is not None:
        parts = [
            np.arange(split.corpus.first[i], split.corpus.first[i] + len(found))
            for i, found in enumerate(split.alignments)
            if found is not None
        ]
        frames = np.concatenate([np.empty(0, np.int64), *parts])
    return frames, [found for found in split.alignments if found is not None]


def tree_statistics(
    split: TrainingSplit, transitions: TransitionModel, context_free: frozenset[int], *, context_width: int = 3
) -> TreeStatistics:
    """Sum up the frames of every HMM state of a phone in context."""
    frames, found = _aligned(split)
    segments = phone_segments(found, transitions, padding=context_width - 1)
    ids = np.concatenate([np.empty(0, np.int32), *found])
    states = transitions.hmm_state[ids]
    classes = _pdf_classes(transitions)[transitions.phone[ids], states]
    return accumulate_tree_statistics(
        split.features[frames],
        segments.phone,
        segments.segment,
        classes,
        context_width=context_width,
        central_position=context_width // 2,
        context_free=context_free,
    )


def _pdf_classes(transitions: TransitionModel) -> NDArray[np.int32]:
    topology = transitions.topology
    most = max(len(entry) for entry in topology.entries)
    table = np.zeros((max(topology.phones) + 1, most), dtype=np.int32)
    for phone in topology.phones:
        for number, state in enumerate(topology.states(phone)):
            table[phone, number] = state.forward_pdf_class
    return table


def carry_over(split: TrainingSplit, old: TransitionModel, new: TransitionModel, tree: ContextDependency) -> None:
    """Carry the split's alignments over to the model of another tree."""
    places = [index for index, found in enumerate(split.alignments) if found is not None]
    converted = convert_alignments([split.alignments[i] for i in places], old, new, tree)  # type: ignore[misc]
    for index, ids in zip(places, converted, strict=True):
        split.alignments[index] = ids
    split.soft = None


def lda_statistics(split: TrainingSplit, transitions: TransitionModel, silence: frozenset[int]) -> LdaStatistics:
    """Sum up the features before the matrix by pdf, without silence."""
    frames, ids, weights = _speech(split, transitions, silence)
    return accumulate_lda(split.base[frames], transitions.pdf_id[ids], transitions.num_pdfs, weights=weights)


def mllt_statistics(
    split: TrainingSplit, gmm: AcousticModel, transitions: TransitionModel, silence: frozenset[int]
) -> MlltStatistics:
    """Sum up the covariances of all Gaussians' frames, without silence."""
    frames, ids, weights = _speech(split, transitions, silence)
    return accumulate_mllt(gmm, split.features[frames], transitions.pdf_id[ids], weights=weights)


def fmllr_statistics(
    split: TrainingSplit, gmm: AcousticModel, transitions: TransitionModel, silence: frozenset[int]
) -> dict[str, FmllrStatistics]:
    """Sum up what each speaker's transform is estimated from, without silence."""
    frames, ids, weights = _speech(split, transitions, silence)
    names = sorted(set(split.corpus.speakers))
    number = {name: index for index, name in enumerate(names)}
    speaker = np.repeat([number[name] for name in split.corpus.speakers], np.diff(split.corpus.first))[frames]
    result = {}
    for name in names:
        rows = np.flatnonzero(speaker == number[name])
        if len(rows):
            result[name] = accumulate_fmllr(
                gmm,
                split.features[frames[rows]],
                transitions.pdf_id[ids[rows]],
                weights=None if weights is None else weights[rows],
            )
    return result


def _speech(
    split: TrainingSplit, transitions: TransitionModel, silence: frozenset[int]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64] | None]:
    frames, ids, weights = split.entries()
    keep = ~np.isin(transitions.phone[ids], sorted(silence))
    return frames[keep], ids[keep], None if weights is None else weights[keep]


def two_features_statistics(
    split: TrainingSplit, gmm: AcousticModel, transitions: TransitionModel, matrix: NDArray[np.float64] | None
) -> GmmStatistics:
    """Sum up unadapted features by the Gaussians' posteriors on adapted ones (Kaldi `gmm-acc-stats-twofeats`)."""
    frames, ids, weights = split.entries()
    plain = split.base if matrix is None else affine(split.base, matrix)
    return accumulate(
        gmm, split.features, transitions.pdf_id[ids], weights=weights, frames=frames, statistics_features=plain
    )


def unadapted_statistics(
    split: TrainingSplit, gmm: AcousticModel, transitions: TransitionModel, matrix: NDArray[np.float64] | None
) -> GmmStatistics:
    """Sum up unadapted features by the Gaussians' posteriors on them."""
    frames, ids, weights = split.entries()
    plain = split.base if matrix is None else affine(split.base, matrix)
    return accumulate(gmm, plain, transitions.pdf_id[ids], weights=weights, frames=frames)
