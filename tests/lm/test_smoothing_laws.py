"""Every smoothing, order and text: p(w | h) is the naive one's, and sums to one after every history."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import ngram_smoothing as naive
from tests.reference import srilm_smoothing as naive_srilm
from wfst_asr.lm.counts import count_ngrams
from wfst_asr.lm.estimate import EstimateOptions, estimate_model
from wfst_asr.lm.text import text_of_sentences

BACKED_OFF = ["maximum-likelihood", "add-k", "good-turing", "katz", "witten-bell", "absolute", "kneser-ney"]
INTERPOLATED = ["witten-bell", "absolute", "kneser-ney", "modified-kneser-ney"]
METHODS = [*((name, False) for name in [*BACKED_OFF, "modified-kneser-ney"]), *((name, True) for name in INTERPOLATED)]
SRILM_METHODS = [method for method in METHODS if method[0] not in ("maximum-likelihood", "add-k")]


def sentences_of(letters, max_words=8, max_sentences=12):
    sentence = st.lists(st.sampled_from(letters), min_size=1, max_size=max_words)
    return st.lists(sentence, min_size=1, max_size=max_sentences)


def repeated(sentences):
    """The same sentences several times: no singletons."""
    return st.tuples(sentences, st.integers(2, 7)).map(lambda drawn: drawn[0] * drawn[1])


def each_by_itself(sentences):
    """Every sentence as often as its place says: many classes of counts."""
    return sentences.map(lambda drawn: [sentence for i, sentence in enumerate(drawn) for _ in range(1 + i // 3)])


TEXTS = st.one_of(
    sentences_of("abcd"),
    sentences_of("ab", 12),
    sentences_of("a", 5),
    sentences_of("abcdefghijkl", 6, 25),
    sentences_of("abcd", 5, 1),
    repeated(sentences_of("abc", 4, 4)),
    each_by_itself(sentences_of("abcdefghijkl", 3, 20)),
    each_by_itself(sentences_of("abcdefghijkl", 1, 20)),
)
# None: the words of the text; else these, and what stands in the place of others (None: their n-grams are left out)
VOCABULARIES = st.sampled_from(
    [
        None,
        None,
        ("abcdefghijklyz", "<unk>"),
        ("abc", "<unk>"),
        ("az", "<unk>"),
        ("abz", None),
        ("abcdefghijklyz", None),
    ]
)
CUTOFFS = st.sampled_from([None, None, (1, 2), (1, 1, 2), (2,), (2, 2, 3)])


def mapped(sentences, vocabulary, unknown):
    """Sentences and events of a text with a vocabulary; None is a word outside."""
    if vocabulary is None:
        return sentences, sorted({word for sentence in sentences for word in sentence} | {"</s>"})
    kept = [[word if word in vocabulary else unknown for word in sentence] for sentence in sentences]
    return kept, [*vocabulary, "</s>", *([unknown] if unknown else [])]


def seen_histories(sentences, order):
    result = {()}
    for sentence in sentences:
        words = ("<s>", *sentence, "</s>")
        result |= {words[i:j] for i in range(len(words)) for j in range(i + 1, min(len(words), i + order))}
    return sorted(history for history in result if None not in history)


def assert_same(sentences, order, vocabulary, options, p):
    """Compare all p(w | h) for histories that were seen, some that were not, and some that end the sentence."""
    words, unknown = vocabulary or (None, "<unk>")
    if options.smoothing.endswith("kneser-ney"):
        unknown = "<unk>"
    kept, events = mapped(sentences, words, unknown)
    counts = count_ngrams(text_of_sentences(sentences), order, vocabulary=words and list(words), unknown=unknown)
    assert {"<s>", *events} == set(counts.words)
    model = estimate_model(counts, options).model
    p = p(kept, events, order)
    words = np.array([model.word_ids[word] for word in events])
    unseen = [("a", "a", "b"), ("b", "a"), ("</s>", "a"), ("a", "<s>"), ("a", "b", "a", "b")]
    unseen = [history[: order - 1] for history in unseen if set(history) <= set(counts.words)]
    sums_to_one = options.smoothing != "maximum-likelihood"
    for history in [*seen_histories(kept, order), *unseen]:
        before = np.array([model.word_ids[word] for word in history], dtype=np.int64)
        rows = np.column_stack([np.tile(before, (len(words), 1)), words])
        found = np.exp(model.log_probs(rows))
        expected = [p(word, history) for word in events]
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-300), history
        if sums_to_one or sum(expected) > 0:
            assert found.sum() == pytest.approx(1, abs=1e-9), history


def naive_of(module, smoothing, *, interpolate, **options):
    """The naive method of a name as a function of sentences, events and order."""
    method = getattr(module, smoothing.replace("-", "_"))
    if smoothing in INTERPOLATED:
        options["interpolate"] = interpolate
    return partial(method, **options)


def per_order(cutoffs, order):
    """Cutoffs of every order: the last holds for the orders above."""
    return cutoffs and tuple(cutoffs[min(n, len(cutoffs) - 1)] for n in range(order))


@pytest.mark.parametrize(("smoothing", "interpolate"), METHODS)
@settings(max_examples=60)
@given(
    sentences=TEXTS, order=st.integers(1, 5), vocabulary=VOCABULARIES, cutoffs=CUTOFFS, k=st.sampled_from([1e-3, 1, 2])
)
def test_probabilities_are_the_formulas(smoothing, interpolate, sentences, order, vocabulary, cutoffs, k):
    options = EstimateOptions(smoothing, interpolate=interpolate, cutoffs=cutoffs, k=k)
    own = {"k": k} if smoothing == "add-k" else {}
    p = naive_of(naive, smoothing, interpolate=interpolate, cutoffs=per_order(cutoffs, order), **own)
    assert_same(sentences, order, vocabulary, options, p)


@pytest.mark.parametrize(("smoothing", "interpolate"), METHODS)
def test_probabilities_are_the_formulas_where_next_to_nothing_is_left(smoothing, interpolate):
    """Of four words three follow every history, so that what shorter histories leave for the fourth is soon below 1e-15."""
    sentences = [["a"] * 900 + ["b"] * 900 + ["a", "b", "b", "b"], ["b", "a", "a", "a"], ["b", "b", "a"], ["a", "b"]]
    p = naive_of(naive, smoothing, interpolate=interpolate)
    assert_same(sentences, 5, ("abz", None), EstimateOptions(smoothing, interpolate=interpolate), p)


@settings(max_examples=60)
@given(sentences=TEXTS, order=st.integers(1, 3), vocabulary=VOCABULARIES, threshold=st.integers(1, 8))
def test_katz_probabilities_are_the_formulas_for_every_threshold(sentences, order, vocabulary, threshold):
    options = EstimateOptions("katz", katz_threshold=threshold)
    assert_same(sentences, order, vocabulary, options, partial(naive.katz, k=threshold))


@pytest.mark.parametrize(("smoothing", "interpolate"), SRILM_METHODS)
@settings(max_examples=60)
@given(
    sentences=TEXTS,
    order=st.integers(1, 5),
    vocabulary=VOCABULARIES,
    cutoffs=st.sampled_from([None, (1,), (1, 2), (1, 1, 3)]),
)
def test_probabilities_are_srilms(smoothing, interpolate, sentences, order, vocabulary, cutoffs):
    options = EstimateOptions(smoothing, interpolate=interpolate, cutoffs=cutoffs, srilm=True)
    own = {"cutoffs": per_order(cutoffs, order)} if cutoffs else {}
    name = "good-turing" if smoothing == "katz" else smoothing
    assert_same(sentences, order, vocabulary, options, naive_of(naive_srilm, name, interpolate=interpolate, **own))
