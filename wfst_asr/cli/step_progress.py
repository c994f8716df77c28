"""A progress bar a step of a compilation, on terminals only, and a table of the steps."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from wfst_asr.fst.manifest import Step


class StepProgress:
    """Shows a moving bar while a step runs, then its sizes and its rate; silent where there is no terminal."""

    def __init__(self, progress: "Progress | None") -> None:
        self._progress = progress
        self._running: dict[str, TaskID] = {}

    def __call__(self, name: str, step: "Step | None") -> None:
        """Show that a step began or ended; for `report=`."""
        if self._progress is None:
            return
        if step is None:
            self._running[name] = self._progress.add_task(name, total=None, sizes="")
        else:
            rate = f"  {step.arcs / step.seconds:,.0f} arcs/s" if step.seconds > 0.1 else ""
            sizes = f"{step.states:,} states  {step.arcs:,} arcs  {step.peak_mb:,.0f} MB{rate}"
            self._progress.update(self._running[name], total=1, completed=1, sizes=sizes)

    def foresee(self, arcs: int, seconds: float) -> None:
        """Show the time that has passed beside the time that is expected."""
        if self._progress is not None and arcs:
            self._progress.add_task("whole graph", total=None, sizes=f"of about {seconds:,.0f} s for {arcs:,} arcs")


@contextmanager
def progress_of_steps() -> Iterator[StepProgress]:
    """Yield a function for `report=`, which also takes a forecast."""
    if not sys.stderr.isatty():
        yield StepProgress(None)
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
        yield StepProgress(progress)


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
