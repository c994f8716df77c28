"""`wfst-asr graph compile-ctc`: T o L o G of a CTC network."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wfst_asr.cli.graph_run import graph_run, run_options, tell_compiled

if TYPE_CHECKING:
    from wfst_asr.graph.ctc_fst import CtcTopology
    from wfst_asr.recipe.trained_graph import Method


@click.command("compile-ctc")
@click.argument("lang_dir", metavar="LANG_DIR", type=click.Path(path_type=Path))
@click.argument("tokens", metavar="TOKENS", type=click.Path(path_type=Path))
@click.argument("out_dir", metavar="OUT_DIR", type=click.Path(path_type=Path))
@click.option("--g", "--G", "grammar", metavar="FST", type=click.Path(path_type=Path), help="G  [LANG_DIR/G.fst]")
@click.option("--lm", metavar="LM", type=click.Path(path_type=Path), help="A language model (ARPA) in place of G.")
@click.option("--blank", help="Name of the blank.  [default: <blank>, else <blk>, _, [PAD] or <pad>]")
@click.option(
    "--topology",
    type=click.Choice(["standard", "compact", "no-blank"]),
    default="standard",
    show_default=True,
    help="no-blank: repeated tokens need no blank between them; compact: nor do they, in a smaller graph.",
)
@click.option(
    "--method",
    type=click.Choice(["auto", "openfst", "direct"]),
    default="auto",
    show_default=True,
    help="How: by general operations, or directly, which is faster but takes only plain lexicons.",
)
@click.option(
    "--acoustic-scale",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Scale of the network's scores in decoding, for the manifest.",
)
@click.option("--frame-shift-ms", default=20.0, show_default=True, help="Time between rows of scores.")
@run_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compile_ctc(
    lang_dir: Path,
    tokens: Path,
    out_dir: Path,
    grammar: Path | None,
    lm: Path | None,
    blank: str | None,
    topology: "CtcTopology",
    method: "Method",
    acoustic_scale: float,
    frame_shift_ms: float,
    force: bool,
    keep_steps: bool,
    max_memory: str | None,
    max_states: int,
    as_json: bool,
) -> None:
    """Compile T o L o G into the graph folder OUT_DIR.

    LANG_DIR has L_disambig.fst, words.txt, phones.txt, and G.fst unless --lm is given; its phones are tokens of the
    network, without marks of position.  TOKENS names the columns of the network's scores: the tokens.txt of its folder.
    """
    from wfst_asr.cli.step_progress import progress_of_steps
    from wfst_asr.ctc.tokens import read_tokens
    from wfst_asr.recipe.ctc_graph import CtcGraphOptions, compile_ctc_graph

    if grammar and lm:
        raise click.UsageError("--G and --lm were both given; G is made of one of them")
    options = CtcGraphOptions(topology, method, acoustic_scale, frame_shift_ms / 1000)
    columns = read_tokens(tokens, blank=blank)
    with progress_of_steps() as report:
        run = graph_run(force, keep_steps, max_memory, max_states, report, as_json=as_json)
        made = compile_ctc_graph(
            lang_dir, lm or grammar or lang_dir / "G.fst", columns, out_dir, options, report=report, run=run
        )
    tell_compiled(made, as_json=as_json, topology=topology)
