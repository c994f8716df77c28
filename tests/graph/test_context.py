from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.convert import to_pynini
from wfst_asr.fst.ops import as_table, compose
from wfst_asr.fst.paths import PathSampler, PathScorer, compare_paths
from wfst_asr.graph.context_fst import add_end_symbol, all_windows, compose_context, context_fst, is_disambig_window

SHAPES = [(1, 0), (2, 0), (2, 1), (3, 1), (3, 0), (3, 2), (4, 1), (5, 2)]
PHONES, DISAMBIG = (1, 2, 3), (7, 8)


def random_machine(rng: np.random.Generator, num_states: int = 6, num_arcs: int = 16) -> ArcTable:
    labels = (*PHONES, *DISAMBIG, 0)
    arcs = [(s, s + 1, int(rng.choice(PHONES)), int(rng.integers(0, 5)), 0.25) for s in range(num_states - 1)]
    for _ in range(num_arcs):
        source, dest = sorted(int(s) for s in rng.integers(0, num_states, 2))
        if source == dest:
            continue
        arcs.append((source, dest, int(rng.choice(labels)), int(rng.integers(0, 5)), float(rng.integers(8)) / 8))
    return arc_table(num_states, arcs, finals={num_states - 1: 0.5, 2: 0.125})


def windows_of(symbols: tuple[int, ...], width: int, central: int) -> list[tuple[int, ...]]:
    """The definition: the window around every phone, zeros beyond the ends; symbols right where they are met."""
    phones = [s for s in symbols if s not in DISAMBIG]
    padded = [0] * central + phones + [0] * (width - central - 1)
    return [tuple(padded[i : i + width]) for i in range(len(phones))]


@pytest.mark.parametrize(("width", "central"), SHAPES)
def test_every_path_has_the_windows_of_its_phones(width: int, central: int) -> None:
    rng = np.random.default_rng(width * 10 + central)
    for _ in range(5):
        lg = random_machine(rng)
        clg, windows = compose_context(lg, DISAMBIG, context_width=width, central_position=central)
        sampler, scorer = PathSampler(clg), PathScorer(lg)
        for _ in range(20):
            path = sampler.draw(rng)
            phones = tuple(windows[i][central] for i in path.ilabels if not is_disambig_window(windows[i]))
            found = [windows[i] for i in path.ilabels if not is_disambig_window(windows[i])]
            assert found == windows_of(phones, width, central)
            if not any(is_disambig_window(windows[i]) for i in path.ilabels):
                assert scorer.cost(phones, path.olabels) <= path.cost + 1e-5


def renumbered(clg: ArcTable, windows: Sequence[tuple[int, ...]], into: Sequence[tuple[int, ...]]) -> ArcTable:
    number = {window: i for i, window in enumerate(into)}
    arcs = clg.arcs.copy()
    arcs["ilabel"] = np.array([number[window] for window in windows])[arcs["ilabel"]]
    return ArcTable(clg.start, clg.first_arc, arcs, clg.final_cost)


@pytest.mark.parametrize(("width", "central"), SHAPES)
def test_composing_on_the_fly_equals_composing_the_whole_of_c(width: int, central: int) -> None:
    rng = np.random.default_rng(width * 10 + central)
    lg = random_machine(rng)
    clg, windows = compose_context(lg, DISAMBIG, context_width=width, central_position=central)
    c, every = context_fst(PHONES, DISAMBIG, context_width=width, central_position=central)
    result = compare_paths(renumbered(clg, windows, every), compose(c, lg), rng=rng, num_paths=40)
    assert result.num_missing == 0, result.example
    assert result.worst_per_symbol < 1e-5


@pytest.mark.parametrize(("width", "central"), [shape for shape in SHAPES if shape[0] > shape[1] + 1])
def test_composing_on_the_fly_equals_c_from_its_definition(width: int, central: int) -> None:
    rng = np.random.default_rng(width * 10 + central)
    lg, end = random_machine(rng), 9
    clg, windows = compose_context(lg, DISAMBIG, context_width=width, central_position=central)
    c = c_by_definition(width, central, end, windows_seen := [])
    whole = compose(c, add_end_symbol(lg, end))
    result = compare_paths(renumbered(clg, windows, windows_seen), whole, rng=rng, num_paths=40)
    assert result.num_missing == 0, result.example
    assert result.worst_per_symbol < 1e-5


def c_by_definition(width: int, central: int, end: int, windows: list[tuple[int, ...]]) -> ArcTable:
    """C state by state: a state is the last N - 1 symbols; `$` on the output side; `windows` is filled."""
    windows += [(), (0,), *((-d,) for d in DISAMBIG)]
    number = {window: i for i, window in enumerate(windows)}
    states: dict[tuple[int, ...], int] = {(0,) * (width - 1): 0}
    arcs, queue, finals = [], [(0,) * (width - 1)], {}
    while queue:
        history = queue.pop()
        here = states[history]
        if history[central] == end:
            finals[here] = 0.0
        arcs += [(here, here, number[(-d,)], d, 0.0) for d in DISAMBIG]
        for symbol in (*PHONES, end):
            window = (*history, symbol)
            if window[central] == end or (history[-1] == end and symbol != end):
                continue
            name = tuple(0 if s == end else s for s in window) if window[central] else (0,)
            if name not in number:
                number[name] = len(windows)
                windows.append(name)
            if window[1:] not in states:
                states[window[1:]] = len(states)
                queue.append(window[1:])
            arcs.append((here, states[window[1:]], number[name], symbol, 0.0))
    return arc_table(len(states), arcs, finals=finals)


def test_windows_are_numbered_in_order_of_discovery() -> None:
    lg = arc_table(4, [(0, 1, 3, 5, 0.0), (1, 2, 7, 0, 0.0), (2, 3, 1, 0, 0.0)], finals={3: 0.0})
    _, windows = compose_context(lg, DISAMBIG, context_width=3, central_position=1)
    assert windows == ((), (0,), (-7,), (0, 3, 1), (3, 1, 0))


def test_without_disambiguation_symbols_the_first_arcs_are_epsilons() -> None:
    lg = arc_table(2, [(0, 1, 3, 5, 0.0)], finals={1: 0.0})
    clg, windows = compose_context(lg, [], context_width=3, central_position=1)
    assert windows == ((), (0, 3, 0))
    assert clg.arcs["ilabel"].tolist() == [0, 1]


def test_all_windows_are_those_that_utterances_have() -> None:
    utterances = [u for length in range(1, 6) for u in product((1, 2), repeat=length)]
    for width, central in SHAPES:
        found = {window for u in utterances for window in windows_of(u, width, central)}
        if width <= 3:
            listed = set(all_windows((1, 2), context_width=width, central_position=central))
            assert listed <= found


def test_a_pynini_machine_gives_a_pynini_machine() -> None:
    lg = arc_table(2, [(0, 1, 3, 5, 0.0)], finals={1: 0.0})
    clg, _ = compose_context(to_pynini(lg), [], context_width=1, central_position=0)
    assert as_table(clg).arcs["olabel"].tolist() == [5]


def test_impossible_contexts_are_refused() -> None:
    lg = arc_table(1, [], finals={0: 0.0})
    with pytest.raises(WfstAsrError, match="central position 3"):
        compose_context(lg, [], context_width=3, central_position=3)
    with pytest.raises(WfstAsrError, match="more than a million windows"):
        context_fst(range(1, 200), context_width=3, central_position=1)
