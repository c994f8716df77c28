"""Good-Turing smoothing: re-estimate a count r from the numbers of n-grams that occur r and r + 1 times.

Good, "The population frequencies of species and the estimation of population parameters" (1953); with the smoothed
counts of counts and the switching rule of Gale and Sampson, "Good-Turing frequency estimation without tears" (1995).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.lm.absolute import absolute_discounts
from wfst_asr.lm.counts_of_counts import CountsOfCounts, Discounts

_ROUNDING = 1e-9
_CONFIDENCE = 1.96  # standard deviations between the two estimates, from which on they differ


@dataclass(frozen=True)
class LogLinearFit:
    """S(r) = exp(intercept) r^slope, the smoothed number of n-grams with count r."""

    intercept: float
    slope: float

    def reestimated(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (r + 1) S(r + 1) / S(r) for counts r above 0."""
        return (r + 1) * ((r + 1) / r) ** self.slope


def log_linear_fit(found: CountsOfCounts) -> LogLinearFit | None:
    """Fit a line to log Z_r against log r, where Z_r = 2 n_r / (r'' - r') spreads n_r over the empty classes around.

    r' and r'' are the neighbouring counts that occur (0 before the first, 2 r - r' after the last).  None where fewer
    than two different counts occur or the slope is -1 or more, at which r* would not be below r.
    """
    if len(found.r) < 2:
        return None
    r = found.r.astype(np.float64)
    before = np.concatenate(([0.0], r[:-1]))
    after = np.concatenate((r[1:], [2 * r[-1] - r[-2]]))
    x, y = np.log(r), np.log(2 * found.n / (after - before))
    x_mean, y_mean = x.mean(), y.mean()
    slope = float((x - x_mean) @ (y - y_mean) / ((x - x_mean) @ (x - x_mean)))
    return LogLinearFit(float(y_mean - slope * x_mean), slope) if slope < -1 - _ROUNDING else None


def turing_counts(found: CountsOfCounts, up_to: int) -> NDArray[np.float64]:
    """Return r* = (r + 1) n_{r+1} / n_r for r = 1 to `up_to`, nan where n_r is 0."""
    n = np.array([found.number(r) for r in range(1, up_to + 2)], dtype=np.float64)
    r = np.arange(1, up_to + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n[:-1] > 0, (r + 1) * n[1:] / n[:-1], np.nan)


def simple_good_turing_counts(found: CountsOfCounts) -> NDArray[np.float64] | None:
    """Return r* of each count in `found.r` before renormalisation; None without a fit.

    Going up in r, Turing's (r + 1) n_{r+1} / n_r is used while it differs from the fitted value by more than 1.96
    standard deviations; from the first r where it does not, or n_{r+1} is 0, the fitted values are.
    """
    fit = log_linear_fit(found)
    if fit is None:
        return None
    r, n = found.r.astype(np.float64), found.n.astype(np.float64)
    result = fit.reestimated(r)
    for j in range(len(r)):
        above = float(found.number(int(r[j]) + 1))
        if not above:
            break
        turing = (r[j] + 1) * above / n[j]
        deviation = np.sqrt((r[j] + 1) ** 2 * above / n[j] ** 2 * (1 + above / n[j]))
        if abs(turing - result[j]) <= _CONFIDENCE * deviation:
            break
        result[j] = turing
    return result


def good_turing_discounts(found: CountsOfCounts) -> Discounts:
    """Return c* = r* (N - n_1) / sum n_r r*, so that n_1 of the N tokens are left to unseen n-grams; at most r.

    Where the counts of counts allow no fit, or all n-grams occur once or none does, absolute discounting takes
    the method's place.
    """
    n1, total = found.number(1), found.total
    smoothed = simple_good_turing_counts(found) if 0 < n1 < total else None
    if smoothed is None:
        return absolute_discounts(found, prefix="Good-Turing counts cannot be fitted: ")
    discounted = np.zeros(found.max_count + 1)
    discounted[found.r] = np.minimum(smoothed * (total - n1) / (smoothed @ found.n), found.r)
    return Discounts(discounted)
