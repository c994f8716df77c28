"""The prepared layout on disk, so that a second start maps it in milliseconds.

File: 8 bytes of magic, the length of a JSON header (uint64), the header, then each array at a multiple of 64 bytes.
The fingerprint in the header is of the graph and its label table; a file with another one is remade.
"""

import hashlib
import json
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.decoder.layout import SearchLayout
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.fst.arcs import ARC_DTYPE, STATE_DTYPE

_MAGIC = b"WFSTLAY2"
_NOTABLE = 10_000_000  # words; smaller graphs are prepared in a moment
_SAMPLES, _SAMPLE_BYTES = 256, 4096
_ARRAYS = {"words": np.uint32, "block_start": np.uint32, "state": np.int32}


@dataclass(frozen=True)
class PreparedGraph:
    """A layout, and the const FST that it was made of, mapped."""

    layout: SearchLayout
    states: NDArray[np.void]
    arcs: NDArray[np.void]
    states_at: int

    @classmethod
    def of_file(cls, layout: SearchLayout, fst: Path, states_at: int, num_states: int, num_arcs: int) -> Self:
        """Map the states and arcs of a const FST whose states begin at byte `states_at`."""
        arcs_at = states_at + STATE_DTYPE.itemsize * num_states
        states = _mapped(fst, STATE_DTYPE, states_at, num_states)
        return cls(layout, states, _mapped(fst, ARC_DTYPE, arcs_at, num_arcs), states_at)


def fingerprint(graph: Path, columns: NDArray[np.int32]) -> str:
    """Return a digest of a graph file (its size and 256 pieces spread over it) and of its label table."""
    digest = hashlib.sha256()
    size = graph.stat().st_size
    digest.update(f"{size} {len(columns)}".encode())
    digest.update(np.ascontiguousarray(columns).tobytes())
    with graph.open("rb") as file:
        for at in _piece_starts(size):
            file.seek(at)
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def write_prepared(path: Path, prepared: PreparedGraph, *, mark: str) -> bool:
    """Save a layout; where that fails say so once and go on. Returns whether the file is there."""
    layout = prepared.layout
    header: dict[str, Any] = {
        "mark": mark,
        "start": layout.start,
        "code_shift": layout.code_shift,
        "fst": [prepared.states_at, len(prepared.states), len(prepared.arcs)],
        "arrays": {},
        "checksum": _checksum(layout),
    }
    at = 0
    for name in _ARRAYS:
        array = getattr(layout, name)
        header["arrays"][name] = [at, len(array)]
        at += (array.nbytes + 63) // 64 * 64
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 16) % 64)
    try:
        with written_aside(path) as aside, aside.open("wb") as file:
            file.write(_MAGIC + struct.pack("<Q", len(text)) + text)
            for name in _ARRAYS:
                data = getattr(layout, name)
                file.write(memoryview(data).cast("B"))
                file.write(b"\0" * (-data.nbytes % 64))
    except WfstAsrError as error:
        if len(layout.words) > _NOTABLE:
            warnings.warn(f"{error}; the next start prepares the graph again", WfstAsrWarning, stacklevel=3)
        return False
    return True


def read_prepared(path: Path, fst: Path, *, mark: str) -> PreparedGraph | None:
    """Map a saved layout; None if there is none, if it belongs to another graph, or if it is damaged."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
            if len(head) < 16 or head[:8] != _MAGIC:
                return None
            (length,) = struct.unpack("<Q", head[8:])
            if not 0 < length < 1 << 20:
                return None
            header = json.loads(file.read(length))
        if not isinstance(header, Mapping) or header.get("mark") != mark:
            return None
        last = header["arrays"]["state"]
        if path.stat().st_size < 16 + length + last[0] + 4 * last[1]:
            return None
        arrays = {
            name: _mapped(path, np.dtype(kind), 16 + length + at, size)
            for (name, kind), (at, size) in zip(_ARRAYS.items(), header["arrays"].values(), strict=True)
        }
        layout = SearchLayout(**arrays, start=int(header["start"]), code_shift=int(header["code_shift"]))
        if _checksum(layout) != header["checksum"]:
            return None
        return PreparedGraph.of_file(layout, fst, *header["fst"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _checksum(layout: SearchLayout) -> str:
    """Return a digest of a layout: of all its bytes, or of 256 pieces spread over each of the large arrays."""
    digest = hashlib.sha256(f"{layout.start} {layout.code_shift}".encode())
    for name in _ARRAYS:
        data = getattr(layout, name).view(np.uint8)
        for at in _piece_starts(len(data)):
            digest.update(data[at : at + _SAMPLE_BYTES])
    return digest.hexdigest()


def _piece_starts(size: int) -> list[int]:
    """Return where the pieces of a file or an array begin; they cover all of it up to a mebibyte."""
    starts: list[int] = np.unique(np.linspace(0, max(0, size - _SAMPLE_BYTES), _SAMPLES).astype(np.int64)).tolist()
    return starts


def _mapped(path: Path, kind: np.dtype[Any], at: int, size: int) -> NDArray[Any]:
    if size == 0:
        return np.empty(0, kind)
    return np.memmap(path, dtype=kind, mode="r", offset=at, shape=(size,)).view(np.ndarray)
