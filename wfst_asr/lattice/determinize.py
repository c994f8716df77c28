"""Determinization of lattices: one path for each sequence of words, with the costs and the alignment of its best path.

Subset construction over the words, each subset's elements carrying costs and strings of input labels; arcs without a
word are followed inside a subset.  Povey et al. 2012, "Generating exact lattices in the WFST framework", sections 5
and 6; Kaldi: `DeterminizeLatticePruned`.
"""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lattice._determinize_arrays import MEMORY
from wfst_asr.lattice.best_path import best_path
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.compact_pruning import offsets, prune_words, strings_at
from wfst_asr.lattice.lattice import Lattice, checked_scale, prune
from wfst_asr.lattice.subset_construction import Subsets, subsets

_COSTS = ("graph_cost", "acoustic_cost", "final_cost", "final_acoustic_cost")
_TRIES = 8  # smaller beams, before the best path alone is taken
_TRIES_BACK = 3  # larger ones, after one that does


def determinize(
    lattice: Lattice,
    *,
    lattice_beam: float | None = None,
    acoustic_scale: float | None = None,
    max_memory_mb: float = 100.0,
    max_steps: int = 200_000_000,
) -> CompactLattice:
    """Make a lattice of words: of each sequence of words within the lattice beam exactly one path, the best.

    Paths are compared by graph cost + acoustic scale * acoustic cost; of equal ones that is taken whose arcs come
    first.  A path of the result has the two costs of the best raw path for its words (within 1e-5, and what rounding
    to float32 adds) and its alignment.  Every arc has a word, and no two arcs of a state the same.  Sequences that cost
    more than the best + the beam may be there as well, where their arcs are also on a better path.

    The result can be exponentially larger than the raw lattice: of a loop of words with scores that tell nothing apart
    every sequence is within the beam.  Where a limit is met it is made again with a smaller beam, chosen from the costs
    of the paths so far, and again; in the end of the best path alone.

    Args:
        lattice: a raw lattice; an empty one gives an empty result.
        lattice_beam: to which the result is complete; no wider than the raw lattice's beam, which is the default.
        acoustic_scale: that of the search, if not given.
        max_memory_mb: most memory of the result and the work on it, beside a multiple of the raw lattice's.
        max_steps: most arcs, labels and elements to look at with one beam, which bounds the time: 200 million take two
            to four seconds.

    Returns:
        The lattice of words, pruned exactly to its `lattice_beam`: the beam asked for, or a smaller one where a limit
        was met (with a warning); 0 if only the best path is left.

    Raises:
        WfstAsrError: a beam below 0, a limit or a scale that is no number above 0.

    >>> from wfst_asr.lattice.lattice import Lattice
    >>> i32, f32 = np.int32, np.float32
    >>> raw = Lattice(  # two alignments, 7 5 and 7 6, of word 3
    ...     frame=i32([0, 1, 2]), first_arc=np.int64([0, 1, 3, 3]), nextstate=i32([1, 2, 2]),
    ...     ilabel=i32([7, 5, 6]), olabel=i32([3, 0, 0]), graph_cost=f32([1, 0, 0]),
    ...     acoustic_cost=f32([2, 4, 3]), final_cost=f32([np.inf, np.inf, 0.5]))
    >>> words = determinize(raw)
    >>> words.olabel.tolist(), words.labels.tolist(), words.graph_cost.tolist(), words.acoustic_cost.tolist()
    ([3], [7, 6], [1.0], [5.0])
    """
    scale = checked_scale(lattice.acoustic_scale if acoustic_scale is None else acoustic_scale)
    beam = lattice.lattice_beam if lattice_beam is None else min(float(lattice_beam), lattice.lattice_beam)
    if not beam >= 0:
        raise WfstAsrError(f"lattice beam {beam}, expected a number of at least 0")
    if not max_memory_mb > 0:
        raise WfstAsrError(f"max_memory_mb {max_memory_mb}, expected a number above 0; usual is 100")
    if not max_steps > 0:
        raise WfstAsrError(f"max_steps {max_steps}, expected a number above 0; usual is 200,000,000")
    if beam < lattice.lattice_beam or scale != lattice.acoustic_scale:
        lattice = prune(lattice, beam, acoustic_scale=scale)
    forward, to_end = _costs_of_states(lattice)
    if not len(to_end) or to_end[0] == np.inf:
        return _no_path(lattice, scale, beam)
    limits = {"max_bytes": max_memory_mb * 1e6, "max_steps": float(max_steps)}
    found = subsets(lattice, forward, to_end, **limits)
    complete, met = beam, found.limit
    if met:
        complete, found = _within_limits(lattice, found, limits)
        limit = f"{max_memory_mb:g} MB (max_memory_mb)" if met == MEMORY else f"{max_steps:,} steps (max_steps)"
        warnings.warn(
            f"lattice of words cut from lattice beam {beam:g} to {complete:.3g}: determinization met its limit of "
            f"{limit}; ask for a smaller lattice_beam, or raise the limit",
            WfstAsrWarning,
            stacklevel=2,
        )
    made = prune_words(_assembled(lattice, scale, complete, found), complete)
    single: dict[str, Any] = {name: getattr(made, name).astype(np.float32) for name in _COSTS}
    return replace(made, **single)


