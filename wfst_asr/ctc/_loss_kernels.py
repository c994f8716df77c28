"""Kernels of the CTC loss: forward, backward and label posteriors in the log domain, in float64."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, inline="always")
def _log_add3(a, b, c):  # type: ignore[no-untyped-def]
    top = max(a, b, c)
    if top == -np.inf:
        return top
    total = 0.0
    if a > -np.inf:
        total += np.exp(a - top)
    if b > -np.inf:
        total += np.exp(b - top)
    if c > -np.inf:
        total += np.exp(c - top)
    return top + np.log(total)


@njit(cache=True, nogil=True)
def _forward(log_probs, labels, blank, alpha):  # type: ignore[no-untyped-def]
    """Fill alpha (T, 2 U + 1) and return the log probability of the labels."""
    num_frames, places = alpha.shape
    alpha[:] = -np.inf
    if num_frames == 0:
        return 0.0 if places == 1 else -np.inf
    alpha[0, 0] = log_probs[0, blank]
    if places > 1:
        alpha[0, 1] = log_probs[0, labels[0]]
    for t in range(1, num_frames):
        # places that the begin reaches and that reach the end
        for s in range(max(0, places - 2 * (num_frames - t)), min(2 * t + 2, places)):
            step = alpha[t - 1, s - 1] if s >= 1 else -np.inf
            skip = -np.inf
            label = blank
            if s % 2:
                label = labels[s // 2]
                if s >= 3 and label != labels[s // 2 - 1]:
                    skip = alpha[t - 1, s - 2]
            alpha[t, s] = _log_add3(alpha[t - 1, s], step, skip) + log_probs[t, label]
    last = alpha[num_frames - 1, places - 1]
    return last if places == 1 else _log_add3(last, alpha[num_frames - 1, places - 2], -np.inf)


@njit(cache=True, nogil=True)
def ctc_log_prob(log_probs, labels, blank):  # type: ignore[no-untyped-def]
    """Return the log probability of labels, in memory for one frame."""
    num_frames, places = log_probs.shape[0], 2 * labels.shape[0] + 1
    if num_frames == 0:
        return 0.0 if places == 1 else -np.inf
    alpha = np.full(places, -np.inf)
    alpha[0] = log_probs[0, blank]
    if places > 1:
        alpha[1] = log_probs[0, labels[0]]
    for t in range(1, num_frames):
        least = max(0, places - 2 * (num_frames - t))
        for s in range(min(2 * t + 2, places) - 1, least - 1, -1):  # downwards: s - 1 and s - 2 are still frame t - 1's
            step = alpha[s - 1] if s >= 1 else -np.inf
            skip = -np.inf
            label = blank
            if s % 2:
                label = labels[s // 2]
                if s >= 3 and label != labels[s // 2 - 1]:
                    skip = alpha[s - 2]
            alpha[s] = _log_add3(alpha[s], step, skip) + log_probs[t, label]
    return alpha[0] if places == 1 else _log_add3(alpha[places - 1], alpha[places - 2], -np.inf)


@njit(cache=True, nogil=True)
def ctc_posteriors(log_probs, labels, blank, posteriors):  # type: ignore[no-untyped-def]
    """Fill posteriors (T, V) with the share of alignments of each label a frame; return the labels' log probability.

    Posteriors of impossible labels are zero.
    """
    num_frames, places = log_probs.shape[0], 2 * labels.shape[0] + 1
    posteriors[:] = 0.0
    alpha = np.empty((num_frames, places))
    total = _forward(log_probs, labels, blank, alpha)
    if num_frames == 0 or total == -np.inf:
        return total
    beta = np.full(places, -np.inf)
    beta[places - 1] = 0.0
    if places > 1:
        beta[places - 2] = 0.0
    for t in range(num_frames - 1, -1, -1):
        if t < num_frames - 1:
            # beta holds frame t + 1's: add that frame's log probability, then step back, upwards
            for s in range(places):
                beta[s] += log_probs[t + 1, labels[s // 2] if s % 2 else blank]
            for s in range(places):
                step = beta[s + 1] if s + 1 < places else -np.inf
                skip = -np.inf
                if s % 2 and s + 2 < places and labels[s // 2 + 1] != labels[s // 2]:
                    skip = beta[s + 2]
                beta[s] = _log_add3(beta[s], step, skip)
        for s in range(max(0, places - 2 * (num_frames - t)), min(2 * t + 2, places)):
            share = alpha[t, s] + beta[s] - total
            if share > -np.inf:
                posteriors[t, labels[s // 2] if s % 2 else blank] += np.exp(share)
    return total


@njit(cache=True, nogil=True)
def ctc_posteriors_of_batch(log_probs, frame_bounds, labels, label_bounds, blank, posteriors, totals):  # type: ignore[no-untyped-def]
    """Fill posteriors and totals (B,) of utterances that lie one after the other in `log_probs` and `labels`."""
    for i in range(totals.shape[0]):
        rows = slice(frame_bounds[i], frame_bounds[i + 1])
        own = labels[label_bounds[i] : label_bounds[i + 1]]
        totals[i] = ctc_posteriors(log_probs[rows], own, blank, posteriors[rows])
