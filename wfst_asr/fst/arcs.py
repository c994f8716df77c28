"""ArcTable: a transducer as flat arrays, and the const FST file it is read from and written to.

This module is the seam between OpenFst and NumPy; it never imports pynini, so that the decoder can use it.
File layout: OpenFst `const-fst.h` and `fst.h` (FstHeader), version 2, unaligned.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError

ARC_DTYPE = np.dtype([("ilabel", "<i4"), ("olabel", "<i4"), ("cost", "<f4"), ("nextstate", "<i4")])
STATE_DTYPE = np.dtype(
    [
        ("final_cost", "<f4"),
        ("first_arc", "<u4"),
        ("num_arcs", "<u4"),
        ("num_iepsilons", "<u4"),
        ("num_oepsilons", "<u4"),
    ]
)
_MAGIC = 2125659606
_HEADER_TAIL = struct.Struct("<iiQqqq")  # version, flags, properties, start, number of states, number of arcs

_EXPANDED = 0x1


@dataclass(frozen=True)
class ArcTable:
    """A weighted transducer over (min, +) as flat arrays, its states' arcs one after another (CSR).

    Attributes:
        start: start state, -1 if the machine is empty.
        first_arc: (S + 1,) int64; the arcs of state s are `arcs[first_arc[s]:first_arc[s + 1]]`.
        arcs: (A,) records of ARC_DTYPE: ilabel, olabel, cost (-log probability), nextstate.
        final_cost: (S,) float32; infinity where a state is not final.

    >>> table = arc_table(2, [(0, 1, 1, 2, 0.5)], finals={1: 0.0})
    >>> table.num_states, table.num_arcs, table.arcs["olabel"].tolist()
    (2, 1, [2])
    """

    start: int
    first_arc: NDArray[np.int64]
    arcs: NDArray[np.void]
    final_cost: NDArray[np.float32]

    @property
    def num_states(self) -> int:
        return len(self.final_cost)

    @property
    def num_arcs(self) -> int:
        return len(self.arcs)

    def source(self) -> NDArray[np.int32]:
        """Return the source state of every arc, (A,) int32."""
        return np.repeat(np.arange(self.num_states, dtype=np.int32), np.diff(self.first_arc))


def arc_table(
    num_states: int,
    arcs: Sequence[tuple[int, int, int, int, float]] | NDArray[np.void],
    *,
    finals: dict[int, float] | ArrayLike,
    source: ArrayLike | None = None,
    start: int = 0,
) -> ArcTable:
    """Build an ArcTable from arcs in any order.

    Args:
        num_states: number of states.
        arcs: tuples (source, nextstate, ilabel, olabel, cost), or ARC_DTYPE records with `source` given.
        finals: final cost by state, or an (S,) array of them (infinity: not final).
        source: (A,) source states, where `arcs` are records.
        start: start state.
    """
    if source is None:
        rows = np.asarray([(a[2], a[3], a[4], a[1]) for a in arcs], dtype=object).reshape(-1, 4)
        records = np.empty(len(rows), dtype=ARC_DTYPE)
        for column, name in enumerate(("ilabel", "olabel", "cost", "nextstate")):
            records[name] = rows[:, column]
        origin = np.asarray([a[0] for a in arcs], dtype=np.int64)
    else:
        records = np.asarray(arcs, dtype=ARC_DTYPE)
        origin = np.asarray(source, dtype=np.int64)
    order = np.argsort(origin, kind="stable")
    first_arc = np.zeros(num_states + 1, dtype=np.int64)
    np.cumsum(np.bincount(origin, minlength=num_states), out=first_arc[1:])
    if isinstance(finals, dict):
        final_cost = np.full(num_states, np.inf, dtype=np.float32)
        for state, cost in finals.items():
            final_cost[state] = cost
    else:
        final_cost = np.asarray(finals, dtype=np.float32)
    return ArcTable(start, first_arc, records[order], final_cost)


def const_fst_bytes(table: ArcTable) -> bytes:
    """Return the machine as the bytes of an OpenFst const FST with standard (tropical) arcs."""
    return b"".join(_const_fst_pieces(table))


def _const_fst_pieces(table: ArcTable) -> Iterator[bytes | memoryview]:
    """Yield header, states and arcs, without copying the arcs."""
    yield const_fst_header(table.start, table.num_states, table.num_arcs)
    yield state_records(table).tobytes()
    yield np.ascontiguousarray(table.arcs).view(np.uint8).data


def const_fst_header(start: int, num_states: int, num_arcs: int) -> bytes:
    """Return what stands before the states in a const FST file."""
    header = struct.pack("<i", _MAGIC)
    for text in (b"const", b"standard"):
        header += struct.pack("<i", len(text)) + text
    return header + _HEADER_TAIL.pack(2, 0, _EXPANDED, start, num_states, num_arcs)


def state_records(table: ArcTable) -> NDArray[np.void]:
    """Return the states as a const FST file has them, (S,) records of STATE_DTYPE."""
    states = np.empty(table.num_states, dtype=STATE_DTYPE)
    states["final_cost"] = table.final_cost
    states["first_arc"] = table.first_arc[:-1]
    states["num_arcs"] = np.diff(table.first_arc)
    piece = 1 << 20  # states a time, so that the sums stay small
    for low in range(0, table.num_states, piece):
        first = table.first_arc[low : low + piece + 1]
        for name, label in (("num_iepsilons", "ilabel"), ("num_oepsilons", "olabel")):
            total = np.concatenate(([0], np.cumsum(table.arcs[label][first[0] : first[-1]] == 0)))
            states[name][low : low + piece] = total[first[1:] - first[0]] - total[first[:-1] - first[0]]
    return states


def write_const_fst(table: ArcTable, path: str | os.PathLike[str]) -> None:
    """Write the machine as a const FST file (written aside, then renamed)."""
    with written_aside(path) as aside, aside.open("wb") as file:
        for piece in _const_fst_pieces(table):
            file.write(piece)


def read_const_fst(path: str | os.PathLike[str]) -> ArcTable:
    """Map a const FST file into an ArcTable; about a millisecond for any size.

    Raises:
        WfstAsrError: no such file, not an FST, not a const FST, another arc type, or fewer bytes than it announces.
    """
    start, states, arcs = map_const_fst(path)
    num_states, num_arcs = len(states), len(arcs)
    if num_states == 0:
        return ArcTable(-1, np.zeros(1, np.int64), np.empty(0, ARC_DTYPE), np.empty(0, np.float32))
    first_arc = np.empty(num_states + 1, dtype=np.int64)
    first_arc[:-1] = states["first_arc"]
    first_arc[-1] = num_arcs
    if np.any(np.diff(first_arc) != states["num_arcs"]) or not -1 <= start < num_states:
        raise WfstAsrError(f"{path}: its states do not fit its arcs; the file is damaged: make it again")
    return ArcTable(start, first_arc, arcs, np.ascontiguousarray(states["final_cost"]))


def map_const_fst(path: str | os.PathLike[str]) -> tuple[int, NDArray[np.void], NDArray[np.void]]:
    """Map a const FST file: the start state, (S,) records of STATE_DTYPE and (A,) records of ARC_DTYPE.

    Raises:
        WfstAsrError: as `read_const_fst`.
    """
    name = Path(path)
    try:
        size = name.stat().st_size
        with name.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise WfstAsrError(f"{name}: cannot be read ({error.strerror}); give the path of a const FST") from error
    start, num_states, num_arcs, offset = _parse_header(head, name)
    expected = offset + STATE_DTYPE.itemsize * num_states + ARC_DTYPE.itemsize * num_arcs
    if size != expected:
        raise WfstAsrError(
            f"{name}: {size} bytes, but its header announces {num_states} states and {num_arcs} arcs, "
            f"{expected} bytes; "
            "the file is truncated or damaged: make it again"
        )
    arcs_at = offset + STATE_DTYPE.itemsize * num_states
    return start, _mapped(name, STATE_DTYPE, offset, num_states), _mapped(name, ARC_DTYPE, arcs_at, num_arcs)


def _mapped(path: Path, kind: np.dtype[np.void], offset: int, count: int) -> NDArray[np.void]:
    if count == 0:
        return np.empty(0, kind)
    return np.memmap(path, dtype=kind, mode="r", offset=offset, shape=(count,))


def _parse_header(head: bytes, name: Path) -> tuple[int, int, int, int]:
    """Return start, number of states, number of arcs and the offset of the states."""
    if len(head) < 4 or struct.unpack_from("<i", head)[0] != _MAGIC:
        raise WfstAsrError(f"{name}: not an OpenFst file; expected a const FST such as HCLG.fst")
    try:
        at, texts = 4, []
        for _ in range(2):
            (length,) = struct.unpack_from("<i", head, at)
            texts.append(head[at + 4 : at + 4 + length].decode("latin-1"))
            at += 4 + length
        version, flags, _, start, num_states, num_arcs = _HEADER_TAIL.unpack_from(head, at)
    except struct.error as error:
        raise WfstAsrError(f"{name}: ends inside its header; the file is truncated: make it again") from error
    if texts[0] != "const":
        raise WfstAsrError(
            f"{name}: a '{texts[0]}' FST, expected 'const'; convert it with: fstconvert --fst_type=const"
        )
    if texts[1] != "standard":
        raise WfstAsrError(
            f"{name}: arc type '{texts[1]}', expected 'standard' (tropical weights); convert it with: fstmap"
        )
    if flags & 0x3:
        raise WfstAsrError(
            f"{name}: has symbol tables inside; remove them with: fstsymbols --clear_isymbols --clear_osymbols"
        )
    offset = at + _HEADER_TAIL.size
    if flags & 0x4 or version == 1:
        offset = (offset + 15) // 16 * 16
    return start, num_states, num_arcs, offset
