"""Kernels of the hash table of tokens: an entry is address << 32 | trace index; see `_kernels.py`."""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def bits_for(size: int) -> int:
    """Return the least number of bits that count to `size`."""
    bits = 1
    while (1 << bits) < size:
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def fill_table(table: Any, bits: int, target: Any, count: int, base: int, shift: Any) -> None:
    """Clear the first 2^bits entries and enter the tokens of a frame."""
    table[: 1 << bits] = np.uint64(0)
    mask = np.uint64((1 << bits) - 1)
    for slot in range(count):
        address = np.uint64(target[slot] & np.uint32((np.uint32(1) << shift) - np.uint32(1)))
        place = np.uint64(np.uint32(address * np.uint64(2654435769))) >> np.uint64(32 - bits)
        while table[place] != np.uint64(0):
            place = (place + np.uint64(1)) & mask
        table[place] = (address << np.uint64(32)) | np.uint64(base + slot)
