"""The direct compiler against the OpenFst path for models with decision trees, silence networks and skip arcs."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.graph.toy_graph import PRONUNCIATIONS, Toy, arpa_text, make_toy, toy_tree
from wfst_asr.cli.main import cli
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table, read_const_fst
from wfst_asr.fst.convert import to_pynini
from wfst_asr.fst.manifest import read_manifest
from wfst_asr.fst.ops import as_table, read_fst, write_fst
from wfst_asr.fst.paths import compare_paths
from wfst_asr.fst.symbols import SymbolTable, read_symbols, write_symbols
from wfst_asr.graph.direct import direct_hclg
from wfst_asr.graph.grammar_fst import grammar_arcs
from wfst_asr.graph.hclg import HclgOptions, compile_hclg
from wfst_asr.graph.lang_dir import make_lang_dir, read_lang_dir
from wfst_asr.graph.lexical_tree import pronunciation_arrays_of_rows
from wfst_asr.graph.lexicon_fst import LexiconOptions, lexicon_arcs
from wfst_asr.graph.lexicon_parts import lexicon_parts
from wfst_asr.graph.window_hmms import DirectLimitError, WindowHmms, window_hmms
from wfst_asr.hmm.topology import (
    HmmState,
    HmmTopology,
    TopologyEntry,
    format_topology,
    left_to_right,
    silence_topology,
)
from wfst_asr.hmm.transition_model import TransitionModel, transition_model_from_tree
from wfst_asr.kaldi.tree import write_tree
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.lexicon.silence_probs import PronunciationSilence, SilenceProbs
from wfst_asr.lm.arpa import read_arpa
from wfst_asr.recipe.trained_graph import TrainedGraphOptions, compile_trained_graph, usual_acoustic_scale
from wfst_asr.tree.decision_tree import PDF_CLASS, Constant, DecisionTree, Split, Table, monophone_tree

SCALES = HclgOptions(transition_scale=0.7, self_loop_scale=0.3)
TRUE_SCALES = {"transition_scale": 0.7, "self_loop_scale": 0.3}

# state 0 may be come back to, and one state has no self-loop
RETURNING: TopologyEntry = (
    HmmState(0, 0, ((0, 0.5), (1, 0.5))),
    HmmState(1, 1, ((0, 0.25), (2, 0.75))),
    HmmState(2, 2, ((2, 0.25), (1, 0.25), (3, 0.5))),
    HmmState(),
)
ENTRIES = {
    "kaldi": (left_to_right(3), silence_topology()),
    "skips": (left_to_right(3, skip_prob=0.2), left_to_right(2, skip_prob=0.1)),
    "many skips": (left_to_right(7, skip_prob=0.1), left_to_right(1)),
    "cycles": (RETURNING, silence_topology(3)),
    "one state": (left_to_right(1), left_to_right(1)),
}


def other_topology(toy: Toy, entries: tuple[TopologyEntry, TopologyEntry], width: int) -> Toy:
    """The toy with the topologies (speech, silence), a random tree for them, and random transition probabilities."""
    silence = toy.phones["SIL"]
    topology = HmmTopology(entries, {phone: int(phone == silence) for phone in toy.topology.phones})
    rng = np.random.default_rng(11)
    if width == 1:
        tree = monophone_tree({phone: topology.num_pdf_classes(phone) for phone in topology.phones})
    else:
        tree = toy_tree(topology, silence, rng, width=width, central=1)
    model = transition_model_from_tree(tree, topology)
    return replace(toy, tree=tree, topology=topology, model=with_random_probs(model, rng))


def with_random_probs(model: TransitionModel, rng: np.random.Generator) -> TransitionModel:
    probs = rng.uniform(0.2, 1.0, size=len(model.log_prob))
    sums = np.bincount(model.transition_state[1:], weights=probs[1:])
    probs[1:] /= sums[model.transition_state[1:]]
    return TransitionModel(model.topology, model.tuples, np.log(probs).astype(np.float32))


def openfst_graph(toy: Toy) -> ArcTable:
    return compile_hclg(
        toy.lexicon, toy.grammar, toy.tree, toy.model, phone_disambig=toy.phones.disambiguation_ids, options=SCALES
    ).fst


def direct_graph(toy: Toy) -> ArcTable:
    parts = lexicon_parts(toy.lexicon, toy.phones.disambiguation_ids)
    return direct_hclg(
        pronunciation_arrays_of_rows(parts.pronunciations),
        toy.grammar,
        window_hmms(toy.tree, toy.model, phones=parts.phones, **TRUE_SCALES),
        backoff_label=toy.words["#0"],
        silence_phone=parts.silence_phone,
        silence_prob=parts.silence_prob,
    )


def assert_equivalent(direct: ArcTable, definition: ArcTable, *, num_paths: int = 60) -> None:
    told = compare_paths(direct, definition, rng=np.random.default_rng(2), num_paths=num_paths, max_arcs=60)
    assert told.num_missing == 0, told.example
    assert told.worst_per_symbol < 1e-3, told.example


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_direct_graph_is_that_of_the_openfst_path(toy: Toy, name: str, width: int) -> None:
    changed = other_topology(toy, ENTRIES[name], width)
    assert_equivalent(direct_graph(changed), openfst_graph(changed))


@pytest.mark.parametrize("name", ["kaldi", "skips", "one state"])
def test_the_direct_graph_is_not_larger_than_that_of_the_openfst_path(toy: Toy, name: str) -> None:
    changed = other_topology(toy, ENTRIES[name], 3)
    assert direct_graph(changed).num_arcs <= 1.02 * openfst_graph(changed).num_arcs


@pytest.mark.parametrize("prob", [0.0, 0.2, 0.9])
def test_lexicons_with_any_silence_and_pronunciation_probabilities_are_taken(toy: Toy, prob: float) -> None:
    rng = np.random.default_rng(4)
    entries = [Pronunciation(w, tuple(p.split()), float(rng.uniform(0.1, 1.0))) for w, p in PRONUNCIATIONS]
    lexicon = lexicon_arcs(Lexicon(tuple(entries)), toy.phones, toy.words, LexiconOptions(silence_prob=prob))
    changed = replace(other_topology(toy, ENTRIES["kaldi"], 3), lexicon=lexicon)
    assert_equivalent(direct_graph(changed), openfst_graph(changed))


def test_a_grammar_without_backoff_is_taken(toy: Toy) -> None:
    words = toy.words
    grammar = arc_table(
        3,
        [
            (source, target, words[word] if word else 0, words[word] if word else 0, cost)
            for source, target, word, cost in (
                (0, 1, "a", 0.5), (0, 1, "the", 1.5), (1, 2, "reader", 0.0), (1, 0, "red", 0.25), (1, 2, "", 3.0)
            )
        ],
        finals={2: 0.5},
    )  # fmt: skip
    changed = replace(toy, grammar=grammar)
    assert_equivalent(direct_graph(changed), openfst_graph(changed))


def every_window_pdf(tree: DecisionTree, hmms: WindowHmms, model: TransitionModel) -> Iterator[tuple[object, object]]:
    """Yield, for windows of phones, the pdf-ids on the HMM's chain and those that the tree gives."""
    unit_pdf = model.pdf_id[hmms.unit_label]
    for phone in model.topology.phones:
        if len(model.topology.states(phone)) != 4:
            continue
        for left in (0, 2, 5, 7, 9):
            for right in (0, 1, 3, 6, 10):
                chain = hmms.hmm_of[hmms.left_class[left], phone, hmms.right_class[right]]
                units = hmms.hmm_unit[hmms.hmm_first[chain] : hmms.hmm_first[chain + 1]]
                yield unit_pdf[units].tolist(), [tree.pdf_id((left, phone, right), c) for c in range(3)]


