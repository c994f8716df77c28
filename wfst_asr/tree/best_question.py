"""The best question to split a leaf with: all questions at once, as matrix products."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.tree.clustering import refine_halves
from wfst_asr.tree.decision_tree import PDF_CLASS
from wfst_asr.tree.stats import FloatArray, TreeStatistics, gaussian_log_likelihood

_ONE_THREAD = 1 << 18  # multiplications up to which BLAS stays in the calling thread
_TIE = 1e-11  # gains that differ by less, beside the log-likelihood of the leaf, are equal: the first question wins


@dataclass(frozen=True)
class BestQuestion:
    """The question with the highest gain at a leaf.

    Attributes:
        key: window position or PDF_CLASS.
        values: the values of the key whose answer is yes.
        gain: log-likelihood gained by the split.
        says_yes: (k,) whether each row of the leaf goes to the yes side.
    """

    key: int
    values: frozenset[int]
    gain: float
    says_yes: NDArray[np.bool_]


class QuestionSearch:
    """Finds the best question of any leaf; a leaf is the list of the statistics' rows that reach it.

    Args:
        stats: of the whole tree.
        questions: sets of phones, asked at every position.
        num_pdf_classes: the most that a phone has; the questions about them are {0}, {0, 1} and so on.
        variance_floor: of the Gaussians.
        min_count: frames that both sides must have.
        refine_moves: values that may change sides after the best question of a position was found (Kaldi's
            `RefineClusters`); 0 asks the questions as they are.
    """

    def __init__(
        self,
        stats: TreeStatistics,
        questions: Sequence[frozenset[int]],
        *,
        num_pdf_classes: int,
        variance_floor: float,
        min_count: float,
        refine_moves: int = 0,
    ) -> None:
        self._sums = np.concatenate((stats.count[:, None], stats.first, stats.second), axis=1)
        self._dim = stats.dim
        self._floor, self._min_count, self._refine_moves = variance_floor, min_count, refine_moves
        size = 1 + max([0, int(stats.windows.max(initial=0)), *(max(question) for question in questions if question)])
        class_questions = [frozenset(range(last + 1)) for last in range(num_pdf_classes - 1)]
        phones = _Asked(tuple(questions), _membership(questions, size))
        self._asked = {PDF_CLASS: _Asked(tuple(class_questions), _membership(class_questions, num_pdf_classes))}
        self._values = {PDF_CLASS: stats.pdf_class}
        for position in range(stats.context_width):
            self._asked[position] = phones
            self._values[position] = np.ascontiguousarray(stats.windows[:, position])

    def log_likelihood(self, rows: NDArray[np.int64]) -> float:
        """Return the log-likelihood of a leaf's frames under their Gaussian."""
        return float(self._log_likelihood(self._sums[rows].sum(axis=0, keepdims=True))[0])

    def sums(self, rows: NDArray[np.int64]) -> FloatArray:
        """Return (1 + 2D,) the count, sums and sums of squares of a leaf's frames."""
        result: FloatArray = self._sums[rows].sum(axis=0)
        return result

    def count(self, rows: NDArray[np.int64]) -> float:
        """Return the frames of a leaf."""
        return float(self._sums[rows, 0].sum())

    def best(self, rows: NDArray[np.int64]) -> BestQuestion | None:
        """Return the best question of a leaf; None if none is allowed or gains anything."""
        if len(rows) < 2:
            return None
        sums = self._sums[rows]
        whole = sums.sum(axis=0)
        log_likelihood = float(self._log_likelihood(whole[None])[0])
        candidates = [found for key in self._asked if (found := self._candidates(key, rows, sums)) is not None]
        if not candidates:
            return None
        yes = np.concatenate([candidate.yes_sums for candidate in candidates])
        gains = self._gains(yes, whole, log_likelihood)
        tie = _TIE * (1.0 + abs(log_likelihood))
        if self._refine_moves:
            return self._refined(candidates, gains, rows, log_likelihood, tie)
        best = _first_best(gains, tie)
        if best is None:
            return None
        for candidate in candidates:
            if best < len(candidate.yes_sums):
                values = self._asked[candidate.key].sets[candidate.numbers[best]]
                says_yes = candidate.side[best][candidate.inverse]
                return self._answer(candidate.key, values, says_yes, sums, log_likelihood)
            best -= len(candidate.yes_sums)
        raise AssertionError("a gain without a question")

    def _candidates(self, key: int, rows: NDArray[np.int64], sums: FloatArray) -> "_Candidates | None":
        """Return the questions about a key that split the rows in different ways, and what their yes sides sum to."""
        values, inverse = np.unique(self._values[key][rows], return_inverse=True)
        asked = self._asked[key]
        if len(values) < 2 or not asked.sets:
            return None
        side = asked.membership[:, values]
        numbers = _distinct_splits(side)
        if not len(numbers):
            return None
        side = side[numbers]
        order = np.argsort(inverse, kind="stable")
        starts = np.searchsorted(inverse[order], np.arange(len(values)))
        by_value = np.add.reduceat(sums[order], starts, axis=0)
        return _Candidates(key, values, inverse, numbers, side, by_value, _product(side.astype(np.float64), by_value))

    def _gains(self, yes: FloatArray, whole: FloatArray, log_likelihood: float) -> FloatArray:
        both = np.concatenate((yes, whole - yes))
        parts = self._log_likelihood(both).reshape(2, len(yes)).sum(axis=0)
        allowed = np.all(both[:, 0].reshape(2, len(yes)) >= self._min_count - 1e-6, axis=0)
        return np.where(allowed, parts - log_likelihood, -np.inf)

    def _refined(
        self, candidates: list["_Candidates"], gains: FloatArray, rows: NDArray[np.int64], before: float, tie: float
    ) -> BestQuestion | None:
        best: BestQuestion | None = None
        begin = 0
        for candidate in candidates:
            own = gains[begin : begin + len(candidate.yes_sums)]
            begin += len(candidate.yes_sums)
            number = _first_best(own, tie)
            if number is None:
                continue
            start = candidate.side[number]
            side = refine_halves(
                candidate.by_value, start, floor=self._floor, max_moves=self._refine_moves, min_count=self._min_count
            )
            values = self._asked[candidate.key].sets[candidate.numbers[number]]
            if not np.array_equal(side, start):
                values = frozenset(candidate.values[side].tolist())
            found = self._answer(candidate.key, values, side[candidate.inverse], self._sums[rows], before)
            if best is None or found.gain > best.gain + tie:
                best = found
        return best

    def _answer(
        self, key: int, values: frozenset[int], says_yes: NDArray[np.bool_], sums: FloatArray, before: float
    ) -> BestQuestion:
        parts = np.stack((sums[says_yes].sum(axis=0), sums[~says_yes].sum(axis=0)))
        return BestQuestion(key, values, float(self._log_likelihood(parts).sum()) - before, says_yes)

    def _log_likelihood(self, sums: FloatArray) -> FloatArray:
        end = self._dim + 1
        return gaussian_log_likelihood(sums[:, 0], sums[:, 1:end], sums[:, end:], floor=self._floor)


