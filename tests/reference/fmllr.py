"""Statistics and objective of fMLLR by the definition: loops over frames, Gaussians and dimensions."""

import math

import numpy as np
import scipy.optimize


def log_densities(x: np.ndarray, weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """(M,) log w_m N(x; mean_m, var_m); means, variances (M, D)."""
    out = []
    for weight, mean, variance in zip(weights, means, variances, strict=True):
        terms = [
            math.log(2 * math.pi * v) + (float(value) - m) ** 2 / v
            for value, m, v in zip(x, mean, variance, strict=True)
        ]
        out.append(math.log(weight) - 0.5 * sum(terms))
    return np.array(out)


def log_likelihood(x: np.ndarray, weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> float:
    return float(np.logaddexp.reduce(log_densities(x, weights, means, variances)))


def posteriors(x: np.ndarray, weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    logs = log_densities(x, weights, means, variances)
    return np.exp(logs - np.logaddexp.reduce(logs))


def statistics(
    features: np.ndarray,
    entries: list[tuple[int, float, np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[float, np.ndarray, np.ndarray]:
    """beta, k (D, D + 1), G (D, D + 1, D + 1); an entry is (frame, weight, posteriors (M,), means (M, D), variances)."""
    dim = features.shape[1]
    count, linear, quadratic = 0.0, np.zeros((dim, dim + 1)), np.zeros((dim, dim + 1, dim + 1))
    for frame, weight, gammas, means, variances in entries:
        z = np.append(features[frame].astype(np.float64), 1.0)
        for gamma, mean, variance in zip(gammas, means, variances, strict=True):
            count += weight * gamma
            for i in range(dim):
                linear[i] += weight * gamma * mean[i] / variance[i] * z
                quadratic[i] += weight * gamma / variance[i] * np.outer(z, z)
    return count, linear, quadratic


def objective(rows: np.ndarray, count: float, linear: np.ndarray, quadratic: np.ndarray) -> float:
    dim = len(rows)
    total = count * math.log(abs(np.linalg.det(rows[:, :dim])))
    for w, k, g in zip(rows, linear, quadratic, strict=True):
        total += w @ k - 0.5 * w @ g @ w
    return float(total)


def one_sweep(rows: np.ndarray, count: float, linear: np.ndarray, quadratic: np.ndarray) -> np.ndarray:
    """Every row in turn at its best (Gales 1998, appendix B), the cofactors from a whole inverse each time."""
    rows = rows.copy()
    dim = len(rows)
    for i in range(dim):
        cofactors = np.zeros(rows.shape[1])
        cofactors[:dim] = np.linalg.inv(rows[:, :dim])[:, i]
        inverse = np.linalg.inv(quadratic[i])
        a, b = cofactors @ inverse @ cofactors, cofactors @ inverse @ linear[i]
        candidates = [(root * cofactors + linear[i]) @ inverse for root in np.roots([a, b, -count]).real]
        values = [count * math.log(abs(w @ cofactors)) + w @ linear[i] - 0.5 * w @ quadratic[i] @ w for w in candidates]
        rows[i] = candidates[int(np.argmax(values))]
    return rows


def maximum(start: np.ndarray, count: float, linear: np.ndarray, quadratic: np.ndarray) -> tuple[np.ndarray, float]:
    """The transform where a general optimiser ends that knows the objective and its gradient, and the objective."""
    shape = start.shape
    dim = shape[0]

    def negative(flat: np.ndarray) -> tuple[float, np.ndarray]:
        rows = flat.reshape(shape)
        gradient = linear - np.einsum("iab,ib->ia", quadratic, rows)
        gradient[:, :dim] += count * np.linalg.inv(rows[:, :dim]).T
        return -objective(rows, count, linear, quadratic) / count, -gradient.ravel() / count

    found = scipy.optimize.minimize(negative, start.ravel(), jac=True, method="BFGS", options={"gtol": 1e-9})
    return found.x.reshape(shape), -float(found.fun) * count
