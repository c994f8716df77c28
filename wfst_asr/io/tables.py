"""The tables of a data directory: a key, a space, a value a line; every problem kept with its file and line."""

import math
from dataclasses import dataclass
from pathlib import Path

from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True)
class Problem:
    """Something wrong in a file.

    Attributes:
        file: which.
        line: from 1; 0 for the file as a whole.
        message: what, with its value, and what to do.
        fatal: the directory cannot be used with it.
    """

    file: Path
    line: int
    message: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


@dataclass(frozen=True)
class Row:
    """One line of a table: where it stands, its key, and what follows the first space."""

    file: Path
    line: int
    key: str
    value: str

    def problem(self, message: str, *, fatal: bool = True) -> Problem:
        """Make a problem of this line."""
        return Problem(self.file, self.line, message, fatal)


def sorting_key(name: str) -> bytes:
    """Order names as Kaldi's LC_ALL=C does: by bytes.

    >>> sorted(["b", "a-1", "B", "a"], key=sorting_key)
    ['B', 'a', 'a-1', 'b']
    """
    return name.encode("utf-8", errors="surrogateescape")


def number_in(text: str) -> float | None:
    """Return the finite number that a text is, or None.

    >>> number_in("1.5"), number_in("nan"), number_in("long")
    (1.5, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_table(file: Path, problems: list[Problem]) -> list[Row]:
    """Read the rows of a table, the first of each key; add what is wrong to `problems`.

    Raises:
        WfstAsrError: the file cannot be read at all.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise WfstAsrError(f"{file}: cannot be read ({error.strerror}); expected 'id value' lines") from error
    rows: list[Row] = []
    first_line: dict[str, int] = {}
    previous = b""
    unsorted = 0
    lines = raw.split(b"\n")
    if raw and lines[-1]:
        problems.append(Problem(file, len(lines), "the last line has no end of line; add one", fatal=False))
    for number, line in enumerate(lines, 1):
        if not line and number == len(lines):
            continue
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            problems.append(Problem(file, number, f"byte {error.start + 1} is not UTF-8; convert the file to UTF-8"))
            continue
        if text.endswith("\r"):
            problems.append(Problem(file, number, "the line ends as on Windows (CR LF); convert it", fatal=False))
        key, _, value = text.strip().partition(" ")
        if "\t" in key:
            key, _, value = text.strip().partition("\t")
        if not key:
            problems.append(Problem(file, number, "the line is empty; remove it", fatal=False))
            continue
        if key in first_line:
            problems.append(Problem(file, number, f"the id '{key}' is in line {first_line[key]} already; keep one"))
            continue
        first_line[key] = number
        if sorting_key(key) < previous and not unsorted:
            unsorted = number
            problems.append(
                Problem(file, number, f"'{key}' is out of order; sort the file with LC_ALL=C sort", fatal=False)
            )
        previous = sorting_key(key)
        rows.append(Row(file, number, key, value.strip()))
    return rows
