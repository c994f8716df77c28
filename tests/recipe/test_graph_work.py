"""Compilations that are skipped, taken up, limited and foreseen."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from tests.graph.test_trained_graph import make_parts, with_random_probs
from tests.toy_world import make_world, status_of
from wfst_asr.cli.main import cli
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.fst.arcs import arc_table
from wfst_asr.fst.content_hash import file_sha256
from wfst_asr.fst.manifest import Step, read_manifest, write_manifest
from wfst_asr.graph import limited_process
from wfst_asr.graph.limited_process import run_limited
from wfst_asr.graph.memory_limits import GraphLimitError, GraphLimits, StepGuard, parse_size
from wfst_asr.graph.step_clock import StepClock
from wfst_asr.graph.step_store import StepStore
from wfst_asr.recipe import graph_work as work_module
from wfst_asr.recipe.graph_work import GraphRun
from wfst_asr.recipe.trained_graph import CompiledGraph, TrainedGraphOptions, compile_trained_graph

ROOT = Path(__file__).resolve().parent.parent.parent
TREE_STEPS = ("det(L o G)", "min(LG)", "C o LG", "min(CLG)")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Any]:
    return tmp_path, make_parts(tmp_path)


def compiled(here: tuple[Path, Any], out: str = "graph", **more: Any) -> CompiledGraph:
    folder, model = here
    model = more.pop("model", model)
    options = TrainedGraphOptions(**more.pop("options", {}))
    return compile_trained_graph(folder / "lang", folder / "lm.arpa", model, folder / out, options=options, **more)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class Killed(BaseException):
    pass


@contextmanager
def killed_in(step: str) -> Iterator[Any]:
    """Yield a report that ends the compilation when the step begins, as Ctrl-C does."""

    def report(name: str, record: Step | None) -> None:
        if name == step and record is None:
            raise Killed

    with pytest.raises(Killed):
        yield report


def test_a_finished_graph_is_not_compiled_again(here: tuple[Path, Any]) -> None:
    first = compiled(here)
    before = {name: (here[0] / "graph" / name).stat().st_mtime_ns for name in files(here[0] / "graph")}
    again = compiled(here)
    assert (again.up_to_date, again.num_arcs, again.method) == (True, first.num_arcs, "direct")
    assert before == {name: (here[0] / "graph" / name).stat().st_mtime_ns for name in before}
    assert not compiled(here, run=GraphRun(force=True)).up_to_date
    assert not compiled(here, options={"self_loop_scale": 0.2}).up_to_date
    assert not compiled(here, options={"self_loop_scale": 0.2, "method": "openfst"}).up_to_date
    assert compiled(here, options={"self_loop_scale": 0.2}).method == "openfst"  # auto takes what is there


@pytest.mark.parametrize("name", ["phones/silence.txt", "phones/align_lexicon.txt", "../lm.arpa"])
def test_a_changed_input_is_compiled_again(here: tuple[Path, Any], name: str) -> None:
    compiled(here)
    path = here[0] / "lang" / name
    path.write_text(path.read_text() + "\n")
    assert not compiled(here).up_to_date


def test_a_damaged_or_old_graph_is_compiled_again(here: tuple[Path, Any]) -> None:
    compiled(here)
    graph = here[0] / "graph"
    whole = files(graph)
    damaged = bytearray(whole["HCLG.fst"])
    damaged[-5] ^= 1
    (graph / "HCLG.fst").write_bytes(damaged)
    assert not compiled(here).up_to_date
    assert files(graph)["HCLG.fst"] == whole["HCLG.fst"]
    manifest = json.loads((graph / "manifest.json").read_text())
    old = {name: value for name, value in manifest.items() if name not in ("key", "outputs", "versions")}
    old["steps"] = [{name: s[name] for name in s if name not in ("bytes", "sha256")} for s in old["steps"]]
    (graph / "manifest.json").write_text(json.dumps(old))
    assert read_manifest(graph).key == ""
    assert not compiled(here).up_to_date


@pytest.mark.parametrize("method", ["direct", "openfst"])
def test_the_manifest_tells_what_every_step_made(here: tuple[Path, Any], method: str) -> None:
    manifest = compiled(here, options={"method": method}).manifest
    assert manifest == read_manifest(here[0] / "graph")
    for step in manifest.steps:
        if step.name != "forecast":
            assert len(step.sha256) == 64, step.name
            assert step.bytes > 0, step.name
    assert set(manifest.versions) == {"python", "wfst-asr", "numpy", "numba", "pynini"}
    assert manifest.outputs["HCLG.fst"] == file_sha256(here[0] / "graph" / "HCLG.fst")
    assert len(manifest.key) == 64


@pytest.mark.parametrize("method", ["direct", "openfst"])
def test_two_processes_write_the_same_bytes(tmp_path: Path, method: str) -> None:
    make_world(tmp_path)
    for seed in ("1", "2"):
        command = ["graph", "compile", "lang", "model", seed, "--method", method]
        script = "import sys; from wfst_asr.cli.main import main; main(sys.argv[1:])"
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", script, *command], cwd=tmp_path, env=environment, check=True)
    one, two = (files(tmp_path / seed) for seed in ("1", "2"))
    told = [json.loads(found.pop("manifest.json")) for found in (one, two)]
    assert one == two
    for manifest in told:
        for step in manifest["steps"]:
            step.update(seconds=0, cpu_seconds=0, peak_mb=0)
    assert told[0] == told[1]


@pytest.mark.parametrize("step", ["min(LG)", "C o LG", "min(CLG)", "H o CLG, self-loops"])
def test_an_interrupted_compilation_is_taken_up_after_its_last_step(here: tuple[Path, Any], step: str) -> None:
    expected = files(here[0] / "whole") if compiled(here, "whole") else {}
    with killed_in(step) as report:
        compiled(here, report=report)
    begun: list[str] = []
    made = compiled(here, report=lambda name, record: begun.append(name) if record is None else None)
    done = TREE_STEPS[: [*TREE_STEPS, "H o CLG, self-loops"].index(step)]
    assert made.taken_over == done
    assert not set(done) & set(begun)
    found = files(here[0] / "graph")
    assert {name: found[name] for name in found if name != "manifest.json"} == {
        name: expected[name] for name in expected if name != "manifest.json"
    }
    assert not (here[0] / "graph" / ".steps").exists()


def test_damaged_steps_are_made_again(here: tuple[Path, Any]) -> None:
    compiled(here, "whole")
    with killed_in("min(CLG)") as report:
        compiled(here, report=report)
    arrays = here[0] / "graph" / ".steps" / "C-o-LG.arrays"
    content = bytearray(arrays.read_bytes())
    content[-3] ^= 1
    arrays.write_bytes(content)
    assert compiled(here).taken_over == ()  # the arrays of the steps before were dropped
    assert files(here[0] / "graph")["HCLG.fst"] == files(here[0] / "whole")["HCLG.fst"]


def test_kept_steps_serve_another_model_and_other_scales(here: tuple[Path, Any]) -> None:
    keep = GraphRun(keep_steps=True)
    assert compiled(here, run=keep).taken_over == ()
    tree, model = here[1]
    other = tree, with_random_probs(model, np.random.default_rng(3))
    assert compiled(here, model=other, run=keep).taken_over[:2] == TREE_STEPS[:2]
    made = compiled(here, model=other, options={"self_loop_scale": 0.5}, run=keep)
    assert made.taken_over[:2] == TREE_STEPS[:2]
    compiled(here, "plain", model=other, options={"self_loop_scale": 0.5})
    assert files(here[0] / "graph")["HCLG.fst"] == files(here[0] / "plain")["HCLG.fst"]
    (here[0] / "lm.arpa").write_text((here[0] / "lm.arpa").read_text().replace("-0.", "-0.1"))
    assert compiled(here, model=other, run=keep).taken_over == ()
    compiled(here, run=GraphRun())
    assert not (here[0] / "graph" / ".steps").exists()


def test_an_older_graph_stays_whole_while_another_is_compiled(here: tuple[Path, Any]) -> None:
    compiled(here)
    before = files(here[0] / "graph")
    with killed_in("min(CLG)") as report:
        compiled(here, options={"self_loop_scale": 0.7}, report=report)
    assert files(here[0] / "graph") == before
    (here[0] / "lm.arpa").write_text("nothing")
    with pytest.raises(WfstAsrError):
        compiled(here)
    assert files(here[0] / "graph") == before
    assert not (here[0] / "graph" / ".steps").exists()


def test_a_disk_too_small_for_steps_is_told_once(here: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wfst_asr.graph.step_store.write_machine", fail)
    with pytest.warns(WfstAsrWarning, match="finished steps cannot be kept .*No space left") as told:
        assert compiled(here).method == "direct"
    assert len(told) == 1
    assert not (here[0] / "graph" / ".steps").exists()


def test_a_second_process_in_the_same_folder_goes_on_without_steps(here: tuple[Path, Any]) -> None:
    lock = work_module._locked(here[0] / "graph" / ".steps")
    assert lock
    assert compiled(here).taken_over == ()
    lock.close()
    assert [path.name for path in (here[0] / "graph" / ".steps").iterdir()] == ["lock"]
    assert compiled(here).up_to_date
    assert not (here[0] / "graph" / ".steps").exists()


@pytest.mark.parametrize("method", ["direct", "openfst"])
def test_graphs_beyond_the_limits_are_refused_with_what_to_do(
    here: tuple[Path, Any], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"method": method}
    with pytest.raises(
        GraphLimitError, match=r"--max-states is 50; prune the language model .* graph compile --on-the-fly\)"
    ):
        compiled(here, options=options, run=GraphRun(limits=GraphLimits(max_states=50)))
    monkeypatch.setattr(work_module, "_CLEARLY", 1e-9)
    with pytest.raises(GraphLimitError, match=r"about .* arcs and need about .*, but --max-memory is 64.0 GiB; prune"):
        compiled(here, options=options, run=GraphRun(limits=GraphLimits(max_memory=2**36)))
    with pytest.raises(
        GraphLimitError, match=r"step '.*' .*passed the memory limit of 1 MiB with .*or prune the language model"
    ):
        compiled(here, options=options, run=GraphRun(limits=GraphLimits(max_memory=2**20)))
    assert not (here[0] / "graph").exists()


def test_steps_that_grow_beyond_the_forecast_are_stopped(here: tuple[Path, Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(work_module, "_CLEARLY", 1e9)
    for method, step in (("direct", "L"), ("openfst", "L o G")):
        run = GraphRun(limits=GraphLimits(max_states=50))
        with pytest.raises(GraphLimitError, match=f"step '.*{step}.*' made .* more than --max-states 50; prune"):
            compiled(here, options={"method": method}, run=run)
    monkeypatch.setattr(limited_process, "resident_memory", lambda process: 2**40)
    told = r"step '.*' passed the memory limit of 64.0 GiB with 1024.0 GiB, of .* foreseen; prune"
    with pytest.raises(GraphLimitError, match=told):
        compiled(here, options={"method": "openfst"}, run=GraphRun(limits=GraphLimits(max_memory=2**36)))


def test_a_step_that_takes_too_much_memory_is_stopped_while_it_runs() -> None:
    from wfst_asr.graph.memory_limits import resident_memory

    guard = StepGuard(GraphLimits(max_memory=resident_memory() + 2**27), "prune it")

    def grow() -> None:
        blocks = []
        for _ in range(400):
            blocks.append(np.ones(2**20))
            time.sleep(0.005)

    told = r"step 'big' passed the memory limit of .*; prune it"
    with pytest.raises(GraphLimitError, match=told), guard.watching("big", []):
        grow()
    assert np.ones(2**24).sum() == 2**24  # there is memory again


def test_a_child_process_gives_back_what_it_made_and_what_it_met(tmp_path: Path) -> None:
    table = arc_table(2, [(0, 1, 1, 2, 0.5)], finals={1: 0.0})

    def make(clock: StepClock) -> Any:
        import warnings

        warnings.warn("one was left out", WfstAsrWarning, stacklevel=1)
        return clock.run("L", lambda: table).take()

    told: list[str] = []
    clock = StepClock(lambda name, step: told.append(f"{name} {step is not None}"), guard=StepGuard(GraphLimits()))
    with pytest.warns(WfstAsrWarning, match="one was left out"):
        assert run_limited(make, clock, scratch=tmp_path).arcs.tolist() == table.arcs.tolist()
    assert told == ["L False", "L True"]
    assert clock.done[0].arcs == 1

    def fails(_: StepClock) -> Any:
        raise WfstAsrError("L o G is empty")

    with pytest.raises(WfstAsrError, match="L o G is empty"):
        run_limited(fails, clock, scratch=tmp_path)
    with pytest.raises(GraphLimitError, match="was ended by the system"):
        run_limited(lambda _: os._exit(3), clock, scratch=tmp_path)
    assert not list(tmp_path.iterdir())
    assert limited_process._LOOK_S < 1


@pytest.mark.parametrize("method", ["direct", "openfst"])
def test_kills_at_random_moments_end_in_the_same_bytes(method: str) -> None:
    program = ROOT / "tests" / "benchmarks" / "graph_kill.py"
    command = [sys.executable, str(program), "--toy", "--method", method, "--kills", "10", "--seed", "4", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr
    told = json.loads(run.stdout.splitlines()[-1])
    assert len(told["kills"]) == 10
    assert all(kill["identical"] for kill in told["kills"])
    assert any(kill["taken_over"] for kill in told["kills"])


def test_the_command_tells_forecast_and_what_it_took_over(tmp_path: Path) -> None:
    make_world(tmp_path)
    parts = ["graph", "compile", str(tmp_path / "lang"), str(tmp_path / "model"), str(tmp_path / "new")]
    run = CliRunner().invoke(cli, parts)
    assert run.exit_code == 0, run.output
    assert run.stderr.startswith("forecast: ")
    assert "up to date" in CliRunner().invoke(cli, parts).stdout
    told = json.loads(CliRunner().invoke(cli, [*parts, "--force", "--json"]).stdout)
    assert 0.4 < told["forecast"]["arcs"] / told["arcs"] < 2.5
    assert told["up_to_date"] is False
    assert status_of(*parts, "--force", "--max-memory", "much") == 1


def test_sizes_are_read_or_refused() -> None:
    assert parse_size("4GiB") == 4 * 2**30
    for text in ("", "G", "-1", "4X", "1e400G"):
        with pytest.raises(WfstAsrError, match="expected a number of bytes"):
            parse_size(text)
    with pytest.raises(WfstAsrError, match="max_states is -1"):
        GraphLimits(max_states=-1)


def test_a_store_with_other_files_is_empty(tmp_path: Path) -> None:
    store = StepStore(tmp_path)
    (tmp_path / "L.json").write_text("{")
    assert store.record("L") is None
    store.clear()
    assert store.is_empty


def test_old_manifests_are_read(tmp_path: Path, here: tuple[Path, Any]) -> None:
    manifest = replace(compiled(here).manifest, key="", outputs={}, versions={})
    write_manifest(tmp_path / "old", manifest)
    assert read_manifest(tmp_path / "old") == manifest
