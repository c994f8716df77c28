"""What is wrong with score matrices for a graph, and the line that puts it right.

Shapes and rows first (`score_findings`), then what the numbers are (`score_values`), then columns (`score_columns`),
each looked at with what was found before put right, so that several defects of one matrix are found together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.posteriors import log_softmax
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError
from wfst_asr.recipe.score_columns import Hypothesis, better, column_changes, judge, rightly_turned, scaled
from wfst_asr.recipe.score_findings import (
    Finding,
    Sample,
    are_transposed,
    finding_of_reading,
    finding_of_rows,
    finding_of_shift,
    finding_of_tokens,
    finding_of_width,
    shift_of_durations,
)
from wfst_asr.recipe.score_values import (
    COSTS,
    LINEAR,
    LN,
    LOG10,
    BlankShape,
    Reading,
    are_flat,
    blank_shape,
    labels_a_frame,
    reading_of_divided,
    reading_of_probabilities,
)

_UTTERANCES, _FRAMES = 6, 400  # decoded; frames of each
_LABELS_A_SECOND = (7.0, 20.0)  # phones or letters of speech, pauses included


@dataclass(frozen=True)
class ScoreDiagnosis:
    """What was found out about score matrices.

    Attributes:
        utterances: number of matrices.
        frames: of all of them.
        columns: of the matrices.
        graph_columns: that the graph expects.
        values: what the numbers are, in words.
        priors: "divided", "not divided" or "" where that cannot be told.
        blank: where the graph has the blank, -1 for none.
        shape: which column of the data is best most often; None where nothing could be looked at.
        graph_shift_s: frame shift of the graph.
        implied_shift_s: from durations (both ends equal), or from the rate of labels; None where unknown.
        findings: defects; none if the matrices fit.
        hypotheses: best paths under each, the matrices as they are first.
    """

    utterances: int
    frames: int
    columns: int
    graph_columns: int
    values: str
    priors: str
    blank: int
    shape: BlankShape | None
    graph_shift_s: float
    implied_shift_s: tuple[float, float] | None
    findings: tuple[Finding, ...]
    hypotheses: tuple[Hypothesis, ...]

    @property
    def fits(self) -> bool:
        """Whether no defect was found."""
        return not self.findings


def diagnose_scores(
    graph: SearchGraph,
    matrices: Iterable[tuple[str, Any]],
    *,
    tokens: Sequence[str] | None = None,
    graph_tokens: Sequence[str] | None = None,
    durations_s: Mapping[str, float] | None = None,
    references: Mapping[str, Sequence[str]] | None = None,
) -> ScoreDiagnosis:
    """Tell whether score matrices fit a graph, and what is wrong with them.

    Some utterances are decoded under each hypothesis, with a small beam.  What cannot be told from the numbers alone is
    the scale of likelihoods (their base among it), and shifted columns where the graph allows any sequence of labels.

    Args:
        graph: from `load_graph`.
        matrices: (utterance, (T, P) array), for example `wfst_asr.io.score_files.read_score_matrices(path)`.
        tokens: names of the matrices' columns.
        graph_tokens: names of the columns that the graph expects.
        durations_s: of the utterances, for the frame shift.
        references: words of the utterances, for error rates under each hypothesis.

    Raises:
        WfstAsrError: no matrix, or one that is not two-dimensional.

    >>> from wfst_asr.decoder.search_graph import make_search_graph
    >>> from wfst_asr.fst.arcs import arc_table
    >>> loop = arc_table(1, [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)], finals={0: 0.0})
    >>> graph = make_search_graph(loop, [-1, 0, 1], words=["<eps>", "yes", "no"])
    >>> [found.kind for found in diagnose_scores(graph, [("u", np.full((3, 5), -1.0))]).findings]
    ['columns']
    """
    taken = [(name, np.asarray(matrix)) for name, matrix in matrices]
    for name, matrix in taken:
        if matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
            raise WfstAsrError(
                f"'{name}' has shape {matrix.shape} and type {matrix.dtype}, expected a matrix of numbers"
            )
    if not taken or not any(matrix.size for _, matrix in taken):
        raise WfstAsrError("there are no scores to check; expected a matrix an utterance")
    turned = are_transposed([matrix for _, matrix in taken], graph.num_columns)
    sample = Sample()
    for name, matrix in taken:
        sample.add(name, matrix, turned=turned)
    findings: list[Finding] = []
    if turned:
        message = (
            f"the matrices are transposed: {sample.shapes[0][0]} rows and {sample.shapes[0][1]} columns, but the graph "
            f"expects {graph.num_columns} columns, and a row for each frame"
        )
        findings.append(Finding("transposed", message, "scores = scores.T"))
    frames = sum(shape[turned] for shape in sample.shapes)
    blank = graph.manifest.blank_column if graph.manifest else -1
    widths = sorted({shape[not turned] for shape in sample.shapes})
    findings += finding_of_rows(sample, frames)
    values, priors = "", ""
    hypotheses: list[Hypothesis] = []
    shape: BlankShape | None = None
    implied = shift_of_durations(taken, durations_s, turned=turned)
    if widths != [graph.num_columns]:
        kept = [rows for rows in sample.kept.values() if rows.shape[1] == widths[-1]]
        shape = blank_shape(kept) if kept else None
        findings.append(finding_of_width(graph, widths, shape, blank))
    elif sample.kept:
        findings += finding_of_tokens(tokens, graph_tokens)
        reading, values, priors, more = _numbers(graph, sample.kept, blank)
        findings += more
        rows = {name: reading.to_ln(matrix) for name, matrix in sample.kept.items()}
        shape = blank_shape(list(rows.values()))
        hypotheses, more = _columns(graph, sample.kept, reading, shape, blank, references)
        if not any(found.kind in ("other graph", "tokens") for found in findings):
            findings += more
        if implied is None:
            rate = labels_a_frame(list(rows.values()), shape.column)
            implied = (rate / _LABELS_A_SECOND[1], rate / _LABELS_A_SECOND[0]) if rate and shape.is_blank else None
    findings += finding_of_shift(graph, implied)
    return ScoreDiagnosis(
        utterances=len(taken),
        frames=frames,
        columns=widths[-1],
        graph_columns=graph.num_columns,
        values=values,
        priors=priors,
        blank=blank,
        shape=shape,
        graph_shift_s=graph.frame_shift_s,
        implied_shift_s=implied,
        findings=tuple(findings),
        hypotheses=tuple(hypotheses),
    )


def _numbers(
    graph: SearchGraph, kept: Mapping[str, NDArray[np.float64]], blank: int
) -> tuple[Reading, str, str, list[Finding]]:
    """Return how to read the numbers, what they are, whether priors were divided, and what is wrong with them."""
    every = np.concatenate(list(kept.values()))
    reading = reading_of_probabilities(every)
    if reading is not None:
        return _of_probabilities(reading, kept, blank)
    if are_flat(every):
        return LINEAR, "likelihoods or probabilities", "", finding_of_reading(LINEAR, "likelihoods or probabilities")
    divided = reading_of_divided(every)
    if divided is not None:
        reading, _ = divided
        values = f"{reading.name}: posteriors divided by priors"
        return reading, values, "divided", finding_of_reading(reading, "posteriors divided by priors")
    shape, shape_turned = blank_shape(list(kept.values())), blank_shape([-rows for rows in kept.values()])
    if blank >= 0:
        near = {blank, 0, graph.num_columns - 1, blank - 1, blank + 1}
        fix = "scores = wfst_asr.decoder.posteriors.log_softmax(scores), or wfst-asr decode --logits"
        message = "rows do not sum to one in any reading, as those of a network without its softmax"
        if shape.is_blank:
            return LN, "logits: softmax was not applied", "", [Finding("logits", message, fix)]
        if shape_turned.is_blank and shape_turned.column in near:
            sign = Finding("sign", "the sign is turned: the lowest numbers are of the labels", COSTS.fix)
            return COSTS, "logits with the sign turned", "", [sign, Finding("logits", message, fix)]
        message = (
            "the graph is of CTC, but rows do not sum to one, and no column behaves as a blank does: these look like "
            "likelihoods of HMM states"
        )
        fix = "give the graph that they belong to (wfst-asr graph compile), or the scores of the CTC network"
        return LN, "likelihoods or logits", "", [Finding("other graph", message, fix)]
    if shape.is_blank:
        message = f"the graph is of HMM states, but the scores look like CTC's: column {shape.column} is a blank"
        found = Finding("other graph", message, "give the graph that they belong to: wfst-asr graph compile-ctc")
        as_given = judge(graph, _decoded(kept, LN))
        turned = judge(graph, _decoded(kept, COSTS))
        if not (as_given and turned and rightly_turned(as_given, turned)):
            return LN, "logits of CTC", "", [found]
    if np.isfinite(every).all():
        as_given, turned = judge(graph, _decoded(kept, LN)), judge(graph, _decoded(kept, COSTS))
        if as_given and turned and rightly_turned(as_given, turned):
            message = (
                f"the sign is turned: the best path keeps away from the highest scores (distance "
                f"{as_given.distance:.2f}, put right {turned.distance:.2f})"
            )
            return COSTS, "costs (minus logarithms) of likelihoods", "", [Finding("sign", message, COSTS.fix)]
    return LN, "natural logarithms: likelihoods, or logits (which decode alike)", "", []


def _of_probabilities(
    reading: Reading, kept: Mapping[str, NDArray[np.float64]], blank: int
) -> tuple[Reading, str, str, list[Finding]]:
    name = "probabilities" if reading.kind == "probabilities" else f"{reading.name} of probabilities"
    found = finding_of_reading(reading, "probabilities")
    if blank >= 0:
        return reading, name, "not divided", found
    shape = blank_shape([reading.to_ln(rows) for rows in kept.values()])
    if shape.is_blank:
        message = (
            f"the graph is of HMM states, but the scores look like CTC's: column {shape.column} is best in "
            f"{shape.share:.0%} of the frames, other columns one at a time between"
        )
        fix = "give the graph that they belong to: wfst-asr graph compile-ctc"
        return reading, name, "not divided", [*found, Finding("other graph", message, fix)]
    message = "rows sum to one: posteriors, not divided by the priors that states of HMMs must be divided by"
    fix = "wfst_asr.decoder.posteriors.divide_by_priors(scores, log_priors(counts)), or wfst-asr decode --priors FILE"
    return reading, name, "not divided", [*found, Finding("priors", message, fix)]


def _decoded(
    kept: Mapping[str, NDArray[np.float64]], reading: Reading, whole: Mapping[str, Any] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Return what is decoded: the begin of some utterances, or those with references as a whole."""
    names = [name for name in kept if not whole or name in whole][:_UTTERANCES] or list(kept)[:_UTTERANCES]
    limit = None if whole else _FRAMES
    return {name: np.asarray(reading.to_ln(kept[name][:limit]), dtype=np.float32) for name in names}


