r"""Write a back-off language model in the ARPA format: two million n-grams a second and more.

Every n-gram below the highest order has the column of back-off weights, `0` too, as KenLM's lmplz writes it: some
readers (older ones of CMU Sphinx) ask for it, none refuses it.
"""

import gzip
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.backoff import NGramModel

_BUFFER_BYTES = 1 << 23
_BLOCK_LINES = 1 << 17
_SPACE = re.compile(rb"[ \t\r\v\f]")
_ROUNDING = 1e-6  # a log probability above 0 by less is 0


def write_arpa(model: NGramModel, path: str | os.PathLike[str]) -> None:
    """Write a model in the ARPA format, gzipped when the name ends in `.gz`.

    Numbers have ten decimals at least, and ten significant digits, without zeros at the end: a model that was read from
    numbers of at most nine significant digits is written with equal numbers, and the probabilities after every
    history of a model that is written and read still sum to one within 1e-9.  A probability of zero is -99.

    Raises:
        WfstAsrError: the file cannot be written; a word is empty, has a space in it or is there twice; a number is
            not one, or a log probability is above 0.
    """
    text, word_end = _vocabulary_text(model.words, path)
    for order, level in enumerate(model.levels, start=1):
        _check_numbers(level.log_prob, level.backoff, order, path)
    with written_aside(path) as aside, _opened(aside, str(path).endswith(".gz")) as file:
        header = "".join(f"ngram {order}={count}\n" for order, count in enumerate(model.num_ngrams, start=1))
        file.write(f"\\data\\\n{header}".encode())
        for order in range(1, model.order + 1):
            file.write(f"\n\\{order}-grams:\n".encode())
            for lines in _formatted(model, order, text, word_end):
                file.write(lines)
        file.write(b"\n\\end\\\n")


@contextmanager
def _opened(path: Path, gzipped: bool) -> Iterator[BinaryIO]:
    """Open a file to write; a gzipped one has neither the time nor its name in it."""
    with path.open("wb") as file:
        if not gzipped:
            yield file
            return
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
            yield cast(BinaryIO, packed)


def _vocabulary_text(
    words: tuple[str, ...], path: str | os.PathLike[str]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the words as bytes, one a line, and where each line ends, after a -1."""
    try:
        blob = "".join(f"{word}\n" for word in words).encode()
    except UnicodeEncodeError as error:
        raise WfstAsrError(f"{path}: the model has a word that is no text ({error.reason})") from error
    text = np.frombuffer(blob, dtype=np.uint8)
    ends = np.flatnonzero(text == 10)
    if len(ends) != len(words) or _SPACE.search(blob) or b"\n\n" in b"\n" + blob:
        word = next(word for word in words if re.search("[ \t\r\n\v\f]", word) or not word)
        raise WfstAsrError(f"{path}: the word '{word}' is empty or has a space in it, which ARPA files cannot hold")
    if len(set(words)) != len(words):
        seen: set[str] = set()
        word = next(word for word in words if word in seen or seen.add(word))  # type: ignore[func-returns-value]
        raise WfstAsrError(f"{path}: the model has the word '{word}' twice")
    return text, np.concatenate([[-1], ends]).astype(np.int64)


def _check_numbers(
    log_prob: NDArray[np.float64], backoff: NDArray[np.float64], order: int, path: str | os.PathLike[str]
) -> None:
    for name, values in (("log probability", log_prob), ("back-off weight", backoff)):
        highest = float(values.max()) if len(values) else 0.0
        if np.isnan(highest) or highest == np.inf or (name == "log probability" and highest > _ROUNDING):
            raise WfstAsrError(f"{path}: a {order}-gram of the model has the {name} {highest:g}; expected at most 0")


def _formatted(
    model: NGramModel, order: int, text: NDArray[np.uint8], word_end: NDArray[np.int64]
) -> Iterator[memoryview]:
    """Yield the lines of a section, some megabytes at a time."""
    from wfst_asr.lm import _arpa_writing_kernels as kernels

    level = model.levels[order - 1]
    longest = int(np.diff(word_end).max()) if len(word_end) > 1 else 0
    out = np.empty(max(_BUFFER_BYTES, (order + 1) * longest + 4 * kernels.NUMBER_BYTES), dtype=np.uint8)
    row = 0
    while row < len(level):
        stop = min(row + _BLOCK_LINES, len(level))
        history, first_line = _histories(model, order, row, stop)
        while row < stop:
            filled, row = kernels.format_lines(
                out,
                text,
                word_end,
                history,
                first_line,
                row,
                stop,
                level.word,
                level.log_prob,
                level.backoff,
                order < model.order,
            )
            yield out[:filled].data


def _histories(model: NGramModel, order: int, first: int, stop: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the words (H, order - 1) of the histories of the n-grams `first` to `stop`, and the first n-gram of each.

    The histories of a run of n-grams are a run of the level below.
    """
    if order == 1:
        return np.empty((1, 0), dtype=np.int32), np.array([0, stop], dtype=np.int64)
    below = model.levels[order - 2].first_child
    low = int(np.searchsorted(below, first, side="right")) - 1
    high = int(np.searchsorted(below, stop, side="left"))
    words = np.empty((high - low, order - 1), dtype=np.int32)
    entries = np.arange(low, high)
    for position in range(order - 2, -1, -1):
        level = model.levels[position]
        words[:, position] = level.word[entries]
        if position:
            parent_low = int(np.searchsorted(model.levels[position - 1].first_child, entries[0], side="right")) - 1
            parent_high = int(np.searchsorted(model.levels[position - 1].first_child, entries[-1], side="right"))
            begins = model.levels[position - 1].first_child[parent_low:parent_high]
            entries = parent_low + np.searchsorted(begins, entries, side="right") - 1
    return words, below[low : high + 1]
