"""Kernels that count n-grams: positions of a text sorted by (history, word), one order after the other.

`entries[t]` is the index, in the level of order k, of the n-gram of k words that ends at position t; -1 where it would
reach over the begin of a sentence or a word outside the vocabulary.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def positions_by_word(ids: np.ndarray, num_words: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort the positions of the events (ids above 0) by word; stable.

    Returns:
        positions (E,) int32; where the positions of each word begin (num_words + 1,); occurrences of every word, `<s>`
        (id 0) among them.
    """
    counts = np.zeros(num_words, np.int32)
    for t in range(ids.shape[0]):
        if ids[t] >= 0:
            counts[ids[t]] += 1
    begins = np.zeros(num_words + 1, np.int64)
    for word in range(1, num_words):
        begins[word + 1] = begins[word] + counts[word]
    cursor = begins.copy()
    positions = np.empty(begins[num_words], np.int32)
    for t in range(ids.shape[0]):
        if ids[t] > 0:
            positions[cursor[ids[t]]] = t
            cursor[ids[t]] += 1
    return positions, begins, counts


@njit(cache=True, nogil=True)
def sort_by_history(
    ids: np.ndarray, entries: np.ndarray, num_histories: int, positions: np.ndarray, word_begins: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort the events that follow an n-gram of the level below by that history, then by word.

    Returns:
        where the events of each history begin (num_histories + 1,); position of each event; word of each event.
    """
    begins = np.zeros(num_histories + 1, np.int64)
    for t in range(1, ids.shape[0]):
        if ids[t] > 0 and entries[t - 1] >= 0:
            begins[entries[t - 1] + 1] += 1
    for history in range(num_histories):
        begins[history + 1] += begins[history]
    cursor = begins[:num_histories].astype(np.int32)
    events = np.empty(begins[num_histories], np.int32)
    words = np.empty(begins[num_histories], np.int32)
    for word in range(1, word_begins.shape[0] - 1):
        for at in range(word_begins[word], word_begins[word + 1]):
            t = positions[at]
            if t > 0:
                history = entries[t - 1]
                if history >= 0:
                    place = cursor[history]
                    cursor[history] = place + 1
                    events[place] = t
                    words[place] = word
    return begins, events, words


@njit(cache=True, nogil=True)
def number_of_runs(begins: np.ndarray, words: np.ndarray) -> int:
    """Return how many different (history, word) pairs there are."""
    runs = 0
    for history in range(begins.shape[0] - 1):
        last = -1
        for at in range(begins[history], begins[history + 1]):
            if words[at] != last:
                last = words[at]
                runs += 1
    return runs


@njit(cache=True, nogil=True)
def count_runs(
    begins: np.ndarray, events: np.ndarray, words: np.ndarray, entries: np.ndarray, longer: np.ndarray, num_runs: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Make one entry of every run of equal (history, word).

    `events` and `words` are of `sort_by_history`, `entries` of the level below.  `longer` is filled with the entries of
    this level, by position; it is empty if nobody needs them.

    Returns:
        word, count and suffix (entry of the level below without the first word) of each entry; first entry of each
        history (H + 1,).
    """
    word = np.empty(num_runs, np.int32)
    count = np.empty(num_runs, np.int32)
    suffix = np.empty(num_runs, np.int32)
    first = np.empty(begins.shape[0], np.int64)
    entry = -1
    for history in range(begins.shape[0] - 1):
        first[history] = entry + 1
        last = -1
        for at in range(begins[history], begins[history + 1]):
            t = events[at]
            if words[at] != last:
                last = words[at]
                entry += 1
                word[entry] = last
                count[entry] = 0
                suffix[entry] = entries[t]
            count[entry] += 1
            if longer.shape[0]:
                longer[t] = entry
    first[begins.shape[0] - 1] = entry + 1
    return word, count, suffix, first
