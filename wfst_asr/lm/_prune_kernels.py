"""Loops of relative-entropy pruning over the flat arrays of `prune.py`.

A history is a number: 0 the empty one, then the n-grams of each level in their order.  `first_child[s]` to
`first_child[s + 1]` are the numbers of the n-grams that extend it by a word.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@njit(cache=True, nogil=True)
def find_child(word: NDArray[np.int32], low: int, high: int, wanted: int) -> int:
    """Return the first place in [low, high) of an ascending `word` that is not below `wanted`."""
    step = 1
    while low + step < high and word[low + step] < wanted:
        low += step
        step *= 2
    high = min(high, low + step + 1)
    while low < high:
        middle = (low + high) >> 1
        if word[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def follow(
    first: Ints,
    spoken: NDArray[np.int32],
    start: Ints,
    word: NDArray[np.int32],
    log_prob: Floats,
    backoff: Floats,
    first_child: Ints,
    suffix: Ints,
    result: Floats,
    reached: Ints,
) -> None:
    """Go on from the history `start[h]` by each word of `spoken[first[h]:first[h + 1]]`, backing off as needed.

    Writes the log probability of each word to `result` and, unless it is empty, the n-gram found to `reached`.
    """
    for h in range(len(first) - 1):
        state = start[h]
        low, high = first_child[state], first_child[state + 1]
        for j in range(first[h], first[h + 1]):
            w = spoken[j]
            total = 0.0
            if state == 0:
                found = 1 + w
            else:
                low = find_child(word, low, high, w)
                found = low
                at = state
                if low == high or word[low] != w:
                    total += backoff[state]
                    at = suffix[state]
                    while at:
                        found = find_child(word, first_child[at], first_child[at + 1], w)
                        if found < first_child[at + 1] and word[found] == w:
                            break
                        total += backoff[at]
                        at = suffix[at]
                    if at == 0:
                        found = 1 + w
            result[j] = total + log_prob[found]
            if len(reached):
                reached[j] = found


@njit(cache=True, nogil=True)
def freed_masses(
    first: Ints, spoken: NDArray[np.int32], log_prob: Floats, lower: Floats, sentence_start: int
) -> tuple[Floats, Floats]:
    """Return 1 - sum p(w | h) and 1 - sum p(w | h') over the words listed after each history."""
    num = np.ones(len(first) - 1)
    den = np.ones(len(first) - 1)
    for h in range(len(first) - 1):
        for j in range(first[h], first[h + 1]):
            if spoken[j] != sentence_start:
                num[h] -= math.exp(log_prob[j])
                den[h] -= math.exp(lower[j])
    return num, den


@njit(cache=True, nogil=True)
def sum_unlisted(
    histories: Ints,
    first: Ints,
    spoken: NDArray[np.int32],
    start: Ints,
    word: NDArray[np.int32],
    log_prob: Floats,
    backoff: Floats,
    first_child: Ints,
    suffix: Ints,
    sentence_start: int,
    result: Floats,
) -> None:
    """Write to `result[h]` the sum of p(w | start[h]) over the words not listed after h, term by term."""
    seen = np.full(first_child[1] - first_child[0], -1, dtype=np.int64)
    for h in histories:
        if sentence_start >= 0:
            seen[sentence_start] = h
        for j in range(first[h], first[h + 1]):
            seen[spoken[j]] = h
        total, weight, state = 0.0, 0.0, start[h]
        while True:
            for child in range(first_child[state], first_child[state + 1]):
                if seen[word[child]] != h:
                    seen[word[child]] = h
                    total += math.exp(weight + log_prob[child])
            weight += backoff[state]
            if state == 0 or math.exp(weight) <= 1e-15 * total or weight == -math.inf:
                break
            state = suffix[state]
        result[h] = total


@njit(cache=True, nogil=True)
def removal_scores(
    first: Ints,
    spoken: NDArray[np.int32],
    log_prob: Floats,
    lower: Floats,
    num: Floats,
    den: Floats,
    log_history: Floats,
    sentence_start: int,
    score: Floats,
) -> None:
    """Write the relative growth of the perplexity when an n-gram alone is removed (Stolcke 1998, equation 5)."""
    for h in range(len(first) - 1):
        weight = math.exp(log_history[h])
        old = math.log(num[h]) - math.log(den[h]) if num[h] > 0.0 and den[h] > 0.0 else 0.0
        for j in range(first[h], first[h + 1]):
            if spoken[j] == sentence_start or weight == 0.0:
                score[j] = 0.0
                continue
            prob, backed_off = math.exp(log_prob[j]), math.exp(lower[j])
            mass, room = num[h] + prob, den[h] + backed_off
            if mass == 0.0:
                score[j] = 0.0  # impossible before and after
                continue
            if room == 0.0:
                score[j] = math.inf
                continue
            new = math.log(mass) - math.log(room)
            gain = 0.0
            if prob > 0.0:
                gain += prob * (lower[j] + new - log_prob[j])
            if num[h] > 0.0:
                gain += num[h] * (new - old)
            score[j] = max(0.0, math.expm1(-weight * gain))


@njit(cache=True, nogil=True)
def raise_to_children(first_child: Ints, children: Floats, score: Floats) -> None:
    """Raise each score to the largest of the n-grams that extend it."""
    for i in range(len(score)):
        for j in range(first_child[i], first_child[i + 1]):
            score[i] = max(score[i], children[j])


@njit(cache=True, nogil=True)
def removed_masses(
    first: Ints, spoken: NDArray[np.int32], log_prob: Floats, kept: NDArray[np.bool_], sentence_start: int
) -> Floats:
    """Return the sum of p(w | h) over the n-grams of each history that are not kept."""
    mass = np.zeros(len(first) - 1)
    for h in range(len(first) - 1):
        for j in range(first[h], first[h + 1]):
            if not kept[j] and spoken[j] != sentence_start:
                mass[h] += math.exp(log_prob[j])
    return mass
