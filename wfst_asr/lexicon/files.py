"""Read and write Kaldi's lexicon files: `lexicon.txt`, `lexiconp.txt`, `lexiconp_silprob.txt` with `silprob.txt`."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation
from wfst_asr.lexicon.silence_probs import PronunciationSilence, SilenceProbs

LexiconForm = Literal["plain", "probabilities", "silence probabilities"]

_NUM_NUMBERS: dict[LexiconForm, int] = {"plain": 0, "probabilities": 1, "silence probabilities": 4}
_FORM_OF_NAME: dict[str, LexiconForm] = {
    "lexicon.txt": "plain",
    "lexiconp.txt": "probabilities",
    "lexiconp_silprob.txt": "silence probabilities",
}
_RESERVED = re.compile(r"<eps>|<s>|</s>|#\d+")


@dataclass(frozen=True)
class LexiconFile:
    """What a lexicon file holds.

    Attributes:
        lexicon: words and pronunciations, in the order of the file.
        silence: silence around each entry, where the file tells it (`lexiconp_silprob.txt`).
    """

    lexicon: Lexicon
    silence: tuple[PronunciationSilence, ...] | None


def read_lexicon(path: str | os.PathLike[str], *, form: LexiconForm | None = None) -> Lexicon:
    """Read the pronunciations of a lexicon file of any of Kaldi's forms; see `read_lexicon_file`."""
    return read_lexicon_file(path, form=form).lexicon


def read_lexicon_file(path: str | os.PathLike[str], *, form: LexiconForm | None = None) -> LexiconFile:
    """Read a lexicon: lines "word P H O N E S", with a probability or a probability and three silence terms between.

    Args:
        path: the file, UTF-8.
        form: "plain" (`lexicon.txt`), "probabilities" (`lexiconp.txt`) or "silence probabilities"
            (`lexiconp_silprob.txt`); None: by the file's name, and where that tells nothing, by whether every line has
            numbers after its word.

    Raises:
        WfstAsrError: no such file, no entry, a word without phones, a reserved symbol as a word or phone, a number that
            is none or out of range, or the same pronunciation of a word twice.
    """
    source = Path(path)
    lines = _read_lines(source)
    if form is None:
        form = _FORM_OF_NAME.get(source.name) or _guess_form(lines)
    count = _NUM_NUMBERS[form]
    entries: list[Pronunciation] = []
    silence: list[PronunciationSilence] = []
    seen: dict[tuple[str, tuple[str, ...]], int] = {}
    for at, fields in lines:
        word, phones = fields[0], tuple(fields[1 + count :])
        numbers = [_number(text, source, at) for text in fields[1 : 1 + count]]
        if not phones:
            raise WfstAsrError(f"{source}:{at}: word '{word}' has no phones; add its pronunciation or remove the line")
        for name in (word, *phones):
            if name.startswith(("<", "#")) and _RESERVED.fullmatch(name):
                raise WfstAsrError(
                    f"{source}:{at}: '{name}' is reserved for the transducers; rename it or remove the line"
                )
        first = seen.setdefault((word, phones), at)
        if first != at:
            raise WfstAsrError(
                f"{source}:{at}: word '{word}' has the pronunciation '{' '.join(phones)}' twice, first at line "
                f"{first}; remove one of the lines"
            )
        try:
            entries.append(Pronunciation(word, phones, numbers[0] if numbers else 1.0))
            if count > 1:
                silence.append(PronunciationSilence(*numbers[1:]))
        except WfstAsrError as error:
            raise WfstAsrError(f"{source}:{at}: {error}") from error
    if not entries:
        raise WfstAsrError(f"{source}: has no entries; expected lines such as 'hello HH AH L OW'")
    return LexiconFile(Lexicon(tuple(entries)), tuple(silence) if count > 1 else None)


