"""The phones of a system: silence, optional silence, speech, and their variants by position in the word."""

from dataclasses import dataclass
from typing import Literal

from wfst_asr.errors import WfstAsrError
from wfst_asr.lexicon.lexicon import Lexicon

WordBoundary = Literal["nonword", "begin", "end", "internal", "singleton"]

_SUFFIXES: dict[str, WordBoundary] = {"_B": "begin", "_E": "end", "_I": "internal", "_S": "singleton"}


@dataclass(frozen=True)
class PhoneSet:
    """Phones as the lexicon writes them, and how they are told apart by position.

    Attributes:
        silence: phones of silence and noise, which take no context.
        nonsilence: phones of speech.
        optional_silence: the phone of `silence` that may stand between words; None where nothing may.
        position_dependent: whether a phone in a word becomes `_B` at its begin, `_E` at its end, `_I` inside and `_S`
            when it is the only one; a silence phone outside of words keeps its name.

    >>> PhoneSet(("SIL",), ("AA", "B"), "SIL", position_dependent=True).in_word(("B", "AA", "B"))
    ('B_B', 'AA_I', 'B_E')
    """

    silence: tuple[str, ...]
    nonsilence: tuple[str, ...]
    optional_silence: str | None = "SIL"
    position_dependent: bool = False

    def __post_init__(self) -> None:
        phones = [*self.silence, *self.nonsilence]
        if len(set(phones)) != len(phones):
            twice = next(phone for phone in phones if phones.count(phone) > 1)
            raise WfstAsrError(f"phone '{twice}' is listed twice among the silence and nonsilence phones")
        for phone in phones:
            if phone == "<eps>" or (phone.startswith("#") and phone[1:].isdecimal()):
                raise WfstAsrError(f"phone '{phone}' has a name that is reserved for the transducers; rename it")
        if self.optional_silence is not None and self.optional_silence not in self.silence:
            raise WfstAsrError(
                f"the optional silence '{self.optional_silence}' is not a silence phone; "
                f"expected one of: {', '.join(self.silence)}"
            )
        if self.position_dependent:
            for phone in phones:
                if phone[-2:] in _SUFFIXES:
                    raise WfstAsrError(
                        f"phone '{phone}' ends in '{phone[-2:]}' already, which marks a position in the word; "
                        "make the lexicon without such marks or choose position_dependent=False"
                    )

    @classmethod
    def of_lexicon(
        cls,
        lexicon: Lexicon,
        *,
        silence: tuple[str, ...] = ("SIL",),
        optional_silence: str | None = "SIL",
        position_dependent: bool = False,
        extra: tuple[str, ...] = (),
    ) -> "PhoneSet":
        """Build the phone set of a lexicon: what is not silence is speech, with the `extra` phones, sorted."""
        nonsilence = tuple(phone for phone in sorted({*lexicon.phones, *extra}) if phone not in silence)
        return cls(silence, nonsilence, optional_silence, position_dependent)

    @property
    def silence_phones(self) -> tuple[str, ...]:
        """Silence phones with all their variants, in Kaldi's order."""
        return tuple(variant for phone in self.silence for variant in self.variants(phone))

    @property
    def nonsilence_phones(self) -> tuple[str, ...]:
        """Phones of speech with all their variants, in Kaldi's order."""
        return tuple(variant for phone in self.nonsilence for variant in self.variants(phone))

    def variants(self, phone: str) -> tuple[str, ...]:
        """Return the names of a phone by position; one name where positions are not told apart."""
        if not self.position_dependent:
            return (phone,)
        return (*((phone,) if phone in self.silence else ()), *(phone + suffix for suffix in _SUFFIXES))

    def in_word(self, phones: tuple[str, ...]) -> tuple[str, ...]:
        """Return the phones of one word with their positions marked."""
        if not self.position_dependent:
            return phones
        if len(phones) == 1:
            return (phones[0] + "_S",)
        return (phones[0] + "_B", *(phone + "_I" for phone in phones[1:-1]), phones[-1] + "_E")

    def word_boundary(self, phone: str) -> WordBoundary:
        """Return what a variant says about the position in the word, as in `word_boundary.txt`."""
        return _SUFFIXES.get(phone[-2:], "nonword") if self.position_dependent else "nonword"
