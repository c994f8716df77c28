"""Kaldi's data directories: wav.scp, segments, text, utt2spk, spk2utt, utt2dur and spk2gender of some recordings."""

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.io.tables import Problem, number_in, read_table, sorting_key
from wfst_asr.io.wav import Audio, read_audio


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording that is one utterance.

    Attributes:
        recording: id in wav.scp.
        start_s: start in seconds.
        end_s: end in seconds.
    """

    recording: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class DataDir:
    """A set of utterances.

    Attributes:
        recordings: audio file by recording id; without segments these are the utterances.
        segments: stretch by utterance id; None where each recording is one utterance.
        text: transcript by utterance id; None where there is none.
        utt2spk: speaker by utterance id; where the directory had none, each utterance is its own speaker.
        utt2dur: seconds by utterance id, as far as known.
        spk2gender: gender by speaker, as far as known.
    """

    recordings: Mapping[str, Path]
    segments: Mapping[str, Segment] | None = None
    text: Mapping[str, str] | None = None
    utt2spk: Mapping[str, str] = field(default_factory=dict)
    utt2dur: Mapping[str, float] = field(default_factory=dict)
    spk2gender: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def utterances(self) -> tuple[str, ...]:
        """Utterance ids in order."""
        return tuple(self.recordings if self.segments is None else self.segments)

    @cached_property
    def spk2utt(self) -> dict[str, tuple[str, ...]]:
        """Utterances by speaker."""
        result: dict[str, list[str]] = {}
        for utterance in self.utterances:
            result.setdefault(self.speaker(utterance), []).append(utterance)
        return {speaker: tuple(result[speaker]) for speaker in sorted(result, key=sorting_key)}

    def speaker(self, utterance: str) -> str:
        """Return the speaker of an utterance; the utterance itself where none is known."""
        return self.utt2spk.get(utterance, utterance)

    def read_audio(self, utterance: str, *, sample_rate_hz: int | None = None, warn: bool = True) -> Audio:
        """Read one utterance's sound; see `wfst_asr.io.wav.read_audio`."""
        if self.segments is None:
            return read_audio(self.recordings[utterance], sample_rate_hz=sample_rate_hz, warn=warn)
        segment = self.segments[utterance]
        return read_audio(
            self.recordings[segment.recording],
            sample_rate_hz=sample_rate_hz,
            start_s=segment.start_s,
            end_s=segment.end_s,
            warn=warn,
        )

    def audio(self, *, sample_rate_hz: int | None = None) -> Iterator[tuple[str, Audio]]:
        """Yield (utterance, sound) of all; what was converted is told at the end, once a kind with a count."""
        conversions: Counter[str] = Counter()
        for utterance in self.utterances:
            sound = self.read_audio(utterance, sample_rate_hz=sample_rate_hz, warn=False)
            if sound.conversion:
                conversions[sound.conversion] += 1
            yield utterance, sound
        for conversion, count in conversions.items():
            warnings.warn(f"{count} of {len(self.utterances)} utterances, {conversion}", WfstAsrWarning, stacklevel=2)


def read_data_dir(path: str | os.PathLike[str]) -> DataDir:
    """Read a data directory; relative paths in wav.scp count from the directory.

    Needed is wav.scp; the other files may be missing.  What `validate_data_dir` lists as a problem of order or of a
    missing audio file does not keep it from being read.

    Raises:
        WfstAsrError: something in it cannot be made sense of: the first problem, and how many more there are.
    """
    data, problems = load_data_dir(Path(path))
    fatal = [problem for problem in problems if problem.fatal]
    if fatal:
        more = f" (and {len(fatal) - 1} more: wfst-asr data validate {path})" if len(fatal) > 1 else ""
        raise WfstAsrError(f"{fatal[0]}{more}")
    if not data.utterances:
        raise WfstAsrError(f"{Path(path) / 'wav.scp'}: there are no utterances; expected 'utterance-id path' lines")
    return data


