"""Grammars from the command line to decoded words: score matrices of a CTC network, and real recordings."""

import json
import math
import shutil
import warnings
from pathlib import Path

import numpy as np
import pynini
import pytest

from tests.toy_world import status_of
from wfst_asr.ctc.tokens import CtcTokens
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.search_graph import load_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.symbols import read_symbols
from wfst_asr.graph.grammar_sentences import match_sentence, sample_grammar
from wfst_asr.graph.grammar_source import load_grammar
from wfst_asr.io.archives import read_matrices
from wfst_asr.recipe.ctc_graph import CtcGraphOptions, compile_ctc_graph
from wfst_asr.recipe.grammar_files import GrammarOptions, compile_grammar, read_word_grammar
from wfst_asr.recipe.trained_graph import compile_trained_graph
from wfst_asr.score.wer import read_text, score_texts

SPELLED = [
    *["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    *["double", "triple", "a", "hundred", "and", "thousand"],
]
LETTERS = sorted({letter for word in SPELLED for letter in word})
TOKENS = CtcTokens(("_", "|", *LETTERS), 0)
ARPA = "\\data\\\nngram 1=5\nngram 2=1\n\n\\1-grams:\n-99 <s> -0.3\n-1 </s>\n-1 one -0.1\n-0.5 a\n-2 two\n\n\\2-grams:\n-0.2 one a\n\n\\end\\\n"


@pytest.fixture(scope="module")
def lang(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("spelled")
    (folder / "lexicon.txt").write_text("".join(f"{word} {' '.join(word)}\n" for word in SPELLED))
    options = ["--silence-phones", "|", "--optional-silence", "|", "--no-position-dependent"]
    assert status_of("lang", "make", folder / "lexicon.txt", folder / "lang", *options) == 0
    (folder / "lm.arpa").write_text(ARPA)
    return folder / "lang"


def scores_of(words: list[str], rng: np.random.Generator, *, noise: float = 2.0) -> np.ndarray:
    """Return noisy scores of the letters of some words, a blank between equal letters."""
    path: list[int] = []
    for letter in "|".join(words):
        column = TOKENS.names.index(letter)
        path += [0, column] if path[-1:] == [column] else [column]
    scores = rng.normal(size=(len(path), TOKENS.num_columns)).astype(np.float32) * noise
    scores[range(len(path)), path] += 6.0
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("method", ["direct", "openfst"])
@pytest.mark.parametrize("name", ["digits", "cardinals"])
def test_sentences_of_a_grammar_are_decoded_out_of_noise(lang, tmp_path, name, method):
    arguments = {"digits": {"repeats": "yes", "at_most": "7"}, "cardinals": {"up_to": "9", "with_zero": "no"}}[name]
    source = f"grammars.{name}:{name}"
    options = [part for key, value in arguments.items() for part in ("--option", f"{key}={value}")]
    assert status_of("grammar", "compile", source, lang, "--out", tmp_path / "G.fst", *options) == 0
    made = compile_ctc_graph(lang, tmp_path / "G.fst", TOKENS, tmp_path / "graph", CtcGraphOptions(method=method))
    assert made.method == method
    graph = load_graph(tmp_path / "graph")
    grammar = load_grammar(source, options=arguments)
    rng = np.random.default_rng(3)
    right = 0
    for words in sample_grammar(grammar, 20, rng):
        found = decode(graph, scores_of(list(words), rng))
        assert match_sentence(grammar, found.text.split()).accepted
        right += found.text.split() == list(words)
    assert right >= 18


def test_costs_of_sampled_sentences_in_g_are_those_in_the_grammar(lang, tmp_path):
    arguments = {"repeats": "yes", "repeat_cost": "1.7"}
    grammar = load_grammar("grammars.digits:digits", options=arguments)
    words = read_symbols(lang / "words.txt")
    assert status_of("grammar", "compile", "grammars.digits:digits", lang, "--out", tmp_path / "G.fst",
                     "--option", "repeats=1", "--option", "repeat_cost=1.7") == 0  # fmt: skip
    g = read_word_grammar(str(tmp_path / "G.fst"), lang)
    costs = []
    for sentence in sample_grammar(grammar, 100, np.random.default_rng(0)):
        costs.append(match_sentence(grammar, sentence).cost)
        assert costs[-1] == pytest.approx(1.7 * sum(word in ("double", "triple") for word in sentence), abs=1e-4)
        assert match_sentence(g, sentence).cost == pytest.approx(costs[-1], abs=1e-4)
    assert max(costs) > 1.0
    assert set(g.words) <= set(words)


def test_a_grammar_and_a_model_are_mixed_and_decoded(lang, tmp_path):
    lm = lang.parent / "lm.arpa"
    out = tmp_path / "G.fst"
    assert (
        status_of("grammar", "interpolate", "grammars.digits:digits", lm, lang, "--weight", "0.25", "--out", out) == 0
    )
    mixed, model = read_word_grammar(str(out), lang), read_word_grammar(str(lm), lang)
    best = match_sentence(model, ["one", "a"]).cost - math.log(0.75)
    assert match_sentence(mixed, ["one", "a"]).cost == pytest.approx(best, abs=1e-3)
    digits = math.log(11) + 3 * math.log(12) - math.log(0.25)  # one of 11 words, then one of them or the end
    assert match_sentence(mixed, ["six", "oh", "six"]).cost == pytest.approx(digits, abs=1e-3)
    compile_ctc_graph(lang, out, TOKENS, tmp_path / "graph")
    graph, rng = load_graph(tmp_path / "graph"), np.random.default_rng(0)
    for text in ("one a", "six oh six", "a a two"):
        assert decode(graph, scores_of(text.split(), rng, noise=1.0)).text == text


def test_a_grammar_fills_the_class_of_a_model(lang, tmp_path):
    (tmp_path / "lm.arpa").write_text(ARPA.replace("-2 two", "-2 $NUMBER"))
    filling = "$NUMBER=grammars.cardinals:cardinals"
    assert status_of("lm", "compile", tmp_path / "lm.arpa", lang, tmp_path / "G.fst", "--class", filling) == 1
    (tmp_path / "small.py").write_text(
        "from grammars.cardinals import cardinals\n\n\ndef small():\n    return cardinals(9)\n"
    )
    filling = f"$NUMBER={tmp_path}/small.py:small"
    assert status_of("lm", "compile", tmp_path / "lm.arpa", lang, tmp_path / "G.fst", "--class", filling) == 0
    assert match_sentence(read_word_grammar(str(tmp_path / "G.fst"), lang), ["a", "seven", "a"]).accepted


def told(capsys, *arguments):
    capsys.readouterr()
    assert status_of("grammar", *arguments) == 0
    return capsys.readouterr().out


def test_the_commands_tell_what_they_made(lang, tmp_path, capsys):
    digits = "grammars.digits:digits"
    out = ["--out", tmp_path / "G.fst"]
    made = json.loads(told(capsys, "compile", digits, lang, "--json", "--normalise", *out))
    assert (made["states"], made["arcs"], made["marks"]) == (2, 22, 0)
    union = ["union", digits, "grammars.cardinals:cardinals", lang, "--weights", "0.5,0.5", "--skip-missing", *out]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = json.loads(told(capsys, *union, "--json", "--option", "zero=oh", "--again", "0.1"))
    assert made["weights"] == [0.5, 0.5]
    assert "accepted at a cost of 0.0000" in told(capsys, "accepts", digits, "one two")
    seen = json.loads(told(capsys, "accepts", digits, "ONE", "--case", "upper", "--json"))
    assert seen["accepted"]
    assert seen["may_end"]
    drawn = told(capsys, "sample", digits, "--count", "5", "--seed", "7", "--option", "zero=oh")
    assert drawn == told(capsys, "sample", digits, "--count", "5", "--seed", "7", "--option", "zero=oh")
    assert len(drawn.splitlines()) == 5


def test_what_goes_wrong_is_told_in_one_sentence(lang, tmp_path, fails):
    digits, lost = "grammars.digits:digits", tmp_path / "none"
    fails("no such directory; make it with: wfst-asr lang make", "grammar", "compile", digits, lost)
    fails("'FIVE', 'FOUR', 'NINE'", "grammar", "compile", digits, lang, "--case", "upper")
    fails("there in lower case", "grammar", "compile", digits, lang, "--case", "upper")
    fails("no such file; expected file.py:function", "grammar", "accepts", lost, "one")
    fails("give one with --lang", "grammar", "accepts", lang / "L.fst", "one")
    fails("is no function, so it has no option 'a'", "grammar", "sample", lang / "L.fst", "--option", "a=1")
    fails("is no acceptor", "grammar", "union", lang / "L.fst", digits, lang, "--out", tmp_path / "G.fst")
    fails("none of the functions has an option 'b'", "grammar", "union", digits, digits, lang, "--option", "b=1")
    fails(
        "does not accept 'one ten': 'ten', word 2, cannot come after 'one'; expected there: eight, five",
        *("grammar", "accepts", digits, "one ten"),
    )
    fails("the sentence cannot end at its begin", "grammar", "accepts", digits, "")
    assert not (tmp_path / "G.fst").exists()
    assert status_of("grammar", "compile", digits, lang, "--option", "zero") == 2
    assert status_of("grammar", "union", digits, digits, lang, "--weights", "1,2,3") == 2
    with pytest.raises(WfstAsrError, match="case is 'title', expected upper or lower"):
        GrammarOptions(case="title")


def spelled_code() -> pynini.Fst:
    """Say what the speakers of AN4 say: a command, letters, and a number or digits, each of them or not."""
    from grammars.cardinals import cardinals
    from grammars.digits import digits
    from grammars.letters import letters

    order = pynini.union("enter", "erase", "rubout", "repeat", "yes", "no", "go", "help", "start", "stop")
    number = pynini.union(digits(zero="zero", at_most=6), cardinals(99), digits(at_most=4) + " " + cardinals(99))
    code = pynini.union(letters(), letters() + " " + number, number)
    return pynini.union(order, code, order + " " + code)


def test_letters_and_digits_of_real_recordings_are_recognised_with_a_grammar(corpora, tmp_path):
    an4 = corpora / "kaldi_an4"
    lang = tmp_path / "lang"
    lang.mkdir()
    for part in ("lang", "graph"):
        for path in (an4 / part).iterdir():
            if path.suffix in (".fst", ".txt") and path.name not in ("HCLG.fst", "G.fst"):
                shutil.copyfile(path, lang / path.name)
    words = read_symbols(lang / "words.txt")
    source = f"{__file__}:spelled_code"
    made = compile_grammar(source, words, lang, GrammarOptions(case="upper"))
    assert made.num_marks == 0
    assert status_of("grammar", "compile", source, lang, "--case", "upper", "--normalise") == 0
    compiled = compile_trained_graph(lang, lang / "G.fst", an4 / "model", tmp_path / "graph")
    assert compiled.method == "direct"
    graph = load_graph(tmp_path / "graph")
    found = {name: decode(graph, scores).text.split() for name, scores in read_matrices(an4 / "loglikes.ark")}
    golden = read_text(an4 / "lattices" / "hyp_words.txt")
    counts, of_trigram = (score_texts(read_text(an4 / "text"), words).total for words in (found, golden))
    assert counts.reference_length == of_trigram.reference_length
    assert counts.errors <= of_trigram.errors, (counts, of_trigram)
