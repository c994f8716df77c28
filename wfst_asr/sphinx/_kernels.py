"""Compiled kernels of the Sphinx import: arrays only."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def rotating_checksum(items: NDArray[np.uint32]) -> int:
    """Rotate the sum left by 20 bits and add the item, modulo 2^32, for each item (`bio.c`, `chksum_accum`)."""
    total = np.uint64(0)
    mask = np.uint64(0xFFFFFFFF)
    for i in range(len(items)):
        total = (((total << np.uint64(20)) | (total >> np.uint64(12))) + np.uint64(items[i])) & mask
    return total
