"""Differences in time appended to features, and frames put side by side, as Kaldi's add-deltas and splice-feats do."""

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError


def add_deltas(features: NDArray[np.float32], *, order: int = 2, window: int = 2) -> NDArray[np.float32]:
    """Append regression slopes and slopes of slopes.

    The slope over a window W is sum_k k x[t+k] / sum_k k^2, k from -W to W; the weights of order n are those of order
    n - 1 convolved with the slope's, and frames beyond the ends repeat the first and the last (Kaldi's
    `feature-functions.cc`).

    Args:
        features: (T, D).
        order: how many differences, 0 or more.
        window: W, at least 1.

    Returns:
        (T, D (order + 1)) float32.

    >>> add_deltas(np.arange(5.0, dtype=np.float32)[:, None], order=1).T
    array([[0. , 1. , 2. , 3. , 4. ],
           [0.5, 0.8, 1. , 0.8, 0.5]], dtype=float32)
    """
    if order < 0 or window < 1:
        raise WfstAsrError(f"order is {order} and window {window}; expected order 0 or more and window 1 or more")
    _check(features)
    steps = np.arange(-window, window + 1)
    slope = steps / (steps**2).sum()
    weights = np.ones(1)
    frames, dim = features.shape
    result = np.empty((frames, dim * (order + 1)), dtype=np.float32)
    reach = order * window
    padded = _padded(features, reach, reach)
    for current in range(order + 1):
        if current:
            weights = np.convolve(weights, slope)
        block = np.zeros((frames, dim))
        for k, weight in enumerate(weights):
            first = reach - len(weights) // 2 + k
            block += weight * padded[first : first + frames]
        result[:, current * dim : (current + 1) * dim] = block
    return result


def splice(features: NDArray[np.float32], *, left: int = 4, right: int = 4) -> NDArray[np.float32]:
    """Put each frame's neighbours beside it, the ends repeated: (T, D) -> (T, D (left + 1 + right)).

    >>> splice(np.arange(3, dtype=np.float32)[:, None], left=1, right=1)
    array([[0., 0., 1.],
           [0., 1., 2.],
           [1., 2., 2.]], dtype=float32)
    """
    if left < 0 or right < 0:
        raise WfstAsrError(f"left is {left} and right {right}; expected 0 or more")
    _check(features)
    padded = _padded(features, left, right)
    frames = len(features)
    blocks = [padded[k : k + frames] for k in range(left + 1 + right)]
    return np.concatenate(blocks, axis=1, dtype=np.float32, casting="same_kind")


def _padded(features: NDArray[np.float32], before: int, after: int) -> NDArray[np.float32]:
    if len(features) == 0:
        return np.zeros((before + after, features.shape[1]), dtype=np.float32)
    return np.pad(features, ((before, after), (0, 0)), mode="edge")


def _check(features: NDArray[np.float32]) -> None:
    if features.ndim != 2:
        raise WfstAsrError(f"features have shape {features.shape}; expected (frames, dimensions)")
