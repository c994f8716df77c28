"""Every number has one name in the grammar, and the grammar has no other."""

import numpy as np
import pytest

from grammars.cardinals import cardinals
from tests.reference.number_names import name
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.symbols import SymbolTable
from wfst_asr.graph.grammar_acceptor import grammar_acceptor
from wfst_asr.graph.grammar_sentences import accepts, sample_grammar
from wfst_asr.graph.grammar_source import load_grammar
from wfst_asr.graph.word_grammar import word_grammar


def deterministic(machine):
    """Return the start, {(state, word): next state}, and the final states of the compiled grammar."""
    grammar = word_grammar(machine)
    words = SymbolTable.from_names(grammar.words)
    made = grammar_acceptor(grammar, words)
    assert made.num_marks == 0
    table = made.table
    step = {}
    for source, arc in zip(table.source().tolist(), table.arcs, strict=True):
        key = (source, words.names[arc["ilabel"]])
        assert key not in step
        assert arc["cost"] == 0.0
        step[key] = int(arc["nextstate"])
    return table.start, step, set(np.flatnonzero(np.isfinite(table.final_cost)).tolist())


def num_sentences(start, step, final):
    after = {}
    for (source, _), target in step.items():
        after.setdefault(source, []).append(target)
    known = {}

    def count(state):
        if state not in known:
            known[state] = (state in final) + sum(count(target) for target in after.get(state, []))
        return known[state]

    return count(start)


@pytest.mark.parametrize("style", ["american", "british"])
def test_every_number_below_a_million_is_accepted_and_nothing_else(style):
    start, step, final = deterministic(cardinals(999_999, style=style))
    assert num_sentences(start, step, final) == 1_000_000  # and so, with those below, these are all

    def follow(state, words):
        for word in words:
            state = step[state, word]
        return state

    british = style == "british"
    below = [name(number, british).split() for number in range(1000)]
    after_thousands = [name(1000 + number, british).split()[2:] for number in range(1000)]
    for words in below:
        assert follow(start, words) in final
    for words in below[1:]:
        thousands = follow(start, [*words, "thousand"])
        for rest in after_thousands:
            assert follow(thousands, rest) in final


@pytest.mark.parametrize(
    "up_to", [1, 9, 10, 19, 20, 21, 30, 42, 99, 100, 101, 120, 199, 200, 365, 999, 1000, 1001, 2024]
)
@pytest.mark.parametrize("style", ["american", "british"])
def test_a_bound_is_kept_exactly(up_to, style):
    start, step, final = deterministic(cardinals(up_to, style=style, with_zero=False))
    assert num_sentences(start, step, final) == up_to
    for number in range(1, up_to + 1):
        state = start
        for word in name(number, style == "british").split():
            state = step[state, word]
        assert state in final


@pytest.mark.parametrize("up_to", [10_999, 100_000, 310_042, 1_000_000, 1_200_300, 987_654_321, 10**12 - 1])
def test_a_large_bound_has_as_many_numbers_and_those_at_its_edge(up_to):
    machine = cardinals(up_to, with_zero=False)
    start, step, final = deterministic(machine)
    assert num_sentences(start, step, final) == up_to
    assert accepts(machine, name(up_to))
    assert accepts(machine, name(up_to - 1))
    assert not accepts(machine, name(up_to + 1))


def test_names_drawn_at_random_are_numbers():
    from_name = {name(number, british): number for british in (True, False) for number in range(2000)}
    grammar = load_grammar("grammars.cardinals:cardinals", options={"up_to": "1999", "style": "both"})
    drawn = [from_name[" ".join(words)] for words in sample_grammar(grammar, 2000, np.random.default_rng(0))]
    assert 900 < np.mean(drawn) < 1150


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"up_to": "0"}, "up_to is 0, expected a number from 1 to 999999999999"),
        ({"style": "welsh"}, "style is 'welsh', expected american, british or both"),
        ({"with_zero": "maybe"}, "the option with_zero is 'maybe', expected true or false"),
        ({"up_to": "many"}, "the option up_to is 'many', expected an integer"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(WfstAsrError, match=message):
        load_grammar("grammars.cardinals:cardinals", options=options)
