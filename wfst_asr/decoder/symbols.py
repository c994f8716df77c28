"""Symbol tables and pronunciations of a graph folder, as the decoder needs them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wfst_asr.errors import WfstAsrError


def read_symbols(path: Path) -> tuple[str, ...]:
    """Read a symbol table ("symbol id" a line) as the symbols by id; ids that are not used are named by number.

    Raises:
        WfstAsrError: the file cannot be read, or a line is not a symbol and a number.
    """
    lines = _lines(path)
    tokens = " ".join(lines).split()
    if tokens[1::2] == [str(i) for i in range(len(lines))] and len(tokens) == 2 * len(lines):
        return tuple(tokens[0::2])  # the usual table, in order and without gaps
    symbols: dict[int, str] = {}
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 2 or not parts[1].isdigit():
            raise WfstAsrError(f"{path}:{number}: '{line}', expected a symbol and its number")
        symbols[int(parts[1])] = parts[0]
    highest = max(symbols, default=-1)
    if highest > 10 * len(symbols) + 1000:
        raise WfstAsrError(
            f"{path}: highest number {highest} for {len(symbols)} symbols; expected numbers without gaps"
        )
    return tuple(symbols.get(i, str(i)) for i in range(highest + 1))


class Pronunciations(Mapping[str, tuple[tuple[str, ...], ...]]):
    """Phones of each pronunciation by word; a line is taken apart when its word is asked for."""

    def __init__(self, rests: Mapping[str, Sequence[str]]) -> None:
        self._rests = rests

    def __getitem__(self, word: str) -> tuple[tuple[str, ...], ...]:
        return tuple(dict.fromkeys(tuple(rest.split()) for rest in self._rests[word]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._rests)

    def __len__(self) -> int:
        return len(self._rests)


def read_pronunciations(path: Path) -> Pronunciations:
    """Read "word phone phone ..." lines; Kaldi's own form, with the word twice, is understood as well.

    A word "<eps>" stands for silence phones between words.
    """
    rows = [row for line in _lines(path) if (row := line.split(None, 1))]
    doubled = bool(rows) and all(len(row) == 2 and row[1].split(None, 1)[0] == row[0] for row in rows)
    rests: dict[str, list[str]] = {}
    for row in rows:
        rest = row[1] if len(row) == 2 else ""
        if doubled:
            rest = rest[len(row[0]) :]
        rests.setdefault(row[0], []).append(rest)
    return Pronunciations(rests)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise WfstAsrError(f"{path}: cannot be read ({told})") from error
