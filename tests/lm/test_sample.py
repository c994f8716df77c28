import itertools
import math
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner

from tests.lm.test_scoring import model_of
from tests.reference.backoff_scores import log10_prob, random_model
from wfst_asr.cli.lm_sample import sample as command
from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.arpa import write_arpa
from wfst_asr.lm.sample import sample_sentences

WORDS = ("</s>", "a", "b", "c", "d")


def prob_of(lines, words, *, ended):
    """Return the probability of a sentence, or of its first words."""
    sentence = ["<s>", *words, *(["</s>"] if ended else [])]
    return 10 ** math.fsum(
        log10_prob(lines, word, sentence[max(0, i - 3) : i])[0] for i, word in enumerate(sentence) if i
    )


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("share", [0.3, 0.8])
@pytest.mark.parametrize("seed", [1, 2])
def test_sentences_are_as_frequent_as_they_are_probable(order, share, seed):
    lines = random_model(seed, order, words=WORDS, share=share)
    num = 40_000
    found = Counter(sample_sentences(model_of(lines), num, np.random.default_rng(seed), max_words=3))
    expected = {
        words: prob_of(lines, words, ended=length < 3)
        for length in range(4)
        for words in itertools.product(WORDS[1:], repeat=length)
    }
    assert math.fsum(expected.values()) == pytest.approx(1)
    assert found.keys() <= {words for words, prob in expected.items() if prob > 0}
    for words, prob in expected.items():
        assert abs(found[words] / num - prob) < 4.5 * math.sqrt(prob * (1 - prob) / num) + 1e-9, words


def test_words_that_are_hardly_ever_drawn_from_the_lower_order_come_by_enumeration():
    rare = {
        ("<s>",): (-99, 0),
        ("</s>",): (math.log10(0.5), 0),
        ("b",): (math.log10(0.5), 0),
        ("x",): (-11, 0),
        ("y",): (math.log10(3) - 11, 0),
    }
    after = {("<s>", "b"): (math.log10(0.4), 0), ("<s>", "</s>"): (math.log10(0.2), 0)}
    lines = {**rare, **after, ("<s>",): (-99, math.log10(0.4 / 4e-11))}
    found = Counter(sample_sentences(model_of(lines), 4000, np.random.default_rng(3), max_words=1))
    shares = {" ".join(words): count / 4000 for words, count in found.items()}
    assert shares == pytest.approx({"b": 0.4, "": 0.2, "x": 0.1, "y": 0.3}, abs=0.03)


def test_what_rounding_leaves_is_given_to_the_listed_words():
    lines = {("<s>",): (-99, 0), ("</s>",): (math.log10(0.5), 0), ("b",): (math.log10(0.5), 0)}
    lines |= {("<s>", "b"): (math.log10(0.4), 0), ("<s>", "</s>"): (math.log10(0.4), 0)}  # a sum of 0.8
    found = Counter(sample_sentences(model_of(lines), 4000, np.random.default_rng(3), max_words=1))
    assert found[("b",)] == pytest.approx(2000, abs=200)


def test_a_seed_gives_the_same_sentences_and_the_limit_cuts():
    model = model_of(random_model(5, 3, words=WORDS, share=0.5))
    first = sample_sentences(model, 50, np.random.default_rng(7))
    assert first == sample_sentences(model, 50, np.random.default_rng(7))
    assert first != sample_sentences(model, 50, np.random.default_rng(8))
    assert max(map(len, sample_sentences(model, 200, np.random.default_rng(7), max_words=2))) == 2
    assert sample_sentences(model, 0, np.random.default_rng(7)) == []


def test_a_prefix_is_the_history_of_the_words_after_it():
    lines = random_model(6, 3, words=WORDS, share=0.5)
    found = Counter(sample_sentences(model_of(lines), 20_000, np.random.default_rng(1), prefix=["a", "b"], max_words=3))
    for word in WORDS:
        prob = 10 ** log10_prob(lines, word, ["a", "b"])[0]
        sentence = ("a", "b") if word == "</s>" else ("a", "b", word)
        assert found[sentence] / 20_000 == pytest.approx(prob, abs=0.02)


def test_the_command_prints_one_sentence_a_line(tmp_path):
    path = tmp_path / "lm.arpa"
    write_arpa(model_of(random_model(5, 2, words=WORDS, share=0.5)), path)
    arguments = [str(path), "--num", "7", "--seed", "3", "--prefix", "a b"]
    shown = CliRunner().invoke(command, arguments, catch_exceptions=False).stdout
    assert shown.count("\n") == 7
    assert all(line.startswith("a b") for line in shown.splitlines())
    assert shown == CliRunner().invoke(command, arguments, catch_exceptions=False).stdout


def test_bad_input_is_told():
    rng = np.random.default_rng(0)
    model = model_of({("<s>",): (-99, 0), ("</s>",): (-1, 0), ("a",): (-1, 0)})
    with pytest.raises(WfstAsrError, match="'x' of the prefix is not in the vocabulary"):
        sample_sentences(model, 1, rng, prefix=["x"])
    with pytest.raises(WfstAsrError, match="the prefix has 2 words"):
        sample_sentences(model, 1, rng, prefix=["a", "a"], max_words=2)
    with pytest.raises(WfstAsrError, match="-1 sentences"):
        sample_sentences(model, -1, rng)
    with pytest.raises(WfstAsrError, match="does not list '</s>'"):
        sample_sentences(model_of({("<s>",): (-99, 0), ("a",): (-1, 0)}), 1, rng)
    with pytest.raises(WfstAsrError, match="no word a probability above 0"):
        sample_sentences(model_of({("<s>",): (0, 0), ("</s>",): (-math.inf, 0)}), 1, rng)
