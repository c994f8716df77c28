"""`wfst-asr scores`: look at score matrices before they are decoded."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from wfst_asr.decoder.search_graph import SearchGraph
    from wfst_asr.recipe.score_diagnosis import ScoreDiagnosis


@click.group()
def scores() -> None:
    """Look at score matrices: whether they fit a graph, and what is wrong with them."""


@scores.command("check")
@click.argument("graph", type=click.Path(path_type=Path))
@click.argument("matrices", metavar="SCORES", type=click.Path(path_type=Path))
@click.option("--tokens", type=click.Path(path_type=Path), help="Names of the matrices' columns: a symbol table.")
@click.option("--text", type=click.Path(path_type=Path), help="What was said, for error rates: 'utterance-id WORDS'.")
@click.option("--data", type=click.Path(path_type=Path), help="Data directory of the recordings, for the frame shift.")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of the model that made the scores.")
@click.option("--json", "as_json", is_flag=True, help="Print the diagnosis as JSON.")
def check(
    graph: Path,
    matrices: Path,
    tokens: Path | None,
    text: Path | None,
    data: Path | None,
    model: Path | None,
    as_json: bool,
) -> int:
    r"""Tell whether score matrices fit GRAPH, and for each defect the line that puts it right.

    SCORES is a .npy or .npz file, a folder of .npy files, an ark or an scp.  Looked at are: number of columns, NaN,
    what the numbers are (log-probabilities, probabilities, logits, costs, logarithms of base 10, posteriors divided by
    priors), where the blank is, whether columns are shifted, and the frame shift.  Some utterances are decoded under
    each hypothesis.  Exit status: 0 they fit, 1 a defect was found.
    """
    from wfst_asr.io.score_files import read_score_matrices
    from wfst_asr.recipe.labelled_graph import load_graph_with_labels
    from wfst_asr.recipe.score_diagnosis import diagnose_scores
    from wfst_asr.score.wer import read_text

    trained = model if model is not None and (model / "final.mdl").is_file() else None
    loaded = load_graph_with_labels(graph, model=trained)
    _check_model(loaded, model)
    if tokens is None and model is not None and (model / "tokens.txt").is_file():
        tokens = model / "tokens.txt"
    found = diagnose_scores(
        loaded,
        read_score_matrices(matrices),
        tokens=_names(tokens) if tokens else None,
        graph_tokens=_names(graph / "tokens.txt") if (graph / "tokens.txt").is_file() else None,
        durations_s=_durations(data) if data else None,
        references=read_text(text) if text else None,
    )
    click.echo(json.dumps({"fits": found.fits, **asdict(found)}) if as_json else _report(found))
    return 0 if found.fits else 1


def _check_model(graph: "SearchGraph", model: Path | None) -> None:
    """Refuse a model of Gaussian mixtures that the graph was not compiled with."""
    if model is None or not (model / "final.mdl").is_file():
        return
    from wfst_asr.recipe.scorers import check_graph_of_model

    check_graph_of_model(graph.manifest, model, graph=graph.name)


def _names(path: Path) -> list[str]:
    from wfst_asr.decoder.symbols import read_symbols

    return list(read_symbols(path))


def _durations(data_dir: Path) -> dict[str, float]:
    from wfst_asr.io.data_dir import read_data_dir

    return {name: len(sound.samples) / sound.sample_rate_hz for name, sound in read_data_dir(data_dir).audio()}


def _report(found: "ScoreDiagnosis") -> str:
    lines = [f"{found.utterances} utterances, {found.frames} frames, {found.columns} columns"]
    lines[0] += "" if found.columns == found.graph_columns else f" (the graph expects {found.graph_columns})"
    if found.values:
        lines.append(f"numbers: {found.values}")
    if found.priors and found.blank < 0:
        lines.append(f"priors: {found.priors}")
    if found.blank >= 0:
        lines.append(f"blank: column {found.blank} of the graph; {_told_shape(found)}")
    lines.append(f"frame shift: {1000 * found.graph_shift_s:g} ms of the graph{_told_shift(found)}")
    if found.hypotheses:
        lines += ["", *_table(found)]
    lines.append("")
    for defect in found.findings:
        lines += [f"defect: {defect.message}", f"    fix: {defect.fix}"]
    lines += ["the scores fit the graph"] if found.fits else []
    return "\n".join(lines)


def _told_shape(found: "ScoreDiagnosis") -> str:
    if found.shape is None:
        return "no data"
    told = f"column {found.shape.column} is best in {found.shape.share:.0%} of the frames"
    return told + (" and behaves as a blank" if found.shape.is_blank else ", and none behaves as a blank")


def _told_shift(found: "ScoreDiagnosis") -> str:
    if found.implied_shift_s is None:
        return ""
    low, high = (1000 * shift for shift in found.implied_shift_s)
    return f", {low:.1f} ms by durations" if low == high else f", {low:.0f} to {high:.0f} ms by the rate of labels"


def _table(found: "ScoreDiagnosis") -> list[str]:
    """Tell what the best path is like as the columns are, numbers put right, and under each hypothesis."""
    rows: list[list[Any]] = [["best path, if undone", "cost a frame", "distance", "blank", "words", "errors", "first"]]
    for one in found.hypotheses:
        blank = "" if one.blank_share is None else f"{one.blank_share:.0%}"
        errors = "" if one.word_errors is None else f"{one.word_errors:.0%}"
        words = one.text if len(one.text) <= 32 else one.text[:29] + "..."
        rows.append([one.name, f"{one.cost:.3f}", f"{one.distance:.3f}", blank, str(one.words), errors, words])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    shown = [k for k in range(len(rows[0])) if any(row[k] for row in rows[1:])]
    return ["  ".join(row[k].ljust(widths[k]) for k in shown).rstrip() for row in rows]