def _columns(
    graph: SearchGraph,
    kept: Mapping[str, NDArray[np.float64]],
    reading: Reading,
    shape: BlankShape,
    blank: int,
    references: Mapping[str, Sequence[str]] | None,
) -> tuple[list[Hypothesis], list[Finding]]:
    """Decode under each hypothesis, numbers put right."""
    right = _decoded(kept, reading, references)
    if blank >= 0:
        right = {name: log_softmax(rows) for name, rows in right.items()}
    given = judge(graph, right, references=references)
    if given is None:
        return [], []
    found = [given]
    data_blank = shape.column if blank >= 0 and shape.is_blank else None
    for name, kind, fix, change in column_changes(graph.num_columns, blank, data_blank):
        one = judge(graph, right, name, kind, fix, change, references=references)
        if one is not None:
            found.append(one)
    defects = []
    best = min(found, key=lambda one: one.cost)
    if best is not given and better(given, best):
        place = "" if data_blank is None else f"; the data have the blank in column {data_blank}, the graph in {blank}"
        message = (
            f"{best.name}: put right, the best path costs {best.cost:.3f} a frame in place of {given.cost:.3f}, and is "
            f"nearer to the best column of each frame ({best.distance:.3f}, was {given.distance:.3f}){place}"
        )
        defects.append(Finding(best.kind, message, best.fix))
    elif data_blank is not None and data_blank != blank and _is_rare(right, blank):
        message = f"column {data_blank} behaves as the blank does, but the graph has it in column {blank}"
        fix = "compare tokens.txt of graph and network: wfst-asr scores check --tokens"
        defects.append(Finding("blank column", message, fix))
    for name, wrong in (("sign turned", COSTS), ("taken for logarithms of base 10", LOG10)):
        if all(np.isfinite(rows).all() for rows in right.values()):
            factor = -1.0 if wrong is COSTS else float(np.log(10))
            one = judge(graph, right, name, wrong.kind, wrong.fix, lambda rows, f=factor: scaled(rows, f))  # type: ignore[misc]
            if one is not None:
                found.append(one)
    return found, defects


def _is_rare(matrices: Mapping[str, NDArray[np.float32]], column: int) -> bool:
    """Tell whether a column is best in fewer than one frame in twenty, as a blank never is."""
    best = np.concatenate([rows.argmax(axis=1) for rows in matrices.values()])
    return bool(np.mean(best == column) < 0.05)
