"""Statistics and auxiliary function of constrained MLLR with one matrix for all blocks, by the definition: loops."""

import math

import numpy as np


def posteriors(x: np.ndarray, mean: np.ndarray, variance: np.ndarray, log_weights: np.ndarray) -> np.ndarray:
    """(G,) posteriors of the Gaussians of one stream; mean, variance (G, D), log_weights (G,)."""
    logs = np.array(
        [
            log_weights[g] - 0.5 * np.sum(np.log(2 * math.pi * variance[g]) + (x - mean[g]) ** 2 / variance[g])
            for g in range(len(mean))
        ]
    )
    exps = np.exp(logs - logs.max())
    return np.asarray(exps / exps.sum())


def statistics(
    features: np.ndarray,
    senones: np.ndarray,
    means: list[np.ndarray],
    variances: list[np.ndarray],
    log_weights: np.ndarray,
    owner: np.ndarray,
    matrix: np.ndarray,
    bias: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """G (D, D + 1, D + 1) and k (D, D + 1); means, variances (books, G, D) a stream, each stream one block."""
    size = len(bias)
    quadratic = np.zeros((size, size + 1, size + 1))
    linear = np.zeros((size, size + 1))
    for frame, senone in zip(features.astype(np.float64), senones, strict=True):
        for s in range(len(means)):
            x = frame[s * size : (s + 1) * size]
            first = 1.0 if s == 0 else 0.0
            y = matrix @ x + first * bias
            z = np.append(x, first)
            mean = means[s][owner[senone]].astype(np.float64)
            variance = variances[s][owner[senone]].astype(np.float64)
            for g, gamma in enumerate(posteriors(y, mean, variance, log_weights[s, :, senone])):
                for i in range(size):
                    quadratic[i] += gamma / variance[g, i] * np.outer(z, z)
                    linear[i] += gamma * mean[g, i] / variance[g, i] * z
    return quadratic, linear
