"""Defects of score matrices that show without decoding: their shapes, rows without numbers, tokens, frame shift."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.recipe.score_values import LN, BlankShape, Reading, reading_of_probabilities

_KEPT = 6000  # rows that are looked at
_SHIFT_TOLERANCE = 0.1


@dataclass(frozen=True)
class Finding:
    """A defect.

    Attributes:
        kind: for programs: "columns", "transposed", "nan", "probabilities", "log10", "log2", "sign", "logits",
            "priors", "other graph", "shifted", "blank end", "blank column", "tokens", "frame shift".
        message: what, with its value, and what was expected.
        fix: a line of Python, or what to do.
    """

    kind: str
    message: str
    fix: str


@dataclass
class Sample:
    """What is kept of the matrices while they are read."""

    shapes: list[tuple[int, int]] = field(default_factory=list)
    kept: dict[str, NDArray[Any]] = field(default_factory=dict)
    rows: int = 0
    nan_rows: int = 0
    nan_place: str = ""
    dead_rows: int = 0
    dead_place: str = ""

    def add(self, utterance: str, matrix: NDArray[Any], *, turned: bool) -> None:
        rows = matrix.T if turned else matrix
        self.shapes.append((matrix.shape[0], matrix.shape[1]))
        values = np.asarray(rows, dtype=np.float64)
        bad = np.isnan(values).any(axis=1) | np.isposinf(values).any(axis=1)
        dead = ~bad & np.isneginf(values).all(axis=1)
        if bad.any() and not self.nan_rows:
            self.nan_place = f"'{utterance}', frame {int(np.flatnonzero(bad)[0])}"
        if dead.any() and not self.dead_rows:
            self.dead_place = f"'{utterance}', frame {int(np.flatnonzero(dead)[0])}"
        self.nan_rows += int(bad.sum())
        self.dead_rows += int(dead.sum())
        good = values[~(bad | dead)]
        if len(good) and self.rows < _KEPT:
            self.kept[utterance] = good
            self.rows += len(good)


def are_transposed(matrices: list[NDArray[Any]], num_columns: int) -> bool:
    """Tell whether the columns of matrices are frames: by shape, or of square ones by what sums to one."""
    if any(matrix.shape[0] != num_columns for matrix in matrices):
        return False
    if any(matrix.shape[1] != num_columns for matrix in matrices):
        return True
    every = [np.asarray(matrix, dtype=np.float64) for matrix in matrices if np.isfinite(matrix).all()]
    if not every:
        return False
    by_rows, by_columns = np.concatenate(every), np.concatenate([matrix.T for matrix in every])
    return reading_of_probabilities(by_rows) is None and reading_of_probabilities(by_columns) is not None


def finding_of_rows(sample: Sample, frames: int) -> list[Finding]:
    """Tell rows without numbers."""
    found = []
    if sample.nan_rows:
        message = (
            f"{sample.nan_rows} of {frames} rows hold NaN or infinity, the first: {sample.nan_place}; expected numbers "
            "(log of 0 is -inf, 0 * inf is NaN; half precision overflows at 65504)"
        )
        fix = (
            "compute the scores in float32; where the rows are padding, cut them off: "
            "scores = scores[np.isfinite(scores).all(axis=1)]"
        )
        found.append(Finding("nan", message, fix))
    if sample.dead_rows:
        message = (
            f"{sample.dead_rows} of {frames} rows are -inf in all columns, the first: {sample.dead_place}; no path "
            "goes through them"
        )
        fix = "where they are padding, cut them off: scores = scores[~np.isneginf(scores).all(axis=1)]"
        found.append(Finding("nan", message, fix))
    return found


def finding_of_width(graph: SearchGraph, widths: list[int], shape: BlankShape | None, blank: int) -> Finding:
    """Tell of matrices with another number of columns than the graph expects."""
    wanted = graph.num_columns
    told = f" ({graph.manifest.column_names})" if graph.manifest and graph.manifest.column_names else ""
    if len(widths) > 1:
        message = f"the matrices have {', '.join(map(str, widths))} columns, expected {wanted}{told} in all"
        return Finding("columns", message, "give the scores of one network")
    width = widths[0]
    message = f"the matrices have {width} columns, but the graph expects {wanted}{told}"
    what = "the graph is of CTC" if blank >= 0 else "the graph is of HMM states"
    if shape is not None and shape.is_blank != (blank >= 0):
        looks = (
            f"CTC scores (column {shape.column} is a blank)"
            if shape.is_blank
            else "scores of HMM states, without blank"
        )
        fix = f"give the graph that belongs to them: wfst-asr graph compile{'-ctc' if shape.is_blank else ''}"
        return Finding("columns", f"{message}; {what}, and these look like {looks}", fix)
    if width == wanted + 1:
        fix = "where the first column is of an epsilon or padding that the graph does not have: scores = scores[:, 1:]"
        return Finding("columns", message, f"{fix}; else give the graph of this network")
    return Finding("columns", message, "give the graph of the network that made them, or the network of the graph")


def finding_of_tokens(tokens: Sequence[str] | None, graph_tokens: Sequence[str] | None) -> list[Finding]:
    """Tell tokens that are not the graph's, or not in its order."""
    if tokens is None or graph_tokens is None or list(tokens) == list(graph_tokens):
        return []
    if sorted(tokens) == sorted(graph_tokens):
        at = next(i for i, pair in enumerate(zip(tokens, graph_tokens, strict=True)) if pair[0] != pair[1])
        message = (
            f"the tokens are the graph's in another order: column {at} is '{tokens[at]}', in the graph "
            f"'{graph_tokens[at]}'"
        )
        return [Finding("tokens", message, "scores = scores[:, [tokens.index(t) for t in graph_tokens]]")]
    strange = sorted(set(tokens) - set(graph_tokens)) or sorted(set(graph_tokens) - set(tokens))
    message = f"the tokens are not the graph's: '{strange[0]}' is in one of the two alone"
    return [Finding("tokens", message, "compile the graph with these tokens: wfst-asr graph compile-ctc")]


