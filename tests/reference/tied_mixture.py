"""Tied-mixture log-likelihoods by the definition: loops, float64, all Gaussians."""

import math

import numpy as np


def log_likelihood(
    feature: np.ndarray, means: list[np.ndarray], variances: list[np.ndarray], log_weights: np.ndarray
) -> float:
    """log of the product over the streams of the mixture.

    means, variances: (densities, dims) a stream, of the senone's codebook; log_weights: (streams, densities).
    """
    total, begin = 0.0, 0
    for mean, variance, weights in zip(means, variances, log_weights, strict=True):
        x = feature[begin : begin + mean.shape[1]].astype(np.float64)
        begin += mean.shape[1]
        terms = []
        for g in range(len(mean)):
            log_density = 0.0
            for d in range(len(x)):
                v = float(variance[g, d])
                log_density -= 0.5 * math.log(2 * math.pi * v) + 0.5 * (x[d] - float(mean[g, d])) ** 2 / v
            terms.append(float(weights[g]) + log_density)
        best = max(terms)
        total += best + math.log(math.fsum(math.exp(term - best) for term in terms))
    return total
