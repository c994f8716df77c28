"""Count the n-grams of a text, and the different words that come before each of them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.text import Text, map_words, read_text

MAX_ORDER = 6


@dataclass(frozen=True)
class CountLevel:
    """All n-grams of one order that a text has, sorted by (history, word).

    Attributes:
        word: (n,) int32 ids; the last word of each n-gram.
        count: (n,) int32, how often it occurs.
        first_child: (n + 1,) int64; the n-grams of the next order that extend entry i are
            `first_child[i]:first_child[i + 1]` of the next level (all zero at the highest order).
        suffix: (n,) int32; index in the level below of the n-gram without its first word (0 for unigrams).
    """

    word: NDArray[np.int32]
    count: NDArray[np.int32]
    first_child: NDArray[np.int64]
    suffix: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.word)


@dataclass(frozen=True)
class NGramCounts:
    """Counts of the n-grams of all orders.

    Attributes:
        words: the vocabulary; `<s>` is 0 and `</s>` is 1.
        levels: one CountLevel an order; level 0 has one entry a word of the vocabulary, also where its count is 0.
        num_sentences: sentences of the text.
        num_oov: running words outside the vocabulary, which no n-gram has.
    """

    words: tuple[str, ...]
    levels: tuple[CountLevel, ...]
    num_sentences: int
    num_oov: int

    @property
    def order(self) -> int:
        return len(self.levels)

    @property
    def num_ngrams(self) -> tuple[int, ...]:
        return tuple(len(level) for level in self.levels)

    def num_from_sentence_begin(self, order: int) -> int:
        """Return how many n-grams of an order begin with `<s>`; they are the first of their level."""
        bound = 1
        for level in self.levels[: order - 1]:
            bound = int(level.first_child[bound])
        return bound

    def parents(self, order: int) -> NDArray[np.int64]:
        """Return, for each n-gram of an order above 1, the index of its history in the level below."""
        below = self.levels[order - 2]
        return np.repeat(np.arange(len(below), dtype=np.int64), np.diff(below.first_child))

    def ngram(self, order: int, entry: int) -> tuple[str, ...]:
        """Return the words of an n-gram."""
        words = []
        for level in range(order - 1, -1, -1):
            words.append(self.words[self.levels[level].word[entry]])
            if level:
                entry = int(np.searchsorted(self.levels[level - 1].first_child, entry, side="right")) - 1
        return tuple(reversed(words))


def count_ngrams(
    text: Text | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    order: int,
    *,
    vocabulary: Sequence[str] | None = None,
    unknown: str | None = "<unk>",
    report: Callable[[str], None] | None = None,
) -> NGramCounts:
    """Count all n-grams of 1 to `order` words, from `<s>` to `</s>`, none over the end of a sentence.

    Args:
        text: a Text, or the paths of texts.
        order: 1 to 6.
        vocabulary: the words to keep; all of the text's by default.
        unknown: the word counted in the place of every other word, added to the vocabulary; None leaves out all n-grams
            that hold a word outside.
        report: called with the name of each step before it begins.

    O(T order) for T words; memory about 20 bytes a word of the text beside the counts.

    >>> from wfst_asr.lm.text import text_of_sentences
    >>> counts = count_ngrams(text_of_sentences(["a rose is a rose", "a bud"]), 2)
    >>> {counts.ngram(2, i): int(n) for i, n in enumerate(counts.levels[1].count)}[("a", "rose")]
    2
    """
    if not 1 <= order <= MAX_ORDER:
        raise WfstAsrError(f"order {order}: n-grams have 1 to {MAX_ORDER} words")
    told = report or (lambda _: None)
    if not isinstance(text, Text):
        told("reading the text")
        text = read_text(text)
    if vocabulary is not None:
        text = map_words(text, with_marks(vocabulary, unknown), unknown=unknown)
    from wfst_asr.lm import _count_kernels as kernels

    told("counting 1-grams")
    ids = text.ids
    positions, word_begins, occurrences = kernels.positions_by_word(ids, len(text.words))
    if not len(positions):
        raise WfstAsrError("the text has no word of the vocabulary; nothing to count")
    num_words = len(text.words)
    no_children = np.zeros(num_words + 1, dtype=np.int64)
    levels = [
        CountLevel(np.arange(num_words, dtype=np.int32), occurrences, no_children, np.zeros(num_words, dtype=np.int32))
    ]
    entries, longer = ids, np.empty(0, dtype=np.int32)
    for k in range(2, order + 1):
        told(f"counting {k}-grams")
        begins, events, words = kernels.sort_by_history(ids, entries, len(levels[-1]), positions, word_begins)
        longer = np.full(len(ids) if k < order else 0, -1, dtype=np.int32)
        num_runs = kernels.number_of_runs(begins, words)
        word, count, suffix, first = kernels.count_runs(begins, events, words, entries, longer, num_runs)
        below = levels[-1]
        levels[-1] = CountLevel(below.word, below.count, first, below.suffix)
        levels.append(CountLevel(word, count, np.zeros(len(word) + 1, dtype=np.int64), suffix))
        entries = longer
    return NGramCounts(text.words, tuple(levels), text.num_sentences, text.num_oov)


def continuation_counts(counts: NGramCounts, order: int) -> NDArray[np.int32]:
    """Return, for each n-gram of an order below the highest, the number of different words before it.

    N-grams that begin with `<s>` have no word before them and keep their counts (Chen and Goodman 1998, as SRILM and
    KenLM do).
    """
    level, above = counts.levels[order - 1], counts.levels[order]
    result = np.bincount(above.suffix, minlength=len(level)).astype(np.int32)
    from_begin = counts.num_from_sentence_begin(order)
    result[:from_begin] = level.count[:from_begin]
    return result


def commonest_words(text: Text, size: int) -> tuple[str, ...]:
    """Return the `size` words that occur most often in a text, ties by first appearance; fewer if it has fewer."""
    ids = text.ids[text.ids >= 0]
    counts = np.bincount(ids, minlength=len(text.words))
    counts[:2] = -1  # the marks
    by_count = np.argsort(-counts, kind="stable")[: min(size, len(text.words) - 2)]
    return tuple(text.words[i] for i in np.sort(by_count) if counts[i] > 0)


def with_marks(words: Sequence[str], unknown: str | None) -> tuple[str, ...]:
    """Return a vocabulary that begins with `<s>`, `</s>` and, if given, the word for those outside."""
    marks = ["<s>", "</s>", *([unknown] if unknown is not None else [])]
    return tuple(dict.fromkeys([*marks, *words]))
