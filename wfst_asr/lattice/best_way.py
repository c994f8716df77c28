"""The cost that a graph charges for words: of the best way through G, back-off arcs taken as epsilons.

A graph is compiled from G with its back-off arcs as epsilons, so that its search may back off where the model has the
n-gram, if that is cheaper; then it charges less than the model's own cost.  What a lattice holds is the cost of the
best way.  Kaldi: `lattice-lmrescore` with a negative `--lm-scale`, which determinizes for the best way.
"""

from collections.abc import Sequence

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.compose import AnyLattice, Pairs, lattice_of_pairs
from wfst_asr.lattice.word_fst import WordFst

_Subset = tuple[tuple[int, float], ...]  # states that a sequence of words reaches, each with its cost above the least
_DIGITS = 6  # subsets whose costs agree to so many decimals are one
_INFINITE = float("inf")


class BestWay:
    """G determinized while it is read: from subset to subset, each with the best costs of all its states.

    What was found is kept, so that one object serves many lattices; memory grows with the histories that they have.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> from wfst_asr.lattice.word_fst import word_fst
    >>> arcs = [(0, 1, 9, 0, 0.5), (0, 0, 1, 1, 4.0), (1, 1, 1, 1, 2.0)]
    >>> way = BestWay(word_fst(arc_table(2, arcs, finals={1: 0.25}), backoff_label=9))
    >>> way.cost([1])  # not the arc of the longer history, at 4, but around it: 0.5 + 2, and 0.25 to end
    2.75
    """

    def __init__(self, grammar: WordFst) -> None:
        """Begin at the start of G."""
        self._grammar = grammar
        self._subsets: list[_Subset] = []
        self._numbers: dict[_Subset, int] = {}
        self._steps: dict[tuple[int, int], tuple[int, float] | None] = {}
        self._ends: dict[int, float] = {}
        self.start, self.start_cost = self._number({grammar.start: 0.0})

    def step(self, subset: int, word: int) -> tuple[int, float] | None:
        """Return the subset after a word, and the word's cost; None where G has no such word there."""
        key = (subset, word)
        if key not in self._steps:
            grammar, reached = self._grammar, dict[int, float]()
            for state, cost in self._subsets[subset]:
                low, high = int(grammar.first_word[state]), int(grammar.first_arc[state + 1])
                labels = grammar.ilabel[low:high]
                for arc in range(
                    low + int(np.searchsorted(labels, word)), low + int(np.searchsorted(labels, word, side="right"))
                ):
                    _lower(reached, int(grammar.nextstate[arc]), cost + float(grammar.cost[arc]))
            self._steps[key] = self._number(reached) if reached else None
        return self._steps[key]

    def end(self, subset: int) -> float:
        """Return the cost of ending after the words of a subset."""
        if subset not in self._ends:
            final = self._grammar.final_cost
            self._ends[subset] = min(cost + float(final[state]) for state, cost in self._subsets[subset])
        return self._ends[subset]

    def cost(self, word_ids: Sequence[int]) -> float:
        """Return the cost of a sentence; infinite where G does not accept it."""
        subset, total = self.start, self.start_cost
        for word in word_ids:
            found = self.step(subset, word)
            if found is None:
                return _INFINITE
            subset, total = found[0], total + found[1]
        return total + self.end(subset)

    def _number(self, reached: dict[int, float]) -> tuple[int, float]:
        """Return the subset of states and all that epsilons lead to from there, and their least cost."""
        grammar, waiting = self._grammar, sorted(reached)
        while waiting:
            state = waiting.pop()
            cost = reached[state]
            for arc in range(int(grammar.first_arc[state]), int(grammar.first_word[state])):
                if _lower(reached, int(grammar.nextstate[arc]), cost + float(grammar.cost[arc])):
                    waiting.append(int(grammar.nextstate[arc]))
            backoff = int(grammar.backoff_state[state])
            if backoff >= 0 and _lower(reached, backoff, cost + float(grammar.backoff_cost[state])):
                waiting.append(backoff)
        least = min(reached.values())
        subset = tuple(sorted((state, round(cost - least, _DIGITS)) for state, cost in reached.items()))
        number = self._numbers.setdefault(subset, len(self._subsets))
        if number == len(self._subsets):
            self._subsets.append(subset)
        return number, least


def _lower(reached: dict[int, float], state: int, cost: float) -> bool:
    if cost < reached.get(state, _INFINITE) - 1e-9:
        reached[state] = cost
        return True
    return False


def add_best_way(lattice: AnyLattice, way: BestWay, *, weight: float) -> AnyLattice:
    """Return a lattice whose paths cost weight * the cost of the best way through G for their words more.

    Linear in the arcs of the result.

    Args:
        lattice: of either kind.
        way: G; words that it lacks end their paths.
        weight: factor of its costs; -1 takes them out.

    Raises:
        WfstAsrError: a weight that is no finite number.
    """
    if not np.isfinite(weight):
        raise WfstAsrError(f"weight {weight} of an FST's costs, expected a finite number")
    if not lattice.num_states:
        return lattice
    first_arc, nextstate, olabel = (a.tolist() for a in (lattice.first_arc, lattice.nextstate, lattice.olabel))
    finals = np.isfinite(lattice.final_cost).tolist()
    pairs: list[tuple[int, int]] = [(0, way.start)]
    numbers = {pairs[0]: 0}
    made_first, targets, arcs, costs, ends = [0], list[int](), list[int](), list[float](), list[float]()
    at = 0
    while at < len(pairs):
        state, subset = pairs[at]
        ahead = way.start_cost if at == 0 else 0.0
        for arc in range(first_arc[state], first_arc[state + 1]):
            word = olabel[arc]
            found = way.step(subset, word) if word else (subset, 0.0)
            if found is None:
                continue
            pair = (nextstate[arc], found[0])
            number = numbers.setdefault(pair, len(pairs))
            if number == len(pairs):
                pairs.append(pair)
            targets.append(number)
            arcs.append(arc)
            costs.append(found[1] + ahead)
        made_first.append(len(arcs))
        ends.append(way.end(subset) + ahead if finals[state] else _INFINITE)
        at += 1
    of_lattice = np.array(arcs, dtype=np.int32)
    return lattice_of_pairs(
        lattice,
        Pairs(
            state=np.array([state for state, _ in pairs], dtype=np.int64),
            end_cost=np.array(ends),
            first_arc=np.array(made_first, dtype=np.int64),
            nextstate=np.array(targets, dtype=np.int32),
            arc=of_lattice,
            word=lattice.olabel[of_lattice],
            cost=np.array(costs),
        ),
        weight,
    )
