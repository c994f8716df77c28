"""Manifest: what a compiled graph was made of, beside it as `manifest.json`.

A decoder reads here what the columns of a score matrix must be; a person reads what each step cost.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError

MANIFEST_NAME = "manifest.json"
FORMAT = 1
LABEL_KINDS = ("transition-id", "pdf-id+1", "token+1")


@dataclass(frozen=True)
class Step:
    """One step of compiling a graph: what came out and what it took.

    Attributes:
        name: for example "det(L o G)".
        states: states of the machine that the step made.
        arcs: its arcs.
        seconds: wall-clock time.
        cpu_seconds: processor time, all threads together.
        peak_mb: largest resident memory of the process so far, in MiB.
        bytes: size of the arrays (or the file) that the step made.
        sha256: hash of these; empty where the step made nothing to hash, or an older version made the graph.
    """

    name: str
    states: int
    arcs: int
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    bytes: int = 0
    sha256: str = ""

    def __post_init__(self) -> None:
        numbers = (self.states, self.arcs, self.seconds, self.cpu_seconds, self.peak_mb, self.bytes)
        if (
            not isinstance(self.name, str)
            or not isinstance(self.sha256, str)
            or not all(isinstance(number, int | float) for number in numbers)
        ):
            raise WfstAsrError(f"step {self.name!r}: expected a name and numbers; compile the graph again")


@dataclass(frozen=True)
class Manifest:
    """What a graph folder holds and how it was made.

    Attributes:
        label_kind: what the graph's input labels are, "transition-id", "pdf-id+1" or (CTC) "token+1".
        num_columns: columns that a score matrix for this graph must have.
        column_names: what a column is, in short, for example "pdf-id of final.mdl".
        frame_shift_s: seconds from one frame to the next.
        acoustic_scale: factor on acoustic scores in decoding, unless the caller gives another.
        self_loop_scale: scale that was applied to self-loop log probabilities.
        transition_scale: scale that was applied to the other transition log probabilities.
        blank_column: column of CTC's blank; -1 in other graphs.
        silence_phones: names, as in `phones.txt`.
        inputs: SHA-256 of each input file by name.
        options: options of the compilation by name.
        steps: sizes and cost of each step.
        key: hash of all that the graph depends on: inputs, options, version; empty in graphs of older versions.
        outputs: SHA-256 of each file of the folder but the manifest, by name.
        versions: of Python and of the packages whose code made the graph.
        made_by: package and version that made the graph.
        format: version of this record.

    Raises:
        WfstAsrError: an unknown label kind or format, or a number out of range.

    >>> Manifest(label_kind="pdf-id+1", num_columns=3, column_names="senone").acoustic_scale
    1.0
    """

    label_kind: str
    num_columns: int
    column_names: str
    frame_shift_s: float = 0.01
    acoustic_scale: float = 1.0
    self_loop_scale: float = 1.0
    transition_scale: float = 1.0
    blank_column: int = -1
    silence_phones: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    key: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    made_by: str = "wfst_asr 0.1.0"
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise WfstAsrError(f"format {self.format!r} of the manifest, expected {FORMAT}; compile the graph again")
        if self.label_kind not in LABEL_KINDS:
            raise WfstAsrError(f"label_kind '{self.label_kind}', expected one of {', '.join(LABEL_KINDS)}")
        if not isinstance(self.num_columns, int) or isinstance(self.num_columns, bool) or self.num_columns < 1:
            raise WfstAsrError(f"num_columns {self.num_columns!r}, expected a whole number of at least 1")
        blank = self.blank_column
        if not isinstance(blank, int) or isinstance(blank, bool) or not -1 <= blank < self.num_columns:
            raise WfstAsrError(f"blank_column {blank!r}, expected a column below {self.num_columns}, or -1 for none")
        for name in ("frame_shift_s", "acoustic_scale", "self_loop_scale", "transition_scale"):
            value = getattr(self, name)
            positive = name in ("frame_shift_s", "acoustic_scale")
            if not isinstance(value, int | float) or not math.isfinite(value) or value < 0 or (positive and not value):
                raise WfstAsrError(f"{name} {value!r}, expected a {'positive' if positive else 'non-negative'} number")
        for name in ("inputs", "options", "outputs", "versions"):
            if not isinstance(getattr(self, name), Mapping):
                raise WfstAsrError(f"{name} {getattr(self, name)!r}, expected values by name; compile the graph again")


def write_manifest(folder: str | os.PathLike[str], manifest: Manifest) -> None:
    """Write `manifest.json` into a graph folder (written aside, then renamed)."""
    with written_aside(Path(folder) / MANIFEST_NAME) as aside:
        aside.write_text(json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_manifest(folder: str | os.PathLike[str]) -> Manifest:
    """Read `manifest.json` of a graph folder; fields that this version does not know are left out.

    Raises:
        WfstAsrError: no such file, not JSON, a missing field, or a value out of range.
    """
    path = Path(folder) / MANIFEST_NAME
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WfstAsrError(f"{path}: cannot be read ({error.strerror}); compile the graph again") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise WfstAsrError(f"{path}: not JSON ({error}); compile the graph again") from error
    if not isinstance(record, dict):
        raise WfstAsrError(f"{path}: expected a JSON object; compile the graph again")
    try:
        steps = tuple(Step(**_known(Step, step)) for step in record.get("steps", ()))
        silence = tuple(record.get("silence_phones", ()))
        return Manifest(**{**_known(Manifest, record), "steps": steps, "silence_phones": silence})
    except (TypeError, ValueError, AttributeError) as error:
        raise WfstAsrError(f"{path}: {error}; compile the graph again") from error
    except WfstAsrError as error:
        raise WfstAsrError(f"{path}: {error}") from error


def _known(record_type: type, record: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(record_type)}
    return {name: value for name, value in record.items() if name in names}
