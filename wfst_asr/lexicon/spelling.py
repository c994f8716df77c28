"""Spelling lexicons: words as their letters or word pieces, for networks that write in place of pronouncing."""

import warnings
from collections.abc import Iterable, Sequence

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation

WORD_BEGIN = "▁"  # of word pieces: SentencePiece's mark of a space before the piece


def spelling_lexicon(words: Iterable[str], units: Iterable[str], *, all_spellings: bool = False) -> Lexicon:
    """Spell words in units: letters, or word pieces of several letters.

    A word is taken as it is written, else in capitals, else in small letters.  Where units begin with "▁", as
    SentencePiece's do, the words are spelled with it in front.  Of several ways the one with the fewest units is taken,
    of these the one whose first units are longer.

    Args:
        words: distinct or not, in their order.
        units: names; those between angle or square brackets are no letters.
        all_spellings: give every way of dividing a word into units a line, for networks that may write any of them.

    Returns:
        A lexicon of the words that can be spelled; those that cannot are left out with one warning.

    Raises:
        WfstAsrError: not one word can be spelled.

    Each word takes time in proportion to its length and to the longest unit, and to its spellings where all are wanted.

    >>> spelling_lexicon(["go", "gogo"], ["G", "O", "GO"]).entries  # doctest: +NORMALIZE_WHITESPACE
    (Pronunciation(word='go', phones=('GO',), prob=1.0), Pronunciation(word='gogo', phones=('GO', 'GO'), prob=1.0))
    """
    known = frozenset(unit for unit in units if not (unit[:1] + unit[-1:] in ("<>", "[]") and len(unit) > 1))
    longest = max(map(len, known), default=0)
    mark = WORD_BEGIN if any(unit.startswith(WORD_BEGIN) for unit in known) else ""
    entries: list[Pronunciation] = []
    left_out: list[str] = []
    for word in dict.fromkeys(words):
        for written in dict.fromkeys((word, word.upper(), word.lower())):
            spellings = _spellings(mark + written, known, longest, all_spellings=all_spellings)
            if spellings:
                entries.extend(Pronunciation(word, spelling) for spelling in spellings)
                break
        else:
            left_out.append(word)
    if not entries:
        raise WfstAsrError(
            f"not one of {len(left_out)} words can be spelled in the units {' '.join(sorted(known)[:30])}; give the "
            "units that the words are written in"
        )
    if left_out:
        warnings.warn(
            f"{len(left_out)} of {len(left_out) + len({e.word for e in entries})} words cannot be spelled in the given "
            f"units and are left out, such as {', '.join(left_out[:3])}",
            WfstAsrWarning,
            stacklevel=2,
        )
    return Lexicon(tuple(entries))


def _spellings(text: str, known: frozenset[str], longest: int, *, all_spellings: bool) -> Sequence[tuple[str, ...]]:
    """Return the best spelling of a text, or all of them; none if it has none."""
    fewest: list[int | None] = [None] * len(text) + [0]  # units needed from each letter on
    for at in range(len(text) - 1, -1, -1):
        ends = (end for end in range(at + 1, min(at + longest, len(text)) + 1) if text[at:end] in known)
        counts = [rest + 1 for end in ends if (rest := fewest[end]) is not None]
        fewest[at] = min(counts, default=None)
    if not text or fewest[0] is None:
        return []
    if all_spellings:
        return _all_from(text, 0, known, longest, fewest)
    spelling, at = [], 0
    while at < len(text):
        wanted = fewest[at]
        assert wanted is not None
        end = max(
            end
            for end in range(at + 1, min(at + longest, len(text)) + 1)
            if text[at:end] in known and fewest[end] == wanted - 1
        )
        spelling.append(text[at:end])
        at = end
    return [tuple(spelling)]


def _all_from(
    text: str, at: int, known: frozenset[str], longest: int, fewest: Sequence[int | None]
) -> list[tuple[str, ...]]:
    if at == len(text):
        return [()]
    found = []
    for end in range(min(at + longest, len(text)), at, -1):
        if text[at:end] in known and fewest[end] is not None:
            found += [(text[at:end], *rest) for rest in _all_from(text, end, known, longest, fewest)]
    return found
