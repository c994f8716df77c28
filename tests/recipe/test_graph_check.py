"""`graph check`: sound graphs pass, and every way of breaking one is told."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.graph.test_trained_graph import LANG_LEXICON, make_parts, with_random_probs
from tests.graph.toy_graph import arpa_text
from wfst_asr.cli.graph import graph as graph_command
from wfst_asr.ctc.tokens import CtcTokens
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table, read_const_fst, write_const_fst
from wfst_asr.fst.manifest import read_manifest, write_manifest
from wfst_asr.graph.ctc_fst import CTC_TOPOLOGIES, CtcTopology
from wfst_asr.graph.lang_dir import make_lang_dir
from wfst_asr.hmm.topology import format_topology
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.kaldi.tree import write_tree
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.lm.counts import count_ngrams
from wfst_asr.lm.estimate import EstimateOptions, estimate_model
from wfst_asr.lm.model_files import write_model
from wfst_asr.lm.text import text_of_sentences
from wfst_asr.recipe.ctc_graph import CtcGraphOptions, compile_ctc_graph
from wfst_asr.recipe.graph_check import GraphCheck, GraphCheckOptions, check_graph
from wfst_asr.recipe.trained_graph import Method, TrainedGraphOptions, compile_trained_graph
from wfst_asr.tree.decision_tree import DecisionTree

SOME = GraphCheckOptions(num_paths=200)
EVERY_ARC = GraphCheckOptions(num_paths=20_000)  # as many as the toys have arcs, or more


def write_acoustic_model(tree: DecisionTree, model: TransitionModel, folder: Path) -> None:
    folder.mkdir(parents=True)
    write_tree(tree, folder / "tree")
    rows = " ".join(" ".join(map(str, row[:3])) for row in model.tuples.tolist())
    probs = " ".join(f"{p:.6f}" for p in model.log_prob)
    (folder / "final.mdl").write_text(
        f"<TransitionModel> {format_topology(model.topology)} <Triples> {len(model.tuples)} {rows} </Triples> "
        f"<LogProbs> [ {probs} ] </LogProbs> </TransitionModel> \n"
    )


def write_lm(words: tuple[str, ...], path: Path) -> None:
    """Write a smoothed bigram model, in which backing off is never cheaper, so that every arc counts."""
    rng = np.random.default_rng(6)
    sentences = [" ".join(rng.choice(words, size=rng.integers(1, 5))) for _ in range(40)]
    counts = count_ngrams(text_of_sentences([*sentences, " ".join(words)]), 2)
    write_model(estimate_model(counts, EstimateOptions("witten-bell", interpolate=True)).model, path)


def compiled(folder: Path, method: Method) -> Path:
    out = folder / f"graph-{method}"
    options = TrainedGraphOptions(method, transition_scale=0.7, self_loop_scale=0.3)
    compile_trained_graph(folder / "lang", folder / "lm.arpa", folder / "model", out, options=options)
    return out


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give lang/, lm.arpa, model/ and the graphs of both methods."""
    folder = tmp_path_factory.mktemp("world")
    tree, model = make_parts(folder)
    write_lm(LANG_LEXICON.words, folder / "lm.arpa")
    write_acoustic_model(tree, with_random_probs(model, np.random.default_rng(3)), folder / "model")
    for method in ("direct", "openfst"):
        compiled(folder, method)
    return folder


def checked(world: Path, graph: Path, options: GraphCheckOptions = SOME, **parts: Path) -> GraphCheck:
    given = {"lang": world / "lang", "grammar": world / "lm.arpa", "model": world / "model"} | parts
    return check_graph(graph, **given, options=options)


@pytest.mark.parametrize("method", ["direct", "openfst"])
def test_sound_graphs_pass_every_check(world: Path, method: str) -> None:
    found = checked(world, world / f"graph-{method}")
    assert [check for check in found.checks if check.status != "passed"] == []
    assert found.sound
    assert len(found.checks) == 9


