"""Pruning of lattices of words, and taking strings out of a table of strings."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.compact_lattice import CompactLattice


def prune_words(lattice: CompactLattice, lattice_beam: float, *, acoustic_scale: float | None = None) -> CompactLattice:
    """Drop the arcs and ends that lie only on paths costing more than the best path's cost + `lattice_beam`.

    Exact, by forward and backward costs in float64; linear in the arcs and labels.  Kaldi: `lattice-prune`.

    Args:
        lattice: any lattice of words; what is left of one without a path is empty.
        lattice_beam: at least 0.
        acoustic_scale: that of the lattice, if not given.

    Raises:
        WfstAsrError: a beam below 0, or a scale that is no number above 0.
    """
    from wfst_asr.lattice._kernels import forward_backward

    if not lattice_beam >= 0:
        raise WfstAsrError(f"lattice beam {lattice_beam}, expected a number of at least 0")
    cost, final = lattice.arc_costs(acoustic_scale), lattice.final_costs(acoustic_scale)
    forward, backward = forward_backward(lattice.first_arc, lattice.nextstate, cost, final, False)
    best = backward[0] if len(backward) else np.inf
    # a sum of a path's costs in another order differs by rounding
    limit = min(best + lattice_beam + 1e-10 * max(1.0, abs(best)), np.finfo(np.float64).max)
    keep_arc = np.flatnonzero(forward[lattice.source] + cost + backward[lattice.nextstate] <= limit)
    keep_state = forward + backward <= limit
    ends = forward + final <= limit
    renumbered = np.cumsum(keep_state, dtype=np.int32) - np.int32(1)
    states = np.flatnonzero(keep_state)
    first_label, labels = take_strings(lattice.first_label, lattice.labels, keep_arc)
    lengths = np.where(ends, np.diff(lattice.first_final_label), 0)[states]
    _, final_labels = take_strings(lattice.first_final_label, lattice.final_labels, np.flatnonzero(ends))
    return replace(
        lattice,
        frame=lattice.frame[states],
        first_arc=offsets(np.bincount(renumbered[lattice.source[keep_arc]], minlength=len(states))),
        nextstate=renumbered[lattice.nextstate[keep_arc]],
        olabel=lattice.olabel[keep_arc],
        graph_cost=lattice.graph_cost[keep_arc],
        acoustic_cost=lattice.acoustic_cost[keep_arc],
        first_label=first_label,
        labels=labels,
        final_cost=np.where(ends, lattice.final_cost, np.inf).astype(lattice.final_cost.dtype)[states],
        final_acoustic_cost=np.where(ends, lattice.final_acoustic_cost, 0.0).astype(lattice.final_cost.dtype)[states],
        first_final_label=offsets(lengths),
        final_labels=final_labels,
        acoustic_scale=lattice.acoustic_scale if acoustic_scale is None else float(acoustic_scale),
        lattice_beam=min(float(lattice_beam), lattice.lattice_beam),
    )


def offsets(lengths: NDArray[Any]) -> NDArray[np.int64]:
    """Return where each of N runs of these lengths begins, and where the last ends: (N + 1,).

    >>> offsets(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    first = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=first[1:])
    return first


def take_strings(
    first: NDArray[np.int64], labels: NDArray[np.int32], which: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the table of some strings of a table: string i is `labels[first[i] : first[i + 1]]`.

    >>> first, labels = take_strings(np.array([0, 2, 2, 5]), np.array([1, 2, 7, 8, 9], np.int32), np.array([2, 0]))
    >>> first.tolist(), labels.tolist()
    ([0, 3, 5], [7, 8, 9, 1, 2])
    """
    return strings_at(first[:-1][which], np.diff(first)[which], labels)


def strings_at(
    begins: NDArray[Any], lengths: NDArray[Any], labels: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the table of the strings that begin at (N,) places of `labels` and have (N,) lengths."""
    first = offsets(lengths)
    return first, labels[np.repeat(begins - first[:-1], lengths) + np.arange(first[-1])]
