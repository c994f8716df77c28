"""LG from lexical trees, with symbols, against determinization and minimisation of L o G."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.toy_graph import arpa_text, make_toy
from wfst_asr.cli.main import cli
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.determinize import determinize_star
from wfst_asr.fst.ops import as_table, compose, minimize_encoded, read_fst
from wfst_asr.fst.paths import compare_paths
from wfst_asr.fst.symbols import SymbolTable, read_symbols
from wfst_asr.graph.grammar_fst import grammar_arcs
from wfst_asr.graph.lang_dir import make_lang_dir
from wfst_asr.graph.lexicon_fst import LexiconOptions, lexicon_arcs
from wfst_asr.graph.symbol_trees import lg_with_symbols
from wfst_asr.graph.window_hmms import DirectLimitError
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.lm.arpa import read_arpa
from wfst_asr.recipe.lg_file import compile_lg

PHONES = SymbolTable.from_names(["SIL", "A", "B", "C", *(f"#{n}" for n in range(12))])
PRONUNCIATIONS = st.lists(st.sampled_from("ABC"), min_size=1, max_size=4).map(" ".join)


def directly(lexicon: ArcTable, grammar: ArcTable, phones: SymbolTable, words: SymbolTable) -> ArcTable:
    return lg_with_symbols(
        lexicon, grammar, disambig=phones.disambiguation_ids, backoff_phone=phones["#0"], backoff_word=words["#0"]
    ).table()


def by_general_operations(lexicon: ArcTable, grammar: ArcTable) -> ArcTable:
    return minimize_encoded(determinize_star(compose(lexicon, grammar)))


def assert_equivalent(ours: ArcTable, theirs: ArcTable) -> None:
    found = compare_paths(ours, theirs, rng=np.random.default_rng(0), num_paths=60, max_arcs=40)
    assert found.num_missing == 0, found.example
    assert found.worst_per_symbol < 2e-3, found.example


def assert_deterministic(table: ArcTable) -> None:
    pairs = np.stack((table.source(), table.arcs["ilabel"]), axis=1)
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    assert (table.arcs["ilabel"] > 0).all()


def test_a_word_that_begins_with_silence_is_left_to_the_general_operations(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    with pytest.raises(DirectLimitError, match="a word begins with the phone of optional silence"):
        directly(toy.lexicon, toy.grammar, toy.phones, toy.words)


def test_lg_of_an4_is_that_of_the_general_operations(corpora: Path) -> None:
    folder = corpora / "kaldi_an4"
    words, phones = (read_symbols(folder / "graph" / f"{name}.txt") for name in ("words", "phones"))
    lexicon, grammar = (as_table(read_fst(folder / "lang" / f"{name}.fst")) for name in ("L_disambig", "G"))
    ours, theirs = directly(lexicon, grammar, phones, words), by_general_operations(lexicon, grammar)
    assert_deterministic(ours)
    assert_equivalent(ours, theirs)
    assert ours.num_arcs == pytest.approx(theirs.num_arcs, rel=0.01)


@settings(max_examples=30, deadline=None)
@given(
    pronunciations=st.lists(st.lists(PRONUNCIATIONS, min_size=1, max_size=2, unique=True), min_size=1, max_size=5),
    silence_prob=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 99),
)
def test_lg_of_any_plain_lexicon_is_that_of_the_general_operations(
    pronunciations: list[list[str]], silence_prob: float, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = [f"w{n}" for n in range(len(pronunciations))]
    words = SymbolTable.from_names([*names, "#0", "<s>", "</s>"])
    lexicon = Lexicon.from_pairs(
        [(name, spoken) for name, ways in zip(names, pronunciations, strict=True) for spoken in ways]
    )
    table = lexicon_arcs(lexicon, PHONES, words, LexiconOptions(silence_prob))
    arpa = tmp_path_factory.mktemp("lm") / "lm.arpa"
    arpa.write_text(arpa_text(names, np.random.default_rng(seed)))
    g = grammar_arcs(read_arpa(arpa), words).table
    ours = directly(table, g, PHONES, words)
    assert_deterministic(ours)
    assert_equivalent(ours, by_general_operations(table, g))


def test_words_that_sound_alike_need_symbols() -> None:
    words = SymbolTable.from_names(["red", "read", "#0"])
    lexicon = Lexicon.from_pairs([("red", "A B"), ("read", "A B")])
    table = lexicon_arcs(lexicon, PHONES, words, LexiconOptions(0.0, disambiguate=False))
    g = arc_table(1, [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 0.5)], finals={0: 0.0})
    with pytest.raises(DirectLimitError, match="sound alike, or one is the beginning of another, without symbols"):
        directly(table, g, PHONES, words)


@pytest.fixture
def lang(tmp_path: Path) -> Path:
    lexicon = Lexicon.from_pairs([("red", "R EH D"), ("read", "R EH D"), ("reader", "R IY D ER"), ("a", "AH")])
    make_lang_dir(lexicon, tmp_path / "lang", PhoneSet.of_lexicon(lexicon, silence=("SIL",)))
    (tmp_path / "lm.arpa").write_text(arpa_text(["red", "read", "reader", "a"], np.random.default_rng(5)))
    return tmp_path / "lang"


def test_the_command_writes_the_same_both_ways(lang: Path) -> None:
    told = {}
    for method in ("auto", "openfst"):
        out = lang.parent / f"{method}.fst"
        arguments = ["graph", "compile-lg", str(lang), str(out), "--lm", str(lang.parent / "lm.arpa")]
        run = CliRunner().invoke(cli, [*arguments, "--method", method, "--json"])
        assert run.exit_code == 0, run.output
        told[method] = json.loads(run.stdout)
        assert told[method]["arcs"] == as_table(read_fst(out)).num_arcs
    assert (told["auto"]["method"], told["openfst"]["method"]) == ("direct", "openfst")
    assert_equivalent(*(as_table(read_fst(lang.parent / f"{method}.fst")) for method in told))


def test_an_old_file_stays_where_g_has_no_word_of_l(lang: Path) -> None:
    out = lang.parent / "LG.fst"
    out.write_bytes(b"before")
    (lang.parent / "lm.arpa").write_text(arpa_text(["other"], np.random.default_rng(5)))
    with pytest.raises(WfstAsrError, match=r"no word|empty"):
        compile_lg(lang, lang.parent / "lm.arpa", out)
    assert out.read_bytes() == b"before"
