"""LDA by the definition: covariances frame by frame, and the generalised eigenvalue problem."""

import numpy as np
import scipy.linalg


def statistics(
    features: np.ndarray, frames: np.ndarray, classes: np.ndarray, weights: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dim = features.shape[1]
    count, first, second = np.zeros(num_classes), np.zeros((num_classes, dim)), np.zeros((dim, dim))
    for t, c, w in zip(frames, classes, weights, strict=True):
        x = features[t].astype(np.float64)
        count[c] += w
        first[c] += w * x
        second += w * np.outer(x, x)
    return count, first, second


def covariances(features: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Within-class and between-class covariance (D, D), every frame of weight 1."""
    x = features.astype(np.float64)
    mean = x.mean(axis=0)
    within = np.zeros((x.shape[1], x.shape[1]))
    between = np.zeros_like(within)
    for c in set(classes.tolist()):
        own = x[classes == c]
        within += (own - own.mean(axis=0)).T @ (own - own.mean(axis=0)) / len(x)
        between += len(own) / len(x) * np.outer(own.mean(axis=0) - mean, own.mean(axis=0) - mean)
    return within, between


def transform(within: np.ndarray, between: np.ndarray, dim: int) -> np.ndarray:
    """The leading generalised eigenvectors as rows, largest element positive."""
    values, vectors = scipy.linalg.eigh(between, within)
    rows = vectors.T[np.argsort(-values)][:dim]
    return np.array([row if row[np.abs(row).argmax()] > 0 else -row for row in rows])
