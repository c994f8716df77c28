"""Log power spectra in Kaldi's definition (`feature-spectrogram.cc`)."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wfst_asr.features.frames import EPSILON, FrameOptions, num_frames, windowed_frames


@dataclass(frozen=True)
class SpectrogramOptions:
    """Options of `spectrogram`.

    Attributes:
        frames: how sound is cut.
        raw_energy: take the energy before pre-emphasis and window.
        energy_floor: least energy (not its log); 0 for none.
    """

    frames: FrameOptions = field(default_factory=FrameOptions)
    raw_energy: bool = True
    energy_floor: float = 0.0


def spectrogram(
    samples: NDArray[np.float32],
    options: SpectrogramOptions | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Compute the log power spectrum of each frame; column 0 is the frame's log energy, as in Kaldi.

    Args:
        samples: (N,) in 16-bit scale.
        options: Kaldi's defaults (without dither) if None.
        rng: random numbers for dither; needed only then.

    Returns:
        (T, fft_size / 2 + 1) float32.

    >>> spectrogram(np.ones(16000, dtype=np.float32)).shape
    (98, 257)
    """
    options = options or SpectrogramOptions()
    size = options.frames.fft_size
    result = np.empty((num_frames(len(samples), options.frames), size // 2 + 1), dtype=np.float32)
    for chunk in windowed_frames(samples, options.frames, rng=rng):
        result[chunk.rows] = np.log(np.maximum(chunk.power_spectrum(size), EPSILON))
        result[chunk.rows, 0] = chunk.log_energy(raw=options.raw_energy, floor=options.energy_floor)
    return result
