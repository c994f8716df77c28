"""Composition of a lattice with an FST of words; the result is a lattice of the same kind."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.lattice.assemble import Arrangement, arrange
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.compact_pruning import take_strings
from wfst_asr.lattice.lattice import Lattice
from wfst_asr.lattice.word_fst import WordFst, word_fst

AnyLattice = TypeVar("AnyLattice", bound=Lattice | CompactLattice)


def compose(
    lattice: AnyLattice,
    fst: ArcTable | WordFst,
    *,
    weight: float = 1.0,
    backoff_label: int | None = None,
    max_arcs: int = 100_000_000,
) -> AnyLattice:
    """Compose a lattice with an FST of words: the paths whose words the FST accepts, words as it puts them out.

    The graph cost of a path grows by weight * the FST's cost of its words; acoustic costs and input labels stay.  A
    path of the lattice and one of the FST meet in one path of the result, whatever the epsilons.  Back-off arcs are
    failure transitions (see `word_fst`).  Linear in the arcs of the result, but for a binary search for each word
    (Mohri, Pereira and Riley 2008, section 2.1; Kaldi: lattice-compose, lattice-lmrescore).

    Args:
        lattice: of either kind.
        fst: an FST, or a `WordFst` where many lattices are composed with it.
        weight: factor of the FST's costs; -1 subtracts them, which means a sum of paths only where the FST has one
            path for the words, as a deterministic back-off model has.
        backoff_label: input label of the FST's back-off arcs; only with an ArcTable.
        max_arcs: limit of the arcs of the result before those on no path are dropped.

    Raises:
        WfstAsrError: errors of `word_fst`; a weight that is no number; more than `max_arcs` arcs; a cycle of epsilons
            in the FST.

    Returns:
        the lattice, empty where the FST accepts none of its paths.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> from wfst_asr.lattice.fst_exchange import word_lattice
    >>> either = word_lattice(arc_table(2, [(0, 1, 1, 1, 0.5), (0, 1, 2, 2, 0.25)], finals={1: 0}))
    >>> only = arc_table(2, [(0, 1, 2, 3, 1.0)], finals={1: 0.5})
    >>> result = compose(either, only, weight=2.0)
    >>> result.olabel.tolist(), result.graph_cost.tolist(), result.final_cost.tolist()
    ([3], [2.25], [inf, 1.0])
    """
    from wfst_asr.lattice import _compose_kernels as kernels

    if not np.isfinite(weight):
        raise WfstAsrError(f"weight {weight} of an FST's costs, expected a finite number")
    if isinstance(fst, ArcTable):
        fst = word_fst(fst, backoff_label=backoff_label)
    elif backoff_label is not None:
        raise WfstAsrError("a back-off label beside a WordFst; give it to word_fst")
    if not lattice.num_states:
        return lattice
    states, end_cost, arcs, cost = kernels.compose(
        lattice.first_arc,
        lattice.nextstate,
        lattice.olabel,
        np.isfinite(lattice.final_cost),
        fst.start,
        fst.first_arc,
        fst.first_word,
        fst.ilabel,
        fst.olabel,
        fst.cost,
        fst.nextstate,
        fst.backoff_state,
        fst.backoff_cost,
        fst.final_cost,
        max_arcs,
    )
    if not len(states):
        raise WfstAsrError(
            f"the composition of a lattice of {lattice.num_arcs} arcs with an FST of {len(fst.ilabel)} has more than "
            f"{max_arcs} arcs; prune the lattice first"
        )
    nextstate, arc, word = np.ascontiguousarray(arcs.T)
    first_arc = np.concatenate([np.zeros(1, dtype=np.int64), states[:, 1]])
    return lattice_of_pairs(
        lattice, Pairs(states[:, 0], end_cost[:, 0], first_arc, nextstate, arc, word, cost[:, 0]), weight
    )


def lattice_of_pairs(lattice: AnyLattice, pairs: "Pairs", weight: float) -> AnyLattice:
    """Return the lattice of the pairs that are on a path, its graph costs grown by weight * the pairs'.

    Raises:
        WfstAsrError: the pairs have a cycle.
    """
    made: Any = _composed_lattice if isinstance(lattice, Lattice) else _composed_compact
    result: AnyLattice = made(lattice, pairs, weight)
    return result


@dataclass(frozen=True)
class Pairs:
    """States of a lattice, each with a state of something that reads its words; pair 0 is the start.

    Attributes:
        state: (S,) state of the lattice.
        end_cost: (S,) cost of ending, infinite where a pair does not end.
        first_arc: (S + 1,) arcs of pair s are `first_arc[s] : first_arc[s + 1]`.
        nextstate: (A,) pair.
        arc: (A,) arc of the lattice, -1 for none.
        word: (A,) label that is put out.
        cost: (A,) cost to add.
    """

    state: NDArray[np.int64]
    end_cost: NDArray[np.float64]
    first_arc: NDArray[np.int64]
    nextstate: NDArray[np.int32]
    arc: NDArray[np.int32]
    word: NDArray[np.int32]
    cost: NDArray[np.float64]

    def arrange(
        self, consumed: NDArray[Any], end_consumed: NDArray[Any] | None, *, in_time_order: bool
    ) -> tuple[Arrangement, "Pairs"]:
        """Return the order of the pairs on a path, and the columns in this order; `consumed` is by lattice arc."""
        frames = np.zeros(len(self.arc), dtype=np.int32)
        frames[self.arc >= 0] = consumed[self.arc[self.arc >= 0]]
        try:
            kept = arrange(
                self.first_arc,
                self.nextstate,
                frames,
                is_final=self.end_cost < np.inf,
                end_consumed=None if end_consumed is None else end_consumed[self.state],
                in_time_order=in_time_order,
            )
        except WfstAsrError as error:
            raise WfstAsrError("the FST to compose with has a cycle of epsilons; remove its epsilons first") from error
        ordered = Pairs(
            state=self.state[kept.states],
            end_cost=self.end_cost[kept.states],
            first_arc=kept.first_arc,
            nextstate=kept.nextstate,
            arc=self.arc[kept.arcs],
            word=self.word[kept.arcs],
            cost=self.cost[kept.arcs],
        )
        return kept, ordered

    def costs(
        self, lattice: Lattice | CompactLattice, weight: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return the graph and acoustic costs of the arcs, and the graph costs of ending."""
        own = self.arc >= 0
        graph_cost = weight * self.cost
        graph_cost[own] += lattice.graph_cost[self.arc[own]]
        acoustic_cost = np.zeros(len(self.arc), dtype=np.float32)
        acoustic_cost[own] = lattice.acoustic_cost[self.arc[own]]
        ends = self.end_cost < np.inf
        final_cost = np.full(len(self.state), np.inf)
        final_cost[ends] = lattice.final_cost[self.state[ends]] + weight * self.end_cost[ends]
        return graph_cost.astype(np.float32), acoustic_cost, final_cost.astype(np.float32)


