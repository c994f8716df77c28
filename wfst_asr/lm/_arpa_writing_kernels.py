"""Kernels of the ARPA writer: lines of n-grams as bytes."""

import numpy as np
from numba import njit

_LN10 = float(np.log(10.0))
_POWERS_OF_TEN = np.array([10.0**power for power in range(19)])
_INTEGER_POWERS = np.array([10**power for power in range(19)], dtype=np.int64)
_PAIRS = np.frombuffer("".join(f"{pair:02d}" for pair in range(100)).encode(), dtype=np.uint8).copy()

NUMBER_BYTES = 64  # no number takes more
_MOST_ZEROS = 40


@njit(cache=True, nogil=True, inline="always")
def _put_digits(out, at, value, digits):  # type: ignore[no-untyped-def]
    """Write `digits` digits of an integer, zeros before it."""
    i = at + digits
    while i - at >= 2:
        rest = value // 100
        pair = 2 * (value - 100 * rest)
        out[i - 1] = _PAIRS[pair + 1]
        out[i - 2] = _PAIRS[pair]
        value = rest
        i -= 2
    if i > at:
        out[at] = 48 + value % 10
    return at + digits


@njit(cache=True, nogil=True, inline="always")
def _put_integer(out, at, value):  # type: ignore[no-untyped-def]
    digits = 1
    while digits < 18 and value >= _INTEGER_POWERS[digits]:
        digits += 1
    return _put_digits(out, at, value, digits)


@njit(cache=True, nogil=True, inline="always")
def _without_zeros(out, at):  # type: ignore[no-untyped-def]
    """Return the end of a number with a fraction without the zeros at its end."""
    while out[at - 1] == 48:
        at -= 1
    return at - 1 if out[at - 1] == 46 else at


@njit(cache=True, nogil=True)
def _put_scientific(out, at, value):  # type: ignore[no-untyped-def]
    """Write a positive number with twelve significant digits, with an exponent where it has too many zeros."""
    exponent = int(np.floor(np.log10(value)))
    power = 11 - exponent
    scaled = value * 10.0 ** min(power, 300)
    if power > 300:
        scaled *= 10.0 ** (power - 300)
    digits = int(np.floor(scaled + 0.5))
    while digits >= 1000000000000:
        digits = (digits + 5) // 10
        exponent += 1
    if -_MOST_ZEROS <= exponent < 0:  # the reader of the package arpa takes no exponent of a back-off weight
        out[at] = 48
        out[at + 1] = 46
        for k in range(at + 2, at + 1 - exponent):
            out[k] = 48
        return _without_zeros(out, _put_digits(out, at + 1 - exponent, digits, 12))
    out[at] = 48 + digits // 100000000000
    out[at + 1] = 46
    at = _without_zeros(out, _put_digits(out, at + 2, digits % 100000000000, 11))
    out[at] = 101
    at += 1
    if exponent < 0:
        out[at] = 45
        at += 1
    return _put_integer(out, at, abs(exponent))


@njit(cache=True, nogil=True)
def put_log10(out, at, natural):  # type: ignore[no-untyped-def]
    """Write a natural logarithm as log10 at byte `at` of `out`; return its end.

    Fixed decimals, no zeros at the end: ten, and one more for each factor of ten that the number is below 0.1, so that
    there are ten significant digits at least.  Twelve significant digits below 1e-9 and from 1e4 on, with an exponent
    below 1e-40 and from 1e4 on.  -inf is -99.
    """
    value = natural / _LN10
    if value == -np.inf:
        value = -99.0
    if value == 0.0:
        out[at] = 48
        return at + 1
    if value < 0.0:
        value = -value
        out[at] = 45
        at += 1
    if 0.1 <= value < 1e5:
        scaled = int(value * 1e10 + 0.5)
        if scaled < 100000000000000:
            whole = scaled // 10000000000
            at = _put_integer(out, at, whole)
            out[at] = 46
            return _without_zeros(out, _put_digits(out, at + 1, scaled - whole * 10000000000, 10))
    elif 9e-10 <= value < 0.1:
        decimals = 11
        while decimals < 18 and value * _POWERS_OF_TEN[decimals - 10] < 0.1:
            decimals += 1
        scaled = int(value * _POWERS_OF_TEN[decimals] + 0.5)
        if scaled >= 1000000000:  # whether it is 1e-9 is told of the number as it is written
            whole = scaled // _INTEGER_POWERS[decimals]
            out[at] = 48 + whole
            out[at + 1] = 46
            return _without_zeros(out, _put_digits(out, at + 2, scaled - whole * _INTEGER_POWERS[decimals], decimals))
    return _put_scientific(out, at, value)


@njit(cache=True, nogil=True, inline="always")
def _put_word(out, at, text, start, end):  # type: ignore[no-untyped-def]
    for k in range(end - start):
        out[at + k] = text[start + k]
    return at + end - start


@njit(cache=True, nogil=True)
def format_lines(  # type: ignore[no-untyped-def]
    out, text, word_end, history, first_line, first, stop, word, log_prob, backoff, has_backoff
):
    """Write the lines of the n-grams `first` to `stop` of a level, as many as fit.

    Args:
        out: (B,) uint8, filled with lines: log10 probability, words, log10 back-off weight where `has_backoff`.
        text: (T,) uint8, the vocabulary, one word a line.
        word_end: (V + 1,) int64; word w is `text[word_end[w] + 1 : word_end[w + 1]]`.
        history: (H, n - 1) int32, words of the histories of these n-grams, one after the other.
        first_line: (H + 1,) int64, the first n-gram of each.
        first: the first n-gram.
        stop: the n-gram behind the last.
        word: (N,) int32, of the level.
        log_prob: (N,) float64, of the level.
        backoff: (N,) float64, of the level.
        has_backoff: whether lines have a back-off weight.

    Returns:
        the bytes that were filled, and the n-gram behind the last that was written.
    """
    at = 0
    for h in range(len(history)):
        length = 1
        for k in range(history.shape[1]):
            w = history[h, k]
            length += word_end[w + 1] - word_end[w]
        prefix = -1  # where a line of this history has its words already
        for row in range(max(first, first_line[h]), min(stop, first_line[h + 1])):
            w = word[row]
            if at + 2 * NUMBER_BYTES + length + word_end[w + 1] - word_end[w] + 2 > len(out):
                return at, row
            at = put_log10(out, at, min(log_prob[row], 0.0))
            out[at] = 9
            at += 1
            if prefix < 0:
                prefix = at
                for k in range(history.shape[1]):
                    at = _put_word(out, at, text, word_end[history[h, k]] + 1, word_end[history[h, k] + 1])
                    out[at] = 32
                    at += 1
                length = at - prefix
            else:
                for k in range(length):
                    out[at + k] = out[prefix + k]
                at += length
            at = _put_word(out, at, text, word_end[w] + 1, word_end[w + 1])
            if has_backoff:
                out[at] = 9
                at = put_log10(out, at + 1, backoff[row])
            out[at] = 10
            at += 1
    return at, stop
