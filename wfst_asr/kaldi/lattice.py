"""Kaldi's lattice archives: read one lattice after the other, written whole; text and binary, both kinds.

Acoustic costs are unscaled there, as in our records; the scale at which a lattice was made is not told.
"""

import gzip
import mmap
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.io.archives import scp_places
from wfst_asr.kaldi.lattice_binary import DamagedError, decode_lattice, encode_lattice
from wfst_asr.kaldi.lattice_record import KaldiLattice, kaldi_lattice, lattice_of
from wfst_asr.kaldi.lattice_text import format_lattice, parse_lattice
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.lattice import Lattice

_Bytes = bytes | mmap.mmap
_LONGEST_KEY = 4096


def read_lattices(
    path: str | os.PathLike[str], *, acoustic_scale: float = 1.0
) -> Iterator[tuple[str, Lattice | CompactLattice]]:
    """Yield (utterance-id, lattice) of an archive (ark), or of a list of places in archives (a name ending in .scp).

    Binary or text, of either kind, is told by the content; archives may be gzipped.  States are sorted topologically
    (those of a Lattice also by time) where they are not, and what is on no path is dropped.  A final acoustic cost of
    a Lattice becomes an epsilon arc to a new final state.  Text whose kind cannot be told (no arcs, no labels) is taken
    for what came before it in the archive, else for a CompactLattice.

    Args:
        path: relative paths in an scp count from the working folder, or where that has no such file, from the scp's.
        acoustic_scale: at which the lattices were made; archives do not tell it.

    Raises:
        WfstAsrError: a file is missing, truncated, or holds something else; an utterance-id occurs twice in an ark;
            a lattice has a cycle, or paths that differ in their number of frames.
    """
    source = Path(path)
    if source.suffix == ".scp":
        data: dict[Path, _Bytes] = {}
        for key, (place, offset) in scp_places(source):
            if place not in data:
                data = {place: _content(place)}
            raw, _ = _read_at(data[place], offset, place, key, compact_if_unclear=True)
            yield key, _checked(raw, acoustic_scale, place, key, offset)
        return
    content = _content(source)
    seen: set[str] = set()
    compact = True
    at = 0
    while (found := _key(content, at, source)) is not None:
        key, begin = found
        if key in seen:
            raise WfstAsrError(f"{source}: the id '{key}' occurs twice, at byte {at}; keep one")
        seen.add(key)
        raw, at = _read_at(content, begin, source, key, compact_if_unclear=compact)
        compact = raw.compact
        yield key, _checked(raw, acoustic_scale, source, key, begin)


def write_lattices(
    path: str | os.PathLike[str],
    items: Iterable[tuple[str, Lattice | CompactLattice]],
    *,
    binary: bool = True,
    scp: str | os.PathLike[str] | None = None,
) -> None:
    r"""Write (utterance-id, lattice) to an archive; the file appears whole or not at all.

    Raises:
        WfstAsrError: as `lattice_writer`.

    >>> import tempfile
    >>> from wfst_asr.fst.arcs import arc_table
    >>> from wfst_asr.lattice.fst_exchange import label_lattice
    >>> name = Path(tempfile.mkdtemp()) / "lat.txt"
    >>> lattice = label_lattice(arc_table(2, [(0, 1, 3, 7, 0.5)], finals={1: 0.25}))
    >>> write_lattices(name, [("utt1", lattice)], binary=False)
    >>> name.read_text()
    'utt1 \n0\t1\t3\t7\t0.5,0\n1\t0.25,0\n\n'
    """
    with lattice_writer(path, binary=binary, scp=scp) as write:
        for key, lattice in items:
            write(key, lattice)


