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
    paths = paths_of_arcs(lattice, joined[: begins[-1]], begins) if lattice.num_states else ()
    if not lattice.num_states or not all(np.isfinite(path.graph_cost) for path in paths):
        raise WfstAsrError("the lattice has no path; nothing was decoded")
    return paths


def paths_of_arcs(lattice: AnyLattice, joined: NDArray[np.int32], begins: NDArray[np.int64]) -> tuple[LatticePath, ...]:
    """Return the records of paths that begin in state 0 and end where their last arc leads.

    Args:
        lattice: of either kind, with at least one state.
        joined: arcs of the paths, one path after another.
        begins: (paths + 1,) where each path begins.
    """
    graph, acoustic = lattice.graph_cost[joined].astype(np.float64), lattice.acoustic_cost[joined].astype(np.float64)
    ends = np.zeros(len(begins) - 1, dtype=np.int64)
    some = begins[1:] > begins[:-1]
    ends[some] = lattice.nextstate[joined[begins[1:][some] - 1]]
    final_acoustic = np.zeros(len(ends))
    if isinstance(lattice, Lattice):
        labels = lattice.ilabel[joined]
        cuts = np.append(0, np.cumsum(labels != 0))[begins]
        labels = labels[labels != 0]
        tails = [labels[:0]] * len(ends)
    else:
        lengths = lattice.first_label[joined + 1] - lattice.first_label[joined]
        place = np.append(0, np.cumsum(lengths))
        labels = lattice.labels[
            np.repeat(lattice.first_label[joined] - place[:-1], lengths) + np.arange(place[-1], dtype=np.int64)
        ]
        cuts = place[begins]
        first, last = lattice.first_final_label[ends], lattice.first_final_label[ends + 1]
        tails = [lattice.final_labels[first[i] : last[i]] for i in range(len(ends))]
        final_acoustic = lattice.final_acoustic_cost[ends].astype(np.float64)
    words = lattice.olabel[joined].tolist()
    final_graph = lattice.final_cost[ends].astype(np.float64)
    found = []
    for i in range(len(ends)):
        arcs = slice(int(begins[i]), int(begins[i + 1]))
        alignment = labels[cuts[i] : cuts[i + 1]]
        found.append(
            LatticePath(
                arcs=joined[arcs],
                word_ids=tuple(word for word in words[arcs] if word),
                alignment=np.concatenate([alignment, tails[i]]) if len(tails[i]) else alignment,
                graph_cost=float(graph[arcs].sum() + final_graph[i]),
                acoustic_cost=float(acoustic[arcs].sum() + final_acoustic[i]),
            )
        )
    return tuple(found)


def path_of_arcs(lattice: AnyLattice, arcs: NDArray[np.int32]) -> LatticePath:
    """Return the record of the path that takes these arcs from state 0 on and ends where the last one leads."""
    return paths_of_arcs(lattice, arcs, np.array([0, len(arcs)], dtype=np.int64))[0]
