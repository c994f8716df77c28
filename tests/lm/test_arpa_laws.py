"""What holds of every model that is written and read: the numbers, the bytes, the sums."""

import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, example, given

from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.arpa import read_arpa, write_arpa
from wfst_asr.lm.assemble import NGramRows, assemble_model
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.lm.history_sums import history_sums, largest_deviation

LN10 = np.log(10)


def random_model(rng, *, num_words, order, num_ngrams=60, largest=3.0):
    """Return a model of random n-grams with every history that they need."""
    grams = {tuple(map(int, rng.integers(num_words, size=order))) for _ in range(num_ngrams)}
    rows = []
    for n in range(1, order + 1):
        level = sorted({gram[:n] for gram in grams}) if n > 1 else [(word,) for word in range(num_words)]
        log_prob = -rng.exponential(largest, len(level))
        backoff = rng.normal(size=len(level)) if n < order else np.zeros(len(level))
        rows.append(NGramRows(np.array(level, np.int32).reshape(-1, n), log_prob, backoff))
    return assemble_model([f"w{i}" for i in range(num_words)], rows).model


def sound_model(rng, *, num_words, order, num_ngrams=60):
    """Return a random model whose back-off weights make every history sum to one."""
    model = random_model(rng, num_words=num_words, order=order, num_ngrams=num_ngrams)
    unigrams = model.levels[0].log_prob
    unigrams -= np.log(np.exp(unigrams).sum())
    for n in range(1, order):
        level, above = model.levels[n - 1], model.levels[n]
        for entry in range(len(level)):
            children = slice(level.first_child[entry], level.first_child[entry + 1])
            if children.start == children.stop:
                level.backoff[entry] = 0.0
                continue
            path, at = [], entry
            for depth in range(n - 1, -1, -1):
                path.append(int(model.levels[depth].word[at]))
                at = int(model.parents[depth][at])
            words = above.word[children]
            lower = np.exp(model.log_probs(np.array([[*path[::-1][1:], w] for w in words]))).sum()
            if 1 - lower < 1e-3:
                above.log_prob[children] += np.log(1 / np.exp(above.log_prob[children]).sum())
                level.backoff[entry] = -np.inf
                continue
            mass = np.exp(above.log_prob[children]).sum()
            above.log_prob[children] += np.log(0.6 / mass)
            level.backoff[entry] = np.log(0.4 / (1 - lower))
    return model


def read_numbers(text):
    """Return log10 probabilities and back-off weights as they stand in an ARPA file."""
    numbers = {}
    for line in text.splitlines():
        columns = line.split("\t")
        if len(columns) > 1:
            numbers[columns[1]] = [float(columns[0]), float(columns[2]) if len(columns) > 2 else 0.0]
    return numbers


numbers = st.one_of(
    st.builds(lambda digits, power: -float(f"{digits}e{power}"), st.integers(0, 999_999_999), st.integers(-60, 12)),
    st.sampled_from([0.0, -0.0, -99.0, -0.1, -0.01, -1e-9, -9.99999999e-10, -1.0, -9999.99999, -1e4, -1e300, -1e-300]),
)


