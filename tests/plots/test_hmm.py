from pathlib import Path

import pytest
from click.testing import CliRunner

from wfst_asr.cli.lang import lang as lang_command
from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.lang_dir import make_lang_dir
from wfst_asr.graph.lang_topology import LangTopology
from wfst_asr.hmm.topology import HmmState, HmmTopology, kaldi_topology
from wfst_asr.hmm.transition_model import transition_model_from_tree
from wfst_asr.kaldi.transition_model import read_transition_model
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.plots.hmm import hmm_picture, plot_hmm, trained_picture
from wfst_asr.tree.decision_tree import monophone_tree

TOPOLOGY = kaldi_topology([2], [1], skip_prob=0.125)


def test_a_picture_has_the_arcs_of_the_topology() -> None:
    picture = hmm_picture(TOPOLOGY, 2, "AH")
    assert picture.state_notes == ("class 0", "class 1", "class 2")
    assert picture.arcs[:3] == ((0, 0, 0.75), (0, 1, 0.125), (0, 2, 0.125))
    assert picture.summary == "AH, before training; states: 3, arcs: 8, self-loops: 3, skips: 2"


def test_a_picture_of_a_model_before_training_has_the_topologys_probabilities() -> None:
    model = transition_model_from_tree(monophone_tree({1: 5, 2: 3}), TOPOLOGY)
    for phone in (1, 2):
        of_model, of_topology = trained_picture(model, phone, "X"), hmm_picture(TOPOLOGY, phone, "X")
        for ours, theirs in zip(of_model.arcs, of_topology.arcs, strict=True):
            assert ours == pytest.approx(theirs)
    assert trained_picture(model, 2, "X").state_notes == ("pdf 5", "pdf 6", "pdf 7")


def test_the_probabilities_of_tied_states_are_averaged(corpora: Path) -> None:
    model = read_transition_model(corpora / "kaldi_an4" / "model" / "final.mdl")
    for phone in (1, 20):
        picture = trained_picture(model, phone, "X")
        for state in range(len(picture.state_notes)):
            assert sum(prob for source, _, prob in picture.arcs if source == state) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture_is_an_image_with_every_probability(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    start = HmmState(transitions=((1, 0.3), (2, 0.7)))
    odd = (start, HmmState(0, 0, ((1, 0.6), (3, 0.4))), HmmState(1, 1, ((3, 1.0),)), HmmState())
    for number, topology in enumerate((TOPOLOGY, HmmTopology((odd,), {1: 0}))):
        path = tmp_path / f"{number}.{suffix}"
        plot_hmm(hmm_picture(topology, 1, "SIL"), path)
        assert path.read_bytes().startswith(b"\x89PNG" if suffix == "png" else b"<?xml")


def test_the_command_draws_phones_of_a_lang_directory(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    lexicon = Lexicon.from_pairs([("red", "R EH D")])
    phone_set = PhoneSet.of_lexicon(lexicon, position_dependent=True)
    make_lang_dir(lexicon, tmp_path / "lang", phone_set, topology=LangTopology(num_silence_states=3))
    run = CliRunner().invoke
    for phone, told in (("SIL", "SIL, before training; states: 3"), ("EH", "EH_I, before training; states: 3")):
        args = ["draw", str(tmp_path / "lang"), phone, str(tmp_path / f"{phone}.svg")]
        assert told in run(lang_command, args, catch_exceptions=False).output
        assert (tmp_path / f"{phone}.svg").exists()
    for phone in ("QQ", "#0", "<eps>"):
        args = ["draw", str(tmp_path / "lang"), phone, str(tmp_path / "none.png")]
        with pytest.raises(WfstAsrError, match=f"has no phone '{phone}' with an HMM"):
            run(lang_command, args, catch_exceptions=False)
    args = ["draw", str(tmp_path / "lang"), "SIL", str(tmp_path / "none.xyz")]
    with pytest.raises(WfstAsrError, match="no kind of image that matplotlib writes"):
        run(lang_command, args, catch_exceptions=False)
