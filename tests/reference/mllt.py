"""Statistics of MLLT by the definition: loops over frames and Gaussians."""

import numpy as np


def statistics(
    features: np.ndarray,
    entries: list[tuple[int, float, np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[float, np.ndarray]:
    """beta, G (D, D, D); an entry is (frame, weight, posteriors (M,), means (M, D), variances (M, D))."""
    dim = features.shape[1]
    count, quadratic = 0.0, np.zeros((dim, dim, dim))
    for frame, weight, gammas, means, variances in entries:
        x = features[frame].astype(np.float64)
        for gamma, mean, variance in zip(gammas, means, variances, strict=True):
            count += weight * gamma
            for i in range(dim):
                quadratic[i] += weight * gamma / variance[i] * np.outer(x - mean, x - mean)
    return count, quadratic


def objective(matrix: np.ndarray, count: float, quadratic: np.ndarray) -> float:
    total = count * np.log(abs(np.linalg.det(matrix)))
    return float(total - 0.5 * sum(a @ g @ a for a, g in zip(matrix, quadratic, strict=True)))
