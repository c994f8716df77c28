"""Greedy decoding: the best label of each frame, collapsed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.ctc.log_probs import check_log_probs


@dataclass(frozen=True)
class GreedyToken:
    """A label of the best alignment.

    Attributes:
        label: its column.
        first_frame: of its run.
        last_frame: of its run, inclusive.
        log_prob: sum over its frames, natural log.
    """

    label: int
    first_frame: int
    last_frame: int
    log_prob: float


@dataclass(frozen=True)
class GreedyResult:
    """The best alignment.

    Attributes:
        alignment: (T,) best label of each frame, blank among them.
        tokens: what it collapses to.
        log_prob: of the alignment, natural log; that of the labels, summed over alignments, is higher.
    """

    alignment: NDArray[np.int64]
    tokens: tuple[GreedyToken, ...]
    log_prob: float

    @property
    def labels(self) -> list[int]:
        """The labels alone."""
        return [token.label for token in self.tokens]


def greedy_search(log_probs: ArrayLike, *, blank: int = 0) -> GreedyResult:
    """Take the best label of each frame and collapse; of equal ones the lowest.

    Args:
        log_probs: (T, V) natural-log probabilities.  Logits give the same labels, and scores without a meaning.
        blank: column of the blank.

    Raises:
        WfstAsrError: as `check_log_probs`, but rows need not sum to one.

    >>> scores = np.log([[.1, .9], [.2, .8], [.9, .1], [.1, .9]])
    >>> [(token.label, token.first_frame, token.last_frame) for token in greedy_search(scores).tokens]
    [(1, 0, 1), (1, 3, 3)]
    """
    checked = check_log_probs(log_probs, blank=blank, normalised=False)
    alignment = checked.argmax(axis=1)
    best = checked[np.arange(len(checked)), alignment]
    begins = np.flatnonzero(np.diff(alignment, prepend=-1))
    ends = np.append(begins[1:], len(alignment))
    tokens = tuple(
        GreedyToken(int(alignment[begin]), int(begin), int(end) - 1, float(best[begin:end].sum()))
        for begin, end in zip(begins, ends, strict=len(begins) > 0)
        if alignment[begin] != blank
    )
    return GreedyResult(alignment, tokens, float(best.sum()))
