"""Finished steps of a compilation on disk, so that a run that was killed is taken up where it was.

A step has a small record (`NAME.json`: its key, the hash of what it made, sizes and times) and, until a later step is
stored, its arrays (`NAME.arrays`).  Both are written aside and renamed, arrays first, so that a record without arrays
means that they were dropped, and a kill at any moment leaves whole files only.  They are not synced to the disk: a
kill of the process loses nothing, and after a failure of the machine the hash tells what is damaged.
"""

import json
import re
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

import numpy as np

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.content_hash import content_sha256
from wfst_asr.fst.manifest import Step
from wfst_asr.graph.lexical_tree import Machine
from wfst_asr.graph.window_list import WindowList

_KINDS: dict[str, type] = {kind.__name__: kind for kind in (Machine, ArcTable, WindowList)}


@dataclass(frozen=True)
class StepRecord:
    """What is known of a finished step.

    Attributes:
        key: hash of everything that it depends on.
        step: name, sizes, times, and the hash of what it made.
    """

    key: str
    step: Step


def write_machine(file: IO[bytes], value: Any) -> None:
    """Write a Machine, an ArcTable or a WindowList: a line of JSON, then the arrays as NumPy writes them."""
    parts = [(field.name, getattr(value, field.name)) for field in fields(value)]
    told = [(part, "array" if isinstance(item, np.ndarray) else item) for part, item in parts]
    file.write(json.dumps({"kind": type(value).__name__, "fields": told}).encode() + b"\n")
    for _, item in parts:
        if isinstance(item, np.ndarray):
            np.save(file, item, allow_pickle=False)


def read_machine(file: IO[bytes]) -> Any:
    """Read what `write_machine` wrote.

    Raises:
        ValueError, KeyError, TypeError, EOFError: it is something else.
    """
    head = json.loads(file.readline())
    values = {name: np.load(file, allow_pickle=False) if told == "array" else told for name, told in head["fields"]}
    return _KINDS[head["kind"]](**values)


class StepStore:
    """The finished steps in a folder.

    Args:
        folder: where they are kept; made when the first step is stored.
        keep: keep the arrays of all steps, not only of the last.
    """

    def __init__(self, folder: Path, *, keep: bool = False) -> None:
        self.folder = folder
        self.keep = keep
        self._disabled = False

    def record(self, name: str) -> StepRecord | None:
        """Return the record of a step, None where there is none that can be read."""
        try:
            told = json.loads(self._path(name, "json").read_text("utf-8"))
            return StepRecord(told["key"], Step(**told["step"]))
        except (OSError, ValueError, KeyError, TypeError, WfstAsrError):
            return None

    def load(self, record: StepRecord) -> Any:
        """Return what a step made, None where its arrays are not there or are not what they were."""
        try:
            with self._path(record.step.name, "arrays").open("rb") as file:
                value = read_machine(file)
        except (OSError, ValueError, KeyError, TypeError, EOFError, WfstAsrError):
            return None
        return value if content_sha256(value) == record.step.sha256 else None

    def has_arrays(self, name: str) -> bool:
        return self._path(name, "arrays").exists()

    def save(self, record: StepRecord, value: Any, *, lasting: bool = False) -> None:
        """Store a step, and drop the arrays of earlier ones.

        Where the disk is too small, all arrays are dropped, which is told once, and nothing is stored from then on.

        Args:
            record: of the step.
            value: what it made, a Machine or an ArcTable.
            lasting: its arrays stay until `clear`.
        """
        if self._disabled:
            return
        arrays, name = self._path(record.step.name, "arrays"), record.step.name
        try:
            self._path(name, "json").unlink(missing_ok=True)
            with written_aside(arrays) as aside, aside.open("wb") as file:
                write_machine(file, value)
            with written_aside(self._path(name, "json")) as aside:
                aside.write_text(
                    json.dumps({"key": record.key, "step": asdict(record.step), "lasting": lasting}), "utf-8"
                )
        except (OSError, WfstAsrError) as error:
            self._disabled = True
            self.clear()
            warnings.warn(
                f"finished steps cannot be kept ({error}); going on without, so that an interrupted run begins anew",
                WfstAsrWarning,
                stacklevel=3,
            )
            return
        if not self.keep and not lasting:
            self._drop_arrays(but=name)

    def clear(self) -> None:
        """Remove everything that was stored."""
        with suppress(OSError):
            for path in [*self.folder.glob("*.arrays"), *self.folder.glob("*.json"), *self.folder.glob(".*.part")]:
                path.unlink(missing_ok=True)

    @property
    def is_empty(self) -> bool:
        return not any(self.folder.glob("*.json"))

    def _drop_arrays(self, *, but: str) -> None:
        for path in self.folder.glob("*.json"):
            with suppress(OSError, ValueError):
                if path != self._path(but, "json") and not json.loads(path.read_text("utf-8")).get("lasting"):
                    path.with_suffix(".arrays").unlink(missing_ok=True)

    def _path(self, name: str, suffix: str) -> Path:
        return self.folder / f"{re.sub('[^A-Za-z0-9]+', '-', name).strip('-')}.{suffix}"
