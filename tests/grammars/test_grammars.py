"""Digits, letters and commands: what they accept, and that importing them builds nothing."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from grammars.commands import commands, heat, one_of
from grammars.digits import digits
from grammars.letters import letters
from wfst_asr.graph.grammar_sentences import accepts, sample_grammar, sentence_cost
from wfst_asr.graph.word_grammar import word_grammar

DIGITS = ["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def test_all_strings_of_digits_within_the_bounds_are_accepted_and_no_others():
    machine = digits(at_least=2, at_most=3)
    for length in range(5):
        for words in itertools.product(DIGITS[:3] if length > 2 else DIGITS, repeat=length):
            assert accepts(machine, " ".join(words)) == (2 <= length <= 3)


def test_a_repeated_digit_costs_something():
    assert sentence_cost(digits(), "five five") == 0.0
    assert sentence_cost(digits(repeats=True, repeat_cost=1.25), "double five one") == 1.25


def test_letters_are_all_there_and_explained_by_words_that_begin_with_them():
    assert set(word_grammar(letters()).words) == set("abcdefghijklmnopqrstuvwxyz")
    for first, second in itertools.product(("b", "c"), ("bravo", "charlie")):
        assert accepts(letters(as_in=True), f"{first} for {second}") == (second[0] == first)


@pytest.mark.parametrize(
    "call", [lambda: digits(0), lambda: letters(3, 2), lambda: digits(zero="nil"), lambda: one_of(" ,")]
)
def test_arguments_that_make_no_sense_are_refused(call):
    with pytest.raises(ValueError, match=r"expected"):
        call()


@pytest.mark.parametrize("machine", [commands(), letters(as_in=True, doubles=True), digits(repeats=True)])
def test_sentences_drawn_from_a_grammar_are_accepted(machine):
    for words in sample_grammar(word_grammar(machine), 30, np.random.default_rng(1)):
        assert accepts(machine, " ".join(words))


def test_temperatures_keep_their_bounds():
    for name, inside in (("nine", False), ("ten", True), ("thirty", True), ("thirty one", False), ("zero", False)):
        assert accepts(heat(), f"set the heating to {name} degrees") == inside


def test_a_room_with_brackets_is_taken_as_text():
    assert accepts(commands(rooms="room [a]"), "turn on the room [a] light")


def test_importing_the_grammars_builds_nothing():
    script = (
        "import pynini, pkgutil, importlib, grammars\n"
        "def fail(*a, **k): raise AssertionError('built at import')\n"
        "pynini.union = pynini.accep = pynini.Fst = pynini.string_map = fail\n"
        "names = [m.name for m in pkgutil.iter_modules(grammars.__path__)]\n"
        "pynini.Fst = type('Fst', (), {'__new__': fail})\n"
        "[importlib.import_module(f'grammars.{name}') for name in names]\n"
        "print(*names)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"digits", "letters", "cardinals", "commands"} <= set(result.stdout.split())
