"""Matrix products in pieces below the size at which BLAS starts threads, which cost more than they bring here."""

import numpy as np
from numpy.typing import NDArray

_ONE_THREAD = 1 << 18  # multiplications up to which OpenBLAS stays in the calling thread


def product(rows: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `rows @ matrix`: (n, k) times (k, m).

    >>> product(np.ones((3, 2)), np.full((2, 1), 0.5)).tolist()
    [[1.0], [1.0], [1.0]]
    """
    step = max(1, _ONE_THREAD // max(matrix.size, 1))
    result = np.empty((len(rows), matrix.shape[1]))
    for first in range(0, len(rows), step):
        np.matmul(rows[first : first + step], matrix, out=result[first : first + step])
    return result
