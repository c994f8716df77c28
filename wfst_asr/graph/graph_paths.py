"""Paths of large machines: drawn through chosen arcs, and the cost of given labels, on arrays."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wfst_asr.fst.arcs import ArcTable

_MAX_TOKENS = 200_000
_SMALL = 2_000_000  # arcs up to which ways are cheap and not only short
_STEPS = 50


@dataclass(frozen=True)
class DrawnPath:
    """A path from the start to an end.

    Attributes:
        arcs: numbers of its arcs.
        inputs: input labels, without epsilons.
        outputs: output labels, without epsilons.
    """

    arcs: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class GraphPaths:
    """Draws paths of a machine and scores labels; columns are copied once, 20 bytes an arc and 30 a state in all.

    Args:
        table: any machine with a start state.
    """

    def __init__(self, table: ArcTable) -> None:
        self.start = table.start
        self.first = np.ascontiguousarray(table.first_arc, dtype=np.int64)
        self.ilabel, self.olabel, self.nextstate = (
            np.ascontiguousarray(table.arcs[name]) for name in ("ilabel", "olabel", "nextstate")
        )
        self.cost = np.ascontiguousarray(table.arcs["cost"])
        self.final = np.ascontiguousarray(table.final_cost)

    @property
    def num_states(self) -> int:
        return len(self.final)

    @property
    def num_arcs(self) -> int:
        return len(self.cost)

    @cached_property
    def into(self) -> NDArray[np.int32]:
        """(S,) last arc of a way to every state, cheap in small machines, else short; -2 at the start, -1: no way."""
        from wfst_asr.graph._check_kernels import cheapest_ways, ways_from_start

        if self.num_arcs <= _SMALL:
            begin = np.full(self.num_states, np.inf)
            begin[self.start] = 0.0
            arcs = np.arange(self.num_arcs, dtype=np.int32)
            ways, done = cheapest_ways(begin, self.first, arcs, self.nextstate, self.cost, _STEPS * self.num_states)
            if done and ways[self.start] == -2:
                return ways  # type: ignore[no-any-return]
        return ways_from_start(self.start, self.first, self.nextstate)  # type: ignore[no-any-return]

    @cached_property
    def out(self) -> NDArray[np.int32]:
        """(S,) first arc of a way from every state to an end, likewise; -2 where states end best, -1 for no way."""
        from wfst_asr.graph._check_kernels import cheapest_ways, entering_arcs, ways_to_end

        if self.num_arcs <= _SMALL:
            first, arcs, source = entering_arcs(self.first, self.nextstate)
            ways, done = cheapest_ways(
                self.final.astype(np.float64), first, arcs, source, self.cost, _STEPS * self.num_states
            )
            if done:
                return ways  # type: ignore[no-any-return]
        return ways_to_end(self.first, self.nextstate, self.final)  # type: ignore[no-any-return]

    def source(self, arc: int) -> int:
        """Return the state that an arc leaves."""
        return int(np.searchsorted(self.first, arc, side="right")) - 1

    def is_live(self, arc: int) -> bool:
        """Tell whether an arc lies on a path."""
        return bool(self.into[self.source(arc)] != -1 and self.out[self.nextstate[arc]] != -1)

    def cost_of(self, path: DrawnPath) -> float:
        """Return the cost of a path."""
        last = self.nextstate[path.arcs[-1]] if path.arcs else self.start
        return float(self.cost[list(path.arcs)].sum(dtype=np.float64) + self.final[last])

    def way_to(self, state: int) -> list[int]:
        """Return the arcs of a shortest way from the start to a state that can be reached."""
        arcs = []
        while (arc := int(self.into[state])) >= 0:
            arcs.append(arc)
            state = self.source(arc)
        return arcs[::-1]

    def through(self, arc: int, rng: np.random.Generator, *, wander: int = 0) -> DrawnPath:
        """Return a path through a live arc: the shortest way there, `wander` random arcs, the shortest way out."""
        arcs = [*self.way_to(self.source(arc)), arc]
        state = int(self.nextstate[arc])
        for _ in range(wander):
            low, high = int(self.first[state]), int(self.first[state + 1])
            choices = low + np.flatnonzero(self.out[self.nextstate[low:high]] != -1)
            if not len(choices):
                break
            arcs.append(int(choices[rng.integers(len(choices))]))
            state = int(self.nextstate[arcs[-1]])
        while (onward := int(self.out[state])) >= 0:
            arcs.append(onward)
            state = int(self.nextstate[onward])
        inputs, outputs = self.ilabel[arcs], self.olabel[arcs]
        return DrawnPath(tuple(arcs), tuple(inputs[inputs > 0].tolist()), tuple(outputs[outputs > 0].tolist()))

    def labels_cost(self, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> tuple[float, int]:
        """Return the best cost of these labels (infinity: no such path, NaN: too many to try) and the inputs read."""
        from wfst_asr.graph._check_kernels import cost_of_labels

        cost, read = cost_of_labels(
            self.start, self.first, self.ilabel, self.olabel, self.cost, self.nextstate, self.final,
            np.array(inputs, dtype=np.int32), np.array(outputs, dtype=np.int32), _MAX_TOKENS,
        )  # fmt: skip
        return float(cost), int(read)

    def outputs_seen(self) -> NDArray[np.bool_]:
        """Return which output labels stand on arcs of paths."""
        from wfst_asr.graph._check_kernels import labels_seen

        size = int(self.olabel.max(initial=0)) + 1
        return labels_seen(self.first, self.olabel, self.into, self.out, self.nextstate, size)  # type: ignore[no-any-return]


def targets(paths: GraphPaths, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose arcs to draw paths through: all of a small machine in random order, else random ones."""
    if paths.num_arcs <= count:
        return rng.permutation(paths.num_arcs)
    return rng.integers(paths.num_arcs, size=count)
