"""Spelled letters: names, codes, number plates; "b as in bravo" if wanted."""

import string

import pynini

_WORDS = (
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo",
    "lima", "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor",
    "whiskey", "xray", "yankee", "zulu",
)  # fmt: skip


def letter(mark: str = "") -> pynini.Fst:
    """Say a letter; `mark` follows it in the lexicon, such as "." for "b."."""
    return pynini.union(*(name + pynini.escape(mark) for name in string.ascii_lowercase))


def explained(mark: str = "", cost: float = 3.0) -> pynini.Fst:
    """Say a letter with a word that begins with it: "b as in bravo", "b for bravo"; only such a word fits.

    >>> from wfst_asr.graph.grammar_sentences import accepts
    >>> accepts(explained(), "b as in bravo"), accepts(explained(), "b as in delta")
    (True, False)
    """
    joined = pynini.accep(" ", weight=cost) + pynini.union("as in", "for") + " "
    return pynini.union(*(word[0] + pynini.escape(mark) + joined + word for word in _WORDS))


def double(mark: str = "", cost: float = 2.0) -> pynini.Fst:
    """Say a letter that comes twice: "double u"."""
    return pynini.accep("double ", weight=cost) + letter(mark)


def letters(
    at_least: int = 1, at_most: int = 0, as_in: bool = False, doubles: bool = False, mark: str = ""
) -> pynini.Fst:
    """Say letters one after another.

    Args:
        at_least: how many there are at least.
        at_most: how many there are at most; 0 for no bound.
        as_in: allow "b as in bravo" and "b for bravo", by the international spelling alphabet.
        doubles: allow "double l".
        mark: what follows a letter in the lexicon, such as "." for "b.".

    >>> from wfst_asr.graph.grammar_sentences import accepts
    >>> accepts(letters(), "a b c"), accepts(letters(), "a b as in bravo"), accepts(letters(), "abc")
    (True, False, False)
    >>> accepts(letters(as_in=True), "a b as in bravo c"), accepts(letters(mark="."), "a. b.")
    (True, True)
    >>> accepts(letters(doubles=True), "double l"), accepts(letters(at_least=2), "l")
    (True, False)
    """
    if at_least < 1 or (at_most and at_most < at_least):
        raise ValueError(f"at_least is {at_least} and at_most {at_most}; expected 1 or more, and no fewer at most")
    one = letter(mark)
    if as_in:
        one = pynini.union(one, explained(mark))
    if doubles:
        one = pynini.union(one, double(mark))
    more = pynini.accep(" ") + one
    rest = more.closure(at_least - 1, at_most - 1) if at_most else more.closure(at_least - 1)
    return (one + rest).optimize()
