"""Kernels that draw sentences from a back-off model, on the arrays of NumberedNGrams."""

import numpy as np
from numba import njit

from wfst_asr.lm._interpolate_kernels import log_prob_after
from wfst_asr.lm._scoring_kernels import child_of

_MAX_REJECTED = 100  # then the words are enumerated


@njit(cache=True, nogil=True)
def draw_listed(mass_before, begin, end, share):  # type: ignore[no-untyped-def]
    """Return the n-gram of begin..end at `share` (0 to 1) of their probability; `mass_before` (N + 1,) adds it up."""
    target = mass_before[begin] + share * (mass_before[end] - mass_before[begin])
    low, high = begin, end - 1  # the first n-gram e with mass_before[e + 1] > target
    while low < high:
        middle = (low + high) >> 1
        if mass_before[middle + 1] > target:
            high = middle
        else:
            low = middle + 1
    while low > begin and mass_before[low + 1] == mass_before[low]:  # rounding led behind the last one
        low -= 1
    return low


@njit(cache=True, nogil=True)
def draw_unlisted(first_child, suffix, word, P, b, begin_id, h, share):  # type: ignore[no-untyped-def]
    """Return the word at `share` of the probability that h's suffix gives to words not listed after h; -1 for none."""
    num_words = first_child[1] - first_child[0]
    total = 0.0
    for turn in range(2):
        target = share * total
        so_far = 0.0
        last = -1
        at, end = first_child[h], first_child[h + 1]
        for w in range(num_words):
            if at < end and word[at] == w:
                at += 1
            elif w != begin_id:
                prob = np.exp(log_prob_after(first_child, suffix, word, P, b, suffix[h], w))
                so_far += prob
                if prob > 0:
                    last = w
                    if turn and so_far > target:
                        break
        total = so_far
    return last


@njit(cache=True, nogil=True)
def draw_word(first_child, suffix, word, P, b, mass_before, begin_id, history, chain, rng):  # type: ignore[no-untyped-def]
    """Draw a word by its probability after `history`; `chain` (order + 1,) is room for numbers.

    One of the listed words, or, with the probability that they leave, a word after the suffix of the history, drawn
    again until it is not among the listed ones.
    """
    depth = 0
    chain[0] = history
    rejected = 0
    while True:
        h = chain[depth]
        begin, end = first_child[h], first_child[h + 1]
        listed = mass_before[end] - mass_before[begin]
        share = rng.random()
        if h and not (share < listed or (b[h] == -np.inf and listed > 0)):
            depth += 1
            chain[depth] = suffix[h]
            continue
        if h and b[h] > -np.inf:
            share = share / listed  # below 1
        w = word[draw_listed(mass_before, begin, end, share)]
        level = depth - 1
        while level >= 0:
            h = chain[level]
            begin, end = first_child[h], first_child[h + 1]
            if child_of(word, begin, end, w) >= 0:
                rejected += 1
                if rejected < _MAX_REJECTED:
                    break
                w = draw_unlisted(first_child, suffix, word, P, b, begin_id, h, rng.random())
                if w < 0:  # what the listed words left was a rounding error
                    w = word[draw_listed(mass_before, begin, end, rng.random())]
            level -= 1
        if level < 0:
            return w
        depth = level + 1


@njit(cache=True, nogil=True)
def following(first_child, suffix, word, history, w, top):  # type: ignore[no-untyped-def]
    """Return the longest listed suffix of the history and w that can be a history; n-grams from number `top` cannot."""
    found = np.int64(-1)
    while history:
        found = child_of(word, first_child[history], first_child[history + 1], w)
        if found >= 0:
            break
        history = suffix[history]
    if found < 0:
        found = np.int64(1 + w)
    return suffix[found] if found >= top else found


@njit(cache=True, nogil=True)
def draw_sentence(  # type: ignore[no-untyped-def]
    first_child, suffix, word, P, b, mass_before, begin_id, end_id, history, top, chain, rng, sentence
):
    """Draw words after `history` into `sentence` until `end_id` comes or it is full; return their number."""
    for t in range(sentence.shape[0]):
        w = draw_word(first_child, suffix, word, P, b, mass_before, begin_id, history, chain, rng)
        if w == end_id:
            return t
        sentence[t] = w
        history = following(first_child, suffix, word, history, w, top)
    return sentence.shape[0]
