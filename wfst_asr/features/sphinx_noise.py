"""Sphinx's noise removal: a noise floor tracked in each mel filter and subtracted, the definition and its fast twin.

Each filter follows the smoothed power of its energy; the noise is its lower envelope (slow up, fast down).  What is
left above the noise is masked in time behind louder frames, held above its own floor, and turned into a gain, which is
smoothed over the neighbouring filters before it multiplies the energies.

After G. Doblinger, "Computationally efficient speech enhancement by spectral minima tracking in subbands", Eurospeech
1995, and C. Kim and R. Stern's PNCC; Sphinx's `fe_noise.c`.
"""

import numpy as np
from numpy.typing import NDArray

POWER_MEMORY = 0.7  # of the smoothed power, a frame
RISE_MEMORY = 0.995  # of a lower envelope below its input
FALL_MEMORY = 0.5  # of a lower envelope above its input
PEAK_MEMORY = 0.85  # of a peak that masks what follows
MASKED_SHARE = 0.2  # of the peak, that a masked signal becomes
MAX_GAIN = 20.0
SMOOTHING_FILTERS = 4  # neighbours on either side


def remove_noise(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subtract the tracked noise from mel energies: the definition, a frame at a time.

    Args:
        energies: (T, filters) mel energies (not logarithms), 0 or more.

    Returns:
        (T, filters) energies.

    >>> remove_noise(np.full((3, 2), 100.0))  # a steady sound is noise
    array([[94.525     , 94.525     ],
           [94.052375  , 94.052375  ],
           [93.58211313, 93.58211313]])
    """
    frames, filters = energies.shape
    cleaned = np.empty_like(energies)
    if frames == 0:
        return cleaned
    window = smoothing_window(filters)
    power = energies[0].copy()
    noise = energies[0] / MAX_GAIN
    floor = energies[0] / MAX_GAIN
    peak = np.zeros(filters)
    for frame in range(frames):
        power = POWER_MEMORY * power + (1 - POWER_MEMORY) * energies[frame]
        noise = _lower_envelope(noise, power)
        signal = np.maximum(power - noise, 1.0)
        floor = _lower_envelope(floor, signal)
        peak = peak * PEAK_MEMORY
        masked = np.where(signal < PEAK_MEMORY * peak, MASKED_SHARE * peak, signal)
        peak = np.maximum(peak, signal)
        masked = np.maximum(masked, floor)
        gain = np.full(filters, MAX_GAIN)
        np.divide(masked, power, out=gain, where=masked < MAX_GAIN * power)
        cleaned[frame] = energies[frame] * (window @ np.maximum(gain, 1 / MAX_GAIN))
    return cleaned


def noise_state(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the filters remember (4, filters) before the first of the frames: power, noise, floor, peak."""
    first = energies[0] if len(energies) else np.zeros(energies.shape[1])
    return np.stack([first, first / MAX_GAIN, first / MAX_GAIN, np.zeros(len(first))])


def _lower_envelope(envelope: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    memory = np.where(values >= envelope, RISE_MEMORY, FALL_MEMORY)
    return memory * envelope + (1 - memory) * values


def smoothing_window(filters: int) -> NDArray[np.float64]:
    """Averages over a filter and up to four neighbours on either side, as a (filters, filters) matrix.

    >>> smoothing_window(6)[0]
    array([0.2, 0.2, 0.2, 0.2, 0.2, 0. ])
    """
    index = np.arange(filters)
    near = (abs(index[:, None] - index) <= SMOOTHING_FILTERS).astype(np.float64)
    averages: NDArray[np.float64] = near / near.sum(axis=1, keepdims=True)
    return averages
