"""Compiled kernels of the Gaussian mixtures: log-likelihoods and posteriors of blocks of frames.

Buffers come from the caller, numbers are compared with `if` and rows filled by loops: this compiles in half the time.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wfst_asr.gmm._float_bits import exponent, mantissa, times_power_of_two

BLOCK = 64  # frames that are scored together: the innermost, vectorised loops run over them
_VECTOR = 16  # frames are scored in multiples of this many
_FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}
_IN_ORDER = {"nsz", "arcp", "contract", "afn"}  # sums as written: small ones first, for their precision
_LOWEST = np.float32(-87.0)


@njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _exp(x):  # type: ignore[no-untyped-def]
    """Return e^x for x <= 0 in single precision; e^-87 below -87."""
    x = x if x > _LOWEST else _LOWEST
    power = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - power * np.float32(0.693359375) + power * np.float32(2.12194440e-4)
    y = np.float32(1.0 / 720.0)
    y = y * r + np.float32(1.0 / 120.0)
    y = y * r + np.float32(1.0 / 24.0)
    y = y * r + np.float32(1.0 / 6.0)
    y = y * r + np.float32(0.5)
    y = y * r + np.float32(1.0)
    y = y * r + np.float32(1.0)
    return times_power_of_two(y, power)  # type: ignore[call-arg]


@njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _log(x):  # type: ignore[no-untyped-def]
    """Return log x for a positive normal x in single precision."""
    m = mantissa(x)  # type: ignore[call-arg, var-annotated]
    t = (m - np.float32(1.0)) / (m + np.float32(1.0))
    s = t * t
    y = np.float32(2.0 / 13.0)
    y = y * s + np.float32(2.0 / 11.0)
    y = y * s + np.float32(2.0 / 9.0)
    y = y * s + np.float32(2.0 / 7.0)
    y = y * s + np.float32(2.0 / 5.0)
    y = y * s + np.float32(2.0 / 3.0)
    y = y * s + np.float32(2.0)
    return exponent(x) * np.float32(0.69314718) + y * t


@njit(nogil=True, fastmath=_IN_ORDER, error_model="numpy")
def _score(
    columns: NDArray[np.float32],
    width: int,
    means: NDArray[np.float32],
    halves: NDArray[np.float32],
    constants: NDArray[np.float32],
    first: int,
    last: int,
    scores: NDArray[np.float32],
) -> None:
    """Fill rows 0 ... of `scores` (>= last - first, BLOCK) with log w N(x) of Gaussians `first` to `last`.

    `columns` (D, BLOCK) holds a frame a column, of which `width` are scored.
    """
    dim = means.shape[1]
    for g in range(first, last):
        row = scores[g - first]
        for f in range(width):
            row[f] = constants[g]
        d = 0
        while d + 8 <= dim:
            m0, m1, m2, m3 = means[g, d], means[g, d + 1], means[g, d + 2], means[g, d + 3]
            m4, m5, m6, m7 = means[g, d + 4], means[g, d + 5], means[g, d + 6], means[g, d + 7]
            h0, h1, h2, h3 = halves[g, d], halves[g, d + 1], halves[g, d + 2], halves[g, d + 3]
            h4, h5, h6, h7 = halves[g, d + 4], halves[g, d + 5], halves[g, d + 6], halves[g, d + 7]
            for f in range(width):
                x0, x1 = columns[d, f] - m0, columns[d + 1, f] - m1
                x2, x3 = columns[d + 2, f] - m2, columns[d + 3, f] - m3
                x4, x5 = columns[d + 4, f] - m4, columns[d + 5, f] - m5
                x6, x7 = columns[d + 6, f] - m6, columns[d + 7, f] - m7
                near = (x0 * x0 * h0 + x1 * x1 * h1) + (x2 * x2 * h2 + x3 * x3 * h3)
                far = (x4 * x4 * h4 + x5 * x5 * h5) + (x6 * x6 * h6 + x7 * x7 * h7)
                row[f] -= near + far
            d += 8
        while d < dim:
            m0, h0 = means[g, d], halves[g, d]
            for f in range(width):
                x0 = columns[d, f] - m0
                row[f] -= x0 * x0 * h0
            d += 1


@njit(nogil=True, fastmath=_FAST, error_model="numpy")
def _softmax(
    scores: NDArray[np.float32], width: int, count: int, total: NDArray[np.float32], mass: NDArray[np.float32]
) -> None:
    """Turn the first `count` rows of `scores` into e^(score - best), `mass` into their sum, `total` into its log."""
    for f in range(width):
        total[f] = scores[0, f]
        mass[f] = np.float32(0.0)
    for g in range(1, count):
        for f in range(width):
            total[f] = scores[g, f] if scores[g, f] > total[f] else total[f]
    for g in range(count):
        for f in range(width):
            scores[g, f] = _exp(scores[g, f] - total[f])
            mass[f] += scores[g, f]
    for f in range(width):
        total[f] += _log(mass[f])


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def fill_log_likelihoods(
    features: NDArray[np.float32],
    pdfs: NDArray[np.int64],
    means: NDArray[np.float32],
    halves: NDArray[np.float32],
    constants: NDArray[np.float32],
    offsets: NDArray[np.int64],
    columns: NDArray[np.float32],
    scores: NDArray[np.float32],
    totals: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Fill `out` (T, len(pdfs)) with log sum_g w_g N(x_t; mean_g, var_g) over the Gaussians of each pdf.

    Args:
        features: (T, D).
        pdfs: the pdf of each column.
        means: (G, D).
        halves: (G, D), 1 / (2 variance).
        constants: (G,), log weight - 0.5 sum of log(2 pi variance).
        offsets: (P + 1,), the Gaussians of pdf p are `offsets[p]` to `offsets[p + 1]`.
        columns: (D, BLOCK), a buffer of zeros.
        scores: (Gaussians of the largest pdf, BLOCK), a buffer.
        totals: (2, BLOCK), a buffer.
        out: (T, len(pdfs)).
    """
    num_frames, dim = features.shape
    total, mass = totals[0], totals[1]
    for start in range(0, num_frames, BLOCK):
        size = num_frames - start
        if size > BLOCK:
            size = BLOCK
        width = (size + _VECTOR - 1) // _VECTOR * _VECTOR
        for f in range(size):
            for d in range(dim):
                columns[d, f] = features[start + f, d]
        for k in range(len(pdfs)):
            first, last = offsets[pdfs[k]], offsets[pdfs[k] + 1]
            _score(columns, width, means, halves, constants, first, last, scores)
            if last - first == 1:
                for f in range(size):
                    out[start + f, k] = scores[0, f]
            else:
                _softmax(scores, width, last - first, total, mass)
                for f in range(size):
                    out[start + f, k] = total[f]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def add_statistics(
    features: NDArray[np.float32],
    observed: NDArray[np.float32],
    frames: NDArray[np.int64],
    weights: NDArray[np.float64],
    order: NDArray[np.int64],
    bounds: NDArray[np.int64],
    means: NDArray[np.float32],
    halves: NDArray[np.float32],
    constants: NDArray[np.float32],
    offsets: NDArray[np.int64],
    columns: NDArray[np.float32],
    scores: NDArray[np.float32],
    totals: NDArray[np.float32],
    rows: NDArray[np.float64],
    posterior: NDArray[np.float64],
    occupancy: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> float:
    """Add posteriors, and frames and their squares weighted by them, to the sums; return the log-likelihood.

    Args:
        features: (T, D), what posteriors are computed from.
        observed: (T, E), what is summed.
        frames: (K,), the frame of each entry.
        weights: (K,), the weight of each entry.
        order: (K,), the entries by pdf.
        bounds: (P + 1,), the entries of pdf p are `order[bounds[p]:bounds[p + 1]]`.
        means: (G, D), this and the next six as in `fill_log_likelihoods`.
        halves: (G, D).
        constants: (G,).
        offsets: (P + 1,).
        columns: (D, BLOCK).
        scores: (Gaussians of the largest pdf, BLOCK).
        totals: (2, BLOCK).
        rows: (BLOCK, 2 E), a buffer of zeros.
        posterior: (BLOCK,), a buffer of zeros.
        occupancy: (G,), added to.
        sums: (G, 2 E), added to: sums of x, and of x squared behind them.
    """
    dim, num_observed = features.shape[1], observed.shape[1]
    total, mass = totals[0], totals[1]
    log_likelihood = 0.0
    for p in range(len(offsets) - 1):
        first, count = offsets[p], offsets[p + 1] - offsets[p]
        for start in range(bounds[p], bounds[p + 1], BLOCK):
            size = bounds[p + 1] - start
            if size > BLOCK:
                size = BLOCK
            width = (size + _VECTOR - 1) // _VECTOR * _VECTOR
            for f in range(size):
                t = frames[order[start + f]]
                for d in range(dim):
                    columns[d, f] = features[t, d]
                for d in range(num_observed):
                    x = np.float64(observed[t, d])
                    rows[f, d] = x
                    rows[f, num_observed + d] = x * x
            _score(columns, width, means, halves, constants, first, first + count, scores)
            _softmax(scores, width, count, total, mass)
            for f in range(size):
                log_likelihood += weights[order[start + f]] * np.float64(total[f])
            for g in range(count):
                for f in range(size, width):
                    posterior[f] = 0.0
                for f in range(size):
                    posterior[f] = weights[order[start + f]] * np.float64(scores[g, f]) / np.float64(mass[f])
                    occupancy[first + g] += posterior[f]
                row = sums[first + g]
                for f in range(0, size, 4):
                    p0, p1, p2, p3 = posterior[f], posterior[f + 1], posterior[f + 2], posterior[f + 3]
                    for d in range(2 * num_observed):
                        row[d] += (p0 * rows[f, d] + p1 * rows[f + 1, d]) + (p2 * rows[f + 2, d] + p3 * rows[f + 3, d])
    return log_likelihood
