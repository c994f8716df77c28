"""From a label a frame to labels: repeats become one, then blanks go (Graves et al. 2006, section 3.1)."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError

Label = TypeVar("Label")
ARTICLE_BLANK = "_"


@overload
def merge_repeats(labels: str) -> str: ...  # type: ignore[overload-overlap]
@overload
def merge_repeats(labels: NDArray[np.integer[Any]]) -> list[int]: ...
@overload
def merge_repeats(labels: Sequence[Label]) -> list[Label]: ...
def merge_repeats(labels: Any) -> Any:
    """Replace every run of one label by one of it: the first step.

    Args:
        labels: a label a frame: a text with a letter a frame, an array of ids, or any sequence.

    Returns:
        A text for a text, otherwise a list.

    >>> merge_repeats("HHHEE_LL_LLLOOO")
    'HE_L_LO'
    """
    if isinstance(labels, str):
        return "".join(label for label, _ in groupby(labels))
    return [label for label, _ in groupby(_listed(labels))]


@overload
def remove_blanks(labels: str, blank: str = ...) -> str: ...  # type: ignore[overload-overlap]
@overload
def remove_blanks(labels: NDArray[np.integer[Any]], blank: int) -> list[int]: ...
@overload
def remove_blanks(labels: Sequence[Label], blank: Label) -> list[Label]: ...
def remove_blanks(labels: Any, blank: Any = ARTICLE_BLANK) -> Any:
    """Take the blanks out: the second step.

    Args:
        labels: as `merge_repeats`.
        blank: the label that stands for none; "_" in a text, as the article writes it.

    Returns:
        A text for a text, otherwise a list.

    >>> remove_blanks("HE_L_LO")
    'HELLO'
    """
    if isinstance(labels, str):
        if len(blank) != 1:
            raise WfstAsrError(f"blank '{blank}' in a text with a letter a frame; expected one character")
        return labels.replace(blank, "")
    return [label for label in _listed(labels) if label != blank]


@overload
def collapse(labels: str, blank: str = ...) -> str: ...  # type: ignore[overload-overlap]
@overload
def collapse(labels: NDArray[np.integer[Any]], blank: int) -> list[int]: ...
@overload
def collapse(labels: Sequence[Label], blank: Label) -> list[Label]: ...
def collapse(labels: Any, blank: Any = ARTICLE_BLANK) -> Any:
    """Return what an alignment says: the map B of Graves et al.  A blank between two equal labels keeps both.

    Args:
        labels: a label a frame: a text with a letter a frame, an array of ids, or any sequence.
        blank: the label that stands for none; "_" in a text, as the article writes it.

    Returns:
        A text for a text, otherwise a list.

    Raises:
        WfstAsrError: the blank of a text is not one character.

    >>> collapse("HHHEE_LL_LLLOOO")
    'HELLO'
    >>> collapse(np.array([0, 3, 3, 0, 3, 1, 0]), 0)
    [3, 3, 1]
    """
    return remove_blanks(merge_repeats(labels), blank)


def _listed(labels: Any) -> list[Any]:
    return list(labels.tolist()) if isinstance(labels, np.ndarray) else list(labels)