@given(values=st.lists(numbers, min_size=1, max_size=30))
@example(values=[-0.099999999, -0.100000001, -1e-9, -1.00000001e-9, -9.99999999e-10, -9999.99999, -1e4, -10000.0001])
def test_numbers_of_nine_digits_are_written_as_they_were_read(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("nine") / "lm.arpa"
    lines = "".join(f"{value!r}\tw{i}\t{value!r}\n" for i, value in enumerate(values))
    path.write_text(
        f"\\data\\\nngram 1={len(values)}\nngram 2=1\n\n\\1-grams:\n{lines}\n\\2-grams:\n-1\tw0 w0\n\n\\end\\\n"
    )
    write_arpa(read_arpa(path), path.with_suffix(".again"))
    text = path.with_suffix(".again").read_text()
    assert read_numbers(text) == read_numbers(path.read_text())


@given(
    values=st.lists(st.one_of(st.floats(max_value=0, allow_nan=False, width=64), numbers), min_size=1, max_size=30),
    weights=st.lists(st.floats(allow_nan=False, max_value=1e300), min_size=1, max_size=30),
)
@example(
    values=[-1e-9 - 1e-22, -1e-9 + 1e-22, -1e-9 + 5e-19, -9999.99999999999, -0.09999999999999], weights=[-1e-41, 5e-324]
)
def test_a_model_read_from_what_we_wrote_is_written_byte_for_byte_alike(tmp_path_factory, values, weights):
    assume(all(value == 0 or abs(value) > 1e-290 for value in values + weights))
    folder = tmp_path_factory.mktemp("bytes")
    size = max(len(values), len(weights))
    unigrams = NGramRows(np.arange(size, dtype=np.int32)[:, None], np.resize(values, size), np.resize(weights, size))
    bigrams = NGramRows(np.zeros((1, 2), np.int32), np.array([-1.0]), np.zeros(1))
    write_arpa(assemble_model([f"w{i}" for i in range(size)], [unigrams, bigrams]).model, folder / "one.arpa")
    write_arpa(read_arpa(folder / "one.arpa"), folder / "two.arpa")
    assert (folder / "one.arpa").read_bytes() == (folder / "two.arpa").read_bytes()
    written = np.array(list(read_numbers((folder / "one.arpa").read_text()).values())[:size])
    expected = np.stack([unigrams.log_prob, unigrams.backoff], axis=1) / LN10
    expected[expected == -np.inf] = -99
    np.testing.assert_allclose(written, expected, rtol=6e-11, atol=6e-11)


@pytest.mark.parametrize("suffix", [".arpa", ".arpa.gz"])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_random_models_read_back(tmp_path, seed, order, suffix):
    model = random_model(np.random.default_rng(seed), num_words=9, order=order)
    write_arpa(model, tmp_path / f"one{suffix}")
    read = read_arpa(tmp_path / f"one{suffix}")
    write_arpa(read, tmp_path / f"two{suffix}")
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    assert read.words == model.words
    for ours, theirs in zip(model.levels, read.levels, strict=True):
        np.testing.assert_array_equal(ours.word, theirs.word)
        np.testing.assert_array_equal(ours.first_child, theirs.first_child)
        np.testing.assert_allclose(ours.log_prob, theirs.log_prob, atol=2e-10)
        np.testing.assert_allclose(ours.backoff, theirs.backoff, atol=2e-10)


def test_lines_that_fill_the_buffer_many_times_are_all_written(tmp_path, monkeypatch):
    model = random_model(np.random.default_rng(0), num_words=20, order=4, num_ngrams=400)
    write_arpa(model, tmp_path / "whole.arpa")
    monkeypatch.setattr("wfst_asr.lm.arpa_writer._BUFFER_BYTES", 1)
    monkeypatch.setattr("wfst_asr.lm.arpa_writer._BLOCK_LINES", 7)
    write_arpa(model, tmp_path / "pieces.arpa")
    assert (tmp_path / "whole.arpa").read_bytes() == (tmp_path / "pieces.arpa").read_bytes()


@pytest.mark.parametrize("order", [2, 3, 4])
def test_every_history_of_a_written_model_still_sums_to_one(tmp_path, order):
    model = sound_model(np.random.default_rng(order), num_words=8, order=order)
    assert largest_deviation(model, np.random.default_rng(0)) < 1e-12
    write_arpa(model, tmp_path / "lm.arpa")
    assert largest_deviation(read_arpa(tmp_path / "lm.arpa"), np.random.default_rng(0)) < 1e-9


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_history_sums_equal_the_sum_over_the_vocabulary(order):
    rng = np.random.default_rng(order)
    model = random_model(rng, num_words=6, order=order)
    for length in range(order):
        histories = rng.integers(6, size=(30, length))
        naive = [sum(np.exp(model.log_probs(np.array([[*history, w]]))[0]) for w in range(6)) for history in histories]
        np.testing.assert_allclose(history_sums(model, histories), naive)


def test_impossible_words_and_weights_are_minus_99(tmp_path):
    model = random_model(np.random.default_rng(0), num_words=3, order=2)
    model.levels[0].log_prob[1] = model.levels[0].backoff[2] = -np.inf
    write_arpa(model, tmp_path / "lm.arpa")
    found = read_numbers((tmp_path / "lm.arpa").read_text())
    assert (found["w1"][0], found["w2"][1]) == (-99, -99)


def test_a_probability_of_one_and_a_rounding_error_is_one(tmp_path):
    model = random_model(np.random.default_rng(0), num_words=3, order=2)
    model.levels[0].log_prob[1] = 3e-16
    write_arpa(model, tmp_path / "lm.arpa")
    assert read_numbers((tmp_path / "lm.arpa").read_text())["w1"][0] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_arpa(tmp_path / "lm.arpa")


@pytest.mark.parametrize(
    ("words", "log_prob", "message"),
    [
        (("a", "b c"), -1.0, "word 'b c' is empty or has a space"),
        (("a", "b\n"), -1.0, "word 'b\n' is empty or has a space"),
        (("a", ""), -1.0, "word '' is empty or has a space"),
        (("a", "a"), -1.0, "has the word 'a' twice"),
        (("a", "\ud800"), -1.0, "a word that is no text"),
        (("a", "b"), 0.5, "a 1-gram of the model has the log probability 0.5"),
        (("a", "b"), np.nan, "a 1-gram of the model has the log probability nan"),
    ],
)
def test_a_model_that_no_arpa_file_can_hold_is_refused(tmp_path, words, log_prob, message):
    model = random_model(np.random.default_rng(0), num_words=2, order=1)
    model.levels[0].log_prob[0] = log_prob
    with pytest.raises(WfstAsrError, match=message):
        write_arpa(NGramModel(words, model.levels), tmp_path / "lm.arpa")
    assert not list(tmp_path.iterdir())
