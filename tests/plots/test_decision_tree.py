from pathlib import Path

import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.plots.decision_tree import plot_phone_tree
from wfst_asr.tree.built_tree import LeafRecord, MergeRecord, SplitRecord
from wfst_asr.tree.log import TreeLog
from wfst_asr.tree.roots import Root

PHONES = {"<eps>": 0, "SIL": 1, "P_B": 2, "P_E": 3, "S_B": 4, "S_E": 5}
LOG = TreeLog(
    1,
    (Root((1,), False, False), Root((2, 3)), Root((4, 5))),
    (
        SplitRecord(1, -1, "", -1, frozenset({0}), 900.0, 40.0, 60.0),
        SplitRecord(1, -1, "n", 0, frozenset({4, 5}), 321.5, 20.0, 40.0),
        SplitRecord(1, -1, "y", 2, frozenset({1, 2, 3}), 300.0, 20.0, 20.0),
    ),
    (MergeRecord(1, -1, "yy", "nn", 12.0),),
    (
        *(LeafRecord(0, state, "", 7.0, state) for state in range(3)),
        LeafRecord(1, -1, "yy", 20.0, 3),
        LeafRecord(1, -1, "yn", 20.0, 4),
        LeafRecord(1, -1, "ny", 20.0, 5),
        LeafRecord(1, -1, "nn", 40.0, 3),
        LeafRecord(2, -1, "", 0.0, 6),
    ),
    {frozenset({1, 2, 3}): "stop or silence"},
)


def words_of(path: Path) -> str:
    return path.read_text("utf-8")


def test_questions_gains_and_leaves_are_in_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    plot_phone_tree(LOG, 3, tmp_path / "p.svg", phones=PHONES)
    text = words_of(tmp_path / "p.svg")
    for words in ("P: 3 questions, 3 tied states", "state 0?", "left: S?", "right: stop or silence?", "gain 322"):
        assert words in text
    assert text.count(">pdf 3  frames") == 2
    plot_phone_tree(LOG, 1, tmp_path / "sil.svg", phones=PHONES)
    assert all(f">state {state}<" in words_of(tmp_path / "sil.svg") for state in range(3))
    plot_phone_tree(LOG, 2, tmp_path / "top.svg", phones=PHONES, max_depth=1)
    assert words_of(tmp_path / "top.svg").count("2 leaves") == 2


def test_a_phone_of_another_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(WfstAsrError, match="no phone 9"):
        plot_phone_tree(LOG, 9, tmp_path / "x.png", phones=PHONES)
