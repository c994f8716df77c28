"""SingleEnd: the words of a lattice of either kind with one state where all paths end, as the algorithms need them."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.lattice import Lattice

AnyLattice = Lattice | CompactLattice


@dataclass(frozen=True)
class SingleEnd:
    """Arcs of words with one cost each; state 0 is the start, the last state the only end.

    Every final state of the lattice has one more arc, its last: without a word, at the cost of ending, to the new end.

    Attributes:
        first_arc: (S + 1,) int64 arcs of state s are `first_arc[s] : first_arc[s + 1]`.
        nextstate: (A,) int32, higher than the arc's state.
        word: (A,) int32, 0 for none.
        cost: (A,) float64.
        arc: (A,) int32 arc of the lattice, -1 for those that are new.
        frame: (S,) int32 frames consumed before a state.
    """

    first_arc: NDArray[np.int64]
    nextstate: NDArray[np.int32]
    word: NDArray[np.int32]
    cost: NDArray[np.float64]
    arc: NDArray[np.int32]
    frame: NDArray[np.int32]

    @property
    def num_states(self) -> int:
        """Number of states, the new one among them."""
        return len(self.frame)

    @cached_property
    def source(self) -> NDArray[np.int32]:
        """(A,) source state of each arc."""
        return np.repeat(np.arange(self.num_states, dtype=np.int32), np.diff(self.first_arc))

    def costs(self, *, soft: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the (S,) costs from the start and to the end: of the best path or, `soft`, of all together.

        Raises:
            WfstAsrError: there is no path.
        """
        from wfst_asr.lattice._kernels import forward_backward

        final = np.full(self.num_states, np.inf)
        final[-1] = 0.0
        forward, backward = forward_backward(self.first_arc, self.nextstate, self.cost, final, soft)
        if not backward[0] < np.inf:
            raise WfstAsrError("the lattice has no path; nothing was decoded")
        return forward, backward


def with_single_end(
    lattice: AnyLattice,
    *,
    acoustic_scale: float | None = None,
    insertion_penalty: float = 0.0,
    ignored: Collection[int] = (),
) -> SingleEnd:
    """Return the words and costs of a lattice with all ends joined in one.  Linear.

    Args:
        lattice: of either kind.
        acoustic_scale: that of the search, if not given.
        insertion_penalty: cost that each word adds.
        ignored: labels that are no words, such as silence; they are taken for none, also by the penalty.

    Raises:
        WfstAsrError: a scale that is no number above 0, or a lattice without states.
    """
    states = lattice.num_states
    if not states:
        raise WfstAsrError("the lattice has no path; nothing was decoded")
    final = lattice.final_costs(acoustic_scale)
    ends = np.isfinite(final)
    first_arc = np.zeros(states + 2, dtype=np.int64)
    first_arc[1:-1] = lattice.first_arc[1:] + np.cumsum(ends)
    first_arc[-1] = first_arc[-2]
    arcs = int(first_arc[-1])
    of_ends = first_arc[1:-1][ends] - 1
    old = np.ones(arcs, dtype=bool)
    old[of_ends] = False
    words = lattice.olabel
    if len(ignored):
        words = np.where(np.isin(words, np.fromiter(ignored, dtype=np.int64)), np.int32(0), words)
    nextstate = np.full(arcs, states, dtype=np.int32)
    nextstate[old] = lattice.nextstate
    word = np.zeros(arcs, dtype=np.int32)
    word[old] = words
    cost = np.empty(arcs)
    cost[of_ends] = final[ends]
    cost[old] = lattice.arc_costs(acoustic_scale) + (insertion_penalty * (words != 0) if insertion_penalty else 0.0)
    arc = np.full(arcs, -1, dtype=np.int32)
    arc[old] = np.arange(lattice.num_arcs, dtype=np.int32)
    frame = np.append(lattice.frame, np.int32(lattice.num_frames))
    return SingleEnd(first_arc, nextstate, word, cost, arc, frame)
