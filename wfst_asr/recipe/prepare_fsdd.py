"""fsdd: English digits, one a recording, at 8 kHz; and strings of digits made of them, joined with pauses.

The recordings are named {digit}_{speaker}_{index}.wav; those with index 0 to 4 are the data set's own test split.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.io.data_dir import DataDir, read_data_dir
from wfst_asr.io.tables import sorting_key
from wfst_asr.recipe.corpus_layout import SOUND_SUFFIXES, check_corpus, chosen, read_usable, write_sets

WORDS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
_HOME_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<index>\d+)")
_KALDI_NAME = re.compile(r"(?P<speaker>[a-z]+)-(?P<digit>\d)-(?P<index>\d+)")
NUM_TEST = 5


def prepare_fsdd(corpus: Path, out_dir: Path, *, num_valid: int = 5) -> dict[str, Any]:
    """Write train/, valid/ and test/ below a folder: of each digit and speaker recordings 0 to 4 test.

    Args:
        corpus: a data directory whose utterances are named speaker-digit-index, or a folder with recordings
            digit_speaker_index.wav in it or below it, as the data set's home packs it.
        out_dir: where to write.
        num_valid: recordings of each digit and speaker, from index 5 on, that validate; the rest trains.

    Returns:
        Numbers of utterances and speakers.

    Raises:
        WfstAsrError: no such recordings, or none left to train on.
    """
    root = check_corpus(corpus)
    data = read_usable(root) if (root / "wav.scp").is_file() else _of_names(root)
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for utterance in data.utterances:
        found = _KALDI_NAME.fullmatch(utterance)
        if found is None:
            raise WfstAsrError(f"{root}: utterance '{utterance}', expected a name like 'george-0-12'; is this fsdd?")
        index = int(found["index"])
        parts["test" if index < NUM_TEST else "valid" if index < NUM_TEST + num_valid else "train"].append(utterance)
    missing = [name for name, utterances in parts.items() if not utterances]
    if missing:
        raise WfstAsrError(f"{root}: has no recordings for '{missing[0]}'; expected some 50 of each digit and speaker")
    return write_sets({name: chosen(data, utterances) for name, utterances in parts.items()}, out_dir)


def join_digits(
    data_dir: Path,
    out_dir: Path,
    *,
    recordings: Path,
    strings: int = 0,
    digits: tuple[int, int] = (3, 7),
    pause_s: tuple[float, float] = (0.05, 0.35),
    times: int = 1,
    seed: int = 0,
) -> dict[str, Any]:
    """Write a data directory of strings of digits: recordings of one speaker one after another, with pauses.

    Each recording is used equally often, as far as the numbers go; pauses are silence with a breath of noise, as no
    recording has true zeros between words.

    Args:
        data_dir: directory of single digits.
        out_dir: where to write, the recordings (16-bit WAV) in wav/.
        recordings: the folder that the recordings are in: an input, since the directory names only their places.
        strings: how many; 0: so many that each recording is used `times` times.
        digits: of a string, fewest and most.
        pause_s: before, between and behind digits, shortest and longest.
        times: see `strings`.
        seed: of what is joined, and of the pauses.

    Returns:
        Numbers of strings and seconds.

    Raises:
        WfstAsrError: the directory has no transcripts, or the recordings differ in sample rate.
    """
    del recordings
    import soundfile

    data = read_data_dir(data_dir)
    if data.text is None:
        raise WfstAsrError(f"{data_dir / 'text'}: no such file; expected the digit of each recording")
    rng = np.random.default_rng(seed)
    sounds = {name: data.read_audio(name) for name in data.utterances}
    rates = sorted({sound.sample_rate_hz for sound in sounds.values()})
    if len(rates) != 1:
        raise WfstAsrError(f"{data_dir}: recordings of {rates[0]} and {rates[-1]} Hz; expected one sample rate")
    rate = rates[0]
    (out_dir / "wav").mkdir(parents=True, exist_ok=True)
    paths, text, speakers, seconds = {}, {}, {}, 0.0
    for number, (speaker, names) in enumerate(_strings(data, strings, digits, times, rng)):
        pieces: list[NDArray[np.float32]] = [_pause(pause_s, rate, rng)]
        for name in names:
            pieces += [sounds[name].samples, _pause(pause_s, rate, rng)]
        samples = np.clip(np.rint(np.concatenate(pieces)), -32768, 32767).astype(np.int16)
        utterance = f"{speaker}-string-{number:04d}"
        paths[utterance] = out_dir / "wav" / f"{utterance}.wav"
        soundfile.write(paths[utterance], samples, rate, subtype="PCM_16")
        text[utterance] = " ".join(data.text[name] for name in names)
        speakers[utterance] = speaker
        seconds += len(samples) / rate
    joined = DataDir(paths, text=text, utt2spk=speakers)
    write_sets({".": joined}, out_dir)
    scp = out_dir / "wav.scp"  # the folder may be moved
    lines = [f"{name} wav/{paths[name].name}\n" for name in sorted(paths, key=sorting_key)]
    scp.write_text("".join(lines), encoding="utf-8")
    return {"strings": len(paths), "seconds": round(seconds, 1)}


def _strings(
    data: DataDir, strings: int, digits: tuple[int, int], times: int, rng: np.random.Generator
) -> list[tuple[str, list[str]]]:
    """Return (speaker, utterances) of each string."""
    made: list[tuple[str, list[str]]] = []
    for place, (speaker, members) in enumerate(data.spk2utt.items()):
        wanted = strings // len(data.spk2utt) + (place < strings % len(data.spk2utt))
        order: list[str] = []
        count = rounds = 0
        while count < wanted if strings else order or rounds < times:
            if not order:
                order = [members[number] for number in rng.permutation(len(members)).tolist()]
                rounds += 1
            length = int(rng.integers(digits[0], digits[1] + 1))
            made.append((speaker, order[:length]))
            order, count = order[length:], count + 1
    return made


def _pause(length_s: Sequence[float], rate: int, rng: np.random.Generator) -> NDArray[np.float32]:
    samples = round(rng.uniform(length_s[0], length_s[1]) * rate)
    noise: NDArray[np.float32] = 2.0 * rng.standard_normal(samples, dtype=np.float32)
    return noise


def _of_names(root: Path) -> DataDir:
    """Take digits and speakers from the names of the recordings."""
    recordings, text, speakers = {}, {}, {}
    for path in sorted(path for path in root.rglob("*") if path.suffix in SOUND_SUFFIXES):
        found = _HOME_NAME.fullmatch(path.stem)
        if found is None:
            continue
        utterance = f"{found['speaker']}-{found['digit']}-{found['index']}"
        recordings[utterance] = path
        text[utterance] = WORDS[int(found["digit"])]
        speakers[utterance] = found["speaker"]
    if not recordings:
        raise WfstAsrError(f"{root}: has neither a wav.scp nor recordings named like 0_george_12.wav; is this fsdd?")
    return DataDir(recordings, text=text, utt2spk=speakers)
