"""What a text is good for: how many of its n-grams another text would lack, and what its counts allow.

If a text is split in two, the part of the n-grams of one half that the other half lacks tells how sparse it is: what
maximum likelihood would call impossible.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.lm.absolute import absolute_discount, absolute_discounts
from wfst_asr.lm.counts import NGramCounts, continuation_counts, count_ngrams
from wfst_asr.lm.counts_of_counts import CountsOfCounts, Discounts, counts_of_counts
from wfst_asr.lm.good_turing import LogLinearFit, good_turing_discounts, log_linear_fit
from wfst_asr.lm.katz import katz_discounts
from wfst_asr.lm.kneser_ney import kneser_ney_discounts, modified_kneser_ney_amounts, modified_kneser_ney_discounts
from wfst_asr.lm.text import Text
from wfst_asr.lm.witten_bell import witten_bell_discounts

_MAX_COUNT = 10
_VOCABULARY_SIZES = tuple(digit * 10**power for power in range(8) for digit in (1, 2, 5))
_METHODS: dict[str, Callable[[CountsOfCounts], Discounts]] = {
    "good-turing": good_turing_discounts,
    "katz": katz_discounts,
    "witten-bell": witten_bell_discounts,
    "absolute": absolute_discounts,
    "kneser-ney": kneser_ney_discounts,
    "modified-kneser-ney": modified_kneser_ney_discounts,
}


@dataclass(frozen=True)
class Unseen:
    """N-grams of one order of a text, and those of them that another text lacks; running ones, and different ones."""

    tokens: int
    unseen_tokens: int
    types: int
    unseen_types: int

    @property
    def token_share(self) -> float:
        return self.unseen_tokens / self.tokens if self.tokens else 0.0

    @property
    def type_share(self) -> float:
        return self.unseen_types / self.types if self.types else 0.0


@dataclass(frozen=True)
class OrderDiagnosis:
    """The n-grams of one order.

    Attributes:
        order: n.
        second_half: those of the second half of the sentences that the first half lacks; None for a single sentence.
        alternating: those of every second sentence that the other sentences lack; None for a single sentence.
        counts: counts of counts of the whole text.
        good_turing: r* of the counts r = 1 to 10, as smoothing uses them; nan of a count that no n-gram has.
        absolute: D = n_1 / (n_1 + 2 n_2), None where it cannot be estimated.
        modified: D_1, D_2, D_3+ of modified Kneser-Ney, None where they cannot be; of the counts that this order uses.
        notes: for each smoothing method, None where its own formula can be used, else what it does instead.
    """

    order: int
    second_half: Unseen | None
    alternating: Unseen | None
    counts: CountsOfCounts
    good_turing: tuple[float, ...]
    absolute: float | None
    modified: tuple[float, float, float] | None
    notes: dict[str, str | None]

    @property
    def fit(self) -> LogLinearFit | None:
        """Gale's log-linear fit of the counts of counts."""
        return log_linear_fit(self.counts)