def test_every_window_has_the_pdfs_of_the_tree(toy: Toy) -> None:
    hmms = window_hmms(toy.tree, toy.model)
    pairs = list(every_window_pdf(toy.tree, hmms, toy.model))
    assert len(pairs) > 200
    assert all(ours == theirs for ours, theirs in pairs)


def test_phones_that_no_question_tells_apart_are_one_class() -> None:
    yes, no = (Table(PDF_CLASS, tuple(Constant(first + c) for c in range(3))) for first in (0, 3))
    tree = DecisionTree(3, 1, Split(0, frozenset({3}), yes, no))
    topology = HmmTopology((left_to_right(3),), {1: 0, 2: 0, 3: 0})
    hmms = window_hmms(tree, transition_model_from_tree(tree, topology))
    assert hmms.hmm_of.shape == (2, 4, 1)
    assert hmms.left_class.tolist() == [0, 0, 0, 1]


def test_what_the_direct_compiler_does_not_take_is_told(toy: Toy) -> None:
    tree = DecisionTree(4, 1, toy.tree.root)
    with pytest.raises(DirectLimitError, match=r"windows of 4 phones .* use the OpenFst path"):
        window_hmms(tree, toy.model)
    first, last = HmmState(0, 0, ((0, 0.5), (1, 0.5))), HmmState(1, 1, ((2, 0.5), (3, 0.5)))
    topology = HmmTopology(((first, HmmState(transitions=((2, 1.0),)), last, HmmState()),), {1: 0})
    tree = monophone_tree({1: 2})
    with pytest.raises(DirectLimitError, match="phone 1 has a state that emits nothing"):
        window_hmms(tree, transition_model_from_tree(tree, topology))


