"""KaldiLattice: a lattice as Kaldi keeps it, a vector FST whose weights are pairs of costs (and strings of labels)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.assemble import arrange
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.compact_pruning import take_strings
from wfst_asr.lattice.lattice import Lattice


@dataclass(frozen=True)
class KaldiLattice:
    """An FST with arcs by source and states in any order.

    Attributes:
        compact: whether it is a CompactLattice: an acceptor of words with a string of labels in each weight.
        start: start state, -1 of an empty machine.
        first_arc: (S + 1,) int64.
        ilabel: (A,) int32; words where compact.
        olabel: (A,) int32 words.
        nextstate: (A,) int32.
        cost: (A, 2) float32 graph and acoustic cost, infinite for states that are not final.
        first_label: (A + 1,) int64 the string of arc a is `labels[first_label[a] : first_label[a + 1]]`.
        labels: (N,) int32.
        final: (S, 2) float32.
        first_final_label: (S + 1,) int64.
        final_labels: (M,) int32.
    """

    compact: bool
    start: int
    first_arc: NDArray[np.int64]
    ilabel: NDArray[np.int32]
    olabel: NDArray[np.int32]
    nextstate: NDArray[np.int32]
    cost: NDArray[np.float32]
    first_label: NDArray[np.int64]
    labels: NDArray[np.int32]
    final: NDArray[np.float32]
    first_final_label: NDArray[np.int64]
    final_labels: NDArray[np.int32]

    @property
    def num_states(self) -> int:
        """Number of states."""
        return len(self.final)


def blank(compact: bool, start: int, num_states: int, sizes: tuple[int, int, int]) -> KaldiLattice:
    """Return a lattice to fill: `sizes` are the numbers of arcs, of labels on arcs and of labels of final states."""
    num_arcs, num_labels, num_final_labels = sizes
    return KaldiLattice(
        compact=compact,
        start=start,
        first_arc=np.zeros(num_states + 1, dtype=np.int64),
        ilabel=np.zeros(num_arcs, dtype=np.int32),
        olabel=np.zeros(num_arcs, dtype=np.int32),
        nextstate=np.zeros(num_arcs, dtype=np.int32),
        cost=np.zeros((num_arcs, 2), dtype=np.float32),
        first_label=np.zeros(num_arcs + 1, dtype=np.int64),
        labels=np.zeros(num_labels, dtype=np.int32),
        final=np.full((num_states, 2), np.inf, dtype=np.float32),
        first_final_label=np.zeros(num_states + 1, dtype=np.int64),
        final_labels=np.zeros(num_final_labels, dtype=np.int32),
    )


def kaldi_lattice(lattice: Lattice | CompactLattice) -> KaldiLattice:
    """Return a lattice in Kaldi's form; states and arcs keep their order."""
    ends = np.isfinite(lattice.final_cost)
    final = np.full((lattice.num_states, 2), np.inf, dtype=np.float32)
    final[ends, 0] = lattice.final_cost[ends]
    final[ends, 1] = lattice.final_acoustic_cost[ends] if isinstance(lattice, CompactLattice) else 0.0
    none = np.zeros(0, dtype=np.int32)
    cost = np.stack([lattice.graph_cost, lattice.acoustic_cost], axis=1).astype(np.float32)
    compact = isinstance(lattice, CompactLattice)
    return KaldiLattice(
        compact=compact,
        start=0 if lattice.num_states else -1,
        first_arc=lattice.first_arc,
        ilabel=lattice.ilabel if isinstance(lattice, Lattice) else lattice.olabel,
        olabel=lattice.olabel,
        nextstate=lattice.nextstate,
        cost=cost,
        first_label=lattice.first_label
        if isinstance(lattice, CompactLattice)
        else np.zeros(lattice.num_arcs + 1, dtype=np.int64),
        labels=lattice.labels if isinstance(lattice, CompactLattice) else none,
        final=final,
        first_final_label=lattice.first_final_label
        if isinstance(lattice, CompactLattice)
        else np.zeros(lattice.num_states + 1, dtype=np.int64),
        final_labels=lattice.final_labels if isinstance(lattice, CompactLattice) else none,
    )


