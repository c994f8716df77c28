"""Reading a compiled graph by what it means: which states a unit sequence leads to, and at what cost."""

from collections.abc import Iterable
from typing import TypeVar

from wfst_asr.fst.arcs import ArcTable
from wfst_asr.graph.spoken_units import Automaton

Key = TypeVar("Key")
Row = tuple[int, int, float, int]
Shape = frozenset[tuple[int, int, int]]  # (ilabel, olabel, next state) of the arcs of a state
Item = tuple[int, int, float]  # state, word given out (0: none yet), cost
PART = 1 << 31  # numbers of parts of states begin here
ENDED = -1
_SAME = 0.02  # nats; costs that differ by less are those of one path
_DEEP = 64  # epsilon arcs in a row


class UnitReader:
    """Follows paths of a graph; of its costs those of the HMMs are taken off, so that words' costs remain.

    Args:
        table: the graph.
    """

    def __init__(self, table: ArcTable) -> None:
        self.table = table
        self._rows: dict[int, list[Row]] = {}
        self._by_label: dict[int, dict[int, list[Row]]] = {}
        self._labels: dict[int, frozenset[int]] = {}
        self._shapes: dict[int, tuple[Shape, float]] = {}
        self.origin: dict[int, tuple[int, frozenset[int]]] = {}  # of parts: state, and the labels of its arcs
        self._parts: dict[tuple[int, tuple[Row, ...]], int] = {}

    def rows(self, state: int) -> list[Row]:
        """Return the arcs of a state but for its self-loop: (ilabel, olabel, cost, next state)."""
        found = self._rows.get(state)
        if found is None:
            low, high = int(self.table.first_arc[state]), int(self.table.first_arc[state + 1])
            found = [row for row in self.table.arcs[low:high].tolist() if row[3] != state]
            self._rows[state] = found
        return found

    def _with_label(self, state: int) -> dict[int, list[Row]]:
        found = self._by_label.get(state)
        if found is None:
            found = self._by_label[state] = {}
            for row in self.rows(state):
                found.setdefault(row[0], []).append(row)
        return found

    def closure(self, items: Iterable[Item]) -> list[Item]:
        """Return the items and those that epsilon arcs lead to; what would give out a second word is left out."""
        items = list(items)
        if len(items) == 1 and 0 not in self._with_label(items[0][0]):
            return items
        kept: dict[tuple[int, int], list[float]] = {}
        found: list[Item] = []
        stack = [(item, 0) for item in items]
        while stack:
            (state, word, cost), depth = stack.pop()
            if not _is_new(kept, (state, word), cost):
                continue
            found.append((state, word, cost))
            if depth == _DEEP:
                continue
            for _, olabel, weight, target in self._with_label(state).get(0, ()):
                if not (word and olabel):
                    stack.append(((target, word or olabel, cost + weight), depth + 1))
        return found

    def read(
        self, items: Iterable[Item], automaton: Automaton | None, *, at: int = 0, closed: bool = True
    ) -> list[Item]:
        """Return where the items lead when the units of an HMM are read.

        Args:
            items: where to begin.
            automaton: the HMM; None reads nothing.
            at: place of the HMM that the items are at.
            closed: follow epsilon arcs before the first unit too.
        """
        if automaton is None:
            return self.closure(items)
        kept: dict[tuple[int, int, int], list[float]] = {}
        ended: dict[tuple[int, int], list[float]] = {}
        found: list[Item] = []
        waiting = [(item, at) for item in (self.closure(items) if closed else items)]
        while waiting:
            (state, word, cost), place = waiting.pop()
            for unit, behind in automaton.steps[place]:
                for _, olabel, weight, target in self._with_label(state).get(unit.label, ()):
                    if word and olabel:
                        continue
                    item = (target, word or olabel, cost + weight - unit.enter_cost)
                    if not _is_new(kept, (target, item[1], behind), item[2]):
                        continue
                    if behind in automaton.ends and _is_new(ended, item[:2], item[2]):
                        found.append(item)
                    if automaton.steps[behind]:
                        waiting += [(inner, behind) for inner in self.closure([item])]
        return found

    def final_costs(self, items: Iterable[Item]) -> list[float]:
        """Return the costs of ending, for items that give out no further word."""
        return [cost for word, cost in self.ends(items) if word == 0]

    def ends(self, items: Iterable[Item]) -> list[tuple[int, float]]:
        """Return (word, cost) of every way to end without reading more."""
        found = [(w, cost + float(self.table.final_cost[s])) for s, w, cost in self.closure(items) if s < PART]
        return [end for end in found if end[1] < float("inf")]

    def labels(self, state: int) -> frozenset[int]:
        """Return the input labels that can be read next, and ENDED if nothing need be read."""
        if state not in self._labels:
            behind = self.closure([(state, 0, 0.0)])
            found = {row[0] for s, _, _ in behind for row in self.rows(s) if row[0]}
            self._labels[state] = frozenset(found | ({ENDED} if self.ends(behind) else set()))
        return self._labels[state]

    def shape(self, state: int) -> tuple[Shape, float]:
        """Return what leaves a state, and the least cost of it: states that mean the same have the same shape.

        A state that one epsilon alone leaves means what that leads to.
        """
        if state not in self._shapes:
            cost, rows, hops = 0.0, self.rows(state), 0
            while len(rows) == 1 and rows[0][:2] == (0, 0) and hops < _DEEP:
                cost, rows, hops = cost + rows[0][2], self.rows(rows[0][3]), hops + 1
            least = cost + min((row[2] for row in rows), default=0.0)
            self._shapes[state] = frozenset((row[0], row[1], row[3]) for row in rows), least
        return self._shapes[state]

    def distinct(self, items: Iterable[Item]) -> list[Item]:
        """Return the items without those that mean the same as another one at the same cost."""
        kept: dict[tuple[Shape, int], list[float]] = {}
        found = []
        for state, word, cost in items:
            shape, least = self.shape(state)
            if _is_new(kept, (shape, word), cost + least):
                found.append((state, word, cost))
        return found

    def part(self, state: int, labels: frozenset[int]) -> int | None:
        """Return a state with only those arcs of another one that read certain labels; None where there are none.

        Its number is PART or more.
        """
        rows = tuple(row for row in self.rows(state) if row[0] in labels)
        if not rows:
            return None
        number = self._parts.setdefault((state, rows), PART + len(self._parts))
        self._rows[number] = list(rows)
        self.origin[number] = (state, labels)
        return number

    def without_word(self, state: int, word: int) -> int:
        """Return a state with the arcs of another one that give out a word and read something, but for the word.

        Its number is PART or more.
        """
        rows = tuple((row[0], 0, *row[2:]) for row in self.rows(state) if row[1] == word and row[0])
        number = self._parts.setdefault((state, rows), PART + len(self._parts))
        self._rows[number] = list(rows)
        return number

    def settled(self, items: Iterable[Item], labels: frozenset[int], *, share: float = 0.999) -> list[Item]:
        """Return where the items are when only certain labels can be read next: states, or parts of states.

        Where ways part by epsilons, or parted by some that were removed, the others are left out.
        """
        found: list[Item] = []
        stack = [(item, 0) for item in items]
        while stack:
            (state, word, cost), depth = stack.pop()
            ahead = self.labels(state)
            common = len(ahead & labels)
            if common == 0:
                continue
            if common >= share * len(ahead):
                found.append((state, word, cost))
                continue
            part = self.part(state, labels)
            if part is not None:
                found.append((part, word, cost))
            for ilabel, olabel, weight, target in self.rows(state) if depth < _DEEP else ():
                if ilabel == 0 and not (word and olabel):
                    stack.append(((target, word or olabel, cost + weight), depth + 1))
        return found

    def passes_on(self, state: int) -> bool:
        """Tell whether an arc without labels leaves a state."""
        return any(row[0] == 0 and row[1] == 0 for row in self.rows(state))


def _is_new(kept: dict[Key, list[float]], key: Key, cost: float) -> bool:
    costs = kept.get(key)
    if costs is None:
        kept[key] = [cost]
        return True
    if len(costs) > 16:
        return False
    for other in costs:
        if -_SAME < cost - other < _SAME:
            return False
    costs.append(cost)
    return True
