"""Text gathered to words, and G of it, against composition of the grammar with every short sentence."""

import itertools
import math

import numpy as np
import pynini
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.convert import to_pynini
from wfst_asr.fst.paths import PathScorer
from wfst_asr.fst.symbols import SymbolTable
from wfst_asr.graph.grammar_acceptor import grammar_acceptor, with_marks
from wfst_asr.graph.grammar_sentences import match_sentence, sample_grammar, sentence_cost
from wfst_asr.graph.grammar_source import grammar_of_ids
from wfst_asr.graph.grammar_weights import next_word_probabilities, normalised
from wfst_asr.graph.word_grammar import word_grammar

SPACE = ord(" ")
WORDS = ["a", "b", "aa", "ab", "ba", "bb"]
SYMBOLS = SymbolTable.from_names([*WORDS, *("".join(w) for w in itertools.product("ab", repeat=3)), "#0"])


def naive_cost(machine, words):
    """Return the least cost of the words with any white space between and around them."""
    gap, some = pynini.accep(" ").star, pynini.accep(" ").plus
    text = gap
    for i, word in enumerate(words):
        text = text + (some if i else "") + word
    both = pynini.compose(text + gap, machine)
    if both.start() < 0:
        return math.inf
    return float(pynini.shortestdistance(both, reverse=True)[both.start()])


@st.composite
def text_machines(draw):
    """Small weighted acceptors of a, b, space and epsilon; letters and epsilons lead on, so that words have an end."""
    n = draw(st.integers(1, 5))
    arcs = []
    for _ in range(draw(st.integers(0, 9))):
        source, target = draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))
        label = draw(st.sampled_from([ord("a"), ord("b"), SPACE, 0] if source < target else [SPACE]))
        cost = draw(st.sampled_from([0.0, 0.5, 1.25, 3.0]))
        arcs.append((source, target, label, label, cost))
    finals = dict.fromkeys(draw(st.sets(st.integers(0, n - 1), min_size=1)), draw(st.sampled_from([0.0, 0.75])))
    return to_pynini(arc_table(n, arcs, finals=finals))


@given(machine=text_machines())
@settings(max_examples=150)
def test_sentences_cost_in_the_grammar_and_in_g_what_they_cost_as_text(machine):
    sentences = [s for length in range(3) for s in itertools.product(WORDS, repeat=length)]
    expected = {words: naive_cost(machine, words) for words in sentences}
    try:
        grammar = word_grammar(machine)
    except WfstAsrError:  # nothing is accepted, or no word
        assert all(math.isinf(cost) for words, cost in expected.items() if words)
        return
    g = grammar_acceptor(grammar, SYMBOLS)
    for words, cost in expected.items():
        assert match_sentence(grammar, words).cost == pytest.approx(cost, abs=1e-5)
        assert _cost_with_marks(g.table, words) == pytest.approx(cost, abs=1e-4)


def _cost_with_marks(table, words):
    unmarked = table.arcs.copy()
    unmarked["ilabel"][unmarked["olabel"] == 0] = 0
    machine = ArcTable(table.start, table.first_arc, unmarked, table.final_cost)
    return PathScorer(machine).cost([SYMBOLS[word] for word in words])


def test_every_way_of_parting_words_is_white_space():
    grammar = word_grammar(pynini.union("  a\tb ", "a\nb"))
    assert grammar.words == ("a", "b")
    assert match_sentence(grammar, ["a", "b"]).accepted
    assert not match_sentence(grammar, ["a"]).accepted


def test_words_in_another_alphabet_are_read_from_bytes_and_from_code_points():
    assert word_grammar(pynini.accep("été ja")).words == ("ja", "été")
    assert word_grammar(pynini.accep("東 京", token_type="utf8")).words == ("京", "東")


