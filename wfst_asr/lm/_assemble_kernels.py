"""Kernels of the assembly of a back-off model: find the history of every n-gram and put the n-grams in order."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, inline="always")
def _hash_of(ngrams, row, length):  # type: ignore[no-untyped-def]
    """Return a hash of the first `length` words of a row (the finaliser of splitmix64 a word)."""
    h = np.uint64(0x9E3779B97F4A7C15)
    for position in range(length):
        h = (h ^ np.uint64(ngrams[row, position])) * np.uint64(0xBF58476D1CE4E5B9)
        h ^= h >> np.uint64(29)
    h *= np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(32))


@njit(cache=True, nogil=True, inline="always")
def _same_words(one, a, other, b, length):  # type: ignore[no-untyped-def]
    same = 0
    while same < length and one[a, same] == other[b, same]:
        same += 1
    return same == length


@njit(cache=True, nogil=True)
def find_histories(ngrams: np.ndarray, histories: np.ndarray) -> np.ndarray:
    """Return the row of `histories` (H, n) that begins each row of `ngrams` (R, n + 1); -1 where there is none.

    Rows of `histories` are distinct.  O(H + R): an open-addressing table that is asked only where the history is not
    that of the row before.
    """
    length = histories.shape[1]
    parent = np.empty(len(ngrams), np.int64)
    num_slots = 16
    while num_slots < 2 * len(histories):
        num_slots *= 2
    mask = np.uint64(num_slots - 1)
    table = np.full(num_slots, np.int64(-1))  # low half: row; high half: part of its hash
    for row in range(len(histories)):
        h = _hash_of(histories, row, length)
        slot = h & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = np.int64((h >> np.uint64(33)) << np.uint64(32)) | row
    for row in range(len(ngrams)):
        if row and _same_words(ngrams, row, ngrams, row - 1, length):
            parent[row] = parent[row - 1]
            continue
        h = _hash_of(ngrams, row, length)
        tag = np.int64(h >> np.uint64(33))
        slot = h & mask
        found = np.int64(-1)
        while table[slot] >= 0:
            entry = table[slot]
            if entry >> 32 == tag and _same_words(ngrams, row, histories, entry & 0xFFFFFFFF, length):
                found = entry & 0xFFFFFFFF
                break
            slot = (slot + np.uint64(1)) & mask
        parent[row] = found
    return parent


@njit(cache=True, nogil=True)
def is_ascending(parent: np.ndarray, ngrams: np.ndarray) -> bool:
    """Tell whether n-grams strictly ascend by (history, last word)."""
    last = ngrams.shape[1] - 1
    for row in range(1, len(parent)):
        if parent[row] < parent[row - 1]:
            return False
        if parent[row] == parent[row - 1] and ngrams[row, last] <= ngrams[row - 1, last]:
            return False
    return True


@njit(cache=True, nogil=True)
def child_starts(parent: np.ndarray, num_histories: int) -> np.ndarray:
    """Return (num_histories + 1,) int64: where the n-grams of each history begin once they are sorted by it."""
    first = np.zeros(num_histories + 1, np.int64)
    for row in range(len(parent)):
        first[parent[row] + 1] += 1
    for history in range(num_histories):
        first[history + 1] += first[history]
    return first
