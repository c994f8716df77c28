import json
from pathlib import Path

import pytest

from tests.tree.speech import make_speech
from wfst_asr.errors import WfstAsrError
from wfst_asr.tree.built_tree import BuiltTree
from wfst_asr.tree.log import TreeLog, read_tree_log, write_tree_log
from wfst_asr.tree.roots import Root
from wfst_asr.tree.split import build_tree

PHONES = {"<eps>": 0, "SIL": 1, "P": 2, "T": 3, "AA": 4, "IY": 5}
NAMES = {frozenset({2, 3}): "stop"}


@pytest.fixture(scope="module")
def built() -> BuiltTree:
    return build_tree(
        make_speech(4, utterances=20).statistics(context_free=frozenset({1})),
        questions=[frozenset({1}), frozenset({2, 3}), frozenset({4}), frozenset({2})],
        roots=[Root((1,), False, False), Root((2, 3)), Root((4,)), Root((5,))],
        num_pdf_classes=dict.fromkeys(range(1, 6), 3),
        max_leaves=40,
        min_gain=5.0,
    )


def test_a_log_reads_back_as_the_tree_was_built(built: BuiltTree, tmp_path: Path) -> None:
    write_tree_log(tmp_path / "tree.log.jsonl", built, PHONES, question_names=NAMES)
    log = read_tree_log(tmp_path / "tree.log.jsonl", PHONES)
    assert log == TreeLog.of(built, NAMES)
    lines = [json.loads(line) for line in (tmp_path / "tree.log.jsonl").read_text().splitlines()]
    assert lines[0]["pdfs"] == built.num_pdfs
    splits = [line for line in lines if line["kind"] == "split"]
    assert sum(split["gain"] for split in splits) / built.frames == pytest.approx(
        lines[0]["log_likelihood_after_splits_per_frame"] - lines[0]["log_likelihood_of_roots_per_frame"]
    )
    assert {"left", "state"} <= {split["asks"] for split in splits}
    assert {split["question"] for split in splits if split["values"] == ["P", "T"]} == {"stop"}


def test_another_file_or_phone_table_is_refused(built: BuiltTree, tmp_path: Path) -> None:
    write_tree_log(tmp_path / "log", built, PHONES)
    with pytest.raises(WfstAsrError, match=r"with these phones .*'SIL'"):
        read_tree_log(tmp_path / "log", {"AA": 1})
    (tmp_path / "other").write_text("no json\n")
    with pytest.raises(WfstAsrError, match="is not the log of a tree"):
        read_tree_log(tmp_path / "other", PHONES)
    with pytest.raises(WfstAsrError, match="cannot be read"):
        read_tree_log(tmp_path / "missing", PHONES)
