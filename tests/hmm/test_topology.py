from pathlib import Path

import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.topology import (
    HmmState,
    HmmTopology,
    format_topology,
    kaldi_topology,
    left_to_right,
    parse_topology,
    read_topology,
    silence_topology,
    write_topology,
)


def test_a_topology_reads_back_as_it_was_written(tmp_path: Path) -> None:
    skip = left_to_right(3, self_loop_prob=0.5, skip_prob=0.125)
    two_classes = (HmmState(0, 1, ((0, 0.5), (1, 0.5))), HmmState())
    topology = HmmTopology((skip, silence_topology(5), two_classes), {1: 1, 2: 0, 3: 0, 7: 2})
    write_topology(topology, tmp_path / "topo")
    assert read_topology(tmp_path / "topo") == topology


def test_kaldis_own_topo_is_the_one_of_kaldi_topology(corpora: Path) -> None:
    golden = read_topology(corpora / "kaldi_an4" / "lang" / "topo")
    assert golden == kaldi_topology(range(6, 138), range(1, 6))


def test_the_probabilities_of_every_state_sum_to_one() -> None:
    for entry in (left_to_right(4, skip_prob=0.1), silence_topology(5)):
        for state in entry[:-1]:
            assert sum(prob for _, prob in state.transitions) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<Topology> <ForPhones>", "where <TopologyEntry> or </Topology> was expected"),
        ("<Topology> <TopologyEntry> <ForPhones> 1 x </ForPhones>", "'x' where a number"),
        ("<Topology> <TopologyEntry> <ForPhones> 1 1 </ForPhones>", "phone 1 has two topologies"),
        ("<Topology> <TopologyEntry> <ForPhones> 1 </ForPhones> <State> 1", "not in order"),
        ("<Topology> </Topology>", "no phones"),
    ],
)
def test_broken_text_is_told_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(WfstAsrError, match=message):
        parse_topology(text.split())


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ((HmmState(),), "at least one emitting state"),
        ((HmmState(1, 1, ((1, 1.0),)), HmmState()), "without gaps"),
        ((HmmState(0, 0, ((2, 1.0),)), HmmState()), "distinct states"),
        ((HmmState(0, 0, ((1, 0.0),)), HmmState()), "outside"),
        ((HmmState(0, 0, ((0, 1.0),)), HmmState()), "no arc to another state"),
        ((HmmState(0, 0, ((2, 1.0),)), HmmState(0, 0, ((2, 1.0),)), HmmState()), "no arc enters state 1"),
        ((HmmState(0, 0, ((1, 1.0),)), HmmState(-1, -1, ((2, 1.0),)), HmmState()), "emits nothing"),
    ],
)
def test_impossible_entries_are_refused(entry: tuple[HmmState, ...], message: str) -> None:
    with pytest.raises(WfstAsrError, match=message):
        HmmTopology((entry,), {1: 0})


def test_an_unknown_phone_is_named() -> None:
    with pytest.raises(WfstAsrError, match="phone 9 has no HMM topology"):
        HmmTopology((left_to_right(1),), {1: 0}).states(9)


def test_the_text_of_a_topology_is_kaldis() -> None:
    text = format_topology(HmmTopology((left_to_right(1),), {1: 0}))
    assert "<State> 0 <PdfClass> 0 <Transition> 0 0.75 <Transition> 1 0.25 </State>" in text
