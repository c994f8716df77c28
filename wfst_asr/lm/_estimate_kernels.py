"""Kernels that turn the counts of one order into probabilities and back-off weights, history by history.

All take `first` (H + 1,): the n-grams that extend history h are `first[h]:first[h + 1]`; `lower`: p(w | h') of the
order below by its entries, and `suffix`: the entry of the order below of each n-gram; `listed`: whether an n-gram
stays in the model, empty for all.  `prob` gets p(w | h) of every n-gram, of those that are not listed by backing off.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def interpolate_level(
    first: np.ndarray,
    count: np.ndarray,
    listed: np.ndarray,
    discounted: np.ndarray,
    per_type: float,
    lower: np.ndarray,
    suffix: np.ndarray,
    prob: np.ndarray,
    backoff: np.ndarray,
) -> None:
    """Write p(w | h) = c*(h w) / c(h) + lambda(h) p(w | h') and lambda(h), the share of counts that was taken away."""
    some = listed.shape[0] > 0
    for h in range(first.shape[0] - 1):
        begin, end = first[h], first[h + 1]
        if begin == end:
            backoff[h] = 1.0
            continue
        total = 0.0
        freed = 0.0
        for i in range(begin, end):
            c = count[i]
            total += c + per_type
            kept = discounted[c]
            if some and not listed[i]:
                kept = 0.0
            freed += c - kept + per_type
        weight = freed / total
        backoff[h] = weight
        for i in range(begin, end):
            if some and not listed[i]:
                prob[i] = weight * lower[suffix[i]]
            else:
                prob[i] = discounted[count[i]] / total + weight * lower[suffix[i]]


@njit(cache=True, nogil=True)
def back_off_level(
    first: np.ndarray,
    count: np.ndarray,
    listed: np.ndarray,
    discounted: np.ndarray,
    per_type: float,
    lower: np.ndarray,
    suffix: np.ndarray,
    prob: np.ndarray,
    backoff: np.ndarray,
    num_events: int,
    least_mass: float,
    interpolated: bool,
    room: np.ndarray,
) -> None:
    """Write p(w | h) = c*(h w) / c(h) of listed n-grams, and alpha(h), which gives the rest to the other words.

    `num_events` words can follow a history.  Where not more than the share `least_mass` is left although words are
    unseen, c(h) grows by 1; negative: never.  `interpolated` adds lambda(h) p(w | h') to listed n-grams, lambda(h)
    from the discounts of all seen words (SRILM's interpolation, whose back-off weights are normalised afterwards).
    `room` is filled with 1 - sum of p(w | h') over listed words, by history.
    """
    some = listed.shape[0] > 0
    for h in range(first.shape[0] - 1):
        begin, end = first[h], first[h + 1]
        backoff[h] = 1.0
        room[h] = 1.0
        if begin == end:
            continue
        total = 0.0
        freed = 0.0  # by discounts
        dropped = 0.0  # with n-grams that are not listed
        below = 0.0
        num_listed = 0
        for i in range(begin, end):
            c = count[i]
            total += c + per_type
            freed += c - discounted[c] + per_type
            if some and not listed[i]:
                dropped += discounted[c]
            else:
                num_listed += 1
                below += lower[suffix[i]]
        weight = freed / total if interpolated else 0.0
        left = (freed + dropped) / total - weight * below
        if interpolated and left <= least_mass and end - begin < num_events:
            weight = 0.0
            left = (freed + dropped) / total
        if left <= least_mass and end - begin < num_events:
            total += 1.0
            left = (freed + dropped + 1.0) / total
        scale = 1.0
        room[h] = 1.0 - below
        if num_listed == num_events:
            if left > 0.0:
                scale = 1.0 / (1.0 - left)
        elif num_listed:
            backoff[h] = left / room[h] if left > 0.0 else 0.0
        for i in range(begin, end):
            if some and not listed[i]:
                prob[i] = backoff[h] * lower[suffix[i]]
            else:
                prob[i] = scale * (discounted[count[i]] / total + weight * lower[suffix[i]])


@njit(cache=True, nogil=True)
def add_k_level(
    first: np.ndarray,
    count: np.ndarray,
    listed: np.ndarray,
    k: float,
    num_events: int,
    from_begin: int,
    complete: bool,
    prob: np.ndarray,
    backoff: np.ndarray,
) -> None:
    """Write p(w | h) = (c(h w) + k) / (c(h) + k V) after complete histories, 1 / V after the others.

    `num_events` is V.  The histories below the number `from_begin` begin with `<s>`, and so are complete; `complete`:
    all are.
    """
    some = listed.shape[0] > 0
    for h in range(first.shape[0] - 1):
        begin, end = first[h], first[h + 1]
        backoff[h] = 1.0
        if begin == end:
            continue
        if not (complete or h < from_begin):
            for i in range(begin, end):
                prob[i] = 1.0 / num_events
            continue
        total = 0.0
        for i in range(begin, end):
            total += count[i]
        denominator = total + k * num_events
        num_listed = 0
        left = 1.0 * (num_events - (end - begin)) * k
        for i in range(begin, end):
            if some and not listed[i]:
                left += count[i] + k
            else:
                num_listed += 1
        if num_listed < num_events:
            backoff[h] = left / denominator * num_events / (num_events - num_listed)
        for i in range(begin, end):
            if some and not listed[i]:
                prob[i] = backoff[h] / num_events
            else:
                prob[i] = (count[i] + k) / denominator


@njit(cache=True, nogil=True)
def with_histories(first: np.ndarray, below: np.ndarray, listed: np.ndarray) -> None:
    """Add to `below`, the listed n-grams of one order, every history of an n-gram in `listed`, the order above."""
    for h in range(first.shape[0] - 1):
        for i in range(first[h], first[h + 1]):
            if listed[i]:
                below[h] = True
                break
