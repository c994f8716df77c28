"""Cardinal numbers in words, from zero up to any number below a trillion, in American or British English.

A number is a group of hundreds and a scale ("twelve thousand"), and a rest below that scale.
"""

import pynini

_BELOW_TWENTY = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ((10**9, "billion"), (10**6, "million"), (10**3, "thousand"), (100, "hundred"))


def digit() -> pynini.Fst:
    """Say 1 to 9."""
    return pynini.union(*_BELOW_TWENTY[:9])


def teen() -> pynini.Fst:
    """Say 10 to 19."""
    return pynini.union(*_BELOW_TWENTY[9:])


def tens() -> pynini.Fst:
    """Say 20, 30 and so on to 90."""
    return pynini.union(*_TENS)


def below_hundred(up_to: int = 99) -> pynini.Fst:
    """Say 1 to 99, or 1 to a smaller number.

    >>> from wfst_asr.graph.grammar_sentences import accepts
    >>> accepts(below_hundred(), "ninety nine"), accepts(below_hundred(42), "forty three")
    (True, False)
    """
    if up_to < 20:
        return pynini.union(*_BELOW_TWENTY[:up_to])
    number, rest = divmod(up_to, 10)
    parts = [pynini.union(*_BELOW_TWENTY), pynini.union(*_TENS[: number - 1])]
    if number > 2:
        parts.append(pynini.union(*_TENS[: number - 2]) + " " + digit())
    if rest:
        parts.append(pynini.accep(_TENS[number - 2] + " ") + pynini.union(*_BELOW_TWENTY[:rest]))
    return pynini.union(*parts)


def joined(style: str = "american") -> pynini.Fst:
    """Say what stands before tens and ones that follow a greater number: British English has "and" there."""
    ways = {"american": [" "], "british": [" and "], "both": [" ", " and "]}
    if style not in ways:
        raise ValueError(f"style is '{style}', expected american, british or both")
    return pynini.union(*ways[style])


def rest(up_to: int, style: str) -> pynini.Fst:
    """Say what follows "thousand" and the like: a number from 1 to `up_to`.

    >>> from wfst_asr.graph.grammar_sentences import accepts
    >>> accepts(rest(999, "british"), "and one"), accepts(rest(999, "british"), "nine hundred and one")
    (True, True)
    """
    small = joined(style) + below_hundred(min(up_to, 99))
    if up_to < 100:
        return small
    return pynini.union(small, " " + from_hundred(up_to, style))


def from_hundred(up_to: int, style: str) -> pynini.Fst:
    """Say 100 to `up_to`.

    The greatest scale in `up_to` splits what it names: fewer of it with any rest, all of it with the rest of `up_to`.
    """
    scale, name = next((value, name) for value, name in _SCALES if value <= up_to)
    count, left = divmod(up_to, scale)
    any_rest = pynini.union("", rest(scale - 1, style))
    parts = [positive(count - 1, style) + " " + name + any_rest] if count > 1 else []
    last = pynini.union("", rest(left, style)) if left else pynini.accep("")
    parts.append(exactly(count, style) + " " + name + last)
    if scale > 100:
        parts.append(from_hundred(scale - 1, style))
    return pynini.union(*parts).optimize()


def positive(up_to: int, style: str = "american") -> pynini.Fst:
    """Say 1 to `up_to`."""
    if up_to < 100:
        return below_hundred(up_to)
    return pynini.union(below_hundred(), from_hundred(up_to, style))


def exactly(number: int, style: str = "american") -> pynini.Fst:
    """Say one number from 1 to 999.

    >>> print(exactly(342, "british").string())
    three hundred and forty two
    """
    hundreds, below = divmod(number, 100)
    words = _BELOW_TWENTY[below - 1 : below] if below < 20 else [_TENS[below // 10 - 2]]
    if below > 20 and below % 10:
        words = [*words, _BELOW_TWENTY[below % 10 - 1]]
    small = " ".join(words) if below else ""
    if not hundreds:
        return pynini.accep(small)
    large = pynini.accep(_BELOW_TWENTY[hundreds - 1] + " hundred")
    return large + joined(style) + small if small else large


def cardinals(up_to: int = 999_999, style: str = "american", with_zero: bool = True) -> pynini.Fst:
    """Say a number from 0 (or 1, if not `with_zero`) to `up_to`.

    Args:
        up_to: the greatest number, below 10^12.
        style: "american" ("one hundred one"), "british" ("one hundred and one"), or "both".
        with_zero: whether 0 is one of them.

    >>> from wfst_asr.graph.grammar_sentences import accepts
    >>> accepts(cardinals(), "twelve thousand three hundred forty five"), accepts(cardinals(), "twelve hundred")
    (True, False)
    >>> accepts(cardinals(style="british"), "one hundred and one"), accepts(cardinals(), "one hundred and one")
    (True, False)
    >>> accepts(cardinals(365), "three hundred sixty five"), accepts(cardinals(365), "three hundred sixty six")
    (True, False)
    """
    if not 1 <= up_to < 10**12:
        raise ValueError(f"up_to is {up_to}, expected a number from 1 to 999999999999")
    numbers = positive(up_to, style)
    return (pynini.union("zero", numbers) if with_zero else numbers).optimize()
