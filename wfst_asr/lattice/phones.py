"""Phones of a path: input labels cut into phones, each with its start and end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError

_FIELDS = ("phone", "hmm_state", "self_loop")


@dataclass(frozen=True)
class PhoneSegment:
    """A phone of a path, from `start` up to but not including `end`, in frames."""

    phone: str
    start: int
    end: int


def phone_begins(input_labels: NDArray[np.void], alignment: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell at which frames of a path a phone begins.

    A phone begins where another phone's label comes, where the HMM state goes back, or, for labels that tell
    self-loops apart, at a forward transition out of state 0 (self-loops follow their state's forward transition).
    So two labels that follow each other decide it.

    Args:
        input_labels: (L,) records with phone, hmm_state and self_loop (1, 0, or -1 where it is not known).
        alignment: (T,) input labels, one a frame.

    Raises:
        WfstAsrError: a label that is not in the table.
    """
    if len(alignment) and not 0 < int(alignment.min()) <= int(alignment.max()) < len(input_labels):
        raise WfstAsrError(
            f"input labels up to {int(alignment.max())}, but the meaning of {len(input_labels) - 1} is known; "
            "take the labels of the graph that the lattice was made with"
        )
    labels = input_labels[alignment]
    phone, state, loop = (labels[name] for name in _FIELDS)
    begins = np.ones(len(alignment), dtype=bool)
    entered = (loop[1:] == 0) & (state[1:] == 0)
    gone_back = (loop[1:] < 0) & (state[1:] < state[:-1])
    begins[1:] = (phone[1:] != phone[:-1]) | entered | gone_back
    return begins


def phone_segments(
    input_labels: NDArray[np.void], phones: Sequence[str], alignment: NDArray[np.int32], *, first_frame: int = 0
) -> tuple[PhoneSegment, ...] | None:
    """Cut a path, or the part of it that an arc spans, into its phones; None where a label tells no phone.

    CTC's blanks (phone 0 in HMM state -1) are left out; a phone begins anew behind one.

    Args:
        input_labels: see `phone_begins`.
        phones: names by id; a phone without a name is called by its number.
        alignment: (T,) input labels.
        first_frame: frame of the first label.

    >>> labels = np.array(
    ...     [(0, 0, 0), (1, 0, -1), (1, 1, -1), (2, 0, -1)], [("phone", "i4"), ("hmm_state", "i2"), ("self_loop", "i1")]
    ... )
    >>> phone_segments(labels, ["<eps>", "A", "B"], np.array([1, 1, 2, 1, 3]))  # doctest: +NORMALIZE_WHITESPACE
    (PhoneSegment(phone='A', start=0, end=3), PhoneSegment(phone='A', start=3, end=4),
     PhoneSegment(phone='B', start=4, end=5))
    """
    begins = phone_begins(input_labels, alignment)
    phone = input_labels["phone"][alignment]
    blank = (phone == 0) & (input_labels["hmm_state"][alignment] == -1)
    if not ((phone > 0) | blank).all():
        return None
    cuts = np.append(np.flatnonzero(begins), len(alignment))
    spoken = ~blank[cuts[:-1]]
    starts, ends = cuts[:-1][spoken].tolist(), cuts[1:][spoken].tolist()
    return tuple(
        PhoneSegment(
            phones[phone[start]] if phone[start] < len(phones) else str(phone[start]),
            first_frame + start,
            first_frame + end,
        )
        for start, end in zip(starts, ends, strict=True)
    )
