"""The Levenshtein distance by its recursive definition."""

from collections.abc import Sequence
from functools import cache


def levenshtein(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Return the fewest substitutions, insertions and deletions that turn one sequence into the other."""

    @cache
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        return min(
            distance(i - 1, j - 1) + (reference[i - 1] != hypothesis[j - 1]),
            distance(i - 1, j) + 1,
            distance(i, j - 1) + 1,
        )

    return distance(len(reference), len(hypothesis))
