"""Kaldi's archives (ark, scp) of matrices and vectors: read one after the other or by utterance, written whole.

Objects are found and checked here, so that a truncated archive is an error that names the utterance; Kaldi's own code
(kaldi-native-io) decompresses and writes.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError

_TYPES: dict[bytes, Any] = {b"FM": np.float32, b"FV": np.float32, b"DM": np.float64, b"DV": np.float64}
_COMPRESSED = (b"CM", b"CM2", b"CM3")

MATRIX = "matrix"
VECTOR = "vector"
INTEGERS = "integer vector"


def read_matrices(path: str | os.PathLike[str]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield (utterance-id, matrix) of an archive (ark) or of a list of places in archives (a name that ends in .scp).

    Compressed matrices come as float32, others in their own type.  Relative paths in an scp count from the working
    folder, as in Kaldi, or where that has no such file, from the scp's own.

    Raises:
        WfstAsrError: a file is missing, truncated, or holds something else.
    """
    return _read(Path(path), MATRIX)


def read_vectors(path: str | os.PathLike[str]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield (utterance-id, vector of floats) of an ark or scp; as `read_matrices`."""
    return _read(Path(path), VECTOR)


def read_integer_vectors(path: str | os.PathLike[str]) -> Iterator[tuple[str, NDArray[np.int32]]]:
    """Yield (utterance-id, vector of int32), such as alignments, of an ark or scp; as `read_matrices`."""
    return _read(Path(path), INTEGERS)


class ArchiveTable(Mapping[str, NDArray[Any]]):
    """Random access by utterance-id; objects are read when they are asked for.

    Args:
        path: an scp, or an ark, which is read through once for its places.
        kind: `MATRIX`, `VECTOR` or `INTEGERS`.

    Raises:
        WfstAsrError: as `read_matrices`; and where an id occurs twice.
    """

    def __init__(self, path: str | os.PathLike[str], kind: str = MATRIX) -> None:
        self.path = Path(path)
        self.kind = kind
        self._places: dict[str, tuple[Path, int]] = {}
        if self.path.suffix == ".scp":
            places = scp_places(self.path)
        else:
            places = ((key, (self.path, offset)) for key, offset, _ in _scan(self.path, kind))
        for key, place in places:
            if key in self._places:
                raise WfstAsrError(f"{self.path}: the id '{key}' occurs twice; keep one")
            self._places[key] = place

    def __getitem__(self, key: str) -> NDArray[Any]:
        place, offset = self._places[key]
        return _read_at(place, offset, key, self.kind)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _read(path: Path, kind: str) -> Iterator[tuple[str, NDArray[Any]]]:
    if path.suffix == ".scp":
        for key, (place, offset) in scp_places(path):
            yield key, _read_at(place, offset, key, kind)
    else:
        for key, _, value in _scan(path, kind):
            yield key, value


def _open(path: Path) -> BinaryIO:
    if path.is_dir():
        raise WfstAsrError(f"{path}: is a folder; expected a Kaldi archive (ark) or its list (scp)")
    try:
        return open(path, "rb")
    except FileNotFoundError as error:
        raise WfstAsrError(f"{path}: no such file; expected a Kaldi archive (ark) or its list (scp)") from error
    except OSError as error:
        raise WfstAsrError(f"{path}: cannot be read ({error.strerror})") from error


def scp_places(path: Path) -> Iterator[tuple[str, tuple[Path, int]]]:
    """Yield (utterance-id, (archive, byte)) of a list of places in archives (scp).

    Relative paths count from the working folder, or where that has no such file, from the scp's own.

    Raises:
        WfstAsrError: no such file, or a line that is no such place.
    """
    with _open(path) as file:
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        key, _, target = line.strip().partition(" ")
        target = target.strip()
        if not key or not target:
            raise WfstAsrError(f"{path}:{number}: found '{line}'; expected 'utterance-id archive:offset'")
        if target.endswith(("|", "]")):
            raise WfstAsrError(
                f"{path}:{number}: '{target}' is a command or a range; expected archive:offset: write the matrices "
                "to an archive first"
            )
        name, _, offset = target.rpartition(":")
        if not name or not offset.isdigit():
            name, offset = target, "0"
        place = Path(name)
        if not place.is_absolute() and not place.exists():
            place = path.parent / name
        yield key, (place, int(offset))


def _read_at(place: Path, offset: int, key: str, kind: str) -> NDArray[Any]:
    with _open(place) as file:
        file.seek(offset)
        return _read_object(file, place, key, kind)


def _scan(path: Path, kind: str) -> Iterator[tuple[str, int, NDArray[Any]]]:
    with _open(path) as file:
        while True:
            key = _read_key(file, path)
            if key is None:
                return
            offset = file.tell()
            yield key, offset, _read_object(file, path, key, kind)


def _read_key(file: BinaryIO, path: Path) -> str | None:
    start = file.tell()
    while (head := file.read(1)) and head.isspace():
        start += 1
    if not head:
        return None
    file.seek(start)
    text = file.read(4096)
    length = text.find(b" ")
    try:
        if length <= 0:
            raise ValueError
        key = text[:length].decode("utf-8")
    except ValueError:
        raise WfstAsrError(
            f"{path}: no utterance-id at byte {start}; expected a Kaldi archive (ark); lists of archives end in .scp"
        ) from None
    file.seek(start + length + 1)
    return key


def _take(file: BinaryIO, size: int, path: Path, key: str) -> bytes:
    missing = size - (os.fstat(file.fileno()).st_size - file.tell())
    if missing > 0:
        raise WfstAsrError(
            f"{path}: the archive ends in the middle of '{key}' ({missing} bytes are missing); make it again"
        )
    return file.read(size)


def _int(file: BinaryIO, path: Path, key: str) -> int:
    raw = _take(file, 5, path, key)
    if raw[0] != 4:
        raise WfstAsrError(f"{path}: '{key}' has a damaged size at byte {file.tell() - 5}; make the archive again")
    value = int.from_bytes(raw[1:], "little", signed=True)
    if value < 0:
        raise WfstAsrError(f"{path}: '{key}' has the size {value}; make the archive again")
    return value


def _read_object(file: BinaryIO, path: Path, key: str, kind: str) -> NDArray[Any]:
    start = file.tell()
    if file.read(2) != b"\0B":
        file.seek(start)
        return _read_text(file, path, key, kind)
    if kind == INTEGERS:
        count = _int(file, path, key)
        raw = np.frombuffer(_take(file, 5 * count, path, key), dtype=np.dtype([("size", "i1"), ("value", "<i4")]))
        if not (raw["size"] == 4).all():
            raise WfstAsrError(f"{path}: '{key}' is no vector of int32; expected an {kind}")
        return raw["value"].astype(np.int32)
    token = b""
    while len(token) < 4 and not token.endswith(b" "):
        token += _take(file, 1, path, key)
    token = token.rstrip(b" ")
    if (token in _COMPRESSED or token in (b"FM", b"DM")) != (kind == MATRIX) or token not in (*_TYPES, *_COMPRESSED):
        raise WfstAsrError(f"{path}: '{key}' has the type {token.decode('latin-1')!r}; expected a {kind} of floats")
    if token in _COMPRESSED:
        return _decompress(file, path, key, token, start)
    shape = [_int(file, path, key) for _ in range(2 if kind == MATRIX else 1)]
    dtype = np.dtype(_TYPES[token])
    data = _take(file, math.prod(shape) * dtype.itemsize, path, key)
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()


def _decompress(file: BinaryIO, path: Path, key: str, token: bytes, start: int) -> NDArray[np.float32]:
    import kaldi_native_io

    header = _take(file, 16, path, key)
    rows, columns = (int.from_bytes(header[i : i + 4], "little", signed=True) for i in (8, 12))
    size = {b"CM": columns * (8 + rows), b"CM2": 2 * rows * columns, b"CM3": rows * columns}[token]
    _take(file, max(size, 0), path, key)
    try:
        matrix: NDArray[np.float32] = kaldi_native_io.FloatMatrix.read(f"{path}:{start}").numpy().copy()
    except RuntimeError as error:
        raise WfstAsrError(f"{path}: '{key}' cannot be decompressed; make the archive again") from error
    return matrix


def _read_text(file: BinaryIO, path: Path, key: str, kind: str) -> NDArray[Any]:
    line = file.readline()
    try:
        if kind == INTEGERS:
            return np.array([int(item) for item in line.split()], dtype=np.int32)
        if not line.lstrip().startswith(b"["):
            raise ValueError
        while b"]" not in line:
            more = file.readline()
            if not more:
                raise WfstAsrError(f"{path}: the archive ends in the middle of '{key}'; make it again")
            line += more
        body = line.decode("ascii").partition("[")[2]
        rows = [[float(item) for item in row.split()] for row in body.split("]")[0].split("\n") if row.strip()]
        matrix = np.array(rows, dtype=np.float32)
    except ValueError as error:
        raise WfstAsrError(f"{path}: '{key}' cannot be read; expected a {kind} of Kaldi's, binary or text") from error
    if kind == VECTOR:
        return matrix.reshape(-1)
    return matrix if matrix.size else matrix.reshape(0, 0)


@contextmanager
def matrix_writer(
    ark: str | os.PathLike[str],
    *,
    scp: str | os.PathLike[str] | None = None,
    compress: bool = False,
) -> Iterator[Callable[[str, NDArray[Any]], None]]:
    """Yield `write(utterance_id, matrix)`; the ark, and the scp, appear when the block ends, whole or not at all.

    float64 matrices (such as normalisation statistics) are written as such, others as float32, or with `compress` in
    Kaldi's compressed form (a byte a value).  The scp names the ark by its absolute path.

    Raises:
        WfstAsrError: an id occurs twice or has spaces, a matrix is empty or not two-dimensional, or the place cannot be
            written.

    >>> import tempfile
    >>> name = Path(tempfile.mkdtemp()) / "feats.ark"
    >>> with matrix_writer(name) as write:
    ...     write("utt1", np.ones((2, 3), dtype=np.float32))
    >>> [(utterance, matrix.shape) for utterance, matrix in read_matrices(name)]
    [('utt1', (2, 3))]
    """
    import kaldi_native_io as kaldi

    def maker(wide: bool) -> Any:
        return (
            kaldi.DoubleMatrixWriter if wide else kaldi.CompressedMatrixWriter if compress else kaldi.FloatMatrixWriter
        )

    method = (kaldi.CompressionMethod.kAutomaticMethod,) if compress else ()
    with _writer(ark, scp, dimensions=2) as state:

        def write(utterance: str, matrix: NDArray[Any]) -> None:
            wide = matrix.dtype == np.float64
            state(utterance, matrix, maker(wide), () if wide else method)

        yield write


@contextmanager
def vector_writer(
    ark: str | os.PathLike[str], *, scp: str | os.PathLike[str] | None = None
) -> Iterator[Callable[[str, NDArray[Any]], None]]:
    """Yield `write(utterance_id, vector)`, of floats (as float32) or integers (as int32); as `matrix_writer`."""
    import kaldi_native_io as kaldi

    with _writer(ark, scp, dimensions=1) as state:

        def write(utterance: str, vector: NDArray[Any]) -> None:
            whole = np.issubdtype(vector.dtype, np.integer)
            state(utterance, vector, kaldi.Int32VectorWriter if whole else kaldi.FloatVectorWriter, ())

        yield write


@contextmanager
def _writer(
    ark: str | os.PathLike[str], scp: str | os.PathLike[str] | None, *, dimensions: int
) -> Iterator[Callable[[str, NDArray[Any], Any, tuple[Any, ...]], None]]:
    """Write through one of Kaldi's writers, chosen at the first object."""
    target = Path(ark).absolute()
    seen: set[str] = set()
    with ExitStack() as stack:
        aside = stack.enter_context(written_aside(target))
        list_aside = stack.enter_context(written_aside(scp)) if scp is not None else None
        raw_list = Path(f"{aside}.scp")
        stack.callback(raw_list.unlink, missing_ok=True)
        writers: dict[Any, Any] = {}

        def write(utterance: str, value: NDArray[Any], maker: Any, extra: tuple[Any, ...]) -> None:
            if not utterance or any(character.isspace() for character in utterance):
                raise WfstAsrError(f"the id '{utterance}' is empty or has spaces; Kaldi's archives cannot hold it")
            if utterance in seen:
                raise WfstAsrError(f"{ark}: the id '{utterance}' is written twice; give each utterance its own")
            if value.ndim != dimensions or (dimensions == 2 and value.size == 0):
                raise WfstAsrError(
                    f"'{utterance}' has shape {value.shape}; expected {dimensions} dimensions, none of them empty"
                )
            if writers and maker not in writers:
                raise WfstAsrError(f"'{utterance}' has the type {value.dtype}, unlike those before it; write one type")
            seen.add(utterance)
            if not writers:
                writers[maker] = maker(f"ark,scp:{aside},{raw_list}")
            data = value.tolist() if "Int32" in maker.__name__ else value
            if "Float" in maker.__name__ or "Compressed" in maker.__name__:
                data = np.ascontiguousarray(value, dtype=np.float32)
            try:
                writers[maker].write(utterance, data, *extra)
            except RuntimeError as error:  # Kaldi's code does not tell why
                raise WfstAsrError(f"{ark}: writing failed; free some space or choose another folder") from error

        try:
            yield write
        except BaseException:
            for writer in writers.values():
                with suppress(RuntimeError):
                    writer.close()
            raise
        for writer in writers.values():
            try:
                writer.close()
            except RuntimeError as error:
                raise WfstAsrError(f"{ark}: writing failed; free some space or choose another folder") from error
        if list_aside is not None:
            lines = raw_list.read_text(encoding="utf-8") if raw_list.exists() else ""
            list_aside.write_text(lines.replace(f" {aside}:", f" {target}:"), encoding="utf-8")
