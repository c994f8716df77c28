from pathlib import Path

import numpy as np
import pynini
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.convert import to_pynini
from wfst_asr.fst.ops import minimize_encoded, quantized, read_fst, remove_disambig_symbols, remove_eps_local
from wfst_asr.fst.paths import PathSampler, PathScorer, compare_paths


def random_machine(seed: int) -> ArcTable:
    rng = np.random.default_rng(seed)
    arcs = [(s, s + 1, int(rng.integers(0, 3)), int(rng.integers(0, 2)), 0.5) for s in range(7)]
    for _ in range(12):
        source, dest = (int(s) for s in rng.integers(0, 8, 2))
        ilabel = int(rng.integers(0, 3))
        if ilabel or source < dest:
            arcs.append((source, dest, ilabel, int(rng.integers(0, 2)), float(rng.integers(1, 16)) / 8))
    return arc_table(8, arcs, finals={7: 0.25, 3: 1.5})


@given(st.integers(0, 10_000))
def test_local_epsilon_removal_keeps_all_paths_and_does_not_grow(seed: int) -> None:
    machine = random_machine(seed)
    result = remove_eps_local(machine)
    assert result.num_states <= machine.num_states
    assert result.num_arcs <= machine.num_arcs
    told = compare_paths(machine, result, rng=np.random.default_rng(seed), num_paths=8, max_arcs=12)
    assert told.num_missing == 0, told.example
    assert told.worst_per_symbol < 1e-5


@given(st.integers(0, 10_000))
def test_minimization_keeps_all_paths_and_their_rounded_costs(seed: int) -> None:
    machine = random_machine(seed)
    result = minimize_encoded(machine)
    assert result.num_states <= machine.num_states
    told = compare_paths(machine, result, rng=np.random.default_rng(seed), num_paths=8, max_arcs=12)
    assert told.num_missing == 0, told.example
    assert told.worst_per_symbol < 1e-3


def test_minimization_does_not_push_costs() -> None:
    arcs = [(0, 1, 1, 0, 0.0), (0, 2, 2, 0, 0.0), (1, 3, 3, 0, 1.0), (2, 3, 3, 0, 2.0)]
    result = minimize_encoded(arc_table(4, arcs, finals={3: 0.0}))
    assert result.num_states == 4
    assert sorted(result.arcs["cost"].tolist()) == [0.0, 0.0, 1.0, 2.0]


def test_costs_are_rounded_to_the_nearest_unit() -> None:
    table = quantized(arc_table(1, [(0, 0, 1, 1, 0.3), (0, 0, 2, 1, -0.3)], finals={0: np.inf}), delta=0.25)
    assert table.arcs["cost"].tolist() == [0.25, -0.25]
    assert np.isinf(table.final_cost[0])


def test_only_the_named_symbols_become_epsilons() -> None:
    table = arc_table(1, [(0, 0, label, 1, 0.0) for label in (1, 7, 8)], finals={0: 0.0})
    assert remove_disambig_symbols(table, [7, 8]).arcs["ilabel"].tolist() == [1, 0, 0]
    assert table.arcs["ilabel"].tolist() == [1, 7, 8]


def test_scores_are_those_of_the_best_path_or_of_all_together() -> None:
    machine = arc_table(2, [(0, 1, 1, 2, 1.0), (0, 1, 1, 2, 1.0), (0, 1, 1, 3, 0.5)], finals={1: 0.0})
    assert PathScorer(machine).cost([1], [2]) == 1.0
    assert PathScorer(machine).cost([1]) == 0.5
    assert PathScorer(machine, use_log=True).cost([1], [2]) == pytest.approx(1.0 - np.log(2))
    assert PathScorer(machine).cost([2], [2]) == np.inf


def test_differences_are_found() -> None:
    one = arc_table(2, [(0, 1, 1, 2, 1.0)], finals={1: 0.0})
    dearer = arc_table(2, [(0, 1, 1, 2, 1.5)], finals={1: 0.0})
    more = arc_table(2, [(0, 1, 1, 2, 1.0), (0, 1, 2, 2, 1.0)], finals={1: 0.0})
    rng = np.random.default_rng(0)
    assert compare_paths(one, dearer, rng=rng, num_paths=1).worst_per_symbol == pytest.approx(0.25)
    assert compare_paths(one, more, rng=rng, num_paths=20).num_missing > 0


def test_machines_without_paths_cannot_be_drawn_from() -> None:
    with pytest.raises(WfstAsrError, match="accepts nothing"):
        PathSampler(arc_table(2, [(0, 0, 1, 1, 0.0)], finals={1: 0.0}))


def test_files_that_are_no_machines_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WfstAsrError, match=r"no\.fst: cannot be read"):
        read_fst(tmp_path / "no.fst")
    (tmp_path / "text.fst").write_text("0 1 2 3\n")
    with pytest.raises(WfstAsrError, match="not an OpenFst file"):
        read_fst(tmp_path / "text.fst")
    to_pynini(random_machine(0)).write(str(tmp_path / "whole.fst"))
    (tmp_path / "short.fst").write_bytes((tmp_path / "whole.fst").read_bytes()[:-20])
    with pytest.raises(WfstAsrError, match=r"short\.fst: damaged"):
        read_fst(tmp_path / "short.fst")
    assert capfd.readouterr().err == ""
    log = pynini.arcmap(to_pynini(random_machine(0)), map_type="to_log")
    log.write(str(tmp_path / "log.fst"))
    with pytest.raises(WfstAsrError, match="arc type 'log'"):
        read_fst(tmp_path / "log.fst")