@contextmanager
def lattice_writer(
    path: str | os.PathLike[str], *, binary: bool = True, scp: str | os.PathLike[str] | None = None
) -> Iterator[Callable[[str, Lattice | CompactLattice], None]]:
    """Yield `write(utterance_id, lattice)`; the archive, and the scp, appear when the block ends, whole or not at all.

    The kind of each lattice is kept.  A name that ends in .gz is gzipped.  Text keeps every cost exactly.

    Raises:
        WfstAsrError: an id occurs twice, is empty or has spaces, an scp of a gzipped archive is asked for, or the place
            cannot be written.
    """
    target = Path(path).absolute()
    zipped = target.suffix == ".gz"
    if zipped and scp is not None:
        raise WfstAsrError(f"{path}: a gzipped archive has no places to list in '{scp}'; leave out the scp or the .gz")
    seen: set[str] = set()
    lines: list[str] = []
    with ExitStack() as stack:
        aside = stack.enter_context(written_aside(path))
        list_aside = stack.enter_context(written_aside(scp)) if scp is not None else None
        file = stack.enter_context(aside.open("wb"))
        # gzipped without time and name, so that equal lattices give equal files
        stream = stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0)) if zipped else file

        def write(key: str, lattice: Lattice | CompactLattice) -> None:
            if not key or any(character.isspace() for character in key):
                raise WfstAsrError(f"the id '{key}' is empty or has spaces; Kaldi's archives cannot hold it")
            if key in seen:
                raise WfstAsrError(f"{path}: the id '{key}' is written twice; give each utterance its own")
            seen.add(key)
            raw = kaldi_lattice(lattice)
            stream.write(f"{key} ".encode())
            if list_aside is not None:
                lines.append(f"{key} {target}:{stream.tell()}\n")
            stream.write(encode_lattice(raw) if binary else b"\n" + format_lattice(raw).encode())

        yield write
        if list_aside is not None:
            list_aside.write_text("".join(lines), encoding="utf-8")


def _content(path: Path) -> _Bytes:
    """Return the bytes of an archive: mapped, or unpacked where it is gzipped."""
    if path.is_dir():
        raise WfstAsrError(f"{path}: is a folder; expected an archive of lattices (ark) or its list (scp)")
    try:
        with path.open("rb") as file:
            if file.read(2) == b"\x1f\x8b":
                file.seek(0)
                with gzip.open(file) as unpacked:
                    return unpacked.read()
            if not file.seek(0, os.SEEK_END):
                return b""
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise WfstAsrError(f"{path}: its gzip data is truncated or damaged; make or fetch it again") from error
    except FileNotFoundError as error:
        raise WfstAsrError(f"{path}: no such file; expected an archive of lattices (ark) or its list (scp)") from error
    except OSError as error:
        raise WfstAsrError(f"{path}: cannot be read ({error.strerror})") from error


def _key(content: _Bytes, at: int, path: Path) -> tuple[str, int] | None:
    """Return the utterance-id that begins at a byte and the byte of its lattice; None at the end."""
    while content[at : at + 1].isspace():
        at += 1
    if at >= len(content):
        return None
    head = bytes(content[at : at + _LONGEST_KEY])
    key = head.split(None, 1)[0]
    try:
        name = key.decode("utf-8")
        if len(key) == len(head) or not name.isprintable():
            raise ValueError
    except ValueError:
        raise WfstAsrError(
            f"{path}: no utterance-id and lattice at byte {at}; expected an archive of lattices (ark), whole and not "
            "damaged; lists of archives end in .scp"
        ) from None
    return name, at + len(key) + (head[len(key) : len(key) + 1] == b" ")


def _read_at(content: _Bytes, at: int, path: Path, key: str, *, compact_if_unclear: bool) -> tuple[KaldiLattice, int]:
    try:
        if at >= len(content):
            raise DamagedError("ends early", len(content))
        if content[at : at + 1].isspace():
            lines, end = _text_lines(content, at)
            return parse_lattice(lines, compact_if_unclear=compact_if_unclear), end
        return decode_lattice(_as_array(content), at)
    except DamagedError as damage:
        raise WfstAsrError(
            f"{path}: the lattice of '{key}' {damage.problem} (at byte {damage.at}); make or fetch the archive again"
        ) from damage


def _as_array(content: _Bytes) -> NDArray[np.uint8]:
    return np.frombuffer(content, dtype=np.uint8)


def _text_lines(content: _Bytes, at: int) -> tuple[list[tuple[int, bytes]], int]:
    """Return the lines of a text lattice, each with its byte, and the byte behind the empty line that ends it."""
    begin = content.find(b"\n", at)
    if begin < 0 or bytes(content[at:begin]).strip():
        raise DamagedError("ends early" if begin < 0 else "does not begin on a line of its own", at)
    place = begin + 1
    lines: list[tuple[int, bytes]] = []
    while True:
        end = content.find(b"\n", place)
        if end < 0:
            raise DamagedError("ends early: there is no empty line behind it", len(content))
        line = bytes(content[place:end])
        if not line.strip():
            return lines, end + 1
        lines.append((place, line))
        place = end + 1


def _checked(raw: KaldiLattice, acoustic_scale: float, path: Path, key: str, at: int) -> Lattice | CompactLattice:
    try:
        return lattice_of(raw, acoustic_scale=acoustic_scale)
    except WfstAsrError as error:
        raise WfstAsrError(f"{path}: the lattice of '{key}' (at byte {at}) {error}") from error
