"""What the commands that compile graphs share: how to run, and what to tell at the end."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wfst_asr.cli.step_progress import print_steps

if TYPE_CHECKING:
    from wfst_asr.cli.step_progress import StepProgress
    from wfst_asr.graph.forecast import Forecast
    from wfst_asr.recipe.graph_work import GraphRun
    from wfst_asr.recipe.trained_graph import CompiledGraph

_Command = TypeVar("_Command", bound=Callable[..., Any])


def run_options(command: _Command) -> _Command:
    """Add the options of how a compilation is run."""
    options = (
        click.option("--force", is_flag=True, help="Compile anew, even if the graph is up to date."),
        click.option("--keep-steps", is_flag=True, help="Keep what the steps made, for other options or models."),
        click.option("--max-memory", metavar="SIZE", help="Limit, such as 4G.  [default: what is available]"),
        click.option("--max-states", default=0, metavar="N", help="Limit of states; 0: none."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def graph_run(
    force: bool, keep_steps: bool, max_memory: str | None, max_states: int, progress: "StepProgress", *, as_json: bool
) -> "GraphRun":
    """Return how to run; the forecast is told before the first large step, or stands in the JSON object.

    Raises:
        WfstAsrError: a limit that is none.
    """
    from wfst_asr.graph.memory_limits import GraphLimits, parse_size
    from wfst_asr.recipe.graph_work import GraphRun

    limits = GraphLimits(0 if max_memory is None else parse_size(max_memory), max_states)
    return GraphRun(force=force, keep_steps=keep_steps, limits=limits, tell=None if as_json else teller(progress))


def teller(progress: "StepProgress") -> "Callable[[Forecast], None]":
    """Return what prints a forecast to the standard error stream and shows it beside the time that passes."""

    def tell(forecast: "Forecast") -> None:
        click.echo(_told(forecast), err=True)
        progress.foresee(forecast.arcs, forecast.cpu_seconds)

    return tell


def _told(forecast: "Forecast") -> str:
    from wfst_asr.graph.memory_limits import shown_bytes

    note = f" ({forecast.note})" if forecast.note else ""
    if not forecast.states:
        return f"forecast: {forecast.note}; G has {forecast.ngrams:,} arcs"
    return (
        f"forecast: {forecast.states:,} states, {forecast.arcs:,} arcs, {shown_bytes(forecast.peak_bytes)} of memory, "
        f"{forecast.cpu_seconds:.0f} CPU seconds{note}"
    )


def tell_compiled(made: "CompiledGraph", *, as_json: bool, **more: str) -> None:
    """Print sizes, steps, and how the graph was compiled."""
    if as_json:
        told = {"graph": str(made.folder), "method": made.method, "reason": made.reason, **more}
        sizes = {"states": made.num_states, "arcs": made.num_arcs}
        ways = {"up_to_date": made.up_to_date, "taken_over": made.taken_over}
        forecast = asdict(made.forecast) if made.forecast else None
        click.echo(
            json.dumps(
                {**told, **sizes, **ways, "forecast": forecast, "steps": [asdict(step) for step in made.manifest.steps]}
            )
        )
        return
    ways_told = {"direct": "the direct compiler", "openfst": "the OpenFst path", "on-the-fly": "the compiler of HCL"}
    how = ways_told.get(made.method, "the OpenFst path")
    why = f" ({made.reason})" if made.reason else ""
    if made.up_to_date:
        shown = f"{made.num_states:,} states, {made.num_arcs:,} arcs, by {how}{why}"
        click.echo(f"{made.folder}: up to date, {shown}; --force compiles it anew")
        return
    print_steps(made.manifest.steps)
    if made.taken_over:
        click.echo(f"taken over from an earlier run: {', '.join(made.taken_over)}")
    click.echo(f"{made.folder}: {made.num_states:,} states, {made.num_arcs:,} arcs, by {how}{why}")
