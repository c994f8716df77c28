"""What a network of letters hears: log energies of mel bands every 10 ms, or the log spectrogram of 20 ms slices."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.fbank import FbankOptions, fbank
from wfst_asr.features.frames import FrameOptions
from wfst_asr.features.mel import MelOptions
from wfst_asr.features.slice_spectrogram import SliceOptions, slice_spectrogram

KINDS = ("fbank", "slices")
_SLICE_S = 0.02
_LEAST = 0.0  # digital silence has no logarithm; what rounding to 16 bits leaves is mostly above this


@dataclass(frozen=True)
class NetworkFeatures:
    """Features of a network.

    Attributes:
        kind: "fbank": mel bands of 25 ms windows every 10 ms; "slices": 50 Hz bands of 20 ms slices side by side.
        sample_rate_hz: of the recordings.
        num_bins: mel bands; slices have the bands that the sample rate gives.
        padding_s: silence put before and behind a recording, for corpora whose recordings are cut close.

    >>> NetworkFeatures("slices").num_features, NetworkFeatures("slices").frame_shift_s
    (161, 0.02)
    """

    kind: str = "fbank"
    sample_rate_hz: int = 16000
    num_bins: int = 40
    padding_s: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise WfstAsrError(f"features are of kind '{self.kind}'; expected one of: {', '.join(KINDS)}")
        if not self.padding_s >= 0:
            raise WfstAsrError(f"padding_s is {self.padding_s}; expected 0 or more")
        _ = self._fbank if self.kind == "fbank" else self._slices  # which refuses what is out of range

    @property
    def num_features(self) -> int:
        """Columns."""
        return self.num_bins if self.kind == "fbank" else int(self.sample_rate_hz * _SLICE_S) // 2 + 1

    @property
    def frame_shift_s(self) -> float:
        """Seconds from frame to frame."""
        return self._fbank.frames.frame_shift_ms / 1000 if self.kind == "fbank" else _SLICE_S

    @cached_property
    def _fbank(self) -> FbankOptions:
        frames = FrameOptions(sample_rate_hz=float(self.sample_rate_hz), snip_edges=False)
        return FbankOptions(frames=frames, mel=MelOptions(num_bins=self.num_bins))

    @cached_property
    def _slices(self) -> SliceOptions:
        step_ms = 1000 * _SLICE_S
        return SliceOptions(sample_rate_hz=float(self.sample_rate_hz), slice_ms=step_ms, step_ms=step_ms)

    def of(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the features (T, num_features) of a recording, samples (N,) in 16-bit scale.

        Values below 0 become 0.  Mel bands have a frame for each 10 ms, counting one that is half there; slices one for
        each whole 20 ms.

        >>> NetworkFeatures(num_bins=30).of(np.ones(16000, dtype=np.float32)).shape
        (100, 30)
        """
        if self.padding_s:
            samples = np.pad(samples, round(self.padding_s * self.sample_rate_hz))
        made = fbank(samples, self._fbank) if self.kind == "fbank" else slice_spectrogram(samples, self._slices)
        return np.maximum(made, np.float32(_LEAST))
