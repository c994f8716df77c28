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
    """Find the longest listed proper suffix of every n-gram, level by level, in O(N log V).

    The suffix of `h w` is `s w` for the longest suffix s of h for which `s w` is listed.

    >>> from wfst_asr.lm.assemble import NGramRows, assemble_model
    >>> zero = np.zeros(2)
    >>> rows = [NGramRows(np.array([[0], [1]], np.int32), zero, zero),
    ...         NGramRows(np.array([[0, 1], [1, 1]], np.int32), zero, zero)]
    >>> suffix_links(assemble_model(["a", "b"], rows).model).suffix.tolist()  # "", a, b, a b, b b
    [0, 0, 0, 2, 2]
    """
    from wfst_asr.lm._suffix_kernels import link_suffixes

    offset = np.concatenate(([1], 1 + np.cumsum(model.num_ngrams))).astype(np.int64)
    parent = np.zeros(offset[-1], dtype=np.int64)
    suffix = np.zeros(offset[-1], dtype=np.int64)
    word = np.concatenate([np.full(1, -1, dtype=np.int32), *(level.word for level in model.levels)])
    first_child = [offset[k + 1] + level.first_child[:-1] for k, level in enumerate(model.levels[:-1])]
    first = np.concatenate([np.ones(1, dtype=np.int64), *first_child, offset[-1:]])
    link_suffixes(word, first, parent, suffix)
    return SuffixLinks(offset, parent, suffix)
