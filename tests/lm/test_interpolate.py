import itertools
import math

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lm.test_scoring import model_of
from tests.reference.backoff_scores import history_sum, log10_prob, random_model
from wfst_asr.cli.lm_interpolate import interpolate as command
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lm.arpa import read_arpa, write_arpa
from wfst_asr.lm.interpolate import interpolate, tune_weights
from wfst_asr.lm.perplexity import text_perplexity
from wfst_asr.lm.text import text_of_sentences

LN10 = math.log(10)
VOCABULARIES = (("</s>", "a", "b", "c", "d"), ("d", "b", "</s>", "e"), ("<unk>", "c", "</s>", "a"))
UNIGRAM = {
    ("<s>",): (-99, 0),
    ("</s>",): (math.log10(0.5), 0),
    ("a",): (math.log10(0.3), 0),
    ("b",): (math.log10(0.2), 0),
}
OTHER = {
    ("<s>",): (-99, 0),
    ("</s>",): (math.log10(0.25), 0),
    ("b",): (math.log10(0.25), 0),
    ("c",): (math.log10(0.5), 0),
}


def lines_of(model):
    """Return a model as a dictionary of ARPA lines."""
    lines = {}
    texts = [()]
    for level, parents in zip(model.levels, model.parents, strict=True):
        texts = [(*texts[parent], model.words[word]) for parent, word in zip(parents, level.word, strict=True)]
        lines.update(zip(texts, zip(level.log_prob / LN10, level.backoff / LN10, strict=True), strict=True))
    return lines


def test_random_models_sum_to_one():
    for seed in range(20):
        lines = random_model(seed, 3, words=VOCABULARIES[0], share=0.5)
        for history in [(), *lines]:
            assert history_sum(lines, history) == pytest.approx(1, abs=1e-9)


@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([0.2, 0.6, 0.95]), st.sampled_from(VOCABULARIES)),
        min_size=1,
        max_size=3,
    ),
    st.lists(st.integers(1, 9), min_size=3, max_size=3),
)
def test_mixed_ngrams_have_the_weighted_sum_and_every_history_sums_to_one(seed, kinds, masses):
    parts = [random_model(seed + i, order, words=words, share=share) for i, (order, share, words) in enumerate(kinds)]
    weights = [mass / sum(masses[: len(parts)]) for mass in masses[: len(parts)]]
    mixed = lines_of(interpolate([model_of(part) for part in parts], weights))
    assert mixed.keys() == set().union(*parts)
    assert not any(math.isnan(value) for values in mixed.values() for value in values)
    for *history, word in mixed:
        if word != "<s>":
            probs = [10 ** log10_prob(part, word, history)[0] for part in parts]
            expected = math.fsum(weight * prob for weight, prob in zip(weights, probs, strict=True))
            assert 10 ** log10_prob(mixed, word, history)[0] == pytest.approx(expected, rel=1e-9)
    words = sorted(set().union(*VOCABULARIES) - {"</s>"})
    for length in range(4):
        for history in itertools.product(words, repeat=length):
            assert history_sum(mixed, history) == pytest.approx(1, abs=1e-9)
            if length > 1:
                break
    for history in mixed:
        assert history_sum(mixed, history) == pytest.approx(1, abs=1e-9)
        assert history_sum(mixed, ("<s>", *history)) == pytest.approx(1, abs=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_models_with_rounded_numbers_still_make_sums_of_one(seed, order):
    parts = [random_model(seed + i, order, words=VOCABULARIES[i], share=0.7) for i in range(2)]
    parts = [
        {ngram: (round(p, 4), round(b, 4) if b > -math.inf else b) for ngram, (p, b) in part.items()} for part in parts
    ]
    mixed = lines_of(interpolate([model_of(part) for part in parts], [0.4, 0.6]))
    for history in [(), *mixed]:
        assert history_sum(mixed, history) == pytest.approx(1, abs=1e-9)


def test_a_model_mixed_with_itself_is_itself():
    lines = random_model(4, 3, words=VOCABULARIES[0], share=0.4)
    mixed = interpolate([model_of(lines), model_of(lines)], [0.25, 0.75])
    for level, expected in zip(mixed.levels, model_of(lines).levels, strict=True):
        assert level.word.tolist() == expected.word.tolist()
        assert level.first_child.tolist() == expected.first_child.tolist()
        assert level.log_prob[1:] == pytest.approx(expected.log_prob[1:], abs=1e-9)


def test_a_word_that_a_model_does_not_list_has_probability_zero_there():
    mixed = interpolate([model_of(UNIGRAM), model_of(OTHER)], [0.8, 0.2])
    assert mixed.words == ("<s>", "</s>", "a", "b", "c")
    assert np.exp(mixed.levels[0].log_prob[1:]) == pytest.approx([0.45, 0.24, 0.21, 0.1])


def test_weight_zero_takes_the_probabilities_away():
    mixed = interpolate([model_of(UNIGRAM), model_of(OTHER)], [1, 0])
    assert np.exp(mixed.levels[0].log_prob[1:]) == pytest.approx([0.5, 0.3, 0.2, 0])


def test_tuned_weights_are_the_best_ones():
    models = [model_of(random_model(seed, 2, words=VOCABULARIES[0], share=0.3)) for seed in (1, 2, 3)]
    text = text_of_sentences(["a b c d", "a a", "d c b x", "c", "b b b", "a d"])
    tuned = tune_weights(models, text)
    assert sum(tuned.weights) == pytest.approx(1)
    assert tuned.perplexity_after <= tuned.perplexity_before
    assert (tuned.num_events, tuned.num_left_out) == (21, 1)

    columns = []
    for model in models:
        rows = [
            ["<s>", *sentence]
            for sentence in (["a", "b", "c", "d"], ["a", "a"], ["d", "c", "b", "x"], ["c"], ["b", "b", "b"], ["a", "d"])
        ]
        columns.append(
            [math.exp(model.log_prob(w, s[:i])) for s in rows for i, w in enumerate([*s, "</s>"]) if i and w != "x"]
        )
    probs = np.array(columns).T

    def perplexity(weights):
        return math.exp(-np.log(probs @ weights).mean())

    assert perplexity(np.array(tuned.weights)) == pytest.approx(tuned.perplexity_after)
    assert perplexity(np.full(3, 1 / 3)) == pytest.approx(tuned.perplexity_before)
    grid = [(i / 50, j / 50, 1 - (i + j) / 50) for i in range(1, 49) for j in range(1, 50 - i)]
    assert min(perplexity(np.array(weights)) for weights in grid) >= tuned.perplexity_after - 1e-4


def test_unigram_mixtures_have_the_perplexity_that_tuning_announces():
    models = [model_of(UNIGRAM), model_of(OTHER)]
    text = text_of_sentences(["a b b", "c a"])
    tuned = tune_weights(models, text)
    assert text_perplexity(interpolate(models, tuned.weights), text).perplexity == pytest.approx(tuned.perplexity_after)


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "1.arpa", tmp_path / "2.arpa.gz"]
    for path, lines in zip(paths, (UNIGRAM, OTHER), strict=True):
        write_arpa(model_of(lines), path)
    (tmp_path / "text").write_text("a b\nc c\n")
    return [str(path) for path in paths]


