"""What is a word among the phones of a path: by the position marks of phones, or by the pronunciations of words.

A parser looks at phones and words that follow each other on a path and are not told apart yet, and says which step
comes first: a word, or a silence between words, that takes so many of the phones.  It says nothing while what has not
been read yet may change the answer.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError

NONWORD, BEGIN, END, INTERNAL, SINGLETON = range(5)
_KINDS = {"nonword": NONWORD, "begin": BEGIN, "end": END, "internal": INTERNAL, "singleton": SINGLETON}
_MARKS = {"_B": BEGIN, "_E": END, "_I": INTERNAL, "_S": SINGLETON}


class Step(NamedTuple):
    """A word (or a silence, if not) that takes `phones` phones."""

    is_word: bool
    phones: int


class WordParser(Protocol):
    """Finds the first word or silence."""

    def first_step(self, phones: tuple[int, ...], words: tuple[int, ...], *, ended: bool, at_end: bool) -> Step | None:
        """Return the step that comes first, or None if nothing is known yet.

        Args:
            phones: the phones not told apart yet; the last of them may go on.
            words: the words not placed yet; others may follow.
            ended: whether the last phone has ended.
            at_end: whether the path ends here, so that nothing follows.
        """

    def whole(self, phones: tuple[int, ...], word: int) -> bool:
        """Tell whether phones are all of a word, or of a silence for word 0."""


def word_boundaries(phones: Sequence[str]) -> NDArray[np.int8]:
    """Return the place in the word of each phone by the ending of its name: _B, _E, _I, _S, or none for silence.

    >>> word_boundaries(["<eps>", "SIL", "A_B", "A_I", "A_E", "A_S"]).tolist() == [0, NONWORD, BEGIN, INTERNAL, END, 4]
    True
    """
    return np.array([_MARKS.get(phone[-2:], NONWORD) for phone in phones], dtype=np.int8)


def read_word_boundaries(path: str | os.PathLike[str]) -> NDArray[np.int8]:
    """Read Kaldi's `word_boundary.int` ("phone-id nonword|begin|end|internal|singleton" a line).

    Returns:
        (P,) the place of each phone by its id, as `word_boundaries`; -1 for ids that the file lacks.

    Raises:
        WfstAsrError: the file cannot be read, or a line has another form.
    """
    name = Path(path)
    try:
        lines = name.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WfstAsrError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    kinds: dict[int, int] = {}
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if len(parts) != 2 or not parts[0].isdigit() or parts[1] not in _KINDS:
            raise WfstAsrError(f"{name}:{number}: '{line}', expected a phone's number and one of {', '.join(_KINDS)}")
        kinds[int(parts[0])] = _KINDS[parts[1]]
    result = np.full(max(kinds, default=-1) + 1, -1, dtype=np.int8)
    for phone, kind in kinds.items():
        result[phone] = kind
    return result


class BoundaryParser:
    """Tells words apart by the places of their phones in the word."""

    def __init__(self, boundaries: NDArray[np.int8]) -> None:
        """Take the place of each phone, see `word_boundaries`."""
        self._kinds: list[int] = boundaries.tolist()

    def _kind(self, phone: int) -> int:
        kind = self._kinds[phone] if 0 < phone < len(self._kinds) else -1
        if kind < 0:
            raise WfstAsrError(f"phone {phone} of the lattice has no place in words; give the word boundaries of all")
        return kind

    def first_step(self, phones: tuple[int, ...], words: tuple[int, ...], *, ended: bool, at_end: bool) -> Step | None:
        """Return the step that comes first; None as well where no word or silence begins with these phones."""
        if not phones:
            return None
        kind = self._kind(phones[0])
        length = 1 if kind in (NONWORD, SINGLETON) else self._word_length(phones)
        is_word = kind != NONWORD
        if length == 0 or (is_word and not words) or (length == len(phones) and not (ended or at_end)):
            return None
        return Step(is_word, length)

    def _word_length(self, phones: tuple[int, ...]) -> int:
        """Return the number of phones up to the end of the word, 0 if it does not end or is not well formed."""
        if self._kind(phones[0]) != BEGIN:
            return 0
        for place in range(1, len(phones)):
            kind = self._kind(phones[place])
            if kind != INTERNAL:
                return place + 1 if kind == END else 0
        return 0

    def whole(self, phones: tuple[int, ...], word: int) -> bool:
        """Tell whether phones are all of a word, or of a silence for word 0."""
        step = self.first_step(phones, (1,), ended=True, at_end=True)
        return step == Step(word != 0, len(phones))


class LexiconParser:
    """Tells words apart by their pronunciations, silence allowed between them.

    Where phones can be divided in several ways, one is taken: of two divisions that agree from some point on, the one
    that has a word before a silence where they part, then the one with the longer pronunciation.
    """

    def __init__(self, pronunciations: Mapping[int, Collection[tuple[int, ...]]], words: Collection[int]) -> None:
        """Take the pronunciations by word, those of silence under 0, and the words that may come."""
        missing = sorted(word for word in words if word and not pronunciations.get(word))
        if missing:
            raise WfstAsrError(f"word {missing[0]} of the lattice has no pronunciation; add it to the lexicon")
        self._variants = {
            word: tuple(sorted(set(pronunciations.get(word, ())), key=lambda v: (-len(v), v))) for word in words
        }
        self._silences = tuple(
            sorted({v for v in pronunciations.get(0, ()) if v}, key=lambda variant: (-len(variant), variant))
        )
        self._words = frozenset(variant for word in words for variant in self._variants[word] if word)
        every = self._words | set(self._silences)
        self._whole = every - {()}
        self._beginnings = frozenset(variant[:length] for variant in every for length in range(1, len(variant)))
        self._longest = max((len(variant) for variant in every), default=0)
        self._viable = cache(self._is_viable)

    def first_step(self, phones: tuple[int, ...], words: tuple[int, ...], *, ended: bool, at_end: bool) -> Step | None:
        """Return the step that comes first in every division that may still turn out, or in the one that is taken."""
        reached, alive = self._divisions(phones, words)
        if at_end:
            goal = (len(phones), len(words))
            if goal not in reached:  # a path that breaks off: as many words and phones as can be placed
                goal = max(alive, key=lambda at: (at[1], at[0]), default=(0, 0))
            steps = reached[goal]
            return _step(steps[0]) if steps else None
        firsts = {reached[at][:1] for at in alive}
        if len(firsts) != 1:
            return None
        (first,) = firsts
        if not first:
            return None
        step = _step(first[0])
        return None if step.phones == len(phones) > 0 and not ended else step

    def _divisions(
        self, phones: tuple[int, ...], words: tuple[int, ...]
    ) -> tuple[dict[tuple[int, int], "_Steps"], list[tuple[int, int]]]:
        """Return the best steps to each (phones, words) used, and those from which it may go on."""
        reached: dict[tuple[int, int], _Steps] = {(0, 0): ()}
        alive: list[tuple[int, int]] = []
        count = len(phones)
        for at in range(count + 1):
            for number in range(len(words) + 1):
                steps = reached.get((at, number))
                if steps is None:
                    continue
                goes_on = at == count
                options = [(1, variant) for variant in self._silences]
                if number < len(words):
                    options += [(0, variant) for variant in self._variants[words[number]]]
                elif at < count:
                    goes_on = self._may_be_words(phones[at:])
                for kind, variant in options:
                    part = phones[at : at + len(variant)]
                    if part != variant:
                        # the phones end inside the word or silence
                        goes_on = goes_on or (at + len(part) == count and part == variant[: len(part)])
                        continue
                    target = (at + len(variant), number + 1 - kind)
                    found = (*steps, (kind, -len(variant)))
                    if target not in reached or found < reached[target]:
                        reached[target] = found
                if goes_on:
                    alive.append((at, number))
        return reached, alive

    def _may_be_words(self, phones: tuple[int, ...]) -> bool:
        """Tell whether phones may begin with a word, whichever."""
        return phones in self._beginnings or any(
            phones[:length] in self._words and self._viable(phones[length:]) for length in range(1, len(phones) + 1)
        )

    def _is_viable(self, phones: tuple[int, ...]) -> bool:
        """Tell whether words, whichever, and silences may begin with these phones."""
        return (
            not phones
            or phones in self._beginnings
            or any(
                phones[:length] in self._whole and self._viable(phones[length:])
                for length in range(1, min(self._longest, len(phones)) + 1)
            )
        )

    def whole(self, phones: tuple[int, ...], word: int) -> bool:
        """Tell whether phones are all of a word, or of a silence for word 0."""
        return phones in (self._variants.get(word, ()) if word else self._silences)


_Steps = tuple[tuple[int, int], ...]  # (0 for a word or 1 for silence, minus the phones): the lower, the better


def _step(pair: tuple[int, int]) -> Step:
    return Step(pair[0] == 0, -pair[1])
