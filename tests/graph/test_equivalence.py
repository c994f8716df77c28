"""Every machine on the way to HCLG against the one that Kaldi's own code makes."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.graph.toy_graph import make_toy
from wfst_asr.fst.arcs import ArcTable, read_const_fst
from wfst_asr.fst.convert import to_pynini
from wfst_asr.fst.ops import as_table, read_fst
from wfst_asr.fst.paths import compare_paths
from wfst_asr.graph.hclg import HclgOptions, HclgResult, compile_hclg
from wfst_asr.hmm.topology import write_topology
from wfst_asr.kaldi.transition_model import read_transition_model
from wfst_asr.kaldi.tree import read_tree, write_tree

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "kaldi_graph.py"
needs_kaldi = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("kaldifst", "kaldi_hmm_gmm")),
    reason="needs the extra 'test': kaldifst and kaldi_hmm_gmm",
)
OPTIONS = HclgOptions(transition_scale=0.7, self_loop_scale=0.3)


def assert_equivalent(ours: ArcTable, theirs: ArcTable, *, num_paths: int = 100, use_log: bool = False) -> None:
    result = compare_paths(
        ours, theirs, rng=np.random.default_rng(3), num_paths=num_paths, max_arcs=60, use_log=use_log
    )
    assert result.num_missing == 0, result.example
    assert result.worst_per_symbol < 1e-3, result.example


@pytest.fixture(scope="module", params=[(3, 1), (2, 1), (1, 0), (4, 1)], ids=lambda np: f"N{np[0]}P{np[1]}")
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The toy graph by our code, and the folder with Kaldi's."""
    width, central = request.param
    folder = tmp_path_factory.mktemp("kaldi")
    toy = make_toy(folder, width=width, central=central)
    to_pynini(toy.lexicon).write(str(folder / "L_disambig.fst"))
    to_pynini(toy.grammar).write(str(folder / "G.fst"))
    write_tree(toy.tree, folder / "tree")
    write_topology(toy.topology, folder / "topo")
    (folder / "disambig.int").write_text("\n".join(map(str, toy.phones.disambiguation_ids)))
    scales = (str(OPTIONS.transition_scale), str(OPTIONS.self_loop_scale))
    run = subprocess.run(
        [sys.executable, str(REFERENCE), str(folder), str(folder), *scales],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    result = compile_hclg(
        toy.lexicon,
        toy.grammar,
        toy.tree,
        toy.model,
        phone_disambig=toy.phones.disambiguation_ids,
        options=OPTIONS,
        keep_machines=True,
    )
    return result, folder, json.loads(run.stdout)


@needs_kaldi
def test_lg_is_equivalent_to_kaldis_and_of_the_same_size(both: Any) -> None:
    ours, folder, _ = both
    lg, theirs = ours.machines["min(det(L o G))"], as_table(read_fst(folder / "LG.fst"))
    assert_equivalent(lg, theirs)
    assert (lg.num_states, lg.num_arcs) == (theirs.num_states, theirs.num_arcs)


@needs_kaldi
def test_context_windows_are_those_of_kaldi(both: Any) -> None:
    ours, folder, _ = both
    theirs = {tuple(window) for window in json.loads((folder / "windows.json").read_text())}
    assert set(ours.context_windows) == theirs


@needs_kaldi
def test_clg_and_h_are_equivalent_to_kaldis_once_windows_have_the_same_numbers(both: Any) -> None:
    ours, folder, told = both
    theirs = [tuple(window) for window in json.loads((folder / "windows.json").read_text())]
    number = {window: i for i, window in enumerate(ours.context_windows)}
    to_ours = np.array([number[window] for window in theirs])
    clg = renamed(as_table(read_fst(folder / "CLG.fst")), "ilabel", to_ours)
    assert_equivalent(ours.machines["C o LG"], clg)
    h = renamed(as_table(read_fst(folder / "H.fst")), "olabel", to_ours)
    assert_equivalent(without_disambig(ours.machines["H"], told), without_disambig(h, told))


@needs_kaldi
def test_hclg_is_equivalent_to_kaldis_and_hardly_larger(both: Any) -> None:
    ours, folder, told = both
    theirs = as_table(read_fst(folder / "HCLG.fst"))
    assert_equivalent(ours.fst, theirs)
    sizes = told["steps"]["asl(HCLG)"]  # Kaldi's without its local epsilon removal, which trades states for arcs
    assert ours.fst.num_states <= sizes["states"]
    assert ours.fst.num_arcs <= 1.03 * sizes["arcs"]
    without_loops = ours.machines["min(HCLG)"]
    assert_equivalent(without_loops, as_table(read_fst(folder / "HCLGa.fst")))


def renamed(table: ArcTable, side: str, number: np.ndarray) -> ArcTable:
    arcs = table.arcs.copy()
    arcs[side] = number[arcs[side]]
    return ArcTable(table.start, table.first_arc, arcs, table.final_cost)


def without_disambig(h: ArcTable, told: dict[str, Any]) -> ArcTable:
    """Give all disambiguation symbols one label, since their numbers follow the order of the windows."""
    arcs = h.arcs.copy()
    arcs["ilabel"][arcs["ilabel"] >= min(told["disambig"], default=1 << 30)] = 99999
    return ArcTable(h.start, h.first_arc, arcs, h.final_cost)


@pytest.fixture(scope="module")
def an4(corpora: Path) -> HclgResult:
    folder = corpora / "kaldi_an4"
    return compile_hclg(
        read_fst(folder / "lang" / "L_disambig.fst"),
        read_fst(folder / "lang" / "G.fst"),
        read_tree(folder / "model" / "tree"),
        read_transition_model(folder / "model" / "final.mdl"),
        phone_disambig=[int(line) for line in (folder / "graph" / "disambig.int").read_text().split()],
    )


def test_an4_graph_is_equivalent_to_the_one_of_kaldis_programs(an4: HclgResult, corpora: Path) -> None:
    golden = read_const_fst(corpora / "kaldi_an4" / "graph" / "HCLG.fst")  # made by mkgraph.sh
    result = compare_paths(an4.fst, golden, rng=np.random.default_rng(0), num_paths=150, max_arcs=200)
    assert result.num_missing == 0
    assert result.worst_per_symbol < 1e-3
    assert 0.98 < an4.fst.num_states / golden.num_states < 1.005
    assert 0.98 < an4.fst.num_arcs / golden.num_arcs < 1.005