def read_silence_probs(path: str | os.PathLike[str], pronunciations: tuple[PronunciationSilence, ...]) -> SilenceProbs:
    """Read `silprob.txt`: lines `<s> P`, `</s>_s FACTOR`, `</s>_n FACTOR`, `overall P`.

    Raises:
        WfstAsrError: no such file, or one of the four numbers is missing, none or out of range.
    """
    source = Path(path)
    numbers: dict[str, float] = {}
    for at, fields in _read_lines(source):
        if len(fields) != 2 or fields[0] not in ("<s>", "</s>_s", "</s>_n", "overall"):
            raise WfstAsrError(
                f"{source}:{at}: '{' '.join(fields)}', expected '<s> P', '</s>_s F', '</s>_n F' or 'overall P'"
            )
        numbers[fields[0]] = _number(fields[1], source, at)
    try:
        return SilenceProbs(numbers["<s>"], numbers["</s>_s"], numbers["</s>_n"], numbers["overall"], pronunciations)
    except KeyError as error:
        raise WfstAsrError(
            f"{source}: has no line '{error.args[0]}'; make it with Kaldi's dict_dir_add_pronprobs.sh"
        ) from None
    except WfstAsrError as error:
        raise WfstAsrError(f"{source}: {error}") from error


def write_lexicon(
    lexicon: Lexicon, path: str | os.PathLike[str], *, form: Literal["plain", "probabilities"] = "plain"
) -> None:
    """Write a lexicon as `lexicon.txt` ("plain") or `lexiconp.txt` ("probabilities")."""
    with written_aside(path) as aside, aside.open("w", encoding="utf-8") as file:
        for entry in lexicon.entries:
            prob = f"{entry.prob!r} " if form == "probabilities" else ""
            file.write(f"{entry.word} {prob}{' '.join(entry.phones)}\n")


def write_silence_lexicon(lexicon: Lexicon, silence: SilenceProbs, folder: str | os.PathLike[str]) -> None:
    """Write `lexiconp_silprob.txt` and `silprob.txt` into a folder; numbers in full, so that they read back the same.

    Raises:
        WfstAsrError: `silence` is of another lexicon, or the folder cannot be written.
    """
    if len(silence.pronunciations) != len(lexicon.entries):
        raise WfstAsrError(
            f"silence probabilities of {len(silence.pronunciations)} pronunciations for a lexicon of "
            f"{len(lexicon.entries)}; learn them for this lexicon"
        )
    with written_aside(Path(folder) / "lexiconp_silprob.txt") as aside, aside.open("w", encoding="utf-8") as file:
        for entry, around in zip(lexicon.entries, silence.pronunciations, strict=True):
            numbers = f"{entry.prob!r} {around.after!r} {around.before!r} {around.before_none!r}"
            file.write(f"{entry.word} {numbers} {' '.join(entry.phones)}\n")
    with written_aside(Path(folder) / "silprob.txt") as aside:
        aside.write_text(
            f"<s> {silence.begin!r}\n</s>_s {silence.end_after_silence!r}\n"
            f"</s>_n {silence.end_after_none!r}\noverall {silence.overall!r}\n"
        )


def _read_lines(source: Path) -> list[tuple[int, list[str]]]:
    """Return line numbers and fields of the lines that are not empty."""
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        raise WfstAsrError(f"{source}: cannot be read ({error.strerror}); give the path of a lexicon") from error
    except UnicodeDecodeError as error:
        raise WfstAsrError(f"{source}: not UTF-8 text; convert it with iconv") from error
    lines = ((at, line.split()) for at, line in enumerate(text.split("\n"), start=1))
    return [(at, fields) for at, fields in lines if fields]


def _guess_form(lines: list[tuple[int, list[str]]]) -> LexiconForm:
    for form in ("silence probabilities", "probabilities"):
        count = _NUM_NUMBERS[form]
        if lines and all(
            len(fields) > count + 1 and all(map(_is_number, fields[1 : 1 + count])) for _, fields in lines
        ):
            return form
    return "plain"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d*\.?\d+([eE][-+]?\d+)?|\d+\.", text) is not None


def _number(text: str, source: Path, at: int) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise WfstAsrError(f"{source}:{at}: '{text}' is not a number; expected a probability") from error