def load_data_dir(folder: Path) -> tuple[DataDir, list[Problem]]:
    """Read what can be read, and list the problems met; for `validate_data_dir`."""
    problems: list[Problem] = []
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "no such folder"
        raise WfstAsrError(f"{folder}: {what}; expected a data directory with wav.scp and text")
    scp = folder / "wav.scp"
    if not scp.exists():
        raise WfstAsrError(f"{scp}: no such file; a data directory needs 'utterance-id path' lines there")
    recordings: dict[str, Path] = {}
    for row in read_table(scp, problems):
        if row.value.endswith("|"):
            problems.append(
                row.problem(
                    f"recording '{row.key}' is a command ('{row.value}'), which is not run; convert it to a file"
                )
            )
        elif not row.value:
            problems.append(row.problem(f"recording '{row.key}' has no path; add it or remove the line"))
        recordings[row.key] = folder / row.value
    segments = _read_segments(folder / "segments", recordings, problems)
    names = recordings if segments is None else segments
    source = "wav.scp" if segments is None else "segments"

    def column(name: str, what: str) -> dict[str, str] | None:
        file = folder / name
        if not file.exists():
            return None
        rows = {row.key: row for row in read_table(file, problems)}
        for row in rows.values():
            if row.key not in names:
                problems.append(
                    row.problem(f"utterance '{row.key}' is not in {source}; remove the line or add the {what}")
                )
        for key in names:
            if key not in rows:
                problems.append(Problem(file, 0, f"utterance '{key}' of {source} has no line; add it"))
        return {row.key: row.value for row in rows.values()}

    text = column("text", "recording")
    utt2spk = column("utt2spk", "recording") or {}
    durations = {}
    if (folder / "utt2dur").exists():
        for row in read_table(folder / "utt2dur", problems):
            seconds = number_in(row.value)
            if seconds is None or seconds <= 0:
                problems.append(row.problem(f"'{row.value}' is no duration; expected seconds above 0"))
            else:
                durations[row.key] = seconds
    genders = {}
    if (folder / "spk2gender").exists():
        genders = {row.key: row.value for row in read_table(folder / "spk2gender", problems)}
    return DataDir(recordings, segments, text, utt2spk, durations, genders), problems


def _read_segments(file: Path, recordings: dict[str, Path], problems: list[Problem]) -> dict[str, Segment] | None:
    if not file.exists():
        return None
    segments = {}
    for row in read_table(file, problems):
        items = row.value.split()
        times = [number_in(item) for item in items[1:]]
        start, end = times if len(times) == 2 else (None, None)
        if start is None or end is None:
            problems.append(row.problem(f"found '{row.key} {row.value}'; expected 'utterance recording start end'"))
        elif not 0 <= start < end:
            problems.append(
                row.problem(f"segment '{row.key}' goes from {start:g} to {end:g} s; expected 0 <= start < end")
            )
        elif items[0] not in recordings:
            problems.append(row.problem(f"recording '{items[0]}' is not in wav.scp; remove the line or add it there"))
        else:
            segments[row.key] = Segment(items[0], start, end)
    return segments


def write_data_dir(data: DataDir, path: str | os.PathLike[str]) -> None:
    """Write a data directory, sorted as Kaldi wants it, with absolute paths in wav.scp.

    Raises:
        WfstAsrError: the place cannot be written.
    """
    folder = Path(path)
    utterances = sorted(data.utterances, key=sorting_key)
    used = data.recordings if data.segments is None else {data.segments[name].recording for name in utterances}
    tables: dict[str, dict[str, str]] = {
        "wav.scp": {name: str(data.recordings[name].absolute()) for name in used},
        "utt2spk": {name: data.speaker(name) for name in utterances},
        "spk2utt": {name: " ".join(sorted(members, key=sorting_key)) for name, members in data.spk2utt.items()},
    }
    if data.segments is not None:
        tables["segments"] = {
            name: f"{entry.recording} {entry.start_s:g} {entry.end_s:g}" for name, entry in data.segments.items()
        }
    if data.text is not None:
        tables["text"] = {name: data.text[name] for name in utterances if name in data.text}
    if data.utt2dur:
        tables["utt2dur"] = {name: f"{data.utt2dur[name]:.3f}" for name in utterances if name in data.utt2dur}
    if data.spk2gender:
        tables["spk2gender"] = {name: data.spk2gender[name] for name in data.spk2utt if name in data.spk2gender}
    for name, rows in tables.items():
        with written_aside(folder / name) as aside:
            lines = [f"{key} {rows[key]}".rstrip() + "\n" for key in sorted(rows, key=sorting_key)]
            aside.write_text("".join(lines), encoding="utf-8")
