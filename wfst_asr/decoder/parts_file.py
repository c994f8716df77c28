"""Files of a graph that is composed while it is searched: arrays that are mapped, beside HCL as a const FST.

A file: 8 bytes of magic, the length of a JSON header (uint64), the header, then each array at a multiple of 64 bytes.

    HCL.ahead   set_of set_first low high word word_cost, and the marker (`graph/on_the_fly.py`: LookAheadHcl)
    G.entries   first entries final backoff backoff_cost backoffs, and the start (BackoffEntries)

Both name the lexicon that they were made with, by the hash of the pronunciations' words and costs.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.atomic_files import written_aside
from wfst_asr.decoder.on_the_fly import OnTheFlyParts
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import read_const_fst

HCL_NAME, AHEAD_NAME, ENTRIES_NAME = "HCL.fst", "HCL.ahead", "G.entries"
_MAGIC = b"WFSTOTF1"
_ALIGNMENT = 64
_AHEAD = {
    "set_of": np.int32, "set_first": np.int64, "low": np.int32, "high": np.int32, "word": np.int32,
    "word_cost": np.float32,
}  # fmt: skip
_ENTRIES = {
    "g_first": np.int64, "g_entries": np.int32, "g_final": np.float32, "g_backoff": np.int32,
    "g_backoff_cost": np.float32, "g_backoffs": np.int32,
}  # fmt: skip


def write_ahead(folder: Path, parts: OnTheFlyParts) -> None:
    """Write what belongs to HCL, but for its FST."""
    facts = {"marker": parts.marker, "lexicon": _lexicon_hash(parts.word, parts.word_cost)}
    _write(folder / AHEAD_NAME, facts, {name: getattr(parts, name) for name in _AHEAD})


def write_entries(folder: Path, parts: OnTheFlyParts) -> None:
    """Write G."""
    facts = {"start": parts.g_start, "lexicon": _lexicon_hash(parts.word, parts.word_cost)}
    _write(folder / ENTRIES_NAME, facts, {name: getattr(parts, name) for name in _ENTRIES})


def read_parts(folder: Path) -> OnTheFlyParts:
    """Map HCL and G of a folder.

    Raises:
        WfstAsrError: a file is missing or damaged, or HCL and G are not of one lexicon.
    """
    table = read_const_fst(folder / HCL_NAME)
    facts, ahead = _read(folder / AHEAD_NAME, _AHEAD)
    more, entries = _read(folder / ENTRIES_NAME, _ENTRIES)
    if facts.get("lexicon") != more.get("lexicon"):
        raise WfstAsrError(
            f"{folder}: {HCL_NAME} and {ENTRIES_NAME} are of different lexicons; compile the graph again"
        )
    entries["g_entries"] = entries["g_entries"].reshape(-1, 6)
    parts = OnTheFlyParts(
        table=table,
        marker=int(facts.get("marker", -1)),
        g_start=int(more.get("start", -1)),
        name=str(folder),
        **ahead,
        **entries,
    )
    if not _in_order(parts):
        raise WfstAsrError(f"{folder}: {HCL_NAME}, {AHEAD_NAME} and {ENTRIES_NAME} do not fit; compile the graph again")
    return parts


def _in_order(p: OnTheFlyParts) -> bool:
    """Return whether all numbers point somewhere."""
    count, states = len(p.word), len(p.g_final)
    words = p.table.arcs["olabel"]
    return (
        len(p.set_of) == p.table.num_states
        and p.marker == count + 1
        and p.table.start >= 0
        and 0 <= p.g_start < states
        and bool(((words >= 0) & (words <= p.marker)).all())
        and _offsets(p.set_first, len(p.low))
        and len(p.low) == len(p.high)
        and _within(p.set_of, 0, len(p.set_first) - 1)
        and _within(p.low, 0, count + 1)
        and _within(p.high, 0, count + 2)
        and _within(p.word, 1, 1 << 31)
        and len(p.word_cost) == count
        and len(p.g_first) == states + 1
        and _offsets(p.g_first, len(p.g_entries))
        and len({states, len(p.g_backoff), len(p.g_backoff_cost), len(p.g_backoffs)}) == 1
        and _within(p.g_entries[:, 0], 0, count + 1)
        and _within(p.g_entries[:, 1], -1, states)
        and _within(p.g_backoff, -1, states)
        and _within(p.g_backoffs, 0, 256)
    )


def _offsets(first: NDArray[np.int64], size: int) -> bool:
    return len(first) > 0 and first[0] == 0 and first[-1] == size and bool((np.diff(first) >= 0).all())


def _within(values: NDArray[np.int32], low: int, high: int) -> bool:
    return len(values) == 0 or (int(values.min()) >= low and int(values.max()) < high)


def _lexicon_hash(word: NDArray[np.int32], cost: NDArray[np.float32]) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(word).tobytes())
    digest.update(np.ascontiguousarray(cost).tobytes())
    return digest.hexdigest()


def _write(path: Path, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    places, at = {}, 0
    for name, array in arrays.items():
        places[name] = [at, array.size]
        at += (array.nbytes + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT
    text = json.dumps({**facts, "arrays": places, "bytes": at}).encode()
    text += b" " * (-(len(text) + 16) % _ALIGNMENT)
    with written_aside(path) as aside, aside.open("wb") as file:
        file.write(_MAGIC + struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            file.write(b"\0" * (-array.nbytes % _ALIGNMENT))


def _read(path: Path, kinds: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        with path.open("rb") as file:
            head = file.read(16)
            if head[:8] != _MAGIC:
                raise WfstAsrError(f"{path}: is no part of a graph that is composed while searched; make it again")
            (length,) = struct.unpack("<Q", head[8:])
            facts = json.loads(file.read(length)) if length < 1 << 20 else {}
        if path.stat().st_size != 16 + length + facts["bytes"]:
            raise WfstAsrError(f"{path}: is truncated or damaged; compile the graph again")
        arrays = {}
        for name, kind in kinds.items():
            at, size = facts["arrays"][name]
            arrays[name] = (
                np.memmap(path, dtype=kind, mode="r", offset=16 + length + at, shape=(size,)).view(np.ndarray)
                if size
                else np.empty(0, kind)
            )
    except OSError as error:
        raise WfstAsrError(f"{path}: cannot be read ({error.strerror}); compile the graph again") from error
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise WfstAsrError(f"{path}: is damaged ({error}); compile the graph again") from error
    return facts, arrays
