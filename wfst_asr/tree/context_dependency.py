"""What the graph compiler asks of a decision tree or of any other table of tied states."""

from collections.abc import Sequence
from typing import Protocol


class ContextDependency(Protocol):
    """Maps a context window of phones and an HMM state's pdf-class to a pdf-id (Kaldi `ContextDependencyInterface`).

    Attributes:
        context_width: N, the number of phones in a window; 3 for triphones, 1 for monophones.
        central_position: P, the index of the window's central phone; 1 for triphones.
        num_pdfs: number of pdf-ids.
    """

    @property
    def context_width(self) -> int: ...

    @property
    def central_position(self) -> int: ...

    @property
    def num_pdfs(self) -> int: ...

    def pdf_id(self, window: Sequence[int], pdf_class: int) -> int:
        """Return the pdf-id of `pdf_class` of the central phone of `window`.

        Args:
            window: N phone ids; 0 where the utterance has no phone (before its begin, after its end).
            pdf_class: 0-based class of the HMM state, from the topology.

        Raises:
            WfstAsrError: no pdf for this window and class.
        """
        ...


class EnumerableContext(ContextDependency, Protocol):
    """A context dependency that can list what it may answer without being asked for every window."""

    def pdf_tuples(self, phone: int, pdf_classes: Sequence[int]) -> set[tuple[int, ...]]:
        """Return every tuple of pdf-ids that one window with central phone `phone` gives for `pdf_classes`.

        Raises:
            WfstAsrError: no pdf for this phone and class in some window.
        """
        ...
