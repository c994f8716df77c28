"""Matrix products of statistics, in pieces below the size at which BLAS starts threads."""

import numpy as np
from numpy.typing import NDArray

_ONE_THREAD = 1 << 18  # multiplications up to which OpenBLAS stays in the calling thread


def add_product(out: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64]) -> None:
    """Add `left.T @ right` to `out`: (n, a) and (n, b) into (a, b).

    >>> total = np.ones((1, 2))
    >>> add_product(total, np.full((3, 1), 2.0), np.ones((3, 2)))
    >>> total.tolist()
    [[7.0, 7.0]]
    """
    height = min(left.shape[1], 128)
    depth = min(len(left), 128)
    width = max(1, _ONE_THREAD // max(height * depth, 1))
    for first in range(0, len(left), max(depth, 1)):
        rows = slice(first, first + depth)
        for top in range(0, left.shape[1], height):
            transposed = left[rows, top : top + height].T
            for start in range(0, right.shape[1], width):
                out[top : top + height, start : start + width] += transposed @ right[rows, start : start + width]


def product(rows: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `rows @ matrix`: (n, k) times (k, m)."""
    step = max(1, _ONE_THREAD // max(matrix.size, 1))
    result = np.empty((len(rows), matrix.shape[1]), dtype=rows.dtype)
    for first in range(0, len(rows), step):
        np.matmul(rows[first : first + step], matrix, out=result[first : first + step])
    return result