def test_a_tree_without_an_answer_is_told(toy: Toy) -> None:
    root = toy.tree.root
    assert isinstance(root, Table)
    tree = DecisionTree(3, 1, Table(root.key, (*root.nodes[:2], None, *root.nodes[3:])))
    with pytest.raises(WfstAsrError, match="the tree has no pdf for phone 2, pdf-class 0 between phones 0 and 0"):
        window_hmms(tree, toy.model)
    assert window_hmms(tree, toy.model, phones=[1, 3]).num_chains > 0


LANG_LEXICON = Lexicon(
    tuple(
        Pronunciation(word, tuple(phones.split()), 1.0 / (1 + i % 3)) for i, (word, phones) in enumerate(PRONUNCIATIONS)
    )
)


def make_parts(folder: Path, *, silence: SilenceProbs | None = None) -> tuple[DecisionTree, TransitionModel]:
    """Write lang/ and lm.arpa; return a triphone tree and a model for the phones of lang/."""
    phones = PhoneSet.of_lexicon(LANG_LEXICON, silence=("SIL",), position_dependent=True)
    lang = make_lang_dir(LANG_LEXICON, folder / "lang", phones, silence=silence)
    (folder / "lm.arpa").write_text(arpa_text(list(LANG_LEXICON.words), np.random.default_rng(1)))
    topology = lang.topology()
    tree = toy_tree(topology, lang.phones["SIL"], np.random.default_rng(2), width=3, central=1)
    return tree, transition_model_from_tree(tree, topology)


def test_both_methods_write_equivalent_graph_folders_from_a_language_model(tmp_path: Path) -> None:
    model = make_parts(tmp_path)
    made = {
        method: compile_trained_graph(
            tmp_path / "lang", tmp_path / "lm.arpa", model, tmp_path / method, options=TrainedGraphOptions(method)
        )
        for method in ("auto", "openfst")
    }
    assert [graph.method for graph in made.values()] == ["direct", "openfst"]
    assert_equivalent(*(read_const_fst(tmp_path / method / "HCLG.fst") for method in made), num_paths=100)
    manifest = read_manifest(tmp_path / "auto")
    assert manifest.acoustic_scale == usual_acoustic_scale(model[0]) == 1 / 15
    assert manifest.silence_phones == ("SIL", "SIL_B", "SIL_E", "SIL_I", "SIL_S")
    assert set(manifest.inputs) == {"L", "lm", "tree", "model"}
    assert dict(manifest.options)["method"] == "direct"
    assert (tmp_path / "auto" / "align_lexicon.txt").read_text().startswith("<noise> SIL_S\n")


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    model = make_parts(tmp_path)
    for name in ("one", "two"):
        compile_trained_graph(tmp_path / "lang", tmp_path / "lm.arpa", model, tmp_path / name)
    assert (tmp_path / "one" / "HCLG.fst").read_bytes() == (tmp_path / "two" / "HCLG.fst").read_bytes()


def test_silence_that_depends_on_the_word_is_taken_and_told(tmp_path: Path) -> None:
    around = tuple(PronunciationSilence(0.1 + 0.04 * i, 1.2, 0.9) for i in range(len(LANG_LEXICON.entries)))
    model = make_parts(tmp_path, silence=SilenceProbs(0.3, 1.1, 0.9, 0.3, around))
    for method in ("auto", "openfst"):
        options = TrainedGraphOptions(method)
        made = compile_trained_graph(tmp_path / "lang", tmp_path / "lm.arpa", model, tmp_path / method, options=options)
        assert made.method == {"auto": "direct"}.get(method, method)
        assert made.manifest.options["word_silence"]
    assert_equivalent(*(read_const_fst(tmp_path / name / "HCLG.fst") for name in ("auto", "openfst")), num_paths=100)
    fst = tmp_path / "G.fst"
    words = read_symbols(tmp_path / "lang" / "words.txt")
    write_fst(to_pynini(grammar_arcs(read_arpa(tmp_path / "lm.arpa"), words).table), fst)
    made = compile_trained_graph(tmp_path / "lang", fst, model, tmp_path / "from_fst")
    assert made.method == "direct"
    assert_equivalent(*(read_const_fst(tmp_path / name / "HCLG.fst") for name in ("auto", "from_fst")))


