"""`wfst-asr lattice determinize`: one path for each sequence of words."""

from pathlib import Path

import click

from wfst_asr.cli.lattice_files import lattices_argument, output_options, scale_option, write_all


@click.command()
@lattices_argument
@output_options
@scale_option
@click.option("--beam", type=click.FloatRange(0), required=True, help="Largest cost above the best path's, such as 6.")
@click.option(
    "--max-memory-mb",
    type=click.FloatRange(0, min_open=True),
    default=50.0,
    show_default=True,
    help="Limit by which the beam shrinks.",
)
@click.option("--minimize", is_flag=True, help="Merge states from which the same paths go on.")
def determinize(
    lattices: Path,
    output: Path,
    text: bool,
    scp: Path | None,
    acoustic_scale: float,
    beam: float,
    max_memory_mb: float,
    minimize: bool,
) -> None:
    """Keep the best path of LATTICES for each sequence of words within the beam, with its alignment."""
    from wfst_asr.kaldi.lattice import read_lattices
    from wfst_asr.lattice import determinize as determinization
    from wfst_asr.lattice.convert import state_level
    from wfst_asr.lattice.lattice import Lattice
    from wfst_asr.lattice.minimize import minimize as minimized

    made = (
        (
            key,
            determinization.determinize(
                lattice if isinstance(lattice, Lattice) else state_level(lattice),
                lattice_beam=beam,
                max_memory_mb=max_memory_mb,
            ),
        )
        for key, lattice in read_lattices(lattices, acoustic_scale=acoustic_scale)
    )
    if minimize:
        made = ((key, minimized(lattice)) for key, lattice in made)
    write_all(output, made, text=text, scp=scp)
