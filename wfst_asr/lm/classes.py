"""Word classes: what may stand in the place of a class token such as `$NAME` of a language model."""

import math
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

from wfst_asr.errors import WfstAsrError, WfstAsrWarning

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)")
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class WordClass:
    """The entries of a class and their probabilities.

    Attributes:
        name: the class token.
        entries: the words of each entry, at least one; each entry once.
        probs: p(entry | class); they sum to 1.
    """

    name: str
    entries: tuple[tuple[str, ...], ...]
    probs: tuple[float, ...]


def is_class_token(word: str) -> bool:
    """Tell whether a word of a language model stands for a class by its form: `$` and a name."""
    return word.startswith("$") and len(word) > 1


def read_class(path: str | os.PathLike[str], name: str) -> WordClass:
    """Read the entries of one class.

    The file has one entry a line, its words, with or without a probability before them (a number that other words
    follow; 1 where there is none).  Or, if the first word of each line is the name of a class, it holds several classes
    (SRILM `classes-format(5)`: "CLASS [probability] word1 word2 ..."), and the lines of `name` are taken.

    Probabilities that do not sum to 1 are made to, with a warning if they were given; those of an entry that comes
    twice add up.

    Raises:
        WfstAsrError: no such file, not UTF-8 text, no entries, or a negative probability, with the line.
    """
    rows = _rows(Path(path))
    # the token may be written with or without its $
    names = {name, "$" + name.removeprefix("$")}
    if any(fields[0] in names for _, fields in rows):
        rows = [(line, fields[1:]) for line, fields in rows if fields[0] in names]
    return _word_class(Path(path), name, rows)


def _rows(source: Path) -> list[tuple[int, list[str]]]:
    try:
        text = source.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise WfstAsrError(
            f"{source}: cannot be read ({error.strerror}); give a file with the entries of the class, one a line"
        ) from error
    except UnicodeDecodeError as error:
        raise WfstAsrError(f"{source}: not UTF-8 text; expected the entries of a class, one a line") from error
    return [(line, fields) for line, row in enumerate(text.split("\n"), start=1) if (fields := row.split())]


def _word_class(source: Path, name: str, rows: list[tuple[int, list[str]]]) -> WordClass:
    weights: dict[tuple[str, ...], float] = {}
    num_given = 0
    for line, fields in rows:
        weight, words = 1.0, fields
        if len(fields) > 1 and _NUMBER.fullmatch(fields[0]):
            weight, words = float(fields[0]), fields[1:]
            num_given += 1
            if not 0.0 <= weight < math.inf:
                raise WfstAsrError(
                    f"{source}:{line}: probability '{fields[0]}' of '{' '.join(words)}', expected 0 to 1"
                )
        if not words:
            raise WfstAsrError(f"{source}:{line}: an entry of the class '{name}' has no words; add them")
        weights[tuple(words)] = weights.get(tuple(words), 0.0) + weight
    total = math.fsum(weights.values())
    if total == 0.0:
        why = "all its entries have probability 0" if weights else "it has no entries"
        raise WfstAsrError(f"{source}: nothing to put in the place of the class '{name}': {why}")
    if num_given and abs(total - 1.0) > _SUM_TOLERANCE:
        bare = len(rows) - num_given
        counted = f" ({bare} entries without one count 1)" if bare else ""
        warnings.warn(
            f"{source}: the probabilities of the class '{name}' sum to {total:g}{counted}; they were divided by it",
            WfstAsrWarning,
            stacklevel=3,
        )
    listed = {words: weight / total for words, weight in weights.items() if weight > 0.0}
    return WordClass(name, tuple(listed), tuple(listed.values()))
