"""What makes L o G impossible to determinize, or empty, is told before it is tried."""

from pathlib import Path

import pytest

from tests.graph.toy_graph import make_toy
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.determinize import determinize_star
from wfst_asr.fst.ops import compose
from wfst_asr.fst.symbols import SymbolTable
from wfst_asr.graph.ambiguity import check_determinizable, find_ambiguity
from wfst_asr.graph.empty_composition import why_empty
from wfst_asr.graph.lexicon_fst import LexiconOptions, lexicon_arcs
from wfst_asr.graph.tlg import openfst_tlg
from wfst_asr.graph.weight_drift import find_weight_drift, is_deterministic
from wfst_asr.lexicon.lexicon import Lexicon

PHONES = SymbolTable.from_names(["SIL", *"ABCDEFGH", *(f"#{k}" for k in range(5))])


def lexicon_of(pairs: list[tuple[str, str]], *, silence: float = 0.0) -> tuple[ArcTable, SymbolTable]:
    """L without disambiguation symbols."""
    lexicon = Lexicon.from_pairs(pairs)
    words = SymbolTable.from_names([*lexicon.words, "#0"])
    return lexicon_arcs(lexicon, PHONES, words, LexiconOptions(silence, disambiguate=False)), words


def any_words(words: SymbolTable) -> ArcTable:
    return arc_table(1, [(0, 0, i, i, 0.5) for name, i in words.items() if i and name != "#0"], finals={0: 0.0})


def told(pairs: list[tuple[str, str]], **options: float) -> str:
    lexicon, words = lexicon_of(pairs, **options)
    with pytest.raises(WfstAsrError) as error:
        check_determinizable(
            lexicon,
            any_words(words),
            phone_disambig=PHONES.disambiguation_ids,
            phone_name=PHONES.names.__getitem__,
            word_name=words.names.__getitem__,
        )
    return str(error.value)


def test_homophones_are_told_with_both_symbols() -> None:
    text = told([("red", "A B C"), ("read", "A B C"), ("other", "A B C D E F")])
    assert "the words 'red' and 'read' share the pronunciation 'A B C'" in text
    assert "give 'red' and 'read' A B C #1 and A B C #2" in text


def test_the_shortest_ambiguous_string_is_told() -> None:
    text = told([("x", "A B C D"), ("y", "A B C D"), ("u", "E F"), ("v", "E F")])
    assert "'u' and 'v' share the pronunciation 'E F'" in text


def test_a_word_that_another_continues_is_told_with_its_symbol() -> None:
    text = told([("a", "A"), ("ab", "A B"), ("b", "B")])
    assert "'a b' and 'ab' share the pronunciation 'A B'" in text
    assert "give 'a' A #1, because 'A B' goes on behind it" in text


def test_a_string_that_only_its_end_decides_is_told() -> None:
    text = told([("a", "A"), ("ab", "A B"), ("bb", "B B")])
    assert "words ('a bb bb bb bb ...') wait for the phones to decide" in text or "'ab bb bb" in text


def test_a_word_that_sounds_like_silence_is_told() -> None:
    assert "'noise' and silence share the pronunciation 'SIL'" in told([("noise", "SIL"), ("a", "A B")], silence=0.5)


