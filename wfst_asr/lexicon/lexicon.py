"""The pronunciation lexicon: words, their phones, and the probability of each pronunciation."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True, order=True)
class Pronunciation:
    """One way to say a word.

    Attributes:
        word: the word.
        phones: its phones, at least one.
        prob: probability of this pronunciation of the word, in (0, 1]; Kaldi scales the best of a word to 1.
    """

    word: str
    phones: tuple[str, ...]
    prob: float = 1.0

    def __post_init__(self) -> None:
        if not self.phones:
            raise WfstAsrError(f"word '{self.word}' has an empty pronunciation; give it at least one phone")
        if not 0.0 < self.prob <= 1.0:
            raise WfstAsrError(f"word '{self.word}' has a pronunciation probability of {self.prob}; expected (0, 1]")


@dataclass(frozen=True)
class Lexicon:
    """All pronunciations, in the order of their file."""

    entries: tuple[Pronunciation, ...]

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, str]]) -> "Lexicon":
        """Build a lexicon from (word, "P H O N E S").

        >>> Lexicon.from_pairs([("red", "R EH D"), ("read", "R EH D")]).homophones
        {('R', 'EH', 'D'): ('red', 'read')}
        """
        return cls(tuple(Pronunciation(word, tuple(phones.split())) for word, phones in pairs))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Distinct words in order of first appearance."""
        return tuple(dict.fromkeys(entry.word for entry in self.entries))

    @cached_property
    def phones(self) -> tuple[str, ...]:
        """Distinct phones, sorted."""
        return tuple(sorted({phone for entry in self.entries for phone in entry.phones}))

    @cached_property
    def pronunciations(self) -> dict[str, tuple[Pronunciation, ...]]:
        """Pronunciations by word."""
        result: dict[str, list[Pronunciation]] = {}
        for entry in self.entries:
            result.setdefault(entry.word, []).append(entry)
        return {word: tuple(entries) for word, entries in result.items()}

    @cached_property
    def homophones(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        """Words by pronunciation, for the pronunciations that more than one word has."""
        by_phones: dict[tuple[str, ...], list[str]] = {}
        for entry in self.entries:
            by_phones.setdefault(entry.phones, []).append(entry.word)
        return {phones: tuple(words) for phones, words in by_phones.items() if len(words) > 1}
