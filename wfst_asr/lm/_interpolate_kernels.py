"""Kernels of linear interpolation, on the arrays of NumberedNGrams.

P (N,) are natural logs of p(word | history), b (N,) natural logs of back-off weights.
"""

import numpy as np
from numba import njit

from wfst_asr.lm._scoring_kernels import child_of

_EXACT = 1e-3  # a difference 1 - x below this is summed from its parts instead


@njit(cache=True, nogil=True)
def fill_by_backing_off(parent, suffix, P, b, first):  # type: ignore[no-untyped-def]
    """Fill in P, where it is NaN, of the n-grams from number `first` on, by backing off."""
    for e in range(first, P.shape[0]):
        if np.isnan(P[e]):
            P[e] = lower_log_prob(parent, suffix, P, b, e, parent[e])


@njit(cache=True, nogil=True, inline="always")
def lower_log_prob(parent, suffix, P, b, e, history):  # type: ignore[no-untyped-def]
    """Return log p(w | history) for the last word w of n-gram e by backing off.

    `history` is parent[e], or a listed suffix of it that is at least as long as the history of suffix[e].  The longest
    listed suffix of e has the probability; the back-off weights of all longer histories count.
    """
    target = suffix[e]
    shorter = parent[target]
    weight = 0.0
    while history != shorter:
        weight += b[history]
        history = suffix[history]
    return weight + P[target]


@njit(cache=True, nogil=True)
def log_prob_after(first_child, suffix, word, P, b, history, w):  # type: ignore[no-untyped-def]
    """Return log p(w | history)."""
    weight = 0.0
    while history:
        found = child_of(word, first_child[history], first_child[history + 1], w)
        if found >= 0:
            return weight + P[found]
        weight += b[history]
        history = suffix[history]
    return weight + P[1 + w]


@njit(cache=True, nogil=True)
def sum_of_unlisted(first_child, suffix, word, P, b, begin_id, h):  # type: ignore[no-untyped-def]
    """Return the sum of p(w | h without its first words) over the words w that are not listed after h."""
    total = 0.0
    at, end = first_child[h], first_child[h + 1]
    for w in range(first_child[1] - first_child[0]):
        if at < end and word[at] == w:
            at += 1
        elif w != begin_id:
            total += np.exp(log_prob_after(first_child, suffix, word, P, b, suffix[h], w))
    return total


@njit(cache=True, nogil=True)
def unlisted_mass(parent, first_child, suffix, word, P, b, begin_id, h):  # type: ignore[no-untyped-def]
    """Return 1 - sum of p(w | h without its first words) over the words listed after h, exact where it is small."""
    rest = 1.0
    for c in range(first_child[h], first_child[h + 1]):
        if word[c] != begin_id:
            rest -= np.exp(lower_log_prob(parent, suffix, P, b, c, suffix[h]))
    if rest < _EXACT:
        rest = sum_of_unlisted(first_child, suffix, word, P, b, begin_id, h)
    return rest


@njit(cache=True, nogil=True)
def renormalise(  # type: ignore[no-untyped-def]
    parent, first_child, suffix, word, parts, part_backoffs, weights, begin_id, P, b
):
    """Make the probabilities after every history sum to 1: sets b, and scales P where nothing else helps.

    b(h) = (1 - sum of p(w | h)) / (1 - sum of p(w | h')), both over the words listed after h.  Where the numerator is
    small it is the mass that the mixed models, `parts` (M, N) and `part_backoffs` (M, N), give to unlisted words.
    """
    num_words = first_child[1] - first_child[0]
    for h in range(first_child.shape[0] - 1):
        begin, end = first_child[h], first_child[h + 1]
        if begin == end:
            continue
        listed = 0.0
        num_listed = 0
        for c in range(begin, end):
            num_listed += 1
            if word[c] != begin_id:
                listed += np.exp(P[c])
            elif h:
                num_listed -= 1
        if h == 0 or num_listed == num_words - (begin_id >= 0):
            scale(P, begin, end, word, begin_id, listed)
            continue
        rest = 1.0 - listed
        if rest < _EXACT:
            rest = 0.0
            for m in range(weights.shape[0]):
                if weights[m] > 0 and part_backoffs[m, h] > -np.inf:
                    mass = unlisted_mass(parent, first_child, suffix, word, parts[m], part_backoffs[m], begin_id, h)
                    rest += weights[m] * np.exp(part_backoffs[m, h]) * max(0.0, mass)
            total = listed + rest
            scale(P, begin, end, word, begin_id, total)
            if total > 0:
                rest /= total
        lower = unlisted_mass(parent, first_child, suffix, word, P, b, begin_id, h)
        if lower > 0:
            b[h] = np.log(rest) - np.log(lower) if rest > 0 else -np.inf
        else:
            scale(P, begin, end, word, begin_id, 1.0 - rest)


@njit(cache=True, nogil=True)
def scale(P, begin, end, word, begin_id, total):  # type: ignore[no-untyped-def]
    """Divide the probabilities of the events among n-grams begin..end by `total`."""
    if total > 0:
        for c in range(begin, end):
            if word[c] != begin_id:
                P[c] -= np.log(total)


@njit(cache=True, nogil=True)
def expectation(probs, weights, shares):  # type: ignore[no-untyped-def]
    """Return the mean log of the mixed probabilities; set `shares` (M,) to the mean posterior of each model.

    Args:
        probs: (E, M) probabilities of events.
        weights: (M,) of the models.
        shares: (M,) set.
    """
    shares[:] = 0.0
    total = 0.0
    for e in range(probs.shape[0]):
        mixed = 0.0
        for m in range(probs.shape[1]):
            mixed += weights[m] * probs[e, m]
        total += np.log(mixed)
        for m in range(probs.shape[1]):
            shares[m] += weights[m] * probs[e, m] / mixed
    shares /= probs.shape[0]
    return total / probs.shape[0]