@dataclass(frozen=True)
class Coverage:
    """A vocabulary of the `size` commonest words: what it covers.

    Attributes:
        size: words.
        covered: share of the running words of the text that are among its own `size` commonest.
        oov_rate: share of the second half's running words that are not among the first half's `size` commonest (all of
            its words, if it has fewer); None for a single sentence.
    """

    size: int
    covered: float
    oov_rate: float | None


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose_text` finds.

    Attributes:
        num_sentences: sentences.
        num_tokens: running words.
        num_types: different words.
        orders: one an order, from 1.
        coverage: by growing vocabulary; the last entry is the whole vocabulary.
        advice: one line.
    """

    num_sentences: int
    num_tokens: int
    num_types: int
    orders: tuple[OrderDiagnosis, ...]
    coverage: tuple[Coverage, ...]
    advice: str


def diagnose_text(text: Text, *, order: int = 3, report: Callable[[str], None] | None = None) -> Diagnosis:
    """Compare the halves of a text, and tell what its counts of counts allow.

    The n-grams are those that are counted for models: from `<s>` to `</s>`, none over the end of a sentence.

    Args:
        text: the text, over its own vocabulary.
        order: largest n, 1 to 6.
        report: called with the name of each step before it begins.

    Raises:
        WfstAsrError: an order out of range.

    >>> from wfst_asr.lm.text import text_of_sentences
    >>> found = diagnose_text(text_of_sentences(["a b", "a c"]), order=2)
    >>> found.orders[1].second_half  # of <s> a, a c, c </s> the first is not new
    Unseen(tokens=3, unseen_tokens=2, types=3, unseen_types=2)
    """
    told = report or (lambda _: None)
    told("counting n-grams")
    counts = count_ngrams(text, order)
    orders = [_order(counts, n) for n in range(1, order + 1)]
    halves: list[list[Unseen | None]] = [[None] * order] * 2
    del counts
    number = np.cumsum(text.ids == 0, dtype=np.int32) - 1  # of the sentence
    in_second = number >= (text.num_sentences + 1) // 2
    if text.num_sentences > 1:
        told("comparing the halves")
        halves = [list(_unseen(text, second, order)) for second in (in_second, number % 2 == 1)]
    told("covering the vocabulary")
    coverage = _coverage(text, in_second)
    types = int(np.count_nonzero(np.bincount(text.ids, minlength=len(text.words))[2:]))
    found = tuple(
        OrderDiagnosis(n, halves[0][n - 1], halves[1][n - 1], *facts) for n, facts in enumerate(orders, start=1)
    )
    return Diagnosis(text.num_sentences, text.num_tokens, types, found, coverage, _advice(found))


def _order(
    counts: NGramCounts, order: int
) -> tuple[CountsOfCounts, tuple[float, ...], float | None, tuple[float, float, float] | None, dict[str, str | None]]:
    raw = _of_events(counts.levels[order - 1].count, order)
    continued = raw if order == counts.order else _of_events(continuation_counts(counts, order), order)
    discounted = good_turing_discounts(raw).discounted
    return (
        raw,
        tuple(float(discounted[r]) if raw.number(r) else float("nan") for r in range(1, _MAX_COUNT + 1)),
        absolute_discount(raw),
        modified_kneser_ney_amounts(continued),
        {name: method(continued if "kneser" in name else raw).note for name, method in _METHODS.items()},
    )


def _of_events(count: NDArray[np.int32], order: int) -> CountsOfCounts:
    return counts_of_counts(count[1:] if order == 1 else count)  # without <s>


def _unseen(text: Text, in_second: NDArray[np.bool_], order: int) -> Sequence[Unseen]:
    """Return, for each order, the n-grams of the sentences marked that the others lack."""
    num_second = int(np.count_nonzero(text.ids[in_second] == 0))
    known, asked = (
        count_ngrams(Text(text.words, text.ids[mark], number), order)
        for mark, number in ((~in_second, text.num_sentences - num_second), (in_second, num_second))
    )
    result = []
    num_words = len(text.words)
    place = np.arange(num_words)  # of each n-gram asked for among the known ones, -1 where it is not
    for n in range(1, order + 1):
        count = asked.levels[n - 1].count
        if n == 1:
            place = np.where(known.levels[0].count > 0, place, -1)
            event = count > 0
            event[0] = False
        else:
            keys = known.parents(n) * num_words + known.levels[n - 1].word
            parent = place[asked.parents(n)]
            key = parent * num_words + asked.levels[n - 1].word
            at = np.searchsorted(keys, key)
            found = (parent >= 0) & (at < len(keys))
            found[found] = keys[at[found]] == key[found]
            place = np.where(found, at, -1)
            event = np.ones(len(count), dtype=bool)
        new = event & (place < 0)
        result.append(
            Unseen(
                int(count[event].sum(dtype=np.int64)),
                int(count[new].sum(dtype=np.int64)),
                int(np.count_nonzero(event)),
                int(np.count_nonzero(new)),
            )
        )
    return result


def _coverage(text: Text, in_second: NDArray[np.bool_]) -> tuple[Coverage, ...]:
    spoken = text.ids > 1
    num_words = len(text.words)
    whole = np.bincount(text.ids[spoken], minlength=num_words)
    first = np.bincount(text.ids[spoken & ~in_second], minlength=num_words)
    second = np.bincount(text.ids[spoken & in_second], minlength=num_words)
    covered = np.cumsum(np.sort(whole)[::-1])
    by_first = np.argsort(-first, kind="stable")[: np.count_nonzero(first)]
    known = np.cumsum(second[by_first])
    num_types = int(np.count_nonzero(whole))
    sizes = [size for size in _VOCABULARY_SIZES if size < num_types and (size >= 1000 or num_types < 10_000)]
    return tuple(
        Coverage(
            size,
            float(covered[size - 1] / covered[-1]),
            float(1.0 - known[min(size, len(known)) - 1] / second.sum()) if second.any() else None,
        )
        for size in [*sizes, num_types]
    )


def _advice(orders: Sequence[OrderDiagnosis]) -> str:
    """Recommend an order and a smoothing."""
    usable = orders[0].order
    for found in orders:
        half = found.alternating
        if half is not None and half.token_share < 0.8:
            usable = found.order
    method = "modified-kneser-ney"
    if any(found.notes[method] for found in orders[:usable]):
        method = "witten-bell"
    if method == "witten-bell":
        why = "the counts do not give modified Kneser-Ney its discounts, Witten-Bell needs none"
    else:
        why = "all discounts of modified Kneser-Ney can be estimated"
    half = orders[usable - 1].alternating
    if half is not None:
        why += f"; of the {usable}-grams of half the sentences the other half lacks {half.token_share:.0%}"
    return f"train with --order {usable} --smoothing {method} --interpolate: {why}"
