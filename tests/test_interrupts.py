"""Ctrl-C at any moment: one sentence, status 1, nothing half-written, and the next run works."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.toy_world import NUM_COLUMNS, make_world, status_of
from wfst_asr.cli.interrupts import is_inside_numba, patient_interrupts
from wfst_asr.io.archives import matrix_writer

COMMAND = str(Path(sys.executable).parent / "wfst-asr")
# tells when the command is about to begin, so that the signal does not meet Python's own start
BEGIN = "import sys; from wfst_asr.cli.main import main; print('go', file=sys.stderr, flush=True); main(sys.argv[1:])"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    scores = np.random.default_rng(0).normal(size=(400, NUM_COLUMNS)).astype(np.float32)
    with matrix_writer(folder / "many.ark") as write:
        for number in range(3000):
            write(f"u{number:04d}", scores)
    return folder


def interrupted(world: Path, after_s: float, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-c", BEGIN, *arguments]
    with subprocess.Popen(command, cwd=world, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "go\n"
        time.sleep(after_s)
        running.send_signal(signal.SIGINT)
        told = running.stderr.read()
    return running.returncode, told


@pytest.mark.parametrize("after_s", [0.02, 0.2, 0.35, 0.5])
def test_interrupted_compilations_leave_a_whole_graph_or_none(world: Path, after_s: float) -> None:
    shutil.rmtree(world / "new", ignore_errors=True)
    code, told = interrupted(world, after_s, "graph", "compile", "lang", "model", "new")
    assert "Traceback" not in told
    if code == 1:
        *before, last = told.strip().splitlines()
        assert last == "wfst-asr: interrupted; nothing half-written was left"
        assert all(not line or line.startswith("forecast: ") for line in before), told
    else:  # it was faster than the signal
        assert code in (0, -signal.SIGINT)
        assert (world / "new" / "manifest.json").exists()
    if (world / "new" / "manifest.json").exists():  # the signal came when everything was written
        assert status_of("decode", world / "new", "--scores", world / "scores.ark", world / "heard") == 0
    else:  # at most the finished steps
        assert [path.name for path in (world / "new").glob("*")] in ([], [".steps"])
    assert not list(world.glob(".*"))


@pytest.mark.parametrize("after_s", [1.0, 1.1, 1.2])
def test_interrupted_decoding_leaves_earlier_output_alone(world: Path, after_s: float) -> None:
    before = {path.name: path.read_bytes() for path in (world / "decoded").iterdir()}
    code, told = interrupted(world, after_s, "decode", "graph", "--scores", "many.ark", "decoded")
    assert (code, told.strip()) == (1, "wfst-asr: interrupted; nothing half-written was left")
    assert {path.name: path.read_bytes() for path in (world / "decoded").iterdir()} == before


def test_the_run_after_an_interruption_works(world: Path) -> None:
    interrupted(world, 0.3, "graph", "compile", "lang", "model", "again")
    assert status_of("graph", "compile", world / "lang", world / "model", world / "again") == 0
    assert status_of("decode", world / "again", "--scores", world / "scores.ark", world / "out") == 0


def test_an_interruption_inside_numba_waits_until_it_is_over() -> None:
    source = "def call(inner):\n    inner()\n"
    of_numba: dict[str, object] = {"__name__": "numba.core.serialize"}
    exec(compile(source, "serialize.py", "exec"), of_numba)
    seen: list[bool] = []

    def inside() -> None:
        seen.append(is_inside_numba(sys._getframe()))
        signal.raise_signal(signal.SIGINT)
        seen.append(True)

    def waiting() -> None:
        of_numba["call"](inside)  # type: ignore[operator]
        time.sleep(5)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), patient_interrupts():
        waiting()
    assert time.monotonic() - began < 4
    assert seen == [True, True]
    assert not is_inside_numba(sys._getframe())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
