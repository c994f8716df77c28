"""Best paths of a lattice at any acoustic scale and word insertion penalty, for many of them at once.

The cost of a path is graph cost + acoustic scale * acoustic cost + insertion penalty * words.  Kaldi's scoring scripts
say the same by a language-model weight w: acoustic scale 1 / w (lattice-scale --inv-acoustic-scale=w), then
lattice-add-penalty, then lattice-best-path.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.lattice import Lattice, checked_scale
from wfst_asr.lattice.single_end import AnyLattice


@dataclass(frozen=True)
class LatticePath:
    """A path of a lattice.

    Attributes:
        arcs: (N,) its arcs.
        word_ids: the output labels on it.
        alignment: (T,) the input labels on it.
        graph_cost: with the final cost, without any penalty.
        acoustic_cost: not scaled.
    """

    arcs: NDArray[np.int32]
    word_ids: tuple[int, ...]
    alignment: NDArray[np.int32]
    graph_cost: float
    acoustic_cost: float


def best_path(
    lattice: AnyLattice, *, acoustic_scale: float | None = None, insertion_penalty: float = 0.0
) -> LatticePath:
    """Find the best path.

    Args:
        lattice: of either kind, not empty.
        acoustic_scale: that of the search, if not given.
        insertion_penalty: cost that each word adds.

    Raises:
        WfstAsrError: a scale that is no number above 0, or a lattice without a path.
    """
    scale = lattice.acoustic_scale if acoustic_scale is None else acoustic_scale
    return best_paths(lattice, [scale], [insertion_penalty])[0]


def best_paths(
    lattice: AnyLattice, acoustic_scales: Sequence[float] | ArrayLike, insertion_penalties: Sequence[float] | ArrayLike
) -> tuple[LatticePath, ...]:
    """Find the best path for each pair (acoustic scale, insertion penalty).

    Linear in the arcs and in the pairs, which are taken side by side.  Of paths of equal cost the one whose arcs come
    first is given.

    Args:
        lattice: of either kind, not empty.
        acoustic_scales: (L,).
        insertion_penalties: (L,).

    Raises:
        WfstAsrError: a scale that is no number above 0, or a lattice without a path.
    """
    from wfst_asr.lattice import _kernels

    scales = np.array([checked_scale(s) for s in np.asarray(acoustic_scales, dtype=np.float64)], dtype=np.float64)
    penalties = np.ascontiguousarray(insertion_penalties, dtype=np.float64)
    if scales.shape != penalties.shape:
        raise WfstAsrError(f"{len(scales)} acoustic scales but {len(penalties)} insertion penalties; give pairs")
    if isinstance(lattice, Lattice):
        final_acoustic = np.zeros(lattice.num_states, dtype=np.float32)
    else:
        final_acoustic = lattice.final_acoustic_cost
    joined, begins = _kernels.best_paths(
        lattice.first_arc,
        lattice.nextstate,
        lattice.olabel != 0,
        lattice.graph_cost,
        lattice.acoustic_cost,
        lattice.final_cost,
        final_acoustic,
        scales,
        penalties,
    )
    paths = tuple(path_of_arcs(lattice, joined[begins[i] : begins[i + 1]]) for i in range(len(scales)))
    if not all(np.isfinite(path.graph_cost) for path in paths):
        raise WfstAsrError("the lattice has no path; nothing was decoded")
    return paths


def path_of_arcs(lattice: AnyLattice, arcs: NDArray[np.int32]) -> LatticePath:
    """Return the record of the path that takes these arcs from state 0 on and ends where the last one leads."""
    end = int(lattice.nextstate[arcs[-1]]) if len(arcs) else 0
    final_graph = float(lattice.final_cost[end]) if lattice.num_states else np.inf
    final_acoustic = 0.0
    olabel = lattice.olabel[arcs]
    if isinstance(lattice, Lattice):
        labels = lattice.ilabel[arcs]
        alignment = labels[labels != 0]
    else:
        pieces = [lattice.labels[lattice.first_label[a] : lattice.first_label[a + 1]] for a in arcs]
        if lattice.num_states:
            pieces.append(lattice.final_labels[lattice.first_final_label[end] : lattice.first_final_label[end + 1]])
            final_acoustic = float(lattice.final_acoustic_cost[end])
        alignment = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int32)
    return LatticePath(
        arcs=arcs,
        word_ids=tuple(int(w) for w in olabel[olabel != 0]),
        alignment=alignment,
        graph_cost=float(lattice.graph_cost[arcs].sum(dtype=np.float64)) + final_graph,
        acoustic_cost=float(lattice.acoustic_cost[arcs].sum(dtype=np.float64)) + final_acoustic,
    )
