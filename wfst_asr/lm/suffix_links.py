"""Suffix links of a back-off model: where each n-gram backs off to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.lm.backoff import NGramModel


@dataclass(frozen=True)
class SuffixLinks:
    """All n-grams of a model in one row of numbers, and the longest listed suffix of each.

    Number 0 is the empty history; the n-grams of level k have the numbers `offset[k]` to `offset[k + 1]`, in the
    order of their level.

    Attributes:
        offset: (order + 1,) int64.
        parent: (N,) int64; number of the history of each n-gram, that is of all its words but the last; 0 of number 0.
        suffix: (N,) int64; number of the longest listed proper suffix of each n-gram; 0 of number 0.
    """

    offset: NDArray[np.int64]
    parent: NDArray[np.int64]
    suffix: NDArray[np.int64]


def suffix_links(model: NGramModel) -> SuffixLinks:
    """Find the longest listed proper suffix of every n-gram, level by level, in O(N log N).

    The suffix of `h w` is `s w` for the longest suffix s of h for which `s w` is listed.

    >>> from wfst_asr.lm.assemble import NGramRows, assemble_model
    >>> zero = np.zeros(2)
    >>> rows = [NGramRows(np.array([[0], [1]], np.int32), zero, zero),
    ...         NGramRows(np.array([[0, 1], [1, 1]], np.int32), zero, zero)]
    >>> suffix_links(assemble_model(["a", "b"], rows).model).suffix.tolist()  # "", a, b, a b, b b
    [0, 0, 0, 2, 2]
    """
    num_words = len(model.words)
    offset = np.concatenate(([1], 1 + np.cumsum(model.num_ngrams))).astype(np.int64)
    parent = np.zeros(offset[-1], dtype=np.int64)
    suffix = np.zeros(offset[-1], dtype=np.int64)
    for k in range(1, model.order):
        parent[offset[k] : offset[k + 1]] = offset[k - 1] + model.parents[k]
    words = np.concatenate([level.word for level in model.levels[: max(1, model.order - 1)]])
    keys = parent[1 : 1 + len(words)] * num_words + words  # ascending: parents are, and words of one parent are
    for k in range(1, model.order):
        word = model.levels[k].word.astype(np.int64)
        history = suffix[parent[offset[k] : offset[k + 1]]]
        found = np.zeros(len(word), dtype=np.int64)
        rest = np.arange(len(word))
        while len(rest):
            key = history * num_words + word[rest]
            at = np.searchsorted(keys, key)
            listed = at < len(keys)
            listed[listed] = keys[at[listed]] == key[listed]
            found[rest[listed]] = 1 + at[listed]
            rest = rest[~listed]
            history = suffix[history[~listed]]
        suffix[offset[k] : offset[k + 1]] = found
    return SuffixLinks(offset, parent, suffix)