def test_the_command_writes_the_mixture(files, tmp_path):
    out = tmp_path / "out.arpa"
    result = CliRunner().invoke(command, [*files, str(out), "--weights", "0.8,0.2"], catch_exceptions=False)
    assert f"{out}: 5 words, n-grams 5" in result.stdout
    assert np.exp(read_arpa(out).levels[0].log_prob[1:]) == pytest.approx([0.45, 0.24, 0.21, 0.1], abs=1e-8)
    result = CliRunner().invoke(command, [*files, str(out), "--tune", str(tmp_path / "text")], catch_exceptions=False)
    assert "with equal weights" in result.stdout
    equal = CliRunner().invoke(command, [*files, str(out)], catch_exceptions=False)
    assert equal.stdout.count("0.500000") == 2


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("0.5,0.3,0.2", "there are 3 weights for 2 language models"),
        ("-0.5,1.5", "the weight -0.5 is not a share"),
        ("nan,1", "the weight nan is not a share"),
        ("0,0", "all weights are 0"),
    ],
)
def test_weights_that_do_not_fit_are_refused(files, tmp_path, weights, message):
    with pytest.raises(WfstAsrError, match=message):
        CliRunner().invoke(command, [*files, str(tmp_path / "out.arpa"), "--weights", weights], catch_exceptions=False)
    assert not (tmp_path / "out.arpa").exists()


def test_weights_that_do_not_sum_to_one_are_scaled_with_a_note():
    with pytest.warns(WfstAsrWarning, match="the weights sum to 4; they were scaled"):
        mixed = interpolate([model_of(UNIGRAM), model_of(OTHER)], [2, 2])
    assert np.exp(mixed.levels[0].log_prob[1]) == pytest.approx(0.375)


def test_wrong_use_and_bad_input_are_told(files, tmp_path):
    assert CliRunner().invoke(command, [*files, "out.arpa", "--weights", "a,b"]).exit_code == 2
    assert CliRunner().invoke(command, [*files, "out.arpa", "--weights", "1,0", "--tune", "text"]).exit_code == 2
    assert CliRunner().invoke(command, [files[0], "out.arpa"]).exit_code == 2
    with pytest.raises(WfstAsrError, match="cannot be read"):
        CliRunner().invoke(command, [files[0], str(tmp_path / "absent"), "out.arpa"], catch_exceptions=False)
    with pytest.raises(WfstAsrError, match="none of the 2 words of the text to tune on"):
        tune_weights([model_of(UNIGRAM), model_of(OTHER)], text_of_sentences(["x y"]))
    with pytest.raises(WfstAsrError, match="no language model"):
        interpolate([], [])