@pytest.mark.parametrize("topology", CTC_TOPOLOGIES)
@pytest.mark.parametrize("method", ["direct", "openfst"])
def test_sound_graphs_of_ctc_pass_every_check(tmp_path: Path, topology: CtcTopology, method: Method) -> None:
    lexicon = Lexicon.from_pairs([(w, " ".join(w)) for w in ("aa", "a", "ab", "aab", "ba", "bb", "add", "dad")])
    make_lang_dir(lexicon, tmp_path / "lang", PhoneSet.of_lexicon(lexicon, silence=(), optional_silence=None))
    write_lm(lexicon.words, tmp_path / "lm.arpa")
    tokens = CtcTokens(("d", "<blank>", "b", "a", "unused"), 1)
    compile_ctc_graph(
        tmp_path / "lang", tmp_path / "lm.arpa", tokens, tmp_path / "g", CtcGraphOptions(topology, method)
    )
    found = check_graph(tmp_path / "g", lang=tmp_path / "lang", grammar=tmp_path / "lm.arpa", options=SOME)
    failed = [check for check in found.checks if check.status == "failed"]
    assert failed == []
    unseen = [check.name for check in found.checks if check.status == "not looked at"]
    assert unseen == ["self-loop scale"]
    table = read_const_fst(tmp_path / "g" / "HCLG.fst")
    arc = int(np.flatnonzero(table.arcs["olabel"])[5])
    write_const_fst(changed(table, arc, cost=table.arcs["cost"][arc] - 0.5), tmp_path / "g" / "HCLG.fst")
    broken = check_graph(
        tmp_path / "g", lang=tmp_path / "lang", grammar=tmp_path / "lm.arpa", options=GraphCheckOptions(2000)
    )
    assert not broken.sound


def dropped_arc(table: ArcTable, arc: int) -> ArcTable:
    keep = np.arange(table.num_arcs) != arc
    return arc_table(
        table.num_states, table.arcs[keep], source=table.source()[keep], finals=table.final_cost, start=table.start
    )


def changed(table: ArcTable, arc: int, **values: float) -> ArcTable:
    arcs = table.arcs.copy()
    for name, value in values.items():
        arcs[name][arc] = value
    return replace(table, arcs=arcs)


def broken(world: Path, folder: Path, change: Callable[[ArcTable], ArcTable], method: str = "direct") -> Path:
    shutil.copytree(world / f"graph-{method}", folder / "broken")
    path = folder / "broken" / "HCLG.fst"
    table = read_const_fst(path)
    whole = ArcTable(table.start, table.first_arc, np.array(table.arcs), table.final_cost)
    write_const_fst(change(whole), path)
    return folder / "broken"


@pytest.mark.parametrize("method", ["direct", "openfst"])
@pytest.mark.parametrize("seed", range(2))
def test_a_dropped_arc_is_told_with_a_sentence_that_is_lost(
    world: Path, tmp_path: Path, seed: int, method: str
) -> None:
    def drop(table: ArcTable) -> ArcTable:
        forward = np.flatnonzero(table.source() != table.arcs["nextstate"])
        return dropped_arc(table, int(np.random.default_rng(seed).choice(forward)))

    found = checked(world, broken(world, tmp_path, drop, method), GraphCheckOptions(num_paths=2000))
    lost = found.by_name("parts in graph")
    assert not found.sound
    structural = [found.by_name(name).status == "failed" for name in ("states", "vocabulary")]
    assert lost.status == "failed" or any(structural)
    if lost.status == "failed":
        assert "the parts have it at cost" in lost.example or "in the graph" in lost.example


@pytest.mark.parametrize("method", ["direct", "openfst"])
@pytest.mark.parametrize("seed", range(2))
def test_a_changed_cost_is_told_with_both_costs(world: Path, tmp_path: Path, seed: int, method: str) -> None:
    def dearer(table: ArcTable) -> ArcTable:
        forward = np.flatnonzero(table.source() != table.arcs["nextstate"])
        arc = int(np.random.default_rng(seed).choice(forward))
        return changed(table, arc, cost=float(table.arcs["cost"][arc]) - 0.1)

    found = checked(world, broken(world, tmp_path, dearer, method), EVERY_ARC)
    check = found.by_name("graph in parts")
    assert check.status == "failed"
    assert " in the graph, " in check.example


def test_a_swapped_word_is_told(world: Path, tmp_path: Path) -> None:
    def swap(table: ArcTable) -> ArcTable:
        arc = int(np.flatnonzero(table.arcs["olabel"])[7])
        other = {1: 2}.get(int(table.arcs["olabel"][arc]), 1)
        return changed(table, arc, olabel=other)

    check = checked(world, broken(world, tmp_path, swap), EVERY_ARC).by_name("graph in parts")
    assert check.status == "failed"
    assert "L o G not at all" in check.example


