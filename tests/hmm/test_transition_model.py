from pathlib import Path

import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.topology import HmmState, HmmTopology, kaldi_topology, left_to_right, read_topology
from wfst_asr.hmm.transition_model import TransitionModel, transition_model_from_tree
from wfst_asr.kaldi.transition_model import read_transition_model
from wfst_asr.kaldi.tree import read_tree
from wfst_asr.tree.decision_tree import Constant, DecisionTree, Split, Table, monophone_tree


def test_transition_ids_are_numbered_as_kaldi_numbers_them(corpora: Path) -> None:
    folder = corpora / "kaldi_an4"
    golden = read_transition_model(folder / "model" / "final.mdl")
    ours = transition_model_from_tree(read_tree(folder / "model" / "tree"), read_topology(folder / "lang" / "topo"))
    assert np.array_equal(ours.tuples, golden.tuples)
    assert ours.num_transition_ids == golden.num_transition_ids
    assert ours.num_pdfs == golden.num_pdfs == 632


def test_arrays_agree_with_the_topology() -> None:
    topology = kaldi_topology([2, 3], [1])
    model = transition_model_from_tree(monophone_tree({1: 5, 2: 3, 3: 3}), topology)
    label = 0
    for state, (phone, hmm_state, forward, loop) in enumerate(model.tuples.tolist(), start=1):
        for dest, prob in topology.states(phone)[hmm_state].transitions:
            label += 1
            assert model.transition_state[label] == state
            assert (model.phone[label], model.hmm_state[label]) == (phone, hmm_state)
            assert model.is_self_loop[label] == (dest == hmm_state)
            assert model.is_final[label] == (dest == len(topology.states(phone)) - 1)
            assert model.pdf_id[label] == (loop if dest == hmm_state else forward)
            assert np.exp(model.log_prob[label]) == pytest.approx(prob)
            if dest == hmm_state:
                assert model.self_loop_id[state] == label
    assert label == model.num_transition_ids


def test_forward_probabilities_sum_to_one_without_the_self_loop() -> None:
    model = transition_model_from_tree(monophone_tree({1: 5}), kaldi_topology([], [1]))
    for state in range(1, model.num_transition_states + 1):
        labels = np.flatnonzero((model.transition_state == state) & ~model.is_self_loop)
        assert np.exp(model.forward_log_prob[labels]).sum() == pytest.approx(1.0, abs=1e-5)


def test_self_loop_pdfs_of_their_own_come_from_the_same_window() -> None:
    entry = (HmmState(0, 1, ((0, 0.5), (1, 0.5))), HmmState())
    question = frozenset({1})
    root = Split(
        -1, frozenset({0}), Split(0, question, Constant(0), Constant(1)), Split(0, question, Constant(2), Constant(3))
    )
    model = transition_model_from_tree(DecisionTree(2, 1, root), HmmTopology((entry,), {1: 0}))
    assert model.tuples.tolist() == [[1, 0, 0, 2], [1, 0, 1, 3]]
    assert model.pdf_id.tolist() == [-1, 2, 0, 3, 1]


def test_a_tree_of_another_phone_set_is_refused() -> None:
    with pytest.raises(WfstAsrError, match="no pdf for phone 2"):
        transition_model_from_tree(monophone_tree({1: 3}), kaldi_topology([1, 2], []))


def test_a_model_with_too_few_probabilities_is_refused() -> None:
    topology = HmmTopology((left_to_right(1),), {1: 0})
    with pytest.raises(WfstAsrError, match="1 probabilities for 2 transition-ids"):
        TransitionModel(topology, np.array([[1, 0, 0, 0]], np.int32), np.zeros(2, np.float32))


def test_a_tuple_that_is_not_there_is_named() -> None:
    model = transition_model_from_tree(monophone_tree({1: 1}), HmmTopology((left_to_right(1),), {1: 0}))
    assert model.find(1, 0, 0, 0) == 1
    with pytest.raises(WfstAsrError, match="pdf-id 4 is not in the transition model"):
        model.find(1, 0, 4, 4)


def test_tables_without_an_answer_are_told() -> None:
    tree = DecisionTree(1, 0, Table(0, (None, Constant(0))))
    with pytest.raises(WfstAsrError, match="no pdf for phone 5"):
        tree.pdf_id((5,), 0)
