"""Whether the columns of a score matrix are those of a graph: decode under each hypothesis, and compare.

A matrix whose columns stand elsewhere still decodes, to nonsense: the best path is then far from the best column of
each frame, and costs more than that of the matrix with its columns put right.  Scores for HMM states come in all
scales; they are searched at one at which a frame counts as much as those of Gaussian mixtures do at theirs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.beam import NoPathError
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.score.wer import ErrorCounts, UtteranceScore, align

_SEARCH = DecodeOptions(beam=10.0, max_active=3000, min_active=50)
_SPREAD = 3.0  # of scaled scores of HMM states, from the best of a frame to the mean
_LEAST_GAIN = 0.01  # of cost a frame
_LEAST_NEARER = 0.8  # how much nearer to the best column of each frame a path must come


@dataclass(frozen=True)
class Hypothesis:
    """What may have been done to a matrix, and what the best path says of it.

    Attributes:
        name: in words.
        kind: of the finding; empty for none.
        fix: line that undoes it; empty for none.
        cost: total cost of the best paths a frame.
        distance: how far the path's scores are below the best of their frames, in parts of how far the mean score is.
        blank_share: part of the frames in which the path takes the blank; None where the graph has none.
        words: number of words on the paths.
        word_errors: word error rate, where references are given.
        text: the words of the first utterance.
    """

    name: str
    kind: str
    fix: str
    cost: float
    distance: float
    blank_share: float | None
    words: int
    word_errors: float | None
    text: str


Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def column_changes(num_columns: int, blank: int, found_blank: int | None) -> list[tuple[str, str, str, Change]]:
    """Return (name, kind, fix, change) of what puts columns right that may stand elsewhere.

    Args:
        num_columns: of the graph.
        blank: its column of the blank, -1 for none.
        found_blank: where the data have theirs; None where that is not clear.
    """
    changes: list[tuple[str, str, str, Change]] = []

    def moved(name: str, kind: str, fix: str, order: Sequence[int]) -> None:
        taken = np.asarray(order)
        changes.append((name, kind, fix, lambda rows: np.ascontiguousarray(rows[:, taken])))

    columns = list(range(num_columns))
    ends = {0, num_columns - 1}
    for step in (-1, 1):
        fix = f"scores = np.roll(scores, {step}, axis=1)"
        name = f"columns one too {'high' if step < 0 else 'low'}"
        kind = "shifted"
        if blank >= 0 and {(blank - step) % num_columns, blank} == ends:
            name, kind = "the blank at the other end", "blank end"
        moved(name, kind, fix, [(column - step) % num_columns for column in columns])
    if blank >= 0 and num_columns > 3:
        tokens = [column for column in columns if column != blank]
        for step in (-1, 1):
            order = list(columns)
            for place, column in enumerate(tokens):
                order[column] = tokens[(place - step) % len(tokens)]
            rest = f"t = np.delete(np.arange({num_columns}), {blank})"
            fix = f"{rest}; scores[:, t] = np.roll(scores[:, t], {step}, axis=1)"
            name = f"tokens one too {'high' if step < 0 else 'low'}, the blank in its place"
            moved(name, "shifted", fix, order)
    if blank >= 0 and found_blank is not None and (found_blank - blank) % num_columns not in (0, 1, num_columns - 1):
        others = [column for column in columns if column != found_blank]
        fix = f"scores = np.insert(np.delete(scores, {found_blank}, axis=1), {blank}, scores[:, {found_blank}], axis=1)"
        wrong_end = {found_blank, blank} == ends
        name = "the blank at the other end" if wrong_end else f"the blank in column {found_blank}"
        moved(name, "blank end" if wrong_end else "blank column", fix, [*others[:blank], found_blank, *others[blank:]])
    return changes


def judge(
    graph: SearchGraph,
    matrices: Mapping[str, NDArray[np.float32]],
    name: str = "as it is",
    kind: str = "",
    fix: str = "",
    change: Change | None = None,
    *,
    references: Mapping[str, Sequence[str]] | None = None,
) -> Hypothesis | None:
    """Decode matrices as a hypothesis has them; None where nothing can be decoded."""
    blank = graph.manifest.blank_column if graph.manifest else -1
    dials = _SEARCH if blank >= 0 else replace(_SEARCH, acoustic_scale=_SPREAD / max(_spread(matrices, change), 1e-6))
    frames = words = blanks = 0
    cost = below = spread = 0.0
    counts: ErrorCounts | None = None
    text = ""
    for utterance, matrix in matrices.items():
        rows = matrix if change is None else change(matrix)
        try:
            found = decode(graph, rows, dials)
        except NoPathError:
            continue
        text = text or found.text
        frames += len(rows)
        cost += found.total_cost
        below += float(rows.max(axis=1).sum(dtype=np.float64)) + found.acoustic_cost
        spread += len(rows) * _spread({utterance: rows}, None)
        blanks += int((graph.columns[found.alignment] == blank).sum())
        words += len(found.words)
        if references is not None and utterance in references:
            counted = UtteranceScore(utterance, align(references[utterance], found.words)).counts
            counts = counted if counts is None else counts + counted
    if not frames:
        return None
    return Hypothesis(
        name=name,
        kind=kind,
        fix=fix,
        cost=cost / frames,
        distance=below / max(spread, 1e-9),
        blank_share=blanks / frames if blank >= 0 else None,
        words=words,
        word_errors=counts.error_rate if counts is not None else None,
        text=text,
    )


def _spread(matrices: Mapping[str, NDArray[np.float32]], change: Change | None) -> float:
    """Return how far the mean finite score of a frame is below its best, in the mean."""
    total = frames = 0.0
    for matrix in matrices.values():
        rows = matrix if change is None else change(matrix)
        finite = np.isfinite(rows)
        means = np.where(finite, rows, 0).sum(axis=1, dtype=np.float64) / np.maximum(finite.sum(axis=1), 1)
        total += float((rows.max(axis=1) - means).sum())
        frames += len(rows)
    return total / max(frames, 1.0)


def better(given: Hypothesis, other: Hypothesis) -> bool:
    """Tell whether columns must be put right: the paths cost less then, and are nearer to the best of each frame."""
    return other.cost < given.cost - _LEAST_GAIN and other.distance < _LEAST_NEARER * given.distance


def rightly_turned(given: Hypothesis, turned: Hypothesis) -> bool:
    """Tell whether the sign must be turned: paths are near the best of each frame only then.

    Neighbouring frames are alike, so that a path can follow the best columns; the worst ones lead anywhere.
    """
    return given.distance > 0.2 and turned.distance < 0.6 * given.distance


def scaled(rows: Any, factor: float) -> NDArray[np.float32]:
    """Return scores times a factor, impossible ones staying so."""
    values = np.asarray(rows, dtype=np.float32)
    return np.where(np.isneginf(values), values, values * np.float32(factor))
