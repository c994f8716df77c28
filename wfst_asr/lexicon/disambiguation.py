"""Disambiguation symbols of a lexicon: `#k` where a pronunciation alone does not tell the word or its end."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class DisambiguationNumbers:
    """The symbol of each pronunciation.

    Attributes:
        numbers: k of the `#k` that ends each pronunciation, 0 where it needs none.
        largest: largest k in use.
    """

    numbers: tuple[int, ...]
    largest: int


def disambiguation_numbers(pronunciations: Sequence[tuple[str, ...]]) -> DisambiguationNumbers:
    """Give a symbol to each pronunciation that comes more than once or begins another one, from #1 a phone string.

    As Kaldi's `add_lex_disambig.pl`, in O(N log N); `#0` is left to the grammar.

    >>> disambiguation_numbers([("R", "EH", "D"), ("R", "EH", "D"), ("AH",), ("AH", "N"), ("B",)]).numbers
    (1, 2, 1, 0, 0)
    """
    times = Counter(pronunciations)
    needed = {phones for phones, count in times.items() if count > 1}
    # in sorted order, the strings that begin with another one follow it at once
    needed.update(first for first, second in pairwise(sorted(times)) if second[: len(first)] == first)
    used: dict[tuple[str, ...], int] = {}
    numbers = []
    for phones in pronunciations:
        if phones in needed:
            used[phones] = used.get(phones, 0) + 1
            numbers.append(used[phones])
        else:
            numbers.append(0)
    return DisambiguationNumbers(tuple(numbers), max(numbers, default=0))
