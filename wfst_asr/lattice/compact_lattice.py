"""CompactLattice: a lattice of words, each arc with a string of input labels, as determinization makes it.

An arc is a word (or none) with two costs and the input labels of the frames that it consumes; where the string is cut
between two words is arbitrary, only the string of a whole path is an alignment.  Kaldi: `CompactLattice`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wfst_asr.lattice.lattice import checked_scale


@dataclass(frozen=True)
class CompactLattice:
    """Paths of words with their costs and alignments; state 0 is the start.

    Costs are kept as in `Lattice`: the graph's and the acoustic one apart, the latter not scaled.

    Attributes:
        frame: (S,) int32 frames consumed before a state; every arc leads to a higher state, and no arc back in time.
        first_arc: (S + 1,) int64 arcs of state s are `first_arc[s] : first_arc[s + 1]`.
        nextstate: (A,) int32.
        olabel: (A,) int32 words, 0 for none.
        graph_cost: (A,) float32.
        acoustic_cost: (A,) float32, not scaled.
        first_label: (A + 1,) int64 the string of arc a is `labels[first_label[a] : first_label[a + 1]]`.
        labels: (N,) int32 input labels of the graph, one a frame.
        final_cost: (S,) float32 graph cost of ending in a state; infinity where no path ends.
        final_acoustic_cost: (S,) float32 acoustic cost of ending in a state, not scaled.
        first_final_label: (S + 1,) int64 the string of ending in state s is
            `final_labels[first_final_label[s] : first_final_label[s + 1]]`.
        final_labels: (M,) int32.
        acoustic_scale: the scale at which the lattice was made.
        lattice_beam: the beam to which it is complete.
        reached_final: whether final states of the graph were reached.
    """

    frame: NDArray[np.int32]
    first_arc: NDArray[np.int64]
    nextstate: NDArray[np.int32]
    olabel: NDArray[np.int32]
    graph_cost: NDArray[np.float32]
    acoustic_cost: NDArray[np.float32]
    first_label: NDArray[np.int64]
    labels: NDArray[np.int32]
    final_cost: NDArray[np.float32]
    final_acoustic_cost: NDArray[np.float32]
    first_final_label: NDArray[np.int64]
    final_labels: NDArray[np.int32]
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

    @cached_property
    def num_frames(self) -> int:
        """Number of frames that every path consumes."""
        ends = np.flatnonzero(np.isfinite(self.final_cost))
        if not len(ends):
            return 0
        end = int(ends[0])
        return int(self.frame[end] + self.first_final_label[end + 1] - self.first_final_label[end])

    @property
    def density(self) -> float:
        """Word arcs alive in a frame, on the average: frames consumed by all arcs, for each frame of the utterance."""
        return float(len(self.labels)) / max(1, self.num_frames)

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
        """Return the (S,) costs of ending in a state at an acoustic scale (that of the search, if none is given)."""
        scale = checked_scale(self.acoustic_scale if acoustic_scale is None else acoustic_scale)
        ends = np.isfinite(self.final_cost)
        cost = self.final_cost.astype(np.float64)
        cost[ends] += scale * self.final_acoustic_cost[ends].astype(np.float64)
        return cost
