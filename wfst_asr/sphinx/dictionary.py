"""PocketSphinx's pronunciation dictionaries and filler dictionaries (`noisedict`)."""

import os
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation


def read_dictionary(path: str | os.PathLike[str], *, phones: Collection[str] | None = None) -> Lexicon:
    r"""Read a pronunciation dictionary: lines of a word and its phones, separated by white space.

    `word(2)`, or any text in brackets at a word's end, is a variant of `word`.  Lines that begin with `##` or `;;`
    are comments.  A word twice with the same pronunciation is taken once; a warning tells how many there were.

    Args:
        path: the dictionary, UTF-8.
        phones: the model's base phones; None accepts any.

    Raises:
        WfstAsrError: the file is missing, empty or not UTF-8, a word has no phones, or a phone is not in `phones`.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "words.dict"
    >>> _ = path.write_text("read R EH D\nread(2) R IY D\n")
    >>> [(entry.word, " ".join(entry.phones)) for entry in read_dictionary(path).entries]
    [('read', 'R EH D'), ('read', 'R IY D')]
    """
    known = None if phones is None else frozenset(phones)
    entries: dict[tuple[str, tuple[str, ...]], Pronunciation] = {}
    num_repeated, first_repeated = 0, ""
    for number, fields in _lines(path):
        word, pronunciation = base_word(fields[0]), tuple(fields[1:])
        if not pronunciation:
            raise WfstAsrError(f"{path}:{number}: word '{fields[0]}' has no phones; add its pronunciation")
        if known is not None and not known.issuperset(pronunciation):
            phone = next(phone for phone in pronunciation if phone not in known)
            raise WfstAsrError(
                f"{path}:{number}: word '{fields[0]}' has the phone '{phone}', which the acoustic model lacks; "
                f"expected one of {' '.join(sorted(known))}"
            )
        key = (word, pronunciation)
        if key in entries:
            num_repeated += 1
            first_repeated = first_repeated or f"'{word}' in line {number}"
        else:
            entries[key] = Pronunciation(word, pronunciation)
    if not entries:
        raise WfstAsrError(f"{path}: the dictionary is empty; expected lines of a word and its phones")
    if num_repeated:
        warnings.warn(
            f"{path}: dropped {num_repeated} repetitions of a word with the same pronunciation, "
            f"the first of them {first_repeated}",
            WfstAsrWarning,
            stacklevel=2,
        )
    return Lexicon(tuple(entries.values()))


def read_fillers(path: str | os.PathLike[str], *, phones: Collection[str] | None = None) -> list[tuple[str, str]]:
    """Read a filler dictionary (`noisedict`) as pairs of a filler word and its phone, in the order of the file.

    Raises:
        WfstAsrError: the file is missing or not UTF-8, a line is not a word and one phone, or `phones` lacks a phone.
    """
    fillers = []
    for number, fields in _lines(path):
        if len(fields) != 2:
            raise WfstAsrError(f"{path}:{number}: {len(fields)} fields; expected a filler word and one phone")
        if phones is not None and fields[1] not in phones:
            raise WfstAsrError(f"{path}:{number}: phone '{fields[1]}' of '{fields[0]}' is not in the acoustic model")
        fillers.append((fields[0], fields[1]))
    return fillers


def base_word(word: str) -> str:
    """Return a dictionary entry's word without the mark of a variant.

    >>> base_word("read(2)"), base_word("(left"), base_word("(2)")
    ('read', '(left', '(2)')
    """
    begin = word.rfind("(")
    return word[:begin] if begin > 0 and word.endswith(")") else word


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and fields of every line that is neither empty nor a comment."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise WfstAsrError(f"{path}: no such file; expected a pronunciation dictionary") from error
    except OSError as error:
        raise WfstAsrError(f"{path}: cannot be read ({error.strerror}); expected a pronunciation dictionary") from error
    except UnicodeDecodeError as error:
        raise WfstAsrError(f"{path}: not UTF-8 at byte {error.start}; convert the dictionary to UTF-8") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.startswith(("##", ";;")) and (fields := line.split()):
            yield number, fields
