"""Counts equal the naive ones; the naive smoothing holds by itself: by hand, by its sums and by its identities."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import ngram_discounts, ngram_smoothing, srilm_smoothing
from tests.reference.ngram_counts import continuation_counts, counts_of_counts, followers, naive_counts
from wfst_asr.lm import counts as lm_counts
from wfst_asr.lm.text import text_of_sentences

TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=7), min_size=1, max_size=10)
COUNTS_OF_COUNTS = st.dictionaries(st.integers(1, 12), st.integers(1, 60), min_size=1, max_size=9)
DISCOUNTING = ["good_turing", "katz", "witten_bell", "absolute", "kneser_ney", "modified_kneser_ney"]


def histories(sentences, order):
    seen = {ngram[:-1] for level in naive_counts(sentences, order).values() for ngram in level}
    return [*seen, ("d", "a"), ("x",), ("x", "a")]


def assert_sums_to_one(p, events, sentences, order):
    for history in histories(sentences, order):
        values = [p(word, history) for word in events]
        assert min(values) >= 0
        assert sum(values) == pytest.approx(1, abs=1e-9)


def test_counts_do_not_cross_sentences():
    counts = naive_counts([["a", "b"], ["a"]], 3)
    assert counts[1] == {("<s>",): 2, ("a",): 2, ("b",): 1, ("</s>",): 2}
    assert counts[2] == {("<s>", "a"): 2, ("a", "b"): 1, ("b", "</s>"): 1, ("a", "</s>"): 1}
    assert counts[3] == {("<s>", "a", "b"): 1, ("a", "b", "</s>"): 1, ("<s>", "a", "</s>"): 1}
    assert counts_of_counts(counts[1]) == {2: 2, 1: 1}
    assert followers(counts[2], ("a",)) == {"b": 1, "</s>": 1}


def test_continuation_counts_are_numbers_of_different_words_before():
    counts = continuation_counts(naive_counts([["a", "b"], ["a"], ["b"]], 3))
    assert counts[1] == {("<s>",): 3, ("a",): 1, ("b",): 2, ("</s>",): 2}
    assert counts[2] == {("<s>", "a"): 2, ("<s>", "b"): 1, ("a", "b"): 1, ("a", "</s>"): 1, ("b", "</s>"): 2}


@pytest.mark.parametrize("interpolate", [False, True])
@pytest.mark.parametrize("method", DISCOUNTING)
@settings(max_examples=25)
@given(sentences=TEXTS, order=st.integers(1, 4), cutoff=st.sampled_from([None, (1, 1, 2, 2), (2, 2, 2, 3)]))
def test_every_history_sums_to_one(method, interpolate, sentences, order, cutoff):
    events = ["</s>", "<unk>", "d", *sorted({w for sentence in sentences for w in sentence} - {"d"})]
    p = getattr(ngram_smoothing, method)(sentences, events, order, interpolate=interpolate, cutoffs=cutoff)
    assert_sums_to_one(p, events, sentences, order)


@settings(max_examples=25)
@given(sentences=TEXTS, order=st.integers(1, 4), k=st.sampled_from([0.01, 1.0]))
def test_every_history_sums_to_one_with_counts_added(sentences, order, k):
    events = ["</s>", "d", *sorted({w for sentence in sentences for w in sentence} - {"d"})]
    assert_sums_to_one(ngram_smoothing.add_k(sentences, events, order, k), events, sentences, order)
    assert_sums_to_one(ngram_smoothing.maximum_likelihood(sentences, events, order), events, sentences, order)


@pytest.mark.parametrize("interpolate", [False, True])
@pytest.mark.parametrize("method", ["good_turing", "witten_bell", "absolute", "kneser_ney", "modified_kneser_ney"])
@settings(max_examples=25)
@given(sentences=TEXTS, order=st.integers(1, 4))
def test_every_history_sums_to_one_as_srilm_does_it(method, interpolate, sentences, order):
    events = ["</s>", "d", *sorted({w for sentence in sentences for w in sentence} - {"d"})]
    options = {} if method == "good_turing" else {"interpolate": interpolate}
    p = getattr(srilm_smoothing, method)(sentences, events, order, **options)
    assert_sums_to_one(p, events, sentences, order)


@given(n=COUNTS_OF_COUNTS)
def test_good_turing_gives_the_unseen_the_part_of_the_singletons(n):
    total = sum(r * n[r] for r in n)
    if ngram_discounts.smoothed_counts_of_counts(n) is not None:
        starred = ngram_discounts.good_turing(n)
        if all(starred[r] < r for r in n):
            assert sum(n[r] * starred[r] for r in n) == pytest.approx(total - n[1])


@given(n=st.lists(st.integers(1, 60), min_size=6, max_size=6).map(lambda counts: dict(enumerate(counts, 1))))
def test_katz_ratios_are_the_closed_form(n):
    """d_r = (r*/r - A) / (1 - A), A = (k + 1) n_{k+1} / n_1, where all six classes have members."""
    a = Fraction(6 * n[6], n[1])
    if a < 1:
        ratios = {r: (Fraction((r + 1) * n[r + 1], r * n[r]) - a) / (1 - a) for r in range(1, 6)}
        if all(0 < d <= 1 for d in ratios.values()):
            assert ngram_discounts.katz(n) == {r: r * ratios.get(r, 1) for r in n}


@settings(max_examples=25)
@given(sentences=TEXTS, order=st.integers(1, 4))
def test_srilm_is_plain_absolute_discounting_where_nothing_is_cut(sentences, order):
    """With no cutoff the two ways to a back-off weight are one."""
    events = ["</s>", "d", *sorted({w for sentence in sentences for w in sentence} - {"d"})]
    for interpolate in (False, True):
        p = ngram_smoothing.modified_kneser_ney(sentences, events, order, interpolate)
        q = srilm_smoothing.modified_kneser_ney(sentences, events, order, interpolate, cutoffs=(1,) * order)
        for history in histories(sentences, order):
            for word in events:
                assert p(word, history) == pytest.approx(q(word, history), rel=1e-9)


def as_dicts(counts):
    """The n-grams that occur, {n: {ngram: count}}."""
    levels = enumerate(counts.levels, start=1)
    return {n: {counts.ngram(n, i): int(c) for i, c in enumerate(level.count) if c > 0} for n, level in levels}


@settings(max_examples=60)
@given(
    sentences=st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=9), min_size=1, max_size=12),
    order=st.integers(1, 6),
    vocabulary=st.sampled_from([None, "abcde", "ab", "eba", "axyb"]),
    unknown=st.sampled_from(["<unk>", None]),
)
def test_counts_equal_the_naive_ones(sentences, order, vocabulary, unknown):
    text = text_of_sentences(sentences)
    if vocabulary is None:
        expected = naive_counts(sentences, order)
        counts = lm_counts.count_ngrams(text, order)
    else:
        outside = unknown if unknown else "?"
        mapped = [[word if word in vocabulary else outside for word in sentence] for sentence in sentences]
        expected = {
            n: {ngram: count for ngram, count in level.items() if "?" not in ngram}
            for n, level in naive_counts(mapped, order).items()
        }
        counts = lm_counts.count_ngrams(text, order, vocabulary=list(vocabulary), unknown=unknown)
        marks = {"<s>", "</s>", unknown} - {None}
        assert set(counts.words) == set(vocabulary) | marks
    assert as_dicts(counts) == expected
    assert counts.num_sentences == len(sentences)
    for n in range(1, order):
        found = lm_counts.continuation_counts(counts, n)
        naive = continuation_counts(expected)[n]
        assert {counts.ngram(n, i): int(c) for i, c in enumerate(found) if c > 0} == {
            k: c for k, c in naive.items() if c
        }


@settings(max_examples=30)
@given(sentences=st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), min_size=1, max_size=8))
def test_counts_are_sorted_and_point_to_their_parts(sentences):
    counts = lm_counts.count_ngrams(text_of_sentences(sentences), 4)
    for n in range(2, 5):
        level, below = counts.levels[n - 1], counts.levels[n - 2]
        parents = counts.parents(n)
        for i in range(len(level)):
            assert counts.ngram(n, i)[:-1] == counts.ngram(n - 1, int(parents[i]))
            assert counts.ngram(n, i)[1:] == counts.ngram(n - 1, int(level.suffix[i]))
        keys = list(zip(parents.tolist(), level.word.tolist(), strict=True))
        assert keys == sorted(set(keys))
        assert below.first_child[-1] == len(level)
