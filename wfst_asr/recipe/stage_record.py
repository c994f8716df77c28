"""What is written down about a stage that was made: the hashes of what it read and wrote, its figures and its usage."""

import dataclasses
import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wfst_asr.atomic_files import written_aside

RECORDS = ".stages"
_FORMAT = 1


@dataclass
class StageRecord:
    """What is written down about a stage that was made.

    Attributes:
        name: of the stage.
        key: hash of its function, inputs and options.
        inputs: hash by parameter.
        options: value by parameter.
        outputs: hash by file.
        figures: numbers and texts that its function returned.
        cpu_seconds: that it took, child processes included.
        wall_seconds: likewise.
        peak_mb: likewise.
        format: of this record.
    """

    name: str
    key: str
    inputs: dict[str, str]
    options: dict[str, Any]
    outputs: dict[str, str]
    figures: dict[str, Any] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_mb: float = 0.0
    format: int = _FORMAT


def record_path(work: Path, name: str) -> Path:
    """Return where a stage's record is."""
    return work / RECORDS / f"{name}.json"


def read_record(work: Path, name: str) -> StageRecord | None:
    """Return what is recorded of a stage; None where it was not made, or by another version."""
    try:
        record = StageRecord(**json.loads(record_path(work, name).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return record if record.format == _FORMAT and isinstance(record.outputs, dict) else None


def write_record(work: Path, record: StageRecord) -> None:
    """Write a record to its place."""
    with written_aside(record_path(work, record.name)) as file:
        file.write_text(json.dumps(dataclasses.asdict(record), indent=1), encoding="utf-8")


def plain(value: object) -> Any:
    """Return an option's value as JSON has it; records as their fields.

    Raises:
        TypeError: it is of another kind; give files and folders as inputs.

    >>> from fractions import Fraction
    >>> plain((1, None, {"a": 2.5}))
    [1, None, {'a': 2.5}]
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in sorted(value.items())}
    if isinstance(value, frozenset | set):
        return sorted(plain(entry) for entry in value)
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    raise TypeError(f"an option of a stage is a {type(value).__name__}; expected numbers, texts and records")


def figures_of(returned: object) -> dict[str, Any]:
    """Return the numbers and texts of what a stage's function returned, a mapping or a record; the rest is left out."""
    if isinstance(returned, Mapping):
        entries = {str(name): value for name, value in returned.items()}
    elif dataclasses.is_dataclass(returned) and not isinstance(returned, type):
        entries = {entry.name: getattr(returned, entry.name) for entry in dataclasses.fields(returned)}
    else:
        entries = {}
    if any(hasattr(value, "item") and getattr(value, "ndim", 1) == 0 for value in entries.values()):
        entries = {name: value.item() if getattr(value, "ndim", 1) == 0 else value for name, value in entries.items()}
    return {
        name: value for name, value in entries.items() if value is None or isinstance(value, bool | int | float | str)
    }