def test_unreachable_and_dead_states_are_told(world: Path, tmp_path: Path) -> None:
    def more(table: ArcTable) -> ArcTable:
        count = table.num_states
        arcs = np.append(table.arcs, np.array([(1, 0, 0.5, count + 1)], dtype=table.arcs.dtype))
        final = np.append(table.final_cost, np.array([0.0, np.inf], dtype=np.float32))
        return arc_table(count + 2, arcs, source=np.append(table.source(), 0), finals=final, start=table.start)

    check = checked(world, broken(world, tmp_path, more), GraphCheckOptions(0)).by_name("states")
    assert check.status == "failed"
    assert check.detail.startswith("1 of ")
    assert check.detail.endswith("1 lead to no end")


def test_a_self_loop_scale_that_is_not_the_manifests_is_told(world: Path, tmp_path: Path) -> None:
    folder = broken(world, tmp_path, lambda table: table)
    write_manifest(folder, replace(read_manifest(folder), self_loop_scale=0.1))
    found = checked(world, folder)
    check = found.by_name("self-loop scale")
    assert check.status == "failed"
    assert "most show 0.3" in check.detail
    assert found.by_name("graph in parts").status == "failed"


def test_another_model_of_the_same_shape_is_told(world: Path, tmp_path: Path) -> None:
    tree, model = make_parts(tmp_path)
    write_acoustic_model(tree, with_random_probs(model, np.random.default_rng(8)), tmp_path / "model")
    found = checked(world, world / "graph-direct", model=tmp_path / "model")
    assert found.by_name("manifest").status == "failed"
    assert found.by_name("manifest").example == "the graph was compiled from another model than the one given"
    assert found.by_name("self-loop scale").status == "failed"


def silenced(table: ArcTable) -> ArcTable:
    arcs = table.arcs.copy()
    arcs["olabel"][arcs["olabel"] == 3] = 2
    return replace(table, arcs=arcs)


def test_a_word_that_cannot_be_reached_is_named(world: Path, tmp_path: Path) -> None:
    check = checked(world, broken(world, tmp_path, silenced), GraphCheckOptions(0)).by_name("vocabulary")
    assert check.status == "failed"
    assert check.example.endswith("' cannot be reached")


def test_another_language_model_is_told(world: Path, tmp_path: Path) -> None:
    (tmp_path / "other.arpa").write_text(arpa_text(list(LANG_LEXICON.words), np.random.default_rng(9)))
    found = checked(world, world / "graph-openfst", grammar=tmp_path / "other.arpa")
    assert found.by_name("manifest").status == "failed"
    assert found.by_name("parts in graph").status == "failed"


def test_what_was_not_given_is_not_looked_at(world: Path) -> None:
    found = check_graph(world / "graph-direct")
    assert found.sound
    unseen = {check.name: check.detail for check in found.checks if check.status == "not looked at"}
    assert unseen["vocabulary"] == "the lang directory was not given"
    assert set(unseen) >= {"parts in graph", "graph in parts", "self-loop scale", "manifest"}
    with pytest.raises(WfstAsrError, match="give --lang too"):
        check_graph(world / "graph-direct", grammar=world / "lm.arpa")


def test_the_command_ends_with_status_1_and_tells_what_failed(world: Path, tmp_path: Path) -> None:
    folder = broken(world, tmp_path, silenced)
    parts = ["--lang", str(world / "lang"), "--lm", str(world / "lm.arpa"), "--model", str(world / "model")]
    run = CliRunner().invoke(graph_command, ["check", str(folder), *parts, "--json"], standalone_mode=False)
    assert run.return_value == 1
    told = json.loads(run.output)
    assert not told["sound"]
    assert {check["status"] for check in told["checks"]} >= {"failed", "passed"}
    run = CliRunner().invoke(
        graph_command, ["check", str(world / "graph-direct"), *parts, "--paths", "50"], standalone_mode=False
    )
    assert run.return_value == 0
    assert run.output.endswith("no check failed\n")
    assert CliRunner().invoke(graph_command, ["check", "g", "--lm", "x", "--g", "y"]).exit_code == 2


def test_the_graph_of_kaldis_programs_passes(corpora: Path, tmp_path: Path) -> None:
    for part in ("lang", "graph"):
        for path in (corpora / "kaldi_an4" / part).iterdir():
            if path.suffix in (".fst", ".txt") and path.name != "HCLG.fst":
                shutil.copyfile(path, tmp_path / path.name)
    folder = corpora / "kaldi_an4"
    found = check_graph(folder / "graph", lang=tmp_path, model=folder / "model", options=GraphCheckOptions(100))
    assert found.sound
    assert [check.name for check in found.checks if check.status == "not looked at"] == ["manifest"]
