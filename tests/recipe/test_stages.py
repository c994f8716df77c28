"""Stages: made when something changed and only then, whole or not at all."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from wfst_asr.cli.recipe_run import recipe_command, run_recipe
from wfst_asr.errors import WfstAsrError
from wfst_asr.recipe.content_hash import ContentHashes
from wfst_asr.recipe.given import Given
from wfst_asr.recipe.stages import Recipe


def count(text: Path, out_dir: Path, *, factor: int = 1) -> dict[str, int]:
    total = factor * len(text.read_text().split())
    (out_dir / "count.txt").write_text(str(total))
    return {"words": total}


def square(numbers: Path, out_dir: Path, *, num_jobs: int) -> dict[str, int]:
    (out_dir / "square.txt").write_text(str(int((numbers / "count.txt").read_text()) ** 2))
    return {"jobs": num_jobs}


def fail(numbers: Path, out_dir: Path) -> None:
    (out_dir / "half.txt").write_text("half")
    raise WfstAsrError("the numbers are no good")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("one two three")
    return path


def recipe_of(text: Path, work: Path, *, factor: int = 1, num_jobs: int = 1) -> Recipe:
    recipe = Recipe("numbers", work, num_jobs=num_jobs)
    counted = recipe.stage("count", count, {"text": text}, {"factor": factor})
    recipe.stage("square", square, {"numbers": counted}, aliases=("power",))
    return recipe


def made(recipe: Recipe, **options: object) -> list[str]:
    return [result.name for result in recipe.run(**options) if result.made]


def test_a_stage_is_made_once_and_again_when_contents_or_options_change(text: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert made(recipe_of(text, work)) == ["count", "square"]
    assert made(recipe_of(text, work)) == []
    os.utime(text, ns=(1, 1))
    assert made(recipe_of(text, work)) == []
    text.write_text("three two one")  # another content, the same count: what follows is as it was
    assert made(recipe_of(text, work)) == ["count"]
    assert made(recipe_of(text, work, factor=2)) == ["count", "square"]
    assert (work / "square" / "square.txt").read_text() == "36"


def test_the_number_of_processes_is_no_option(text: Path, tmp_path: Path) -> None:
    results = recipe_of(text, tmp_path / "work", num_jobs=3).run()
    assert results[1].figures == {"jobs": 3}
    assert made(recipe_of(text, tmp_path / "work", num_jobs=2)) == []


def test_copied_folders_are_current(text: Path, tmp_path: Path) -> None:
    recipe_of(text, tmp_path / "work").run()
    shutil.copytree(tmp_path / "work", tmp_path / "copy")
    shutil.copy(text, tmp_path / "other.txt")
    assert made(recipe_of(tmp_path / "other.txt", tmp_path / "copy")) == []


def test_outputs_that_are_gone_or_changed_are_made_again(text: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    recipe_of(text, work).run()
    (work / "square" / "square.txt").unlink()
    assert made(recipe_of(text, work)) == ["square"]
    (work / "count" / "count.txt").write_text("7")
    assert made(recipe_of(text, work)) == ["count"]
    assert (work / "square" / "square.txt").read_text() == "9"


def test_files_added_later_are_neither_missed_nor_inputs(text: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    recipe_of(text, work).run()
    (work / "count" / "prepared.npz").write_text("a cache")
    assert made(recipe_of(text, work)) == []


def count_all(folder: Path, out_dir: Path) -> None:
    (out_dir / "count.txt").write_text(str(len((folder / "text.txt").read_text())))


def test_a_work_folder_in_the_corpus_is_no_part_of_it(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for expected in (["count"], []):
        recipe = Recipe("numbers", "exp/numbers")
        recipe.stage("count", count_all, {"folder": Path(".")})
        assert made(recipe) == expected


def test_from_until_and_only_choose_stages(text: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert made(recipe_of(text, work), until="count") == ["count"]
    assert made(recipe_of(text, work), start="power") == ["square"]
    assert made(recipe_of(text, work), start="count") == ["count", "square"]
    assert made(recipe_of(text, work), only=["count"]) == ["count"]
    with pytest.raises(WfstAsrError, match="recipe 'numbers' has no stage 'cube'; its stages are: count, square"):
        recipe_of(text, work).run(start="cube")
    with pytest.raises(
        WfstAsrError, match=r"stage 'square' needs .*count, which is not there; run the stage 'count' first"
    ):
        recipe_of(text, tmp_path / "new").run(only=["square"])


def test_a_failing_stage_leaves_nothing_and_what_was_there_stays(text: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    recipe_of(text, work).run()
    recipe = Recipe("numbers", work)
    recipe.stage("square", fail, {"numbers": work / "count"})
    with pytest.raises(WfstAsrError, match="no good"):
        recipe.run()
    assert (work / "square" / "square.txt").read_text() == "9"
    assert sorted(path.name for path in work.iterdir()) == [".stages", "count", "square"]
    assert made(recipe_of(text, work)) == []


def test_a_stage_without_output_or_with_a_name_twice_is_refused(text: Path, tmp_path: Path) -> None:
    recipe = Recipe("numbers", tmp_path / "work")
    recipe.stage("idle", lambda out_dir: None, {})
    with pytest.raises(WfstAsrError, match=r"stage 'idle' left no file in its folder"):
        recipe.run()
    with pytest.raises(WfstAsrError, match=r"stage 'idle' is there twice"):
        recipe.stage("idle", fail, {})
    with pytest.raises(WfstAsrError, match="num_jobs is 0"):
        Recipe("numbers", tmp_path, num_jobs=0)


def test_a_missing_input_is_told(tmp_path: Path) -> None:
    with pytest.raises(WfstAsrError, match=r"stage 'count' needs .*no.txt, which is not there; name it with an option"):
        recipe_of(tmp_path / "no.txt", tmp_path / "work").run()


@dataclass(frozen=True)
class Sizes:
    leaves: int = 3
    beams: tuple[float, ...] = (10.0, 40.0)
    path: object = None


def sized(out_dir: Path, *, options: Sizes) -> Sizes:
    (out_dir / "sizes.txt").write_text(str(options.leaves))
    return options


def test_records_are_options_and_figures(tmp_path: Path) -> None:
    def run(options: Sizes) -> list[object]:
        recipe = Recipe("sizes", tmp_path / "work")
        recipe.stage("sizes", sized, {}, {"options": options})
        return [(result.made, dict(result.figures)) for result in recipe.run()]

    assert run(Sizes()) == [(True, {"leaves": 3, "path": None})]
    assert run(Sizes()) == [(False, {"leaves": 3, "path": None})]
    assert run(Sizes(beams=(10.0, 41.0)))[0][0]
    with pytest.raises(TypeError, match="an option of a stage is a PosixPath"):
        run(Sizes(path=tmp_path))


def test_damaged_records_and_caches_only_cost_time(text: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    recipe_of(text, work).run()
    for path in (work / ".stages").glob("*.json"):
        path.write_text("{")
    assert made(recipe_of(text, work)) == ["count", "square"]
    (work / ".stages" / "count.json").write_text('{"name": "count", "key": 3}')
    assert made(recipe_of(text, work)) == ["count"]


def test_hashes_are_read_once_while_size_and_time_stay(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    os.utime(path, ns=(10**18, 10**18))
    hashes = ContentHashes(tmp_path / "hashes.json")
    first = hashes.of_file(path)
    hashes.save()
    path.write_text("CONTENT")
    os.utime(path, ns=(10**18, 10**18))
    assert ContentHashes(tmp_path / "hashes.json").of_file(path) == first
    path.touch()
    assert ContentHashes(tmp_path / "hashes.json").of_file(path) != first


PAGE = '''
import sys, time
from pathlib import Path
from wfst_asr.cli.recipe_run import run_recipe

def slow(out_dir, *, first):
    known = sorted(path.name for path in out_dir.iterdir())
    (out_dir / f"step{len(known)}").write_text(",".join(known))
    if not known:
        print("begun", flush=True)
        time.sleep(60)
    return {"steps": len(known) + 1}

def page(recipe, given):
    """A slow recipe."""
    recipe.stage("slow", slow, {}, {"first": 1}, resumable=RESUMABLE)

if __name__ == "__main__":
    run_recipe("slow", page)
'''


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("resumable", [True, False])
def test_an_interrupted_run_leaves_nothing_half_done_and_goes_on(tmp_path: Path, end: int, resumable: bool) -> None:
    (tmp_path / "run.py").write_text(PAGE.replace("RESUMABLE", str(resumable)))
    command = [sys.executable, "run.py", "--work", "work", "--json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (second.returncode, second.stderr) == (
        1,
        "slow: work: another run is at work there; wait for it or choose another --work\n",
    )
    time.sleep(0.1)
    process.send_signal(end)
    _, told = process.communicate(timeout=30)
    if end == signal.SIGINT:
        assert process.returncode == 1
        assert told.endswith("slow: interrupted; the same command goes on from here\n")
    assert not (tmp_path / "work" / "slow").exists()
    if resumable:
        again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert json.loads(again.stdout)["steps"]["slow"]["steps"] == 2
        assert sorted(path.name for path in (tmp_path / "work" / "slow").iterdir()) == ["step0", "step1"]
        assert sorted(path.name for path in (tmp_path / "work").iterdir()) == [".stages", "slow"]
    elif end == signal.SIGINT:
        assert [path.name for path in (tmp_path / "work").iterdir()] == [".stages"]


def page(recipe: Recipe, given: Given) -> None:
    """Count words."""
    assert given.lexicon is not None
    counted = recipe.stage("prepare", count, {"text": given.lexicon})
    recipe.stage("train-mono", count, {"text": counted / "count.txt"}, output="mono")
    recipe.stage("decode-mono", count, {"text": counted / "count.txt"}, {"factor": 5}, output="mono-decode")


def test_the_command_lists_runs_and_ends_with_one_line_of_json(text: Path, tmp_path: Path) -> None:
    command = recipe_command("numbers", page)
    arguments = ["--lexicon", str(text), "--work", str(tmp_path / "work")]
    listed = CliRunner().invoke(command, [*arguments, "--list"], catch_exceptions=False)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["prepare", "train-mono", "decode-mono"]
    assert not (tmp_path / "work").exists()
    run = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    told = json.loads(run.stdout)
    assert told["stages"]["mono"]["words"] == 5
    assert {"cpu_seconds", "wall_seconds", "peak_mb", "decode_cpu_seconds"} <= set(told["stages"]["mono"])
    assert told["steps"]["prepare"]["words"] == 3
    assert run.stdout.count("\n") == 1
    again = CliRunner().invoke(command, [*arguments, "--only", "prepare"], catch_exceptions=False)
    assert "mono" in again.stdout
    assert "[1/1] prepare\n" in again.stderr
    table = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "[1/3] prepare: unchanged\n" in table.stderr
    assert "CPU seconds in all" in table.stdout
    assert "Count words." in CliRunner().invoke(command, ["--help"]).stdout
    assert CliRunner().invoke(command, [*arguments, "--only", "prepare", "--from", "prepare"]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--corpus", "no"], "numbers: no: no such folder; --corpus names the folder of the corpus"),
        (["--lexicon", "no"], "numbers: no: no such file; --lexicon names a file"),
        (
            ["--lexicon", __file__, "--from", "sat"],
            "numbers: recipe 'numbers' has no stage 'sat'; its stages are: prepare",
        ),
        (["--lexicon", __file__, "--work", __file__ + "/work"], "cannot be written"),
    ],
)
def test_mistakes_end_in_one_sentence(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("warnings.showwarning", None)
    with pytest.raises(SystemExit) as end:
        run_recipe("numbers", page, arguments)
    assert end.value.code == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
