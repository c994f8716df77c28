import json
from pathlib import Path

import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.plots.training_curves import draw_training_curves, is_of_network, read_curves

RECORDS = [
    {"epoch": at, "train_loss": 3 / at, "loss": 3 / at + 0.1 * at, "token_errors": 90 / at, "word_errors": 100 / at}
    for at in (1, 2, 3, 4, 5, 6, 7, 8)
]


def folder_of(tmp_path: Path, records: object, place: str = "curves.json") -> Path:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(records))
    return tmp_path


def test_curves_are_drawn_with_the_epoch_that_was_kept(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folder = folder_of(tmp_path, RECORDS)
    draw_training_curves(folder, tmp_path / "curves.svg")
    told = (tmp_path / "curves.svg").read_text()
    for text in ("kept: epoch 5", "words, greedy: 20.0 %", "tokens, greedy: 18.0 %", "Validation errors"):
        assert text in told
    draw_training_curves(folder / "curves.json", tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == told


def test_one_epoch_and_other_figures_are_drawn_too(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folder = folder_of(tmp_path, [{"epoch": 1, "train_loss": 1.0, "loss": 2.0}])
    draw_training_curves(folder, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_a_training_that_goes_on_is_read_before_the_model_there_is(tmp_path: Path) -> None:
    folder_of(tmp_path, RECORDS)
    folder_of(tmp_path, RECORDS[:3], ".training/curves.json")
    assert len(read_curves(tmp_path)) == 3
    assert is_of_network(tmp_path)
    assert not is_of_network(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "expected records of epochs"),
        ([{"epoch": 1}], "expected records of epochs with 'epoch', 'train_loss' and 'loss'"),
        ({"epoch": 1}, "expected a list of records, one an epoch"),
        (["one"], "expected a list of records"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, records: object, message: str) -> None:
    with pytest.raises(WfstAsrError, match=message):
        read_curves(folder_of(tmp_path, records))


def test_a_folder_without_curves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WfstAsrError, match="No such file or directory; expected the curves of a network's training"):
        read_curves(tmp_path)