def _costs_of_states(lattice: Lattice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest costs from the start and to the end."""
    from wfst_asr.lattice._kernels import forward_backward

    costs = lattice.arc_costs(), lattice.final_costs()
    forward, to_end = forward_backward(lattice.first_arc, lattice.nextstate, *costs, False)
    return forward, to_end


def _within_limits(lattice: Lattice, found: Subsets, limits: dict[str, float]) -> tuple[float, Subsets]:
    """Try smaller beams until one does with the limits, then, between it and the last that did not, larger ones again.

    Args:
        lattice: pruned to the beam with which `found` met a limit.
        found: what was made so far.
        limits: of `subsets`.

    Returns:
        the beam, and all subsets.
    """
    best = _costs_of_states(lattice)[1][0]
    low, high = lattice.lattice_beam, lattice.lattice_beam
    for _ in range(_TRIES):
        high, low = low, _smaller_beam(low, best, found, lattice.num_frames)
        found = _with_beam(lattice, low, limits)
        if not found.limit or low == 0:
            break
    if found.limit:
        high, low = low or high, 0.0
        alone = _best_alone(lattice)
        found = subsets(alone, *_costs_of_states(alone), max_bytes=np.inf, max_steps=np.inf)
    for _ in range(_TRIES_BACK):
        middle = float(np.sqrt(low * high)) if low > 0 else high / 8
        if high <= 1.1 * low or not low < middle < high:
            break
        tried = _with_beam(lattice, middle, limits)
        low, high, found = (low, middle, found) if tried.limit else (middle, high, tried)
    return low, found


def _with_beam(lattice: Lattice, beam: float, limits: dict[str, float]) -> Subsets:
    lattice = prune(lattice, beam)
    forward, to_end = _costs_of_states(lattice)
    return subsets(lattice, forward, to_end, **limits)


def _smaller_beam(beam: float, best: float, found: Subsets, num_frames: int) -> float:
    """Choose a beam that may do with the limits, from the best paths through the arcs that were made so far."""
    reached = max(1, found.reached) / max(1, num_frames)
    gaps = found.arc_cost[:, 2] - best
    enough = float(np.quantile(gaps, min(1.0, reached))) if len(gaps) else 0.0
    return max(0.0, min(0.75 * beam, enough))


def _best_alone(lattice: Lattice) -> Lattice:
    """Return a lattice of the best path only."""
    arcs = best_path(lattice).arcs
    states = np.append(0, lattice.nextstate[arcs])
    ends = np.where(np.arange(len(states)) == len(arcs), lattice.final_cost[states], np.inf)
    return replace(
        lattice,
        frame=lattice.frame[states],
        first_arc=np.minimum(np.arange(len(states) + 1), len(arcs)),
        nextstate=np.arange(1, len(states), dtype=np.int32),
        ilabel=lattice.ilabel[arcs],
        olabel=lattice.olabel[arcs],
        graph_cost=lattice.graph_cost[arcs],
        acoustic_cost=lattice.acoustic_cost[arcs],
        final_cost=ends.astype(np.float32),
        lattice_beam=0.0,
    )


def _assembled(lattice: Lattice, scale: float, beam: float, found: Subsets) -> CompactLattice:
    """Put what the kernel found in order, costs in float64: states by frame and lowest exit, both of which rise."""
    arcs, arc_cost, ends, end_cost = found.arc, found.arc_cost, found.end, found.end_cost
    order = np.lexsort((found.low, found.cut))
    frame = found.cut[order]
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    source, nextstate, end = rank[arcs[:, 0]], rank[arcs[:, 1]], rank[ends[:, 0]]
    by_source, by_end = np.lexsort((arcs[:, 2], source)), np.argsort(end)
    length = frame[nextstate] - frame[source]
    first_label, labels = strings_at(arcs[by_source, 3], length[by_source], found.labels)
    end_length = np.diff(np.append(ends[:, 1], len(found.end_labels)))
    _, final_labels = strings_at(ends[by_end, 1], end_length[by_end], found.end_labels)
    lengths = np.zeros(len(order), dtype=np.int64)
    lengths[end] = end_length
    final_cost, final_acoustic = np.full(len(order), np.inf), np.zeros(len(order))
    final_cost[end], final_acoustic[end] = end_cost[:, 0] - scale * end_cost[:, 1], end_cost[:, 1]
    costs: dict[str, Any] = {
        "graph_cost": (arc_cost[:, 0] - scale * arc_cost[:, 1])[by_source],
        "acoustic_cost": arc_cost[by_source, 1],
        "final_cost": final_cost,
        "final_acoustic_cost": final_acoustic,
    }
    return CompactLattice(
        frame=frame,
        first_arc=offsets(np.bincount(source, minlength=len(order))),
        nextstate=nextstate[by_source],
        olabel=found.names[arcs[by_source, 2]].astype(np.int32),
        first_label=first_label,
        labels=labels,
        first_final_label=offsets(lengths),
        final_labels=final_labels,
        acoustic_scale=scale,
        lattice_beam=beam,
        reached_final=lattice.reached_final,
        **costs,
    )


def _no_path(lattice: Lattice, scale: float, beam: float) -> CompactLattice:
    none, none_first = np.zeros(0, dtype=np.int32), np.zeros(1, dtype=np.int64)
    costs = np.zeros(0, dtype=np.float32)
    return CompactLattice(
        frame=none,
        first_arc=none_first,
        nextstate=none,
        olabel=none,
        graph_cost=costs,
        acoustic_cost=costs,
        first_label=none_first,
        labels=none,
        final_cost=costs,
        final_acoustic_cost=costs,
        first_final_label=none_first,
        final_labels=none,
        acoustic_scale=scale,
        lattice_beam=beam,
        reached_final=lattice.reached_final,
    )