def test_a_lexicon_of_another_form_takes_the_openfst_path(tmp_path: Path) -> None:
    model = make_parts(tmp_path)
    file = tmp_path / "lang" / "L_disambig.fst"
    lexicon = as_table(read_fst(file, remedy=""))
    final = lexicon.final_cost.copy()
    final[0] = final[3] = 0.5
    write_fst(to_pynini(replace(lexicon, final_cost=final)), file)
    made = compile_trained_graph(tmp_path / "lang", tmp_path / "lm.arpa", model, tmp_path / "graph")
    assert made.method == "openfst"
    assert "L has" in made.reason
    with pytest.raises(DirectLimitError, match="L has"):
        compile_trained_graph(
            tmp_path / "lang", tmp_path / "lm.arpa", model, tmp_path / "g", options=TrainedGraphOptions("direct")
        )


def test_words_of_g_without_pronunciation_and_dead_ends_are_left_out(tmp_path: Path) -> None:
    model = make_parts(tmp_path)
    red, unsaid = read_lang_dir(tmp_path / "lang").words["red"], add_word(tmp_path / "lang" / "words.txt", "unsaid")
    arcs = [(0, 1, red, red, 0.5), (0, 2, unsaid, unsaid, 0.1), (2, 1, red, red, 0.1), (1, 3, red, red, 0.1)]
    to_pynini(arc_table(4, arcs, finals={1: 0.0})).write(str(tmp_path / "G.fst"))
    made = compile_trained_graph(tmp_path / "lang", tmp_path / "G.fst", model, tmp_path / "graph")
    assert made.method == "direct"
    fst = to_pynini(read_const_fst(tmp_path / "graph" / "HCLG.fst"))
    assert fst.copy().connect().num_states() == fst.num_states() == made.num_states
    to_pynini(arc_table(3, arcs[1:2], finals={2: 0.0})).write(str(tmp_path / "G.fst"))
    with pytest.raises(WfstAsrError, match="no sentence of G can be spoken"):
        compile_trained_graph(tmp_path / "lang", tmp_path / "G.fst", model, tmp_path / "graph")


def add_word(path: Path, name: str) -> int:
    table = read_symbols(path)
    number = 1 + max(table.names)
    write_symbols(SymbolTable({**table, name: number}), path)
    return number


def test_the_command_tells_the_method_and_its_reason(tmp_path: Path) -> None:
    tree, model = make_parts(tmp_path)
    lang, folder, out = tmp_path / "lang", tmp_path / "model", tmp_path / "graph"
    folder.mkdir()
    write_tree(tree, folder / "tree")
    rows = " ".join(" ".join(map(str, row[:3])) for row in model.tuples.tolist())
    probs = " ".join(f"{p:.6f}" for p in model.log_prob)
    (folder / "final.mdl").write_text(
        f"<TransitionModel> {format_topology(model.topology)} <Triples> {len(model.tuples)} {rows} </Triples> "
        f"<LogProbs> [ {probs} ] </LogProbs> </TransitionModel> \n"
    )
    parts = ["graph", "compile", str(lang), str(folder), str(out), "--lm", str(tmp_path / "lm.arpa")]
    run = CliRunner().invoke(cli, parts)
    assert run.exit_code == 0, run.output
    assert run.output.endswith("arcs, by the direct compiler\n")
    told = json.loads(CliRunner().invoke(cli, [*parts, "--method", "openfst", "--json"]).output)
    assert (told["method"], told["reason"]) == ("openfst", "")
    assert read_const_fst(out / "HCLG.fst").num_arcs == told["arcs"]
    assert CliRunner().invoke(cli, [*parts, "--G", str(lang / "G.fst")]).exit_code == 2


@pytest.fixture(scope="module")
def an4_lang(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden lang directory with its symbol tables, which lie with the graph."""
    folder = tmp_path_factory.mktemp("an4")
    for part in ("lang", "graph"):
        for path in (corpora / "kaldi_an4" / part).iterdir():
            if path.suffix in (".fst", ".txt") and path.name != "HCLG.fst":
                shutil.copyfile(path, folder / path.name)
    return folder


def test_an4_graph_is_equivalent_to_that_of_kaldis_programs_and_not_larger(an4_lang: Path, corpora: Path) -> None:
    made = compile_trained_graph(an4_lang, an4_lang / "G.fst", corpora / "kaldi_an4" / "model", an4_lang / "out")
    assert made.method == "direct"
    golden = read_const_fst(corpora / "kaldi_an4" / "graph" / "HCLG.fst")
    ours = read_const_fst(an4_lang / "out" / "HCLG.fst")
    result = compare_paths(ours, golden, rng=np.random.default_rng(0), num_paths=150, max_arcs=200)
    assert result.num_missing == 0
    assert result.worst_per_symbol < 1e-3
    assert made.num_states <= golden.num_states
    assert made.num_arcs <= golden.num_arcs
