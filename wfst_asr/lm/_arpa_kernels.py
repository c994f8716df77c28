"""Kernels of the ARPA reader: fields, numbers and words of many lines, straight from the bytes of the file."""

import numpy as np
from numba import njit

# What stopped `parse_ngrams`.
FINISHED, BAD_FIELDS, UNKNOWN_WORD, REPEATED_WORD, ABOVE_ZERO, ODD_NUMBERS = range(6)

_POWERS_OF_TEN = np.array([10.0**power for power in range(23)])
_LARGEST_EXACT = np.uint64(2**53)
_LN10 = float(np.log(10.0))
_FNV_START = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


@njit(cache=True, nogil=True, inline="always")
def _is_space(c):  # type: ignore[no-untyped-def]
    return c == 32 or 9 <= c <= 13


@njit(cache=True, nogil=True, inline="always")
def _is_digit(c):  # type: ignore[no-untyped-def]
    return 48 <= c <= 57


@njit(cache=True, nogil=True)
def _number(data, i, end):  # type: ignore[no-untyped-def]
    """Return the number at byte i, the end of its field, and whether the number is read exactly.

    A mantissa up to 2^53 and a power of ten up to 22 are exact, so that one product or quotient rounds correctly
    (Clinger, "How to read floating point numbers accurately", 1990).
    """
    negative = False
    if data[i] == 45 or data[i] == 43:
        negative = data[i] == 45
        i += 1
    mantissa = np.uint64(0)
    digits, num_significant, decimals = 0, 0, 0
    in_fraction = False
    while i < end:
        c = data[i]
        if _is_digit(c):
            mantissa = mantissa * np.uint64(10) + np.uint64(c - 48)
            digits += 1
            if num_significant > 0 or c != 48:
                num_significant += 1
            if in_fraction:
                decimals += 1
        elif c == 46 and not in_fraction:
            in_fraction = True
        else:
            break
        i += 1
    exact = bool(digits > 0 and num_significant <= 19 and mantissa <= _LARGEST_EXACT)
    power = 0
    if exact and i + 1 < end and (data[i] == 101 or data[i] == 69):
        i += 1
        power_negative = data[i] == 45
        if data[i] == 45 or data[i] == 43:
            i += 1
        power_digits = 0
        while i < end and _is_digit(data[i]) and power_digits < 4:
            power = 10 * power + (data[i] - 48)
            power_digits += 1
            i += 1
        exact = power_digits > 0
        if power_negative:
            power = -power
    power -= decimals
    exact = bool(exact and (i == end or _is_space(data[i])) and -22 <= power <= 22)
    while i < end and not _is_space(data[i]):
        i += 1
    value = 0.0
    if exact:
        value = float(mantissa)
        if power < 0:
            value /= _POWERS_OF_TEN[-power]
        else:
            value *= _POWERS_OF_TEN[power]
    return -value if negative else value, i, exact


@njit(cache=True, nogil=True, inline="always")
def _slot_of(table, text, word_start, word_length, data, start, length, h):  # type: ignore[no-untyped-def]
    """Return the slot of the word `data[start : start + length]`: it holds its id, or -1 where it is new."""
    mask = np.uint64(table.shape[0] - 1)
    h ^= h >> np.uint64(32)
    slot = h & mask
    while True:
        word = table[slot]
        if word < 0:
            return slot
        if word_length[word] == length:
            at = word_start[word]
            same = 0
            while same < length and text[at + same] == data[start + same]:
                same += 1
            if same == length:
                return slot
        slot = (slot + np.uint64(1)) & mask


