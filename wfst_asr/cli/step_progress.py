"""A progress bar a step of a compilation, on terminals only, and a table of the steps."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import TaskID

    from wfst_asr.fst.manifest import Step


@contextmanager
def progress_of_steps() -> Iterator["Callable[[str, Step | None], None]"]:
    """Yield a function for `report=`: it shows a moving bar while a step runs, then its sizes; silent elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _name, _step: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description:<18}"),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.fields[sizes]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        running: dict[str, TaskID] = {}

        def report(name: str, step: "Step | None") -> None:
            if step is None:
                running[name] = progress.add_task(name, total=None, sizes="")
            else:
                sizes = f"{step.states:,} states  {step.arcs:,} arcs  {step.peak_mb:,.0f} MB"
                progress.update(running[name], total=1, completed=1, sizes=sizes)

        yield report


def print_steps(steps: "Iterable[Step]", *, err: bool = False) -> None:
    """Print name, states, arcs, seconds and memory of every step as a table."""
    rows = [("step", "states", "arcs", "seconds", "CPU seconds", "peak MB")]
    for step in steps:
        numbers = (f"{step.seconds:.2f}", f"{step.cpu_seconds:.2f}", f"{step.peak_mb:.0f}")
        rows.append((step.name, f"{step.states:,}", f"{step.arcs:,}", *numbers))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        click.echo("  ".join(cells), err=err)
