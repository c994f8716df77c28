"""Lattices to and from weighted automata: over words, or from input labels to words, with one cost an arc.

Automata are ArcTables here, or machines of pynini, which is imported only where they are asked for.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable
from wfst_asr.lattice.assemble import arrange
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.convert import state_level
from wfst_asr.lattice.lattice import Lattice


def word_acceptor(
    lattice: Lattice | CompactLattice, *, acoustic_scale: float | None = None, insertion_penalty: float = 0.0
) -> ArcTable:
    """Return the acceptor of a lattice's words over the tropical semiring; state by state, arc by arc.

    A path costs graph cost + acoustic scale * acoustic cost + insertion penalty * words.

    Args:
        lattice: of either kind.
        acoustic_scale: that of the search, if not given.
        insertion_penalty: cost that each word adds.

    Raises:
        WfstAsrError: a scale that is no number above 0.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> lattice = label_lattice(arc_table(2, [(0, 1, 3, 7, 0.5)], finals={1: 0.25}))
    >>> table = word_acceptor(lattice, insertion_penalty=1.0)
    >>> table.arcs["ilabel"].tolist(), table.arcs["cost"].tolist()
    ([7], [1.5])
    """
    arcs = np.empty(lattice.num_arcs, dtype=ARC_DTYPE)
    arcs["ilabel"] = arcs["olabel"] = lattice.olabel
    arcs["cost"] = lattice.arc_costs(acoustic_scale, insertion_penalty)
    arcs["nextstate"] = lattice.nextstate
    return ArcTable(_start(lattice), lattice.first_arc, arcs, _final(lattice, acoustic_scale))


def label_transducer(
    lattice: Lattice | CompactLattice, *, acoustic_scale: float | None = None, insertion_penalty: float = 0.0
) -> ArcTable:
    """Return the transducer from a lattice's input labels to its words; arguments and costs as in `word_acceptor`.

    A string of labels becomes as many arcs, the first of which has the word and the cost.
    """
    states = state_level(lattice) if isinstance(lattice, CompactLattice) else lattice
    table = word_acceptor(states, acoustic_scale=acoustic_scale, insertion_penalty=insertion_penalty)
    table.arcs["ilabel"] = states.ilabel
    return table


def word_lattice(table: ArcTable) -> CompactLattice:
    """Return a lattice of words from an acyclic acceptor of words, or the output side of a transducer.

    Its costs are graph costs, its arcs have no input labels, and so it has no frames.

    Raises:
        WfstAsrError: the machine has a cycle.
    """
    kept = _arranged(table, np.zeros(table.num_arcs, dtype=np.int32))
    arcs = table.arcs[kept.arcs]
    zeros, none = np.zeros(len(arcs), dtype=np.float32), np.zeros(0, dtype=np.int32)
    return CompactLattice(
        frame=kept.frame,
        first_arc=kept.first_arc,
        nextstate=kept.nextstate,
        olabel=arcs["olabel"].copy(),
        graph_cost=arcs["cost"].copy(),
        acoustic_cost=zeros,
        first_label=np.zeros(len(arcs) + 1, dtype=np.int64),
        labels=none,
        final_cost=table.final_cost[kept.states],
        final_acoustic_cost=np.zeros(len(kept.states), dtype=np.float32),
        first_final_label=np.zeros(len(kept.states) + 1, dtype=np.int64),
        final_labels=none,
    )


def label_lattice(table: ArcTable) -> Lattice:
    """Return a lattice from an acyclic transducer of input labels, one a frame, to words; its costs are graph costs.

    Raises:
        WfstAsrError: the machine has a cycle, or its paths differ in the number of labels.
    """
    kept = _arranged(table, table.arcs["ilabel"] != 0, in_time_order=True)
    arcs = table.arcs[kept.arcs]
    return Lattice(
        frame=kept.frame,
        first_arc=kept.first_arc,
        nextstate=kept.nextstate,
        ilabel=arcs["ilabel"].copy(),
        olabel=arcs["olabel"].copy(),
        graph_cost=arcs["cost"].copy(),
        acoustic_cost=np.zeros(len(arcs), dtype=np.float32),
        final_cost=table.final_cost[kept.states],
    )


def to_pynini(
    lattice: Lattice | CompactLattice,
    *,
    labels: bool = False,
    acoustic_scale: float | None = None,
    insertion_penalty: float = 0.0,
) -> Any:
    """Return a `pynini.Fst`: the acceptor of words, or (`labels`) the transducer from input labels to words.

    Arguments, costs and errors as in `word_acceptor`.
    """
    from wfst_asr.fst import convert

    make = label_transducer if labels else word_acceptor
    return convert.to_pynini(make(lattice, acoustic_scale=acoustic_scale, insertion_penalty=insertion_penalty))


def from_pynini(fst: Any, *, labels: bool = False) -> Lattice | CompactLattice:
    """Return a `pynini.Fst` as a `word_lattice`, or (`labels`) as a `label_lattice`.

    Raises:
        WfstAsrError: the machine is over another semiring than the tropical one, has a cycle, or (`labels`) paths that
            differ in the number of labels.
    """
    from wfst_asr.fst import convert

    table = convert.from_pynini(fst)
    return label_lattice(table) if labels else word_lattice(table)


def _start(lattice: Lattice | CompactLattice) -> int:
    return 0 if lattice.num_states else -1


def _final(lattice: Lattice | CompactLattice, acoustic_scale: float | None) -> NDArray[np.float32]:
    return lattice.final_costs(acoustic_scale).astype(np.float32)


def _arranged(table: ArcTable, consumed: NDArray[Any], *, in_time_order: bool = False) -> Any:
    try:
        return arrange(
            table.first_arc,
            table.arcs["nextstate"].copy(),
            consumed,
            is_final=np.isfinite(table.final_cost),
            start=table.start,
            in_time_order=in_time_order,
        )
    except WfstAsrError as error:
        raise WfstAsrError(f"the FST {error}") from error
