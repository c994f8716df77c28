"""Compiled loops of the features; each has a readable twin that a test holds equal."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wfst_asr.features.sphinx_noise import (
    FALL_MEMORY,
    MASKED_SHARE,
    MAX_GAIN,
    PEAK_MEMORY,
    POWER_MEMORY,
    RISE_MEMORY,
    SMOOTHING_FILTERS,
)


@njit(cache=True, nogil=True)
def remove_noise_kernel(energies: NDArray[np.float64], state: NDArray[np.float64]) -> NDArray[np.float64]:
    """`sphinx_noise.remove_noise`, compiled: energies (T, filters) float64 -> (T, filters).

    `state` is what `sphinx_noise.noise_state` makes of the first frame; it is brought to the last, so that the frames
    may come in pieces.
    """
    frames, filters = energies.shape
    cleaned = np.empty_like(energies)
    power, noise, floor, peak = state[0], state[1], state[2], state[3]
    gain = np.empty(filters)
    for frame in range(frames):
        for i in range(filters):
            power[i] = POWER_MEMORY * power[i] + (1 - POWER_MEMORY) * energies[frame, i]
            memory = RISE_MEMORY if power[i] >= noise[i] else FALL_MEMORY
            noise[i] = memory * noise[i] + (1 - memory) * power[i]
            signal = max(power[i] - noise[i], 1.0)
            memory = RISE_MEMORY if signal >= floor[i] else FALL_MEMORY
            floor[i] = memory * floor[i] + (1 - memory) * signal
            peak[i] *= PEAK_MEMORY
            masked = MASKED_SHARE * peak[i] if signal < PEAK_MEMORY * peak[i] else signal
            peak[i] = max(peak[i], signal)
            masked = max(masked, floor[i])
            gain[i] = masked / power[i] if masked < MAX_GAIN * power[i] else MAX_GAIN
            gain[i] = max(gain[i], 1 / MAX_GAIN)
        for i in range(filters):
            first = max(i - SMOOTHING_FILTERS, 0)
            last = min(i + SMOOTHING_FILTERS, filters - 1)
            total = 0.0
            for j in range(first, last + 1):
                total += gain[j]
            cleaned[frame, i] = energies[frame, i] * (total / (last - first + 1))
    return cleaned
