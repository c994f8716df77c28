"""A back-off n-gram model as flat arrays: one level an order, each sorted by (history, word)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class NGramLevel:
    """All n-grams of one order, sorted by (history, word).

    Attributes:
        word: (n,) int32 word ids; the last word of each n-gram.
        log_prob: (n,) float64, natural log of p(word | history).
        backoff: (n,) float64, natural log of the back-off weight of the n-gram as a history; 0 at the highest order.
        first_child: (n + 1,) int64; the n-grams of the next order that extend entry i are
            `first_child[i]:first_child[i + 1]` of the next level (all zero at the highest order).
    """

    word: NDArray[np.int32]
    log_prob: NDArray[np.float64]
    backoff: NDArray[np.float64]
    first_child: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.word)


@dataclass(frozen=True)
class NGramModel:
    """p(w | h) = p*(w | h) where the n-gram h w is listed, else backoff(h) p(w | h without its first word).

    Katz, "Estimation of probabilities from sparse data" (1987).

    Attributes:
        words: the vocabulary; a word id is an index into it (0-based, `<s>` and `</s>` among them).
        levels: one NGramLevel an order, unigrams first; level 0 has one entry a word, in the order of `words`.
    """

    words: tuple[str, ...]
    levels: tuple[NGramLevel, ...]
    word_ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "word_ids", {word: i for i, word in enumerate(self.words)})

    @property
    def order(self) -> int:
        return len(self.levels)

    @property
    def num_ngrams(self) -> tuple[int, ...]:
        return tuple(len(level) for level in self.levels)

    def find(self, ngram: Sequence[int]) -> int:
        """Return the index of an n-gram of word ids in its level, -1 if it is not listed."""
        entry = ngram[0]
        for depth, word in enumerate(ngram[1:]):
            level, children = self.levels[depth], self.levels[depth + 1].word
            low, high = int(level.first_child[entry]), int(level.first_child[entry + 1])
            at = low + int(np.searchsorted(children[low:high], word))
            if at == high or children[at] != word:
                return -1
            entry = at
        return entry

    @cached_property
    def parents(self) -> tuple[NDArray[np.int64], ...]:
        """For each level, the index of every n-gram's history in the level below (all 0 for unigrams)."""
        result = [np.zeros(len(self.levels[0]), dtype=np.int64)]
        for level in self.levels[:-1]:
            result.append(np.repeat(np.arange(len(level), dtype=np.int64), np.diff(level.first_child)))
        return tuple(result)

    def find_all(self, ngrams: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return the index of every n-gram, a row of word ids each, in its level; -1 where it is not listed.

        Args:
            ngrams: (R, n) word ids.
        """
        num_words = len(self.words)
        entry = ngrams[:, 0].astype(np.int64)
        for depth in range(1, ngrams.shape[1]):
            if depth >= self.order:
                return np.full(len(ngrams), -1, dtype=np.int64)
            keys = self._keys[depth]
            key = entry * num_words + ngrams[:, depth]
            at = np.searchsorted(keys, key)
            listed = (entry >= 0) & (at < len(keys))
            listed[listed] = keys[at[listed]] == key[listed]
            entry = np.where(listed, at, -1)
        return entry

    def log_probs(self, ngrams: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Return the natural log of p(last word | words before), by backing off where an n-gram is not listed.

        Args:
            ngrams: (R, n) word ids; n of any size, words before the last `order - 1` of the history are ignored.
        """
        ngrams = ngrams[:, max(0, ngrams.shape[1] - self.order) :]
        result = np.zeros(len(ngrams))
        rest = np.arange(len(ngrams))
        for first in range(ngrams.shape[1]):
            entry = self.find_all(ngrams[rest, first:])
            listed = entry >= 0
            result[rest[listed]] += self.levels[ngrams.shape[1] - first - 1].log_prob[entry[listed]]
            rest = rest[~listed]
            if not len(rest):
                break
            history = self.find_all(ngrams[rest, first:-1])
            weights = self.levels[ngrams.shape[1] - first - 2].backoff
            result[rest] += np.where(history >= 0, weights[np.maximum(history, 0)], 0.0)
        return result

    def log_prob(self, word: str, history: Sequence[str] = ()) -> float:
        """Return the natural log of p(word | history), the most recent word of the history last.

        A word outside the vocabulary counts as `<unk>` where the model lists it; otherwise its log probability is -inf,
        and as part of a history it hides the words before it.
        """
        ids = self.ids([*history, word])
        if ids[-1] < 0:
            return -math.inf
        known = ids[1 + int(np.flatnonzero(ids < 0)[-1]) :] if (ids < 0).any() else ids
        return float(self.log_probs(known[np.newaxis])[0])

    def score(self, sentence: str | Sequence[str]) -> float:
        """Return the natural log of the probability of a sentence, from `<s>` to `</s>`; -inf for an impossible one."""
        words = ["<s>", *(sentence.split() if isinstance(sentence, str) else sentence), "</s>"]
        first = range(1, len(words))
        return sum(self.log_prob(words[i], words[max(0, i - self.order + 1) : i]) for i in first)

    def scores(self, sentences: Sequence[str | Sequence[str]]) -> NDArray[np.float64]:
        """Return `score` of every sentence (S,), millions of words a second."""
        from wfst_asr.lm.scoring import score_sentences

        return score_sentences(self, sentences)

    def ids(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Return the ids of words (n,); of `<unk>` (or `<UNK>`) for one outside the vocabulary, -1 without it."""
        unknown = self.word_ids.get("<unk>", self.word_ids.get("<UNK>", -1))
        return np.array([self.word_ids.get(word, unknown) for word in words], dtype=np.int64)

    @cached_property
    def _keys(self) -> tuple[NDArray[np.int64], ...]:
        """For each level, parent * number of words + word of every n-gram: ascending."""
        levels = zip(self.parents, self.levels, strict=True)
        return tuple(parent * len(self.words) + level.word for parent, level in levels)
