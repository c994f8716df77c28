"""Witten-Bell smoothing: a new word after a history is as likely as new words have been there so far."""

from wfst_asr.lm.counts_of_counts import CountsOfCounts, Discounts, undiscounted


def witten_bell_discounts(found: CountsOfCounts) -> Discounts:
    """Return c* = c, with one more count for unseen words for each different word seen after a history.

    So p(w | h) = c(h w) / (c(h) + T(h)) and T(h) / (c(h) + T(h)) is left, T(h) being the number of different words
    after h. Witten and Bell, "The zero-frequency problem" (1991), method C; Chen and Goodman 1998, section 2.4.

    >>> import numpy as np
    >>> from wfst_asr.lm.counts_of_counts import counts_of_counts
    >>> witten_bell_discounts(counts_of_counts(np.array([1, 2]))).per_type
    1.0
    """
    return Discounts(undiscounted(found), per_type=1.0)
