"""Random small graphs and scores for the property tests."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from wfst_asr.fst.arcs import ArcTable, arc_table

NUM_LABELS = 3  # labels 1 ... 3, columns 2, 0, 1
COLUMNS = [-1, 2, 0, 1]


@dataclass(frozen=True)
class Case:
    num_states: int
    arcs: list[tuple[int, int, int, float]]  # source, target, input label, cost
    finals: dict[int, float]
    scores: list[list[float]]

    @property
    def table(self) -> ArcTable:
        arcs = [(s, t, label, number + 1, cost) for number, (s, t, label, cost) in enumerate(self.sorted_arcs)]
        return arc_table(self.num_states, arcs, finals=self.finals)

    @property
    def sorted_arcs(self) -> list[tuple[int, int, int, float]]:
        """In the order that arc_table gives them."""
        return sorted(self.arcs, key=lambda arc: arc[0])

    @property
    def matrix(self) -> np.ndarray:
        return np.array(self.scores, dtype=np.float32).reshape(-1, NUM_LABELS)


@st.composite
def cases(draw: st.DrawFn, max_frames: int = 4, max_arcs: int = 9, min_frames: int = 0) -> Case:
    """Graphs with epsilons, zero-cost epsilon cycles, parallel arcs, self-loops and ties."""
    states = draw(st.integers(1, 5))
    state = st.integers(0, states - 1)
    quarter = st.integers(0, 12).map(lambda n: n / 4)  # few values, so that ties are common
    emitting = st.tuples(state, state, st.integers(1, NUM_LABELS), st.integers(-4, 12).map(lambda n: n / 4))
    epsilon = st.tuples(state, state, st.just(0), quarter)
    arcs = draw(st.lists(st.one_of(emitting, emitting, epsilon), max_size=max_arcs))
    finals = draw(st.dictionaries(state, quarter, max_size=2))
    score = st.one_of(st.integers(-12, 8).map(lambda n: n / 4), st.floats(-5, 5, width=32), st.just(-np.inf))
    row = st.lists(score, min_size=NUM_LABELS, max_size=NUM_LABELS)
    scores = draw(st.lists(row, min_size=min_frames, max_size=max_frames))
    return Case(states, arcs, finals, scores)
