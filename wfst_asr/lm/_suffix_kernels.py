"""Kernel of the suffix links of a back-off model."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def link_suffixes(word: np.ndarray, first: np.ndarray, parent: np.ndarray, suffix: np.ndarray) -> None:
    """Fill in the parent and the longest listed proper suffix of every n-gram, both by number.

    Args:
        word: (N,) int32 last word by number.
        first: (H + 1,) int64; the n-grams that extend number i are `first[i]` to `first[i + 1]`, ascending by word;
            the levels but the highest, the first being the unigrams, numbers 1 to V by word id.
        parent: (N,) int64, filled for numbers above V.
        suffix: (N,) int64, filled for numbers above V; 0 below.
    """
    for history in range(1, len(first) - 1):
        shorter = suffix[history]
        low = first[shorter]  # words before it are smaller than the one looked for
        for child in range(first[history], first[history + 1]):
            wanted = word[child]
            parent[child] = history
            at, begin = shorter, low
            while at > 0:
                # gallop, then halve: the words of both lists ascend
                end, step = first[at + 1], 1
                high = begin
                while high < end and word[high] < wanted:
                    begin = high + 1
                    high += step
                    step *= 2
                high = min(high, end)
                while begin < high:
                    middle = (begin + high) // 2
                    if word[middle] < wanted:
                        begin = middle + 1
                    else:
                        high = middle
                if at == shorter:
                    low = begin
                if begin < end and word[begin] == wanted:
                    break
                at = suffix[at]
                begin = first[at]
            suffix[child] = begin if at > 0 else 1 + wanted
