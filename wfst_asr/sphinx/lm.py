"""The binary trie language model of PocketSphinx ("Trie Language Model"), read into a back-off model.

The file holds a quantised, bit-packed trie after KenLM (Heafield, "KenLM: faster and smaller language model queries",
2011, section 3) whose n-grams are stored reversed: below a word lie the words that came before it.  Probabilities and
back-off weights are logarithms to the base 1.0001.  Layout, little-endian (`ngram_model_trie.c`, `lm_trie.c`):

    "Trie Language Model", u8 order N, u32 count of n-grams of each order
    u32 kind of quantisation; for each middle order 2^16 float probabilities, 2^16 float back-offs; 2^16 for order N
    (V + 1) unigrams {float probability, float back-off, u32 first child}
    for each middle order an array of (count + 1) records {word, back-off bin, probability bin, first child}
    for order N an array of (count + 1) records {word, probability bin}
    u32 length of the word strings, the words, each ended by a zero byte
"""

import math
import os
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lm.backoff import NGramLevel, NGramModel
from wfst_asr.sphinx.byte_reader import ByteReader

_MAGIC = b"Trie Language Model"
_BIN_BITS = 16


@dataclass(frozen=True)
class _StoredLevel:
    """One order as stored: n-grams reversed, word by word, in the order of the file."""

    words: tuple[NDArray[np.int64], ...]  # words[0] is the last word of the n-gram, the next the word before it
    log_prob: NDArray[np.float64]
    backoff: NDArray[np.float64]


def read_lm(path: str | os.PathLike[str], *, log_base: float = 1.0001) -> NGramModel:
    """Read a binary trie language model into forward tries sorted by (history, word), with natural logarithms.

    A history that the file does not list although n-grams extend it is inserted with the probability that backing
    off gives it and a back-off weight of 1, which changes no probability; a warning tells how many.

    Args:
        path: the `.lm.bin` file.
        log_base: base of the file's logarithms, which it does not name; PocketSphinx's default.

    Raises:
        WfstAsrError: the file is missing, of another kind, truncated or damaged.
    """
    reader = ByteReader(path, what="a binary trie language model")
    if not reader.data.startswith(_MAGIC):
        raise reader.error(f"not a binary trie language model; it begins with {reader.data[:20]!r}, not {_MAGIC!r}")
    reader.skip(len(_MAGIC), "the header")
    order = reader.take_int("u1", "the order")
    if not 1 <= order <= 16:
        raise reader.error(f"the language model is damaged: order {order}; expected 1 to 16")
    counts = [int(count) for count in reader.take("<u4", order, "the counts of n-grams")]
    if counts[0] == 0:
        raise reader.error("the language model has no words")
    stored = _read_trie(reader, counts, math.log(log_base))
    num_bytes = reader.take_int("<u4", "the length of the word strings")
    text = reader.data[reader.skip(num_bytes, "the word strings") :][:num_bytes]
    if reader.position != len(reader.data):
        raise reader.error(f"{len(reader.data) - reader.position} bytes follow the end; the file is damaged")
    try:
        words = tuple(text.decode("utf-8").split("\0")[:-1])
    except UnicodeDecodeError as error:
        raise reader.error(f"the words are not UTF-8 ({error.reason} at byte {error.start})") from error
    if len(words) != counts[0] or len(set(words)) != len(words):
        raise reader.error(f"{len(set(words))} distinct words for {counts[0]} unigrams; the file is damaged")
    levels, num_inserted = _forward_levels(stored, counts[0])
    if num_inserted:
        warnings.warn(
            f"{path}: inserted {num_inserted} histories that longer n-grams extend but the file does not list",
            WfstAsrWarning,
            stacklevel=2,
        )
    return NGramModel(words, levels)


def _read_trie(reader: ByteReader, counts: list[int], scale: float) -> list[_StoredLevel]:
    order, num_words = len(counts), counts[0]
    bins: list[NDArray[np.float64]] = []
    if order > 1:
        reader.skip(4, "the kind of quantisation")
        tables = reader.take("<f4", (2 * order - 3) << _BIN_BITS, "the quantisation bins")
        bins = list(tables.astype(np.float64).reshape(-1, 1 << _BIN_BITS) * scale)
    kind = np.dtype([("prob", "<f4"), ("backoff", "<f4"), ("next", "<u4")])
    unigrams = reader.take(kind, num_words + 1, "the unigrams")
    stored = [
        _StoredLevel(
            (np.arange(num_words),),
            unigrams["prob"][:-1].astype(np.float64) * scale,
            unigrams["backoff"][:-1].astype(np.float64) * scale,
        )
    ]
    first_child = unigrams["next"].astype(np.int64)
    word_bits = num_words.bit_length()
    for level in range(1, order):
        count, longest = counts[level], level == order - 1
        used = _check_children(reader, first_child, count, level + 1)
        next_bits = 0 if longest else counts[level + 1].bit_length()
        widths = [word_bits, _BIN_BITS] if longest else [word_bits, _BIN_BITS, _BIN_BITS, next_bits]
        num_bytes = ((1 + count) * sum(widths) + 7) // 8 + 8
        begin = reader.skip(num_bytes, f"the {level + 1}-grams")
        fields = _unpack(reader.data, begin, widths, used + 1)
        if used and fields[0][:-1].max() >= num_words:
            raise reader.error(f"the language model is damaged: a {level + 1}-gram has an unknown word")
        repeats = np.diff(first_child)
        parents = tuple(np.repeat(word, repeats) for word in stored[-1].words)
        log_prob = bins[2 * level - 2][fields[1 if longest else 2][:-1]]
        backoff = np.zeros(used) if longest else bins[2 * level - 1][fields[1][:-1]]
        stored.append(_StoredLevel((*parents, fields[0][:-1]), log_prob, backoff))
        if not longest:
            first_child = fields[3]
    return stored


