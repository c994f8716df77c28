"""Read texts for language models: one sentence a line, plain or gzipped, streamed into word ids."""

import gzip
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError

_BLOCK_BYTES = 1 << 22
_NOT_TEXT = bytes([*range(9), *range(14, 32)])
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Text:
    """Sentences as word ids.

    Attributes:
        words: word of each id; `<s>` is 0 and `</s>` is 1.
        ids: (T,) int32, the sentences one after another, each from `<s>` to `</s>`; -1 is a word outside `words`.
        num_sentences: number of sentences.
    """

    words: tuple[str, ...]
    ids: NDArray[np.int32]
    num_sentences: int

    @property
    def num_tokens(self) -> int:
        """Number of running words, without the marks of the sentences."""
        return len(self.ids) - 2 * self.num_sentences

    @property
    def num_oov(self) -> int:
        """Number of running words outside `words`."""
        return int(np.count_nonzero(self.ids < 0))


def read_text(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, progress: Callable[[int], None] | None = None
) -> Text:
    """Read sentences from files, one a line, words between white space; `-` is the standard input.

    The marks `<s>` and `</s>` may stand at the begin and the end of a line.  Lines without words are skipped.  The
    words get ids by first appearance.  Memory: four bytes a word, and the vocabulary.

    Args:
        paths: one file or several.
        progress: called with the number of bytes of the files that were taken since the last call.

    Raises:
        WfstAsrError: no such file, damaged gzip data, bytes that are not UTF-8 text, a mark inside a sentence, no words
            at all; with the line.
    """
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    reader = _Reader()
    for path in listed:
        for line, block in _blocks(path, progress):
            reader.take(block, path, line)
    if not reader.num_sentences:
        names = ", ".join(f"{path}" for path in listed)
        raise WfstAsrError(f"{names}: has no words; expected one sentence a line")
    return reader.text()


def text_of_sentences(sentences: Iterable[str | Sequence[str]]) -> Text:
    """Return sentences that are in memory as a Text.

    >>> text = text_of_sentences(["a rose is a rose", ["a", "bud"]])
    >>> text.words, text.ids.tolist()
    (('<s>', '</s>', 'a', 'rose', 'is', 'bud'), [0, 2, 3, 4, 2, 3, 1, 0, 2, 5, 1])
    """
    reader = _Reader()
    for number, sentence in enumerate(sentences, start=1):
        words = sentence.split() if isinstance(sentence, str) else sentence
        for word in words:
            if word in ("<s>", "</s>") or word.split() != [word]:
                raise WfstAsrError(f"sentence {number}: '{word}' is not a word of a sentence; remove it")
        reader.take(" ".join(words).encode() + b"\n", "sentences", number)
    if not reader.num_sentences:
        raise WfstAsrError("there are no sentences with words; expected at least one")
    return reader.text()


def map_words(text: Text, words: Sequence[str], *, unknown: str | None = "<unk>") -> Text:
    """Return the text with the ids of another vocabulary.

    Args:
        text: the sentences.
        words: the vocabulary; `<s>` and `</s>` come first.
        unknown: the word that takes the place of words outside; None, or a word that `words` lacks: id -1.
    """
    index = {word: i for i, word in enumerate(words)}
    outside = index.get(unknown, -1) if unknown is not None else -1
    new_ids = np.array([index.get(word, outside) for word in text.words], dtype=np.int32)
    return Text(tuple(words), new_ids[text.ids], text.num_sentences)


