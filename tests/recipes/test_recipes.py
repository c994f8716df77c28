"""Recipes end to end, with bounds on their error rates; the page that recipes/README.md shows."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.parent.name for path in (ROOT / "recipes").glob("*/run.py"))


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def told_by(*arguments: object, cwd: Path) -> dict[str, Any]:
    result = run(*arguments, "--json", cwd=cwd)
    assert result.returncode == 0, result.stderr
    told: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return told


def file_block(page: Path, name: str) -> str:
    found = re.search(rf"^```\w+ file={re.escape(name)}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_lists_its_stages_and_has_a_readme(name: str, tmp_path: Path) -> None:
    listed = run(ROOT / "recipes" / name / "run.py", "--list", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    stages = [line.split()[0] for line in listed.stdout.splitlines()]
    gaussians = ["fetch", "prepare", "lang", "lm", "features", "train-mono", "graph-mono", "decode-mono"]
    if name.endswith("_ctc"):
        assert {"fetch", "prepare", "train-letters", "lang", "decode-letters"} <= set(stages)
    else:
        assert stages[:8] == gaussians
    assert f"python recipes/{name}/run.py --corpus" in (ROOT / "recipes" / name / "README.md").read_text("utf-8")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_corpus_is_told_in_one_sentence(name: str, tmp_path: Path) -> None:
    result = run(ROOT / "recipes" / name / "run.py", "--corpus", "nowhere", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"{name}: nowhere: no such folder; --corpus names the folder of the corpus, without it the corpus is fetched\n"
    )


def test_the_page_of_the_readme_recognises_the_words_of_the_page_about_training(tmp_path: Path) -> None:
    for page, name in (
        ("docs/training.md", "sounds.py"),
        ("docs/training.md", "lexicon.txt"),
        ("recipes/README.md", "run.py"),
    ):
        (tmp_path / name).write_text(file_block(ROOT / page, name), encoding="utf-8")
    assert run("sounds.py", cwd=tmp_path).returncode == 0
    command = ("run.py", "--corpus", "data", "--lexicon", "lexicon.txt")
    first = told_by(*command, cwd=tmp_path)
    assert first["stages"]["mono"]["wer"] <= 10
    assert first["stages"]["deltas"]["wer"] <= 10
    again = run(*command, cwd=tmp_path)
    assert again.stderr.count("unchanged") == 9
    assert (tmp_path / "exp" / "tones" / "deltas" / "final.mdl").is_file()


def test_yesno_makes_no_error_and_a_second_run_has_nothing_to_do(corpora: Path, tmp_path: Path) -> None:
    page = ROOT / "recipes" / "yesno" / "run.py"
    told = told_by(page, "--corpus", corpora / "yesno", cwd=tmp_path)
    mono = told["stages"]["mono"]
    assert mono["wer"] == 0
    assert mono["wer_default"] < 1  # the weight is not tuned: one or two words of 232
    assert sorted(path.name for path in (tmp_path / "exp" / "yesno").iterdir() if path.name[0] != ".") == [
        "data", "features", "lang", "lm", "mono", "mono-decode", "mono-graph",
    ]  # fmt: skip
    again = run(page, "--corpus", corpora / "yesno", "--num-jobs", 2, cwd=tmp_path)
    assert again.stderr.count("unchanged") == 7
    model = (tmp_path / "exp" / "yesno" / "mono" / "final.mdl").read_bytes()
    run(page, "--corpus", corpora / "yesno", "--num-jobs", 2, "--only", "train-mono", cwd=tmp_path)
    assert (tmp_path / "exp" / "yesno" / "mono" / "final.mdl").read_bytes() == model


def test_an4_gets_better_stage_by_stage(corpora: Path, tmp_path: Path) -> None:
    page = ROOT / "recipes" / "an4" / "run.py"
    told = told_by(page, "--corpus", corpora / "an4", "--num-jobs", 2, "--until", "decode-sat", cwd=tmp_path)
    rates = {name: entry["wer"] for name, entry in told["stages"].items()}
    assert rates["mono"] < 8
    assert rates["deltas"] < 7
    assert rates["sat"] < 4.5
    assert rates["sat"] < rates["lda-mllt"]
