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


@dataclass(frozen=True)
class AssembledModel:
    """A model and the number of histories that had to be added to it."""

    model: NGramModel
    num_added: int


def assemble_model(words: Sequence[str], rows: Sequence[NGramRows]) -> AssembledModel:
    """Build a NGramModel from the n-grams of each order.

    An n-gram whose history is not listed gets that history: with back-off weight 1 and the probability that the
    model gives it by backing off, so that no other probability changes.

    Args:
        words: the vocabulary; `rows[0]` has one row a word.
        rows: n-grams by order, unigrams first.

    Raises:
        DuplicateNGramError: an n-gram comes twice.
    """
    rows = list(rows)
    added = [np.empty((0, order + 1), dtype=np.int32) for order in range(len(rows))]
    while True:
        levels, orphans = _sort_levels(len(words), rows)
        if orphans is None:
            break
        order = orphans.shape[1]  # of the histories that are absent
        absent = np.unique(orphans, axis=0)
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


def _sort_levels(num_words: int, rows: Sequence[NGramRows]) -> tuple[list[NGramLevel], NDArray[np.int32] | None]:
    """Return the levels, or else the histories (rows of word ids) that are absent from the level below."""
    levels: list[NGramLevel] = []
    keys: list[NDArray[np.int64]] = []  # of each level: parent * num_words + word, ascending
    sorted_rows: list[tuple[NDArray[np.int64], NGramRows]] = []
    child_counts: list[NDArray[np.int64]] = []
    for order, level in enumerate(rows):
        parent = np.zeros(len(level.ngrams), dtype=np.int64)
        for depth in range(order):
            key = parent * num_words + level.ngrams[:, depth]
            at = np.searchsorted(keys[depth], key)
            found = at < len(keys[depth])
            found[found] = keys[depth][at[found]] == key[found]
            if not found.all():
                return [], level.ngrams[~found, : depth + 1]
            parent = at
        key = parent * num_words + level.ngrams[:, order]
        by_key = np.argsort(key, kind="stable")
        key = key[by_key]
        same = np.flatnonzero(key[1:] == key[:-1])
        if len(same):
            # of several, tell the one whose second line comes first
            second = by_key[same + 1]
            pick = int(np.argmin(second))
            raise DuplicateNGramError(order + 1, (int(by_key[same[pick]]), int(second[pick])))
        keys.append(key)
        sorted_rows.append((by_key, level))
        if order:
            child_counts.append(np.bincount(parent, minlength=len(keys[order - 1])))
    for order, (by_key, level) in enumerate(sorted_rows):
        first_child = np.zeros(len(by_key) + 1, dtype=np.int64)
        if order + 1 < len(rows):
            np.cumsum(child_counts[order], out=first_child[1:])
        levels.append(
            NGramLevel(
                np.ascontiguousarray(level.ngrams[by_key, order]),
                level.log_prob[by_key],
                level.backoff[by_key],
                first_child,
            )
        )
    return levels, None


def _fill_in_probabilities(model: NGramModel, order: int, ngrams: NDArray[np.int32]) -> None:
    """Give added n-grams (rows of `order` + 1 words) the probability that backing off gives them."""
    entries = model.find_all(ngrams)
    history = model.find_all(ngrams[:, :-1])
    level = model.levels[order]
    level.log_prob[entries] = model.levels[order - 1].backoff[history] + model.log_probs(ngrams[:, 1:])