def _check_children(reader: ByteReader, first_child: NDArray[np.int64], count: int, order: int) -> int:
    """Return how many of the `count` records are used; the writer sometimes reserves a few more than it needs."""
    if first_child[0] != 0 or first_child[-1] > count or (np.diff(first_child) < 0).any():
        raise reader.error(f"the language model is damaged: the pointers to its {order}-grams are not in order")
    return int(first_child[-1])


def _unpack(data: bytes, begin: int, widths: list[int], count: int) -> list[NDArray[np.int64]]:
    """Read `count` bit-packed records of fields of the given widths (at most 57 bits each), low bits first.

    Eight records fill a whole number of bytes, so that record 8 i + j of every i starts at the same bit of its byte:
    one strided view of unaligned 64-bit words a field and j.
    """
    total = sum(widths)
    result = []
    offset = 0
    for width in widths:
        values = np.empty(count, dtype=np.int64)
        mask = np.uint64((1 << width) - 1)
        for j in range(min(8, count)):
            byte, shift = divmod(j * total + offset, 8)
            rows = len(range(j, count, 8))
            words = np.ndarray((rows,), dtype="<u8", buffer=data, offset=begin + byte, strides=(total,))
            values[j::8] = (words >> np.uint64(shift)) & mask
        result.append(values)
        offset += width
    return result


def _forward_levels(stored: list[_StoredLevel], num_words: int) -> tuple[tuple[NGramLevel, ...], int]:
    """Turn the reversed n-grams round: one sorted set of (history, word) keys an order, shortest first.

    The n-grams of an order are those listed and all beginnings of longer ones; so the history of every n-gram has an
    index by the time its key, history x num_words + word, is made.
    """
    order = len(stored)
    prefix = [level.words[-1] for level in stored]  # index of the first j words, for the n-grams of each order
    keys = np.arange(num_words)
    all_keys = [keys]
    log_prob, backoff = [stored[0].log_prob], [stored[0].backoff]
    num_inserted = 0
    for j in range(1, order):
        wanted = [prefix[k] * num_words + stored[k].words[k - j] for k in range(j, order)]
        keys, places = _sorted_union(wanted)
        probs, weights = np.full(len(keys), np.nan), np.zeros(len(keys))
        probs[places[0]], weights[places[0]] = stored[j].log_prob, stored[j].backoff
        all_keys.append(keys)
        missing = np.flatnonzero(np.isnan(probs))
        if len(missing):
            num_inserted += len(missing)
            probs[missing] = _backed_off(all_keys, log_prob, backoff, missing, num_words)
        log_prob.append(probs)
        backoff.append(weights)
        for k in range(j, order):
            prefix[k] = places[k - j]
    levels = []
    for j, keys in enumerate(all_keys):
        first_child = np.zeros(len(keys) + 1, dtype=np.int64)
        if j + 1 < order:
            np.cumsum(np.bincount(all_keys[j + 1] // num_words, minlength=len(keys)), out=first_child[1:])
        words = (keys % num_words).astype(np.int32)
        levels.append(NGramLevel(words, log_prob[j], backoff[j], first_child))
    return tuple(levels), num_inserted


def _sorted_union(arrays: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Return the sorted distinct values of all arrays and the place of every array's values among them."""
    values = np.concatenate(arrays)
    order = np.argsort(values)
    ranked = values[order]
    new = np.empty(len(values), dtype=bool)
    new[:1] = True
    np.not_equal(ranked[1:], ranked[:-1], out=new[1:])
    places = np.empty(len(values), dtype=np.int64)
    places[order] = np.cumsum(new) - 1
    return ranked[new], np.split(places, np.cumsum([len(array) for array in arrays[:-1]]))


def _backed_off(
    all_keys: list[NDArray[np.int64]],
    log_prob: list[NDArray[np.float64]],
    backoff: list[NDArray[np.float64]],
    entries: NDArray[np.int64],
    num_words: int,
) -> NDArray[np.float64]:
    """Return log p of entries of the last order in `all_keys` as backing off gives it: the shorter orders are whole."""
    words: list[NDArray[np.int64]] = []
    index = entries
    history = np.zeros(0, dtype=np.int64)
    for depth in range(len(all_keys) - 1, 0, -1):
        words.insert(0, all_keys[depth][index] % num_words)
        index = all_keys[depth][index] // num_words
        if depth == len(all_keys) - 1:
            history = index
    words.insert(0, index)
    result = backoff[len(all_keys) - 2][history].copy()
    pending = np.arange(len(entries))
    for begin in range(1, len(words)):
        # the n-gram of words[begin:], where it is listed; else its history's back-off weight, where that is listed
        at = words[begin][pending]
        listed = np.ones(len(pending), dtype=bool)
        for depth, word in enumerate(words[begin + 1 :], start=1):
            before, before_listed = at, listed
            key = before * num_words + word[pending]
            at = np.minimum(np.searchsorted(all_keys[depth], key), len(all_keys[depth]) - 1)
            listed = before_listed & (all_keys[depth][at] == key)
            if depth == len(words) - begin - 1:
                unlisted_history = before_listed & ~listed
                result[pending[unlisted_history]] += backoff[depth - 1][before[unlisted_history]]
        depth = len(words) - begin - 1
        result[pending[listed]] += log_prob[depth][at[listed]]
        pending = pending[~listed]
    if len(pending):
        raise WfstAsrError("a word of the language model has no unigram; the file is damaged")
    return result
