"""Add-k (Laplace, Lidstone) smoothing: add k to the count of every word after every history.

p(w | h) = (c(h w) + k) / (c(h) + k V) for a history h of N - 1 words, or one that begins with `<s>`; V words can
follow. A shorter history counts as never seen, so that its words are equally likely: only so a back-off model, whose
unseen words share what is left in proportion to the lower order, holds the formula exactly.

Jurafsky and Martin, "Speech and Language Processing", section 3.6.
"""

import numpy as np
from numpy.typing import NDArray


def unigram_probs(counts: NDArray[np.int32], k: float, *, uniform: bool) -> NDArray[np.float64]:
    """Return p(w) = (c(w) + k) / (N + k V) of all words, or 1 / V; 0 for word 0, `<s>`.

    >>> unigram_probs(np.array([2, 2, 3, 0], dtype=np.int32), 1, uniform=False).tolist()  # N = 5, V = 3
    [0.0, 0.375, 0.5, 0.125]
    """
    num_events = len(counts) - 1
    prob = np.full(len(counts), 1 / num_events)
    if not uniform:
        prob = (counts + k) / (counts[1:].sum() + k * num_events)
    prob[0] = 0.0
    return prob
