"""Features of sound that is still arriving: what they have in common, and windows over frames.

A stream takes whatever it is given, and gives what can be told of it: a frame as soon as all that it depends on is
there.  In whatever pieces it comes, the frames are those of the whole.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]


class FeatureStream(Protocol):
    """From samples to the features that a model scores.

    `accept` takes samples and `finish` ends the sound; `ready` frames may then be taken.  `end_utterance` tells that
    the frames taken so far end an utterance, for normalisation that learns from utterance to utterance.
    """

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the sound."""
        ...

    @property
    def ready(self) -> int:
        """Frames that can be taken."""
        ...

    def accept(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples (N,) in 16-bit scale."""
        ...

    def finish(self) -> None:
        """End the sound: the frames that waited for more become ready."""
        ...

    def take(self, frames: int) -> Frames:
        """Return the next frames (T, D), at most `frames`."""
        ...

    def end_utterance(self) -> None:
        """Begin another utterance after the frames taken so far."""
        ...


class FrameQueue:
    """Frames waiting to be taken.

    >>> queue = FrameQueue(1)
    >>> queue.put(np.arange(3, dtype=np.float32)[:, None])
    >>> queue.take(2).T, len(queue)
    (array([[0., 1.]], dtype=float32), 1)
    """

    def __init__(self, dim: int) -> None:
        """Begin without frames of `dim` dimensions."""
        self._frames = np.empty((0, dim), np.float32)

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frames: Frames) -> None:
        """Append frames (T, D)."""
        self._frames = np.concatenate([self._frames, frames]) if len(self._frames) else frames

    def take(self, frames: int) -> Frames:
        """Return the next frames, at most `frames`."""
        taken, self._frames = self._frames[:frames], self._frames[frames:]
        return taken


class ContextStream:
    """A function of each frame and its neighbours, applied while the frames arrive.

    >>> from wfst_asr.features.deltas import splice
    >>> spliced = ContextStream(lambda frames: splice(frames, left=1, right=1), left=1, right=1)
    >>> spliced.accept(np.arange(2, dtype=np.float32)[:, None])
    array([[0., 0., 1.]], dtype=float32)
    >>> spliced.finish()
    array([[0., 1., 1.]], dtype=float32)
    """

    def __init__(self, function: Callable[[Frames], Frames], *, left: int, right: int) -> None:
        """Begin a stream.

        Args:
            function: from (T, D) frames to (T, E); what it makes of a frame depends on `left` frames before and `right`
                after, and where the recording begins or ends it repeats the first or the last.
            left: see `function`.
            right: see `function`.
        """
        self._function, self._left, self._right = function, left, right
        self._held: Frames | None = None
        self._before = 0  # frames held that were given already

    def accept(self, frames: Frames) -> Frames:
        """Take frames (T, D); return what can be told now (N, E)."""
        held = frames if self._held is None else np.concatenate([self._held, frames])
        ready = max(len(held) - self._right - self._before, 0)
        if ready == 0:
            self._held = held if len(held) else None
            return self._function(held[:1])[:0]
        made = self._function(held)[self._before : self._before + ready]
        done = self._before + ready
        keep = max(done - self._left, 0)
        self._held, self._before = held[keep:].copy(), done - keep
        return made

    def finish(self) -> Frames:
        """End the frames; return the rest."""
        if self._held is None:
            return np.empty((0, 0), np.float32)
        made = self._function(self._held)[self._before :]
        self._before = len(self._held)
        return made
