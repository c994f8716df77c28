"""Exit status of the command: 0 done, 1 an error told in one sentence, 2 wrong usage."""

import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest

from wfst_asr.cli import main as entry
from wfst_asr.errors import WfstAsrError, WfstAsrWarning


def run_with(
    error: BaseException | Warning, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    @click.command()
    def score() -> None:
        if isinstance(error, Warning):
            warnings.warn(error, stacklevel=1)
        else:
            raise error

    monkeypatch.setattr(entry.LazyGroup, "get_command", lambda *_: score)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with pytest.raises(SystemExit) as status:
        entry.main(["score"])
    return status.value.code, capsys.readouterr().err


def test_our_errors_are_one_sentence_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_with(WfstAsrError("a.txt:3: wrong"), monkeypatch, capsys) == (1, "wfst-asr: a.txt:3: wrong\n")


def test_errors_of_the_system_are_one_sentence_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run_with(PermissionError(13, "Permission denied", "out"), monkeypatch, capsys)
    assert told == (1, "wfst-asr: out: Permission denied\n")


def test_interruption_has_status_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run_with(KeyboardInterrupt(), monkeypatch, capsys)
    assert code == 1
    assert told.strip().startswith("wfst-asr: interrupted")


@pytest.mark.filterwarnings("default")
def test_warnings_are_notes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    told = run_with(WfstAsrWarning("2 lines were skipped"), monkeypatch, capsys)
    assert told == (0, "wfst-asr: note: 2 lines were skipped\n")


@pytest.mark.parametrize("arguments", [["nothing"], ["score"], ["score", "--no-such-option"]])
def test_wrong_usage_has_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as status:
        entry.main(arguments)
    assert status.value.code == 2
    assert "Usage: " in capsys.readouterr().err


def test_the_installed_command_tells_its_version() -> None:
    command = Path(sys.executable).parent / "wfst-asr"
    result = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("wfst-asr, version ")
