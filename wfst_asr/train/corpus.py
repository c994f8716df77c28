"""Corpus: the raw cepstra, words and speakers of utterances, in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.cmvn import cmvn_stats


@dataclass(frozen=True)
class Corpus:
    """Utterances to train on, to align or to decode.

    Attributes:
        utterances: ids.
        speakers: speaker of each utterance.
        words: transcript of each utterance; None where there are no transcripts.
        first: (U + 1,) int64; the frames of utterance u are `first[u]:first[u + 1]`.
        features: (N, D) float32 raw cepstra, before normalisation.
        frame_shift_s: seconds from frame to frame.
        left_out: why other utterances of the set are not here, by id.

    >>> corpus = Corpus(("a", "b"), ("x", "x"), None, np.array([0, 2, 3]), np.zeros((3, 13), np.float32))
    >>> corpus.raw(1).shape, sorted(corpus.cmvn_stats)
    ((1, 13), ['x'])
    """

    utterances: tuple[str, ...]
    speakers: tuple[str, ...]
    words: tuple[tuple[str, ...], ...] | None
    first: NDArray[np.int64]
    features: NDArray[np.float32]
    frame_shift_s: float = 0.01
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.utterances)
        if len(self.speakers) != count or (self.words is not None and len(self.words) != count):
            raise WfstAsrError(f"{count} utterances need as many speakers and transcripts")
        if len(self.first) != count + 1 or self.first[-1] != len(self.features):
            raise WfstAsrError(f"the bounds of {count} utterances do not fit {len(self.features)} frames")

    @property
    def num_frames(self) -> int:
        return len(self.features)

    def raw(self, index: int) -> NDArray[np.float32]:
        """Return the raw cepstra of an utterance."""
        return self.features[self.first[index] : self.first[index + 1]]

    @cached_property
    def cmvn_stats(self) -> dict[str, NDArray[np.float64]]:
        """Normalisation statistics (2, D + 1) of each speaker."""
        result: dict[str, NDArray[np.float64]] = {}
        for index, speaker in enumerate(self.speakers):
            stats = cmvn_stats(self.raw(index))
            result[speaker] = result[speaker] + stats if speaker in result else stats
        return result

    def subset(self, indices: Sequence[int]) -> "Corpus":
        """Return some of the utterances, in the order given."""
        parts = [self.raw(i) for i in indices]
        first = np.concatenate(([0], np.cumsum([len(part) for part in parts]))).astype(np.int64)
        features = np.concatenate(parts) if parts else self.features[:0]
        words = None if self.words is None else tuple(self.words[i] for i in indices)
        names = tuple(self.utterances[i] for i in indices)
        return Corpus(names, tuple(self.speakers[i] for i in indices), words, first, features, self.frame_shift_s)


def corpus_of(
    utterances: Sequence[tuple[str, str, Sequence[str], NDArray[np.float32]]],
    *,
    frame_shift_s: float = 0.01,
    left_out: Mapping[str, str] | None = None,
) -> Corpus:
    """Return the corpus of (utterance, speaker, words, raw cepstra) rows.

    Raises:
        WfstAsrError: there are none.
    """
    if not utterances:
        raise WfstAsrError("there is no utterance with frames; check the recordings")
    names, speakers, words, features = zip(*utterances, strict=True)
    first = np.concatenate(([0], np.cumsum([len(part) for part in features]))).astype(np.int64)
    stacked = np.ascontiguousarray(np.concatenate(features), dtype=np.float32)
    rows = tuple(tuple(row) for row in words)
    return Corpus(names, speakers, rows, first, stacked, frame_shift_s, dict(left_out or {}))
