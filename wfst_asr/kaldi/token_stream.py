"""Kaldi's two serialisations, binary and text, read token by token."""

import os
import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError

_WORD = re.compile(rb"\s*(\S+)")


class TokenStream:
    r"""The content of a Kaldi file: markers such as `<TransitionModel>`, numbers and vectors (Kaldi `io-funcs.h`).

    Binary files begin with `\0B`; anything else is read as text.

    Raises (all methods):
        WfstAsrError: the file ends early, or holds another thing than asked for.

    >>> stream = TokenStream(b"<Sizes> 3 0.5 [ 1 2 ]", "example")
    >>> stream.expect("<Sizes>"), stream.integer(), stream.real(), stream.real_vector().tolist()
    ('<Sizes>', 3, 0.5, [1.0, 2.0])
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        self.binary = data[:2] == b"\0B"
        self._data = data
        self._at = 2 if self.binary else 0

    def peek(self) -> str:
        """Return the next character that is not a space (in binary files: the next character)."""
        at = self._at
        if not self.binary:
            while self._data[at : at + 1].isspace():
                at += 1
        return self._data[at : at + 1].decode("latin-1")

    def token(self) -> str:
        """Read a token that a space ends."""
        data, at = self._data, self._at
        if not self.binary:
            found = _WORD.match(data, at)
            if found is None:
                raise self.error("the file ends where a marker was expected")
            self._at = min(found.end() + 1, len(data))
            return found.group(1).decode("latin-1")
        end = at
        while end < len(data) and not data[end : end + 1].isspace():
            end += 1
        if end == at or end >= len(data):
            raise self.error("the file ends where a marker was expected")
        self._at = end + 1
        return data[at:end].decode("latin-1")

    def expect(self, *tokens: str) -> str:
        """Read a token, which must be one of `tokens`."""
        found = self.token()
        if found not in tokens:
            raise self.error(f"{found[:40]!a} where {' or '.join(tokens)} was expected")
        return found

    def integer(self) -> int:
        """Read a 32-bit integer."""
        if not self.binary:
            return int(self._number(int))
        return int(self._fixed("i"))

    def unsigned(self) -> int:
        """Read an unsigned 32-bit integer."""
        if not self.binary:
            return int(self._number(int))
        return int(self._fixed("I"))

    def real(self) -> float:
        """Read a float of single or double precision."""
        if not self.binary:
            return float(self._number(float))
        return float(self._fixed("d" if self._data[self._at : self._at + 1] == b"\x08" else "f"))

    def integer_vector(self) -> NDArray[np.int32]:
        """Read a vector of 32-bit integers."""
        if not self.binary:
            try:
                return np.asarray([int(word) for word in self._bracketed().split()], dtype=np.int32)
            except (ValueError, OverflowError) as error:
                raise self.error("a vector of 32-bit integers was expected") from error
        if self._take(1) != b"\x04":
            raise self.error("a vector of 32-bit integers was expected")
        (count,) = struct.unpack("<i", self._take(4))
        return np.frombuffer(self._take(4 * count), dtype="<i4").copy()

    def real_vector(self) -> NDArray[np.float32]:
        """Read a vector of floats."""
        if not self.binary:
            return self._numbers(self._bracketed().split())
        kind = self.expect("FV", "DV")
        (count,) = struct.unpack("<xi", self._take(5))
        width, dtype = (4, "<f4") if kind == "FV" else (8, "<f8")
        return np.frombuffer(self._take(width * count), dtype=dtype).astype(np.float32)

    def real_matrix(self) -> NDArray[np.float32]:
        """Read a matrix of floats; a vector is read as a matrix of one row."""
        if not self.binary:
            rows = [words for line in self._bracketed().splitlines() if (words := line.split())]
            if len({len(words) for words in rows}) > 1:
                raise self.error("a matrix whose rows differ in length")
            return self._numbers([word for words in rows for word in words]).reshape(len(rows), -1 if rows else 0)
        kind = self.expect("FM", "DM", "FV", "DV")
        shape = [1] if kind[1] == "V" else []
        shape += [self.integer() for _ in range(2 - len(shape))]
        if min(shape) < 0:
            raise self.error(f"a matrix of {shape[0]} rows and {shape[1]} columns")
        width, dtype = (4, "<f4") if kind[0] == "F" else (8, "<f8")
        values = np.frombuffer(self._take(width * shape[0] * shape[1]), dtype=dtype)
        return values.astype(np.float32).reshape(shape)

    def error(self, problem: str) -> WfstAsrError:
        """Return an error that says where in which file."""
        return WfstAsrError(f"{self.name}: {problem}, at byte {self._at}; the file is damaged or of another kind")

    def _bracketed(self) -> bytes:
        """Return the text between `[` and `]`."""
        self.expect("[")
        end = self._data.find(b"]", self._at)
        if end < 0:
            raise self.error("the file ends within '[ ... ]'")
        inside, self._at = self._data[self._at : end], end + 1
        return inside

    def _numbers(self, words: list[bytes]) -> NDArray[np.float32]:
        try:
            return np.array(words, dtype=np.float64).astype(np.float32)
        except ValueError as error:
            raise self.error("a word where a number was expected") from error

    def _number(self, kind: type[int] | type[float]) -> float:
        word = self.token()
        try:
            return kind(word)
        except ValueError as error:
            raise self.error(f"'{word[:40]}' where a number was expected") from error

    def _fixed(self, code: str) -> float:
        layout = struct.Struct(f"<{code}")
        size = self._take(1)
        if abs(size[0] if size[0] < 128 else size[0] - 256) != layout.size:
            raise self.error(f"a number of {layout.size} bytes was expected")
        return float(layout.unpack(self._take(layout.size))[0])

    def _take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if count < 0 or len(piece) != count:
            raise self.error("the file ends early")
        self._at += count
        return piece


def open_stream(path: str | os.PathLike[str]) -> TokenStream:
    """Read a Kaldi file, binary or text.

    Raises:
        WfstAsrError: no such file, or it cannot be read.
    """
    name = Path(path)
    try:
        return TokenStream(name.read_bytes(), str(name))
    except OSError as error:
        raise WfstAsrError(f"{name}: cannot be read ({error.strerror}); give the path of a Kaldi file") from error
