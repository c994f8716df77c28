"""`wfst-asr lattice draw`: a lattice as a picture."""

from pathlib import Path
from typing import Any

import click

from wfst_asr.cli.lattice_source import LatticeSource, alignment_graph, source_options


@click.command()
@source_options
@click.argument("utterance", metavar="KEY")
@click.argument("output", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--max-arcs", default=60, show_default=True, type=click.IntRange(1), help="Draw so many arcs, of the best paths."
)
@click.option(
    "--frame-shift-ms",
    type=click.FloatRange(0, min_open=True),
    help="Time from a frame to the next.  [default: that of --graph, else 10]",
)
@click.option(
    "--graph",
    type=click.Path(path_type=Path),
    help="Graph folder, or lang directory with --transitions: words are aligned with its phones, for exact times.",
)
@click.option(
    "--transitions",
    type=click.Path(path_type=Path),
    help="final.mdl: the meaning of the labels, if --graph does not tell it.",
)
def draw(
    utterance: str,
    output: Path,
    max_arcs: int,
    frame_shift_ms: float | None,
    graph: Path | None,
    transitions: Path | None,
    **options: Any,
) -> None:
    """Draw the lattice of utterance KEY of LATTICES into OUT (.svg, .png, .pdf).

    Time goes from left to right, arcs tell their words and posteriors, the best path is red.
    """
    from wfst_asr.plots.language_model import check_plot

    check_plot(output)
    source = LatticeSource.of_options(**options)
    aligner, shift_ms = alignment_graph(output, graph, transitions, frame_shift_ms)
    lattice = source.lattice_of(utterance)
    if aligner is not None:
        from wfst_asr.decoder.word_lattice import word_lattice

        lattice = word_lattice(aligner, lattice).lattice
    from wfst_asr.plots.lattice import draw_lattice

    source.words_of([max(lattice.olabel.tolist(), default=0)])
    picture = draw_lattice(
        lattice,
        output,
        words=source.names,
        acoustic_scale=source.acoustic_scale,
        insertion_penalty=source.insertion_penalty,
        frame_shift_ms=shift_ms,
        max_arcs=max_arcs,
        title=utterance,
    )
    click.echo(f"{output}: {utterance}, {picture.num_drawn} of {picture.num_arcs} arcs")
