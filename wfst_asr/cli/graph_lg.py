"""`wfst-asr graph compile-lg`: min(det(L o G)) in a file of its own."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from wfst_asr.recipe.trained_graph import Method


@click.command("compile-lg")
@click.argument("lang_dir", metavar="LANG_DIR", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT.fst", type=click.Path(path_type=Path))
@click.option("--g", "--G", "grammar", metavar="FST", type=click.Path(path_type=Path), help="G  [LANG_DIR/G.fst]")
@click.option("--lm", metavar="LM", type=click.Path(path_type=Path), help="A language model (ARPA) in place of G.")
@click.option(
    "--method",
    type=click.Choice(["auto", "openfst", "direct"]),
    default="auto",
    show_default=True,
    help="How: by general operations, or directly, which is faster but takes only plain lexicons.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compile_lg_file(
    lang_dir: Path, out: Path, grammar: Path | None, lm: Path | None, method: "Method", as_json: bool
) -> None:
    """Write LG: lexicon and grammar in one deterministic, minimal machine with disambiguation symbols.

    It is Kaldi's LG.fst, for tools that compose further machines with it; `graph compile` has no need of it.
    """
    from wfst_asr.cli.step_progress import print_steps, progress_of_steps
    from wfst_asr.recipe.lg_file import compile_lg

    if grammar and lm:
        raise click.UsageError("--G and --lm were both given; G is made of one of them")
    with progress_of_steps() as report:
        made = compile_lg(lang_dir, lm or grammar or lang_dir / "G.fst", out, method=method, report=report)
    if as_json:
        told = {"lg": str(out), "method": made.method, "reason": made.reason}
        sizes = {"states": made.num_states, "arcs": made.num_arcs}
        click.echo(json.dumps({**told, **sizes, "steps": [asdict(step) for step in made.steps]}))
        return
    print_steps(made.steps)
    how = "directly" if made.method == "direct" else "by general operations"
    why = f" ({made.reason})" if made.reason else ""
    click.echo(f"{out}: {made.num_states:,} states, {made.num_arcs:,} arcs, {how}{why}")