@dataclass(frozen=True)
class _Asked:
    sets: tuple[frozenset[int], ...]
    membership: NDArray[np.bool_]  # (Q, values)


@dataclass(frozen=True)
class _Candidates:
    key: int
    values: NDArray[np.int32]  # (V,) that occur
    inverse: NDArray[np.int64]  # (k,) value of every row
    numbers: NDArray[np.int64]  # (q,) of the questions
    side: NDArray[np.bool_]  # (q, V) who says yes
    by_value: FloatArray  # (V, 1 + 2D)
    yes_sums: FloatArray  # (q, 1 + 2D)


def _membership(questions: Sequence[frozenset[int]], size: int) -> NDArray[np.bool_]:
    table = np.zeros((len(questions), size), dtype=np.bool_)
    for number, question in enumerate(questions):
        table[number, sorted(question)] = True
    return table


def _distinct_splits(side: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the first question of each way to part the values (q, V) in two, both of them not empty."""
    turned = side ^ side[:, :1]  # yes and no are the same split the other way round
    parting = np.flatnonzero(turned.any(axis=1))
    if side.shape[1] > 62:
        return parting
    codes = turned[parting] @ (np.int64(1) << np.arange(side.shape[1], dtype=np.int64))
    return parting[np.sort(np.unique(codes, return_index=True)[1])]


def _first_best(gains: FloatArray, tie: float) -> int | None:
    best = gains.max()
    if not best > tie:
        return None
    return int(np.argmax(gains >= best - tie))


def _product(rows: FloatArray, matrix: FloatArray) -> FloatArray:
    """Return `rows @ matrix` in pieces that do not start BLAS's threads."""
    step = max(1, _ONE_THREAD // matrix.size)
    return np.concatenate([rows[first : first + step] @ matrix for first in range(0, len(rows), step)])