def test_lexicons_with_symbols_have_no_ambiguity(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    assert find_ambiguity(toy.lexicon) is None
    check_determinizable(toy.lexicon, toy.grammar)


def test_homophones_of_which_g_has_one_pass() -> None:
    lexicon, words = lexicon_of([("red", "A B C"), ("read", "A B C"), ("other", "D E F")])
    one = arc_table(1, [(0, 0, words[w], words[w], 0.5) for w in ("red", "other")], finals={0: 0.0})
    check_determinizable(lexicon, one)
    apart = arc_table(  # both words, each behind other words than the other one
        4,
        [
            (0, 1, words["other"], words["other"], 0.0),
            (1, 3, words["red"], words["red"], 0.0),
            (0, 3, words["read"], words["read"], 0.0),
        ],
        finals={3: 0.0},
    )
    check_determinizable(lexicon, apart)
    assert determinize_star(compose(lexicon, apart)).num_states > 0


def test_equal_loops_of_two_weights_are_told_with_their_words() -> None:
    rows = [(0, 1, 0, 0, 0.7), (0, 3, 0, 0, 0.7)]
    for begin, cost in ((1, 0.5), (3, 0.75)):
        rows += [(begin, begin + 1, 1, 1, cost), (begin + 1, begin, 2, 2, cost)]
    table = arc_table(5, rows, finals={1: 0.0, 3: 0.0})
    drift = find_weight_drift(table)
    assert drift is not None
    assert sorted(drift.loop) == [1, 2]
    assert sorted(drift.costs) == [1.0, 1.5]
    names = {1: "yes", 2: "no"}
    lexicon = arc_table(1, [(0, 0, 1, 1, 0.0), (0, 0, 2, 2, 0.0)], finals={0: 0.0})
    with pytest.raises(WfstAsrError, match=r"G could not be determinized: it repeats the words '(yes no|no yes)'"):
        check_determinizable(lexicon, table, word_name=names.__getitem__)


def test_grammars_that_can_be_determinized_pass() -> None:
    same = [(0, 1, 5, 5, 0.0), (0, 2, 5, 5, 1.0), (1, 1, 7, 7, 1.0), (2, 2, 7, 7, 1.0)]
    assert find_weight_drift(arc_table(3, same, finals={1: 0.0, 2: 0.0})) is None
    other = [(0, 1, 5, 5, 0.0), (0, 2, 5, 5, 1.0), (1, 1, 7, 7, 1.0), (2, 2, 8, 8, 2.0)]
    assert find_weight_drift(arc_table(3, other, finals={1: 0.0, 2: 0.0})) is None
    meeting = [(0, 1, 5, 5, 0.0), (0, 2, 5, 5, 1.0), (1, 1, 7, 7, 1.0), (2, 2, 7, 7, 2.0), (1, 2, 7, 7, 0.0)]
    table = arc_table(3, meeting, finals={2: 0.0})
    assert find_weight_drift(table) is None  # the dearer state is entered anew from the cheaper one at every turn
    assert determinize_star(table, max_states=1000).num_states < 1000
    assert is_deterministic(arc_table(2, [(0, 1, 1, 1, 0.0), (0, 1, 2, 2, 0.0)], finals={1: 0.0}))
    assert not is_deterministic(arc_table(2, [(0, 1, 1, 1, 0.0), (0, 1, 1, 1, 0.0)], finals={1: 0.0}))


def test_an_empty_composition_names_what_one_side_lacks() -> None:
    lexicon, words = lexicon_of([("red", "A B C"), ("other", "D E F")])
    names = {**words.names, 90: "blue", 91: "green"}
    name = names.__getitem__
    only = arc_table(2, [(0, 1, 90, 90, 0.0)], finals={1: 0.0})
    assert why_empty(lexicon, only, name=name) == "every path of G needs the word 'blue', which L lacks"
    either = arc_table(2, [(0, 1, 90, 90, 0.0), (0, 1, 91, 91, 0.0)], finals={1: 0.0})
    text = why_empty(lexicon, either, name=name)
    assert text == "every path of G needs one of the words 'blue', 'green', which L lacks"
    dead = arc_table(2, [(0, 0, 1, 1, 0.0)], finals={})
    assert why_empty(lexicon, dead, name=name) == "G itself has no path from its start to an end"


def test_an_empty_composition_of_shared_words_tells_where_it_ends() -> None:
    left = arc_table(3, [(0, 1, 9, 1, 0.0), (1, 2, 9, 2, 0.0)], finals={2: 0.0})
    right = arc_table(3, [(0, 1, 1, 1, 0.0), (1, 2, 1, 1, 0.0), (0, 0, 2, 2, 0.0)], finals={2: 0.0})
    text = why_empty(left, right, name={1: "yes", 2: "no"}.__getitem__)
    assert text == ("after 'yes', at state 1 of L and 1 of G, G goes on with 'yes' only, which L does not offer there")


def test_the_openfst_path_of_ctc_tells_both() -> None:
    lexicon, words = lexicon_of([("red", "A B C"), ("read", "A B C")])
    tokens = {PHONES[name]: i for i, name in enumerate("ABC", start=2)}
    with pytest.raises(WfstAsrError, match="share the pronunciation"):
        openfst_tlg(lexicon, any_words(words), tokens, blank_label=1, unit_disambig=())
    none = arc_table(2, [(0, 1, 77, 77, 0.0)], finals={1: 0.0})
    with pytest.raises(WfstAsrError, match="no sentence of G can be spelled with L: every path of G needs the word"):
        openfst_tlg(lexicon, none, tokens, blank_label=1, unit_disambig=())
