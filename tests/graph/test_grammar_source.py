"""Functions in files: how they are found, called, and what is told where that fails."""

import sys

import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.symbols import SymbolTable
from wfst_asr.graph.grammar_sentences import match_sentence
from wfst_asr.graph.grammar_source import is_function_source, load_grammar, options_of

FILE = """
import dataclasses
from pathlib import Path

import pynini

from beside import name


@dataclasses.dataclass
class Slot:
    text: "str" = "yes"


def said(times: int = 1, cost: float = 0.5, please: bool = False, word: str = "yes", last: "str | None" = None) -> pynini.Fst:
    text = " ".join([word] * times + ["please"] * please + ([last] if last else []))
    return pynini.accep(text, weight=cost)


def by_id(words):
    fst = pynini.Fst()
    fst.add_states(2)
    fst.set_start(0).set_final(1)
    fst.add_arc(0, pynini.Arc(words["no"], words["no"], 0.25, 1))
    return fst


def needs(what: int):
    return pynini.accep("x" * what)


def slot():
    return pynini.accep(Slot().text + name)


def text():
    return "yes"


def fails():
    raise KeyError("no such room")


def from_file():
    return pynini.string_file("missing.tsv")


def _hidden():
    pass
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    (tmp_path / "beside.py").write_text("name = ' sir'\n")
    (tmp_path / "broken.py").write_text("def a(:\n")
    (tmp_path / "lost.py").write_text("import no_such_module_anywhere\n")
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "bare.py").write_text("x = 1\n")
    return tmp_path


def test_options_become_what_the_parameters_are(folder):
    options = {"times": "2", "cost": "1.5", "please": "yes", "word": "no", "last": "3"}
    grammar = load_grammar(f"{folder}/mine.py:said", options=options)
    assert match_sentence(grammar, ["no", "no", "please", "3"]).cost == 1.5
    assert options_of(f"{folder}/mine.py:said") == ("times", "cost", "please", "word", "last")


def test_a_file_may_import_what_lies_beside_it_and_nothing_stays_behind(folder):
    before, path = set(sys.modules), list(sys.path)
    assert load_grammar(f"{folder}/mine.py:slot").words == ("sir", "yes")
    assert sys.path == path
    assert {name for name in sys.modules if "mine" in name} <= before


def test_a_function_that_takes_words_gives_labels_of_them(folder):
    words = SymbolTable.from_names(["yes", "no"])
    grammar = load_grammar(f"{folder}/mine.py:by_id", words=words)
    assert grammar.words == ("no",)
    assert match_sentence(grammar, ["no"]).cost == 0.25
    with pytest.raises(WfstAsrError, match="takes the words of a lang directory; give one with --lang"):
        load_grammar(f"{folder}/mine.py:by_id")


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (
            "mine.py:nope",
            {},
            "mine.py: has no function 'nope'; its functions are said, by_id, needs, slot, text, fails, from_file",
        ),
        ("mine.py", {}, "mine.py: name a function of it, as in .*mine.py:from_file"),
        ("mine.py:", {}, "mine.py: name a function of it"),
        ("bare.py:x", {}, "bare.py: has no function 'x'; it has no functions"),
        ("nothing.py:a", {}, "nothing.py: no such file; expected a Python file with the function 'a'"),
        ("broken.py:a", {}, r"broken.py: cannot be imported \(SyntaxError: .*, line 1\)"),
        ("lost.py:a", {}, r"cannot be imported \(ModuleNotFoundError: No module named 'no_such_module_anywhere'\)"),
        ("leaves.py:a", {}, r"leaves.py: cannot be imported \(SystemExit: 3\)"),
        ("mine.py:text", {}, "mine.py:text: the function returned a str, expected a pynini.Fst"),
        ("mine.py:fails", {}, r"mine.py:fails: the function failed \(KeyError: 'no such room'\)"),
        ("mine.py:from_file", {}, r"mine.py:from_file: the function failed \(Fst"),
        ("mine.py:needs", {}, "needs 'what'; give it with --option what=VALUE"),
        ("mine.py:needs", {"what": "two"}, "the option what is 'two', expected an integer"),
        ("mine.py:said", {"cost": "much"}, "the option cost is 'much', expected a number"),
        ("mine.py:said", {"tims": "2"}, "no option 'tims'; its options are: times, cost, please, word, last"),
        ("mine.py:text", {"a": "2"}, "no option 'a'; its options are: none"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(folder, source, options, message):
    with pytest.raises(WfstAsrError, match=message) as caught:
        load_grammar(f"{folder}/{source}", options=options)
    assert "\n" not in str(caught.value)


def test_modules_that_are_not_installed_are_told_apart_from_those_that_cannot_be_imported():
    with pytest.raises(WfstAsrError, match=r"grammars.nothing: no such module is installed; name a file"):
        load_grammar("grammars.nothing:digits")
    assert load_grammar("grammars.digits:digits", options={"zero": "oh"}).words[-1] == "two"
    assert not is_function_source("C:\\lm.arpa")
