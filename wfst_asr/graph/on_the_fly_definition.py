"""The definition of HCL composed with G while decoding; `decoder/_lazy_kernels.py` does the same, state by state.

A state is (q, g, w): a state of HCL, a state of G, and the word that is already given out though its pronunciation is
not yet told from others (0 for none).  Let V(q, g) be -log of the sum of exp(-cost) over the entries of g that may come
first from q, and 0 where any may come (the root of the lexical tree and what leads there).  Then

    an arc q -> q' without label costs its own cost + V(q', g) - V(q, g); it is left out where no entry of g is ahead
    if only one word of g is ahead of q', the arc gives it out: (q', g', w), g' behind that word
    an arc with a pronunciation costs its own cost + that of the entry - V(q, g) and leads to g'; left out without entry
    an arc with the marker leads from (q, g, 0) to (q, backoff(g), 0) at the back-off cost
    with w, only what w's pronunciations may use is left, and V sums over them alone

Weights are thus distributed as in the static det(L o G) (`lexical_tree.py`), and beam search sees the same costs.
"""

import numpy as np

from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.graph.on_the_fly import BackoffEntries, LookAheadHcl

State = tuple[int, int, int]


class OnTheFlyDefinition:
    """Composes state by state; slow, and short enough to be believed."""

    def __init__(self, hcl: LookAheadHcl, grammar: BackoffEntries) -> None:
        self.hcl = hcl
        self.grammar = grammar
        self.start: State = (hcl.table.start, grammar.start, 0)

    def ahead(self, q: int, g: int, word: int) -> list[int]:
        """Return the entries of g (with a word: its pronunciations) that may come first from q."""
        h = self.hcl
        members = range(h.set_first[h.set_of[q]], h.set_first[h.set_of[q] + 1])

        def inside(rank: int) -> bool:
            return any(h.low[k] <= rank < h.high[k] for k in members)

        if word:
            return [rank for rank in np.flatnonzero(h.word == word).tolist() if inside(rank)]
        entries = range(self.grammar.first[g], self.grammar.first[g + 1])
        return [i for i in entries if inside(int(self.grammar.rank[i]))]

    def potential(self, q: int, g: int, word: int) -> float:
        """Return V."""
        if self.hcl.set_of[q] == 0:
            return 0.0
        costs = (self.hcl.cost if word else self.grammar.cost)[self.ahead(q, g, word)]
        return -float(np.logaddexp.reduce(-costs.astype(np.float64))) if len(costs) else np.inf

    def only_word(self, q: int, g: int) -> tuple[int, int, float] | None:
        """Return the only word of g that is ahead of q with its destination and cost; None if there is another."""
        ranks = self.grammar.rank[entries := self.ahead(q, g, 0)]
        if len(ranks) == 0 or ranks[-1] == len(self.hcl.word) or len(set(ranks.tolist())) < len(ranks):
            return None
        words = {int(word) for word in self.hcl.word[ranks]}
        if len(words) > 1:
            return None
        cost = float(self.grammar.cost[entries[0]]) - float(self.hcl.cost[ranks[0]])
        return words.pop(), int(self.grammar.nextstate[entries[0]]), cost

    def arcs(self, state: State) -> list[tuple[int, int, float, State]]:
        """Return (ilabel, word, cost, next state) of the arcs of a state."""
        h, grammar = self.hcl, self.grammar
        q, g, word = state
        potential, found = self.potential(q, g, word), []
        for arc in h.table.arcs[h.table.first_arc[q] : h.table.first_arc[q + 1]]:
            ilabel, olabel, cost, behind = (arc[name].item() for name in ("ilabel", "olabel", "cost", "nextstate"))
            if olabel == h.marker:
                if grammar.backoff_state[g] >= 0:
                    down = (behind, int(grammar.backoff_state[g]), 0)
                    found.append((ilabel, 0, cost + float(grammar.backoff_cost[g]), down))
            elif olabel and word:
                if h.word[olabel - 1] == word:
                    found.append((ilabel, 0, cost + float(h.cost[olabel - 1]) - potential, (behind, g, 0)))
            elif olabel:
                for i in range(grammar.first[g], grammar.first[g + 1]):
                    if grammar.rank[i] == olabel - 1:
                        total = cost + float(grammar.cost[i]) - potential
                        found.append((ilabel, int(h.word[olabel - 1]), total, (behind, int(grammar.nextstate[i]), 0)))
            elif h.set_of[behind] == 0:
                found.append((ilabel, 0, cost - potential, (behind, g, word)))
            elif (ahead := self.potential(behind, g, word)) < np.inf:
                only = self.only_word(behind, g) if not word else None
                to = (behind, only[1], only[0]) if only else (behind, g, word)
                found.append((ilabel, only[0] if only else 0, cost + ahead - potential, to))
        return found

    def final_cost(self, state: State) -> float:
        """Return the cost of ending in a state, infinite where one cannot."""
        q, g, word = state
        if word:
            return np.inf
        return float(self.hcl.table.final_cost[q] + self.grammar.final_cost[g]) - self.potential(q, g, 0)

    def graph(self) -> ArcTable:
        """Return all of it, for small parts."""
        number, waiting, rows = {self.start: 0}, [self.start], []
        finals = {}
        for state in waiting:
            if np.isfinite(cost := self.final_cost(state)):
                finals[number[state]] = cost
            for ilabel, word, cost, to in self.arcs(state):
                if to not in number:
                    number[to] = len(number)
                    waiting.append(to)
                rows.append((number[state], number[to], ilabel, word, cost))
        return arc_table(len(number), rows, finals=finals)
