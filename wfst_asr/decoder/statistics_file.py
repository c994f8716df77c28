"""Tables of what searches did in each frame: statistics.tsv of `wfst-asr decode --statistics`."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from wfst_asr.atomic_files import written_aside
from wfst_asr.decoder.search_counts import FrameStatistics
from wfst_asr.errors import WfstAsrError

COLUMNS = ("utterance", "frame", "tokens", "arcs", "best_cost", "beam", "limited")


def write_statistics(items: Iterable[tuple[str, FrameStatistics]], path: str | os.PathLike[str]) -> None:
    """Write a line a frame, values separated by tabs; the columns are COLUMNS, `limited` is 0 or 1.

    Args:
        items: (utterance-id, statistics).
        path: the file.

    Raises:
        WfstAsrError: it cannot be written.
    """
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\t".join(COLUMNS) + "\n")
        for utterance, told in items:
            columns = (told.tokens, told.arcs, told.best_cost, told.beam, told.limited)
            rows = zip(*(column.tolist() for column in columns), strict=True)
            file.writelines(
                f"{utterance}\t{frame}\t{tokens}\t{arcs}\t{best_cost:.4f}\t{beam:.4f}\t{limited:d}\n"
                for frame, (tokens, arcs, best_cost, beam, limited) in enumerate(rows)
            )


def read_statistics(path: str | os.PathLike[str]) -> dict[str, FrameStatistics]:
    """Read what `write_statistics` wrote: statistics by utterance, costs and beams to four decimals.

    Raises:
        WfstAsrError: no such file, or it is no such table.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "statistics.tsv"
    >>> one = FrameStatistics(*(np.array(column) for column in ([1, 9], [20, 70], [0.0, 3.5], [13.0, 8.0], [0, 1])))
    >>> write_statistics([("u", one)], path)
    >>> read_statistics(path)["u"].limited.tolist()
    [False, True]
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError as error:
        raise WfstAsrError(f"{path}: no such file; expected the statistics.tsv of wfst-asr decode") from error
    except UnicodeDecodeError as error:
        raise WfstAsrError(f"{path}: not UTF-8 text; expected the statistics.tsv of wfst-asr decode") from error
    if not lines or lines[0].split("\t") != list(COLUMNS):
        raise WfstAsrError(f"{path}:1: expected the columns {' '.join(COLUMNS)}, as wfst-asr decode writes them")
    rows: dict[str, list[tuple[int, int, float, float, bool]]] = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            utterance, frame, tokens, arcs, best_cost, beam, limited = line.split("\t")
            of_utterance = rows.setdefault(utterance, [])
            if int(frame) != len(of_utterance):
                raise WfstAsrError(f"{path}:{number}: frame {frame}, expected {len(of_utterance)}; lines are missing")
            of_utterance.append((int(tokens), int(arcs), float(best_cost), float(beam), limited == "1"))
        except ValueError as error:
            raise WfstAsrError(f"{path}:{number}: '{line}', expected {len(COLUMNS)} values between tabs") from error
    return {utterance: _statistics(found) for utterance, found in rows.items()}


def _statistics(rows: list[tuple[int, int, float, float, bool]]) -> FrameStatistics:
    tokens, arcs, best_cost, beam, limited = zip(*rows, strict=True)
    return FrameStatistics(
        np.array(tokens, dtype=np.int64),
        np.array(arcs, dtype=np.int64),
        np.array(best_cost, dtype=np.float64),
        np.array(beam, dtype=np.float64),
        np.array(limited, dtype=np.bool_),
    )
