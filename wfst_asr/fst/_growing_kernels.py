"""Kernels that graph builders share: arrays that grow by doubling, and a hash table of int64 keys in flat arrays."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def grown(array: np.ndarray, needed: int) -> np.ndarray:
    """Return `array`, or a copy of at least twice its length if `needed` does not fit."""
    if needed <= array.shape[0]:
        return array
    larger = np.empty(max(needed, 2 * array.shape[0]), array.dtype)
    larger[: array.shape[0]] = array
    return larger


@njit(cache=True, nogil=True, inline="always")
def mixed(value: np.uint64) -> np.uint64:
    """Return a well-mixed hash of 64 bits (the finaliser of splitmix64)."""
    h = np.uint64(value)
    h ^= h >> np.uint64(30)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> np.uint64(27)
    h *= np.uint64(0x94D049BB133111EB)
    h ^= h >> np.uint64(31)
    return h


@njit(cache=True, nogil=True, inline="always")
def slot_of(slots, keys, key):  # type: ignore[no-untyped-def]
    """Return the slot of an int64 key: it holds the key's index in `keys`, or -1 where the key is new."""
    mask = np.uint64(slots.shape[0] - 1)
    slot = mixed(np.uint64(key)) & mask
    while slots[slot] >= 0 and keys[slots[slot]] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True, nogil=True)
def rehashed(slots: np.ndarray, keys: np.ndarray, count: int) -> np.ndarray:
    """Return a table of twice the slots that holds the indices 0..count-1 by the hash of their int64 keys."""
    larger = np.full(2 * slots.shape[0], -1, np.int32)
    for index in range(count):
        larger[slot_of(larger, keys, keys[index])] = index
    return larger
