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


@njit(cache=True, nogil=True, inline="always")
def _compared(one, a, other, b, length):  # type: ignore[no-untyped-def]
    """Return -1, 0 or 1: whether the first words of a row come before, are or come after those of another."""
    same = 0
    while same < length and one[a, same] == other[b, same]:
        same += 1
    if same == length:
        return 0
    return -1 if one[a, same] < other[b, same] else 1


@njit(cache=True, nogil=True)
def find_histories(ngrams: np.ndarray, histories: np.ndarray) -> np.ndarray:
    """Return the row of `histories` (H, n) that begins each row of `ngrams` (R, n + 1); -1 where there is none.

    Rows of `histories` are distinct and ascend.  O(H + R): as long as the n-grams ascend too, both are merged; the rest
    ask a hash table.
    """
    length = histories.shape[1]
    parent = np.empty(len(ngrams), np.int64)
    at = 0
    for row in range(len(ngrams)):
        if row and _compared(ngrams, row, ngrams, row - 1, length) < 0:
            _look_up(ngrams, histories, parent, row)
            break
        while at < len(histories) and _compared(histories, at, ngrams, row, length) < 0:
            at += 1
        found = at < len(histories) and _same_words(histories, at, ngrams, row, length)
        parent[row] = at if found else -1
    return parent


@njit(cache=True, nogil=True)
def _look_up(ngrams, histories, parent, first):  # type: ignore[no-untyped-def]
    """Fill in `parent` from the row `first` on, by open addressing; a history is looked up once in a run of it."""
    length = histories.shape[1]
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
    for row in range(first, len(ngrams)):
        if row > first and _same_words(ngrams, row, ngrams, row - 1, length):
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
