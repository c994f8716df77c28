"""Reading a binary file front to back, with one clear error where it ends too early."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wfst_asr.errors import WfstAsrError


class ByteReader:
    """A file's bytes and a position in them; every `take` names what it wants, for the error message.

    Raises:
        WfstAsrError: the file cannot be opened, or a `take` reaches beyond its end.
    """

    def __init__(self, path: str | os.PathLike[str], *, what: str) -> None:
        self.path = Path(path)
        self.what = what
        try:
            self.data = self.path.read_bytes()
        except FileNotFoundError as error:
            raise WfstAsrError(f"{path}: no such file; expected {what}") from error
        except OSError as error:
            raise WfstAsrError(f"{path}: cannot be read ({error.strerror}); expected {what}") from error
        self.position = 0

    def error(self, text: str) -> WfstAsrError:
        """Return an error that begins with the file's name."""
        return WfstAsrError(f"{self.path}: {text}")

    def skip(self, num_bytes: int, field: str) -> int:
        """Move on by `num_bytes` and return the position before."""
        begin = self.position
        if num_bytes < 0 or begin + num_bytes > len(self.data):
            raise self.error(
                f"{self.what} is truncated or damaged: {field} needs {num_bytes} bytes at byte {begin}, "
                f"but the file has {len(self.data)} bytes; fetch the file again"
            )
        self.position = begin + num_bytes
        return begin

    def take(self, dtype: DTypeLike, count: int, field: str) -> NDArray[Any]:
        """Return the next `count` items as a read-only array."""
        kind = np.dtype(dtype)
        begin = self.skip(int(count) * kind.itemsize, field)
        return np.frombuffer(self.data, dtype=kind, count=int(count), offset=begin)

    def take_int(self, dtype: DTypeLike, field: str) -> int:
        """Return the next integer."""
        return int(self.take(dtype, 1, field)[0])
