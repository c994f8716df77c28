"""Training that cannot write or is interrupted: an older model stays as it was, the next run works."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.synthetic_speech import DIALS
from tests.test_bad_parts import LIMITED
from tests.test_interrupts import BEGIN
from tests.toy_world import status_of

Fails = Callable[..., None]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("out", ["data/text", "data/text/below", "/proc/nowhere/x"])
def test_places_that_cannot_be_written_are_told(here: Path, fails: Fails, out: str) -> None:
    before = Path("data/text").read_bytes()
    fails(out, "train", "mono", "data", "lang", out)
    assert Path("data/text").read_bytes() == before


@pytest.mark.parametrize("size", [500, 3000, 9000, 20000])
def test_a_full_disk_leaves_an_older_model_as_it_was(here: Path, trained_on_spoken: Path, size: int) -> None:
    shutil.copytree(trained_on_spoken / "deltas", "out")
    before = contents(Path("out"))
    command = ["train", "mono", "data", "lang", "out", *DIALS]
    run = subprocess.run([sys.executable, "-c", LIMITED, str(size), *command], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("wfst-asr: out/")
    assert "writing failed" in run.stderr
    assert run.stderr.count("\n") == 1
    assert contents(Path("out")) == before
    assert not list(Path("out").glob(".*part"))
    assert not list(Path("out").glob("*/.*part"))


@pytest.mark.parametrize("num_jobs", [1, 2])
def test_an_interrupted_training_leaves_an_older_model_as_it_was_and_resumes(
    here: Path, trained_on_spoken: Path, num_jobs: int
) -> None:
    shutil.copytree(trained_on_spoken / "deltas", "out")
    before = contents(Path("out"))
    arguments = ["train", "mono", "data", "lang", "out", "--num-gaussians", "60", "--num-iterations", "400"]
    command = [sys.executable, "-c", BEGIN, *arguments, "--num-jobs", str(num_jobs)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "go\n"
        deadline = time.monotonic() + 60
        while not Path("out/.training/checkpoint.npz").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        told = running.stderr.read()
    assert running.returncode == 1
    assert told.strip() == "wfst-asr: interrupted; nothing half-written was left"
    assert contents(Path("out")) == before
    assert Path("out/.training/checkpoint.npz").exists()
    assert status_of(*arguments[:5], *DIALS) == 0
    assert contents(Path("out")) == contents(trained_on_spoken / "mono")
    assert not Path("out/.training").exists()
