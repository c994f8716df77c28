"""The plot of a training log, of whole and of growing logs."""

import json
from pathlib import Path

import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.plots.training import draw_training, read_log


def line(iteration: int, **more: object) -> str:
    record = {
        "stage": "mono",
        "iteration": iteration,
        "log_likelihood_per_frame": -90.0 + iteration,
        "frames": 1000.0,
        "num_gaussians": 10 + iteration,
        "realigned": iteration % 2 == 0,
        "failed": 0,
        "retried": 0,
        "gaussians_by_pdf": {"1": 8, str(iteration + 2): 1},
        "note": "MLLT" if iteration == 2 else "",
    }
    return json.dumps(record | more) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        "".join(line(i) for i in range(1, 6)),
        line(1),
        line(0, log_likelihood_per_frame=None) + line(1),
        json.dumps({"iteration": 3, "num_gaussians": 7}) + "\n",
        line(1) + line(2)[:20],  # training goes on
    ],
    ids=["whole", "one iteration", "nothing known at first", "sizes alone", "growing"],
)
def test_the_plot_is_an_image_of_any_log(tmp_path: Path, text: str) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "log.jsonl").write_text(text)
    draw_training(tmp_path, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_log_is_read_with_the_sizes_of_its_states(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(line(1) + line(2))
    log = read_log(tmp_path)
    assert read_log(tmp_path / "log.jsonl") == log
    assert [entry.log_likelihood_per_frame for entry in log] == [-89.0, -88.0]
    assert log[1].gaussians_by_pdf == {1: 8, 4: 1}
    assert (log[1].realigned, log[1].note) == (True, "MLLT")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"log.jsonl: no such file; expected the log of a training"),
        ("", r"log.jsonl: has no iterations yet"),
        ("iteration 1\n", r"log.jsonl:1: no record of an iteration"),
        (line(1) + "[]\n", r"log.jsonl:2: no record of an iteration"),
        (line(1) + '{"iteration": 2}\n', r"log.jsonl:2: no record of an iteration"),
    ],
)
def test_logs_that_are_none_are_told(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(WfstAsrError, match=message):
        read_log(tmp_path)
    with pytest.raises(WfstAsrError, match="no kind of image that matplotlib writes"):
        draw_training(tmp_path, tmp_path / "plot.xyz")