def lattice_of(raw: KaldiLattice, *, acoustic_scale: float = 1.0) -> Lattice | CompactLattice:
    """Check a lattice of Kaldi's, sort it topologically and drop what is on no path.

    A state of a Lattice that ends with an acoustic cost gets an epsilon arc to a new final state instead.

    Raises:
        WfstAsrError: an arc leads to a state that is not there, a label is negative, a cost is no number, there is a
            cycle, or paths differ in the number of their frames.
    """
    _check(raw)
    if not raw.compact and np.any(raw.final[np.isfinite(raw.final[:, 0]), 1]):
        raw = _with_one_end(raw)
    ends = np.isfinite(raw.final[:, 0])
    consumed = np.diff(raw.first_label) if raw.compact else raw.ilabel != 0
    kept = arrange(
        raw.first_arc,
        raw.nextstate,
        consumed,
        is_final=ends,
        end_consumed=np.diff(raw.first_final_label),
        start=raw.start,
        in_time_order=not raw.compact,
    )
    cost, final = raw.cost[kept.arcs], raw.final[kept.states]
    if not raw.compact:
        return Lattice(
            frame=kept.frame,
            first_arc=kept.first_arc,
            nextstate=kept.nextstate,
            ilabel=raw.ilabel[kept.arcs],
            olabel=raw.olabel[kept.arcs],
            graph_cost=cost[:, 0].copy(),
            acoustic_cost=cost[:, 1].copy(),
            final_cost=final[:, 0].copy(),
            acoustic_scale=acoustic_scale,
        )
    first_label, labels = take_strings(raw.first_label, raw.labels, kept.arcs)
    first_final_label, final_labels = take_strings(raw.first_final_label, raw.final_labels, kept.states)
    return CompactLattice(
        frame=kept.frame,
        first_arc=kept.first_arc,
        nextstate=kept.nextstate,
        olabel=raw.olabel[kept.arcs],
        graph_cost=cost[:, 0].copy(),
        acoustic_cost=cost[:, 1].copy(),
        first_label=first_label,
        labels=labels,
        final_cost=final[:, 0].copy(),
        final_acoustic_cost=np.where(np.isfinite(final[:, 0]), final[:, 1], np.float32(0)),
        first_final_label=first_final_label,
        final_labels=final_labels,
        acoustic_scale=acoustic_scale,
    )


def _check(raw: KaldiLattice) -> None:
    if not -1 <= raw.start < raw.num_states:
        raise WfstAsrError(f"has the start state {raw.start}, but {raw.num_states} states")
    if len(raw.nextstate) and not (raw.nextstate.min() >= 0 and raw.nextstate.max() < raw.num_states):
        bad = raw.nextstate[(raw.nextstate < 0) | (raw.nextstate >= raw.num_states)][0]
        raise WfstAsrError(f"has an arc to state {bad}, but {raw.num_states} states")
    if any(len(x) and x.min() < 0 for x in (raw.ilabel, raw.olabel, raw.labels, raw.final_labels)):
        raise WfstAsrError("has a label below 0")
    if raw.compact and not np.array_equal(raw.ilabel, raw.olabel):
        raise WfstAsrError("has arcs whose input and output words differ; expected an acceptor of words")
    if not np.isfinite(raw.cost).all():
        raise WfstAsrError("has an arc whose cost is no finite number")
    ends = np.isfinite(raw.final)
    if not (ends[:, 0] == ends[:, 1]).all() or np.isnan(raw.final).any() or (raw.final == -np.inf).any():
        raise WfstAsrError("has a final state whose cost is no number")


def _with_one_end(raw: KaldiLattice) -> KaldiLattice:
    """Lead the states that paths end in to a new one by epsilon arcs, which take the final costs."""
    ends = np.flatnonzero(np.isfinite(raw.final[:, 0]))
    source = np.repeat(np.arange(raw.num_states), np.diff(raw.first_arc))
    order = np.argsort(np.concatenate([source, ends]), kind="stable")
    first_arc = np.zeros(raw.num_states + 2, dtype=np.int64)
    np.cumsum(np.bincount(np.concatenate([source, ends]), minlength=raw.num_states + 1), out=first_arc[1:])
    none = np.zeros(len(ends), dtype=np.int32)
    final = np.full((raw.num_states + 1, 2), np.inf, dtype=np.float32)
    final[-1] = 0.0
    return KaldiLattice(
        compact=False,
        start=raw.start,
        first_arc=first_arc,
        ilabel=np.concatenate([raw.ilabel, none])[order],
        olabel=np.concatenate([raw.olabel, none])[order],
        nextstate=np.concatenate([raw.nextstate, none + np.int32(raw.num_states)])[order],
        cost=np.concatenate([raw.cost, raw.final[ends]])[order],
        first_label=np.zeros(len(order) + 1, dtype=np.int64),
        labels=raw.labels,
        final=final,
        first_final_label=np.zeros(raw.num_states + 2, dtype=np.int64),
        final_labels=raw.final_labels,
    )
