"""Triangular filters on the mel scale, in Kaldi's definition (`mel-computations.cc`)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.frames import FrameOptions


@dataclass(frozen=True)
class MelOptions:
    """The mel filters.

    Attributes:
        num_bins: how many, at least 3.
        low_freq_hz: lower edge of the first.
        high_freq_hz: upper edge of the last; 0 or less counts from half the sample rate.
        htk_mode: as HTK does: energies below 1 become 1, and the first weight of the first filter is 0.
    """

    num_bins: int = 23
    low_freq_hz: float = 20.0
    high_freq_hz: float = 0.0
    htk_mode: bool = False

    def __post_init__(self) -> None:
        if self.num_bins < 3:
            raise WfstAsrError(f"num_bins is {self.num_bins}; expected at least 3 mel filters")


def mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Convert Hz to mel: 1127 ln(1 + f / 700).

    >>> float(mel(1000.0).round(2))
    999.99
    """
    return np.asarray(1127.0 * np.log1p(np.asarray(hertz) / 700.0))


def mel_filters(options: MelOptions, frames: FrameOptions) -> NDArray[np.float64]:
    """Make the filters as a (fft_size / 2 + 1, num_bins) matrix: power spectrum @ filters = mel energies.

    Each filter is a triangle on the mel scale from its neighbour's centre to its other neighbour's.

    Raises:
        WfstAsrError: the edges lie outside the spectrum, or a filter holds no FFT bin.
    """
    nyquist = frames.sample_rate_hz / 2
    low = options.low_freq_hz
    high = options.high_freq_hz if options.high_freq_hz > 0 else nyquist + options.high_freq_hz
    if not 0 <= low < high <= nyquist:
        raise WfstAsrError(
            f"the mel filters reach from {low:g} to {high:g} Hz; expected a range inside 0 to {nyquist:g} Hz "
            f"(half the sample rate): change low_freq_hz or high_freq_hz"
        )
    edges = mel(low) + np.arange(options.num_bins + 2) * (mel(high) - mel(low)) / (options.num_bins + 1)
    bins = mel(np.arange(frames.fft_size // 2) * frames.sample_rate_hz / frames.fft_size)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    filters = np.zeros((frames.fft_size // 2 + 1, options.num_bins))
    filters[:-1] = np.maximum(np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)), 0.0)
    empty = np.flatnonzero(~(filters > 0).any(axis=0))
    if len(empty):
        raise WfstAsrError(
            f"mel filter {empty[0]} of {options.num_bins} holds no FFT bin; lower num_bins or lengthen the frames"
        )
    if options.htk_mode and low != 0:
        filters[np.argmax(filters[:, 0] > 0), 0] = 0.0
    return filters
