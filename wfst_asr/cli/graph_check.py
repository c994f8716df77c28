"""`wfst-asr graph check`: prove a compiled graph against its parts."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from wfst_asr.recipe.graph_check import GraphCheck


@click.command("check")
@click.argument("graph", metavar="GRAPH", type=click.Path(path_type=Path))
@click.option("--lang", metavar="LANG_DIR", type=click.Path(path_type=Path), help="Lang directory: L and the names.")
@click.option("--lm", metavar="LM", type=click.Path(path_type=Path), help="The language model that G was made of.")
@click.option("--g", "--G", "grammar", metavar="FST", type=click.Path(path_type=Path), help="G  [LANG_DIR/G.fst]")
@click.option(
    "--model",
    metavar="MODEL",
    type=click.Path(path_type=Path),
    help="Folder with tree and final.mdl; of a CTC network, its tokens.txt.",
)
@click.option("--paths", default=500, show_default=True, type=click.IntRange(0), help="Random paths to draw each way.")
@click.option(
    "--tolerance",
    default=1e-3,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Difference of costs per label that counts as rounding.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random paths.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(
    graph: Path,
    lang: Path | None,
    lm: Path | None,
    grammar: Path | None,
    model: Path | None,
    paths: int,
    tolerance: float,
    seed: int,
    as_json: bool,
) -> int:
    """Check the graph folder GRAPH, an HCLG or T o L o G, by itself and against the parts that are given.

    The exit status is 1 if a check failed.  What needs a part that was not given is not looked at.
    """
    from wfst_asr.recipe.graph_check import GraphCheckOptions, check_graph

    if grammar and lm:
        raise click.UsageError("--G and --lm were both given; G is made of one of them")
    options = GraphCheckOptions(paths, tolerance, seed)
    found = check_graph(graph, lang=lang, grammar=lm or grammar, model=model, options=options)
    click.echo(json.dumps(found.as_record()) if as_json else _report(found))
    return 0 if found.sound else 1


def _report(found: "GraphCheck") -> str:
    lines = [f"{found.graph}: {found.num_states:,} states, {found.num_arcs:,} arcs"]
    for one in found.checks:
        status = "FAILED" if one.status == "failed" else one.status
        lines.append(f"  {one.name:<16}  {status:<13}  {one.detail}")
        if one.example:
            lines.append(f"{'':35}{one.example}")
    failed = sum(one.status == "failed" for one in found.checks)
    unseen = sum(one.status == "not looked at" for one in found.checks)
    verdict = f"{failed} of {len(found.checks)} checks failed" if failed else "no check failed"
    return "\n".join([*lines, verdict + (f", {unseen} not looked at" if unseen else "")])
