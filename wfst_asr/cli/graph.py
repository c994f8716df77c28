"""`wfst-asr graph`: compile HCLG from a lang directory and a model, and tell what a graph holds."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wfst_asr.cli.graph_check import check
from wfst_asr.cli.graph_ctc import compile_ctc
from wfst_asr.cli.graph_lg import compile_lg_file
from wfst_asr.cli.graph_run import graph_run, run_options, tell_compiled
from wfst_asr.cli.graph_words import add_words

if TYPE_CHECKING:
    from wfst_asr.recipe.trained_graph import Method


@click.group()
def graph() -> None:
    """Compile and inspect HCLG and TLG graphs."""


graph.add_command(compile_ctc)
graph.add_command(compile_lg_file)
graph.add_command(check)
graph.add_command(add_words)


@graph.command("compile")
@click.argument("lang_dir", metavar="LANG_DIR", type=click.Path(path_type=Path))
@click.argument("model_dir", metavar="MODEL_DIR", type=click.Path(path_type=Path))
@click.argument("out_dir", metavar="OUT_DIR", type=click.Path(path_type=Path))
@click.option("--g", "--G", "grammar", metavar="FST", type=click.Path(path_type=Path), help="G  [LANG_DIR/G.fst]")
@click.option("--lm", metavar="LM", type=click.Path(path_type=Path), help="A language model (ARPA) in place of G.")
@click.option(
    "--method",
    type=click.Choice(["auto", "openfst", "direct"]),
    default="auto",
    show_default=True,
    help="How: by general operations, or directly, which is faster but takes only plain lexicons.",
)
@click.option(
    "--on-the-fly",
    is_flag=True,
    help="Write HCL and G apart, to be composed while decoding: small, made in seconds, slower to search at first.",
)
@click.option("--transition-scale", default=1.0, show_default=True, help="Scale of transition log probabilities.")
@click.option("--self-loop-scale", default=0.1, show_default=True, help="Scale of self-loop log probabilities.")
@click.option(
    "--acoustic-scale",
    type=click.FloatRange(0, min_open=True),
    help="Scale of acoustic scores in decoding, for the manifest.  [default: 1/10 for monophones, else 1/15]",
)
@click.option("--frame-shift-ms", default=10.0, show_default=True, help="Time between frames, for the manifest.")
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compile_graph(
    lang_dir: Path,
    model_dir: Path,
    out_dir: Path,
    grammar: Path | None,
    lm: Path | None,
    method: "Method",
    on_the_fly: bool,
    transition_scale: float,
    self_loop_scale: float,
    acoustic_scale: float | None,
    frame_shift_ms: float,
    force: bool,
    keep_steps: bool,
    max_memory: str | None,
    max_states: int,
    as_json: bool,
) -> None:
    """Compile HCLG into the graph folder OUT_DIR.

    LANG_DIR has L_disambig.fst, words.txt, phones.txt, and G.fst unless --lm is given; MODEL_DIR has tree and
    final.mdl, as Kaldi writes them.
    """
    from wfst_asr.cli.step_progress import progress_of_steps
    from wfst_asr.recipe.on_the_fly_graph import compile_on_the_fly
    from wfst_asr.recipe.trained_graph import TrainedGraphOptions, compile_trained_graph

    if grammar and lm:
        raise click.UsageError("--G and --lm were both given; G is made of one of them")
    options = TrainedGraphOptions(method, transition_scale, self_loop_scale, acoustic_scale, frame_shift_ms / 1000)
    if on_the_fly and method == "openfst":
        raise click.UsageError("--on-the-fly goes with the direct compiler only; leave --method out")
    if on_the_fly and (keep_steps or max_memory or max_states):
        raise click.UsageError("--on-the-fly takes no --keep-steps, --max-memory or --max-states; leave them out")
    source = lm or grammar or lang_dir / "G.fst"
    with progress_of_steps() as report:
        if on_the_fly:
            made = compile_on_the_fly(lang_dir, source, model_dir, out_dir, options=options, report=report)
        else:
            run = graph_run(force, keep_steps, max_memory, max_states, report, as_json=as_json)
            made = compile_trained_graph(lang_dir, source, model_dir, out_dir, options=options, report=report, run=run)
    tell_compiled(made, as_json=as_json)


@graph.command("info")
@click.argument("path", metavar="GRAPH", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(path: Path, as_json: bool) -> None:
    """Tell the sizes and properties of GRAPH, a graph folder or a const FST file."""
    from wfst_asr.cli.step_progress import print_steps
    from wfst_asr.fst.arcs import read_const_fst
    from wfst_asr.fst.manifest import MANIFEST_NAME, read_manifest
    from wfst_asr.fst.properties import describe
    from wfst_asr.graph.graph_dir import HCL_NAMES, HCLG_NAME

    manifest = None
    if path.is_dir():
        file = path / HCLG_NAME
        if not file.exists() and (path / HCL_NAMES[0]).exists():
            file = path / HCL_NAMES[0]
        manifest = read_manifest(path) if (path / MANIFEST_NAME).exists() else None
    else:
        file = path
    facts = asdict(describe(read_const_fst(file)))
    if as_json:
        told = {"file": str(file), **{name: _finite(value) for name, value in facts.items()}}
        click.echo(json.dumps({**told, "manifest": asdict(manifest) if manifest else None}))
        return
    click.echo(f"{file}")
    for name, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        click.echo(f"  {name.replace('_', ' '):<20} {shown}")
    if manifest:
        click.echo(f"  {'input labels':<20} {manifest.label_kind}; {manifest.num_columns} {manifest.column_names}")
        click.echo(f"  {'scales':<20} transitions {manifest.transition_scale}, self-loops {manifest.self_loop_scale}")
        click.echo(f"  {'made by':<20} {manifest.made_by}")
        print_steps(manifest.steps)


def _finite(value: float) -> float | None:
    return value if value not in (float("inf"), float("-inf")) else None
