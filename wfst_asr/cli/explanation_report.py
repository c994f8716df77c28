"""An explanation for the reader: the words side by side, where they differ, and what each word costs."""

import shutil
from collections.abc import Sequence

import click
from rich.cells import cell_len

from wfst_asr.decoder.explain import ExplainedPath, Explanation
from wfst_asr.decoder.path_costs import Region, WordCost
from wfst_asr.score.report import aligned_text
from wfst_asr.score.wer import UtteranceScore, align

_NO_LM = "the graph cost is told as a whole: language model, lexicon and transitions together; --lm splits it"
_LM = (
    "lm: the language model's cost of the word after those before it; rest: lexicon, silence and transitions, and "
    "what the graph holds on the arcs of a neighbouring word"
)


def print_explanation(told: Explanation, *, every_word: bool) -> None:
    """Print the verdict and the tables."""
    click.echo(f"{told.verdict}: {told.sentence}")
    if told.hypothesis is not None:
        width = max(40, shutil.get_terminal_size((100, 24)).columns)
        pairs = align(told.reference_words, told.hypothesis.words)
        click.echo("\n" + aligned_text(UtteranceScore("", pairs), width=width))
    for one in told.missing:
        if one.similar:
            click.echo(f"spelled like '{one.word}': {', '.join(one.similar)}")
    if told.verdict in ("lexicon", "grammar", "frames"):
        _print_pronunciations(told)
    if told.reference is None or told.hypothesis is None:
        return
    with_lm = told.reference.lm_cost is not None and told.hypothesis.lm_cost is not None
    _print_totals(told.reference, told.hypothesis, with_lm)
    if told.regions:
        click.echo("\nwhere the paths differ (cost of the reference less cost of what was found)")
        _print_table(
            ["from s", "to s", "reference", "found", "acoustic", "lm", "rest", "gap"]
            if with_lm
            else ["from s", "to s", "reference", "found", "acoustic", "graph", "gap"],
            [_region_row(region, with_lm) for region in told.regions],
        )
    for name, path in (("reference", told.reference), ("found", told.hypothesis)):
        rows = [row for row in path.costs if every_word or _in_regions(row, told.regions)]
        if not rows:
            continue
        exact = "" if path.result.times_exact else "; times are those of the words' labels, not exact"
        click.echo(f"\n{name}, word by word{exact}")
        _print_table(
            ["from s", "to s", "word", "phones", "acoustic", "graph", "lm", "rest"]
            if with_lm
            else ["from s", "to s", "word", "phones", "acoustic", "graph"],
            [_word_row(row, with_lm) for row in rows],
        )
    click.echo(f"\n{_LM if with_lm else _NO_LM}")


def _print_pronunciations(told: Explanation) -> None:
    recognised = () if told.hypothesis is None else told.hypothesis.words
    known = {one for one, other in align(told.reference_words, recognised) if one == other}
    for word, variants in dict(zip(told.reference_words, told.pronunciations, strict=True)).items():
        if variants and word not in known:
            click.echo(f"'{word}' is pronounced: {'; '.join(' '.join(phones) for phones in variants)}")


def _print_totals(reference: ExplainedPath, found: ExplainedPath, with_lm: bool) -> None:
    rows = []
    for name, path in (("reference", reference), ("found", found)):
        result = path.result
        row = [name, _number(result.acoustic_scale * result.acoustic_cost), _number(result.graph_cost)]
        rows.append([*row, *([_number(path.lm_cost)] if with_lm else []), _number(path.total)])
    click.echo()
    _print_table(["", "acoustic", "graph", *(["of it lm"] if with_lm else []), "total"], rows)


def _region_row(region: Region, with_lm: bool) -> list[str]:
    row = [
        f"{region.start_s:.2f}", f"{region.end_s:.2f}", " ".join(region.reference), " ".join(region.hypothesis),
        _signed(region.acoustic_gap),
    ]  # fmt: skip
    if with_lm and region.lm_gap is not None:
        return [*row, _signed(region.lm_gap), _signed(region.graph_gap - region.lm_gap), _signed(region.gap)]
    return [*row, _signed(region.graph_gap), _signed(region.gap)]


def _word_row(row: WordCost, with_lm: bool) -> list[str]:
    cells = [
        f"{row.start_s:.2f}", f"{row.end_s:.2f}", row.word or "(pause)", " ".join(row.phones),
        _number(row.acoustic_cost), _number(row.graph_cost),
    ]  # fmt: skip
    if with_lm:
        cells += [_number(row.lm_cost), _number(None if row.lm_cost is None else row.graph_cost - row.lm_cost)]
    return cells


def _in_regions(row: WordCost, regions: Sequence[Region]) -> bool:
    return any(row.start_frame < region.end_frame and region.start_frame < row.end_frame for region in regions)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value + 0.0:.2f}"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns side by side, numbers to the right."""
    left = {"", "reference", "found", "word", "phones"}
    widths = [max(cell_len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    for line in (head, *rows):
        cells = [
            cell + " " * (width - cell_len(cell)) if name in left else " " * (width - cell_len(cell)) + cell
            for cell, width, name in zip(line, widths, head, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())