def finding_of_reading(reading: Reading, what: str) -> list[Finding]:
    """Tell numbers that are no natural logarithms."""
    if reading is LN:
        return []
    message = f"the numbers are {reading.name} of {what}, expected natural logarithms, higher is better"
    if reading.kind == "probabilities":
        message = f"the numbers are {what}, expected their natural logarithms"
    return [Finding(reading.kind, message, reading.fix)]


def shift_of_durations(
    taken: list[tuple[str, NDArray[Any]]], durations_s: Mapping[str, float] | None, *, turned: bool
) -> tuple[float, float] | None:
    """Return the seconds a row, twice, where durations tell."""
    known = [(durations_s[name], matrix.shape[turned]) for name, matrix in taken if durations_s and name in durations_s]
    frames = sum(count for _, count in known)
    return None if not frames else (sum(one for one, _ in known) / frames,) * 2


def finding_of_shift(graph: SearchGraph, implied: tuple[float, float] | None) -> list[Finding]:
    """Tell a frame shift, known from durations, that is not the graph's."""
    if implied is None or implied[0] != implied[1]:
        return []
    shift, wanted = implied[0], graph.frame_shift_s
    if abs(shift / wanted - 1) <= _SHIFT_TOLERANCE:
        return []
    message = (
        f"{1000 * shift:.1f} ms of sound a row, but the graph says {1000 * wanted:g} ms: times of words will be wrong"
    )
    if graph.manifest and graph.manifest.blank_column >= 0:
        return [Finding("frame shift", message, f"wfst-asr graph compile-ctc --frame-shift-ms {1000 * shift:.0f}")]
    return [Finding("frame shift", message, "give the graph of the network that made the scores")]
