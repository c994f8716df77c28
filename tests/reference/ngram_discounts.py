"""Discounted counts c*(r) of a count r, from the numbers n_r of n-grams that occurred r times.

Each function takes {r: n_r} of one order and returns {r: c*}.  Fractions are exact, so that no rule turns on a rounding
error.  Imports nothing of the package.
"""

import math
from fractions import Fraction

ROUNDING = 1e-9  # a slope of -1, and a ratio of 0, are no use, whichever side of it rounding leaves them
KENLM_FALLBACK = {1: Fraction(1, 2), 2: Fraction(1), 3: Fraction(3, 2)}


def absolute_discount(n):
    """D = n_1 / (n_1 + 2 n_2), Ney, Essen and Kneser (1994); 0.5 where n_1 or n_2 is empty."""
    n1, n2 = n.get(1, 0), n.get(2, 0)
    return Fraction(n1, n1 + 2 * n2) if n1 and n2 else Fraction(1, 2)


def absolute(n):
    return {r: r - absolute_discount(n) for r in n}


def modified_kneser_ney_discounts(n):
    """{1: D_1, 2: D_2, 3: D_3+} of Chen and Goodman (1998), (26); KenLM's 0.5, 1, 1.5 where they can't be had."""
    if not all(n.get(r) for r in (1, 2, 3, 4)):
        return KENLM_FALLBACK
    y = Fraction(n[1], n[1] + 2 * n[2])
    discounts = {r: r - (r + 1) * y * Fraction(n[r + 1], n[r]) for r in (1, 2, 3)}
    return discounts if all(0 < discounts[r] < r for r in (1, 2, 3)) else KENLM_FALLBACK


def modified_kneser_ney(n):
    discounts = modified_kneser_ney_discounts(n)
    return {r: r - discounts[min(r, 3)] for r in n}


def smoothed_counts_of_counts(n):
    """Gale's log-linear fit: (a, b) of log Z_r = a + b log r, Z_r = 2 n_r / (next r - previous r); None without a fit."""
    present = sorted(n)
    total = sum(r * n[r] for r in n)
    if len(present) < 2 or n.get(1, 0) in (0, total):
        return None
    points = []
    for j, r in enumerate(present):
        before = present[j - 1] if j else 0
        after = present[j + 1] if j + 1 < len(present) else 2 * r - before
        points.append((math.log(r), math.log(2 * n[r] / (after - before))))
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    return (mean_y - slope * mean_x, slope) if slope < -1 - ROUNDING else None


def smooth_turing(fit, r):
    """(r + 1) S(r + 1) / S(r) with S(r) = exp(a + b log r)."""
    a, b = fit
    return (r + 1) * math.exp(a + b * math.log(r + 1)) / math.exp(a + b * math.log(r))


def simple_good_turing_estimates(n, fit):
    """{r: r*} before renormalising: Turing's estimates while they differ significantly from the smooth ones."""
    result = {}
    turing = True
    for r in sorted(n):
        y = smooth_turing(fit, r)
        if turing and n.get(r + 1):
            x = (r + 1) * n[r + 1] / n[r]
            deviation = math.sqrt((r + 1) ** 2 * (n[r + 1] / n[r] ** 2) * (1 + n[r + 1] / n[r]))
            turing = abs(x - y) > 1.96 * deviation
        else:
            turing = False
        result[r] = x if turing else y
    return result


def good_turing(n):
    """Simple Good-Turing, Gale and Sampson (1995): the freed mass is n_1 of N; absolute discounting without a fit.

    A c* above r, which renormalising can make, is r.
    """
    fit = smoothed_counts_of_counts(n)
    if fit is None:
        return absolute(n)
    estimates = simple_good_turing_estimates(n, fit)
    total = sum(r * n[r] for r in n)
    scale = (total - n[1]) / sum(n[r] * estimates[r] for r in n)
    return {r: min(estimates[r] * scale, r) for r in n}


def katz_ratios(n, k, estimate):
    """{r: d_r} for r = 1 to k with d_r = 1 - mu (1 - r*/r) and sum n_r (1 - d_r) r = n_1.

    None where one is not in (0, 1], or the estimates free nothing.
    """
    estimates = {r: estimate(r) for r in range(1, k + 1)}
    freed = sum(n.get(r, 0) * (r - estimates[r]) for r in estimates)
    if freed <= ROUNDING:
        return None
    mu = n.get(1, 0) / freed
    ratios = {r: 1 - mu * (1 - estimates[r] / r) for r in estimates}
    return ratios if all(ROUNDING < d <= 1 for d in ratios.values()) else None


def katz(n, k=5):
    """Katz (1987): Turing's estimates up to k, scaled so that the freed counts are n_1; a fit where a class is empty."""
    fit = smoothed_counts_of_counts(n)
    while k > 0:
        ratios = None
        if all(n.get(r) for r in range(1, k + 2)):
            ratios = katz_ratios(n, k, lambda r: Fraction((r + 1) * n[r + 1], n[r]))
        if ratios is None and fit is not None:
            ratios = katz_ratios(n, k, lambda r: smooth_turing(fit, r))
        if ratios is not None:
            return {r: ratios.get(r, 1) * r for r in n}
        k -= 1
    return absolute(n)


def srilm_good_turing(n, highest):
    """Good-Turing of SRILM's ngram-count: counts to `highest` (gtmax), coefficients out of range become 1.

    Source: Discount.cc, GoodTuring::estimate, of SRILM, which lets coefficients above 1 pass (where (k + 1) n_{k+1} > n_1);
    they are out of range here.
    """
    if not n.get(1):
        highest = 0
    while highest > 0 and not n.get(highest + 1):
        highest -= 1
    result = {r: Fraction(r) for r in n}
    common = Fraction((highest + 1) * n[highest + 1], n[1]) if highest else None
    for r in range(1, highest + 1):
        if not n.get(r):
            continue
        turing = Fraction((r + 1) * n.get(r + 1, 0), r * n[r])
        if common == 1 or turing > 1:
            continue
        ratio = (turing - common) / (1 - common)
        if Fraction(3, 1000000) < ratio <= 1:
            result[r] = ratio * r
    return result
