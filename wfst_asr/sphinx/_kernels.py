"""Compiled kernels of the Sphinx import: arrays only."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}


@njit(cache=True, nogil=True)
def rotating_checksum(items: NDArray[np.uint32]) -> int:
    """Rotate the sum left by 20 bits and add the item, modulo 2^32, for each item (`bio.c`, `chksum_accum`)."""
    total = np.uint64(0)
    mask = np.uint64(0xFFFFFFFF)
    for i in range(len(items)):
        total = (((total << np.uint64(20)) | (total >> np.uint64(12))) + np.uint64(items[i])) & mask
    return int(total)


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def stream_log_densities(
    features: NDArray[np.float32],
    means: NDArray[np.float32],
    scales: NDArray[np.float32],
    constants: NDArray[np.float32],
    starts: NDArray[np.int64],
    negligible: np.float32,
    out: NDArray[np.float32],
    best: NDArray[np.float32],
) -> None:
    """Fill the log-densities of one codebook's Gaussians less the best of each frame and stream.

    Args:
        features: (T, D).
        means: (D, G).
        scales: (D, G), 1 / sqrt(2 variance).
        constants: (streams, G), -0.5 sum of log(2 pi variance).
        starts: (streams + 1,) first dimension of each stream.
        negligible: differences below it become -inf.
        out: (streams, >= T, G), filled for the first T frames.
        best: (T,), filled with the sum over the streams of the best log-density.
    """
    num_frames = features.shape[0]
    num_streams, num_gaussians = constants.shape
    lowest = np.float32(-1e30)
    half = np.empty((num_gaussians + 1) // 2, dtype=np.float32)
    for t in range(num_frames):
        total = np.float32(0.0)
        for s in range(num_streams):
            row = out[s, t]
            row[:] = constants[s]
            d = starts[s]
            while d + 4 <= starts[s + 1]:
                x0, x1, x2, x3 = features[t, d], features[t, d + 1], features[t, d + 2], features[t, d + 3]
                for g in range(num_gaussians):
                    d0 = (x0 - means[d, g]) * scales[d, g]
                    d1 = (x1 - means[d + 1, g]) * scales[d + 1, g]
                    d2 = (x2 - means[d + 2, g]) * scales[d + 2, g]
                    d3 = (x3 - means[d + 3, g]) * scales[d + 3, g]
                    row[g] -= (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
                d += 4
            for e in range(d, starts[s + 1]):
                x = features[t, e]
                for g in range(num_gaussians):
                    difference = (x - means[e, g]) * scales[e, g]
                    row[g] -= difference * difference
            for g in range(num_gaussians):
                row[g] = row[g] if row[g] > lowest else lowest
            size = num_gaussians
            middle = (size + 1) // 2
            for g in range(middle):
                half[g] = row[g]
            for g in range(size - middle):
                half[g] = half[g] if half[g] > row[middle + g] else row[middle + g]
            size = middle
            while size > 1:
                middle = (size + 1) // 2
                for g in range(size - middle):
                    half[g] = half[g] if half[g] > half[middle + g] else half[middle + g]
                size = middle
            top = half[0]
            total += top
            for g in range(num_gaussians):
                value = row[g] - top
                row[g] = value if value > negligible else np.float32(-np.inf)
        best[t] = total


@njit(cache=True, nogil=True)
def place_scores(
    tiles: NDArray[np.float32], best: NDArray[np.float32], runs: NDArray[np.int64], out: NDArray[np.float32]
) -> None:
    """Add the best log-density of each frame and write the scores of one codebook to the columns of their senones.

    Args:
        tiles: (T / R, chunks, R, width), the columns of the codebook cut into chunks.
        best: (T,).
        runs: (n, 4) of (chunk, column in the chunk, first senone, number of senones).
        out: (T, senones), filled.
    """
    rows = tiles.shape[2]
    for t in range(out.shape[0]):
        top = best[t]
        for i in range(runs.shape[0]):
            chunk, column, senone, size = runs[i, 0], runs[i, 1], runs[i, 2], runs[i, 3]
            source = tiles[t // rows, chunk, t % rows, column : column + size]
            target = out[t, senone : senone + size]
            for j in range(size):
                target[j] = source[j] + top
