"""The columns of a CTC score matrix by name: `tokens.txt`, and texts as rows of labels."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wfst_asr.errors import WfstAsrError

BLANK = "<blank>"
_BLANKS = (BLANK, "<blk>", "_", "[PAD]", "<pad>")
_BOUNDARIES = ("|", "<space>", "▁")
_PIECE_MARK = "▁"
_DISAMBIGUATION = re.compile(r"#\d+")


@dataclass(frozen=True)
class CtcTokens:
    """Names of the columns.

    Attributes:
        names: by column, blank among them.
        blank: its column.

    >>> tokens = CtcTokens(("<blank>", "|", "O", "N"), 0)
    >>> tokens.labels_of("no on"), tokens.text_of([3, 2, 1, 2, 3])
    ((3, 2, 1, 2, 3), 'NO ON')
    """

    names: tuple[str, ...]
    blank: int

    @property
    def num_columns(self) -> int:
        """Columns of the scores."""
        return len(self.names)

    @cached_property
    def boundary(self) -> str:
        """The token between words ("|", "<space>" or "▁"); empty if there is none."""
        return next((name for name in _BOUNDARIES if name in self._columns), "")

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.names) if column != self.blank}

    @cached_property
    def _spells_words(self) -> bool:
        """Whether tokens are letters or word pieces; if not, such as phones, they stand apart."""
        marks = {*_BOUNDARIES, *_BLANKS}
        spoken = [name for name in self._columns if name not in marks and not re.fullmatch(r"<.*>|\[.*\]", name)]
        return all(len(name) == 1 for name in spoken) or any(name.startswith(_PIECE_MARK) for name in spoken)

    def text_of(self, labels: Iterable[int]) -> str:
        """Return labels as a text: letters and word pieces joined, words apart; phones with spaces."""
        names = [self.names[label] for label in labels]
        if not self._spells_words:
            return " ".join(name for name in names if name != self.boundary)
        text = "".join(" " if name == self.boundary else name for name in names)
        return " ".join(text.replace(_PIECE_MARK, " ").split())

    def labels_of(self, text: str) -> tuple[int, ...]:
        """Spell a text: at each place the longest token that fits; as written, else in capitals, else in small letters.

        Raises:
            WfstAsrError: a letter (or phone) that is no token.
        """
        for written in (text, text.upper(), text.lower()):
            labels, _ = self._spelled(written)
            if labels is not None:
                return labels
        _, missing = self._spelled(text)
        told = " ".join(list(self._columns)[:30]) + (" ..." if len(self._columns) > 30 else "")
        raise WfstAsrError(f"'{missing}' of '{text}' is no token; the tokens are: {told}")

    def _spelled(self, text: str) -> tuple[tuple[int, ...] | None, str]:
        words = text.split()
        if not self._spells_words:
            missing = next((word for word in words if word not in self._columns), None)
            return (None, missing) if missing else (tuple(self._columns[word] for word in words), "")
        if self.boundary in ("|", "<space>"):
            pieces: list[str] = [word for pair in words for word in (pair, self.boundary)][:-1]
        elif any(name.startswith(_PIECE_MARK) for name in self._columns):
            pieces = [_PIECE_MARK + word for word in words]
        else:
            pieces = words
        longest = max(map(len, self._columns), default=0)
        labels = []
        for piece in pieces:
            at = 0
            while at < len(piece):
                found = (piece[at:end] for end in range(min(len(piece), at + longest), at, -1))
                name = next((name for name in found if name in self._columns), None)
                if name is None:
                    return None, piece[at]
                labels.append(self._columns[name])
                at += len(name)
        return tuple(labels), ""


def make_tokens(names: Iterable[str], *, blank: str | None = None) -> CtcTokens:
    """Make tokens of the names of the columns.

    Args:
        names: in the order of the columns.
        blank: name of the blank; None looks for "<blank>", else for the one of "<blk>", "_", "[PAD]", "<pad>" there is.

    Raises:
        WfstAsrError: a name twice, or no blank.
    """
    told = tuple(names)
    if len(set(told)) != len(told):
        twice = next(name for name in told if told.count(name) > 1)
        raise WfstAsrError(f"token '{twice}' comes twice; expected a name a column")
    if blank is not None:
        if blank not in told:
            raise WfstAsrError(f"blank '{blank}' is not among the tokens: {_some(told)}")
        return CtcTokens(told, told.index(blank))
    found = [BLANK] if BLANK in told else [name for name in _BLANKS if name in told]
    if len(found) != 1:
        what = f"both '{found[0]}' and '{found[1]}' may be blank" if found else f"no blank among {_some(told)}"
        raise WfstAsrError(f"{what}; name it (--blank NAME)")
    return CtcTokens(told, told.index(found[0]))


def read_tokens(path: str | os.PathLike[str], *, blank: str | None = None) -> CtcTokens:
    """Read tokens.txt: lines "name column", columns from 0 without gaps; disambiguation symbols (#0 ...) are left out.

    Raises:
        WfstAsrError: no such file, another form, a column twice or missing; or as `make_tokens`.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise WfstAsrError(f"{source}: cannot be read ({told}); give lines of a token and its column") from error
    columns: dict[int, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 2 or not parts[1].isdecimal():
            raise WfstAsrError(f"{source}:{number}: '{line.strip()}', expected a token and its column, such as 'A 1'")
        if int(parts[1]) in columns:
            raise WfstAsrError(f"{source}:{number}: column {parts[1]} of '{parts[0]}' belongs to another token already")
        columns[int(parts[1])] = parts[0]
    spoken = {column: name for column, name in columns.items() if not _DISAMBIGUATION.fullmatch(name)}
    missing = next((column for column in range(len(spoken)) if column not in spoken), None)
    if missing is not None:
        raise WfstAsrError(f"{source}: no token has column {missing}; expected columns from 0 without gaps")
    try:
        return make_tokens((spoken[column] for column in range(len(spoken))), blank=blank)
    except WfstAsrError as error:
        raise WfstAsrError(f"{source}: {error}") from error


def _some(names: tuple[str, ...]) -> str:
    return " ".join(names[:12]) + (" ..." if len(names) > 12 else "")
