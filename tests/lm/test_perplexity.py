import gzip
import json
import math
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.lm.test_scoring import model_of, random_lines
from tests.reference.backoff_scores import sentence_scores
from wfst_asr.cli.lm_perplexity import perplexity as command
from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.arpa import read_arpa, write_arpa
from wfst_asr.lm.perplexity import text_perplexity
from wfst_asr.lm.text import read_text, text_of_sentences

GOLDEN = Path(__file__).parent.parent / "golden" / "lm"
LN10 = math.log(10)
MODEL = {
    ("<s>",): (-99, -0.3),
    ("</s>",): (-1, 0),
    ("a",): (-0.5, -0.2),
    ("b",): (-0.7, 0),
    ("never",): (-99, 0),
    ("<s>", "a"): (-0.2, 0),
    ("a", "b"): (-0.4, 0),
}


def run(*arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exception is None, result.exception
    return result


@pytest.fixture
def files(tmp_path):
    def make(sentences, lines=MODEL):
        write_arpa(model_of(lines), tmp_path / "lm.arpa")
        (tmp_path / "text").write_text(sentences)
        return tmp_path / "lm.arpa", tmp_path / "text"

    return make


def test_kenlm_gives_the_same_sentence_scores_and_perplexities():
    report = (GOLDEN / "scoring_query.txt").read_text()
    totals = [float(line) for line in re.findall(r"Total: (\S+) OOV", report)]
    oovs = [int(line) for line in re.findall(r"OOV: (\d+)", report)]
    model = read_arpa(GOLDEN / "scoring_3gram.arpa.gz")
    text = read_text(GOLDEN / "scoring_test.txt")
    with_unknown = text_perplexity(model, text, score_unknown=True, per_sentence=True)
    without = text_perplexity(model, text, per_sentence=True)
    assert with_unknown.per_sentence.log_prob / LN10 == pytest.approx(totals, abs=2e-5)
    lines = (GOLDEN / "scoring_test.txt").read_text().splitlines()
    assert model.scores(lines) / LN10 == pytest.approx(totals, abs=2e-5)
    assert without.per_sentence.oov.tolist() == oovs
    told = dict(re.findall(r"(Perplexity \w+ OOVs|OOVs|Tokens):\s+(\S+)", report))
    assert with_unknown.perplexity == pytest.approx(float(told["Perplexity including OOVs"]), rel=1e-5)
    assert without.perplexity == pytest.approx(float(told["Perplexity excluding OOVs"]), rel=1e-5)
    assert without.oov == int(told["OOVs"]) == sum(without.oov_words.values())
    assert without.words + without.sentences == int(told["Tokens"])
    assert without.oov_words == {"zeppelin": 5, "quark": 1}


def test_perplexities_follow_the_formula():
    result = text_perplexity(model_of(MODEL), text_of_sentences(["a b", "x a", "b"]), per_sentence=True)
    # a b </s> | x a </s> (x hides <s>) | b </s>
    log10 = [-0.2 - 0.4 - 1, -0.5 - 0.2 - 1, -0.3 - 0.7 - 1]
    assert result.log_prob == pytest.approx(LN10 * sum(log10))
    assert (result.sentences, result.words, result.oov) == (3, 5, 1)
    assert result.perplexity == pytest.approx(10 ** (-sum(log10) / 7))
    assert result.perplexity_without_eos == pytest.approx(10 ** (-sum(log10) / 4))
    assert result.hits == (5, 2)
    assert result.hit_rates == pytest.approx((5 / 7, 2 / 7))
    assert result.oov_words == {"x": 1}
    assert [result.per_sentence.perplexity(i) for i in range(3)] == pytest.approx(
        [10 ** (-log10[0] / 3), 10 ** (-log10[1] / 2), 10 ** (-log10[2] / 2)]
    )


def test_unknown_stands_in_histories_whether_it_is_scored_or_not():
    lines = {**MODEL, ("<unk>",): (-2, -0.1), ("<s>", "<unk>"): (-1.5, 0), ("<unk>", "a"): (-0.6, 0)}
    model = model_of(lines)
    text = text_of_sentences(["x a"])
    expected = [prob for prob, _ in sentence_scores(lines, ["<unk>", "a"])]
    scored = text_perplexity(model, text, score_unknown=True)
    assert scored.log_prob == pytest.approx(LN10 * sum(expected))
    assert (scored.oov, scored.oov_words) == (0, {"x": 1})
    left_out = text_perplexity(model, text)
    assert left_out.log_prob == pytest.approx(LN10 * sum(expected[1:]))
    assert (left_out.oov, left_out.hits) == (1, (1, 1))
    spelled = text_perplexity(model, text_of_sentences(["<unk> a"]))  # a word as others
    assert spelled.log_prob == pytest.approx(LN10 * sum(expected))
    assert spelled.oov == 0


def test_impossible_words_are_counted_named_and_left_out(files):
    result = text_perplexity(model_of(MODEL), text_of_sentences(["a never", "never b"]), per_sentence=True)
    assert (result.zero_probability, result.zero_words, result.oov) == (2, {"never": 2}, 0)
    assert result.log_prob == pytest.approx(LN10 * (-0.2 - 1 - 0.7 - 1))
    assert result.perplexity == pytest.approx(10 ** ((0.2 + 1 + 0.7 + 1) / 4))
    assert result.perplexity_without_eos == pytest.approx(10 ** ((0.2 + 1 + 0.7 + 1) / 2))
    assert sum(result.hits) == 4
    with pytest.warns(UserWarning, match=r"2 words or ends of sentences have probability 0 .* never \(2\)"):
        run(*files("a never\nnever b\n"))


def test_order_limits_the_ngrams():
    model, text = model_of(random_lines(3, 4)), text_of_sentences(["a b c a", "c c"])
    by_order = [text_perplexity(model, text, order=order) for order in range(1, 5)]
    assert [len(result.hits) for result in by_order] == [1, 2, 3, 4]
    assert by_order[-1] == text_perplexity(model, text)
    assert by_order[0].perplexity != by_order[1].perplexity


def test_json_is_one_object_with_the_words_and_the_sentences(files, tmp_path):
    model, text = files("a b\nx a\nx y\n")
    told = json.loads(run(model, text, "--json").stdout)
    assert {"perplexity", "perplexity_without_eos", "words", "oov", "sentences"} <= told.keys()
    assert told["sentences"] == 3
    assert told["oov_words"] == {"x": 2, "y": 1}
    assert [sentence["words"] for sentence in told["per_sentence"]] == [2, 2, 2]
    assert told["log_prob"] == pytest.approx(sum(sentence["log_prob"] for sentence in told["per_sentence"]))
    assert told["hits"] == {"1": 4, "2": 2}
    assert json.loads(run(model, text, "--json", "--no-sentences").stdout)["per_sentence"] is None
    (tmp_path / "text.gz").write_bytes(gzip.compress(text.read_bytes()))
    assert json.loads(run(model, tmp_path / "text.gz", "--json").stdout) == told


def test_the_table_lists_some_words_out_of_the_vocabulary(files):
    shown = run(*files("a b\n" + " ".join(f"w{i}" for i in range(30)) + " w1\n")).stdout
    assert "2 sentences, 33 words, 31 out of vocabulary (93.94 %)" in shown
    assert "out of vocabulary: w1 (2), w0 (1), w2 (1)" in shown
    assert "and 10 more" in shown


def test_bad_input_is_told_in_one_sentence(files, tmp_path):
    def fails(match, *arguments):
        with pytest.raises(WfstAsrError, match=match):
            CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)

    model, text = files("x y\nz\n")
    fails("none of the 3 words of the text are in the vocabulary", model, text)
    fails("lists no '<unk>'", model, text, "--unk")
    fails("order 3: the language model has n-grams of order 1 to 2", model, text, "--order", 3)
    fails("cannot be read", tmp_path / "absent.arpa", text)
    fails("cannot be read", model, tmp_path / "absent")
    fails(
        "none of the 1 words of the text have a probability above 0",
        *files("a", {("<s>",): (-99, 0), ("</s>",): (-99, 0), ("a",): (-99, 0)}),
    )
    fails("does not list '<s>'", *files("a", {("</s>",): (-1, 0), ("a",): (-1, 0)}))
    fails("does not list '</s>'", *files("a", {("<s>",): (-1, 0), ("a",): (-1, 0)}))
    fails("has no words", *files("\n \n"))
    fails("has no words", *files(""))
