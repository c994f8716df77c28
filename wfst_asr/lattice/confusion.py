"""Minimum-Bayes-risk words and the confusion network: what stands beside each word, with posteriors and times.

The words with the least expected number of errors, if the lattice tells the truth about what may have been said; the
best path has the least expected number of wrong sentences.  Xu, Povey, Mangu and Zhu 2011, "Minimum Bayes Risk decoding
and system combination based on a recursion for edit distance"; Kaldi: `lat/sausages.cc`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.best_path import best_path
from wfst_asr.lattice.single_end import AnyLattice, SingleEnd, with_single_end

_MAX_ITERATIONS = 100
_SAME = 1e-9
_MAX_CELLS = 1 << 28


@dataclass(frozen=True)
class ConfusionNetwork:
    """A sequence of bins, each with words that exclude each other; 0 is no word.

    The words of the hypothesis have a bin each, and between, before and after them stands a bin for what may be
    inserted there, so that bins are 2 * words + 1.  A word of the lattice beside a word of the hypothesis that needs
    more room than the bins offer is counted in the Bayes risk, but in no bin.

    Attributes:
        first_entry: (B + 1,) int64 entries of bin b are `first_entry[b] : first_entry[b + 1]`.
        words: (K,) int32 labels, 0 for none; in a bin the most probable first.
        posteriors: (K,) float64; those of a bin sum to 1.
        begins: (K,) float64 expected first frame of a word in a bin.
        ends: (K,) float64 expected frame after its last.
        bin_begins: (B,) float64 expected first frame of a bin, not before the end of the bin before it.
        bin_ends: (B,) float64 expected frame after its last.
        hypothesis: the words.
        confidences: (W,) float64 posteriors of the words of the hypothesis in their bins.
        word_begins: (W,) float64 expected first frame of each word, not before the end of the word before it.
        word_ends: (W,) float64.
        bayes_risk: expected number of errors of the hypothesis under the network's alignment of the paths: never below
            the exact expected edit distance.
        num_iterations: how often the statistics were computed.
    """

    first_entry: NDArray[np.int64]
    words: NDArray[np.int32]
    posteriors: NDArray[np.float64]
    begins: NDArray[np.float64]
    ends: NDArray[np.float64]
    bin_begins: NDArray[np.float64]
    bin_ends: NDArray[np.float64]
    hypothesis: tuple[int, ...]
    confidences: NDArray[np.float64]
    word_begins: NDArray[np.float64]
    word_ends: NDArray[np.float64]
    bayes_risk: float
    num_iterations: int = 1

    @property
    def num_bins(self) -> int:
        """Number of bins."""
        return len(self.first_entry) - 1

    def bin(self, number: int) -> list[tuple[int, float]]:
        """Return the (word, posterior) pairs of a bin, the most probable first."""
        entries = slice(int(self.first_entry[number]), int(self.first_entry[number + 1]))
        return list(zip(self.words[entries].tolist(), self.posteriors[entries].tolist(), strict=True))


@dataclass(frozen=True)
class _Statistics:
    """What `alignment_statistics` says of a hypothesis: (Q, V) arrays over bins and the vocabulary."""

    bins: NDArray[np.int64]
    posterior: NDArray[np.float64]
    begin: NDArray[np.float64]
    end: NDArray[np.float64]
    risk: float


def confusion_network(
    lattice: AnyLattice,
    hypothesis: Sequence[int] | None = None,
    *,
    keep: bool = False,
    acoustic_scale: float | None = None,
    insertion_penalty: float = 0.0,
    ignored: Collection[int] = (),
) -> ConfusionNetwork:
    """Find the words of minimum Bayes risk and what stands beside them, or (keep) the latter for given words.

    From a hypothesis (the best path, if none is given) on: all paths of the lattice are aligned with it, each bin takes
    the word with the highest posterior, and so on until nothing changes.  No step raises `bayes_risk`.  It is exact
    where no two paths come together again, and else an upper bound, as the alignment of a path's rest is chosen for all
    paths through a state together; so the result has at most the risk that the start has by this bound.

    Time is arcs * bins a step; usual are two or three steps.

    Args:
        lattice: of either kind, with at least one path; meant for determinized ones, where times are those of the arcs
            (align words first for exact ones).
        hypothesis: labels to start from.
        keep: leave the hypothesis as it is.
        acoustic_scale: that of the search, if not given.
        insertion_penalty: cost that each word adds.
        ignored: labels that are no words, such as silence.

    Raises:
        WfstAsrError: a scale that is no number above 0, a lattice without a path, one that is too large, or a
            hypothesis with the label 0.
    """
    if hypothesis is None:
        hypothesis = best_path(lattice, acoustic_scale=acoustic_scale, insertion_penalty=insertion_penalty).word_ids
    start = np.array([w for w in hypothesis if w not in ignored], dtype=np.int64)
    if (start == 0).any():
        raise WfstAsrError("the hypothesis has the label 0, which is no word; leave it out")
    joined = with_single_end(
        lattice, acoustic_scale=acoustic_scale, insertion_penalty=insertion_penalty, ignored=ignored
    )
    vocabulary = np.unique(np.concatenate([[0], joined.word, start]))
    if vocabulary[0] < 0:
        vocabulary = np.append(0, np.delete(vocabulary, np.searchsorted(vocabulary, 0)))  # none is number 0
    order = np.argsort(vocabulary, kind="stable")
    numbers = order[np.searchsorted(vocabulary, start, sorter=order)]
    statistics = _Aligner(joined, order[np.searchsorted(vocabulary, joined.word, sorter=order)], len(vocabulary))
    now, iterations = statistics(_with_gaps(numbers)), 1
    while not keep and iterations < _MAX_ITERATIONS:
        following = _with_gaps(_most_probable(now))
        if np.array_equal(following, now.bins):
            break
        after = statistics(following)
        iterations += 1
        if not after.risk < now.risk - _SAME:
            break
        now = after
    return replace(_network(now, vocabulary), num_iterations=iterations)


class _Aligner:
    """The lattice ready to be aligned with one hypothesis after another."""

    def __init__(self, joined: SingleEnd, word: NDArray[np.int64], num_words: int) -> None:
        forward, backward = joined.costs(soft=True)
        on_path = np.isfinite(forward[joined.source]) & np.isfinite(backward[joined.nextstate])
        self._share = np.zeros(len(joined.cost))
        kept = np.flatnonzero(on_path & np.isfinite(joined.cost))
        self._share[kept] = np.exp(forward[joined.nextstate[kept]] - forward[joined.source[kept]] - joined.cost[kept])
        self._joined = joined
        self._word = word
        self._num_words = num_words

    def __call__(self, bins: NDArray[np.int64]) -> _Statistics:
        from wfst_asr.lattice._edit_kernels import alignment_statistics

        joined = self._joined
        cells = len(bins) * max(len(joined.cost), self._num_words)
        if cells > _MAX_CELLS:
            raise WfstAsrError(
                f"{len(joined.cost):,} arcs by {len(bins)} bins are too much for a confusion network; "
                "prune or determinize the lattice first"
            )
        posterior, begin, end, _, beside = alignment_statistics(
            joined.first_arc, joined.nextstate, self._word, self._share, joined.frame, bins, self._num_words
        )
        right = posterior[np.arange(len(bins)), bins]
        return _Statistics(bins, posterior, begin, end, float(np.maximum(0.0, 1.0 - right).sum() + beside))


def _with_gaps(words: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bins of a hypothesis: no word between, before and after its words."""
    words = words[words != 0]
    bins = np.zeros(2 * len(words) + 1, dtype=np.int64)
    bins[1::2] = words
    return bins


