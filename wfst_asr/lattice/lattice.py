"""Lattice: the state-level lattice of a search as flat arrays, and its pruning.

States are in topological order and in the order of time; arcs stand by their source state.  Graph and acoustic cost of
an arc are kept apart, the acoustic one unscaled, so that a path costs at any acoustic scale
    graph cost + acoustic scale * acoustic cost + insertion penalty * words.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True)
class Lattice:
    """Paths through a graph with their costs; state 0 is the start.

    Attributes:
        frame: (S,) int32 frames consumed before a state; every arc leads to a higher state, and no arc back in time.
        first_arc: (S + 1,) int64 arcs of state s are `first_arc[s] : first_arc[s + 1]`.
        nextstate: (A,) int32.
        ilabel: (A,) int32 input labels of the graph; an arc with a label consumes a frame, 0 is epsilon.
        olabel: (A,) int32 words, 0 for none.
        graph_cost: (A,) float32 costs of the graph's arcs.
        acoustic_cost: (A,) float32 minus the score of the frame, not scaled; 0 on epsilon arcs.
        final_cost: (S,) float32; infinity for a state that no path ends in.
        acoustic_scale: the scale at which the lattice was pruned.
        lattice_beam: the beam to which it was pruned: no arc is only on paths that cost more than this above the best.
        reached_final: whether final states of the graph were reached; if not, the paths end anywhere in the last frame.
    """

    frame: NDArray[np.int32]
    first_arc: NDArray[np.int64]
    nextstate: NDArray[np.int32]
    ilabel: NDArray[np.int32]
    olabel: NDArray[np.int32]
    graph_cost: NDArray[np.float32]
    acoustic_cost: NDArray[np.float32]
    final_cost: NDArray[np.float32]
    acoustic_scale: float = 1.0
    lattice_beam: float = np.inf
    reached_final: bool = True

    @property
    def num_states(self) -> int:
        """Number of states."""
        return len(self.frame)

    @property
    def num_arcs(self) -> int:
        """Number of arcs."""
        return len(self.nextstate)

    @property
    def num_frames(self) -> int:
        """Number of frames that every path consumes."""
        return int(self.frame[-1]) if len(self.frame) else 0

    @property
    def density(self) -> float:
        """Arcs that consume a frame, for each frame."""
        return float(np.count_nonzero(self.ilabel)) / max(1, self.num_frames)

    @cached_property
    def source(self) -> NDArray[np.int32]:
        """(A,) source state of each arc."""
        return np.repeat(np.arange(self.num_states, dtype=np.int32), np.diff(self.first_arc))

    def arc_costs(self, acoustic_scale: float | None = None, insertion_penalty: float = 0.0) -> NDArray[np.float64]:
        """Return the (A,) costs of the arcs at an acoustic scale (that of the search, if none is given)."""
        scale = checked_scale(self.acoustic_scale if acoustic_scale is None else acoustic_scale)
        cost = self.graph_cost.astype(np.float64)
        cost += scale * self.acoustic_cost.astype(np.float64)
        if insertion_penalty:
            cost[self.olabel != 0] += insertion_penalty
        return cost

    def final_costs(self, acoustic_scale: float | None = None) -> NDArray[np.float64]:
        """Return the (S,) costs of ending in a state; no acoustic cost is among them, at any scale."""
        if acoustic_scale is not None:
            checked_scale(acoustic_scale)
        return self.final_cost.astype(np.float64)


def checked_scale(scale: float) -> float:
    """Return an acoustic scale.

    Raises:
        WfstAsrError: it is not a number above 0.
    """
    if not (scale > 0 and np.isfinite(scale)):
        raise WfstAsrError(f"acoustic scale {scale}, expected a number above 0; usual is 0.1 for Gaussian mixtures")
    return float(scale)


def prune(lattice: Lattice, lattice_beam: float, *, acoustic_scale: float | None = None) -> Lattice:
    """Drop the arcs that lie only on paths costing more than the best path's cost + `lattice_beam`.

    Exact, by forward and backward costs in float64; linear in the arcs.

    Args:
        lattice: any lattice.
        lattice_beam: at least 0.
        acoustic_scale: that of the search, if not given.

    Raises:
        WfstAsrError: a beam below 0, or a scale that is no number above 0.
    """
    from wfst_asr.lattice._kernels import forward_backward

    if not lattice_beam >= 0:
        raise WfstAsrError(f"lattice beam {lattice_beam}, expected a number of at least 0")
    cost = lattice.arc_costs(acoustic_scale)
    final = lattice.final_cost.astype(np.float64)
    forward, backward = forward_backward(lattice.first_arc, lattice.nextstate, cost, final, False)
    if not len(backward):
        return lattice
    # a sum of a path's costs in another order differs by rounding
    limit = backward[0] + lattice_beam + 1e-10 * max(1.0, abs(backward[0]))
    limit = min(limit, np.finfo(np.float64).max)  # what is on no path goes even if the beam is infinite
    keep_arc = forward[lattice.source] + cost + backward[lattice.nextstate] <= limit
    keep_state = forward + backward <= limit
    keep_state[0] = True
    source, nextstate = lattice.source[keep_arc], lattice.nextstate[keep_arc]
    renumbered = np.cumsum(keep_state, dtype=np.int32) - np.int32(1)
    first_arc = np.zeros(int(keep_state.sum()) + 1, dtype=np.int64)
    np.cumsum(np.bincount(renumbered[source], minlength=len(first_arc) - 1), out=first_arc[1:])
    final_cost = np.where(forward + final <= limit, lattice.final_cost, np.float32(np.inf))
    return replace(
        lattice,
        frame=lattice.frame[keep_state],
        first_arc=first_arc,
        nextstate=renumbered[nextstate],
        ilabel=lattice.ilabel[keep_arc],
        olabel=lattice.olabel[keep_arc],
        graph_cost=lattice.graph_cost[keep_arc],
        acoustic_cost=lattice.acoustic_cost[keep_arc],
        final_cost=final_cost[keep_state],
        acoustic_scale=lattice.acoustic_scale if acoustic_scale is None else float(acoustic_scale),
        lattice_beam=float(lattice_beam),
    )
