"""Operations on machines that OpenFst has not in the form that graph compilation needs.

All take a pynini.Fst or an ArcTable, change neither, and return an ArcTable.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pynini
import pywrapfst

from wfst_asr.atomic_files import written_aside
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.convert import from_pynini, to_pynini

Machine = pynini.Fst | ArcTable
DELTA = 1.0 / 1024.0


def as_table(machine: Machine) -> ArcTable:
    """Return the machine as arrays."""
    return machine if isinstance(machine, ArcTable) else from_pynini(machine)


def as_fst(machine: Machine) -> pynini.Fst:
    """Return the machine as an OpenFst vector FST; a pynini.Fst is copied."""
    return to_pynini(machine) if isinstance(machine, ArcTable) else machine.copy()


def read_fst(path: str | os.PathLike[str], *, remedy: str = "give the path of an OpenFst file") -> pynini.Fst:
    """Read an OpenFst file of any type with tropical weights, without its symbol tables.

    Raises:
        WfstAsrError: no such file, not an OpenFst file, another semiring, or a damaged file.
    """
    name = Path(path)
    try:
        with name.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise WfstAsrError(f"{name}: cannot be read ({error.strerror}); {remedy}") from error
    if head[:4] != b"\xd6\xfd\xb2\x7e":
        raise WfstAsrError(f"{name}: not an OpenFst file; {remedy}")
    try:
        with _without_messages_of_openfst():
            fst = pynini.Fst.read(str(name))
    except pywrapfst.FstIOError as error:
        raise WfstAsrError(f"{name}: damaged or of an unknown kind of FST; {remedy}") from error
    if fst.arc_type() != "standard":
        raise WfstAsrError(f"{name}: arc type '{fst.arc_type()}', expected 'standard' (tropical weights); {remedy}")
    fst.set_input_symbols(None)
    fst.set_output_symbols(None)
    return fst


def write_fst(fst: pynini.Fst, path: str | os.PathLike[str]) -> None:
    """Write an OpenFst file (written aside, then renamed).

    Raises:
        WfstAsrError: the place cannot be written, or the disk is full.
    """
    with written_aside(path) as aside:
        try:
            with _without_messages_of_openfst():
                fst.write(str(aside))
        except pywrapfst.FstIOError as error:
            raise WfstAsrError(f"{path}: writing failed; free some space or choose another folder") from error


@contextmanager
def _without_messages_of_openfst() -> Iterator[None]:
    """Keep OpenFst from writing its own line about a damaged file to the standard error stream."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def compose(left: Machine, right: Machine) -> ArcTable:
    """Compose two transducers, left o right, and keep what lies on a path to a final state.

    The output labels of `left` are sorted and looked up by binary search for every arc of `right` (Kaldi's
    `fsttablecompose` uses a table instead); linear in the size of the result up to that logarithm.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> left = arc_table(2, [(0, 1, 1, 2, 0.5)], finals={1: 0.0})
    >>> right = arc_table(2, [(0, 1, 2, 3, 0.25)], finals={1: 0.0})
    >>> compose(left, right).arcs.tolist()
    [(1, 3, 0.75, 1)]
    """
    first = as_fst(left).arcsort("olabel")
    second = as_fst(right).arcsort("ilabel")
    return from_pynini(pynini.compose(first, second, connect=True))


def connect(machine: Machine) -> ArcTable:
    """Keep the states and arcs that lie on a path from the start to a final state."""
    return from_pynini(as_fst(machine).connect())


def arcsort(machine: Machine, *, by: str = "ilabel") -> ArcTable:
    """Sort every state's arcs by `by` ("ilabel" or "olabel")."""
    return from_pynini(as_fst(machine).arcsort(by))


def minimize_encoded(machine: Machine, *, delta: float = DELTA) -> ArcTable:
    """Merge states with equal futures, without moving costs or labels along paths (Kaldi `fstminimizeencoded`).

    Costs are rounded to multiples of `delta`; then (input, output, cost) is one symbol and the machine an acceptor,
    which is minimised and decoded.  Plain OpenFst `minimize` would push costs and labels first.

    Args:
        machine: any transducer; it need not be deterministic.
        delta: the unit of costs in nats.

    Returns:
        An equivalent machine with the same paths, their costs rounded arc by arc.

    O(E log V), Hopcroft (1971); linear for acyclic machines.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> tails = arc_table(4, [(0, 1, 1, 1, 0.0), (0, 2, 2, 2, 0.0), (1, 3, 3, 3, 0.1), (2, 3, 3, 3, 0.1)],
    ...                   finals={3: 0.0})
    >>> minimize_encoded(tails).num_states
    3
    """
    fst = to_pynini(quantized(as_table(machine), delta=delta))
    encoder = pywrapfst.EncodeMapper(fst.arc_type(), encode_labels=True, encode_weights=True)
    fst.encode(encoder)
    fst.minimize(allow_nondet=True)
    fst.decode(encoder)
    return from_pynini(fst)


def quantized(table: ArcTable, *, delta: float = DELTA) -> ArcTable:
    """Round all costs to multiples of `delta`."""
    arcs = table.arcs.copy()
    arcs["cost"] = np.floor(arcs["cost"] / np.float32(delta) + np.float32(0.5)) * np.float32(delta)
    final = np.floor(table.final_cost / np.float32(delta) + np.float32(0.5)) * np.float32(delta)
    return ArcTable(table.start, table.first_arc, arcs, final)


def remove_disambig_symbols(machine: Machine, disambig: Iterable[int]) -> ArcTable:
    """Turn the disambiguation symbols on the input side into epsilons (rds; Kaldi `fstrmsymbols`).

    >>> from wfst_asr.fst.arcs import arc_table
    >>> remove_disambig_symbols(arc_table(1, [(0, 0, 9, 4, 0.0)], finals={0: 0.0}), [9]).arcs["ilabel"].tolist()
    [0]
    """
    table = as_table(machine)
    arcs = table.arcs.copy()
    arcs["ilabel"][np.isin(arcs["ilabel"], np.fromiter(disambig, dtype=np.int32))] = 0
    return ArcTable(table.start, table.first_arc, arcs, table.final_cost)


def remove_eps_local(machine: Machine) -> ArcTable:
    """Remove epsilons only where the machine does not grow (Kaldi `fstrmepslocal`).

    An arc and one that follows it become one arc where at most one of the two has an input label and at most one an
    output label, and where the state between them has one arc in or one arc out.  The machine is connected after.

    Linear in the size of the machine; full epsilon removal can square it.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> chain = arc_table(3, [(0, 1, 5, 0, 0.5), (1, 2, 0, 7, 0.25)], finals={2: 0.0})
    >>> remove_eps_local(chain).arcs.tolist()
    [(5, 7, 0.75, 1)]
    """
    from wfst_asr.fst._epsilon_kernels import local_epsilon_removal

    table = connect(machine)  # a dead cycle of epsilons would be followed for ever
    if table.num_states == 0:
        return table
    return connect(local_epsilon_removal(table))
