"""Compiled kernels of the adaptation: arrays only."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def add_block(
    x: NDArray[np.float64],
    precisions: NDArray[np.float64],
    targets: NDArray[np.float64],
    pairs: NDArray[np.float64],
    quadratic: NDArray[np.float64],
    linear: NDArray[np.float64],
) -> None:
    """Add precisions[i] x x^T to quadratic[i] and targets[i] x to linear[i].

    Args:
        x: (D + 1,), the vector before the transform and the factor of the bias.
        precisions: (D,), sum of posterior / variance.
        targets: (D,), sum of posterior * mean / variance.
        pairs: (P,) work space, P = (D + 1) (D + 2) / 2.
        quadratic: (D, P), lower triangles row after row.
        linear: (D, D + 1).
    """
    size = len(x)
    place = 0
    for a in range(size):
        for b in range(a + 1):
            pairs[place] = x[a] * x[b]
            place += 1
    for i in range(size - 1):
        factor = precisions[i]
        for q in range(len(pairs)):
            quadratic[i, q] += factor * pairs[q]
        for a in range(size):
            linear[i, a] += targets[i] * x[a]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def add_frames(
    features: NDArray[np.float32],
    transformed: NDArray[np.float32],
    books: NDArray[np.int32],
    rows: NDArray[np.int64],
    log_weights: NDArray[np.float32],
    means: NDArray[np.float32],
    precisions: NDArray[np.float32],
    constants: NDArray[np.float32],
    starts: NDArray[np.int64],
    negligible: np.float32,
    quadratic: NDArray[np.float64],
    linear: NDArray[np.float64],
    occupancy: NDArray[np.float64],
) -> float:
    """Add the statistics of frames with a senone each, and return the sum of their log-likelihoods.

    Args:
        features: (T, dim), before the transform.
        transformed: (T, dim), which the posteriors are computed from.
        books: (T,) codebook of each frame's senone.
        rows: (T,) row of each frame's senone in log_weights.
        log_weights: (rows, streams, G).
        means: (books, dim, G).
        precisions: (books, dim, G), 1 / variance.
        constants: (books, streams, G), -0.5 sum of log(2 pi variance).
        starts: (streams + 1,) first dimension of each stream.
        negligible: posteriors whose log is below it, against the best of the stream, count as none.
        quadratic: (D, (D + 1) (D + 2) / 2), lower triangles row after row, added to.
        linear: (D, D + 1), added to.
        occupancy: (streams, books, G), added to.
    """
    num_gaussians = means.shape[2]
    size = len(linear)
    dim = features.shape[1]
    row = np.empty(num_gaussians, dtype=np.float32)
    precision = np.empty(dim)
    target = np.empty(dim)
    x = np.empty(size + 1)
    pairs = np.empty(quadratic.shape[1])
    total = 0.0
    half = np.float32(0.5)
    for t in range(features.shape[0]):
        book = books[t]
        precision[:] = 0.0
        target[:] = 0.0
        for s in range(len(starts) - 1):
            for g in range(num_gaussians):
                row[g] = constants[book, s, g] + log_weights[rows[t], s, g]
            for d in range(starts[s], starts[s + 1]):
                value = transformed[t, d]
                for g in range(num_gaussians):
                    difference = value - means[book, d, g]
                    row[g] -= half * difference * difference * precisions[book, d, g]
            best = row[0]
            for g in range(num_gaussians):
                best = row[g] if row[g] > best else best
            norm = 0.0
            for g in range(num_gaussians):
                difference = row[g] - best
                row[g] = np.exp(difference) if difference > negligible else np.float32(0.0)
                norm += row[g]
            total += best + np.log(norm)
            for g in range(num_gaussians):
                if row[g] > 0.0:
                    posterior = row[g] / norm
                    occupancy[s, book, g] += posterior
                    for d in range(starts[s], starts[s + 1]):
                        weight = posterior * precisions[book, d, g]
                        precision[d] += weight
                        target[d] += weight * means[book, d, g]
        for begin in range(0, dim, size):
            for a in range(size):
                x[a] = features[t, begin + a]
            x[size] = 1.0 if begin == 0 else 0.0
            add_block(x, precision[begin : begin + size], target[begin : begin + size], pairs, quadratic, linear)
    return total


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def add_expected_frames(
    occupancy: NDArray[np.float64],
    means: NDArray[np.float32],
    precisions: NDArray[np.float32],
    starts: NDArray[np.int64],
    quadratic: NDArray[np.float64],
    linear: NDArray[np.float64],
) -> None:
    """Add the expected statistics of frames that the Gaussians themselves draw, as many of each as its occupancy.

    Args:
        occupancy: (streams, books, G).
        means: (books, dim, G).
        precisions: (books, dim, G).
        starts: (streams + 1,) first dimension of each stream.
        quadratic: (D, (D + 1) (D + 2) / 2), lower triangles row after row, added to.
        linear: (D, D + 1), added to.
    """
    size = len(linear)
    x = np.empty(size + 1)
    pairs = np.empty(quadratic.shape[1])
    precision = np.empty(size)
    target = np.empty(size)
    for s in range(occupancy.shape[0]):
        for book in range(occupancy.shape[1]):
            for g in range(occupancy.shape[2]):
                count = occupancy[s, book, g]
                if count == 0.0:
                    continue
                for begin in range(starts[s], starts[s + 1], size):
                    for a in range(size):
                        x[a] = means[book, begin + a, g]
                        precision[a] = count * precisions[book, begin + a, g]
                        target[a] = precision[a] * x[a]
                    x[size] = 1.0 if begin == 0 else 0.0
                    add_block(x, precision, target, pairs, quadratic, linear)
                    for i in range(size):
                        for a in range(size):
                            quadratic[i, a * (a + 3) // 2] += precision[i] / precisions[book, begin + a, g]
