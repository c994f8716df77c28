"""AN4: CMU's census data, spelled letters, digits and names, as CMU packs it or as Kaldi data directories."""

import re
from pathlib import Path
from typing import Any

from wfst_asr.errors import WfstAsrError
from wfst_asr.io.data_dir import DataDir
from wfst_asr.lexicon.files import write_lexicon
from wfst_asr.recipe.corpus_layout import check_corpus, find_below, find_set, read_usable, write_sets
from wfst_asr.recipe.fetch import PublicFile
from wfst_asr.recipe.language import read_pronunciations

AN4_HOME = (
    PublicFile(
        "an4_sphere.tar.gz",
        (
            "http://www.speech.cs.cmu.edu/databases/an4/an4_sphere.tar.gz",
            "https://dldata-public.s3.us-east-2.amazonaws.com/an4_sphere.tar.gz",
        ),
        # CMU publishes no checksum; this is what others found of the copy at the second address.
        sha256="a0525579493735d32b60fb6fa5975dd0eaacde087b0a4eeb7f13b7ef33077b12",
    ),
)
_TRANSCRIPT = re.compile(r"(?:<s>)?\s*(.*?)\s*(?:</s>)?\s*\(([^()\s]+)\)\s*")


def prepare_an4(corpus: Path, out_dir: Path, *, lexicon: Path | None = None) -> dict[str, Any]:
    """Write train/, test/ and lexicon.txt below a folder.

    Args:
        corpus: a folder with data directories train and test, or what CMU's an4_sphere.tar.gz unpacks to: an4/etc with
            an4_train.fileids and an4_train.transcription, an4/wav with NIST SPHERE files.
        out_dir: where to write.
        lexicon: file of pronunciations; None: the corpus's an4.dic.

    Returns:
        Numbers of utterances and speakers.

    Raises:
        WfstAsrError: the folder holds neither, a transcript does not fit its file, or there is no lexicon.
    """
    root = check_corpus(corpus)
    source = lexicon or find_below(root, "an4.dic") or root / "lexicon.txt"
    if not source.is_file():
        raise WfstAsrError(f"{root}: has no an4.dic; name a file of pronunciations with --lexicon")
    write_lexicon(read_pronunciations(source), out_dir / "lexicon.txt")
    sets = {}
    for name in ("train", "test"):
        found = find_set(root, (name, f"an4_{name}"))
        sets[name] = read_usable(found) if found is not None else _of_lists(root, name)
    return write_sets(sets, out_dir)


def _of_lists(root: Path, name: str) -> DataDir:
    """Read a set as CMU packs it; the speaker is put before an utterance's name, which alone is not unique."""
    lists = find_below(root, f"an4_{name}.fileids")
    if lists is None:
        raise WfstAsrError(f"{root}: has neither {name}/wav.scp nor an4_{name}.fileids; is this AN4?")
    transcripts = lists.with_suffix(".transcription")
    if not transcripts.is_file():
        raise WfstAsrError(f"{transcripts}: no such file; expected the transcripts of {lists.name}")
    sounds = lists.parent.parent / "wav"
    recordings, text, speakers = {}, {}, {}
    ids = lists.read_text("utf-8").split()
    lines = [line for line in transcripts.read_text("utf-8").splitlines() if line.strip()]
    if len(ids) != len(lines):
        raise WfstAsrError(f"{transcripts}: has {len(lines)} transcripts, but {lists.name} has {len(ids)} files")
    for number, (place, line) in enumerate(zip(ids, lines, strict=True), start=1):
        found = _TRANSCRIPT.fullmatch(line)
        stem = place.rpartition("/")[2]
        if found is None or found[2] != stem:
            raise WfstAsrError(f"{transcripts}:{number}: '{line}', expected 'WORDS ({stem})' as in {lists.name}")
        speaker = place.split("/")[-2]
        utterance = f"{speaker}-{stem}"
        paths = [sounds / f"{place}{suffix}" for suffix in (".sph", ".wav", ".flac")]
        recordings[utterance] = next((path for path in paths if path.is_file()), paths[0])
        text[utterance] = " ".join(found[1].split())
        speakers[utterance] = speaker
    missing = [path for path in recordings.values() if not path.is_file()]
    if missing:
        raise WfstAsrError(f"{missing[0]}: no such file, and {len(missing) - 1} others; fetch the corpus again")
    return DataDir(recordings, text=text, utt2spk=speakers)
