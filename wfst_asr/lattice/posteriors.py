"""Posterior probabilities of a lattice's arcs, by forward-backward in the log semiring."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.lattice import Lattice


@dataclass(frozen=True)
class FramePosteriors:
    """Which input labels (transition-ids) a frame may have been, sorted by frame, then by label.

    Attributes:
        frames: (K,) int32.
        labels: (K,) int32 input labels; each occurs at most once a frame.
        posteriors: (K,) float64; those of a frame sum to 1.
        log_likelihood: log of the sum over the lattice's paths of exp(-cost).
    """

    frames: NDArray[np.int32]
    labels: NDArray[np.int32]
    posteriors: NDArray[np.float64]
    log_likelihood: float


def arc_posteriors(lattice: Lattice, *, acoustic_scale: float | None = None) -> tuple[NDArray[np.float64], float]:
    """Return the (A,) probability that a path drawn by its cost takes an arc, and the log of the sum of all paths.

        p(arc) = exp(-(forward(source) + cost(arc) + backward(nextstate) - total))

    Linear in the arcs.  Rabiner 1989, section III.A; Kaldi: `LatticeForwardBackward`.

    Args:
        lattice: with at least one path.
        acoustic_scale: that of the search, if not given.

    Raises:
        WfstAsrError: a scale that is no number above 0, or a lattice without a path.
    """
    from wfst_asr.lattice._kernels import forward_backward

    cost = lattice.arc_costs(acoustic_scale)
    final = lattice.final_cost.astype(np.float64)
    forward, backward = forward_backward(lattice.first_arc, lattice.nextstate, cost, final, True)
    total = float(backward[0]) if len(backward) else np.inf
    if total == np.inf:
        raise WfstAsrError("the lattice has no path; nothing was decoded")
    return np.exp(total - forward[lattice.source] - cost - backward[lattice.nextstate]), -total


def frame_posteriors(
    lattice: Lattice, *, acoustic_scale: float | None = None, min_posterior: float = 0.0
) -> FramePosteriors:
    """Return the posteriors of the input labels in every frame (Kaldi: `lattice-to-post`).

    Args:
        lattice: with at least one path.
        acoustic_scale: that of the search, if not given.
        min_posterior: entries below are left out, and those that stay are scaled to sum to 1 in their frame.

    Raises:
        WfstAsrError: a scale that is no number above 0, or a lattice without a path.
    """
    posteriors, log_likelihood = arc_posteriors(lattice, acoustic_scale=acoustic_scale)
    emitting = np.flatnonzero(lattice.ilabel)
    width = int(lattice.ilabel.max(initial=0)) + 1
    key = lattice.frame[lattice.source[emitting]].astype(np.int64) * width + lattice.ilabel[emitting]
    cells, place = np.unique(key, return_inverse=True)
    summed = np.bincount(place, weights=posteriors[emitting], minlength=len(cells))
    frames = cells // width
    if min_posterior > 0 and len(cells):
        best = np.zeros(lattice.num_frames)
        np.maximum.at(best, frames, summed)
        keep = summed >= np.minimum(min_posterior, best[frames])
        cells, frames, summed = cells[keep], frames[keep], summed[keep]
    total = np.bincount(frames, weights=summed, minlength=lattice.num_frames)
    return FramePosteriors(
        frames=frames.astype(np.int32),
        labels=(cells % width).astype(np.int32),
        posteriors=summed / total[frames],
        log_likelihood=log_likelihood,
    )
