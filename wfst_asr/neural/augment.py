"""Variations of features, so that a network does not learn its few training utterances by heart.

Masks: stretches of frames and of bands replaced by the utterance's mean (SpecAugment: Park et al. 2019, "SpecAugment: a
simple data augmentation method for automatic speech recognition", without its time warp).  Tempo: frames resampled
along time.  Warp: bands resampled along frequency, as a longer or shorter vocal tract would.
"""

import numpy as np
from numpy.typing import NDArray

from wfst_asr.neural.options import AugmentOptions


def augmented(
    features: NDArray[np.float32],
    options: AugmentOptions,
    rng: np.random.Generator,
    *,
    frame_shift_s: float = 0.01,
    min_frames: int = 1,
) -> NDArray[np.float32]:
    """Return features varied at random.

    Args:
        features: (T, D), bands side by side in order of frequency.
        options: how.
        rng: random numbers.
        frame_shift_s: from frame to frame.
        min_frames: frames that are left at least where the tempo rises.

    Returns:
        (T', D) float32.

    >>> rng = np.random.default_rng(0)
    >>> augmented(np.ones((100, 40), np.float32), AugmentOptions(), rng).shape[1]
    40
    """
    if len(features) == 0 or rng.random() >= options.share:
        return features
    made = features
    if options.tempo or options.warp:
        factor, bend = (float(np.exp(rng.uniform(-1, 1) * np.log1p(most))) for most in (options.tempo, options.warp))
        frames = max(round(len(features) / factor), min(min_frames, len(features)), 1)
        made = resampled(made, frames, bend)
    made = made.copy()
    if options.noise:
        made += rng.uniform(0, options.noise) * rng.standard_normal(made.shape, dtype=np.float32)
    mean = made.mean(axis=0)
    for _ in range(options.band_masks):
        first, last = _stretch(made.shape[1], options.band_width, rng)
        made[:, first:last] = mean[first:last]
    masks = rng.poisson(options.frame_masks * len(made) * frame_shift_s) if options.frame_masks else 0
    for _ in range(masks):
        first, last = _stretch(len(made), options.frame_width, rng)
        made[first:last] = mean
    return made


def resampled(features: NDArray[np.float32], frames: int, bend: float = 1.0) -> NDArray[np.float32]:
    """Return (frames, D): linear interpolation along time, and along bands at `bend` times the place.

    >>> resampled(np.array([[0.0, 1.0], [4.0, 5.0]], np.float32), 3).tolist()
    [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    """
    made = features
    if frames != len(features):
        made = _along_rows(made, np.linspace(0, len(features) - 1, frames))
    if bend != 1.0:
        bands = features.shape[1]
        made = _along_rows(made.T, np.clip(np.arange(bands) * bend, 0, bands - 1)).T
    return np.ascontiguousarray(made, dtype=np.float32)


def _along_rows(values: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.float32]:
    below = np.floor(places).astype(np.intp)
    above = np.minimum(below + 1, len(values) - 1)
    share = (places - below).astype(np.float32)[:, np.newaxis]
    mixed: NDArray[np.float32] = values[below] * (1 - share) + values[above] * share
    return mixed


def _stretch(length: int, most: int, rng: np.random.Generator) -> tuple[int, int]:
    width = int(rng.integers(0, min(most, length) + 1))
    first = int(rng.integers(0, length - width + 1))
    return first, first + width
