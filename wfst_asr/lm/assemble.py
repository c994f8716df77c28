"""Assemble a back-off model from n-grams in any order: sort them into levels and add the histories that are absent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.lm.backoff import NGramLevel, NGramModel


@dataclass(frozen=True)
class NGramRows:
    """N-grams of one order n, one a row, in any order.

    Attributes:
        ngrams: (R, n) int32 word ids.
        log_prob: (R,) float64, natural log of p(last word | the words before).
        backoff: (R,) float64, natural log of the back-off weight.
    """

    ngrams: NDArray[np.int32]
    log_prob: NDArray[np.float64]
    backoff: NDArray[np.float64]


class DuplicateNGramError(Exception):
    """Two rows of one order hold the same n-gram.

    Attributes:
        order: n.
        rows: the two rows, ascending.
    """

    def __init__(self, order: int, rows: tuple[int, int]) -> None:
        super().__init__(f"rows {rows[0]} and {rows[1]} of order {order} are the same n-gram")
        self.order = order
        self.rows = rows


class UndeclaredHistoryError(Exception):
    """The history of an n-gram, all its words but the last, is not listed.

    Attributes:
        order: of the n-gram.
        row: the first such n-gram of the order.
    """

    def __init__(self, order: int, row: int) -> None:
        super().__init__(f"the history of row {row} of order {order} is not listed")
        self.order = order
        self.row = row


@dataclass(frozen=True)
class AssembledModel:
    """A model and the number of histories that had to be added to it."""

    model: NGramModel
    num_added: int


def assemble_model(words: Sequence[str], rows: Sequence[NGramRows], *, add_histories: bool = False) -> AssembledModel:
    """Build a NGramModel from the n-grams of each order.

    Args:
        words: the vocabulary; `rows[0]` has one row a word.
        rows: n-grams by order, unigrams first.
        add_histories: list the history of an n-gram where it is not: with back-off weight 1 and the probability that
            the model gives it by backing off, so that no other probability changes.

    Raises:
        DuplicateNGramError: an n-gram comes twice.
        UndeclaredHistoryError: the history of an n-gram is not listed.
    """
    rows = list(rows)
    added = [np.empty((0, order + 1), dtype=np.int32) for order in range(len(rows))]
    while True:
        levels, orphans = _sort_levels(rows)
        if orphans is None:
            break
        order, orphan_rows = orphans
        if not add_histories:
            raise UndeclaredHistoryError(order + 1, int(orphan_rows[0]))
        absent = np.unique(rows[order].ngrams[orphan_rows, :-1], axis=0)
        added[order - 1] = np.concatenate([added[order - 1], absent])
        rows[order - 1] = NGramRows(
            np.concatenate([rows[order - 1].ngrams, absent]),
            np.concatenate([rows[order - 1].log_prob, np.zeros(len(absent))]),
            np.concatenate([rows[order - 1].backoff, np.zeros(len(absent))]),
        )
    model = NGramModel(tuple(words), tuple(levels))
    for order, absent in enumerate(added):
        if len(absent):
            _fill_in_probabilities(model, order, absent)
    return AssembledModel(model, sum(len(absent) for absent in added))


def _sort_levels(rows: Sequence[NGramRows]) -> tuple[list[NGramLevel], tuple[int, NDArray[np.int64]] | None]:
    """Return the levels, or else the order of histories that are absent and the rows of the order above with them."""
    from wfst_asr.lm import _assemble_kernels as kernels

    levels: list[NGramLevel] = []
    histories = np.empty((1, 0), dtype=np.int32)  # n-grams of the level below, sorted
    for order, level in enumerate(rows, start=1):
        if order > 1:
            parent = kernels.find_histories(level.ngrams, histories)
        else:
            parent = np.zeros(len(level.ngrams), dtype=np.int64)
        if order > 1 and len(parent) and parent.min() < 0:
            return [], (order - 1, np.flatnonzero(parent < 0))
        ngrams, log_prob, backoff = level.ngrams, level.log_prob, level.backoff
        if not kernels.is_ascending(parent, ngrams):
            by_key = _ascending_order(parent, ngrams)
            ngrams, log_prob, backoff = ngrams[by_key], log_prob[by_key], backoff[by_key]
        if levels:
            below = levels.pop()
            first_child = kernels.child_starts(parent, len(below))
            levels.append(NGramLevel(below.word, below.log_prob, below.backoff, first_child))
        no_child = np.zeros(len(ngrams) + 1, dtype=np.int64)
        levels.append(NGramLevel(np.ascontiguousarray(ngrams[:, -1]), log_prob, backoff, no_child))
        histories = ngrams
    return levels, None


def _ascending_order(parent: NDArray[np.int64], ngrams: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the order of n-grams by (history, last word); tell those that come twice."""
    last = ngrams[:, -1]
    key = parent * (int(last.max()) + 1) + last
    by_key = np.argsort(key)
    ascending = key[by_key]
    if (ascending[1:] == ascending[:-1]).any():
        by_key = np.argsort(key, kind="stable")
        same = np.flatnonzero(ascending[1:] == ascending[:-1])
        second = by_key[same + 1]  # of several, tell the one whose second line comes first
        pick = int(np.argmin(second))
        raise DuplicateNGramError(ngrams.shape[1], (int(by_key[same[pick]]), int(second[pick])))
    return by_key


def _fill_in_probabilities(model: NGramModel, order: int, ngrams: NDArray[np.int32]) -> None:
    """Give added n-grams (rows of `order` + 1 words) the probability that backing off gives them."""
    entries = model.find_all(ngrams)
    history = model.find_all(ngrams[:, :-1])
    level = model.levels[order]
    level.log_prob[entries] = model.levels[order - 1].backoff[history] + model.log_probs(ngrams[:, 1:])
