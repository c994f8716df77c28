"""The CTC loss and its gradients (Graves et al. 2006, section 4): fast, in float64.

`wfst_asr.ctc.forward_backward` is the definition.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.ctc.log_probs import check_labels, check_log_probs
from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True)
class CtcLoss:
    """What a transcript costs, and which way is down.

    Attributes:
        loss: -log p(labels | recording), natural log; infinite where there are too few frames, or the scores rule
            the labels out.
        posteriors: (T, V) share of the alignments with label k at frame t; rows sum to one, or to zero where the
            loss is infinite.
        log_probs: (T, V) what it was computed from.
    """

    loss: float
    posteriors: NDArray[np.float64]
    log_probs: NDArray[np.float64]

    @property
    def gradient(self) -> NDArray[np.float64]:
        """Derivative of the loss by each log-probability, (T, V): -posteriors.  Zero where the loss is infinite."""
        return -self.posteriors

    @property
    def logit_gradient(self) -> NDArray[np.float64]:
        """Derivative of the loss by each logit before log_softmax, (T, V): probability - posterior (equation 16).

        Zero where the loss is infinite, so that such an utterance teaches nothing.
        """
        if not self.loss < np.inf:
            return np.zeros_like(self.posteriors)
        return np.exp(self.log_probs) - self.posteriors


def required_frames(labels: Sequence[int] | NDArray[np.integer]) -> int:
    """Return how many frames labels need at least: one a label, and one for the blank between two equal ones.

    >>> required_frames([8, 5, 12, 12, 15])
    6
    """
    array = np.asarray(labels)
    return len(array) + int(np.count_nonzero(array[1:] == array[:-1]))


def ctc_log_prob(log_probs: ArrayLike, labels: Sequence[int] | NDArray[np.integer], *, blank: int = 0) -> float:
    """Return log p(labels | recording), the sum over all alignments that collapse to the labels.

    Args:
        log_probs: (T, V) natural-log probabilities, or logits less any number a frame.
        labels: (U,) columns, none the blank.
        blank: its column.

    Returns:
        Natural log; -inf where there are fewer frames than `required_frames`, or the scores rule the labels out.

    Raises:
        WfstAsrError: as `check_log_probs` (rows need not sum to one) and `check_labels`.

    O(T U).

    >>> half = np.log([[.5, .5], [.5, .5]])
    >>> round(float(np.exp(ctc_log_prob(half, [1]))), 3)  # aa, a-, -a, but not --
    0.75
    >>> ctc_log_prob(half, [1, 1])
    -inf
    """
    from wfst_asr.ctc import _loss_kernels

    checked = check_log_probs(log_probs, blank=blank, normalised=False)
    own = check_labels(labels, blank=blank, num_labels=checked.shape[1])
    return float(_loss_kernels.ctc_log_prob(checked, own, blank))


def ctc_loss(log_probs: ArrayLike, labels: Sequence[int] | NDArray[np.integer], *, blank: int = 0) -> CtcLoss:
    """Return the CTC loss of a transcript with its gradients.

    Args:
        log_probs: (T, V) natural-log probabilities, log-softmaxed.
        labels: (U,) columns, none the blank.
        blank: its column.

    Raises:
        WfstAsrError: as `check_log_probs` and `check_labels`.

    O(T U + T V).

    >>> result = ctc_loss(np.log([[.5, .5], [.5, .5]]), [1])
    >>> round(result.loss, 4), result.posteriors.round(3).tolist()
    (0.2877, [[0.333, 0.667], [0.333, 0.667]])
    """
    return ctc_loss_batch([log_probs], [labels], blank=blank)[0]


def ctc_loss_batch(
    log_probs: Sequence[ArrayLike], labels: Sequence[Sequence[int] | NDArray[np.integer]], *, blank: int = 0
) -> list[CtcLoss]:
    """Return the CTC loss of each of several utterances.

    Args:
        log_probs: an array (T, V) an utterance, with one V and any T.
        labels: a transcript an utterance.
        blank: its column.

    Raises:
        WfstAsrError: as `ctc_loss`, with the number of the utterance; numbers of utterances or columns that differ.
    """
    from wfst_asr.ctc import _loss_kernels

    if len(log_probs) != len(labels):
        raise WfstAsrError(
            f"{len(log_probs)} score matrices and {len(labels)} transcripts; expected one of each an utterance"
        )
    checked, own = [], []
    for number, (scores, transcript) in enumerate(zip(log_probs, labels, strict=True)):
        try:
            checked.append(check_log_probs(scores, blank=blank))
            own.append(check_labels(transcript, blank=blank, num_labels=checked[-1].shape[1]))
        except WfstAsrError as error:
            raise WfstAsrError(f"utterance {number}: {error}" if len(labels) > 1 else str(error)) from error
        if checked[-1].shape[1] != checked[0].shape[1]:
            raise WfstAsrError(
                f"utterance {number} has {checked[-1].shape[1]} columns, utterance 0 has {checked[0].shape[1]}; "
                "expected one network's scores"
            )
    if not checked:
        return []
    together = checked[0] if len(checked) == 1 else np.concatenate(checked)
    frame_bounds = np.cumsum([0, *(len(scores) for scores in checked)])
    label_bounds = np.cumsum([0, *(len(transcript) for transcript in own)])
    posteriors, totals = np.empty_like(together), np.empty(len(checked))
    _loss_kernels.ctc_posteriors_of_batch(
        together, frame_bounds, np.concatenate(own), label_bounds, blank, posteriors, totals
    )
    cuts = frame_bounds[1:-1]
    parts = zip(totals, np.split(posteriors, cuts), checked, strict=True)
    return [CtcLoss(0.0 - float(total), part, scores) for total, part, scores in parts]
