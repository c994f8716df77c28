"""Random paths, the cost of given labels, and equivalence of machines as far as random paths tell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pynini
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.convert import to_pynini
from wfst_asr.fst.ops import Machine, as_fst, as_table


@dataclass(frozen=True)
class Path:
    """A successful path: its labels without epsilons, and its cost with the final cost."""

    ilabels: tuple[int, ...]
    olabels: tuple[int, ...]
    cost: float


class PathSampler:
    """Draws random paths; keeps, for every state, the way that ends soonest.

    Args:
        machine: a machine with at least one successful path.

    Raises:
        WfstAsrError: the machine accepts nothing.
    """

    def __init__(self, machine: Machine) -> None:
        self._table = as_table(machine)
        fst = as_fst(machine)
        if self._table.num_states == 0 or self._table.start < 0:
            raise WfstAsrError("the machine is empty, so it has no paths to draw")
        counted = self._table.arcs.copy()
        counted["cost"] = 1.0
        finals = np.where(np.isfinite(self._table.final_cost), 0.0, np.inf).astype(np.float32)
        fst = to_pynini(ArcTable(self._table.start, self._table.first_arc, counted, finals))
        steps = [float(weight) for weight in pynini.shortestdistance(fst, reverse=True)]
        self._steps: NDArray[np.float64] = np.full(self._table.num_states, np.inf)
        self._steps[: len(steps)] = steps
        if not np.isfinite(self._steps[self._table.start]):
            raise WfstAsrError("the machine accepts nothing, so it has no paths to draw")

    def draw(self, rng: np.random.Generator, *, max_arcs: int = 100) -> Path:
        """Draw a path: all arcs that can reach an end, and ending, are equally likely; then the shortest way out.

        Args:
            rng: the source of chance.
            max_arcs: arcs to draw freely; the path may be longer by the shortest way to an end.
        """
        table, state = self._table, self._table.start
        ilabels, olabels, cost, taken = [], [], 0.0, 0
        while True:
            low, high = int(table.first_arc[state]), int(table.first_arc[state + 1])
            ahead = self._steps[table.arcs["nextstate"][low:high]]
            choices = low + np.flatnonzero(np.isfinite(ahead))
            can_end = bool(np.isfinite(table.final_cost[state]))
            if taken >= max_arcs:
                if can_end:
                    break
                arc = low + int(np.argmin(ahead))
            else:
                pick = int(rng.integers(len(choices) + can_end))
                if pick == len(choices):
                    break
                arc = int(choices[pick])
            record = table.arcs[arc]
            ilabels.append(int(record["ilabel"]))
            olabels.append(int(record["olabel"]))
            cost += float(record["cost"])
            state = int(record["nextstate"])
            taken += 1
        total = cost + float(table.final_cost[state])
        return Path(tuple(i for i in ilabels if i), tuple(o for o in olabels if o), total)


def linear_acceptor(labels: Sequence[int]) -> pynini.Fst:
    """Return the acceptor of one sequence of labels, at no cost."""
    arcs = [(i, i + 1, label, label, 0.0) for i, label in enumerate(labels)]
    return to_pynini(arc_table(len(labels) + 1, arcs, finals={len(labels): 0.0}))


class PathScorer:
    """Finds the cost that a machine gives to a pair of input and output labels.

    Args:
        machine: any transducer.
        use_log: add the probabilities of all paths with these labels; else the best path counts.
    """

    def __init__(self, machine: Machine, *, use_log: bool = False) -> None:
        self._fst = as_fst(machine).arcsort("ilabel")
        self._use_log = use_log

    def cost(self, ilabels: Sequence[int], olabels: Sequence[int] | None = None) -> float:
        """Return the cost of the labels (any output, if None); infinity if the machine has no such path."""
        both = pynini.compose(linear_acceptor(ilabels), self._fst)
        if olabels is not None:
            both = pynini.compose(both.arcsort("olabel"), linear_acceptor(olabels))
        if both.start() < 0:
            return float("inf")
        if self._use_log:
            both = pynini.arcmap(both, map_type="to_log64")
        return float(pynini.shortestdistance(both, reverse=True)[both.start()])


@dataclass(frozen=True)
class Equivalence:
    """What random paths told of two machines.

    Attributes:
        num_paths: paths drawn from both machines together.
        num_missing: paths of one machine whose labels the other does not accept.
        worst_per_symbol: largest difference of costs, divided by the number of labels of its path (at least 1).
        example: a path that is missing, or else the one with the largest difference.
    """

    num_paths: int
    num_missing: int
    worst_per_symbol: float
    example: Path | None


def compare_paths(
    first: Machine,
    second: Machine,
    *,
    rng: np.random.Generator,
    num_paths: int = 100,
    max_arcs: int = 100,
    use_log: bool = False,
) -> Equivalence:
    """Draw `num_paths` paths from each machine and compare what both give to their labels.

    Costs are of the best path with the same input and output labels, or with `use_log` of all such paths together.

    >>> one = arc_table(2, [(0, 1, 1, 2, 0.5)], finals={1: 0.0})
    >>> other = arc_table(3, [(0, 1, 1, 0, 0.25), (1, 2, 0, 2, 0.25)], finals={2: 0.0})
    >>> result = compare_paths(one, other, rng=np.random.default_rng(0), num_paths=2)
    >>> result.num_paths, result.num_missing, result.worst_per_symbol
    (4, 0, 0.0)
    """
    scorers = [PathScorer(machine, use_log=use_log) for machine in (first, second)]
    missing, worst, example = 0, 0.0, None
    for machine in (first, second):
        sampler = PathSampler(machine)
        for _ in range(num_paths):
            path = sampler.draw(rng, max_arcs=max_arcs)
            costs = [scorer.cost(path.ilabels, path.olabels) for scorer in scorers]
            if not np.isfinite(costs).all():
                missing, example = missing + 1, path
                continue
            difference = abs(costs[0] - costs[1]) / max(1, len(path.ilabels) + len(path.olabels))
            if difference > worst:
                worst, example = difference, example if missing else path
    return Equivalence(2 * num_paths, missing, worst, example)
