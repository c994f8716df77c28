"""Words added to a compiled graph: the same as if the graph were compiled with them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.graph.test_trained_graph import ENTRIES, TRUE_SCALES, direct_graph, openfst_graph, other_topology
from tests.graph.toy_graph import PRONUNCIATIONS, Toy, arpa_text, make_toy
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable, arc_table, const_fst_bytes, read_const_fst, write_const_fst
from wfst_asr.fst.paths import PathSampler, PathScorer, compare_paths
from wfst_asr.fst.symbols import SymbolTable
from wfst_asr.graph.added_words import add_words
from wfst_asr.graph.ctc_fst import CtcTopology
from wfst_asr.graph.empty_history import EmptyHistory, Word
from wfst_asr.graph.empty_history_search import find_empty_history
from wfst_asr.graph.grammar_fst import grammar_arcs
from wfst_asr.graph.graph_paths import GraphPaths
from wfst_asr.graph.lexical_tree import pronunciation_arrays_of_rows
from wfst_asr.graph.lexicon_fst import LexiconOptions, lexicon_arcs
from wfst_asr.graph.lexicon_parts import lexicon_parts
from wfst_asr.graph.spoken_units import HmmUnits, PhoneUnits, TokenUnits
from wfst_asr.graph.tlg import direct_tlg, openfst_tlg
from wfst_asr.graph.unit_reading import UnitReader
from wfst_asr.graph.window_hmms import window_hmms
from wfst_asr.graph.word_begins import find_places
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lm.arpa import read_arpa

# words of the phones of the toy: with endings and beginnings that no other word has, a beginning of others, one phone
NEW = [("deter", "D IY T ER", 3.0), ("air", "EH R", 2.0), ("erd", "ER D", 1.5), ("ree", "R IY", 4.0), ("er", "ER", 2.5)]
DOUBLED = [("ttd", "T T D", 2.0), ("eed", "EH EH D", 1.0)]
NewWord = tuple[str, str, float]


def words_of(new: Sequence[NewWord]) -> SymbolTable:
    names = Lexicon.from_pairs(PRONUNCIATIONS).words
    return SymbolTable.from_names([*names, "#0", "<s>", "</s>", *(word for word, _, _ in new)])


def with_words(toy: Toy, new: Sequence[NewWord], prob: float) -> Toy:
    """The toy with words in its lexicon, and at the empty history of its language model."""
    lexicon = Lexicon.from_pairs([*PRONUNCIATIONS, *((word, phones) for word, phones, _ in new)])
    g = toy.grammar
    arcs = np.array([(toy.words[w], toy.words[w], cost, 0) for w, _, cost in new], dtype=ARC_DTYPE)
    source = np.concatenate((g.source(), np.zeros(len(new), dtype=np.int64)))
    grammar = arc_table(g.num_states, np.concatenate((g.arcs, arcs)), source=source, finals=g.final_cost, start=g.start)
    made = lexicon_arcs(lexicon, toy.phones, toy.words, LexiconOptions(silence_prob=prob))
    return replace(toy, grammar=grammar, lexicon=made)


def lexicon_of(toy: Toy, more: Sequence[NewWord] = ()) -> list[Word]:
    pairs = [*PRONUNCIATIONS, *((word, phones) for word, phones, _ in more)]
    return [(toy.words[word], tuple(toy.phones[p] for p in phones.split())) for word, phones in pairs]


def empty_history(
    graph: ArcTable, units: PhoneUnits, words: list[Word], silence: int, before: set[int]
) -> EmptyHistory:
    history = find_empty_history(UnitReader(graph), units, words, silences=[silence])
    find_places(history, words, always=before)
    return history


def added(
    graph: ArcTable, units: PhoneUnits, toy: Toy, new: Sequence[NewWord], before: Sequence[NewWord] = ()
) -> ArcTable:
    ids = {toy.words[word] for word, _, _ in before}
    history = empty_history(graph, units, lexicon_of(toy, before), toy.phones["SIL"], ids)
    rows = [(tuple(toy.phones[p] for p in phones.split()), toy.words[word], cost) for word, phones, cost in new]
    return add_words(history, rows).whole()


def assert_equivalent(graph: ArcTable, wanted: ArcTable, *, num_paths: int = 60) -> None:
    told = compare_paths(graph, wanted, rng=np.random.default_rng(2), num_paths=num_paths, max_arcs=60)
    assert told.num_missing == 0, told.example
    assert told.worst_per_symbol < 1e-3, told.example


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return replace(make_toy(tmp_path_factory.mktemp("toy")), words=words_of(NEW))


@pytest.mark.parametrize("prob", [0.0, 0.3])
@pytest.mark.parametrize("name", ["kaldi", "skips", "one state"])
@pytest.mark.parametrize("method", ["direct", "openfst"])
def test_a_graph_of_monophones_is_as_if_compiled_with_the_words(toy: Toy, method: str, name: str, prob: float) -> None:
    compiled = direct_graph if method == "direct" else openfst_graph
    changed = other_topology(toy, ENTRIES[name], 1)
    units = HmmUnits(window_hmms(changed.tree, changed.model, **TRUE_SCALES), late=False)
    graph = compiled(with_words(changed, [], prob))
    assert_equivalent(added(graph, units, changed, NEW), compiled(with_words(changed, NEW, prob)))


@pytest.mark.parametrize("prob", [0.0, 0.5])
@pytest.mark.parametrize("name", ["kaldi", "cycles", "one state"])
def test_a_direct_graph_of_triphones_is_as_if_compiled_with_the_words(toy: Toy, name: str, prob: float) -> None:
    changed = other_topology(toy, ENTRIES[name], 3)
    units = HmmUnits(window_hmms(changed.tree, changed.model, **TRUE_SCALES), late=True)
    graph = direct_graph(with_words(changed, [], prob))
    assert_equivalent(added(graph, units, changed, NEW), direct_graph(with_words(changed, NEW, prob)))


@pytest.mark.parametrize("width", [1, 3])
def test_words_are_added_one_after_another(toy: Toy, width: int) -> None:
    changed = other_topology(toy, ENTRIES["kaldi"], width)
    units = HmmUnits(window_hmms(changed.tree, changed.model, **TRUE_SCALES), late=width == 3)
    graph = direct_graph(with_words(changed, [], 0.5))
    graph = added(graph, units, changed, NEW[:2])
    graph = added(graph, units, changed, NEW[2:], NEW[:2])
    assert_equivalent(graph, direct_graph(with_words(changed, NEW, 0.5)))


@pytest.mark.parametrize("width", [1, 3])
def test_what_was_accepted_keeps_its_costs(toy: Toy, width: int) -> None:
    changed = other_topology(toy, ENTRIES["kaldi"], width)
    units = HmmUnits(window_hmms(changed.tree, changed.model, **TRUE_SCALES), late=width == 3)
    graph = direct_graph(with_words(changed, [], 0.5))
    sampler, scorer = PathSampler(graph), PathScorer(added(graph, units, changed, NEW))
    before = PathScorer(graph)
    rng = np.random.default_rng(3)
    for _ in range(40):
        path = sampler.draw(rng, max_arcs=40)
        found = scorer.cost(path.ilabels, path.olabels)
        assert found == pytest.approx(before.cost(path.ilabels, path.olabels), abs=2e-3)


@pytest.mark.parametrize("prob", [0.0, 0.8])
@pytest.mark.parametrize("topology", ["standard", "compact", "no-blank"])
@pytest.mark.parametrize("method", ["direct", "openfst"])
def test_a_graph_of_ctc_is_as_if_compiled_with_the_words(
    tmp_path: Path, method: str, topology: CtcTopology, prob: float
) -> None:
    new = [*NEW, *DOUBLED]
    pairs = PRONUNCIATIONS[:-1]  # a word of silence alone would be a boundary
    lexicon = Lexicon.from_pairs(pairs)
    full = Lexicon.from_pairs([*pairs, *((word, phones) for word, phones, _ in new)])
    phones = SymbolTable.from_names(["SIL", *full.phones, *(f"#{k}" for k in range(9))])
    words = SymbolTable.from_names([*full.words, "#0", "<s>", "</s>"])
    (tmp_path / "toy.arpa").write_text(arpa_text(list(lexicon.words), np.random.default_rng(1)))
    grammar = grammar_arcs(read_arpa(tmp_path / "toy.arpa"), words).table
    label_of = {phones[name]: phones[name] + 1 for name in ("SIL", *full.phones)}

    def compiled(content: Lexicon, g: ArcTable) -> ArcTable:
        made = lexicon_arcs(content, phones, words, LexiconOptions(silence_prob=prob))
        if method == "openfst":
            return openfst_tlg(
                made, g, label_of, blank_label=1, unit_disambig=phones.disambiguation_ids, topology=topology
            )
        parts = lexicon_parts(made, phones.disambiguation_ids)
        return direct_tlg(
            pronunciation_arrays_of_rows(parts.pronunciations),
            g,
            label_of,
            blank_label=1,
            backoff_label=words["#0"],
            silence_phone=parts.silence_phone,
            silence_prob=parts.silence_prob,
            topology=topology,
        )

    arcs = np.array([(words[w], words[w], cost, 0) for w, _, cost in new], dtype=ARC_DTYPE)
    source = np.concatenate((grammar.source(), np.zeros(len(new), dtype=np.int64)))
    wider = arc_table(
        grammar.num_states,
        np.concatenate((grammar.arcs, arcs)),
        source=source,
        finals=grammar.final_cost,
        start=grammar.start,
    )
    known = [(words[entry.word], tuple(phones[p] for p in entry.phones)) for entry in lexicon.entries]
    history = empty_history(compiled(lexicon, grammar), TokenUnits(label_of, 1, topology), known, phones["SIL"], set())
    rows = [(tuple(phones[p] for p in spoken.split()), words[word], cost) for word, spoken, cost in new]
    assert_equivalent(add_words(history, rows).whole(), compiled(full, wider))


def test_the_costs_of_the_empty_history_are_found(toy: Toy) -> None:
    changed = other_topology(toy, ENTRIES["kaldi"], 3)
    units = HmmUnits(window_hmms(changed.tree, changed.model, **TRUE_SCALES), late=True)
    graph = direct_graph(with_words(changed, [], 0.3))
    words = lexicon_of(changed)
    history = empty_history(graph, units, words, changed.phones["SIL"], set())
    g = changed.grammar
    cost_of = {int(arc["ilabel"]): float(arc["cost"]) for arc in g.arcs[g.first_arc[0] : g.first_arc[1]]}
    assert not history.sums_to_one
    assert history.silence_cost == pytest.approx(-np.log(0.3), abs=0.01)
    assert history.end_cost == pytest.approx(float(g.final_cost[0]), abs=0.01)
    assert not history.without_place
    for word in words:
        if word[0] != changed.words["<noise>"]:
            assert history.cost_of_word(word) == pytest.approx(cost_of[word[0]], abs=0.01)


def test_a_graph_without_empty_history_is_refused(toy: Toy) -> None:
    changed = other_topology(toy, ENTRIES["kaldi"], 1)
    red, tea = changed.words["red"], changed.words["tea"]
    one_sentence = arc_table(3, [(0, 1, red, red, 0.0), (1, 2, tea, tea, 0.0)], finals={2: 0.0})
    graph = openfst_graph(replace(changed, grammar=one_sentence))
    units = HmmUnits(window_hmms(changed.tree, changed.model, **TRUE_SCALES), late=False)
    words = [word for word in lexicon_of(changed) if word[0] in (red, tea)]
    with pytest.raises(WfstAsrError, match="no state was found at which all words may begin"):
        find_empty_history(UnitReader(graph), units, words)


def test_a_graph_is_written_as_if_it_were_made_in_memory(toy: Toy, tmp_path: Path) -> None:
    changed = other_topology(toy, ENTRIES["kaldi"], 3)
    units = HmmUnits(window_hmms(changed.tree, changed.model, **TRUE_SCALES), late=True)
    write_const_fst(direct_graph(with_words(changed, [], 0.5)), tmp_path / "before.fst")
    graph = read_const_fst(tmp_path / "before.fst")
    history = empty_history(graph, units, lexicon_of(changed), changed.phones["SIL"], set())
    rows = [(tuple(changed.phones[p] for p in phones.split()), changed.words[word], cost) for word, phones, cost in NEW]
    made = add_words(history, rows)
    for source in (None, tmp_path / "before.fst"):
        replace(made, source=source).write(tmp_path / "after.fst")
        assert (tmp_path / "after.fst").read_bytes() == const_fst_bytes(made.whole())
    assert (made.num_states, made.num_arcs) == (made.whole().num_states, made.whole().num_arcs)
    steps = GraphPaths(made.whole())
    assert (steps.into != -1).all()
    assert (steps.out != -1).all()
