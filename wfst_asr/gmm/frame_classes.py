"""Which frame counts for which class, and how much: the input of every accumulation of a transform."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True)
class FrameClasses:
    """Entries (frame, class, weight), in the order given, without those of weight 0.

    Attributes:
        frames: (K,) int64.
        classes: (K,) int64.
        weights: (K,) float64, above 0.
    """

    frames: NDArray[np.int64]
    classes: NDArray[np.int64]
    weights: NDArray[np.float64]

    def sorted_by_class(self) -> "FrameClasses":
        """Return the entries in ascending class, those of one class in their order."""
        order = np.argsort(self.classes, kind="stable")
        return FrameClasses(self.frames[order], self.classes[order], self.weights[order])


def frame_classes(
    classes: NDArray[np.integer],
    *,
    num_frames: int,
    num_classes: int,
    weights: NDArray[np.floating] | None = None,
    frames: NDArray[np.integer] | None = None,
) -> FrameClasses:
    """Check entries (frame, class, weight) and return them; one an each frame where `frames` is None.

    Args:
        classes: (K,) class of each entry, such as its pdf-id.
        num_frames: T.
        num_classes: C.
        weights: (K,) posterior of each entry; 1 where None.
        frames: (K,) frame of each entry; 0, 1, ... T - 1 where None.

    Raises:
        WfstAsrError: lengths that differ, a class or frame out of range, a weight below 0 or not finite.

    >>> frame_classes(np.array([4, 2]), num_frames=2, num_classes=5, weights=np.array([0.0, 0.5]))
    FrameClasses(frames=array([1]), classes=array([2]), weights=array([0.5]))
    """
    size = len(classes)
    if frames is None and size != num_frames:
        raise WfstAsrError(f"{size} classes for {num_frames} frames; give one a frame, or the frame of each as frames=")
    for name, values in (("frames", frames), ("weights", weights)):
        if values is not None and len(values) != size:
            raise WfstAsrError(f"{len(values)} {name} for {size} classes; expected as many")
    where = np.arange(size) if frames is None else frames.astype(np.int64)
    what = classes.astype(np.int64)
    much = np.ones(size) if weights is None else weights.astype(np.float64)
    for name, values, limit in (("class", what, num_classes), ("frame", where, num_frames)):
        if size and (values.min() < 0 or values.max() >= limit):
            bad = values.min() if values.min() < 0 else values.max()
            raise WfstAsrError(f"{name} {bad} is out of range; expected 0 to {limit - 1}")
    if not np.all(np.isfinite(much) & (much >= 0.0)):
        raise WfstAsrError("a weight is negative or not finite; expected posteriors, 0 and above")
    keep = much > 0.0
    return FrameClasses(where[keep], what[keep], much[keep])
