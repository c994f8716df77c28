"""Context windows as two arrays, which can be hashed and stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class WindowList:
    """Windows of `compose_context`, in order.

    Attributes:
        first: (W + 1,) int64 offsets into `phones`.
        phones: flat int32.

    >>> WindowList.of([(), (0,), (0, 7, 8)]).tuples()
    ((), (0,), (0, 7, 8))
    """

    first: NDArray[np.int64]
    phones: NDArray[np.int32]

    @classmethod
    def of(cls, windows: Sequence[tuple[int, ...]]) -> "WindowList":
        lengths = [len(window) for window in windows]
        return cls(
            np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
            np.array([phone for window in windows for phone in window], dtype=np.int32),
        )

    def tuples(self) -> tuple[tuple[int, ...], ...]:
        phones, first = self.phones.tolist(), self.first.tolist()
        return tuple(tuple(phones[low:high]) for low, high in pairwise(first))

    @property
    def num_states(self) -> int:
        """Number of windows, as the size of a step."""
        return len(self.first) - 1

    @property
    def num_arcs(self) -> int:
        return 0
