import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.paths import PathSampler, PathScorer
from wfst_asr.graph.hmm_fst import hmm_fst, hmm_table
from wfst_asr.hmm.topology import HmmState, HmmTopology, kaldi_topology, left_to_right
from wfst_asr.hmm.transition_model import transition_model_from_tree
from wfst_asr.tree.decision_tree import monophone_tree

TOPOLOGY = kaldi_topology([2, 3], [1])
TREE = monophone_tree({1: 5, 2: 3, 3: 3})
MODEL = transition_model_from_tree(TREE, TOPOLOGY)
WINDOWS = [(), (0,), (1,), (2,), (-9,), (3,)]


def test_every_path_through_h_is_a_path_through_the_hmms_of_its_windows() -> None:
    h = hmm_table(WINDOWS, TREE, MODEL)
    rng = np.random.default_rng(0)
    sampler = PathSampler(h)
    for _ in range(100):
        path = sampler.draw(rng, max_arcs=20)
        labels, cost = list(path.ilabels), 0.0
        for window in path.olabels:
            if len(WINDOWS[window]) == 1 and WINDOWS[window][0] <= 0:
                assert labels.pop(0) > MODEL.num_transition_ids
                continue
            state = 0
            while state < len(TOPOLOGY.states(WINDOWS[window][0])) - 1:
                label = labels.pop(0)
                assert (MODEL.phone[label], MODEL.hmm_state[label]) == (WINDOWS[window][0], state)
                state = int(MODEL.next_hmm_state[label])
                cost -= float(MODEL.forward_log_prob[label])
        assert labels == []
        assert path.cost == pytest.approx(cost, abs=1e-4)


def test_the_transition_scale_multiplies_costs() -> None:
    plain, scaled = hmm_table(WINDOWS, TREE, MODEL), hmm_table(WINDOWS, TREE, MODEL, transition_scale=0.5)
    assert np.allclose(plain.arcs["cost"] * 0.5, scaled.arcs["cost"])


def test_windows_with_the_same_pdfs_share_their_states() -> None:
    one = hmm_table([(), (2,)], TREE, MODEL)
    many = hmm_table([(), (2,), (2,), (2,)], TREE, MODEL)
    assert many.num_states == one.num_states
    assert many.num_arcs == one.num_arcs + 2


def test_states_without_pdf_are_crossed_by_epsilons() -> None:
    entry = (
        HmmState(-1, -1, ((1, 0.25), (2, 0.75))),
        HmmState(0, 0, ((3, 1.0),)),
        HmmState(1, 1, ((3, 1.0),)),
        HmmState(),
    )
    tree = monophone_tree({1: 2})
    model = transition_model_from_tree(tree, HmmTopology((entry,), {1: 0}))
    scorer = PathScorer(hmm_fst([(), (1,)], tree, model))
    assert scorer.cost([1], [1]) == pytest.approx(-np.log(0.25))
    assert scorer.cost([2], [1]) == pytest.approx(-np.log(0.75))


def test_arcs_back_to_the_first_state_keep_it() -> None:
    entry = (HmmState(0, 0, ((1, 1.0),)), HmmState(1, 1, ((0, 0.5), (2, 0.5))), HmmState())
    tree = monophone_tree({1: 2})
    model = transition_model_from_tree(tree, HmmTopology((entry,), {1: 0}))
    scorer = PathScorer(hmm_fst([(), (1,)], tree, model))
    assert scorer.cost([1, 2, 1, 3], [1]) == pytest.approx(2 * np.log(2))
    assert scorer.cost([1, 2, 1, 3], [1, 1]) == np.inf


def test_windows_of_another_width_are_refused() -> None:
    with pytest.raises(WfstAsrError, match="has 3 phones, but the tree asks for 1"):
        hmm_table([(), (1, 2, 3)], TREE, MODEL)


def test_a_tree_of_another_model_is_refused() -> None:
    with pytest.raises(WfstAsrError, match="not in the transition model"):
        hmm_table([(), (3,)], monophone_tree({3: 3}), MODEL)


def test_a_phone_without_topology_is_refused() -> None:
    model = transition_model_from_tree(monophone_tree({1: 1}), HmmTopology((left_to_right(1),), {1: 0}))
    with pytest.raises(WfstAsrError, match="phone 2 has no HMM topology"):
        hmm_table([(), (2,)], TREE, model)
