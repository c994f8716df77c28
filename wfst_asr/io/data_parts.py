"""Parts of a data directory: some of its utterances, or all in several pieces."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.io.data_dir import DataDir
from wfst_asr.io.tables import sorting_key


def with_utterances(data: DataDir, utterances: Collection[str]) -> DataDir:
    """Keep these utterances, in the directory's order.

    Raises:
        WfstAsrError: one is not in the directory, or none is left.
    """
    wanted = set(utterances)
    unknown = sorted(wanted.difference(data.utterances), key=sorting_key)
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise WfstAsrError(f"utterance '{unknown[0]}'{more} is not in the data directory; check the list of ids")
    if not wanted:
        raise WfstAsrError("no utterances are left; choose at least one")
    kept = [name for name in data.utterances if name in wanted]
    speakers = {data.speaker(name) for name in kept}
    segments = None if data.segments is None else {name: data.segments[name] for name in kept}
    recordings = kept if segments is None else dict.fromkeys(entry.recording for entry in segments.values())
    return replace(
        data,
        recordings={name: data.recordings[name] for name in recordings},
        segments=segments,
        text=None if data.text is None else {name: data.text[name] for name in kept if name in data.text},
        utt2spk={name: data.utt2spk[name] for name in kept if name in data.utt2spk},
        utt2dur={name: data.utt2dur[name] for name in kept if name in data.utt2dur},
        spk2gender={name: gender for name, gender in data.spk2gender.items() if name in speakers},
    )


def with_speakers(data: DataDir, speakers: Iterable[str]) -> DataDir:
    """Keep the utterances of these speakers.

    Raises:
        WfstAsrError: a speaker is not in the directory.
    """
    wanted = list(speakers)
    unknown = [speaker for speaker in wanted if speaker not in data.spk2utt]
    if unknown:
        raise WfstAsrError(f"speaker '{unknown[0]}' is not in the data directory; it has {len(data.spk2utt)} speakers")
    return with_utterances(data, {name for speaker in wanted for name in data.spk2utt[speaker]})


def choose_utterances(
    utterances: Sequence[str], number: int, *, how: str = "first", rng: np.random.Generator | None = None
) -> list[str]:
    """Choose a number of utterances: the first, the last, or any at random.

    Raises:
        WfstAsrError: there are fewer, or the choice is random without `rng`.

    >>> choose_utterances(["a", "b", "c"], 2, how="last")
    ['b', 'c']
    """
    if not 1 <= number <= len(utterances):
        raise WfstAsrError(f"{number} utterances were asked for; expected 1 to the {len(utterances)} there are")
    if how == "first":
        return list(utterances[:number])
    if how == "last":
        return list(utterances[-number:])
    if how != "random":
        raise WfstAsrError(f"the choice is '{how}'; expected first, last or random")
    if rng is None:
        raise WfstAsrError("a random choice needs random numbers; pass rng=numpy.random.default_rng(seed)")
    return [utterances[i] for i in sorted(rng.choice(len(utterances), size=number, replace=False))]


def split(data: DataDir, parts: int, *, by_speaker: bool = True) -> list[DataDir]:
    """Split into parts of about the same length (in seconds where all durations are known, else in utterances).

    By speaker, a speaker's utterances stay together: the longest speakers are dealt first, each to the shortest part.
    Otherwise the parts are runs of utterances.

    Raises:
        WfstAsrError: there are fewer speakers, or utterances, than parts.
    """
    known = all(name in data.utt2dur for name in data.utterances)
    weight = {name: data.utt2dur[name] if known else 1.0 for name in data.utterances}
    units: list[tuple[str, ...]] = list(data.spk2utt.values()) if by_speaker else [(name,) for name in data.utterances]
    if not 1 <= parts <= len(units):
        what = "speakers" if by_speaker else "utterances"
        raise WfstAsrError(f"{parts} parts were asked for; expected 1 to the number of {what}, {len(units)}")
    sizes = [sum(weight[name] for name in unit) for unit in units]
    members: list[list[str]] = [[] for _ in range(parts)]
    if by_speaker:
        totals = np.zeros(parts)
        for index in sorted(range(len(units)), key=lambda i: (-sizes[i], i)):
            shortest = int(np.argmin(totals))
            totals[shortest] += sizes[index]
            members[shortest] += units[index]
    else:
        middles = np.cumsum(sizes) - np.array(sizes) / 2
        wanted = (middles * parts / sum(sizes)).astype(int)
        part = -1
        for index, unit in enumerate(units):
            # every part gets one at least: none is passed over, and enough are left for the parts still empty
            part = max(min(int(wanted[index]), part + 1), parts - (len(units) - index))
            members[part] += unit
    return [with_utterances(data, names) for names in members]
