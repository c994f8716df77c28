"""Corpora as folders: Kaldi data directories in them, and the sets that a recipe makes of them."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.io.data_dir import DataDir, load_data_dir, write_data_dir

SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".sph")


def read_usable(folder: str | os.PathLike[str]) -> DataDir:
    """Read the utterances of a data directory that can be used: those with a transcript and a recording that is there.

    What is left out is told once, with a count, examples and the first reason.

    Raises:
        WfstAsrError: the folder is no data directory, has no transcripts, or nothing in it can be used.
    """
    root = Path(folder)
    data, problems = load_data_dir(root)
    if data.text is None:
        raise WfstAsrError(f"{root / 'text'}: no such file; expected 'utterance-id WORDS' lines")
    there = {name for name, path in data.recordings.items() if path.is_file()}
    left_out: list[str] = []
    kept: list[str] = []
    for name in data.utterances:
        recording = name if data.segments is None else data.segments[name].recording
        (kept if recording in there and name in data.text else left_out).append(name)
    if not kept:
        reason = f": {problems[0]}" if problems else ""
        raise WfstAsrError(f"{root}: has no utterance with both a recording and a transcript{reason}")
    if left_out or any(problem.fatal for problem in problems):
        first = next((str(problem) for problem in problems if problem.fatal), "their recordings are missing")
        some = ", ".join(left_out[:3]) + (" ..." if len(left_out) > 3 else "")
        warnings.warn(
            f"{root}: {len(left_out)} of {len(data.utterances)} utterances were left out"
            f"{f' ({some})' if some else ''}; the first problem: {first}",
            WfstAsrWarning,
            stacklevel=2,
        )
    return chosen(data, kept)


def chosen(data: DataDir, utterances: Sequence[str]) -> DataDir:
    """Return some of the utterances of a data directory."""
    if data.segments is not None:
        segments = {name: data.segments[name] for name in utterances}
        recordings = {segment.recording: data.recordings[segment.recording] for segment in segments.values()}
    else:
        segments = None
        recordings = {name: data.recordings[name] for name in utterances}
    return replace(data, recordings=recordings, segments=segments)


def find_set(corpus: Path, names: Sequence[str]) -> Path | None:
    """Return the first folder of one of the names that is a data directory; None where there is none."""
    return next((corpus / name for name in names if (corpus / name / "wav.scp").is_file()), None)


def find_below(corpus: Path, name: str) -> Path | None:
    """Return the file or folder of this name in a folder or, the least deep first, up to three folders below it."""
    for depth in range(4):
        found = sorted(corpus.glob("*/" * depth + name))
        if found:
            return found[0]
    return None


def write_sets(sets: Mapping[str, DataDir], out_dir: Path) -> dict[str, Any]:
    """Write data directories below a folder, and return how many utterances and speakers each has."""
    figures: dict[str, Any] = {}
    for name, data in sets.items():
        write_data_dir(data, out_dir / name)
        figures[f"{name}_utterances"] = len(data.utterances)
        figures[f"{name}_speakers"] = len(data.spk2utt)
    return figures


def check_corpus(corpus: str | os.PathLike[str]) -> Path:
    """Return the folder of a corpus.

    Raises:
        WfstAsrError: it is none.
    """
    folder = Path(corpus)
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "no such folder"
        raise WfstAsrError(
            f"{folder}: {what}; --corpus names the folder of the corpus, without it the corpus is fetched"
        )
    return folder
