from pathlib import Path

import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.topology import HmmTopology, format_topology, left_to_right
from wfst_asr.kaldi.token_stream import TokenStream
from wfst_asr.kaldi.transition_model import parse_transition_model, read_transition_model
from wfst_asr.kaldi.tree import read_tree, write_tree
from wfst_asr.tree.decision_tree import Constant, DecisionTree, Split, Table

TREE = DecisionTree(
    3, 1, Table(1, (None, Split(-1, frozenset({0, 2}), Constant(0), Split(2, frozenset(), Constant(2), Constant(1)))))
)


@pytest.mark.parametrize("binary", [True, False])
def test_a_tree_reads_back_as_it_was_written(tmp_path: Path, binary: bool) -> None:
    write_tree(TREE, tmp_path / "tree", binary=binary)
    assert read_tree(tmp_path / "tree") == TREE


def test_a_tree_is_written_byte_for_byte_as_kaldi_wrote_it(tmp_path: Path, corpora: Path) -> None:
    golden = corpora / "kaldi_an4" / "model" / "tree"
    write_tree(read_tree(golden), tmp_path / "tree")
    assert (tmp_path / "tree").read_bytes() == golden.read_bytes()


def test_golden_model_has_kaldis_numbers(corpora: Path) -> None:
    model = read_transition_model(corpora / "kaldi_an4" / "model" / "final.mdl")
    tree = read_tree(corpora / "kaldi_an4" / "model" / "tree")
    assert (tree.context_width, tree.central_position, tree.num_pdfs) == (3, 1, 632)
    assert model.num_pdfs == 632
    for state in range(1, model.num_transition_states + 1):
        labels = np.flatnonzero(model.transition_state == state)
        assert np.exp(model.log_prob[labels]).sum() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("kind", "rows"), [("Triples", "1 0 7"), ("Tuples", "1 0 7 8")])
def test_text_models_of_both_ages_are_read(kind: str, rows: str) -> None:
    topology = format_topology(HmmTopology((left_to_right(1),), {1: 0}))
    text = f"<TransitionModel> {topology} <{kind}> 1 {rows} </{kind}> <LogProbs> [ 0 -0.5 -0.9 ] </LogProbs> "
    model = parse_transition_model(TokenStream(f"{text}</TransitionModel> ".encode(), "final.mdl"))
    assert model.tuples.tolist() == [[1, 0, 7, 7 if kind == "Triples" else 8]]
    assert model.log_prob.tolist() == pytest.approx([0, -0.5, -0.9])


def test_truncated_and_foreign_files_are_told(tmp_path: Path) -> None:
    write_tree(TREE, tmp_path / "tree")
    whole = (tmp_path / "tree").read_bytes()
    for size in (10, 30, len(whole) - 3):
        (tmp_path / "short").write_bytes(whole[:size])
        with pytest.raises(WfstAsrError, match="short"):
            read_tree(tmp_path / "short")
    with pytest.raises(WfstAsrError, match="'ContextDependency' where <TransitionModel> was expected"):
        read_transition_model(tmp_path / "tree")
    with pytest.raises(WfstAsrError, match="cannot be read"):
        read_tree(tmp_path / "missing")
