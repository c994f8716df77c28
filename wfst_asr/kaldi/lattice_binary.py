"""Kaldi's binary lattices: OpenFst vector FSTs with the arc types `lattice4` and `compactlattice44`.

Layout (OpenFst `fst.h`, `vector-fst.h`; Kaldi `fstext/lattice-weight.h`): a header, then for each state its final
weight, the number of its arcs and the arcs {ilabel, olabel, weight, nextstate}.  A weight is two floats, in a
CompactLattice followed by the length of a string and its labels.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.kaldi.lattice_record import KaldiLattice, blank

MAGIC = struct.pack("<i", 2125659606)
_LATTICE = b"lattice4"
_COMPACT = b"compactlattice44"
_TAIL = struct.Struct("<iiQqqq")  # version, flags, properties, start, number of states, number of arcs
_VERSION = 2

_EXPANDED, _MUTABLE = 0x1, 0x2
_ACCEPTOR, _NOT_ACCEPTOR = 0x10000, 0x20000
_EPSILONS, _NO_EPSILONS = 0x400000, 0x800000
_IEPSILONS, _NO_IEPSILONS = 0x1000000, 0x2000000
_OEPSILONS, _NO_OEPSILONS = 0x4000000, 0x8000000
_WEIGHTED, _UNWEIGHTED = 0x100000000, 0x200000000


class DamagedError(Exception):
    """A lattice that cannot be read: what is wrong, and at which byte."""

    def __init__(self, problem: str, at: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.at = at


def decode_lattice(data: NDArray[np.uint8], at: int) -> tuple[KaldiLattice, int]:
    """Read the lattice at byte `at` of a file; return it and the byte behind it.

    Raises:
        DamagedError: it ends early, is another kind of FST, or its sizes make no sense.
    """
    from wfst_asr.kaldi import _lattice_kernels as kernels

    compact, start, num_states, body = _header(data, at)
    if num_states < 0 or num_states * (20 if compact else 16) > len(data) - body:
        if num_states < 0:
            raise DamagedError(f"announces {num_states} states", body - 16)
        raise DamagedError("ends early", len(data))
    status, end, *sizes = kernels.scan(data, body, num_states, compact)
    if status != kernels.WHOLE:
        raise DamagedError("ends early" if status == kernels.ENDS_EARLY else "has a size that makes no sense", int(end))
    raw = blank(compact, start, num_states, (int(sizes[0]), int(sizes[1]), int(sizes[2])))
    words = np.frombuffer(data[body:end].tobytes(), dtype="<i4")
    kernels.decode(words, words.view(np.float32), compact, *_columns(raw))
    return raw, int(end)


def encode_lattice(raw: KaldiLattice) -> bytes:
    """Return the bytes of a lattice, as OpenFst writes them."""
    from wfst_asr.kaldi import _lattice_kernels as kernels

    states, arcs = raw.num_states, len(raw.nextstate)
    size = 4 * states + 5 * arcs
    if raw.compact:
        size += states + arcs + len(raw.labels) + len(raw.final_labels)
    words = np.empty(size, dtype="<i4")
    kernels.encode(words, words.view(np.float32), raw.compact, *_columns(raw))
    kind = _COMPACT if raw.compact else _LATTICE
    header = MAGIC + b"".join(struct.pack("<i", len(name)) + name for name in (b"vector", kind))
    return header + _TAIL.pack(_VERSION, 0, _properties(raw), raw.start, states, 0) + words.tobytes()


def _header(data: NDArray[np.uint8], at: int) -> tuple[bool, int, int, int]:
    """Return whether the lattice is compact, its start, its number of states and the byte of its first state."""
    head = data[at : at + 1024].tobytes()
    if not head.startswith(MAGIC):
        raise DamagedError("ends early" if len(head) < len(MAGIC) else "is no lattice, binary or text", at)
    place, names = len(MAGIC), []
    for _ in range(2):
        length = int.from_bytes(head[place : place + 4], "little", signed=True)
        if len(head) < place + 4 or (0 <= length <= 64 and len(head) < place + 4 + length):
            raise DamagedError("ends early", at + len(head))
        if not 0 <= length <= 64:
            raise DamagedError("has no FST header that makes sense", at + place)
        names.append(head[place + 4 : place + 4 + length])
        place += 4 + length
    if names[0] != b"vector":
        raise DamagedError(f"is a {_quoted(names[0])} FST; expected a 'vector' FST", at)
    if names[1] not in (_LATTICE, _COMPACT):
        raise DamagedError(
            f"has the arc type {_quoted(names[1])}; expected 'lattice4' or 'compactlattice44' (Kaldi's lattice-copy "
            "writes them)",
            at,
        )
    if len(head) < place + _TAIL.size:
        raise DamagedError("ends early", at + len(head))
    version, flags, _, start, num_states, _ = _TAIL.unpack_from(head, place)
    if version != _VERSION or flags & 0x3:
        problem = f"version {version}" if version != _VERSION else "symbol tables inside"
        raise DamagedError(
            f"has {problem}; expected a vector FST of version {_VERSION} without symbol tables", at + place
        )
    if not -1 <= start < max(num_states, 0):
        raise DamagedError(f"has the start state {start}, but {num_states} states", at + place + 16)
    return names[1] == _COMPACT, start, num_states, at + place + _TAIL.size


def _quoted(name: bytes) -> str:
    return ascii(name.decode("latin-1"))


def _columns(raw: KaldiLattice) -> tuple[NDArray[Any], ...]:
    return (
        raw.first_arc,
        raw.ilabel,
        raw.olabel,
        raw.nextstate,
        raw.cost,
        raw.first_label,
        raw.labels,
        raw.final,
        raw.first_final_label,
        raw.final_labels,
    )


def _properties(raw: KaldiLattice) -> int:
    """Return the properties that OpenFst knows of an FST to which arcs were added one by one."""
    input_epsilon, output_epsilon = raw.ilabel == 0, raw.olabel == 0
    weighted = raw.cost.any() or len(raw.labels) or len(raw.final_labels)
    weighted = weighted or raw.final[np.isfinite(raw.final)].any()
    return (
        (_EXPANDED | _MUTABLE)
        | (_ACCEPTOR if np.array_equal(raw.ilabel, raw.olabel) else _NOT_ACCEPTOR)
        | (_EPSILONS if (input_epsilon & output_epsilon).any() else _NO_EPSILONS)
        | (_IEPSILONS if input_epsilon.any() else _NO_IEPSILONS)
        | (_OEPSILONS if output_epsilon.any() else _NO_OEPSILONS)
        | (_WEIGHTED if weighted else _UNWEIGHTED)
    )
