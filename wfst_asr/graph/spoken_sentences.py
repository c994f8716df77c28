"""L o G without making it: sentences drawn from it with their phones, and the cost of given phones and words."""

from collections.abc import Iterable, Iterator

import numpy as np
import pynini

from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.convert import from_pynini, to_pynini
from wfst_asr.fst.determinize import determinize_star
from wfst_asr.fst.ops import as_fst
from wfst_asr.fst.paths import linear_acceptor
from wfst_asr.graph.graph_paths import GraphPaths, targets

_MAX_ARCS = 2000
_ROUNDS = 10


class SpokenSentences:
    """L and G side by side.

    Args:
        lexicon: L with disambiguation symbols.
        grammar: G.
        phone_disambig: ids of the disambiguation symbols on L's input side.
    """

    def __init__(self, lexicon: ArcTable, grammar: ArcTable, phone_disambig: Iterable[int]) -> None:
        self._disambig = tuple(sorted(phone_disambig))
        self._lexicon = as_fst(lexicon).arcsort("olabel")
        said = spoken_part_of(lexicon, grammar)
        self.grammar = GraphPaths(said)
        self._grammar = to_pynini(said).arcsort("olabel")

    def draw(self, count: int, rng: np.random.Generator) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Draw sentences through random arcs of G; a small G's arcs ten times over at most; yield phones and words."""
        covered = np.zeros(self.grammar.num_arcs, dtype=bool)
        drawn = 0
        for round_ in range(_ROUNDS):
            for arc in targets(self.grammar, count, rng).tolist():
                if drawn >= count:
                    return
                if (covered[arc] and round_ == 0) or not self.grammar.is_live(arc):
                    continue
                path = self.grammar.through(arc, rng, wander=int(rng.integers(4)) * 2)
                covered[list(path.arcs)] = True
                phones = self._pronounce(path.inputs, rng)
                drawn += 1
                if phones is not None:
                    yield phones, path.outputs
            if not covered.any():
                return

    def _pronounce(self, words: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...] | None:
        """Return phones of words (and back-off symbols), or None where L does not take them."""
        table = from_pynini(pynini.compose(self._lexicon, linear_acceptor(words)))
        if table.num_states == 0:
            return None
        labels: list[int] = []
        state = table.start
        for _ in range(_MAX_ARCS):
            low, high = int(table.first_arc[state]), int(table.first_arc[state + 1])
            if np.isfinite(table.final_cost[state]) and (low == high or rng.random() < 0.5):
                break
            arc = table.arcs[int(rng.integers(low, high))]
            labels.append(int(arc["ilabel"]))
            state = int(arc["nextstate"])
        else:
            return None
        return tuple(label for label in labels if label and label not in self._disambig)

    def costs(self, phones: ArcTable, words: tuple[int, ...]) -> Iterator[float]:
        """Yield what graphs may charge for phones and words: the best path's cost, then with equal paths added up.

        Determinization adds up paths of L o G that differ in no disambiguation symbol; compilers that go another way
        let the best one count.  Infinity where L o G has no such path.
        """
        said = pynini.compose(self._grammar, linear_acceptor(words)).project("input").arcsort("ilabel")
        spelt = pynini.compose(self._lexicon, said).arcsort("ilabel")
        both = from_pynini(pynini.compose(to_pynini(self._with_disambig(phones)).arcsort("olabel"), spelt))
        yield _best(both)
        if both.num_states:
            arcs = both.arcs.copy()
            arcs["olabel"] = 0
            bare = ArcTable(both.start, both.first_arc, arcs, both.final_cost)
            yield _best(determinize_star(bare, max_states=100_000))

    def _with_disambig(self, phones: ArcTable) -> ArcTable:
        symbols = np.array(self._disambig, dtype=np.int32)
        states = np.repeat(np.arange(phones.num_states), len(symbols))
        loops = np.zeros(len(states), dtype=phones.arcs.dtype)
        loops["ilabel"] = loops["olabel"] = np.tile(symbols, phones.num_states)
        loops["nextstate"] = states
        return arc_table(
            phones.num_states,
            np.concatenate((phones.arcs, loops)),
            source=np.concatenate((phones.source(), states)),
            finals=phones.final_cost,
            start=phones.start,
        )


def spoken_part_of(lexicon: ArcTable, grammar: ArcTable) -> ArcTable:
    """Return G without the arcs whose words L never says; states keep their numbers."""
    spoken = np.isin(grammar.arcs["ilabel"], np.append(np.unique(lexicon.arcs["olabel"]), 0))
    kept_before = np.concatenate(([0], np.cumsum(spoken)))
    return ArcTable(grammar.start, kept_before[grammar.first_arc], grammar.arcs[spoken], grammar.final_cost)


def _best(table: ArcTable) -> float:
    if table.num_states == 0:
        return float("inf")
    return float(pynini.shortestdistance(to_pynini(table), reverse=True)[table.start])
