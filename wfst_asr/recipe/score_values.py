"""What the numbers of a score matrix are: log-probabilities, probabilities, costs, logits, posteriors over priors.

A row of natural logarithms of probabilities has log sum exp = 0.  Read in another way (as probabilities, as
logarithms of base 10, with the sign turned) the rows of such a matrix have it too, in one reading alone; rows of logits
and of likelihoods have it in none.  Of posteriors divided by priors there is one vector u, the priors, with
sum_p exp(x_tp) u_p = 1 in all rows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.posteriors import row_log_sums

Rows = NDArray[np.float64]

_SUM_TOLERANCE = 0.05  # of log sum exp, in the median row: what compressed archives and rounding leave
_HIGHEST_RATIO = 25.0  # log of posterior over prior
_FIT_ROWS = 3000
_LEAST_STRETCHES = 10


@dataclass(frozen=True)
class Reading:
    """A way to read the numbers of a matrix.

    Attributes:
        name: of the numbers, in words.
        kind: of the finding where this reading is needed; empty for natural logarithms.
        fix: a line that makes natural logarithms of them.
        to_ln: does so.
    """

    name: str
    kind: str
    fix: str
    to_ln: Callable[[Rows], Rows]


def _log(rows: Rows) -> Rows:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(rows)


LN = Reading("natural logarithms", "", "", lambda rows: rows)
LINEAR = Reading("numbers that are not logarithms", "probabilities", "scores = np.log(scores)", _log)
LOG10 = Reading("logarithms of base 10", "log10", "scores = scores * np.log(10)", lambda rows: rows * math.log(10))
LOG2 = Reading("logarithms of base 2", "log2", "scores = scores * np.log(2)", lambda rows: rows * math.log(2))
COSTS = Reading("costs (minus logarithms)", "sign", "scores = -scores", lambda rows: -rows)
COSTS10 = Reading(
    "minus logarithms of base 10", "sign", "scores = -scores * np.log(10)", lambda rows: -rows * math.log(10)
)
READINGS = (LN, LINEAR, LOG10, LOG2, COSTS, COSTS10)


def reading_of_probabilities(rows: Rows) -> Reading | None:
    """Return the reading in which rows sum to one; None where there is none.

    Args:
        rows: (T, P), none of them with NaN or plus infinity.

    >>> reading_of_probabilities(np.array([[0.25, 0.75], [0.5, 0.5]])).name
    'numbers that are not logarithms'
    >>> reading_of_probabilities(np.array([[3.0, 1.0]])) is None
    True
    """
    best, found = _SUM_TOLERANCE, None
    for reading in READINGS:
        if reading is LINEAR and (rows < 0).any():
            continue
        if reading in (COSTS, COSTS10) and np.isneginf(rows).any():
            continue
        sums = np.abs(row_log_sums(reading.to_ln(rows)))
        if np.median(sums) > _SUM_TOLERANCE:
            continue
        off = float(np.median(sums) + np.mean(np.minimum(sums, 1.0)) / 10)
        if off < best:
            best, found = off, reading
    return found


def are_flat(rows: Rows) -> bool:
    """Tell likelihoods that are no logarithms: no number below 0, and next to no difference in a row."""
    if (rows < 0).any():
        return False
    return bool(np.median(rows.max(axis=1) - rows.mean(axis=1)) < 0.01)


def reading_of_divided(rows: Rows) -> tuple[Reading, NDArray[np.float64]] | None:
    """Return the reading in which rows are posteriors divided by priors, and these; None where there is none.

    Needs more rows than columns: with fewer, most rows can be explained by some vector.
    """
    found, least = None, np.inf
    for reading in (LN, LINEAR, LOG10, COSTS, COSTS10):
        if reading is LINEAR and (rows < 0).any():
            continue
        if reading in (COSTS, COSTS10) and np.isneginf(rows).any():
            continue
        fitted = fitted_priors(reading.to_ln(rows))
        if fitted is not None and fitted[1] < least:
            found, least = (reading, fitted[0]), fitted[1]
    return found


def fitted_priors(rows: Rows) -> tuple[NDArray[np.float64], float] | None:
    """Return the vector u with exp(rows) @ u = 1, if half of the rows tell one that holds for the other half.

    With it comes by how much the median row of the other half is off.
    """
    rows = rows[np.isfinite(rows).any(axis=1)]
    rows = rows[:: max(1, len(rows) // _FIT_ROWS)]
    heights = rows.max(axis=1, initial=-np.inf)
    if len(rows) < 2.2 * rows.shape[1] or heights.max() > _HIGHEST_RATIO or np.median(heights) < -1.0:
        return None
    ratios = np.exp(rows)
    fitted, held_out = ratios[::2], ratios[1::2]
    scale = 1.0 / np.maximum(fitted.mean(axis=0), 1e-12)  # so that the unknowns are of one size
    unknowns = np.linalg.lstsq(fitted * scale, np.ones(len(fitted)), rcond=1e-9)[0]
    priors = np.asarray(unknowns * scale, dtype=np.float64)
    off = np.abs(held_out @ priors - 1)
    if np.median(off) > 0.02 or np.mean(off < 0.2) < 0.9 or not 0.5 < priors.sum() < 2.0:
        return None
    return priors, float(np.median(off))


@dataclass(frozen=True)
class BlankShape:
    """The column that is best most often, and whether it behaves as CTC's blank does.

    Attributes:
        column: that column.
        share: in which part of the frames it is best.
        isolated: which part of the stretches of other best columns stands alone between stretches of it.
        stretches: how many there are of these others.
    """

    column: int
    share: float
    isolated: float
    stretches: int

    @property
    def is_blank(self) -> bool:
        """Whether other columns come one at a time between stretches of it, as labels between blanks do.

        A few of them do not tell.
        """
        return self.stretches >= _LEAST_STRETCHES and self.share >= 0.25 and self.isolated >= 0.25


def blank_shape(matrices: list[Any]) -> BlankShape:
    """Return which column is best most often.

    >>> blank_shape([np.log([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]] * 10)]).is_blank
    True
    """
    best = [np.asarray(matrix).argmax(axis=1) for matrix in matrices]
    counts = np.bincount(np.concatenate(best))
    column = int(counts.argmax())
    stretches = alone = 0
    for labels in best:
        kept = labels[np.concatenate(([True], labels[1:] != labels[:-1]))] if len(labels) else labels
        other = kept != column
        before = np.concatenate(([True], ~other[:-1]))
        after = np.concatenate((~other[1:], [True]))
        stretches += int(other.sum())
        alone += int((other & before & after).sum())
    return BlankShape(column, float(counts[column] / counts.sum()), alone / max(1, stretches), stretches)


def labels_a_frame(matrices: list[Any], silent: int) -> float:
    """Return how many stretches of one best column, but those of the column `silent`, begin in a frame."""
    begun = frames = 0
    for matrix in matrices:
        labels = np.asarray(matrix).argmax(axis=1)
        begins = np.concatenate(([True], labels[1:] != labels[:-1]))
        begun += int((begins & (labels != silent)).sum())
        frames += len(labels)
    return begun / max(1, frames)
