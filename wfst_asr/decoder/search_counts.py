"""What a beam search counts, over all frames and in each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SearchCounts:
    """What a search did, summed over its frames.

    Attributes:
        frames: frames searched.
        tokens: tokens that stood at the beginnings of the frames.
        emitting_arcs: emitting arcs followed.
        epsilon_arcs: epsilon arcs followed.
        frames_limited: frames in which max_active was tighter than the beam.
        most_tokens: the largest number of tokens of a frame.
    """

    frames: int
    tokens: int
    emitting_arcs: int
    epsilon_arcs: int
    frames_limited: int
    most_tokens: int


@dataclass(frozen=True)
class FrameStatistics:
    """What a search did in each frame, and in the one that no path went through, if there was one.

    Attributes:
        tokens: (T,) int64 tokens at the begin of the frame.
        arcs: (T,) int64 arcs followed, in the first frame with the epsilon arcs before it.
        best_cost: (T,) float64 total cost of the best token at the begin of the frame.
        beam: (T,) float64 tokens costing up to this much more than the best one were followed: the beam, or what
            max_active or min_active made of it.
        limited: (T,) bool whether max_active was tighter than the beam.
    """

    tokens: NDArray[np.int64]
    arcs: NDArray[np.int64]
    best_cost: NDArray[np.float64]
    beam: NDArray[np.float64]
    limited: NDArray[np.bool_]
