"""yesno: eight words of yes and no in Hebrew a recording, named after what is said: 0_1_0_0_1_1_1_0.wav."""

import re
from pathlib import Path
from typing import Any

from wfst_asr.errors import WfstAsrError
from wfst_asr.io.data_dir import DataDir
from wfst_asr.io.tables import sorting_key
from wfst_asr.recipe.corpus_layout import SOUND_SUFFIXES, check_corpus, chosen, read_usable, write_sets

WORDS = {"0": "NO", "1": "YES"}
SPEAKER = "global"
_NAME = re.compile(r"[01](_[01])*")


def prepare_yesno(corpus: Path, out_dir: Path, *, num_train: int = 31) -> dict[str, Any]:
    """Write train/ and test/ below a folder: the first recordings by name, and the rest.

    Args:
        corpus: a data directory, or a folder with such recordings in it or below it.
        out_dir: where to write.
        num_train: recordings to train on.

    Returns:
        Numbers of utterances and speakers.

    Raises:
        WfstAsrError: no such recordings, or too few.
    """
    root = check_corpus(corpus)
    data = read_usable(root) if (root / "wav.scp").is_file() else _of_names(root)
    utterances = sorted(data.utterances, key=sorting_key)
    if len(utterances) <= num_train:
        raise WfstAsrError(f"{root}: has {len(utterances)} recordings; expected more than the {num_train} to train on")
    sets = {"train": chosen(data, utterances[:num_train]), "test": chosen(data, utterances[num_train:])}
    return write_sets(sets, out_dir)


def _of_names(root: Path) -> DataDir:
    """Take the transcripts from the names of the recordings."""
    paths = sorted(path for path in root.rglob("*") if path.suffix in SOUND_SUFFIXES and _NAME.fullmatch(path.stem))
    if not paths:
        raise WfstAsrError(f"{root}: has neither a wav.scp nor recordings named like 0_1_0_0_1_1_1_0.wav")
    recordings = {path.stem: path for path in paths}
    text = {name: " ".join(WORDS[digit] for digit in name.split("_")) for name in recordings}
    return DataDir(recordings, text=text, utt2spk=dict.fromkeys(recordings, SPEAKER))
