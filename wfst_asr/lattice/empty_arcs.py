"""Removal of the arcs of a word lattice that have neither word nor labels, of which only the costs stay."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from wfst_asr.lattice.compact_lattice import CompactLattice


class Cost(NamedTuple):
    """Graph and acoustic cost."""

    graph: float
    acoustic: float


NO_COST = Cost(0.0, 0.0)


@dataclass
class ArcList:
    """A word lattice in the making; state 0 is the start.

    Attributes:
        frames: frames consumed before each state.
        order: of each state; every arc leads to a state of higher order.
        arcs: (target, word, labels as bytes, cost) of each state.
        ends: the states in which paths end.
    """

    frames: list[int] = field(default_factory=list)
    order: list[tuple[int, ...]] = field(default_factory=list)
    arcs: list[list[tuple[int, int, bytes, Cost]]] = field(default_factory=list)
    ends: set[int] = field(default_factory=set)

    def state(self, frame: int, order: tuple[int, ...]) -> None:
        """Add a state."""
        self.frames.append(frame)
        self.order.append(order)
        self.arcs.append([])

    def add(self, source: int, target: int, word: int, labels: bytes, cost: Cost) -> None:
        """Add an arc."""
        self.arcs[source].append((target, word, labels, cost))

    def end(self, state: int) -> None:
        """Let paths end in a state."""
        self.ends.add(state)


_Arcs = dict[tuple[int, int, bytes], Cost]  # (target, word, labels)


def without_empty_arcs(made: ArcList, like: CompactLattice) -> CompactLattice:
    """Return the lattice without empty arcs and without states that lie on no path.

    From the end to the start each state takes over the arcs of those that its empty arcs lead to; of arcs that agree in
    all but their costs the best is kept.

    Args:
        made: the arcs.
        like: the lattice whose scale, beam and end it has.
    """
    scale = like.acoustic_scale

    def better(one: Cost, other: Cost | None) -> bool:
        if other is None:
            return True
        return (one.graph + scale * one.acoustic, one.graph) < (other.graph + scale * other.acoustic, other.graph)

    rank = sorted(range(len(made.order)), key=lambda state: (made.order[state], state))
    leaving: list[_Arcs] = [{} for _ in rank]
    final: list[Cost | None] = [None] * len(rank)
    for state in reversed(rank):
        if state in made.ends:
            final[state] = NO_COST
        taken = leaving[state]
        for target, word, labels, cost in made.arcs[state]:
            if not leaving[target] and final[target] is None:
                continue
            if word or labels:
                if better(cost, taken.get((target, word, labels))):
                    taken[target, word, labels] = cost
                continue
            for key, further in leaving[target].items():
                both = Cost(cost.graph + further.graph, cost.acoustic + further.acoustic)
                if better(both, taken.get(key)):
                    taken[key] = both
            end = final[target]
            if end is not None:
                both = Cost(cost.graph + end.graph, cost.acoustic + end.acoustic)
                if better(both, final[state]):
                    final[state] = both
    kept = {0}
    for state in rank:
        if state in kept:
            kept.update(target for target, _, _ in leaving[state])
    states = [state for state in rank if state in kept]
    number = {state: i for i, state in enumerate(states)}
    rows = [
        (i, target, word, labels, cost)
        for i, state in enumerate(states)
        for word, target, labels, cost in sorted(
            (word, number[target], labels, cost) for (target, word, labels), cost in leaving[state].items()
        )
    ]
    sizes = np.array([len(row[3]) // 4 for row in rows], dtype=np.int64)
    ends = [final[state] for state in states]
    return CompactLattice(
        frame=np.array([made.frames[state] for state in states], dtype=np.int32),
        first_arc=np.searchsorted([row[0] for row in rows], np.arange(len(states) + 1)).astype(np.int64),
        nextstate=np.array([row[1] for row in rows], dtype=np.int32),
        olabel=np.array([row[2] for row in rows], dtype=np.int32),
        graph_cost=np.array([row[4].graph for row in rows], dtype=np.float32),
        acoustic_cost=np.array([row[4].acoustic for row in rows], dtype=np.float32),
        first_label=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        labels=np.frombuffer(b"".join(row[3] for row in rows), dtype=np.int32),
        final_cost=np.array([np.inf if end is None else end.graph for end in ends], dtype=np.float32),
        final_acoustic_cost=np.array([0.0 if end is None else end.acoustic for end in ends], dtype=np.float32),
        first_final_label=np.zeros(len(states) + 1, dtype=np.int64),
        final_labels=np.zeros(0, dtype=np.int32),
        acoustic_scale=like.acoustic_scale,
        lattice_beam=like.lattice_beam,
        reached_final=like.reached_final,
    )
