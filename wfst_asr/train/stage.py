"""What every training stage begins with and returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.pipeline import FeaturePipeline
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.train.corpus import Corpus
from wfst_asr.train.lang import TrainingLang
from wfst_asr.train.split_workers import SplitWorkers
from wfst_asr.train.training_split import TrainingSplit
from wfst_asr.tree.decision_tree import DecisionTree

_MOST_SPLITS = 16


@dataclass(frozen=True)
class Alignments:
    """Alignments of a corpus and the model that they are of.

    Attributes:
        transition_ids: (T,) by utterance.
        transitions: the transition model.
    """

    transition_ids: Mapping[str, NDArray[np.int32]]
    transitions: TransitionModel


@dataclass(frozen=True)
class StageResult:
    """What a training stage gives.

    Attributes:
        tree: tied states.
        transitions: transition model.
        gmm: Gaussians.
        pipeline: the features that they are of, with the matrix.
        alignments: transition-ids by utterance.
        failures: why utterances have none.
        si_gmm: Gaussians for features without the speaker's transform, in speaker-adaptive training.
        transforms: (d, d + 1) by speaker, in speaker-adaptive training.
        doubtful: why transcripts that were trained on may not belong to their recordings, by utterance.
        tree_report: what the tree's construction tells (splits with their gains), None for monophones.
    """

    tree: DecisionTree
    transitions: TransitionModel
    gmm: AcousticModel
    pipeline: FeaturePipeline
    alignments: Mapping[str, NDArray[np.int32]]
    failures: Mapping[str, str]
    si_gmm: AcousticModel | None = None
    transforms: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    doubtful: Mapping[str, str] = field(default_factory=dict)
    tree_report: Any = None


def training_splits(corpus: Corpus, lang: TrainingLang, failures: dict[str, str]) -> list[TrainingSplit]:
    """Cut a corpus into at most 16 splits of about equal length; the cut depends on the corpus alone.

    Args:
        corpus: with transcripts.
        lang: the lexicon.
        failures: filled with the reasons why utterances cannot be trained on.

    Raises:
        WfstAsrError: there are no transcripts, or none can be trained on.
    """
    if corpus.words is None:
        raise WfstAsrError("the data directory has no transcripts; training needs its file 'text'")
    failures.update(corpus.left_out)
    word_ids: list[tuple[int, ...] | None] = []
    for utterance, words in zip(corpus.utterances, corpus.words, strict=True):
        try:
            if not words:
                raise WfstAsrError("the transcript is empty")
            word_ids.append(lang.word_ids(words))
        except WfstAsrError as error:
            failures[utterance] = str(error)
            word_ids.append(None)
    if all(ids is None for ids in word_ids):
        utterance, reason = next((name, failures[name]) for name in corpus.utterances)
        raise WfstAsrError(f"not one of {len(word_ids)} utterances can be trained on; '{utterance}': {reason}")
    bounds = _bounds(corpus.first)
    return [TrainingSplit(corpus.subset(range(begin, end)), word_ids[begin:end]) for begin, end in pairwise(bounds)]


def _bounds(first: NDArray[np.int64]) -> list[int]:
    """Return utterance numbers that cut the frames into about equal pieces."""
    count = min(_MOST_SPLITS, len(first) - 1)
    wanted = first[-1] * np.arange(count + 1) // count
    return sorted({int(np.searchsorted(first, at)) for at in wanted})


def start_workers(splits: list[TrainingSplit], num_jobs: int) -> SplitWorkers[TrainingSplit]:
    """Start the processes that hold the splits."""
    return SplitWorkers(splits, num_jobs=num_jobs)


def speech_frames(alignments: Mapping[str, NDArray[np.int32]], model: TransitionModel, silence: frozenset[int]) -> int:
    """Count the frames that are not silence."""
    is_silence = np.isin(model.phone, sorted(silence))
    return int(sum((~is_silence[ids]).sum() for ids in alignments.values()))
