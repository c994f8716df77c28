"""Costs of G that drift apart for ever on paths with the same words: what makes a weighted G impossible to determinize.

Two states that the same words reach are twins if every loop of the same words costs the same at both (the twins
property).  Where one loop is dearer than the other, each turn makes another set of costs, and determinization never
ends.  Allauzen and Mohri, "Efficient algorithms for testing the twins property" (2003).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wfst_asr.fst.arcs import ArcTable

_MAX_PAIRS = 100_000
_CLOSE = 1e-3
_TURNS = 12


@dataclass(frozen=True)
class WeightDrift:
    """A loop of the same labels that costs more on one path than on another.

    Attributes:
        before: labels that lead from the start to both loops.
        loop: labels of the loop.
        costs: what one turn costs on each path.
    """

    before: tuple[int, ...]
    loop: tuple[int, ...]
    costs: tuple[float, float]

    def told(self, name: Callable[[int], str] = str) -> str:
        """Return the sentence of the error."""
        after = f" after '{' '.join(map(name, self.before))}'" if self.before else ""
        return (
            f"G could not be determinized: it repeats the words '{' '.join(map(name, self.loop))}'{after} in two ways, "
            f"one turn at the cost {self.costs[0]:.4g} and at {self.costs[1]:.4g}, so that the two drift apart for "
            "ever; give both loops one weight, or put a symbol before one of them that tells the two apart"
        )


def find_weight_drift(grammar: ArcTable) -> WeightDrift | None:
    """Find a loop of the same labels with two costs, at states that the same labels reach.

    Linear if G is deterministic (then there is none); else pairs of states are visited breadth first, no more than
    100,000, and a drift that needs more is not found.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> g = arc_table(3, [(0, 1, 5, 5, 0.0), (0, 2, 5, 5, 0.0), (1, 1, 7, 7, 1.0), (2, 2, 7, 7, 2.0)],
    ...               finals={1: 0.0, 2: 0.0})
    >>> find_weight_drift(g)
    WeightDrift(before=(5,), loop=(7,), costs=(1.0, 2.0))
    """
    if grammar.num_states == 0 or grammar.start < 0 or is_deterministic(grammar):
        return None
    return _Pairs(grammar).drift()


def is_deterministic(table: ArcTable) -> bool:
    """Tell whether no state has two arcs of one input label, or an arc with input epsilon; linear on sorted arcs."""
    label, source = table.arcs["ilabel"], table.source()
    if len(label) and label.min() <= 0:
        return False
    same = source[1:] == source[:-1]
    if not np.any(same & (label[1:] <= label[:-1])):
        return True
    order = np.lexsort((label, source))
    return not np.any((source[order][1:] == source[order][:-1]) & (label[order][1:] == label[order][:-1]))


Pair = tuple[int, int]
Step = tuple[int, float, float, Pair]  # label, costs on both sides, pair that it leads to


class _Pairs:
    """The pairs of different states that the same labels reach, with the difference of their costs."""

    def __init__(self, table: ArcTable) -> None:
        arcs = table.arcs
        self._table = table
        self._first = table.first_arc
        self._label, self._next, self._cost = arcs["ilabel"], arcs["nextstate"], arcs["cost"]
        self._found: dict[Pair, tuple[Pair | None, int]] = {}

    def _by_label(self, state: int) -> dict[int, list[tuple[float, int]]]:
        found: dict[int, list[tuple[float, int]]] = {}
        for arc in range(int(self._first[state]), int(self._first[state + 1])):
            found.setdefault(int(self._label[arc]), []).append((float(self._cost[arc]), int(self._next[arc])))
        return found

    def _steps(self, pair: Pair) -> list[Step]:
        """Return where one label, or an epsilon on one side, leads; pairs of one state are left to the diagonal."""
        one, other = self._by_label(pair[0]), self._by_label(pair[1])
        steps = [(0, cost, 0.0, (to, pair[1])) for cost, to in one.get(0, ())]
        steps += [(0, 0.0, cost, (pair[0], to)) for cost, to in other.get(0, ())]
        for label in sorted((one.keys() & other.keys()) - {0}):
            steps += [(label, a, b, (p, q)) for a, p in one[label] for b, q in other[label]]
        return [step for step in steps if step[3][0] != step[3][1]]

    def drift(self) -> WeightDrift | None:
        begins = self._begins()
        steps: dict[Pair, list[Step]] = {}
        todo = list(begins)
        for pair in todo:
            if len(steps) >= _MAX_PAIRS:
                break
            steps[pair] = self._steps(pair)
            for label, _, _, to in steps[pair]:
                if to not in self._found:
                    self._found[to] = (pair, label)
                    todo.append(to)
        component = _components(steps)
        difference: dict[Pair, float] = {}
        for root in steps:
            if root in difference:
                continue
            difference[root] = 0.0
            back: dict[Pair, tuple[Pair, Step] | None] = {root: None}
            for pair in (queue := [root]):
                for step in steps[pair]:
                    to = step[3]
                    if component.get(to) != component[pair]:
                        continue
                    now = difference[pair] + step[1] - step[2]
                    if to not in difference:
                        difference[to], back[to] = now, (pair, step)
                        queue.append(to)
                    elif abs(now - difference[to]) > _CLOSE:
                        found = self._told(pair, step, steps, component)
                        if found is not None:
                            return found
        return None

    def _begins(self) -> list[Pair]:
        """Return the pairs in which two paths of the same labels part, reached from one state."""
        label, source = self._label, self._table.source()
        order = np.lexsort((label, source))
        same = (source[order][1:] == source[order][:-1]) & (label[order][1:] == label[order][:-1])
        some = set(source[order][1:][same].tolist()) | set(source[label == 0].tolist())
        begins: list[Pair] = []
        for state in sorted(some):
            if not self._first[state] < self._first[state + 1]:
                continue
            for symbol, arcs in self._by_label(state).items():
                ends = sorted({to for _, to in arcs})
                pairs = [(p, q) for i, p in enumerate(ends) for q in ends[i + 1 :]]
                if symbol == 0:
                    pairs += [(state, to) for to in ends if to != state]
                for pair in pairs:
                    if pair not in self._found and len(self._found) < _MAX_PAIRS:
                        self._found[pair] = (None, (state << 32) | symbol)
                        begins.append(pair)
        return begins

    def _told(
        self, pair: Pair, step: Step, steps: dict[Pair, list[Step]], component: dict[Pair, int]
    ) -> WeightDrift | None:
        """Return a drifting loop through `step`, if determinization really meets new sets of costs on it."""
        for loop in _loops(pair, step, steps, component):
            labels = tuple(label for label, *_ in loop if label)
            costs = (sum(s[1] for s in loop), sum(s[2] for s in loop))
            if not labels or abs(costs[0] - costs[1]) <= _CLOSE:
                continue
            before: list[int] = []
            parent: Pair | None = pair
            while parent is not None:
                parent, label = self._found[parent]
                if parent is None:
                    before.append(label & 0xFFFFFFFF)
                    state = label >> 32
                else:
                    before.append(label)
            way = _way_to(self._table, state)
            if way is None:
                continue
            begin = (*way, *(label for label in reversed(before) if label))
            if self._keeps_changing(begin, labels):
                return WeightDrift(begin, labels, costs)
        return None

    def _keeps_changing(self, before: tuple[int, ...], loop: tuple[int, ...]) -> bool:
        """Follow the sets of (state, cost) that determinization makes, and tell whether none comes again."""
        here = self._closed({self._table.start: 0.0})
        for label in before:
            here = self._after(here, label)
        seen = [here]
        for _ in range(_TURNS):
            for label in loop:
                here = self._after(here, label)
            if not here or any(_alike(here, old) for old in seen):
                return False
            seen.append(here)
        return True

    def _after(self, subset: dict[int, float], label: int) -> dict[int, float]:
        reached: dict[int, float] = {}
        for state, cost in subset.items():
            for more, to in self._by_label(state).get(label, ()):
                reached[to] = -float(np.logaddexp(-reached.get(to, np.inf), -(cost + more)))
        return self._closed(reached)

    def _closed(self, subset: dict[int, float]) -> dict[int, float]:
        total, todo = dict(subset), dict(subset)
        for _ in range(50):  # as often as epsilons follow one another
            onward: dict[int, float] = {}
            for state, cost in todo.items():
                for more, to in self._by_label(state).get(0, ()):
                    onward[to] = -float(np.logaddexp(-onward.get(to, np.inf), -(cost + more)))
            if not onward:
                break
            for state, cost in onward.items():
                total[state] = -float(np.logaddexp(-total.get(state, np.inf), -cost))
            todo = onward
        least = min(total.values(), default=0.0)
        return {state: cost - least for state, cost in total.items()}


def _alike(one: dict[int, float], other: dict[int, float]) -> bool:
    return one.keys() == other.keys() and all(abs(cost - other[state]) <= _CLOSE for state, cost in one.items())


def _loops(pair: Pair, step: Step, steps: dict[Pair, list[Step]], component: dict[Pair, int]) -> list[list[Step]]:
    """Return loops within a component: through `step` by the shortest ways, and the shortest through `pair`."""
    found = []
    for origin, first in ((pair, step), *((pair, other) for other in steps[pair])):
        if component.get(first[3]) != component[origin]:
            continue
        back: dict[Pair, tuple[Pair, Step] | None] = {first[3]: None}
        for here in (queue := [first[3]]):
            if here == origin:
                break
            for onward in steps[here]:
                if component.get(onward[3]) == component[origin] and onward[3] not in back:
                    back[onward[3]] = (here, onward)
                    queue.append(onward[3])
        loop: list[Step] = []
        at: Pair = origin
        while (link := back[at]) is not None:
            at, taken = link
            loop.append(taken)
        found.append([first, *reversed(loop)])
    return found


def _components(steps: dict[Pair, list[Step]]) -> dict[Pair, int]:
    """Return the strongly connected component of each pair."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number = {pair: i for i, pair in enumerate(steps)}
    ends = [(number[pair], number[s[3]]) for pair, onward in steps.items() for s in onward if s[3] in number]
    rows, columns = np.array(ends, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(number), len(number)))
    labels = connected_components(graph, connection="strong")[1] if number else []
    return {pair: int(labels[i]) for pair, i in number.items()}


def _way_to(table: ArcTable, state: int) -> tuple[int, ...] | None:
    """Return the labels of a shortest way from the start to a state."""
    back: dict[int, tuple[int, int] | None] = {table.start: None}
    for here in (queue := [table.start]):
        if here == state:
            break
        for arc in range(int(table.first_arc[here]), int(table.first_arc[here + 1])):
            to = int(table.arcs["nextstate"][arc])
            if to not in back:
                back[to] = (here, int(table.arcs["ilabel"][arc]))
                queue.append(to)
    if state not in back:
        return None
    labels = []
    while (link := back[state]) is not None:
        state, label = link
        if label:
            labels.append(label)
    return tuple(reversed(labels))
