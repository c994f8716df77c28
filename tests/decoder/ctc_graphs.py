"""Random small T o LG graphs of every topology, with scores in which the blank dominates many frames."""

import numpy as np
from hypothesis import strategies as st

from wfst_asr.decoder.search_graph import LABEL_DTYPE, SearchGraph, make_search_graph
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.manifest import Manifest
from wfst_asr.graph.ctc_fst import CTC_TOPOLOGIES, CtcTopology, ctc_expansion
from wfst_asr.graph.lexical_tree import Machine

NO_END = 2**31 - 1


def lg_machine(num_states: int, arcs: list[tuple[int, int, int, int, int]], finals: dict[int, int]) -> Machine:
    """Arcs (source, target, unit, word, cost in 1/1024)."""
    ordered = sorted(arcs)
    first = np.searchsorted([arc[0] for arc in ordered], np.arange(num_states + 1)).astype(np.int64)
    rows = np.array([(unit, word, cost, target) for _, target, unit, word, cost in ordered], np.int32).reshape(-1, 4)
    final = np.array([finals.get(state, NO_END) for state in range(num_states)], np.int32)
    return Machine(first, rows, final)


def ctc_table(machine: Machine, num_tokens: int, blank: int, topology: CtcTopology) -> ArcTable:
    """T o LG for tokens in the columns that the blank leaves free, in order."""
    labels = [column + 1 for column in range(num_tokens + 1) if column != blank]
    return ctc_expansion(machine, np.array([0, *labels], np.int32), blank_label=blank + 1, topology=topology).table()


def ctc_graph(table: ArcTable, num_tokens: int, blank: int, *, words: list[str] | None = None) -> SearchGraph:
    manifest = Manifest(
        label_kind="token+1",
        num_columns=num_tokens + 1,
        column_names="token of tokens.txt",
        frame_shift_s=0.02,
        blank_column=blank,
    )
    labels = np.zeros(num_tokens + 2, LABEL_DTYPE)
    labels["column"] = np.arange(-1, num_tokens + 1)
    return make_search_graph(
        table,
        np.arange(-1, num_tokens + 1),
        num_columns=num_tokens + 1,
        manifest=manifest,
        input_labels=labels,
        words=words,
    )


@st.composite
def ctc_cases(draw: st.DrawFn, max_frames: int = 5, tokens: int = 2) -> tuple[ArcTable, int, np.ndarray]:
    """A graph, its column of the blank, and (T, tokens + 1) log-probabilities."""
    states = draw(st.integers(1, 2))
    state, cost = st.integers(0, states - 1), st.integers(0, 8).map(lambda n: 256 * n)
    drawn = draw(st.lists(st.tuples(state, state, st.integers(1, tokens), cost), min_size=1, max_size=3))
    arcs = [(source, target, unit, number, c) for number, (source, target, unit, c) in enumerate(drawn, start=1)]
    if states == 2 and draw(st.booleans()):
        arcs.append((0, 1, 0, 0, draw(cost)))  # a back-off arc
    machine = lg_machine(states, arcs, draw(st.dictionaries(state, cost, min_size=1, max_size=2)))
    blank = draw(st.integers(0, tokens))
    table = ctc_table(machine, tokens, blank, draw(st.sampled_from(CTC_TOPOLOGIES)))
    row = st.lists(st.floats(-4, 4, width=32), min_size=tokens + 1, max_size=tokens + 1)
    logits = np.array(draw(st.lists(row, min_size=1, max_size=max_frames)))
    logits[:, blank] += np.array(draw(st.lists(st.sampled_from([0, 6]), min_size=len(logits), max_size=len(logits))))
    return table, blank, (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
