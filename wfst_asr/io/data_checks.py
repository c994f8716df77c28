"""All that is wrong with a data directory, with file and line."""

import os
from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.io.data_dir import DataDir, load_data_dir
from wfst_asr.io.tables import Problem, Row, read_table, sorting_key
from wfst_asr.io.wav import read_audio


def validate_data_dir(path: str | os.PathLike[str], *, read_sound: bool = False) -> list[Problem]:
    """List every problem of a data directory: ids without a partner, out of order or twice, empty transcripts, missing
    audio files, speakers that disagree, bytes that are not UTF-8, and so on.

    Args:
        path: the directory.
        read_sound: read every recording too, which takes time.

    Raises:
        WfstAsrError: there is no such directory, or it has no wav.scp.
    """
    folder = Path(path)
    data, problems = load_data_dir(folder)
    ignored: list[Problem] = []
    for row in read_table(folder / "wav.scp", ignored):
        audio = data.recordings[row.key]
        if row.value and not row.value.endswith("|"):
            problems += _audio_problems(row, audio, read_sound=read_sound)
    if not data.recordings:
        problems.append(Problem(folder / "wav.scp", 0, "there are no recordings; add 'utterance-id path' lines"))
    if (folder / "text").exists():
        for row in read_table(folder / "text", ignored):
            if not row.value:
                message = f"utterance '{row.key}' has an empty transcript; add its words or remove the utterance"
                problems.append(row.problem(message, fatal=False))
    problems += _speaker_problems(folder, data)
    if (folder / "utt2dur").exists():
        problems += [
            row.problem(f"utterance '{row.key}' is not in the directory; remove the line", fatal=False)
            for row in read_table(folder / "utt2dur", ignored)
            if row.key not in data.utterances
        ]
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line))


def _audio_problems(row: Row, audio: Path, *, read_sound: bool) -> list[Problem]:
    if not audio.is_file():
        what = "is a folder" if audio.is_dir() else "no such file"
        return [
            row.problem(f"recording '{row.key}': '{audio}': {what}; correct the path or remove the line", fatal=False)
        ]
    if read_sound:
        try:
            read_audio(audio, warn=False)
        except WfstAsrError as error:
            return [row.problem(f"recording '{row.key}': {error}", fatal=False)]
    return []


def _speaker_problems(folder: Path, data: DataDir) -> list[Problem]:
    problems: list[Problem] = []
    ignored: list[Problem] = []
    if (folder / "utt2spk").exists():
        previous = b""
        for row in read_table(folder / "utt2spk", ignored):
            if not row.value or len(row.value.split()) != 1:
                problems.append(row.problem(f"'{row.value}' is no speaker; expected 'utterance-id speaker-id'"))
            elif sorting_key(row.value) < previous:
                problems.append(
                    row.problem(
                        f"speaker '{row.value}' is out of order where utterances are sorted; begin utterance-ids with "
                        "their speaker-id",
                        fatal=False,
                    )
                )
                break
            previous = sorting_key(row.value)
    if not (folder / "spk2utt").exists():
        return problems
    members: dict[str, str] = {}
    for row in read_table(folder / "spk2utt", problems):
        for utterance in row.value.split():
            if data.utt2spk.get(utterance) != row.key:
                told = data.utt2spk.get(utterance)
                says = f"says '{told}'" if told is not None else "does not have it"
                problems.append(
                    row.problem(
                        f"utterance '{utterance}' is of speaker '{row.key}', but utt2spk {says}; make them agree"
                    )
                )
            members[utterance] = row.key
    for utterance in data.utt2spk:
        if utterance not in members:
            problems.append(Problem(folder / "spk2utt", 0, f"utterance '{utterance}' of utt2spk is missing; add it"))
    return problems
