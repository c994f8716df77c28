"""Union of lattices of one utterance: the paths of all of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.assemble import arrange
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.compact_pruning import offsets, take_strings
from wfst_asr.lattice.compose import AnyLattice
from wfst_asr.lattice.lattice import Lattice


def union(lattices: Sequence[AnyLattice]) -> AnyLattice:
    """Return the lattice with the paths of all lattices, which share nothing but the start (Kaldi: lattice-union).

    No arc leads to a start, so it can be shared without new arcs; where several lattices have a path without arcs, the
    cheapest is kept.  Lattices without states are left out.  Equal paths are not merged: determinize for that.

    Args:
        lattices: at least one; of one kind, one acoustic scale and one number of frames.  Those made from an FST
            (`fst_exchange.label_lattice`) take part as others do.

    Raises:
        WfstAsrError: no lattice, or lattices that differ in kind, acoustic scale or frames.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> from wfst_asr.lattice.fst_exchange import word_lattice
    >>> yes, no = (word_lattice(arc_table(2, [(0, 1, w, w, 0.5)], finals={1: 0})) for w in (1, 2))
    >>> both = union([yes, no])
    >>> both.olabel.tolist(), both.nextstate.tolist()
    ([1, 2], [1, 2])
    """
    if not lattices:
        raise WfstAsrError("no lattices to unite; give at least one")
    first = lattices[0]
    scales = {lattice.acoustic_scale for lattice in lattices}
    if len({type(lattice) for lattice in lattices}) > 1:
        raise WfstAsrError("a Lattice and a CompactLattice cannot be united; convert one of them")
    if len(scales) > 1:
        raise WfstAsrError(f"lattices of acoustic scales {min(scales)} and {max(scales)}; expected one scale")
    given: list[AnyLattice] = [lattice for lattice in lattices if lattice.num_states]
    frames = {lattice.num_frames for lattice in given}
    if len(frames) > 1:
        raise WfstAsrError(f"lattices of {min(frames)} and {max(frames)} frames; expected those of one utterance")
    if len(given) < 2:
        return given[0] if given else first
    offset = offsets(np.array([lattice.num_states for lattice in given]))
    source = np.concatenate([lattice.source + offset[i] for i, lattice in enumerate(given)])
    source[np.isin(source, offset)] = 0
    nextstate = np.concatenate([lattice.nextstate + offset[i] for i, lattice in enumerate(given)]).astype(np.int32)
    order = np.argsort(source, kind="stable")
    first_arc = offsets(np.bincount(source, minlength=int(offset[-1])))

    end_cost = np.concatenate([lattice.final_costs() for lattice in given])
    is_final = np.isfinite(end_cost)
    cheapest = int(offset[np.argmin(end_cost[offset[:-1]])])
    end_of = np.arange(len(end_cost))  # whose end each state has
    end_of[0] = cheapest
    is_final[offset[1:-1]] = False
    is_final[0] = np.isfinite(end_cost[cheapest])

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(lattice, name) for lattice in given])

    def strings(first: str, values: str) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        lengths = np.concatenate([np.diff(getattr(lattice, first)) for lattice in given])
        return offsets(lengths), joined(values)

    compact = isinstance(first, CompactLattice)
    consumed = np.diff(strings("first_label", "labels")[0]) if compact else joined("ilabel") != 0
    final_strings = strings("first_final_label", "final_labels") if compact else None
    end_consumed = None if final_strings is None else np.diff(final_strings[0])[end_of]
    kept = arrange(
        first_arc,
        nextstate[order],
        consumed[order],
        is_final=is_final,
        end_consumed=end_consumed,
        in_time_order=isinstance(first, Lattice),
    )
    arcs, ends = order[kept.arcs], end_of[kept.states]
    fields: dict[str, Any] = {
        "frame": kept.frame,
        "first_arc": kept.first_arc,
        "nextstate": kept.nextstate,
        "olabel": joined("olabel")[arcs],
        "graph_cost": joined("graph_cost")[arcs],
        "acoustic_cost": joined("acoustic_cost")[arcs],
        "final_cost": np.where(is_final[kept.states], joined("final_cost")[ends], np.float32(np.inf)),
        "lattice_beam": min(lattice.lattice_beam for lattice in given),
        "reached_final": all(lattice.reached_final for lattice in given),
    }
    if final_strings is not None:
        fields["first_label"], fields["labels"] = take_strings(*strings("first_label", "labels"), arcs)
        fields["final_acoustic_cost"] = joined("final_acoustic_cost")[ends]
        fields["first_final_label"], fields["final_labels"] = take_strings(*final_strings, ends)
    else:
        fields["ilabel"] = joined("ilabel")[arcs]
    return replace(first, **fields)
