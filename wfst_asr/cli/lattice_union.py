"""`wfst-asr lattice union`: the paths of several lattices of each utterance."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from wfst_asr.cli.lattice_files import output_options, write_all
from wfst_asr.errors import WfstAsrError


@click.command()
@click.argument("archives", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_options
def union(archives: tuple[Path, ...], output: Path, text: bool, scp: Path | None) -> None:
    """Write, for each utterance of the ARCHIVES, a lattice with the paths of all its lattices.

    The archives hold lattices of one kind; utterances that some of them lack are kept.
    """
    write_all(output, _united(archives), text=text, scp=scp)


def _united(archives: tuple[Path, ...]) -> Iterator[tuple[str, Any]]:
    from wfst_asr.kaldi.lattice import read_lattices
    from wfst_asr.lattice.union import union as unite

    found: dict[str, list[Any]] = {}
    for archive in archives:
        for key, lattice in read_lattices(archive):
            found.setdefault(key, []).append(lattice)
    for key, lattices in found.items():
        try:
            yield key, unite(lattices)
        except WfstAsrError as error:
            raise WfstAsrError(f"'{key}': {error}") from error
