"""What the commands on lattice archives share: their arguments, and the writing of what comes out."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from wfst_asr.lattice.compact_lattice import CompactLattice
    from wfst_asr.lattice.lattice import Lattice

_Command = TypeVar("_Command", bound=Callable[..., Any])

lattices_argument = click.argument("lattices", type=click.Path(path_type=Path))

scale_option = click.option(
    "--acoustic-scale",
    type=click.FloatRange(0, min_open=True),
    required=True,
    help="Factor on acoustic costs, that of the decoding; archives do not tell it.",
)


def output_options(command: _Command) -> _Command:
    """Add the argument OUT and the options of how it is written: `output`, `text` and `scp`."""
    command = click.option("--scp", type=click.Path(path_type=Path), help="Also write the places in OUT.")(command)
    command = click.option("--text", is_flag=True, help="Write text in place of binary.")(command)
    return click.argument("output", metavar="OUT", type=click.Path(path_type=Path))(command)


def write_all(
    output: Path, items: "Iterable[tuple[str, Lattice | CompactLattice]]", *, text: bool, scp: Path | None
) -> None:
    """Write lattices to an archive and tell how many there were, and how large."""
    from wfst_asr.kaldi.lattice import lattice_writer

    count = arcs = 0
    with lattice_writer(output, binary=not text, scp=scp) as write:
        for key, lattice in items:
            write(key, lattice)
            count += 1
            arcs += lattice.num_arcs
    click.echo(f"{output}: {count} lattices, {arcs} arcs")
