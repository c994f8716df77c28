"""The forward and backward variables of CTC as the paper writes them: the definition, in NumPy.

Graves, Fernandez, Gomez and Schmidhuber 2006, "Connectionist temporal classification", section 4.  The fast form is
`wfst_asr.ctc.loss`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def with_blanks(labels: Sequence[int], blank: int) -> NDArray[np.int64]:
    """Return l': the labels with a blank before, between and after them.

    >>> with_blanks([3, 3], 0).tolist()
    [0, 3, 0, 3, 0]
    """
    extended = np.full(2 * len(labels) + 1, blank, dtype=np.int64)
    extended[1::2] = labels
    return extended


def forward(log_probs: NDArray[np.float64], labels: Sequence[int], *, blank: int = 0) -> NDArray[np.float64]:
    """Return alpha (T, S): log probability of frames 0..t over all ways that end in place s of l' (equations 5-8)."""
    extended = with_blanks(labels, blank)
    alpha = np.full((len(log_probs), len(extended)), -np.inf)
    alpha[0, :2] = log_probs[0, extended[:2]]
    for t in range(1, len(log_probs)):
        for s, label in enumerate(extended):
            ways = [alpha[t - 1, s]]
            if s >= 1:
                ways.append(alpha[t - 1, s - 1])
            if s >= 2 and label not in (blank, extended[s - 2]):
                ways.append(alpha[t - 1, s - 2])
            alpha[t, s] = np.logaddexp.reduce(ways) + log_probs[t, label]
    return alpha


def backward(log_probs: NDArray[np.float64], labels: Sequence[int], *, blank: int = 0) -> NDArray[np.float64]:
    """Return beta (T, S): log probability of frames t+1.. over all ways on from place s of l' to its end.

    The paper's beta (equations 9 to 11) has frame t in it as well; ours has not, so that alpha + beta is a way's whole.
    """
    extended = with_blanks(labels, blank)
    beta = np.full((len(log_probs), len(extended)), -np.inf)
    beta[-1, -2:] = 0.0
    for t in range(len(log_probs) - 2, -1, -1):
        onward = beta[t + 1] + log_probs[t + 1, extended]
        for s, label in enumerate(extended):
            ways = [onward[s]]
            if s + 1 < len(extended):
                ways.append(onward[s + 1])
            if s + 2 < len(extended) and extended[s + 2] not in (blank, label):
                ways.append(onward[s + 2])
            beta[t, s] = np.logaddexp.reduce(ways)
    return beta


def label_posteriors(log_probs: NDArray[np.float64], labels: Sequence[int], *, blank: int = 0) -> NDArray[np.float64]:
    """Return (T, V): the share of all alignments with the labels that has label k at frame t (equations 14 and 15).

    The labels are possible: there are frames enough.
    """
    extended = with_blanks(labels, blank)
    ways = forward(log_probs, labels, blank=blank) + backward(log_probs, labels, blank=blank)
    shares = np.exp(ways - np.logaddexp.reduce(ways, axis=1, keepdims=True))
    posteriors = np.zeros_like(log_probs)
    for s, label in enumerate(extended):
        posteriors[:, label] += shares[:, s]
    return posteriors
