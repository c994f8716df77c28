"""Random paths: sentences of the parts must be paths of the graph at the same cost, and the other way round."""

from dataclasses import dataclass

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.frame_labels import FrameLabels, Reading
from wfst_asr.graph.graph_paths import GraphPaths, targets
from wfst_asr.graph.spoken_sentences import SpokenSentences
from wfst_asr.recipe.graph_parts import GraphParts

_ROUNDS = 3
_EQUAL = 1e-3


@dataclass(frozen=True)
class PathFinding:
    """What random paths in one direction told.

    Attributes:
        tried: paths compared.
        missing: paths that the other side does not have.
        dearer: paths with another cost there, beyond what rounding explains.
        skipped: paths that could not be compared.
        worst: largest difference of costs per label.
        example: the first path that failed, in words.
    """

    tried: int
    missing: int
    dearer: int
    skipped: int
    worst: float
    example: str

    @property
    def sound(self) -> bool:
        return self.missing == 0 and self.dearer == 0


class PathComparison:
    """Compares costs of labels in the graph and in its parts.

    Args:
        graph: the graph.
        sentences: L and G.
        labels: H and C, or T.
        parts: names for examples.
        tolerance: difference of costs per label (self-loops apart) that rounding to 1/1024 may make.
    """

    def __init__(
        self,
        graph: GraphPaths,
        sentences: SpokenSentences,
        labels: FrameLabels,
        parts: GraphParts,
        *,
        tolerance: float = 1e-3,
    ) -> None:
        self._graph, self._sentences, self._labels = graph, sentences, labels
        self._parts, self._tolerance = parts, tolerance

    def from_parts(self, count: int, rng: np.random.Generator) -> PathFinding:
        """Draw sentences of G, pronounce them by L, spell them as labels, and look for them in the graph."""
        tally = _Tally()
        for phones, words in self._sentences.draw(count, rng):
            try:
                inputs = self._labels.spell(phones, rng)
            except WfstAsrError as error:
                tally.add_missing(f"{self._sentence(words)} as {self._phones(phones)}: {error}")
                continue
            self._compare(tally, inputs, words, self._labels.read(inputs))
        return tally.finding()

    def from_graph(self, count: int, rng: np.random.Generator) -> PathFinding:
        """Draw paths of the graph, through every arc of a small one, and look for them in the parts.

        An arc of a small graph is tried up to three times, until a path through it is the best one of its labels.
        """
        tally = _Tally()
        shown = np.zeros(self._graph.num_arcs, dtype=bool)
        drawn = 0
        for round_ in range(_ROUNDS if self._graph.num_arcs <= count else 1):
            for arc in targets(self._graph, count, rng).tolist():
                if drawn >= count or shown[arc] or not self._graph.is_live(arc):
                    continue
                drawn += 1
                wander = int(rng.integers(1, 60)) if (drawn + round_) % 2 else 0
                path = self._graph.through(arc, rng, wander=wander)
                best = self._compare(tally, path.inputs, path.outputs, self._labels.read(path.inputs))
                if abs(best - self._graph.cost_of(path)) < _EQUAL:
                    shown[list(path.arcs)] = True
        return tally.finding()

    def _compare(self, tally: "_Tally", inputs: tuple[int, ...], words: tuple[int, ...], reading: Reading) -> float:
        """Compare what the graph and its parts charge for labels; return the graph's cost."""
        if reading.problem:
            tally.add_missing(f"{self._sentence(words)}: a path of the graph is none of H and C: {reading.problem}")
            return np.inf
        here, read = self._graph.labels_cost(inputs, words)
        if np.isnan(here):
            tally.skipped += 1
            return here
        symbols = reading.symbols + 2 * len(words) + 2  # each word may come by back-off; silence at the begin, the end
        nearest = np.inf
        for cost in self._sentences.costs(reading.phones, words):
            there = cost + reading.cost
            if abs(here - there) <= abs(here - nearest) or nearest == np.inf:
                nearest = there
            if abs(here - there) <= self._tolerance * symbols:
                break
            if there == np.inf:
                break
        told = f"{self._sentence(words)} as {self._phones_of(reading)}"
        tally.tried += 1
        if here == nearest == np.inf:
            tally.add_missing(f"{told}: neither the graph nor its parts have it again")
        elif here == np.inf:
            at = f" (it takes {read} of {len(inputs)} labels)" if read < len(inputs) else ""
            tally.add_missing(f"{told}: the parts have it at cost {nearest:.4f}, the graph not at all{at}")
        elif nearest == np.inf:
            tally.add_missing(f"{told}: the graph has it at cost {here:.4f}, L o G not at all")
        elif abs(here - nearest) > self._tolerance * symbols:
            tally.add_dearer(f"{told}: cost {here:.4f} in the graph, {nearest:.4f} in the parts")
        if np.isfinite(here) and np.isfinite(nearest):
            tally.worst = max(tally.worst, abs(here - nearest) / symbols)
        return here

    def _sentence(self, words: tuple[int, ...]) -> str:
        names = self._parts.words.names
        return "'" + " ".join(names.get(word, str(word)) for word in words) + "'"

    def _phones_of(self, reading: Reading) -> str:
        labels = reading.phones.arcs["ilabel"]
        return self._phones(tuple(labels[labels > 0].tolist()))

    def _phones(self, phones: tuple[int, ...]) -> str:
        names = self._parts.phones.names
        shown = " ".join(names.get(phone, str(phone)) for phone in phones[:60])
        return f"'{shown}{' ...' if len(phones) > 60 else ''}'"


class _Tally:
    def __init__(self) -> None:
        self.tried = self.missing = self.dearer = self.skipped = 0
        self.worst = 0.0
        self._lost = self._example = ""

    def add_missing(self, example: str) -> None:
        self.missing += 1
        self._lost = self._lost or example

    def add_dearer(self, example: str) -> None:
        self.dearer += 1
        self._example = self._example or example

    def finding(self) -> PathFinding:
        return PathFinding(self.tried, self.missing, self.dearer, self.skipped, self.worst, self._lost or self._example)
