"""Kernels of scoring: one pass an order over the words of a text, and sums over sentences."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, inline="always")
def child_of(words, low, high, word):  # type: ignore[no-untyped-def]
    """Return the index of `word` in the ascending `words[low:high]`, -1 where it is not there."""
    size = high - low
    if size <= 0:
        return np.int64(-1)
    while size > 1:
        half = size >> 1
        low = low + half if words[low + half] <= word else low
        size -= half
    return np.int64(low) if words[low] == word else np.int64(-1)


@njit(cache=True, nogil=True)
def score_unigrams(ids, begin_id, level_log_prob, entry, log_prob, order):  # type: ignore[no-untyped-def]
    """Score every word by its unigram; `entry[t]` is left as the index of that unigram, -1 out of vocabulary.

    Beginnings of sentences get log probability 0 and order -1, words out of the vocabulary -inf and order 0.
    """
    for t in range(ids.shape[0]):
        word = ids[t]
        entry[t] = word
        if word < 0:
            log_prob[t] = -np.inf
            order[t] = 0
        elif word == begin_id:
            log_prob[t] = 0.0
            order[t] = -1
        else:
            log_prob[t] = level_log_prob[word]
            order[t] = 1


@njit(cache=True, nogil=True)
def score_order(  # type: ignore[no-untyped-def]
    ids, begin_id, first_child, backoff, words, level_log_prob, n, entry, log_prob, order
):
    """Raise scores by n-grams of order n - 1 to scores by n-grams of order n.

    p(w | h) is p*(w | h) where h w is listed, else backoff(h) p(w | h'), in place.

    Args:
        ids: (T,) words.
        begin_id: id of `<s>`.
        first_child: of the level of order n - 1, as is `backoff`.
        backoff: see above.
        words: of the level of order n, as is `level_log_prob`.
        level_log_prob: see above.
        n: the order.
        entry: (T,) index, in its level, of the n-gram of order n - 1 that ends in each word, -1 where it is not listed;
            made that of order n.
        log_prob: (T,) made the log probabilities by n-grams up to order n.
        order: (T,) int8, made n where an n-gram of order n was used.
    """
    for t in range(ids.shape[0] - 1, 0, -1):  # backwards, so that entry[t - 1] is still that of order n - 1
        history = entry[t - 1]
        word = ids[t]
        if history < 0 or word < 0 or word == begin_id:
            entry[t] = -1
            continue
        found = child_of(words, first_child[history], first_child[history + 1], word)
        entry[t] = found
        if found >= 0:
            log_prob[t] = level_log_prob[found]
            order[t] = n
        else:
            log_prob[t] += backoff[history]
    entry[0] = -1


@njit(cache=True, nogil=True)
def sum_sentences(log_prob, order, lowest, total, words, oov, zero):  # type: ignore[no-untyped-def]
    """Add up the words of each sentence: total log probability, words, out-of-vocabulary ones, impossible ones.

    Scores of `<s>`, w1, ... wm, `</s>`, `<s>`, ...: every sentence begins where the order is -1 and ends with `</s>`,
    which is no word; its probability counts.  Log probabilities of at most `lowest` are impossible.
    """
    sentence = -1
    for t in range(log_prob.shape[0]):
        if order[t] < 0:
            sentence += 1
            total[sentence] = 0.0
            words[sentence] = -1  # </s>
            oov[sentence] = 0
            zero[sentence] = 0
            continue
        words[sentence] += 1
        if order[t] == 0:
            oov[sentence] += 1
        elif log_prob[t] <= lowest:
            zero[sentence] += 1
        else:
            total[sentence] += log_prob[t]