def _composed_lattice(lattice: Lattice, pairs: Pairs, weight: float) -> Lattice:
    kept, pairs = pairs.arrange(lattice.ilabel != 0, None, in_time_order=True)
    graph_cost, acoustic_cost, final_cost = pairs.costs(lattice, weight)
    ilabel = np.zeros(len(pairs.arc), dtype=np.int32)
    ilabel[pairs.arc >= 0] = lattice.ilabel[pairs.arc[pairs.arc >= 0]]
    return replace(
        lattice,
        frame=kept.frame,
        first_arc=kept.first_arc,
        nextstate=kept.nextstate,
        ilabel=ilabel,
        olabel=pairs.word,
        graph_cost=graph_cost,
        acoustic_cost=acoustic_cost,
        final_cost=final_cost,
    )


def _composed_compact(lattice: CompactLattice, pairs: Pairs, weight: float) -> CompactLattice:
    kept, pairs = pairs.arrange(np.diff(lattice.first_label), np.diff(lattice.first_final_label), in_time_order=False)
    graph_cost, acoustic_cost, final_cost = pairs.costs(lattice, weight)
    ends = pairs.end_cost < np.inf
    first_label, labels = _strings(lattice.first_label, lattice.labels, pairs.arc)
    end_state = np.where(ends, pairs.state, -1)
    first_final_label, final_labels = _strings(lattice.first_final_label, lattice.final_labels, end_state)
    return replace(
        lattice,
        frame=kept.frame,
        first_arc=kept.first_arc,
        nextstate=kept.nextstate,
        olabel=pairs.word,
        graph_cost=graph_cost,
        acoustic_cost=acoustic_cost,
        first_label=first_label,
        labels=labels,
        final_cost=final_cost,
        final_acoustic_cost=np.where(ends, lattice.final_acoustic_cost[pairs.state], np.float32(0)),
        first_final_label=first_final_label,
        final_labels=final_labels,
    )


def _strings(
    first: NDArray[np.int64], labels: NDArray[np.int32], which: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Take strings; -1 is an empty one."""
    return take_strings(np.append(first, first[-1]), labels, which)
