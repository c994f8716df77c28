"""Prefix beam search: the labels of the greatest probability, summed over their alignments.

Graves et al. 2006, section 3.2, and Hannun et al. 2014, "First-pass large vocabulary continuous speech recognition
using bi-directional recurrent DNNs", algorithm 1.  `wfst_asr.ctc.fused_search` is the definition, and takes a
language model; for words and n-grams there are graphs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.ctc.log_probs import check_log_probs
from wfst_asr.errors import WfstAsrError

_MAX_CANDIDATES = 1 << 24  # of a search without a bound; about a gigabyte


@dataclass(frozen=True)
class PrefixSearchOptions:
    """What a prefix search drops.

    Attributes:
        max_active: prefixes kept at each frame; None keeps all, of which there are up to (labels ** frames).
        beam: prefixes whose log probability is more than this below the best one's are dropped.
        max_tokens: labels tried at each frame, the best ones, blank not counted; None tries all.
        token_beam: labels more than this below the best label of their frame are not tried (blank always is).
    """

    max_active: int | None = 100
    beam: float = np.inf
    max_tokens: int | None = None
    token_beam: float = 14.0

    def __post_init__(self) -> None:
        for name in ("max_active", "max_tokens"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise WfstAsrError(f"{name} is {value}; expected 1 or more, or None for no bound")
        for name in ("beam", "token_beam"):
            if not getattr(self, name) >= 0:
                raise WfstAsrError(f"{name} is {getattr(self, name)}; expected 0 or more")


EXACT = PrefixSearchOptions(max_active=None, beam=np.inf, max_tokens=None, token_beam=np.inf)


@dataclass(frozen=True)
class PrefixHypothesis:
    """Labels that a prefix search found.

    Attributes:
        labels: columns, without blanks.
        log_prob: natural log of the sum over the alignments that were kept; all of them if nothing was dropped.
    """

    labels: tuple[int, ...]
    log_prob: float


def prefix_search(
    log_probs: ArrayLike, options: PrefixSearchOptions | None = None, *, blank: int = 0, nbest: int = 1
) -> list[PrefixHypothesis]:
    """Find the labels of the greatest probability.

    Args:
        log_probs: (T, V) natural-log probabilities.
        options: what is dropped; `EXACT` drops nothing, for small T and V.
        blank: column of the blank.
        nbest: how many are returned at most.

    Returns:
        The best ones, best first, each once; of equal ones the lower labels first.

    Raises:
        WfstAsrError: as `check_log_probs`; nothing can be dropped and there are too many prefixes.

    O(T A K) at most for A active prefixes and K tokens; only tokens that might get among the A best are looked at.

    >>> scores = np.log([[.6, .4], [.6, .4]])  # greedy: nothing, with probability 0.36
    >>> [(found.labels, round(float(np.exp(found.log_prob)), 2)) for found in prefix_search(scores, nbest=2)]
    [((1,), 0.64), ((), 0.36)]
    """
    from wfst_asr.ctc import _prefix_kernels

    options = options or PrefixSearchOptions()
    if nbest < 1:
        raise WfstAsrError(f"nbest is {nbest}; expected 1 or more")
    checked = check_log_probs(log_probs, blank=blank)
    unbounded = np.iinfo(np.int64).max // 2
    parent, label_of, nodes, totals, failed = _prefix_kernels.prefix_search(
        checked,
        blank,
        options.max_active or unbounded,
        float(options.beam),
        options.max_tokens or unbounded,
        float(options.token_beam),
        _MAX_CANDIDATES,
    )
    if failed >= 0:
        raise WfstAsrError(
            f"more than {_MAX_CANDIDATES} prefixes at frame {failed} of {len(checked)}; "
            "give max_active, or a smaller beam or token_beam"
        )
    if len(totals) > nbest:
        least = np.partition(totals, len(totals) - nbest)[len(totals) - nbest]
        nodes, totals = nodes[totals >= least], totals[totals >= least]
    found = [
        PrefixHypothesis(_labels(parent, label_of, int(node)), float(total))
        for node, total in zip(nodes, totals, strict=True)
    ]
    return sorted(found, key=lambda one: (-one.log_prob, one.labels))[:nbest]


def _labels(parent: NDArray[np.int32], label_of: NDArray[np.int32], node: int) -> tuple[int, ...]:
    labels = []
    while node:
        labels.append(int(label_of[node]))
        node = int(parent[node])
    return tuple(reversed(labels))
