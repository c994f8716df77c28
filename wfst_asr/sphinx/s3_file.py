"""The binary files of Sphinx-3: a text header, a byte-order mark, 4-byte items and a checksum (`bio.c`)."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.sphinx._kernels import rotating_checksum
from wfst_asr.sphinx.byte_reader import ByteReader

_BYTE_ORDER_MARK = 0x11223344


class S3Reader:
    """An opened file of 4-byte items; `close` verifies that nothing is left and that the checksum is right.

    Raises:
        WfstAsrError: the file is missing, of another kind, truncated, or its checksum differs.
    """

    def __init__(self, path: str | os.PathLike[str], *, what: str) -> None:
        self.reader = ByteReader(path, what=what)
        data = self.reader.data
        end = data.find(b"endhdr\n", 0, 4096)
        if not data.startswith(b"s3\n") or end < 0:
            raise self.reader.error(f"not {what}: it begins with {data[:8]!r}; expected b's3\\n' and a header")
        self.header = dict(
            line.split(maxsplit=1)
            for line in data[3:end].decode("ascii", "replace").splitlines()
            if len(line.split()) > 1
        )
        self.reader.skip(end + len(b"endhdr\n"), "the header")
        mark = self.reader.take("<u4", 1, "the byte-order mark")
        if int(mark[0]) == _BYTE_ORDER_MARK:
            self.order = "<"
        elif int(mark.byteswap()[0]) == _BYTE_ORDER_MARK:
            self.order = ">"
        else:
            raise self.reader.error(f"byte-order mark {int(mark[0]):#x}; expected {_BYTE_ORDER_MARK:#x}")
        self._begin = self.reader.position

    def ints(self, count: int, field: str) -> list[int]:
        """Return the next integers."""
        return [int(value) for value in self.reader.take(f"{self.order}i4", count, field)]

    def floats(self, shape: tuple[int, ...], field: str) -> NDArray[np.float32]:
        """Return the next floats, after their number, which must fit the shape."""
        expected = int(np.prod(shape))
        (count,) = self.ints(1, f"the number of {field}")
        if min(shape) <= 0 or count != expected:
            raise self.reader.error(f"{count} {field}; expected {' x '.join(map(str, shape))}")
        result: NDArray[Any] = self.reader.take(f"{self.order}f4", count, field)
        return result.astype(np.float32).reshape(shape)

    def close(self) -> None:
        """Verify the checksum, where the header says that there is one, and that the file ends after it."""
        reader = self.reader
        end = reader.position
        if "chksum0" in self.header:
            items = np.frombuffer(reader.data, f"{self.order}u4", (end - self._begin) // 4, self._begin)
            found = int(rotating_checksum(items.astype(np.uint32)))
            expected = reader.take_int(f"{self.order}u4", "the checksum")
            if found != expected:
                raise reader.error(f"checksum {found:#010x}, the file says {expected:#010x}; fetch the file again")
        if reader.position != len(reader.data):
            raise reader.error(f"{len(reader.data) - reader.position} bytes follow the end; the file is damaged")
