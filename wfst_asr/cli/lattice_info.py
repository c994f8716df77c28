"""`wfst-asr lattice info`: how large lattices are."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wfst_asr.cli.lattice_files import lattices_argument

if TYPE_CHECKING:
    from wfst_asr.lattice.compact_lattice import CompactLattice
    from wfst_asr.lattice.lattice import Lattice


@dataclass(frozen=True)
class _Size:
    kind: str
    states: int
    arcs: int
    word_arcs: int
    final_states: int
    frames: int
    density: float


@click.command()
@lattices_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(lattices: Path, as_json: bool) -> None:
    """Show kind, states, arcs, arcs with a word, final states, frames and density of LATTICES.

    The density is the number of arcs that are alive in a frame, on the average.
    """
    from wfst_asr.kaldi.lattice import read_lattices

    sizes = {key: _size(lattice) for key, lattice in read_lattices(lattices)}
    total = _total(sizes)
    if as_json:
        click.echo(json.dumps({"total": total, "lattices": {key: asdict(size) for key, size in sizes.items()}}))
        return
    width = max([len("all"), *map(len, sizes)])
    click.echo(f"{'':{width}}  kind       states      arcs  word arcs  finals   frames  density")
    for key, size in sizes.items():
        click.echo(f"{key:{width}}  {_row(asdict(size))}")
    click.echo(f"{'all':{width}}  {_row(total)}")


def _size(lattice: "Lattice | CompactLattice") -> _Size:
    import numpy as np

    from wfst_asr.lattice.lattice import Lattice

    return _Size(
        kind="Lattice" if isinstance(lattice, Lattice) else "Compact",
        states=lattice.num_states,
        arcs=lattice.num_arcs,
        word_arcs=int(np.count_nonzero(lattice.olabel)),
        final_states=int(np.count_nonzero(np.isfinite(lattice.final_cost))),
        frames=lattice.num_frames,
        density=float(lattice.density),
    )


def _total(sizes: dict[str, _Size]) -> dict[str, str | int | float]:
    columns = [asdict(size) for size in sizes.values()]
    kinds = {size.kind for size in sizes.values()}
    names = ("states", "arcs", "word_arcs", "final_states", "frames")
    total: dict[str, str | int | float] = {name: sum(column[name] for column in columns) for name in names}
    alive = sum(size.density * size.frames for size in sizes.values())
    frames = sum(size.frames for size in sizes.values())
    return {
        "count": len(sizes),
        "kind": kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "none",
        **total,
        "density": alive / max(1, frames),
    }


def _row(size: dict[str, str | int | float]) -> str:
    return (
        f"{size['kind']:7}  {size['states']:>8}  {size['arcs']:>8}  {size['word_arcs']:>9}  {size['final_states']:>6}  "
        f"{size['frames']:>7}  {size['density']:>7.2f}"
    )
