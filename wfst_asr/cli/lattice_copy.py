"""`wfst-asr lattice copy`: between text and binary, and between the two kinds."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wfst_asr.cli.lattice_files import lattices_argument, output_options, write_all

if TYPE_CHECKING:
    from wfst_asr.lattice.compact_lattice import CompactLattice
    from wfst_asr.lattice.lattice import Lattice


@click.command()
@lattices_argument
@output_options
@click.option(
    "--kind",
    type=click.Choice(["lattice", "compact"]),
    help="Write Kaldi's Lattice or CompactLattice.  [default: as they are]",
)
def copy(lattices: Path, output: Path, text: bool, scp: Path | None, kind: str | None) -> None:
    """Copy LATTICES to OUT, gzipped if its name ends in .gz.

    States are sorted topologically, and what is on no path is dropped; conversion keeps every path.
    """
    write_all(output, _converted(lattices, kind), text=text, scp=scp)


def _converted(path: Path, kind: str | None) -> "Iterator[tuple[str, Lattice | CompactLattice]]":
    from wfst_asr.kaldi.lattice import read_lattices
    from wfst_asr.lattice.convert import compact_of, state_level
    from wfst_asr.lattice.lattice import Lattice

    for key, lattice in read_lattices(path):
        if isinstance(lattice, Lattice):
            yield key, compact_of(lattice) if kind == "compact" else lattice
        else:
            yield key, state_level(lattice) if kind == "lattice" else lattice
