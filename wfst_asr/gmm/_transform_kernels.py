"""Compiled kernels of the feature transforms: arrays only."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def fill_posteriors(
    features: NDArray[np.float32],
    frames: NDArray[np.int64],
    pdf_ids: NDArray[np.int64],
    weights: NDArray[np.float64],
    offsets: NDArray[np.int64],
    constants: NDArray[np.float64],
    means: NDArray[np.float64],
    precisions: NDArray[np.float64],
    posteriors: NDArray[np.float64],
) -> None:
    """Compute the posteriors of the Gaussians of each entry's pdf, times the entry's weight.

    Args:
        features: (T, D).
        frames: (K,).
        pdf_ids: (K,).
        weights: (K,).
        offsets: (P + 1,) first Gaussian of each pdf.
        constants: (G,) log weight - 0.5 sum of log(2 pi variance).
        means: (G, D).
        precisions: (G, D), 1 / variance.
        posteriors: (sum of Gaussians of the entries' pdfs,), entry after entry; filled.
    """
    dim = features.shape[1]
    x = np.empty(dim)
    place = 0
    for k in range(len(frames)):
        first, last = offsets[pdf_ids[k]], offsets[pdf_ids[k] + 1]
        for d in range(dim):
            x[d] = features[frames[k], d]
        best = -np.inf
        for g in range(first, last):
            square = 0.0
            for d in range(dim):
                difference = x[d] - means[g, d]
                square += difference * difference * precisions[g, d]
            value = constants[g] - 0.5 * square
            posteriors[place + g - first] = value
            best = value if value > best else best
        norm = 0.0
        for g in range(place, place + last - first):
            posteriors[g] = np.exp(posteriors[g] - best)
            norm += posteriors[g]
        for g in range(place, place + last - first):
            posteriors[g] *= weights[k] / norm
        place += last - first


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def add_expected_targets(
    rows: NDArray[np.int64],
    pdf_ids: NDArray[np.int64],
    offsets: NDArray[np.int64],
    means: NDArray[np.float64],
    precisions: NDArray[np.float64],
    posteriors: NDArray[np.float64],
    targets: NDArray[np.float64],
) -> None:
    """Add to each frame the sums over Gaussians of posterior / variance and of posterior * mean / variance.

    Args:
        rows: (K,) row of `targets` of each entry.
        pdf_ids: (K,).
        offsets: (P + 1,) first Gaussian of each pdf.
        means: (G, D).
        precisions: (G, D), 1 / variance.
        posteriors: entry after entry, as `fill_posteriors` leaves them.
        targets: (rows, 2 D), first the precisions; added to.
    """
    dim = means.shape[1]
    place = 0
    for k in range(len(rows)):
        row = targets[rows[k]]
        for g in range(offsets[pdf_ids[k]], offsets[pdf_ids[k] + 1]):
            posterior = posteriors[place]
            place += 1
            for d in range(dim):
                precision = posterior * precisions[g, d]
                row[d] += precision
                row[dim + d] += precision * means[g, d]


@njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def improve_rows(
    rows: NDArray[np.float64],
    inverse: NDArray[np.float64],
    inverses: NDArray[np.float64],
    bases: NDArray[np.float64],
    count: float,
) -> None:
    """Give each row of a transform in turn its best value, the others given (Gales 1998, equations 49 to 53).

    With p the cofactors of row i over the determinant (a factor that alpha absorbs; 0 for the bias), the row is
    (alpha p + k_i) G_i^-1, alpha the root of alpha^2 p G_i^-1 p + alpha p G_i^-1 k_i - count = 0 of larger objective.
    The inverse of the square part follows each row by a rank-one update (Sherman and Morrison).

    Args:
        rows: (D, N), N is D, or D + 1 with a bias; changed.
        inverse: (D, D), of the square part; changed.
        inverses: (D, N, N), G_i^-1.
        bases: (D, N), G_i^-1 k_i.
        count: beta.
    """
    dim, width = rows.shape
    along = np.empty(width)
    column = np.empty(dim)
    for i in range(dim):
        for d in range(dim):
            column[d] = inverse[d, i]
        square = 0.0
        product = 0.0
        for n in range(width):
            value = 0.0
            for d in range(dim):
                value += inverses[i, n, d] * column[d]
            along[n] = value
            if n < dim:
                square += value * column[n]
                product += bases[i, n] * column[n]
        root = np.sqrt(product * product + 4.0 * square * count)
        alpha = (-product + root) / (2.0 * square)
        other = (-product - root) / (2.0 * square)
        # by the root's own equation the objective of the row is count log |w p| - alpha^2 p G^-1 p / 2 and a constant
        gain = count * np.log(abs(alpha * square + product)) - 0.5 * alpha * alpha * square
        if count * np.log(abs(other * square + product)) - 0.5 * other * other * square > gain:
            alpha = other
        # inverse -= column (change inverse) / (1 + change column), and change inverse = (new row) inverse - e_i
        scale = 0.0
        for n in range(width):
            rows[i, n] = bases[i, n] + alpha * along[n]
            if n < dim:
                scale += rows[i, n] * column[n]
        for e in range(dim):
            value = -1.0 if e == i else 0.0
            for d in range(dim):
                value += rows[i, d] * inverse[d, e]
            along[e] = value / scale
        for e in range(dim):
            for d in range(dim):
                inverse[e, d] -= column[e] * along[d]
