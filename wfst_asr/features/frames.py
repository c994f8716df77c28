"""Cutting sound into windowed frames, in Kaldi's definition (`feature-window.cc`)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError

WINDOWS = ("povey", "hamming", "hanning", "rectangular", "blackman", "sine")
EPSILON = float(np.finfo(np.float32).eps)
_CHUNK_FRAMES = 32  # stays in the cache


@dataclass(frozen=True)
class FrameOptions:
    """How sound is cut into frames.

    Attributes:
        sample_rate_hz: samples a second.
        frame_shift_ms: from frame to frame.
        frame_length_ms: of a window.
        dither: standard deviation of Gaussian noise added to each frame; Kaldi's default is 1, ours 0.
        preemphasis: share of the previous sample that is subtracted, 0 to 1.
        remove_dc_offset: subtract each frame's mean.
        window: povey, hamming, hanning, rectangular, blackman or sine.
        blackman_coeff: of the blackman window.
        round_to_power_of_two: pad the FFT to a power of two.
        snip_edges: only frames that fit; otherwise round(samples / shift) frames, the edges mirrored.
    """

    sample_rate_hz: float = 16000.0
    frame_shift_ms: float = 10.0
    frame_length_ms: float = 25.0
    dither: float = 0.0
    preemphasis: float = 0.97
    remove_dc_offset: bool = True
    window: str = "povey"
    blackman_coeff: float = 0.42
    round_to_power_of_two: bool = True
    snip_edges: bool = True

    def __post_init__(self) -> None:
        if not self.sample_rate_hz > 0:
            raise WfstAsrError(f"sample_rate_hz is {self.sample_rate_hz}; expected a positive number")
        if self.frame_shift < 1:
            raise WfstAsrError(f"frame_shift_ms is {self.frame_shift_ms}; expected at least one sample")
        if self.frame_length < 2:
            raise WfstAsrError(f"frame_length_ms is {self.frame_length_ms}; expected at least two samples")
        if self.fft_size % 2:
            raise WfstAsrError(
                f"the FFT would have {self.fft_size} points; expected an even number: set round_to_power_of_two or "
                f"change frame_length_ms ({self.frame_length_ms:g})"
            )
        if not self.dither >= 0:
            raise WfstAsrError(f"dither is {self.dither}; expected 0 or more")
        if not 0 <= self.preemphasis <= 1:
            raise WfstAsrError(f"preemphasis is {self.preemphasis}; expected 0 to 1")
        if self.window not in WINDOWS:
            raise WfstAsrError(f"window is '{self.window}'; expected one of {', '.join(WINDOWS)}")

    @property
    def frame_shift(self) -> int:
        """Samples from frame to frame."""
        return int(self.sample_rate_hz * 0.001 * self.frame_shift_ms)

    @property
    def frame_length(self) -> int:
        """Samples of a window."""
        return int(self.sample_rate_hz * 0.001 * self.frame_length_ms)

    @property
    def fft_size(self) -> int:
        """Points of the FFT."""
        if self.round_to_power_of_two:
            return 1 << (self.frame_length - 1).bit_length()
        return self.frame_length


def num_frames(num_samples: int, options: FrameOptions) -> int:
    """Count the frames of that many samples.

    >>> num_frames(16000, FrameOptions()), num_frames(16000, FrameOptions(snip_edges=False))
    (98, 100)
    """
    if not options.snip_edges:
        return (num_samples + options.frame_shift // 2) // options.frame_shift
    if num_samples < options.frame_length:
        return 0
    return 1 + (num_samples - options.frame_length) // options.frame_shift


def window_function(options: FrameOptions) -> NDArray[np.float64]:
    """Return the window's weights (frame_length,).

    >>> window_function(FrameOptions(sample_rate_hz=200, window="hanning")).round(2)
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    size = options.frame_length
    angle = 2 * np.pi * np.arange(size) / (size - 1)
    if options.window == "hanning":
        weights = 0.5 - 0.5 * np.cos(angle)
    elif options.window == "hamming":
        weights = 0.54 - 0.46 * np.cos(angle)
    elif options.window == "povey":
        weights = np.maximum(0.5 - 0.5 * np.cos(angle), 0.0) ** 0.85
    elif options.window == "sine":
        weights = np.sin(0.5 * angle)
    elif options.window == "blackman":
        rest = 0.5 - options.blackman_coeff
        weights = options.blackman_coeff - 0.5 * np.cos(angle) + rest * np.cos(2 * angle)
    else:
        weights = np.ones(size)
    return np.asarray(weights, dtype=np.float64)


@dataclass(frozen=True)
class FrameChunk:
    """Some frames of a recording, ready for the FFT.

    Attributes:
        rows: which frames.
        windows: (n, frame_length) float64, after DC removal, pre-emphasis and the window.
        raw_log_energy: (n,) log of the sum of squares before pre-emphasis and window.
    """

    rows: slice
    windows: NDArray[np.float64]
    raw_log_energy: NDArray[np.float64]

    def log_energy(self, *, raw: bool, floor: float) -> NDArray[np.float64]:
        """Log energy (n,), before (raw) or after the window, not below the log of `floor` where that is positive."""
        if raw:
            energy = self.raw_log_energy
        else:
            energy = np.log(np.maximum((self.windows**2).sum(axis=1), EPSILON))
        return np.maximum(energy, np.log(floor)) if floor > 0 else energy

    def power_spectrum(self, fft_size: int) -> NDArray[np.float64]:
        """Squared magnitudes (n, fft_size / 2 + 1)."""
        spectrum = np.fft.rfft(self.windows, fft_size)
        power: NDArray[np.float64] = spectrum.real**2 + spectrum.imag**2
        return power


def windowed_frames(
    samples: NDArray[np.float32], options: FrameOptions, *, rng: np.random.Generator | None = None
) -> Iterator[FrameChunk]:
    """Cut a recording into frames, some at a time, so that long recordings need little memory.

    Args:
        samples: (N,) in 16-bit scale at `options.sample_rate_hz`.
        options: how.
        rng: random numbers for dither; needed only then.

    Raises:
        WfstAsrError: samples are not one channel, or dither is asked for without `rng`.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise WfstAsrError(f"samples have shape {samples.shape}; expected one channel (N,)")
    if options.dither and rng is None:
        raise WfstAsrError("dither needs random numbers; pass rng=numpy.random.default_rng(seed) or dither=0")
    shift, length = options.frame_shift, options.frame_length
    frames = num_frames(len(samples), options)
    weights = window_function(options)
    if not options.snip_edges and frames:
        before = length // 2 - shift // 2
        after = (frames - 1) * shift - before + length - len(samples)
        samples = np.pad(samples[max(-before, 0) :], (max(before, 0), max(after, 0)), mode="symmetric")
    for first in range(0, frames, _CHUNK_FRAMES):
        last = min(first + _CHUNK_FRAMES, frames)
        piece = samples[first * shift : (last - 1) * shift + length].astype(np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(piece, length)[::shift].copy()
        if rng is not None and options.dither:
            windows += options.dither * rng.standard_normal(windows.shape)
        if options.remove_dc_offset:
            windows -= windows.mean(axis=1, keepdims=True)
        energy = np.log(np.maximum(np.einsum("ij,ij->i", windows, windows), EPSILON))
        if options.preemphasis:
            emphasised = windows.copy()
            emphasised[:, 1:] -= options.preemphasis * windows[:, :-1]
            emphasised[:, 0] *= 1 - options.preemphasis
            windows = emphasised
        windows *= weights
        yield FrameChunk(slice(first, last), windows, energy)
