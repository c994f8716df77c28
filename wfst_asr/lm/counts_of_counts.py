"""How many n-grams occur once, twice and so on: what discounts are estimated from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CountsOfCounts:
    """The counts that occur among the n-grams of one order, and how many n-grams have each.

    Attributes:
        r: (J,) int64, the different counts above 0, ascending.
        n: (J,) int64, number of n-grams with that count.
    """

    r: NDArray[np.int64]
    n: NDArray[np.int64]

    @property
    def max_count(self) -> int:
        return int(self.r[-1]) if len(self.r) else 0

    @property
    def total(self) -> int:
        """Sum of r n_r: the tokens."""
        return int(self.r @ self.n)

    def number(self, count: int) -> int:
        """Return n_r of a count r; 0 where no n-gram has it."""
        at = int(np.searchsorted(self.r, count))
        return int(self.n[at]) if at < len(self.r) and self.r[at] == count else 0


def counts_of_counts(counts: NDArray[np.int32]) -> CountsOfCounts:
    """Tabulate counts; zeros are left out.

    >>> found = counts_of_counts(np.array([1, 4, 0, 1], dtype=np.int32))
    >>> found.r.tolist(), found.n.tolist()
    ([1, 4], [2, 1])
    """
    n = np.bincount(counts)
    r = np.flatnonzero(n)
    r = r[r > 0]
    return CountsOfCounts(r, n[r])


@dataclass(frozen=True)
class Discounts:
    """Discounted counts c* of one order.

    Attributes:
        discounted: (max count + 1,) float64; entry r is c* of count r, entry 0 is 0.
        per_type: counts set aside for unseen words for each different word after a history, which are added to
            the history's total (Witten-Bell: 1).
        note: what was done where the method's own formula could not be used, or None.
    """

    discounted: NDArray[np.float64]
    per_type: float = 0.0
    note: str | None = None


def undiscounted(found: CountsOfCounts) -> NDArray[np.float64]:
    """Return c* = c for every count up to the largest."""
    return np.arange(found.max_count + 1, dtype=np.float64)
