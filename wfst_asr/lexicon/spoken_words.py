"""The words of a corpus as they were spoken: lines "utterance first-frame frames word P H O N E S".

The text form of what Kaldi's `nbest-to-prons` writes; silence between words is the word `<eps>`.  Phones stand as the
lexicon has them, without position marks.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.lexicon.pronunciation_probs import Spoken

SILENT_WORD = "<eps>"


@dataclass(frozen=True)
class SpokenWord:
    """A word of an utterance, or silence.

    Attributes:
        utterance: utterance id.
        first_frame: its first frame.
        num_frames: how many it has.
        word: the word; `<eps>` for silence.
        phones: the phones it was spoken with.
    """

    utterance: str
    first_frame: int
    num_frames: int
    word: str
    phones: tuple[str, ...]


def write_spoken_words(words: Iterable[SpokenWord], path: str | os.PathLike[str]) -> None:
    """Write the words, those of an utterance one after another (written aside, then renamed)."""
    with written_aside(path) as aside, aside.open("w", encoding="utf-8") as file:
        for one in words:
            file.write(f"{one.utterance} {one.first_frame} {one.num_frames} {one.word} {' '.join(one.phones)}\n")


def read_spoken_words(path: str | os.PathLike[str]) -> Iterator[SpokenWord]:
    """Yield the words of a file.

    Raises:
        WfstAsrError: no such file, or a line that is none of this form.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        raise WfstAsrError(
            f"{source}: cannot be read ({error.strerror}); make it with: wfst-asr align DATA LANG MODEL_DIR OUT_DIR"
        ) from error
    except UnicodeDecodeError as error:
        raise WfstAsrError(f"{source}: not UTF-8 text; expected the spoken words of an alignment") from error
    for at, line in enumerate(text.split("\n"), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) < 5 or not (fields[1].isdecimal() and fields[2].isdecimal()):
            raise WfstAsrError(f"{source}:{at}: '{line}', expected 'utterance first-frame frames word P H O N E S'")
        yield SpokenWord(fields[0], int(fields[1]), int(fields[2]), fields[3], tuple(fields[4:]))


def spoken_sequences(words: Iterable[SpokenWord]) -> Iterator[list[Spoken | None]]:
    """Yield the words of one utterance after another, as `count_pronunciations` takes them."""
    for _, group in groupby(words, key=lambda one: one.utterance):
        yield [None if one.word == SILENT_WORD else (one.word, one.phones) for one in group]