@njit(cache=True, nogil=True)
def parse_ngrams(  # type: ignore[no-untyped-def]
    data, begin, end, order, num_rows, ngrams, log_prob, backoff, has_backoff, table, text, word_start, word_length, odd
):
    """Parse the lines `data[begin:end]` of a section into the rows from `num_rows` on.

    Args:
        data: (B,) uint8 the file.
        begin: start of a line.
        end: end of the section.
        order: words a line.
        num_rows: rows that are filled already.
        ngrams: (R, order) int32, filled with word ids.
        log_prob: (R,) float64, filled with natural logs.
        backoff: (R,) float64, filled with natural logs where `has_backoff`.
        has_backoff: False to check the last column only.
        table: (a power of two,) int32 open-addressing table of word ids, -1 free; unigrams enter it.
        text: bytes in which the words of the table lie (for unigrams `data` itself).
        word_start: (V,) int64 where each word lies in `text`.
        word_length: (V,) int32 its bytes.
        odd: (K, 3) int64, filled with fields to be read with more care: begin, end, 2 row + (1 for a back-off weight).

    Returns:
        what stopped it, the begin of the line where it stopped, the filled rows, the odd fields.
    """
    num_odd = 0
    above = np.full(order, begin)  # where the words of the line before begin
    first_row = num_rows
    i = begin
    while i < end:
        line = i
        while i < end and data[i] != 10 and _is_space(data[i]):
            i += 1
        if i == end:
            break
        if data[i] == 10:
            i += 1
            continue
        if num_odd + 2 > odd.shape[0]:
            return ODD_NUMBERS, line, num_rows, num_odd
        field = i
        value, i, exact = _number(data, i, end)
        if not exact:
            odd[num_odd, 0], odd[num_odd, 1], odd[num_odd, 2] = field, i, 2 * num_rows
            num_odd += 1
        unknown = False
        for position in range(order):
            while i < end and data[i] != 10 and _is_space(data[i]):
                i += 1
            if i == end or data[i] == 10:
                return BAD_FIELDS, line, num_rows, num_odd
            field = i
            if (
                position < order - 1 and num_rows > first_row
            ):  # the words of a history often are those of the line before
                before, k = above[position], 0
                while i + k < end and data[i + k] == data[before + k] and not _is_space(data[i + k]):
                    k += 1
                if _is_space(data[before + k]) and (i + k == end or _is_space(data[i + k])):
                    above[position] = field
                    ngrams[num_rows, position] = ngrams[num_rows - 1, position]
                    i += k
                    continue
            above[position] = field
            h = _FNV_START
            while i < end and not _is_space(data[i]):
                h = (h ^ np.uint64(data[i])) * _FNV_PRIME
                i += 1
            slot = _slot_of(table, text, word_start, word_length, data, field, i - field, h)
            word = table[slot]
            if order == 1:
                if word >= 0:
                    return REPEATED_WORD, line, num_rows, num_odd
                word = num_rows
                table[slot] = word
                word_start[word] = field
                word_length[word] = i - field
            elif word < 0:
                unknown = True
            ngrams[num_rows, position] = word
        while i < end and data[i] != 10 and _is_space(data[i]):
            i += 1
        weight = 0.0
        if i < end and data[i] != 10:
            field = i
            weight, i, exact = _number(data, i, end)
            if not exact:
                odd[num_odd, 0], odd[num_odd, 1], odd[num_odd, 2] = field, i, 2 * num_rows + 1
                num_odd += 1
            while i < end and data[i] != 10 and _is_space(data[i]):
                i += 1
            if i < end and data[i] != 10:
                return BAD_FIELDS, line, num_rows, num_odd
        if value > 0:
            return ABOVE_ZERO, line, num_rows, num_odd
        if unknown:
            return UNKNOWN_WORD, line, num_rows, num_odd
        log_prob[num_rows] = value * _LN10
        if has_backoff:
            backoff[num_rows] = weight * _LN10
        num_rows += 1
        i += 1
    return FINISHED, end, num_rows, num_odd


@njit(cache=True, nogil=True)
def word_text(data: np.ndarray, word_start: np.ndarray, word_length: np.ndarray) -> np.ndarray:
    """Return the words one a line, (B,) uint8; `word_start` becomes their places in it."""
    text = np.empty(word_length.sum() + len(word_length), np.uint8)
    at = 0
    for word in range(len(word_length)):
        start = word_start[word]
        word_start[word] = at
        for k in range(word_length[word]):
            text[at + k] = data[start + k]
        at += word_length[word]
        text[at] = 10
        at += 1
    return text