def test_a_machine_with_a_symbol_table_has_words_for_labels():
    symbols = pynini.SymbolTable()
    for name in ("<eps>", "new york", "one"):
        symbols.add_symbol(name)
    machine = pynini.Fst()
    machine.add_states(2)
    machine.set_start(0).set_final(1)
    machine.add_arc(0, pynini.Arc(2, 2, 0.5, 1))
    machine.set_input_symbols(symbols).set_output_symbols(symbols)
    grammar = word_grammar(machine)
    assert grammar.words == ("one",)
    assert match_sentence(grammar, ["one"]).cost == 0.5


def drifting():
    """`a` at the cost 1 each before a last b, 2 each before a last c: no deterministic machine has these costs."""
    one, two = pynini.accep("a ", weight=1.0), pynini.accep("a ", weight=2.0)
    return pynini.union(one.star + "b", two.star + "ab")


def test_costs_that_drift_apart_are_kept_by_marks_and_the_marked_machine_is_deterministic():
    made = grammar_acceptor(word_grammar(drifting()), SYMBOLS)
    assert made.num_marks == 1
    source, label = made.table.source(), made.table.arcs["ilabel"]
    assert len(set(zip(source.tolist(), label.tolist(), strict=True))) == made.table.num_arcs
    for n in range(5):
        assert _cost_with_marks(made.table, ["a"] * n + ["b"]) == n
        assert _cost_with_marks(made.table, ["a"] * n + ["ab"]) == 2 * n


def test_a_machine_that_would_grow_beyond_measure_is_marked_instead():
    either = pynini.union("a", pynini.accep("b", weight=0.5))
    machine = (either + " ").star + "a" + (pynini.accep(" ") + either) ** 15  # the 16th word from the end is a
    made = grammar_acceptor(word_grammar(machine), SYMBOLS)
    assert (made.table.num_states, made.num_marks) == (18, 1)
    assert _cost_with_marks(made.table, ["b"] * 3 + ["a"] + ["b"] * 15) == pytest.approx(9.0)


def test_marks_need_their_symbol():
    with pytest.raises(WfstAsrError, match=r"cannot be determinized within 10,\d+ states .* has no '#0'"):
        grammar_acceptor(word_grammar(drifting()), SymbolTable.from_names(WORDS))


def test_three_arcs_with_a_word_stand_behind_none_one_and_two_marks():
    table = arc_table(2, [(0, 1, 5, 5, cost) for cost in (2.0, 1.0, 3.0)], finals={1: 0.0})
    marked = with_marks(table, 9)
    assert marked.num_states == 4
    assert sorted(marked.arcs["cost"][marked.arcs["ilabel"] == 5].tolist()) == [1.0, 2.0, 3.0]


BAD = {
    "no acceptor: it rewrites 'a' to 'b'": lambda: pynini.cross("a", "b"),
    "no acceptor: it rewrites 'a' to nothing": lambda: pynini.cross("a", ""),
    "accepts nothing; correct it": lambda: pynini.difference("a", "a"),
    "accepts no word, only the empty sentence": lambda: pynini.accep(" "),
    "words without end, such as '...baba.*part the words by a space": lambda: pynini.accep("ab").plus,
    "has a bracketed symbol": lambda: pynini.accep("[NAME]"),
    "which are no UTF-8 text": lambda: pynini.accep("[0xe9]"),
    "a weight of minus infinity": lambda: to_pynini(arc_table(2, [(0, 1, 97, 97, -math.inf)], finals={1: 0.0})),
    "a weight that is not a number": lambda: to_pynini(arc_table(2, [(0, 1, 97, 97, math.nan)], finals={1: 0.0})),
    "can repeat nothing, or white space alone, at a negative cost": lambda: (
        "a" + pynini.accep(" ", weight=-1.0).star + "b"
    ),
    "arc type 'log', expected 'standard'": lambda: pynini.arcmap(pynini.accep("a"), map_type="to_log"),
}


@pytest.mark.parametrize("message", BAD)
def test_a_machine_that_is_no_grammar_is_refused_with_what_is_wrong(message):
    with pytest.raises(WfstAsrError, match=f"the grammar.*{message}"):
        word_grammar(BAD[message]())