def _most_probable(statistics: _Statistics) -> NDArray[np.int64]:
    """Return the word of highest posterior of each bin: the one that is there if no other has more, else the lowest."""
    highest = statistics.posterior.max(axis=1)
    there = statistics.posterior[np.arange(len(statistics.bins)), statistics.bins]
    best = np.argmax(statistics.posterior >= highest[:, None] - _SAME, axis=1)
    return np.where(there >= highest - _SAME, statistics.bins, best)


def _network(statistics: _Statistics, vocabulary: NDArray[np.int64]) -> ConfusionNetwork:
    bins = statistics.bins
    number, word = np.nonzero(statistics.posterior)
    posterior = statistics.posterior[number, word]
    order = np.lexsort((vocabulary[word], -posterior, number))
    number, word, posterior = number[order], word[order], posterior[order]
    first_entry = np.zeros(len(bins) + 1, dtype=np.int64)
    np.cumsum(np.bincount(number, minlength=len(bins)), out=first_entry[1:])
    bin_begins, bin_ends = _in_order(statistics.begin.sum(axis=1), statistics.end.sum(axis=1))
    spoken = np.flatnonzero(bins)
    of_words = (spoken, bins[spoken])
    confidences = statistics.posterior[of_words]
    seen = np.maximum(confidences, np.finfo(np.float64).tiny)
    word_begins = np.where(confidences > 0, statistics.begin[of_words] / seen, bin_begins[spoken])
    word_ends = np.where(confidences > 0, statistics.end[of_words] / seen, bin_ends[spoken])
    word_begins, word_ends = _in_order(word_begins, word_ends)
    return ConfusionNetwork(
        first_entry=first_entry,
        words=vocabulary[word].astype(np.int32),
        posteriors=posterior,
        begins=statistics.begin[number, word] / posterior,
        ends=statistics.end[number, word] / posterior,
        bin_begins=bin_begins,
        bin_ends=bin_ends,
        hypothesis=tuple(int(w) for w in vocabulary[bins[spoken]]),
        confidences=np.minimum(confidences, 1.0),
        word_begins=word_begins,
        word_ends=word_ends,
        bayes_risk=statistics.risk,
    )


def _in_order(
    begins: NDArray[np.float64], ends: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the times with the middle of every overlap as end of the one and begin of the next, as Kaldi does."""
    begins, ends = begins.copy(), ends.copy()
    for i in range(1, len(begins)):
        if ends[i - 1] > begins[i]:
            middle = 0.5 * (ends[i - 1] + begins[i])
            middle = max(middle, begins[i - 1])
            ends[i - 1] = begins[i] = middle
            ends[i] = max(ends[i], middle)
    return begins, ends
