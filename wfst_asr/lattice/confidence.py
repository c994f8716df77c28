"""Confidence: the probability that a word of a hypothesis was said, one definition for all that gives words."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from wfst_asr.lattice.confusion import confusion_network
from wfst_asr.lattice.single_end import AnyLattice

Calibration = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def word_confidences(
    lattice: AnyLattice,
    word_ids: Sequence[int],
    *,
    acoustic_scale: float | None = None,
    calibration: Calibration | None = None,
) -> NDArray[np.float64]:
    """Return the (W,) confidence of each word of a hypothesis, from 0 to 1.

    It is the posterior that the paths of the lattice have this word at this place, each path aligned with the
    hypothesis as in `confusion_network`.  The hypothesis may be the best path, one of an n-best list, the partial
    result of a search with the lattice so far, or any words at all: a word that no path has gets 0.

    Args:
        lattice: of either kind, with at least one path.
        word_ids: the hypothesis.
        acoustic_scale: that of the search, if not given.
        calibration: takes and returns confidences, such as `score.calibration` fits on words known to be right or not.

    Raises:
        WfstAsrError: as `confusion_network`.
    """
    found = confusion_network(lattice, word_ids, keep=True, acoustic_scale=acoustic_scale).confidences
    return found if calibration is None else np.asarray(calibration(found), dtype=np.float64)
