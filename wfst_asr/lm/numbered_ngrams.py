"""All n-grams of a model in one row of numbers, with histories, suffixes and children as flat arrays for kernels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.lm.backoff import NGramModel
from wfst_asr.lm.suffix_links import suffix_links


@dataclass(frozen=True)
class NumberedNGrams:
    """The n-grams of a model with the numbers of SuffixLinks: 0 is the empty history, then level by level.

    Attributes:
        offset: (order + 1,) int64; the n-grams of level k have the numbers `offset[k]` to `offset[k + 1]`.
        parent: (N,) int64, number of the history of each n-gram.
        suffix: (N,) int64, number of the longest listed proper suffix of each.
        word: (N,) int32, last word of each; -1 of number 0.
        first_child: (N + 1,) int64; the n-grams with n-gram e as their history are `first_child[e]` to
            `first_child[e + 1]`, ascending by word.
    """

    offset: NDArray[np.int64]
    parent: NDArray[np.int64]
    suffix: NDArray[np.int64]
    word: NDArray[np.int32]
    first_child: NDArray[np.int64]


def number_ngrams(model: NGramModel) -> NumberedNGrams:
    """Give every n-gram of a model a number.

    >>> from wfst_asr.lm.assemble import NGramRows, assemble_model
    >>> zero = np.zeros(2)
    >>> rows = [NGramRows(np.array([[0], [1]], np.int32), zero, zero),
    ...         NGramRows(np.array([[0, 1], [1, 1]], np.int32), zero, zero)]
    >>> number_ngrams(assemble_model(["a", "b"], rows).model).first_child.tolist()  # "", a, b, a b, b b
    [1, 3, 4, 5, 5, 5]
    """
    links = suffix_links(model)
    offset, size = links.offset, int(links.offset[-1])
    first_child = np.full(size + 1, size, dtype=np.int64)
    first_child[0] = 1
    word = np.full(size, -1, dtype=np.int32)
    for k, level in enumerate(model.levels):
        word[offset[k] : offset[k + 1]] = level.word
        if k + 1 < model.order:
            first_child[offset[k] : offset[k + 1]] = offset[k + 1] + level.first_child[:-1]
    return NumberedNGrams(offset, links.parent, links.suffix, word, first_child)
