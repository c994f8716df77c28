"""Training graphs against the machines that OpenFst composes, and what compilers must get right."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.graph.toy_graph import PRONUNCIATIONS, toy_tree
from tests.reference.naive_align import totals
from wfst_asr.align.forced import score_columns, transition_costs
from wfst_asr.align.options import AlignOptions
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.convert import from_pynini
from wfst_asr.fst.ops import compose, read_fst
from wfst_asr.fst.paths import linear_acceptor
from wfst_asr.fst.symbols import SymbolTable, read_symbols
from wfst_asr.graph.context_fst import compose_context
from wfst_asr.graph.hmm_fst import hmm_table
from wfst_asr.graph.lexicon_fst import LexiconOptions, lexicon_arcs
from wfst_asr.graph.self_loops import add_self_loops
from wfst_asr.graph.training_graph import TrainingGraph, TrainingGraphCompiler
from wfst_asr.hmm.topology import HmmState, HmmTopology, left_to_right, silence_topology
from wfst_asr.hmm.transition_model import TransitionModel, transition_model_from_tree
from wfst_asr.kaldi.transition_model import read_transition_model
from wfst_asr.kaldi.tree import read_tree
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lexicon.silence_probs import PronunciationSilence, SilenceProbs
from wfst_asr.tree.decision_tree import DecisionTree, monophone_tree

LEXICON = Lexicon.from_pairs(PRONUNCIATIONS)
PHONES = SymbolTable.from_names(["SIL", *(phone for phone in LEXICON.phones if phone != "SIL")])
WORDS = SymbolTable.from_names([*LEXICON.words, "#0", "<s>", "</s>"])
OPTIONS = AlignOptions(transition_scale=0.7, self_loop_scale=0.3)
ODD = (  # enters through a state that emits nothing, skips, and goes round
    HmmState(transitions=((1, 0.6), (2, 0.4))),
    HmmState(0, 0, ((1, 0.3), (2, 0.2), (3, 0.5))),
    HmmState(1, 1, ((2, 0.4), (3, 0.4), (5, 0.2))),
    HmmState(transitions=((4, 0.75), (1, 0.25))),
    HmmState(2, 2, ((4, 0.5), (5, 0.5))),
    HmmState(),
)


def lexicon_machine(kind: str) -> ArcTable:
    options = LexiconOptions(silence_prob=0.0 if kind == "none" else 0.3, disambiguate=False)
    if kind != "by word":
        return lexicon_arcs(LEXICON, PHONES, WORDS, options)
    rng = np.random.default_rng(2)
    around = tuple(PronunciationSilence(*rng.uniform(0.1, 0.9, 3).tolist()) for _ in LEXICON.entries)
    return lexicon_arcs(LEXICON, PHONES, WORDS, options, silence=SilenceProbs(0.4, 0.9, 1.1, 0.3, around))


def world(width: int, central: int, *, odd: bool = False) -> tuple[DecisionTree, TransitionModel]:
    entries = (ODD if odd else left_to_right(3, skip_prob=0.1), silence_topology(5), left_to_right(1))
    silence = PHONES["SIL"]
    numbers = {phone: 1 if phone == silence else (2 if phone % 4 == 0 else 0) for phone in PHONES.values() if phone}
    topology = HmmTopology(entries, numbers)
    tree = toy_tree(topology, silence, np.random.default_rng(7), width=width, central=central)
    return tree, transition_model_from_tree(tree, topology)


def twin(
    lexicon: ArcTable, tree: DecisionTree, model: TransitionModel, words: list[int], options: AlignOptions
) -> ArcTable:
    """H o C o L o (words), with self-loops before the other transitions, as OpenFst and the graph compiler make it."""
    lg = compose(lexicon, linear_acceptor(words))
    clg, windows = compose_context(lg, [], context_width=tree.context_width, central_position=tree.central_position)
    h = hmm_table(windows, tree, model, transition_scale=options.transition_scale)
    return add_self_loops(compose(h, clg), model, self_loop_scale=options.self_loop_scale, reorder=False)


def totals_of_twin(table: ArcTable, columns: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    columns_of_arcs = [table.arcs[name].tolist() for name in ("nextstate", "ilabel", "cost")]
    arcs = list(zip(table.source().tolist(), *columns_of_arcs, strict=True))
    finals = {state: cost for state, cost in enumerate(table.final_cost.tolist()) if cost < np.inf}
    return totals(table.start, arcs, finals, columns, scores)


def totals_of_graph(
    graph: TrainingGraph, costs: np.ndarray, columns: np.ndarray, scores: np.ndarray
) -> tuple[float, float]:
    cost = graph.cost + costs[graph.ilabel]
    source = np.repeat(np.arange(graph.num_states), np.diff(graph.first))
    arcs = list(zip(source.tolist(), graph.nextstate.tolist(), graph.ilabel.tolist(), cost.tolist(), strict=True))
    arcs += [(-1, s, 0, c) for s, c in zip(graph.start_states.tolist(), graph.start_costs.tolist(), strict=True)]
    finals = {state: c for state, c in enumerate(graph.final_cost.tolist()) if c < np.inf}
    return totals(-1, arcs, finals, columns, scores)


def assert_same_paths(
    lexicon: ArcTable,
    tree: DecisionTree,
    model: TransitionModel,
    words: list[int],
    *,
    options: AlignOptions = OPTIONS,
    sums: bool = True,
) -> TrainingGraph:
    """Compare best paths and sums over all paths for random scores of several lengths."""
    graph = TrainingGraphCompiler(lexicon, tree, model).compile(words)
    theirs = twin(lexicon, tree, model, words, options)
    costs, columns = transition_costs(model, options), model.pdf_id
    rng = np.random.default_rng(1)
    for num_frames in (1, 2, 3, 5, 8, 13, 21, 34):
        scores = rng.normal(scale=3.0, size=(num_frames, model.num_pdfs))
        expected = totals_of_twin(theirs, columns, scores)
        found = totals_of_graph(graph, costs, columns, scores)
        assert found[: 1 + sums] == pytest.approx(expected[: 1 + sums], abs=2e-3)
    return graph


@pytest.mark.parametrize("kind", ["none", "always", "by word"])
@pytest.mark.parametrize(("width", "central"), [(1, 0), (2, 1), (2, 0), (3, 1), (4, 1), (5, 2)])
def test_a_graph_has_the_paths_that_openfst_composes(width: int, central: int, kind: str) -> None:
    tree, model = world(width, central)
    words = [WORDS[name] for name in ("read", "a", "a", "<noise>", "tea")]
    assert_same_paths(lexicon_machine(kind), tree, model, words)


@pytest.mark.parametrize("names", ["", "a", "<noise> <noise>", "reader read", "the the the"])
def test_short_and_empty_transcripts(names: str) -> None:
    tree, model = world(3, 1)
    for kind in ("always", "by word"):
        assert_same_paths(lexicon_machine(kind), tree, model, [WORDS[name] for name in names.split()])


def test_topologies_with_skips_and_states_that_emit_nothing() -> None:
    tree, model = world(3, 1, odd=True)
    words = [WORDS["eat"], WORDS["the"], WORDS["add"]]
    # the probabilities of states without pdf are in the graph, not among the transition-ids, so they have no scale
    options = AlignOptions(transition_scale=1.0, self_loop_scale=0.3)
    assert_same_paths(lexicon_machine("always"), tree, model, words, options=options)


def test_any_lexicon_machine_is_composed() -> None:
    """Words on any arc, epsilons on any side, costs on final states, cycles of phones; epsilon paths by the best."""
    tree, model = world(3, 1)
    arcs = [
        (0, 1, 0, 7, 0.5), (0, 1, 2, 0, 0.25), (1, 2, 3, 7, 0.0), (1, 2, 4, 8, 0.125), (2, 2, 5, 0, 1.0),
        (2, 0, 0, 0, 0.0625), (2, 3, 6, 8, 0.0), (3, 0, 0, 7, 0.0), (1, 0, 2, 0, 2.0),
    ]  # fmt: skip
    lexicon = arc_table(4, arcs, finals={0: 0.5, 2: 0.75})
    for words in ([7], [7, 8], [7, 7, 8, 7], [8, 7]):
        assert_same_paths(lexicon, tree, model, words, sums=False)


def test_words_and_phones_of_states_are_those_of_the_transcript() -> None:
    topology = HmmTopology((left_to_right(1),), {phone: 0 for phone in PHONES.values() if phone})
    tree = monophone_tree({phone: 1 for phone in PHONES.values() if phone})
    model = transition_model_from_tree(tree, topology)
    graph = TrainingGraphCompiler(lexicon_machine("always"), tree, model).compile([WORDS["eat"], WORDS["<noise>"]])
    silence, iy, t = (PHONES[name] for name in ("SIL", "IY", "T"))
    found = set(zip(graph.state_phone.tolist(), graph.state_word.tolist(), strict=True))
    assert found == {(silence, -1), (iy, 0), (t, 0), (silence, 1), (0, -1)}


def test_silence_that_does_not_depend_on_context_is_there_once() -> None:
    tree, model = world(3, 1)
    graph = TrainingGraphCompiler(lexicon_machine("always"), tree, model).compile([WORDS["the"]] * 3)
    silent = (graph.state_phone == PHONES["SIL"]).sum()
    assert silent == 4 * 5  # begin, twice between, end; five states


def test_what_cannot_be_compiled_is_told() -> None:
    tree, model = world(3, 1)
    compiler = TrainingGraphCompiler(lexicon_machine("none"), tree, model, words={**WORDS, "zebra": 99})
    with pytest.raises(WfstAsrError, match="word 'zebra' has no pronunciation"):
        compiler.compile([WORDS["a"], 99])
    with pytest.raises(WfstAsrError, match="word with id 1234 has no pronunciation"):
        compiler.compile([1234])
    with pytest.raises(WfstAsrError, match="the transcript has no phones: it is empty"):
        compiler.compile([])
    dead_end = arc_table(3, [(0, 1, 2, 7, 0.0), (0, 2, 2, 8, 0.0)], finals={1: 0.0})
    with pytest.raises(WfstAsrError, match="L does not accept the words"):
        TrainingGraphCompiler(dead_end, tree, model).compile([8])
    with pytest.raises(WfstAsrError, match="phone 77 has no HMM topology"):
        TrainingGraphCompiler(arc_table(2, [(0, 1, 77, 7, 0.0)], finals={1: 0.0}), tree, model).compile([7])
    with pytest.raises(WfstAsrError, match="has no words"):
        TrainingGraphCompiler(arc_table(2, [(0, 1, 2, 0, 0.0)], finals={1: 0.0}), tree, model)


def test_a_compiler_can_be_pickled_and_gives_the_same_bytes() -> None:
    tree, model = world(3, 1)
    compiler = TrainingGraphCompiler(lexicon_machine("always"), tree, model)
    words = [WORDS[name] for name in ("read", "a", "tea")]
    one, other = compiler.compile(words), pickle.loads(pickle.dumps(compiler)).compile(words)
    fresh = TrainingGraphCompiler(lexicon_machine("always"), tree, model).compile(words)
    for name in TrainingGraph.__dataclass_fields__:
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes() == getattr(fresh, name).tobytes()


def test_an4_graphs_have_the_paths_that_openfst_composes(corpora: Path) -> None:
    folder = corpora / "kaldi_an4"
    tree, model = read_tree(folder / "model" / "tree"), read_transition_model(folder / "model" / "final.mdl")
    lexicon = from_pynini(read_fst(folder / "lang" / "L.fst"))
    words = read_symbols(folder / "graph" / "words.txt")
    for line in (folder / "text").read_text().splitlines()[2:6:3]:
        graph = assert_same_paths(lexicon, tree, model, [words[name] for name in line.split()[1:]])
        assert np.array_equal(graph.pdfs(model), np.unique(model.pdf_id[graph.ilabel]))
        assert score_columns(model, graph.pdfs(model))[graph.ilabel].min() == 0
