"""Kaldi's two serialisations, binary and text, written token by token."""

import struct

import numpy as np
from numpy.typing import NDArray


class TokenWriter:
    r"""Collects the content of a Kaldi file; the counterpart of `TokenStream` (Kaldi `io-funcs.h`).

    Numbers are of single precision; as text they have the nine digits from which they come back exactly.

    >>> writer = TokenWriter(binary=False)
    >>> writer.token("<Sizes>")
    >>> writer.integer(3)
    >>> writer.real_vector(np.array([0.5, 1.0]))
    >>> writer.content()
    b'<Sizes> 3  [ 0.5 1 ]\n'
    """

    def __init__(self, *, binary: bool) -> None:
        self.binary = binary
        self._pieces: list[bytes] = [b"\0B"] if binary else []

    def content(self) -> bytes:
        """Return what was written, with the mark of binary files where it is one."""
        return b"".join(self._pieces)

    def token(self, text: str) -> None:
        """Write a marker and the space that ends it."""
        self._pieces.append(f"{text} ".encode())

    def line_end(self) -> None:
        """End the line in a text file; binary files have none."""
        if not self.binary:
            self._pieces.append(b"\n")

    def text(self, text: str) -> None:
        """Write text as it is, into a text file."""
        self._pieces.append(text.encode())

    def integer(self, value: int) -> None:
        """Write a 32-bit integer."""
        self._pieces.append(struct.pack("<bi", 4, value) if self.binary else b"%d " % value)

    def real(self, value: float) -> None:
        """Write a float of single precision."""
        self._pieces.append(struct.pack("<bf", 4, value) if self.binary else b"%.9g " % np.float32(value))

    def integer_vector(self, values: NDArray[np.integer]) -> None:
        """Write a vector of 32-bit integers."""
        if self.binary:
            self._pieces += [struct.pack("<bi", 4, len(values)), np.asarray(values, dtype="<i4").tobytes()]
        else:
            self._pieces.append(b"[ " + b"".join(b"%d " % value for value in values.tolist()) + b"]\n")

    def real_vector(self, values: NDArray[np.floating]) -> None:
        """Write a vector of floats."""
        if self.binary:
            self.token("FV")
            self._pieces += [struct.pack("<bi", 4, len(values)), np.asarray(values, dtype="<f4").tobytes()]
        else:
            self._pieces.append(b" [ " + _digits(values) + b"]\n")

    def real_matrix(self, values: NDArray[np.floating]) -> None:
        """Write a matrix of floats."""
        if self.binary:
            self.token("FM")
            self._pieces.append(struct.pack("<bibi", 4, values.shape[0], 4, values.shape[1]))
            self._pieces.append(np.asarray(values, dtype="<f4").tobytes())
        else:
            rows = (b"\n  " + _digits(row) for row in values)
            self._pieces.append(b" [" + b"".join(rows) + b"]\n")


def _digits(values: NDArray[np.floating]) -> bytes:
    numbers = values.astype(np.float32).tolist()
    return (b"%.9g " * len(numbers)) % tuple(numbers)
