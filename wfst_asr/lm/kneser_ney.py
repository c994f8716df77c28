"""Kneser-Ney smoothing and its modification with three discounts.

Orders below the highest count the different words before an n-gram in place of its occurrences
(`counts.continuation_counts`); the discounts of every order are estimated from the counts that the order uses.

Kneser and Ney, "Improved backing-off for m-gram language modeling" (1995); Chen and Goodman, "An empirical study of
smoothing techniques for language modeling" (1998), sections 2.7 and 3.
"""

from wfst_asr.lm.absolute import absolute_discounts
from wfst_asr.lm.counts_of_counts import CountsOfCounts, Discounts, undiscounted

FALLBACK = (0.5, 1.0, 1.5)  # those of KenLM's lmplz --discount_fallback


def kneser_ney_discounts(found: CountsOfCounts) -> Discounts:
    """Return c* = c - D with D = n_1 / (n_1 + 2 n_2); 0.5 where n_1 or n_2 is 0."""
    return absolute_discounts(found)


def modified_kneser_ney_amounts(found: CountsOfCounts) -> tuple[float, float, float] | None:
    """Return D_1, D_2 and D_3+; None where one of n_1 to n_4 is 0 or a discount is not between 0 and its count.

    Y = n_1 / (n_1 + 2 n_2), D_1 = 1 - 2 Y n_2 / n_1, D_2 = 2 - 3 Y n_3 / n_2, D_3+ = 3 - 4 Y n_4 / n_3 (Chen and
    Goodman 1998, equation 26).
    """
    n1, n2, n3, n4 = (found.number(r) for r in (1, 2, 3, 4))
    if not (n1 and n2 and n3 and n4):
        return None
    y = n1 / (n1 + 2 * n2)
    amounts = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return amounts if all(0 < amount < r for r, amount in enumerate(amounts, start=1)) else None


def modified_kneser_ney_discounts(found: CountsOfCounts) -> Discounts:
    """Return c* = c - D_min(c, 3); discounts 0.5, 1 and 1.5 where they cannot be estimated.

    >>> import numpy as np
    >>> from wfst_asr.lm.counts_of_counts import counts_of_counts
    >>> modified_kneser_ney_discounts(counts_of_counts(np.array([1, 2, 2]))).discounted.tolist()
    [0.0, 0.5, 1.0]
    """
    amounts = modified_kneser_ney_amounts(found)
    note = None
    if amounts is None:
        numbers = ", ".join(f"n_{r} = {found.number(r)}" for r in (1, 2, 3, 4))
        note = f"{numbers} allow no estimate, so the discounts are 0.5, 1 and 1.5"
        amounts = FALLBACK
    discounted = undiscounted(found)
    discounted[1:2] -= amounts[0]
    discounted[2:3] -= amounts[1]
    discounted[3:] -= amounts[2]
    return Discounts(discounted, note=note)
