"""Connected digits: telephone numbers, codes, dates in figures."""

import pynini

_NAMES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def naught(zero: str = "both") -> pynini.Fst:
    """Say 0: "zero", "oh", or either ("both")."""
    ways = {"zero": ["zero"], "oh": ["oh"], "both": ["zero", "oh"]}
    if zero not in ways:
        raise ValueError(f"zero is '{zero}', expected zero, oh or both")
    return pynini.union(*ways[zero])


def one_to_nine() -> pynini.Fst:
    """Say 1 to 9."""
    return pynini.union(*_NAMES)


def digit(zero: str = "both") -> pynini.Fst:
    """Say any digit."""
    return pynini.union(one_to_nine(), naught(zero))


def repeated(zero: str = "both", repeat_cost: float = 2.0) -> pynini.Fst:
    """Say a digit that comes two or three times: "double five", "triple oh"."""
    return pynini.union("double", "triple") + pynini.accep(" ", weight=repeat_cost) + digit(zero)


def digits(
    at_least: int = 1, at_most: int = 0, zero: str = "both", repeats: bool = False, repeat_cost: float = 2.0
) -> pynini.Fst:
    """Say digits one after another.

    Args:
        at_least: how many there are at least; "double five" counts as one.
        at_most: how many there are at most; 0 for no bound.
        zero: "zero", "oh" or "both".
        repeats: allow "double" and "triple" before a digit.
        repeat_cost: cost of saying so, in nats.

    >>> from wfst_asr.graph.grammar_sentences import accepts
    >>> accepts(digits(), "oh one two"), accepts(digits(), "eleven"), accepts(digits(), "")
    (True, False, False)
    >>> accepts(digits(zero="zero"), "oh one two"), accepts(digits(at_most=2), "oh one two")
    (False, False)
    >>> accepts(digits(repeats=True), "double oh seven"), accepts(digits(), "double oh seven")
    (True, False)
    """
    if at_least < 1 or (at_most and at_most < at_least):
        raise ValueError(f"at_least is {at_least} and at_most {at_most}; expected 1 or more, and no fewer at most")
    one = pynini.union(digit(zero), repeated(zero, repeat_cost)) if repeats else digit(zero)
    more = pynini.accep(" ") + one
    rest = more.closure(at_least - 1, at_most - 1) if at_most else more.closure(at_least - 1)
    return (one + rest).optimize()
