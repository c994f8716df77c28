"""Estimate back-off models from counts, with any of the smoothing methods."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lm import add_k
from wfst_asr.lm.absolute import absolute_discounts
from wfst_asr.lm.backoff import NGramLevel, NGramModel
from wfst_asr.lm.counts import CountLevel, NGramCounts, continuation_counts
from wfst_asr.lm.counts_of_counts import CountsOfCounts, Discounts, counts_of_counts, undiscounted
from wfst_asr.lm.good_turing import good_turing_discounts
from wfst_asr.lm.katz import DEFAULT_THRESHOLD, katz_discounts, srilm_good_turing_discounts
from wfst_asr.lm.kneser_ney import kneser_ney_discounts, modified_kneser_ney_discounts
from wfst_asr.lm.witten_bell import witten_bell_discounts

SMOOTHINGS = (
    "maximum-likelihood",
    "add-k",
    "good-turing",
    "katz",
    "witten-bell",
    "absolute",
    "kneser-ney",
    "modified-kneser-ney",
)
INTERPOLATED = ("witten-bell", "absolute", "kneser-ney", "modified-kneser-ney")
KNESER_NEY = ("kneser-ney", "modified-kneser-ney")
SRILM_CUTOFFS = (1, 1, 2, 2, 2, 2)
SRILM_MAX_DISCOUNTED = 7
_SRILM_LEAST_MASS = 3e-06
_LEAST_MASS = 1e-12
_SMALL_ROOM = 1e-6  # below it a sum of unlisted words is taken word by word

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EstimateOptions:
    """How a model is estimated.

    Attributes:
        smoothing: one of SMOOTHINGS.
        interpolate: mix every order with the ones below also where an n-gram was seen (INTERPOLATED methods only).
        cutoffs: smallest count that is kept, one an order, unigrams first; the last holds for higher orders.
        katz_threshold: counts above it are not discounted (katz).
        k: what add-k adds to every count.
        srilm: what SRILM's ngram-count does by default: cutoffs 1 1 2 2 ..., Good-Turing discounts up to count 7 and
            none for unigrams (for good-turing and katz), cutoffs of Kneser-Ney on the changed counts, back-off
            weights normalised afterwards.
    """

    smoothing: str = "modified-kneser-ney"
    interpolate: bool = False
    cutoffs: tuple[int, ...] | None = None
    katz_threshold: int = DEFAULT_THRESHOLD
    k: float = 1.0
    srilm: bool = False

    def __post_init__(self) -> None:
        if self.smoothing not in SMOOTHINGS:
            raise WfstAsrError(f"smoothing '{self.smoothing}', expected one of {', '.join(SMOOTHINGS)}")
        if self.interpolate and self.smoothing not in INTERPOLATED:
            raise WfstAsrError(f"{self.smoothing} smoothing cannot be interpolated; {', '.join(INTERPOLATED)} can")
        cutoffs = self.cutoffs
        if cutoffs is not None and (not cutoffs or cutoffs[0] < 1 or list(cutoffs) != sorted(cutoffs)):
            raise WfstAsrError(
                f"cutoffs {' '.join(map(str, cutoffs))}, expected the smallest count to keep for each order: at least "
                "1 and not falling, such as 1 1 2"
            )
        if self.katz_threshold < 1:
            raise WfstAsrError(f"Katz threshold {self.katz_threshold}, expected at least 1")
        if not (self.k > 0 and np.isfinite(self.k)):
            raise WfstAsrError(f"k = {self.k} of add-k, expected a number above 0")

    def cutoff(self, order: int) -> int:
        """Return the smallest count that is kept of n-grams of an order."""
        cutoffs = self.cutoffs or (SRILM_CUTOFFS if self.srilm else (1,))
        return cutoffs[min(order, len(cutoffs)) - 1]


@dataclass(frozen=True)
class Estimated:
    """A model, and a line for every order in which the method did something else than its formula says."""

    model: NGramModel
    notes: tuple[str, ...]


def estimate_model(
    counts: NGramCounts, options: EstimateOptions | None = None, *, report: Callable[[str], None] | None = None
) -> Estimated:
    """Estimate p(w | h) for all n-grams of the counts.

    The probabilities after every history sum to 1 over the events: all words of the vocabulary but `<s>`.  The
    modules of the methods give the formulas; Chen and Goodman 1998 compares them.

    Args:
        counts: of `count_ngrams`; its order is the model's.
        options: smoothing and cutoffs.
        report: called with the name of each step before it begins.

    >>> from wfst_asr.lm.counts import count_ngrams
    >>> from wfst_asr.lm.text import text_of_sentences
    >>> counts = count_ngrams(text_of_sentences(["a b", "a b", "a c"]), 2)
    >>> model = estimate_model(counts, EstimateOptions("add-k")).model
    >>> round(float(np.exp(model.log_prob("b", ["a"]))), 4)  # (2 + 1) / (3 + 4)
    0.4286
    """
    options = options or EstimateOptions()
    return _Estimation(counts, options, report or (lambda _: None)).run()


class _Estimation:
    """The orders done so far: probabilities and back-off weights, not yet as logs."""

    def __init__(self, counts: NGramCounts, options: EstimateOptions, report: Callable[[str], None]) -> None:
        self.counts = counts
        self.options = options
        self.report = report
        self.num_events = len(counts.words) - 1
        self.probs: list[Floats] = []
        self.backoffs: list[Floats] = []
        self.listed: list[NDArray[np.bool_]] = []  # empty: all
        self.notes: list[str] = []

    def run(self) -> Estimated:
        for order in range(1, self.counts.order + 1):
            self.report(f"estimating {order}-grams")
            used = self._used_counts(order)
            self.listed.append(self._listed(order, used))
            if self.options.smoothing == "add-k":
                self._add_k(order, used)
            elif order == 1:
                self._unigrams(used)
            else:
                self._level(order, used)
        self._list_histories()
        self.report("making the model")
        return Estimated(self._model(), tuple(self.notes))

    def _used_counts(self, order: int) -> NDArray[np.int32]:
        if self.options.smoothing in KNESER_NEY and order < self.counts.order:
            # at least 1, also where only words outside a closed vocabulary come before
            return np.maximum(continuation_counts(self.counts, order), self.counts.levels[order - 1].count > 0)
        return self.counts.levels[order - 1].count

    def _listed(self, order: int, used: NDArray[np.int32]) -> NDArray[np.bool_]:
        cutoff = self.options.cutoff(order)
        if cutoff == 1:
            return np.empty(0, dtype=np.bool_)
        return (used if self.options.srilm else self.counts.levels[order - 1].count) >= cutoff

    def _discounts(self, order: int, used: NDArray[np.int32]) -> Discounts:
        options = self.options
        found = counts_of_counts(used[1:] if order == 1 else used)
        result = _discounts(found, order, options)
        if result.note is not None and len(found.r):
            self.notes.append(f"{options.smoothing}, order {order}: {result.note}")
        return result

    def _unigrams(self, used: NDArray[np.int32]) -> None:
        discounts = self._discounts(1, used)
        seen = used > 0
        if len(self.listed[0]):
            seen &= self.listed[0]
        seen[0] = False  # <s>
        kept = np.where(seen, discounts.discounted[np.where(seen, used, 0)], 0.0)
        types = int(np.count_nonzero(used[1:]))
        num_seen = int(np.count_nonzero(seen))
        events = int(used[1:].sum())
        total = events + discounts.per_type * types
        left = total - float(kept.sum())
        if self.options.smoothing != "maximum-likelihood" and num_seen < self.num_events:
            least = _SRILM_LEAST_MASS if self.options.srilm else _LEAST_MASS
            if left <= least * total:
                total += 1
                left = total - float(kept.sum())
        spread = self.options.interpolate or num_seen == self.num_events
        prob = kept / total
        if spread:
            prob[1:] += left / total / self.num_events
        elif self.options.smoothing != "maximum-likelihood" or num_seen < np.count_nonzero(used[1:]):
            prob[1:][~seen[1:]] = left / total / (self.num_events - num_seen)
        prob[0] = 0.0
        self.probs.append(prob)
        self.listed[0] = np.empty(0, dtype=np.bool_)

    def _level(self, order: int, used: NDArray[np.int32]) -> None:
        from wfst_asr.lm import _estimate_kernels as kernels

        options, level, below = self.options, self.counts.levels[order - 1], self.counts.levels[order - 2]
        discounts = self._discounts(order, used)
        prob, backoff = np.empty(len(level)), np.empty(len(below))
        known = (below.first_child, used, self.listed[order - 1], discounts.discounted, discounts.per_type)
        lower = self.probs[order - 2]
        if options.interpolate and not options.srilm:
            kernels.interpolate_level(*known, lower, level.suffix, prob, backoff)
        else:
            least = _SRILM_LEAST_MASS if options.srilm else _LEAST_MASS
            if options.smoothing == "maximum-likelihood":
                least = -1.0
            room = np.empty(len(below))
            rest = (self.num_events, least, options.interpolate, room)
            kernels.back_off_level(*known, lower, level.suffix, prob, backoff, *rest)
            self._mend_small_rooms(order, room, prob, backoff)
        self.probs.append(prob)
        self.backoffs.append(backoff)

    def _mend_small_rooms(self, order: int, room: Floats, prob: Floats, backoff: Floats) -> None:
        """Take the sums of unlisted words word by word where 1 - sum of the listed has lost its digits."""
        level, below = self.counts.levels[order - 1], self.counts.levels[order - 2]
        listed = self.listed[order - 1]
        for h in np.flatnonzero((room < _SMALL_ROOM) & (backoff > 0)).tolist():
            children = slice(int(below.first_child[h]), int(below.first_child[h + 1]))
            chosen = listed[children] if len(listed) else np.ones(children.stop - children.start, dtype=np.bool_)
            if np.count_nonzero(chosen) in (0, self.num_events):
                continue
            unlisted = np.ones(len(self.counts.words), dtype=np.bool_)
            unlisted[level.word[children][chosen]] = False
            unlisted[0] = False
            exact = float(self._distribution(order - 1, h)[unlisted].sum())
            left = 1.0 - float(prob[children][chosen].sum())
            if left > _LEAST_MASS and exact > 0:
                backoff[h] = left / exact
            prob[children][~chosen] = backoff[h] * self.probs[order - 2][level.suffix[children][~chosen]]

    def _distribution(self, length: int, history: int) -> Floats:
        """Return p(w | h') of all words for h' = a history (an n-gram of `length` words) without its first word."""
        path = []  # (length, entry) of ever shorter histories
        while length > 1:
            history = int(self.counts.levels[length - 1].suffix[history])
            length -= 1
            path.append((length, history))
        result = self.probs[0].copy()
        for length, entry in reversed(path):
            below, level = self.counts.levels[length - 1], self.counts.levels[length]
            children = slice(int(below.first_child[entry]), int(below.first_child[entry + 1]))
            result *= self.backoffs[length - 1][entry]
            result[level.word[children]] = self.probs[length][children]
        return result

    def _add_k(self, order: int, used: NDArray[np.int32]) -> None:
        num_orders = self.counts.order
        if order == 1:
            self.probs.append(add_k.unigram_probs(used, self.options.k, uniform=num_orders > 1))
            self.listed[0] = np.empty(0, dtype=np.bool_)
            return
        from wfst_asr.lm import _estimate_kernels as kernels

        level, below = self.counts.levels[order - 1], self.counts.levels[order - 2]
        prob, backoff = np.empty(len(level)), np.empty(len(below))
        from_begin = self.counts.num_from_sentence_begin(order - 1)
        known = (self.options.k, self.num_events, from_begin, order == num_orders)
        kernels.add_k_level(below.first_child, used, self.listed[order - 1], *known, prob, backoff)
        self.probs.append(prob)
        self.backoffs.append(backoff)

    def _list_histories(self) -> None:
        """List the histories of all listed n-grams, and leave out orders without a listed n-gram."""
        from wfst_asr.lm import _estimate_kernels as kernels

        while len(self.probs) > 1:
            order, listed = len(self.probs), self.listed[-1]
            if listed.any() if len(listed) else len(self.probs[-1]):
                break
            why = (
                f"no n-gram reaches the cutoff {self.options.cutoff(order)}"
                if len(listed)
                else "no sentence is so long"
            )
            self.notes.append(f"order {order} is left out: {why}")
            for per_order in (self.probs, self.listed, self.backoffs):
                per_order.pop()
        for order in range(len(self.probs), 2, -1):
            below = self.listed[order - 2]
            if len(below):
                above = self.listed[order - 1]
                if not len(above):
                    above = np.ones(len(self.probs[order - 1]), dtype=np.bool_)
                kernels.with_histories(self.counts.levels[order - 2].first_child, below, above)

    def _model(self) -> NGramModel:
        levels = []
        last = len(self.probs) - 1
        with np.errstate(divide="ignore"):
            for depth in range(last + 1):
                level = self.counts.levels[depth]
                log_prob = np.log(self.probs[depth], out=self.probs[depth])
                if depth < last:
                    log_backoff = np.log(self.backoffs[depth], out=self.backoffs[depth])
                    first_child = level.first_child
                else:
                    log_backoff, first_child = np.zeros(len(level)), np.zeros(len(level) + 1, dtype=np.int64)
                above = self.listed[depth + 1] if depth < last else np.empty(0, dtype=np.bool_)
                levels.append(_listed_level(level, log_prob, log_backoff, first_child, self.listed[depth], above))
        return NGramModel(self.counts.words, tuple(levels))


def _listed_level(
    level: CountLevel,
    log_prob: Floats,
    log_backoff: Floats,
    first_child: NDArray[np.int64],
    listed: NDArray[np.bool_],
    above: NDArray[np.bool_],
) -> NGramLevel:
    if len(above):
        first_child = np.concatenate(([0], np.cumsum(above)))[first_child]
    if not len(listed):
        return NGramLevel(level.word, log_prob, log_backoff, first_child)
    counted = np.diff(first_child)[listed]
    return NGramLevel(
        level.word[listed], log_prob[listed], log_backoff[listed], np.concatenate(([0], np.cumsum(counted)))
    )


def _discounts(found: CountsOfCounts, order: int, options: EstimateOptions) -> Discounts:
    smoothing = options.smoothing
    if smoothing in ("good-turing", "katz") and options.srilm:
        return srilm_good_turing_discounts(found, max_count=1 if order == 1 else SRILM_MAX_DISCOUNTED)
    if smoothing == "katz":
        return katz_discounts(found, threshold=options.katz_threshold)
    if smoothing == "maximum-likelihood":
        return Discounts(undiscounted(found))
    methods: dict[str, Callable[[CountsOfCounts], Discounts]] = {
        "good-turing": good_turing_discounts,
        "witten-bell": witten_bell_discounts,
        "absolute": absolute_discounts,
        "kneser-ney": kneser_ney_discounts,
        "modified-kneser-ney": modified_kneser_ney_discounts,
    }
    return methods[smoothing](found)
