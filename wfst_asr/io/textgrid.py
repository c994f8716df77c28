"""Praat's TextGrid: labelled intervals on tiers over a recording; written in the long text form, read in both."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError

_TOLERANCE_S = 1e-6


@dataclass(frozen=True)
class Interval:
    """A labelled stretch of time.

    Attributes:
        start_s: start in seconds.
        end_s: end in seconds, after the start.
        label: any text; empty where nothing is.
    """

    start_s: float
    end_s: float
    label: str = ""


@dataclass(frozen=True)
class Tier:
    """A named row of intervals, one after another without a gap."""

    name: str
    intervals: tuple[Interval, ...]


@dataclass(frozen=True)
class TextGrid:
    """The tiers of a recording, each of which tiles it.

    Attributes:
        start_s: where the recording starts, usually 0.
        end_s: where it ends.
        tiers: the rows, from the top.

    Raises:
        WfstAsrError: a tier with a gap, an overlap, an empty interval, or another start or end than the recording.
    """

    start_s: float
    end_s: float
    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        for tier in self.tiers:
            at = self.start_s
            for interval in tier.intervals:
                if abs(interval.start_s - at) > _TOLERANCE_S or not interval.end_s > interval.start_s:
                    raise WfstAsrError(
                        f"TextGrid tier '{tier.name}': the interval '{interval.label}' from {interval.start_s} to "
                        f"{interval.end_s} s does not begin at {at} s, where the one before ends; make it with tiled()"
                    )
                at = interval.end_s
            if abs(at - self.end_s) > _TOLERANCE_S:
                raise WfstAsrError(
                    f"TextGrid tier '{tier.name}': ends at {at} s, but the recording at {self.end_s} s; "
                    "make it with tiled()"
                )


def tiled(intervals: Iterable[Interval], duration_s: float) -> tuple[Interval, ...]:
    """Return the intervals with empty ones where there is none, up to the end of the recording.

    Args:
        intervals: in order, not overlapping.
        duration_s: length of the recording; what lies after it is cut off.

    >>> [(i.start_s, i.end_s, i.label) for i in tiled([Interval(0.5, 1.25, "no")], 1.5)]
    [(0.0, 0.5, ''), (0.5, 1.25, 'no'), (1.25, 1.5, '')]
    """
    result: list[Interval] = []
    at = 0.0
    for interval in intervals:
        start, end = min(interval.start_s, duration_s), min(interval.end_s, duration_s)
        if start - at > _TOLERANCE_S:
            result.append(Interval(at, start))
            at = start
        if end - at > _TOLERANCE_S:
            result.append(Interval(at, end, interval.label))
            at = end
    if duration_s - at > _TOLERANCE_S:
        result.append(Interval(at, duration_s))
    elif result:
        last = result.pop()
        result.append(Interval(last.start_s, duration_s, last.label))
    return tuple(result)


def write_textgrid(grid: TextGrid, path: str | os.PathLike[str]) -> None:
    """Write a TextGrid in the long text form, UTF-8, times to the microsecond (written aside, then renamed).

    Raises:
        WfstAsrError: the place cannot be written.
    """
    with written_aside(path) as aside:
        aside.write_text(format_textgrid(grid), encoding="utf-8")


def format_textgrid(grid: TextGrid) -> str:
    """Return the text of a TextGrid file.

    >>> print(format_textgrid(TextGrid(0, 0.5, (Tier("words", (Interval(0, 0.5, 'a "so" b'),)),))), end="")
    File type = "ooTextFile"
    Object class = "TextGrid"
    <BLANKLINE>
    xmin = 0
    xmax = 0.5
    tiers? <exists>
    size = 1
    item []:
        item [1]:
            class = "IntervalTier"
            name = "words"
            xmin = 0
            xmax = 0.5
            intervals: size = 1
            intervals [1]:
                xmin = 0
                xmax = 0.5
                text = "a ""so"" b"
    """
    start, end = _seconds(grid.start_s), _seconds(grid.end_s)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", f"xmin = {start}", f"xmax = {end}"]
    lines += ["tiers? <exists>", f"size = {len(grid.tiers)}", "item []:"]
    for number, tier in enumerate(grid.tiers, start=1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(tier.name)}"]
        lines += [f"        xmin = {start}", f"        xmax = {end}"]
        lines.append(f"        intervals: size = {len(tier.intervals)}")
        for position, interval in enumerate(tier.intervals, start=1):
            lines += [
                f"        intervals [{position}]:",
                f"            xmin = {_seconds(interval.start_s)}",
                f"            xmax = {_seconds(interval.end_s)}",
                f"            text = {_quoted(interval.label)}",
            ]
    return "\n".join(lines) + "\n"


def read_textgrid(path: str | os.PathLike[str]) -> TextGrid:
    """Read a TextGrid in the long or short text form, UTF-8 or UTF-16.

    Praat takes from such a file the numbers, the quoted texts and the words in <> that stand alone; all else is for
    people.  So does this.

    Raises:
        WfstAsrError: no such file, not a TextGrid, a tier of points, or tiers that do not tile the recording.
    """
    source = Path(path)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise WfstAsrError(f"{source}: cannot be read ({error.strerror}); expected a TextGrid") from error
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise WfstAsrError(f"{source}: not UTF-8 or UTF-16 text; save it from Praat as text") from error
    try:
        return _parse(_items(text))
    except WfstAsrError as error:
        raise WfstAsrError(f"{source}: {error}") from error


_ITEM = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)(<\w+>|[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)%?(?!\S)|(?<!\S)!.*|[^\s"]+')


def _items(text: str) -> Sequence[str | float]:
    """Return the texts, flags (with their <>, and no quotes) and numbers that stand alone."""
    found: list[str | float] = []
    for match in _ITEM.finditer(text):
        quoted, free = match.groups()
        if quoted is not None:
            found.append(quoted.replace('""', '"'))
        elif free is not None:
            found.append(free if free.startswith("<") else float(free))
    return found


def _parse(items: Sequence[str | float]) -> TextGrid:
    if list(items[:2]) != ["ooTextFile", "TextGrid"]:
        raise WfstAsrError("not a TextGrid; expected 'File type = \"ooTextFile\"' and 'Object class = \"TextGrid\"'")
    rest: Iterator[str | float] = iter(items[2:])

    def number() -> float:
        item = next(rest, None)
        if not isinstance(item, float):
            raise WfstAsrError(f"{_told(item)} where a number was expected")
        return item

    def word() -> str:
        item = next(rest, None)
        if not isinstance(item, str):
            raise WfstAsrError(f"{_told(item)} where a text was expected")
        return item

    start, end = number(), number()
    tiers = []
    for _ in range(int(number()) if word() == "<exists>" else 0):
        kind, name = word(), word()
        if kind != "IntervalTier":
            raise WfstAsrError(f"the tier '{name}' is a {kind}; expected tiers of intervals only, remove the others")
        number(), number()
        count = int(number())
        tiers.append(Tier(name, tuple(Interval(number(), number(), word()) for _ in range(count))))
    return TextGrid(start, end, tuple(tiers))


def _told(item: str | float | None) -> str:
    return "the end of the file" if item is None else f"'{item}'"


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
