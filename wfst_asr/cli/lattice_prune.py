"""`wfst-asr lattice prune`: smaller lattices, by a beam."""

from pathlib import Path

import click

from wfst_asr.cli.lattice_files import lattices_argument, output_options, scale_option, write_all


@click.command()
@lattices_argument
@output_options
@scale_option
@click.option("--beam", type=click.FloatRange(0), required=True, help="Largest cost above the best path's, such as 6.")
def prune(lattices: Path, output: Path, text: bool, scp: Path | None, acoustic_scale: float, beam: float) -> None:
    """Drop the arcs of LATTICES that lie only on paths costing more than the best one + the beam."""
    from wfst_asr.kaldi.lattice import read_lattices
    from wfst_asr.lattice.compact_pruning import prune_words
    from wfst_asr.lattice.lattice import Lattice
    from wfst_asr.lattice.lattice import prune as prune_states

    pruned = (
        (key, prune_states(lattice, beam) if isinstance(lattice, Lattice) else prune_words(lattice, beam))
        for key, lattice in read_lattices(lattices, acoustic_scale=acoustic_scale)
    )
    write_all(output, pruned, text=text, scp=scp)
