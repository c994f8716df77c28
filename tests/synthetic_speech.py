"""A corpus of made-up speech: every phone a chord or a hiss of its own, words of a small lexicon, two speakers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from tests.toy_world import status_of

RATE = 8000
LEXICON = "<UNK> SPN\nease IY S\nmass M A S\nmoss M O S\nsame S IY M\nsaw S O\n"
LANG_OPTIONS = ["--silence-phones", "SIL,SPN", "--no-position-dependent", "--oov", "<UNK>"]
DIALS = ["--num-iterations", "6", "--num-gaussians", "35"]  # of a training that takes no time
_CHORDS = {"IY": (300, 2600), "A": (800, 1400), "O": (450, 900), "M": (220, 1100), "S": ()}
_WORDS = {row.split()[0]: row.split()[1:] for row in LEXICON.splitlines()[1:]}


@dataclass(frozen=True)
class Spoken:
    """Where the corpus is.

    Attributes:
        data: data directory, with transcripts and speakers.
        lang: lexicon directory.
    """

    data: Path
    lang: Path


def sound_of(words: list[str], rng: np.random.Generator, *, pitch: float = 1.0) -> np.ndarray:
    """Say words: (N,) samples of -1 to 1, with silence before, after and sometimes between them."""
    parts = [_noise(rng, 0.15)]
    for word in words:
        parts += [_phone(phone, rng, pitch) for phone in _WORDS[word]]
        if rng.random() < 0.5:
            parts.append(_noise(rng, 0.08))
    return np.concatenate([*parts, _noise(rng, 0.15)])


def _noise(rng: np.random.Generator, seconds: float) -> np.ndarray:
    return 0.002 * rng.normal(size=int(seconds * RATE))


def _phone(phone: str, rng: np.random.Generator, pitch: float) -> np.ndarray:
    time = np.arange(int(rng.uniform(0.08, 0.14) * RATE)) / RATE
    chord = _CHORDS[phone]
    if not chord:  # a hiss
        return 0.1 * np.diff(rng.normal(size=len(time) + 1))
    glide = 1.0 + 0.1 * time / time[-1]
    waves = [np.sin(2 * np.pi * pitch * tone * glide * time + rng.uniform(0, 6)) for tone in chord]
    return np.asarray(0.1 * np.sum(waves, axis=0) + 0.01 * rng.normal(size=len(time)))


def write_speech(folder: Path, *, utterances: int = 16, words: int = 6, seed: int = 0) -> Path:
    """Write a data directory of two speakers, anna and bert, who take turns."""
    rng = np.random.default_rng(seed)
    rows = {}
    (folder / "wav").mkdir(parents=True)
    for number in range(utterances):
        speaker, pitch = (("anna", 1.0), ("bert", 0.85))[number % 2]
        said = rng.choice(sorted(_WORDS), words).tolist()
        name = f"{speaker}-{number:02d}"
        soundfile.write(folder / "wav" / f"{name}.wav", sound_of(said, rng, pitch=pitch), RATE)
        rows[name] = (speaker, " ".join(said))
    write_tables(folder, rows)
    return folder


def write_tables(folder: Path, rows: dict[str, tuple[str, str]]) -> None:
    """Write wav.scp, text and utt2spk of (speaker, transcript) by utterance."""
    tables = {
        "wav.scp": {name: f"wav/{name}.wav" for name in rows},
        "text": {name: row[1] for name, row in rows.items()},
        "utt2spk": {name: row[0] for name, row in rows.items()},
    }
    for name, table in tables.items():
        (folder / name).write_text("".join(f"{key} {table[key]}".rstrip() + "\n" for key in sorted(table)))


def make_speech(folder: Path) -> Spoken:
    """Write the data directory and the lexicon directory."""
    data = write_speech(folder / "data")
    (folder / "lexicon.txt").write_text(LEXICON)
    assert status_of("lang", "make", folder / "lexicon.txt", folder / "lang", *LANG_OPTIONS) == 0
    return Spoken(data, folder / "lang")
