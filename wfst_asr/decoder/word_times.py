"""Start and end of each word of a path."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.search_graph import SearchGraph


@dataclass(frozen=True)
class WordTime:
    """Where a word lies.

    Attributes:
        word: the word.
        start_frame: its first frame.
        end_frame: the frame after its last.
        start_s: start in seconds.
        end_s: end in seconds.
    """

    word: str
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float


def word_times(
    graph: SearchGraph, words: Sequence[str], label_frames: NDArray[np.int64], alignment: NDArray[np.int32]
) -> tuple[tuple[WordTime, ...], bool]:
    """Return the words' times, and whether they are exact."""
    starts = [int(f) for f in label_frames]
    ends = [*starts[1:], len(alignment)]
    return _timed(graph, words, starts, ends), False


def _timed(
    graph: SearchGraph, words: Sequence[str], starts: Sequence[int], ends: Sequence[int]
) -> tuple[WordTime, ...]:
    shift = graph.frame_shift_s
    return tuple(
        WordTime(word, start, end, round(start * shift, 6), round(end * shift, 6))
        for word, start, end in zip(words, starts, ends, strict=True)
    )
