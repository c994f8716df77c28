"""Cepstral mean and variance normalisation: per utterance, per speaker, or over a sliding window, as Kaldi does it.

Statistics are Kaldi's matrix: (2, D + 1) float64, the first row sums and their count, the second sums of squares.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError

_VARIANCE_FLOOR = 1e-20
_SLIDING_VARIANCE_FLOOR = 1e-10


def cmvn_stats(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum up (T, D) features into Kaldi's statistics (2, D + 1).

    >>> cmvn_stats(np.array([[1.0], [3.0]], dtype=np.float32))
    array([[ 4.,  2.],
           [10.,  0.]])
    """
    if features.ndim != 2:
        raise WfstAsrError(f"features have shape {features.shape}; expected (frames, dimensions)")
    wide = features.astype(np.float64)
    stats = np.zeros((2, features.shape[1] + 1))
    stats[0, :-1] = wide.sum(axis=0)
    stats[1, :-1] = (wide**2).sum(axis=0)
    stats[0, -1] = len(features)
    return stats


def add_stats(parts: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Add statistics up, such as those of a speaker's utterances.

    Raises:
        WfstAsrError: there are none, or their dimensions differ.
    """
    blocks = list(parts)
    if not blocks:
        raise WfstAsrError("there are no normalisation statistics to add up; expected at least one utterance's")
    if any(block.shape != blocks[0].shape for block in blocks):
        shapes = sorted({block.shape for block in blocks})
        raise WfstAsrError(f"normalisation statistics have shapes {shapes}; expected one shape")
    return np.asarray(np.sum(blocks, axis=0), dtype=np.float64)


def apply_cmvn(
    features: NDArray[np.float32],
    stats: NDArray[np.float64] | None = None,
    *,
    norm_vars: bool = False,
) -> NDArray[np.float32]:
    """Subtract the mean and, with `norm_vars`, divide by the standard deviation.

    Args:
        features: (T, D).
        stats: of the utterance or the speaker, (2, D + 1); the features' own if None.
        norm_vars: normalise variances too.

    Raises:
        WfstAsrError: the statistics have another dimension, or no frames.

    >>> apply_cmvn(np.array([[1.0], [3.0]], dtype=np.float32), norm_vars=True).T
    array([[-1.,  1.]], dtype=float32)
    """
    if stats is None:
        if len(features) == 0:
            return features.astype(np.float32)
        stats = cmvn_stats(features)
    if stats.ndim != 2 or stats.shape != (2, features.shape[1] + 1):
        raise WfstAsrError(
            f"normalisation statistics have shape {stats.shape}; expected {(2, features.shape[1] + 1)} for features of "
            f"{features.shape[1]} dimensions"
        )
    count = stats[0, -1]
    if not count > 0:
        raise WfstAsrError("normalisation statistics are of no frames; expected at least one")
    mean = stats[0, :-1] / count
    normalised = features - mean
    if norm_vars:
        normalised /= np.sqrt(np.maximum(stats[1, :-1] / count - mean**2, _VARIANCE_FLOOR))
    return np.asarray(normalised, dtype=np.float32)


def sliding_cmvn(
    features: NDArray[np.float32],
    *,
    window: int = 600,
    min_window: int = 100,
    center: bool = False,
    norm_vars: bool = False,
    prior: NDArray[np.float64] | None = None,
    prior_frames: float = 200.0,
) -> NDArray[np.float32]:
    """Normalise each frame by the statistics of a window around it or before it.

    Not centred, the window is this frame and the `window` before it, and at the start the first `min_window` frames
    even where they are still to come; centred, `window` frames, shifted to stay inside the recording (Kaldi's
    apply-cmvn-sliding).  With a prior nothing is still to come: while the window is not full, statistics known before
    are worth up to `prior_frames` of what it lacks (Kaldi's `OnlineCmvn`).

    Args:
        features: (T, D).
        window: frames.
        min_window: least frames at the start, where not centred and without a prior.
        center: window around the frame.
        norm_vars: normalise variances too.
        prior: statistics (2, D + 1) of other sound, of `cmvn_stats`; only where not centred.
        prior_frames: see above.

    Raises:
        WfstAsrError: an argument out of range, or statistics of another dimension.

    >>> sliding_cmvn(np.arange(4.0, dtype=np.float32)[:, None], window=2, min_window=1).T
    array([[0. , 0.5, 1. , 1. ]], dtype=float32)
    """
    if features.ndim != 2:
        raise WfstAsrError(f"features have shape {features.shape}; expected (frames, dimensions)")
    if window < 1 or min_window < 1:
        raise WfstAsrError(f"window is {window} and min_window {min_window}; expected at least 1")
    if prior is not None:
        check_prior(prior, features.shape[1], prior_frames)
        if center:
            raise WfstAsrError("a centred window takes no prior statistics; leave out one of the two")
    frames = len(features)
    here = np.arange(frames)
    if center:
        first = here - window // 2
        last = first + window
    else:
        first = here - window
        last = here + 1
    if center:
        last = last + np.maximum(-first, 0)
    elif prior is None:
        last = np.maximum(last, min_window)
    first = np.maximum(first, 0)
    beyond = np.maximum(last - frames, 0)
    last = last - beyond
    first = np.maximum(first - beyond, 0)
    wide = features.astype(np.float64)
    sums = running_sums(wide)
    return normalised_by(
        wide,
        sums[last] - sums[first],
        (last - first).astype(np.float64),
        window=window,
        norm_vars=norm_vars,
        prior=prior,
        prior_frames=prior_frames,
    )


def check_prior(prior: NDArray[np.float64], dim: int, prior_frames: float) -> None:
    """Refuse prior statistics that do not fit features of `dim` dimensions."""
    if prior.shape != (2, dim + 1) or not prior[0, -1] > 0:
        raise WfstAsrError(
            f"the prior statistics have shape {prior.shape}; expected {(2, dim + 1)}, of at least one frame"
        )
    if not prior_frames >= 0:
        raise WfstAsrError(f"prior_frames is {prior_frames}; expected 0 or more")


def running_sums(features: NDArray[np.float64], before: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return (T + 1, 2, D) the sums of the frames (and of their squares) before each, on top of those `before`."""
    frames, dim = features.shape
    sums = np.empty((frames + 1, 2, dim))
    sums[0] = 0.0 if before is None else before
    sums[1:, 0] = features
    np.square(features, out=sums[1:, 1])
    return np.asarray(np.cumsum(sums, axis=0, out=sums))


def normalised_by(
    features: NDArray[np.float64],
    sums: NDArray[np.float64],
    count: NDArray[np.float64],
    *,
    window: int,
    norm_vars: bool,
    prior: NDArray[np.float64] | None,
    prior_frames: float,
) -> NDArray[np.float32]:
    """Normalise each frame by its own statistics: sums (T, 2, D) of count (T,) frames, and the prior's."""
    if prior is not None:
        share = np.clip(window - count, 0.0, min(prior_frames, float(prior[0, -1]))) / prior[0, -1]
        sums = sums + share[:, None, None] * prior[:, :-1]
        count = count + share * prior[0, -1]
    divisor = count[:, None]
    mean = sums[:, 0] / divisor
    normalised = features - mean
    if norm_vars:
        variance = sums[:, 1] / divisor - mean**2
        normalised = np.where(divisor == 1, 0.0, normalised / np.sqrt(np.maximum(variance, _SLIDING_VARIANCE_FLOOR)))
    return np.asarray(normalised, dtype=np.float32)
