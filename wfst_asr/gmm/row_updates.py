"""Maximise an objective with a log-determinant row by row: the solver of MLLT and fMLLR.

    Q(W) = beta log |det A| + sum_i (w_i k_i - w_i G_i w_i / 2),      W = A or (A b), rows w_i

Over one row, the others given, the maximum has a closed form, so that Q rises with every row.

References:
    M. Gales, Maximum likelihood linear transformations for HMM-based speech recognition, Computer Speech and Language
    12 (1998), section 3.2 and appendix B; Semi-tied covariance matrices for hidden Markov models, IEEE Transactions on
    Speech and Audio Processing 7 (1999).  Kaldi: `FmllrInnerUpdate` of `transform/fmllr-diag-gmm.cc`.
"""

import numpy as np
from numpy.typing import NDArray

_DEGENERATE = 1e-7  # smallest eigenvalue of second moments, scaled to a diagonal of ones, that counts as above 0


def objective(
    rows: NDArray[np.float64], quadratic: NDArray[np.float64], linear: NDArray[np.float64], count: float
) -> float:
    """Return Q for a transform.

    Args:
        rows: (D, N), N is D, or D + 1 with a bias.
        quadratic: (D, N, N), G.
        linear: (D, N), k.
        count: beta.

    Examples:
        >>> objective(np.array([[1.0, 2.0]]), np.eye(2)[None], np.array([[1.0, 1.0]]), 5.0)
        0.5
    """
    log_determinant = np.linalg.slogdet(rows[:, : len(rows)])[1]
    squares = ((quadratic @ rows[:, :, None])[:, :, 0] * rows).sum()
    return float(count * log_determinant + (rows * linear).sum() - 0.5 * squares)


def is_degenerate(quadratic: NDArray[np.float64]) -> bool:
    """Say whether the second moments (D, N, N) leave a direction of the space empty, so that Q has no maximum."""
    total = quadratic.sum(axis=0)
    scales = np.sqrt(np.diag(total))
    if not np.all(np.isfinite(scales) & (scales > 0.0)):
        return True
    return bool(np.linalg.eigvalsh(total / np.outer(scales, scales))[0] < _DEGENERATE)


def best_rows(
    start: NDArray[np.float64],
    quadratic: NDArray[np.float64],
    linear: NDArray[np.float64],
    count: float,
    *,
    sweeps: int,
    tolerance: float = 1e-7,
) -> tuple[NDArray[np.float64], float]:
    """Raise Q from a start, going over all rows again and again.

    Args:
        start: (D, N), its square part of non-zero determinant.
        quadratic: (D, N, N), G, positive definite.
        linear: (D, N), k.
        count: beta, above 0.
        sweeps: times over all rows, at most.
        tolerance: stop after a sweep that raises Q by less, in nats a frame.

    Returns:
        The rows and how much higher Q is; the start and 0 where rounding lowered it.
    """
    from wfst_asr.gmm._transform_kernels import improve_rows

    dim = len(start)
    inverses = np.ascontiguousarray(np.linalg.inv(quadratic))
    bases = np.ascontiguousarray((inverses @ linear[:, :, None])[:, :, 0])
    rows = np.array(start, dtype=np.float64)
    first = before = objective(rows, quadratic, linear, count)
    for _ in range(sweeps):
        candidate = rows.copy()
        improve_rows(candidate, np.ascontiguousarray(np.linalg.inv(rows[:, :dim])), inverses, bases, float(count))
        after = objective(candidate, quadratic, linear, count)
        if not after > before:
            break
        rows, gain, before = candidate, after - before, after
        if gain < tolerance * count:
            break
    return rows, before - first
