"""The log spectrogram of 20 ms slices in 50 Hz bands, as the article "Machine Learning is Fun, part 6" prints it.

The article cuts sound at 16 kHz into slices of 320 samples and lists the energy in each of 161 bands for one slice.
Its formula, found from its numbers, is

    S_k = 2 |FFT_k(w x)|^2 / (rate * sum w^2)         one-sided power spectral density, w Hann's window (symmetric),
                                                      without the 2 in the first and the last band
    band_k = 20 log10(S_k / 1e-5)

What agrees: 160 of the 161 printed values, to 2e-6 or better, once the minus sign is back that the slice's text lost
(sample 73 is -1648, as in the article's list of the first 100 samples) and the commas are out of the numbers that a
line break split.  What does not: band 125 (6250 Hz) is printed as 88.947 where the formula gives 80.947, all other
digits equal, so one digit is wrong.  The numbers look like decibels and are twice that: of a power, 10 log10 would be.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.frames import WINDOWS, FrameOptions, num_frames, window_function, windowed_frames

SCALES = ("article", "decibel", "log")
_ARTICLE_REFERENCE = 1e-5


@dataclass(frozen=True)
class SliceOptions:
    """Options of `slice_spectrogram`.

    Attributes:
        sample_rate_hz: samples a second.
        slice_ms: length of a slice; a band is 1000 / slice_ms wide.
        step_ms: from slice to slice; less than slice_ms makes them overlap.
        window: rectangular, hanning, hamming, povey, blackman or sine.
        scale: article (20 log10(S / 1e-5)), decibel (10 log10 S) or log (natural log of S).
        power_floor: least S, so that digital silence has a logarithm.
    """

    sample_rate_hz: float = 16000.0
    slice_ms: float = 20.0
    step_ms: float = 20.0
    window: str = "hanning"
    scale: str = "article"
    power_floor: float = 1e-10

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise WfstAsrError(f"scale is '{self.scale}'; expected one of {', '.join(SCALES)}")
        if self.window not in WINDOWS:
            raise WfstAsrError(f"window is '{self.window}'; expected one of {', '.join(WINDOWS)}")
        if not self.power_floor > 0:
            raise WfstAsrError(f"power_floor is {self.power_floor}; expected a positive number")
        if not self.sample_rate_hz > 0:
            raise WfstAsrError(f"sample_rate_hz is {self.sample_rate_hz}; expected a positive number")
        for name in ("slice_ms", "step_ms"):
            if not getattr(self, name) * self.sample_rate_hz >= 1000:
                raise WfstAsrError(f"{name} is {getattr(self, name)}; expected at least one sample")
        if (size := int(self.sample_rate_hz * 0.001 * self.slice_ms)) % 2:
            raise WfstAsrError(f"slice_ms is {self.slice_ms}: {size} samples; expected an even number of them")

    @property
    def _frames(self) -> FrameOptions:
        return FrameOptions(
            sample_rate_hz=self.sample_rate_hz,
            frame_shift_ms=self.step_ms,
            frame_length_ms=self.slice_ms,
            preemphasis=0.0,
            remove_dc_offset=False,
            window=self.window,
            round_to_power_of_two=False,
        )


def band_frequencies_hz(options: SliceOptions | None = None) -> NDArray[np.float64]:
    """Return the middle of each band in Hz (B,), from 0 to half the sample rate.

    >>> band_frequencies_hz()[[0, 1, 2, -1]].tolist()
    [0.0, 50.0, 100.0, 8000.0]
    """
    options = options or SliceOptions()
    frames = options._frames
    half = frames.frame_length // 2
    return np.arange(half + 1, dtype=np.float64) * (options.sample_rate_hz / (2 * half))


def slice_spectrogram(samples: ArrayLike, options: SliceOptions | None = None) -> NDArray[np.float32]:
    """Compute the energy in each frequency band of each slice of a recording.

    Args:
        samples: (N,) in 16-bit scale; what is left after the last whole slice is dropped.
        options: the article's if None: 20 ms slices side by side, 50 Hz bands.

    Returns:
        (T, slice / 2 + 1) float32, low frequencies first.

    Raises:
        WfstAsrError: samples are not one channel, or not finite.

    >>> tone = 1000 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> bands = slice_spectrogram(tone)
    >>> bands.shape, int(bands[0].argmax())  # band 9 is 450 Hz
    ((50, 161), 9)
    """
    options = options or SliceOptions()
    frames = options._frames
    sound = np.asarray(samples, dtype=np.float64)
    if sound.ndim != 1:
        raise WfstAsrError(f"samples have shape {sound.shape}; expected one channel (N,)")
    if not np.isfinite(sound).all():
        raise WfstAsrError(f"sample {int(np.argmin(np.isfinite(sound)))} is not finite; check the recording")
    size = frames.frame_length
    weights = window_function(frames)
    result = np.empty((num_frames(len(sound), frames), size // 2 + 1), dtype=np.float32)
    for chunk in windowed_frames(sound, frames):  # type: ignore[arg-type]  # float64 is taken as well
        power = chunk.power_spectrum(size) / (options.sample_rate_hz * np.sum(weights**2))
        power[:, 1:-1] *= 2
        result[chunk.rows] = _scaled(np.maximum(power, options.power_floor), options.scale)
    return result


def _scaled(power: NDArray[np.float64], scale: str) -> NDArray[np.floating[Any]]:
    if scale == "article":
        return 20 * np.log10(power / _ARTICLE_REFERENCE)
    return np.log(power) * (10 / np.log(10) if scale == "decibel" else 1.0)
