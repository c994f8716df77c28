"""CTC scores at the door: (T, V) natural-log probabilities of V labels a frame, blank among them; checked once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.errors import WfstAsrError

LogProbs = NDArray[np.float64]
_ROW_TOLERANCE = 1e-2  # of the log of a row's sum; half precision leaves some 1e-3


def check_log_probs(log_probs: ArrayLike, *, blank: int, normalised: bool = True) -> LogProbs:
    """Return CTC scores as a C-contiguous (T, V) array of float64.

    Args:
        log_probs: anything NumPy reads; -inf is an impossible label.
        blank: column of the blank.
        normalised: also refuse rows whose probabilities do not sum to one.

    Raises:
        WfstAsrError: another shape, not numbers, NaN or plus infinity, a row of minus infinities, a blank that is no
            column, or rows that are no log-probabilities; the message says what they look like.

    >>> check_log_probs([[0.6, 0.4]], blank=0)
    Traceback (most recent call last):
        ...
    wfst_asr.errors.WfstAsrError: scores at frame 0 are probabilities (their sum is 1), expected natural logarithms; ...
    """
    array = np.asarray(log_probs)
    if array.ndim != 2 or array.shape[1] == 0:
        raise WfstAsrError(f"CTC scores of shape {array.shape}, expected (frames, labels)")
    if array.dtype.kind not in "fiu":
        raise WfstAsrError(f"CTC scores of type {array.dtype}, expected floating-point numbers")
    check_blank(blank, array.shape[1])
    checked = np.ascontiguousarray(array, dtype=np.float64)
    bad = ~(checked < np.inf)
    if bad.any():
        frame, column = (int(i) for i in np.argwhere(bad)[0])
        raise WfstAsrError(
            f"scores at frame {frame}, column {column}: {checked[frame, column]}, expected a log-probability; "
            "check the network and its input for overflow"
        )
    if len(checked) and (checked.max(axis=1) == -np.inf).any():
        frame = int(np.argmax(checked.max(axis=1) == -np.inf))
        raise WfstAsrError(
            f"scores at frame {frame} are all minus infinity, expected log-probabilities; "
            "check the network for overflow"
        )
    if normalised and len(checked):
        _check_rows(checked)
    return checked


def check_blank(blank: int, num_labels: int) -> None:
    """Refuse a blank that is no column.

    Raises:
        WfstAsrError: it is not within 0 and V - 1.
    """
    if not 0 <= blank < num_labels:
        raise WfstAsrError(
            f"blank is column {blank}, but the scores have {num_labels} columns; expected 0 to {num_labels - 1}"
        )


def check_labels(labels: ArrayLike | Sequence[int], *, blank: int, num_labels: int) -> NDArray[np.int64]:
    """Return a transcript as (U,) label ids.

    Raises:
        WfstAsrError: not a row of whole numbers, a number that is no column, or the blank, which no transcript has.
    """
    array = np.asarray(labels)
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise WfstAsrError(f"labels of shape {array.shape} and type {array.dtype}, expected a row of label ids")
    outside = (array < 0) | (array >= num_labels)
    if outside.any():
        at = int(np.argmax(outside))
        raise WfstAsrError(f"label {array[at]} at place {at}, but the scores have {num_labels} columns")
    if (array == blank).any():
        raise WfstAsrError(
            f"blank (column {blank}) at place {int(np.argmax(array == blank))} of a transcript; leave it out"
        )
    return np.ascontiguousarray(array, dtype=np.int64)


def _check_rows(log_probs: LogProbs) -> None:
    top = log_probs.max(axis=1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(log_probs - top).sum(axis=1))
    wrong = ~(np.abs(log_sum) <= _ROW_TOLERANCE)
    if not wrong.any():
        return
    frame = int(np.argmax(wrong))
    row = log_probs[frame]
    if (row >= 0).all() and abs(row.sum() - 1) <= _ROW_TOLERANCE:
        told = "are probabilities (their sum is 1), expected natural logarithms; take their log"
    elif abs((10.0 ** np.minimum(row, 300)).sum() - 1) <= _ROW_TOLERANCE:
        told = "are logarithms to base 10, expected natural ones; multiply by ln 10 = 2.302585"
    elif abs(np.exp(np.minimum(-row, 700)).sum() - 1) <= _ROW_TOLERANCE:
        told = "are negative log-probabilities, expected log-probabilities; change their sign"
    else:
        told = f"have probabilities that sum to {np.exp(min(log_sum[frame], 700)):.3g}, expected 1; apply log_softmax"
    raise WfstAsrError(f"scores at frame {frame} {told}")
