"""Katz smoothing: trust counts above a threshold, discount those below in proportion to Good-Turing's.

Katz, "Estimation of probabilities from sparse data for the language model component of a speech recognizer" (1987).
"""

import numpy as np
from numpy.typing import NDArray

from wfst_asr.lm.absolute import absolute_discounts
from wfst_asr.lm.counts_of_counts import CountsOfCounts, Discounts, undiscounted
from wfst_asr.lm.good_turing import log_linear_fit, turing_counts

DEFAULT_THRESHOLD = 5
_ROUNDING = 1e-9  # what is not above it is 0 but for rounding
_SRILM_EPSILON = 3e-06  # SRILM's Prob_Epsilon


def katz_ratios(found: CountsOfCounts, reestimated: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return d_r = 1 - mu (1 - r*/r) for r = 1 to k, with mu such that the freed mass is n_1 tokens.

    mu = n_1 / sum n_r (r - r*); with r* = (r + 1) n_{r+1} / n_r this is Katz's
    d_r = (r*/r - A) / (1 - A), A = (k + 1) n_{k+1} / n_1.  None where a d_r is not in (0, 1].

    Args:
        found: counts of counts.
        reestimated: (k,) r* of the counts 1 to k.
    """
    r = np.arange(1, len(reestimated) + 1)
    n = np.array([found.number(int(count)) for count in r])
    freed = float(n @ (r - reestimated))
    if not np.isfinite(freed) or freed <= _ROUNDING or not n[0]:
        return None
    ratios = 1 - n[0] / freed * (1 - reestimated / r)
    return ratios if ((ratios > _ROUNDING) & (ratios <= 1)).all() else None


def katz_discounts(found: CountsOfCounts, *, threshold: int = DEFAULT_THRESHOLD) -> Discounts:
    """Return c* = d_c c up to the threshold k and c* = c above.

    Where one of n_1 to n_{k+1} is 0 or a ratio is outside (0, 1], r* comes from Gale's log-linear fit; where that
    does not help, k is lowered; where no k is left, absolute discounting takes the method's place.
    """
    fit = log_linear_fit(found)
    for k in range(threshold, 0, -1):
        complete = all(found.number(r) for r in range(1, k + 2))
        ratios = katz_ratios(found, turing_counts(found, k)) if complete else None
        how = "" if k == threshold else f"k is lowered from {threshold} to {k}"
        if ratios is None and fit is not None:
            ratios = katz_ratios(found, fit.reestimated(np.arange(1.0, k + 1)))
            how = ", ".join(filter(None, ["the counts of counts are smoothed by a log-linear fit", how]))
        if ratios is not None:
            discounted = undiscounted(found)
            affected = min(k, found.max_count)
            discounted[1 : affected + 1] *= ratios[:affected]
            return Discounts(discounted, note=how or None)
    return absolute_discounts(found, prefix="Katz discounts cannot be estimated: ")


def srilm_good_turing_discounts(found: CountsOfCounts, *, max_count: int) -> Discounts:
    """Return the discounted counts of SRILM's `ngram-count` with `-gtNmax max_count` (ngram-discount(7)).

    The largest discounted count is lowered until n_{k+1} is above 0; a coefficient that is out of range is 1.
    """
    k = max_count if found.number(1) else 0
    while k > 0 and not found.number(k + 1):
        k -= 1
    discounted = undiscounted(found)
    if k == 0:
        return Discounts(discounted, note="no n-gram is discounted, as SRILM does without these counts of counts")
    common = (k + 1) * found.number(k + 1) / found.number(1)
    unused = []
    for r in range(1, min(k, found.max_count) + 1):
        ratio = (r + 1) * found.number(r + 1) / (r * found.number(r)) if found.number(r) else 2.0
        coefficient = (ratio - common) / (1 - common) if common != 1 else np.inf
        if _SRILM_EPSILON < coefficient <= 1 and ratio <= 1:
            discounted[r] *= coefficient
        elif max_count > 1:
            unused.append(r)
    note = (
        f"discount coefficients of counts {unused} are out of range and taken as 1, as SRILM does" if unused else None
    )
    return Discounts(discounted, note=note)
