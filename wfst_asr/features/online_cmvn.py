"""Normalisation of cepstra while they arrive, by a sliding window; the whole-file function is `cmvn.sliding_cmvn`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.cmvn import check_prior, normalised_by, running_sums


@dataclass(frozen=True)
class OnlineCmvnOptions:
    """How cepstra are normalised while they arrive; see `cmvn.sliding_cmvn`.

    Attributes:
        window: frames before each that its statistics are of.
        min_window: without a prior, frames at the start of the stream that are waited for.
        prior_frames: with a prior, what it is worth at most while the window is not full.
    """

    window: int = 1000
    min_window: int = 100
    prior_frames: float = 200.0

    def __post_init__(self) -> None:
        if self.window < 1 or self.min_window < 1:
            raise WfstAsrError(f"window is {self.window} and min_window {self.min_window}; expected at least 1")
        if not self.prior_frames >= 0:
            raise WfstAsrError(f"prior_frames is {self.prior_frames}; expected 0 or more")


class OnlineCmvn:
    """`sliding_cmvn(features, window=..., min_window=..., prior=...)` of frames that arrive in pieces.

    >>> normalise = OnlineCmvn(OnlineCmvnOptions(window=2, min_window=2))
    >>> normalise.accept(np.zeros((1, 1), dtype=np.float32)).T
    array([], shape=(1, 0), dtype=float32)
    >>> normalise.accept(np.array([[1.0], [2.0]], dtype=np.float32)).T
    array([[-0.5,  0.5,  1. ]], dtype=float32)
    """

    def __init__(
        self,
        options: OnlineCmvnOptions | None = None,
        *,
        norm_vars: bool = False,
        prior: NDArray[np.float64] | None = None,
    ) -> None:
        """Begin a stream; `prior` (2, D + 1) are statistics known before, of `cmvn_stats`."""
        self._options = options or OnlineCmvnOptions()
        self._norm_vars = norm_vars
        self._prior = prior
        self._waiting: NDArray[np.float32] | None = None  # at the start, until there are enough
        self._sums: NDArray[np.float64] | None = None  # before the oldest frame of the window and each later one
        if prior is not None:
            check_prior(prior, prior.shape[1] - 1, self._options.prior_frames)

    def accept(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take frames (T, D); return those that can be normalised now."""
        if self._sums is None and self._prior is None:
            frames = frames if self._waiting is None else np.concatenate([self._waiting, frames])
            if len(frames) < self._options.min_window:
                self._waiting = frames
                return frames[:0]
        return self._normalised(frames)

    def finish(self) -> NDArray[np.float32]:
        """End the frames; return those that waited for more at the start."""
        if self._sums is not None or self._waiting is None:
            return np.empty((0, 0), np.float32)
        return self._normalised(self._waiting)

    def _normalised(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        wide = frames.astype(np.float64)
        begins = self._sums is None
        if self._sums is None:
            sums = running_sums(wide)
            here = np.arange(len(wide))
        else:
            sums = np.concatenate([self._sums, running_sums(wide, self._sums[-1])[1:]])
            here = len(self._sums) - 1 + np.arange(len(wide))
        first, last = np.maximum(here - self._options.window, 0), here + 1
        if begins and self._prior is None:
            last = np.minimum(np.maximum(last, self._options.min_window), len(wide))
        self._sums = sums[-(self._options.window + 1) :].copy()
        return normalised_by(
            wide,
            sums[last] - sums[first],
            (last - first).astype(np.float64),
            window=self._options.window,
            norm_vars=self._norm_vars,
            prior=self._prior,
            prior_frames=self._options.prior_frames,
        )
