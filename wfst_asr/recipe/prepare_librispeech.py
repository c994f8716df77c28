"""LibriSpeech, mini or not: as OpenSLR packs it, or as Kaldi data directories."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wfst_asr.errors import WfstAsrError
from wfst_asr.io.data_dir import DataDir
from wfst_asr.recipe.corpus_layout import SOUND_SUFFIXES, check_corpus, find_below, find_set, read_usable, write_sets


def prepare_librispeech(
    corpus: Path,
    out_dir: Path,
    *,
    train: Sequence[str] = ("train", "train-clean-5", "train_clean_5"),
    test: Sequence[str] = ("dev", "test", "dev-clean-2", "dev_clean_2"),
) -> dict[str, Any]:
    """Write train/ and test/ below a folder.

    Args:
        corpus: a folder with data directories of these names, or with folders of these names in which OpenSLR packs
            a reader's chapters: READER/CHAPTER/READER-CHAPTER.trans.txt beside the recordings.
        out_dir: where to write.
        train: names of the training set; the first found is taken.
        test: names of the set to test on.

    Returns:
        Numbers of utterances and speakers.

    Raises:
        WfstAsrError: a set is not there, or a transcript has no recording.
    """
    root = check_corpus(corpus)
    sets = {}
    for name, names in (("train", train), ("test", test)):
        found = find_set(root, names)
        if found is not None:
            sets[name] = read_usable(found)
            continue
        chapters = next((place for choice in names if (place := find_below(root, choice)) and place.is_dir()), None)
        if chapters is None:
            raise WfstAsrError(f"{root}: has no folder {', '.join(names)}; is this LibriSpeech?")
        sets[name] = _of_chapters(chapters)
    return write_sets(sets, out_dir)


def _of_chapters(folder: Path) -> DataDir:
    recordings, text, speakers = {}, {}, {}
    for transcripts in sorted(folder.rglob("*.trans.txt")):
        reader = transcripts.name.split("-")[0]
        for number, line in enumerate(transcripts.read_text("utf-8").splitlines(), start=1):
            utterance, _, words = line.partition(" ")
            if not utterance:
                continue
            paths = [transcripts.parent / f"{utterance}{suffix}" for suffix in SOUND_SUFFIXES]
            path = next((path for path in paths if path.is_file()), None)
            if path is None:
                raise WfstAsrError(f"{transcripts}:{number}: utterance '{utterance}' has no recording beside it")
            recordings[utterance], text[utterance], speakers[utterance] = path, words.strip(), reader
    if not recordings:
        raise WfstAsrError(f"{folder}: has no files *.trans.txt in it; is this LibriSpeech?")
    genders = _genders(folder.parent / "SPEAKERS.TXT", set(speakers.values()))
    return DataDir(recordings, text=text, utt2spk=speakers, spk2gender=genders)


def _genders(table: Path, readers: set[str]) -> dict[str, str]:
    """Read "READER | F | ..." lines; nothing where the table is missing."""
    if not table.is_file():
        return {}
    rows = [line.split("|") for line in table.read_text("utf-8", errors="replace").splitlines() if line[:1] != ";"]
    return {row[0].strip(): row[1].strip().lower() for row in rows if len(row) > 1 and row[0].strip() in readers}
