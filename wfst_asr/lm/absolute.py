"""Absolute discounting: take the same amount D from every count."""

from wfst_asr.lm.counts_of_counts import CountsOfCounts, Discounts, undiscounted

FALLBACK = 0.5


def absolute_discount(found: CountsOfCounts) -> float | None:
    """Return D = n_1 / (n_1 + 2 n_2); None where n_1 or n_2 is 0.

    Ney, Essen and Kneser, "On structuring probabilistic dependences in stochastic language modelling" (1994),
    equation 21.
    """
    n1, n2 = found.number(1), found.number(2)
    return n1 / (n1 + 2 * n2) if n1 and n2 else None


def absolute_discounts(found: CountsOfCounts, *, prefix: str = "") -> Discounts:
    """Return c* = c - D with D of `absolute_discount`, 0.5 where that cannot be estimated.

    >>> import numpy as np
    >>> from wfst_asr.lm.counts_of_counts import counts_of_counts
    >>> absolute_discounts(counts_of_counts(np.array([1, 1, 2]))).discounted.tolist()  # D = 2 / (2 + 2)
    [0.0, 0.5, 1.5]
    """
    amount = absolute_discount(found)
    note = prefix or None
    if amount is None:
        lacking = "once" if not found.number(1) else "twice"
        note = f"{prefix}no n-gram occurs {lacking}, so the discount D is {FALLBACK}"
        amount = FALLBACK
    elif prefix:
        note = f"{prefix}absolute discounting with D = {amount:.3g} takes its place"
    discounted = undiscounted(found) - amount
    discounted[0] = 0.0
    return Discounts(discounted, note=note)
