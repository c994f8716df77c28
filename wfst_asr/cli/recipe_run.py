"""The command line of a recipe's page, `python recipes/NAME/run.py`."""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from wfst_asr.cli.exit_status import exit_after
from wfst_asr.recipe.given import Given
from wfst_asr.recipe.stages import Recipe, Stage, StageResult
from wfst_asr.recipe.summary import summary_of, table_of
from wfst_asr.recipe.usage import cpu_seconds

Page = Callable[[Recipe, Given], None]


def run_recipe(name: str, page: Page, arguments: Sequence[str] | None = None) -> None:
    """Run a recipe's command and exit.

    Args:
        name: of the recipe.
        page: adds the stages to a recipe.
        arguments: of the command line; None: the process's.
    """
    command = recipe_command(name, page)
    given = list(arguments) if arguments is not None else None
    call = partial(command.main, args=given, prog_name="run.py", standalone_mode=False)
    exit_after(call, name=name, after_interrupt="the same command goes on from here")


def recipe_command(name: str, page: Page) -> click.Command:
    """Return the command of a recipe."""

    @click.command(name=name, help=(page.__doc__ or "").strip() or None)
    @click.option("--corpus", type=click.Path(path_type=Path), help="Folder of the corpus; fetched if not given.")
    @click.option("--work", type=click.Path(path_type=Path), help=f"Where all is made.  [default: exp/{name}]")
    @click.option("--lexicon", type=click.Path(path_type=Path), help="Pronunciations; the page's choice if not given.")
    @click.option("--lm", type=click.Path(path_type=Path), help="Language model; the page's choice if not given.")
    @click.option("--from", "start", metavar="STAGE", help="Make this stage and those after it, changed or not.")
    @click.option("--until", metavar="STAGE", help="Stop after this stage.")
    @click.option("--only", metavar="STAGE", multiple=True, help="Make this stage, changed or not; repeatable.")
    @click.option("--list", "list_stages", is_flag=True, help="List the stages and stop.")
    @click.option("--num-jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
    @click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of everything random.")
    @click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
    def command(
        corpus: Path | None,
        work: Path | None,
        lexicon: Path | None,
        lm: Path | None,
        start: str | None,
        until: str | None,
        only: tuple[str, ...],
        list_stages: bool,
        num_jobs: int,
        seed: int,
        as_json: bool,
    ) -> None:
        if only and (start or until):
            raise click.UsageError("give --only, or --from and --until, not both")
        recipe = Recipe(name, work or Path("exp") / name, num_jobs=num_jobs, told={"tell": _tell, "step": _step})
        page(recipe, Given(corpus, lexicon, lm, seed))
        if list_stages:
            for stage in recipe.stages:
                also = f" ({', '.join(stage.aliases)})" if stage.aliases else ""
                click.echo(f"{stage.name}{also}  ->  {stage.output}")
            return
        made = {result.name: result for result in recipe.run(start=start, until=until, only=only, report=_report)}
        results = {result.name: result for result in recipe.results()} | made
        told = summary_of(results[stage.name] for stage in recipe.stages if stage.name in results)
        told["process_cpu_seconds"] = round(cpu_seconds(), 3)
        if as_json:
            click.echo(json.dumps(told))
        else:
            click.echo("\n".join(table_of(told)))

    return command


def _report(number: int, count: int, stage: Stage, result: StageResult | None) -> None:
    head = f"[{number}/{count}] {stage.name}"
    if result is None:
        click.echo(head, err=True)
    elif not result.made:
        click.echo(f"{head}: unchanged", err=True)
    else:
        figures = ", ".join(
            f"{name} {_short(value)}" for name, value in result.figures.items() if value not in (None, "")
        )
        usage = f"{result.cpu_seconds:.1f} CPU s, {result.wall_seconds:.1f} s, {result.peak_mb:.0f} MB"
        click.echo(f"    {usage}{f'; {figures}' if figures else ''}", err=True)


def _tell(line: str) -> None:
    click.echo(f"    {line}", err=True)


def _step(what: str, at: int, of: int) -> None:
    """Show how far a stage is, in one line of a terminal."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K    {what} {at}/{of}" if at < of else "\r\033[K", nl=False, err=True)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