def read_vocabulary(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read a list of words: the first field of each line, so that `words.txt` and counted lists serve too.

    Epsilon `<eps>`, the marks of sentences and disambiguation symbols such as `#0` are left out.

    Raises:
        WfstAsrError: no such file, not text, no words.
    """
    words: dict[str, None] = {}
    for line, block in _blocks(path, None):
        _check_text(block, path, line)
        for fields in map(str.split, block.decode().split("\n")):
            if fields and fields[0] not in ("<eps>", "<s>", "</s>") and not re.fullmatch(r"#\d+", fields[0]):
                words[fields[0]] = None
    if not words:
        raise WfstAsrError(f"{path}: has no words; expected a word a line")
    return tuple(words)


class _Reader:
    """The words and ids read so far."""

    def __init__(self) -> None:
        from wfst_asr.lm import _text_kernels as kernels

        self._kernels = kernels
        self.num_sentences = 0
        self._ids: list[NDArray[np.int32]] = []
        self._room = np.empty(0, dtype=np.int32)
        self._state = np.zeros(9, dtype=np.int64)
        self._slots = np.full(1 << 12, -1, dtype=np.int32)
        self._hashes = np.empty(1 << 11, dtype=np.uint64)
        self._begins = np.zeros(1 << 11, dtype=np.int64)
        self._arena = np.empty(1 << 14, dtype=np.uint8)
        for mark in (b"<s>", b"</s>"):  # their ids are 0 and 1
            self._tokenize(mark)

    def take(self, block: bytes, path: str | os.PathLike[str], first_line: int) -> None:
        """Add the sentences of a block of whole lines."""
        _check_text(block, path, first_line)
        self._tokenize(block)
        k, state = self._kernels, self._state
        if state[k.WRONG] >= 0:
            raise WfstAsrError(
                f"{path}:{first_line + state[k.WRONG]}: '<s>' or '</s>' inside a sentence; expected one sentence a "
                "line: remove the mark or break the line there"
            )
        self._ids.append(self._room[: int(state[k.COUNT])].copy())
        self.num_sentences += int(state[k.SENTENCES])

    def text(self) -> Text:
        num_words = int(self._state[self._kernels.NUM_WORDS])
        arena = self._arena.tobytes()
        bounds = self._begins[: num_words + 1].tolist()
        words = tuple(arena[a:b].decode() for a, b in pairwise(bounds))
        ids = np.concatenate(self._ids)
        if len(ids) >= 2**31:
            raise WfstAsrError(f"the text has {len(ids)} words and marks, expected fewer than 2^31; split it")
        return Text(words, ids, self.num_sentences)

    def _tokenize(self, block: bytes) -> None:
        k, state = self._kernels, self._state
        letters = np.frombuffer(block, dtype=np.uint8)
        if len(self._room) < 2 * len(block) + 3:
            self._room = np.empty(2 * len(block) + 3, dtype=np.int32)
        state[: k.NUM_WORDS] = 0
        state[[k.WRONG, k.BEGUN]] = -1
        while not k.tokenize(letters, self._room, self._slots, self._hashes, self._begins, self._arena, state):
            self._enlarge(len(block))

    def _enlarge(self, num_bytes: int) -> None:
        k, num_words = self._kernels, int(self._state[self._kernels.NUM_WORDS])
        self._hashes = np.concatenate([self._hashes, np.empty_like(self._hashes)])
        self._begins = np.concatenate([self._begins, np.empty_like(self._begins)])
        self._arena = np.concatenate([self._arena, np.empty(max(len(self._arena), num_bytes), dtype=np.uint8)])
        self._slots = np.full(2 * len(self._slots), -1, dtype=np.int32)
        k.fill_slots(self._slots, self._hashes, num_words)


def _check_text(block: bytes, path: str | os.PathLike[str], first_line: int) -> None:
    if len(block.translate(None, delete=_NOT_TEXT)) != len(block):
        at = min(at for byte in _NOT_TEXT if (at := block.find(byte)) >= 0)
        line = first_line + block.count(b"\n", 0, at)
        raise WfstAsrError(f"{path}:{line}: holds the byte 0x{block[at]:02x}, which no text has; is this a text?")
    if block.isascii():
        return
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + block.count(b"\n", 0, error.start)
        raise WfstAsrError(
            f"{path}:{line}: the byte 0x{block[error.start]:02x} is not UTF-8 text; convert the file with iconv"
        ) from error


def _blocks(path: str | os.PathLike[str], progress: Callable[[int], None] | None) -> Iterator[tuple[int, bytes]]:
    """Yield the file in blocks of whole lines, each with the number of its first line."""
    try:
        if str(path) == "-":
            yield from _blocks_of_file(sys.stdin.buffer, sys.stdin.buffer, progress)
            return
        with Path(path).open("rb") as raw:
            if raw.peek(2)[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield from _blocks_of_file(unpacked, raw, progress)
            else:
                yield from _blocks_of_file(raw, raw, progress)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise WfstAsrError(f"{path}: its gzip data is truncated or damaged; make or fetch it again") from error
    except OSError as error:
        raise WfstAsrError(
            f"{path}: cannot be read ({error.strerror}); give a text with one sentence a line"
        ) from error


def _blocks_of_file(
    file: "BinaryIO | gzip.GzipFile", raw: BinaryIO, progress: Callable[[int], None] | None
) -> Iterator[tuple[int, bytes]]:
    line, rest, told = 1, b"", 0
    while data := file.read(_BLOCK_BYTES):
        if not rest and line == 1 and data.startswith(_BYTE_ORDER_MARK):
            data = data[len(_BYTE_ORDER_MARK) :]
        cut = data.rfind(b"\n") + 1
        if not cut:
            rest += data
            continue
        block = rest + data[:cut]
        rest = data[cut:]
        yield line, block
        line += block.count(b"\n")
        if progress is not None and raw.seekable():
            at = raw.tell()
            progress(at - told)
            told = at
    if rest:
        yield line, rest + b"\n"
