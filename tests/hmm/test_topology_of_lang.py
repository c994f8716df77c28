"""Silence of five states, two noises and skip arcs, from the lexicon to transition-ids and back."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from wfst_asr.align.intervals import split_alignment
from wfst_asr.cli.lang import lang as lang_command
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.paths import PathSampler
from wfst_asr.graph.hmm_fst import hmm_table
from wfst_asr.graph.lang_dir import LangDir, make_lang_dir, read_lang_dir
from wfst_asr.graph.lang_topology import LangTopology
from wfst_asr.graph.lang_validation import validate_lang_dir
from wfst_asr.graph.self_loops import add_self_loops
from wfst_asr.hmm.topology import kaldi_topology, left_to_right
from wfst_asr.hmm.transition_model import transition_model_from_tree
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.tree.decision_tree import monophone_tree

LEXICON = Lexicon.from_pairs([("<UNK>", "SPN"), ("<noise>", "NSN"), ("red", "R EH D"), ("a", "AH")])
NOISES = ("SIL", "NSN", "SPN")
TOPOLOGY = LangTopology(skip_prob=0.125, states_of_phone={"NSN": 3, "SPN": 1})


def made(folder: Path, topology: LangTopology | None = TOPOLOGY, *, position_dependent: bool = True) -> LangDir:
    phone_set = PhoneSet.of_lexicon(LEXICON, silence=NOISES, position_dependent=position_dependent, extra=("ZH",))
    return make_lang_dir(LEXICON, folder / "lang", phone_set, topology=topology)


def test_every_phone_gets_its_own_number_of_states(tmp_path: Path) -> None:
    lang = made(tmp_path)
    topology = lang.topology()
    assert validate_lang_dir(tmp_path / "lang") == []
    sizes = {name: topology.num_pdf_classes(lang.phones[name]) for name in ("SIL", "SIL_B", "NSN", "SPN_E", "EH_I")}
    assert sizes == {"SIL": 5, "SIL_B": 5, "NSN": 3, "SPN_E": 1, "EH_I": 3}
    assert topology.states(lang.phones["ZH_S"]) == left_to_right(3, skip_prob=0.125)
    assert topology.states(lang.phones["NSN"]) == kaldi_topology([], [1], num_silence_states=3).states(1)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_silence_of_any_number_of_states_ends_with_certainty(count: int) -> None:
    states = kaldi_topology([], [1], num_silence_states=count).states(1)
    assert len(states) == count + 1
    step = np.zeros((count + 1, count + 1))
    for number, state in enumerate(states):
        for dest, prob in state.transitions:
            step[number, dest] += prob
    assert np.allclose(step[:-1].sum(axis=1), 1.0)
    step[-1, -1] = 1.0
    assert np.linalg.matrix_power(step, 1000)[0, -1] == pytest.approx(1.0)


def test_paths_through_h_with_loops_are_cut_into_the_phones_they_were_made_of(tmp_path: Path) -> None:
    lang = made(tmp_path, position_dependent=False)
    topology = lang.topology()
    tree = monophone_tree({phone: topology.num_pdf_classes(phone) for phone in topology.phones})
    model = transition_model_from_tree(tree, topology)
    windows = [(), *((phone,) for phone in topology.phones)]
    looped = add_self_loops(hmm_table(windows, tree, model), model, self_loop_scale=1.0)
    sampler, rng = PathSampler(looped), np.random.default_rng(3)
    short = 0
    for _ in range(200):
        path = sampler.draw(rng, max_arcs=60)
        ids = np.array([label for label in path.ilabels if label], dtype=np.int32)
        found = split_alignment(ids, model)
        expected = [windows[label][0] for label in path.olabels if label]
        assert found.phone.tolist() == expected
        cost = 0.0
        visits = np.split(found.hmm_state, np.flatnonzero(np.diff(found.phone_of_state)) + 1) if expected else []
        for phone, states in zip(expected, visits, strict=True):
            way = [*states.tolist(), len(topology.states(phone)) - 1]
            arcs = [dict(topology.states(phone)[state].transitions) for state in states]
            cost -= sum(np.log(arc[dest]) for arc, dest in zip(arcs, way[1:], strict=True))
            short += len(states) < topology.num_pdf_classes(phone) and phone not in range(1, 4)
        loops = ids[model.is_self_loop[ids]]
        assert path.cost == pytest.approx(cost - model.log_prob[loops].sum(), abs=1e-3)
    assert short > 20  # phones of speech that a skip arc made shorter


def test_a_topo_file_has_names_of_phones_or_sets_of_them(tmp_path: Path) -> None:
    state = "<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1 0.5 </State> <State> 1 </State>"
    longer = "<State> 0 <PdfClass> 0 <Transition> 1 1.0 </State> " + state.replace("1 </S", "2 </S").replace(
        "<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1",
        "<State> 1 <PdfClass> 1 <Transition> 1 0.5 <Transition> 2",
    )
    topo = tmp_path / "topo"
    topo.write_text(
        f"<Topology> <TopologyEntry> <ForPhones> NONSILENCEPHONES NSN SPN_B </ForPhones> {state} </TopologyEntry>\n"
        f"<TopologyEntry> <ForPhones> SIL SPN SPN_E SPN_I SPN_S </ForPhones> {longer} </TopologyEntry> </Topology>\n"
    )
    with pytest.raises(WfstAsrError, match=r"topo: phone 12 has two topologies"):
        made(tmp_path, LangTopology(file=topo))
    topo.write_text(topo.read_text().replace("SIL SPN SPN_E SPN_I SPN_S", "SIL"))
    with pytest.raises(WfstAsrError, match=r"topo: has no topology for 4 phones \('SPN', 'SPN_E', 'SPN_I', 'SPN_S'\)"):
        made(tmp_path, LangTopology(file=topo))
    topo.write_text(topo.read_text().replace("NSN SPN_B", "NSN SPN"))
    lang = made(tmp_path, LangTopology(file=topo))
    assert lang.topology().num_pdf_classes(lang.phones["SIL_S"]) == 2
    assert lang.topology().num_pdf_classes(lang.phones["ZH_I"]) == 1
    topo.write_text(topo.read_text().replace("SPN", "SPIN"))
    with pytest.raises(WfstAsrError, match="'SPIN' in <ForPhones> is neither the name nor the id of a phone"):
        made(tmp_path, LangTopology(file=topo))


def test_impossible_requests_are_told(tmp_path: Path) -> None:
    with pytest.raises(WfstAsrError, match="2 states were asked for the phone 'QQ', which is in no phone set"):
        made(tmp_path, LangTopology(states_of_phone={"QQ": 2}))
    with pytest.raises(
        WfstAsrError, match=r"skip 0.25 leave no probability .*; expected a skip of at least 0 and below"
    ):
        made(tmp_path, LangTopology(skip_prob=0.25))
    with pytest.raises(WfstAsrError, match="0 states, expected at least 1"):
        left_to_right(0)
    assert list(tmp_path.iterdir()) == []


def test_the_command_makes_them_all(tmp_path: Path) -> None:
    (tmp_path / "lexicon.txt").write_text("".join(f"{e.word} {' '.join(e.phones)}\n" for e in LEXICON.entries))
    args = ["make", str(tmp_path / "lexicon.txt"), str(tmp_path / "lang"), "--silence-phones", ",".join(NOISES)]
    run = CliRunner().invoke
    options = ["--states", "NSN=3", "--states", "SPN=1", "--skip-prob", "0.125", "--extra-phones", "ZH"]
    result = run(lang_command, [*args, *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    expected = made(tmp_path / "other").topology()
    assert read_lang_dir(tmp_path / "lang").topology() == expected
    assert run(lang_command, [*args, "--num-silence-states", "1"], catch_exceptions=False).exit_code == 0
    assert run(lang_command, [*args, "--states", "NSN"]).exit_code == 2


def test_learned_probabilities_make_a_lang_directory_that_its_own_lexicon_makes_again(tmp_path: Path) -> None:
    (tmp_path / "lexicon.txt").write_text("red R EH D\nred R IY D\na AH\n")
    (tmp_path / "ali").mkdir()
    (tmp_path / "ali" / "prons.txt").write_text(
        "u1 0 5 <eps> SIL\nu1 5 9 red R EH D\nu1 14 3 a AH\nu2 0 9 red R IY D\nu2 9 4 <eps> SIL\nu3 0 5 red R EH D\n"
    )
    run, folder = CliRunner().invoke, tmp_path / "lang"
    options = ["--silence-phones", "SIL", "--alignments", str(tmp_path / "ali")]
    result = run(lang_command, ["make", str(tmp_path / "lexicon.txt"), str(folder), *options], catch_exceptions=False)
    assert "4 words spoken in 3 of 3 pronunciations, silence after 29% of the words" in result.output
    again = ["make", str(folder / "lexiconp_silprob.txt"), str(tmp_path / "again"), "--silence-phones", "SIL"]
    assert run(lang_command, again, catch_exceptions=False).exit_code == 0
    for name in ("L.fst", "L_disambig.fst", "phones.txt", "topo"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    silprob = ["--silprob", str(folder / "silprob.txt"), "--alignments", str(tmp_path / "ali")]
    with pytest.raises(WfstAsrError, match="--alignments gives them anew, but --silprob was given"):
        run(lang_command, [*again, *silprob], catch_exceptions=False)
    plain = ["make", str(tmp_path / "lexicon.txt"), str(tmp_path / "plain"), "--optional-silence", "", *options]
    assert run(lang_command, plain, catch_exceptions=False).exit_code == 0
    assert (tmp_path / "plain" / "lexiconp.txt").read_text().splitlines()[1].startswith("red 0.666666")
    with pytest.raises(WfstAsrError, match=r"prons\.txt: cannot be read .*; make it with: wfst-asr align"):
        run(lang_command, [*again, "--alignments", str(tmp_path)], catch_exceptions=False)