def test_an_arc_that_costs_infinity_is_no_arc():
    machine = to_pynini(arc_table(2, [(0, 1, 97, 97, math.inf), (0, 1, 98, 98, 1.0)], finals={1: 0.0}))
    assert word_grammar(machine).words == ("b",)


def test_missing_words_are_named_up_to_a_few():
    grammar = word_grammar(pynini.union(*(f"w{i}" for i in range(12)), "a"))
    with pytest.raises(
        WfstAsrError, match=r"has 12 words that words.txt lacks: 'w0', 'w1', 'w10', .* and 4 more; add them"
    ):
        grammar_acceptor(grammar, SYMBOLS)
    with pytest.warns(WfstAsrWarning, match="sentences with 12 words that words.txt lacks were left out"):
        made = grammar_acceptor(grammar, SYMBOLS, skip_missing=True)
    assert made.table.arcs["ilabel"].tolist() == [SYMBOLS["a"]]
    with pytest.raises(WfstAsrError, match="no sentence left without the words that"):
        grammar_acceptor(word_grammar(pynini.accep("a w")), SYMBOLS, skip_missing=True)
    with pytest.raises(WfstAsrError, match="there in lower case, for which there is --case lower"):
        grammar_acceptor(word_grammar(pynini.accep("A B")), SYMBOLS)
    with pytest.raises(WfstAsrError, match=r"has a word that words.txt lacks: '#0'"):
        grammar_acceptor(word_grammar(pynini.accep("a #0")), SYMBOLS)


def test_words_of_a_grammar_without_end_are_missed_too():
    with pytest.raises(WfstAsrError, match="lacks: 'x'"):
        grammar_acceptor(word_grammar(pynini.accep("a") + pynini.accep(" x").star), SYMBOLS)


def test_ids_of_other_words_are_refused():
    with pytest.raises(WfstAsrError, match=r"G has the word number 99, which words.txt has not"):
        grammar_of_ids(arc_table(2, [(0, 1, 99, 99, 0.0)], finals={1: 0.0}), SYMBOLS, "G")


@given(machine=text_machines())
@settings(max_examples=60)
def test_probabilities_of_next_words_sum_to_one_and_stand_for_sentences_where_they_can(machine):
    try:
        grammar = word_grammar(machine)
    except WfstAsrError:
        return
    table, weights = grammar.table, next_word_probabilities(grammar.table)
    sums = weights.end + np.bincount(table.source(), weights=weights.arc, minlength=table.num_states)
    assert sums == pytest.approx(1.0)
    made, of_sentences = normalised(table)
    if of_sentences:
        before, after = PathScorer(table, use_log=True), PathScorer(made, use_log=True)
        draws = sample_grammar(grammar, 5, np.random.default_rng(0))
        labels = [[grammar.names.index(word) for word in words] for words in draws]
        shift = [after.cost(words) - before.cost(words) for words in labels]
        assert shift == pytest.approx([shift[0]] * 5, abs=1e-4)  # one constant, the log of the sum over all sentences


def test_sentences_are_drawn_in_proportion_to_their_weights():
    machine = pynini.union(pynini.accep("a b", weight=math.log(4)), pynini.accep("b"), pynini.accep("aa a"))
    grammar = word_grammar(machine)
    drawn = sample_grammar(grammar, 4000, np.random.default_rng(0))
    shares = [drawn.count(words) / 4000 for words in (("a", "b"), ("b",), ("aa", "a"))]
    assert shares == pytest.approx([1 / 9, 4 / 9, 4 / 9], abs=0.03)
    assert drawn == sample_grammar(grammar, 4000, np.random.default_rng(0))


def test_a_grammar_whose_sentences_are_too_long_gives_up():
    with pytest.raises(WfstAsrError, match="a hundred sentences of more than 2 words; raise --max-words"):
        sample_grammar(word_grammar(pynini.accep("a a a")), 1, np.random.default_rng(0), max_words=2)


def test_the_cost_of_a_sentence_that_is_not_accepted_is_infinite():
    assert sentence_cost(pynini.accep("a b"), "a") == math.inf
