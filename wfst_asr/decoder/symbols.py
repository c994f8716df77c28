"""Symbol tables and pronunciations of a graph folder, as the decoder needs them."""

from pathlib import Path

from wfst_asr.errors import WfstAsrError


def read_symbols(path: Path) -> tuple[str, ...]:
    """Read a symbol table ("symbol id" a line) as the symbols by id; ids that are not used are named by number.

    Raises:
        WfstAsrError: the file cannot be read, or a line is not a symbol and a number.
    """
    symbols: dict[int, str] = {}
    for number, line in enumerate(_lines(path), start=1):
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


def read_pronunciations(path: Path) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Read "word phone phone ..." lines; Kaldi's own form, with the word twice, is understood as well.

    A word "<eps>" stands for silence phones between words.
    """
    rows = [line.split() for line in _lines(path) if line.strip()]
    doubled = bool(rows) and all(len(row) >= 3 and row[0] == row[1] for row in rows)
    found: dict[str, list[tuple[str, ...]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(tuple(row[2 if doubled else 1 :]))
    return {word: tuple(dict.fromkeys(variants)) for word, variants in found.items()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise WfstAsrError(f"{path}: cannot be read ({told})") from error
