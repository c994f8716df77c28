"""Prefix search: without a beam it is enumeration; with one it is the definition; a language model is heeded."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ctc.cases import log_softmax, small_scores
from tests.reference.ctc_enumeration import all_transcripts
from wfst_asr.ctc.fused_search import END, fused_prefix_search, table_model
from wfst_asr.ctc.loss import ctc_log_prob
from wfst_asr.ctc.prefix_search import EXACT, PrefixSearchOptions, prefix_search
from wfst_asr.errors import WfstAsrError


@given(small_scores())
def test_without_a_beam_it_is_enumeration_of_all_transcripts(case):
    log_probs, blank = case
    said = {k: v for k, v in all_transcripts(log_probs.tolist(), blank).items() if v > -np.inf}
    for search in (prefix_search, fused_prefix_search):
        found = search(log_probs, EXACT, blank=blank, nbest=10_000)
        assert {one.labels: one.log_prob for one in found} == pytest.approx(said, abs=1e-9)
        assert len(found) == len(said)
        assert all(one.log_prob >= two.log_prob for one, two in itertools.pairwise(found))


@given(
    st.integers(0, 1000),
    st.sampled_from([1, 2, 5, 20]),
    st.sampled_from([0.5, 3.0, np.inf]),
    st.sampled_from([1, 2, None]),
    st.sampled_from([1.0, 4.0, np.inf]),
)
def test_with_beams_the_kernel_is_the_definition(seed, max_active, beam, max_tokens, token_beam):
    rng = np.random.default_rng(seed)
    blank = int(rng.integers(5))
    log_probs = log_softmax(rng.normal(0, 2, (12, 5)))
    options = PrefixSearchOptions(max_active, beam, max_tokens, token_beam)
    fast = prefix_search(log_probs, options, blank=blank, nbest=30)
    slow = fused_prefix_search(log_probs, options, blank=blank, nbest=30)
    assert [one.labels for one in fast] == [one.labels for one in slow]
    np.testing.assert_allclose([one.log_prob for one in fast], [one.log_prob for one in slow], atol=1e-9)


def test_many_labels_and_many_prefixes_are_the_definition_too():
    rng = np.random.default_rng(1)
    log_probs = log_softmax(rng.normal(0, 2, (8, 60)))
    options = PrefixSearchOptions(max_active=700, token_beam=np.inf)
    fast = prefix_search(log_probs, options, nbest=700)
    slow = fused_prefix_search(log_probs, options, nbest=700)
    assert [one.labels for one in fast] == [one.labels for one in slow]


def test_a_prefix_that_was_dropped_and_comes_back_is_one_with_its_extensions():
    # at these beams prefixes leave and come back; each may be listed once
    for seed in range(200):
        log_probs = log_softmax(np.random.default_rng(seed).normal(0, 3, (15, 3)))
        found = prefix_search(log_probs, PrefixSearchOptions(max_active=4), nbest=4)
        assert len({one.labels for one in found}) == len(found)


@pytest.mark.parametrize("seed", range(5))
def test_no_more_is_counted_than_the_sum_over_all_alignments(seed):
    log_probs = log_softmax(np.random.default_rng(seed).normal(0, 2, (60, 10)))
    for one in prefix_search(log_probs, PrefixSearchOptions(max_active=30), nbest=30):
        assert one.log_prob <= ctc_log_prob(log_probs, one.labels) + 1e-9


def test_the_best_labels_may_not_be_those_of_the_best_alignment():
    assert prefix_search(np.log([[0.6, 0.4]] * 2))[0].labels == (1,)


def test_no_frames_say_nothing():
    assert [one.labels for one in prefix_search(np.zeros((0, 3)), nbest=5)] == [()]


@given(small_scores(max_frames=4, max_labels=3), st.integers(0, 100))
def test_with_a_language_model_it_is_enumeration_with_its_scores(case, seed):
    log_probs, blank = case
    num_labels = log_probs.shape[1]
    table = log_softmax(np.random.default_rng(seed).normal(0, 1, (num_labels + 1, num_labels + 1)))
    weight, bonus = 0.7, 0.3
    expected = {}
    for labels, log_prob in all_transcripts(log_probs.tolist(), blank).items():
        steps = zip((num_labels, *labels), (*labels, num_labels), strict=True)
        lm = sum(table[before, after] for before, after in steps)
        if log_prob > -np.inf:
            expected[labels] = (log_prob, lm, log_prob + weight * lm + bonus * len(labels))
    found = fused_prefix_search(
        log_probs,
        EXACT,
        blank=blank,
        nbest=1000,
        language_model=table_model(table),
        lm_weight=weight,
        label_bonus=bonus,
    )
    assert {one.labels for one in found} == set(expected)
    for one in found:
        assert (one.log_prob, one.lm_log_prob, one.score) == pytest.approx(expected[one.labels], abs=1e-9)


def test_a_language_model_is_asked_for_the_end():
    asked = []

    def model(prefix, label):
        asked.append((prefix, label))
        return 0.0 if label != END or prefix == (1,) else -np.inf

    found = fused_prefix_search(np.log([[0.9, 0.1]]), language_model=model, nbest=2)
    assert found[0].labels == (1,)
    assert ((), END) in asked


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PrefixSearchOptions(max_active=0), "max_active is 0; expected 1 or more, or None"),
        (lambda: PrefixSearchOptions(beam=-1.0), "beam is -1.0; expected 0 or more"),
        (lambda: PrefixSearchOptions(token_beam=float("nan")), "token_beam is nan"),
        (lambda: prefix_search(np.zeros((2, 2))), "sum to 2, expected 1; apply log_softmax"),
        (lambda: prefix_search([[0.0]], nbest=0), "nbest is 0"),
        (lambda: fused_prefix_search([[0.0]], nbest=0), "nbest is 0"),
        (lambda: table_model(np.zeros((3, 5))), r"bigram table of shape \(3, 5\)"),
    ],
)
def test_bad_options_are_told(call, message):
    with pytest.raises(WfstAsrError, match=message):
        call()


def test_too_much_for_an_unbounded_search_is_told(monkeypatch):
    monkeypatch.setattr("wfst_asr.ctc.prefix_search._MAX_CANDIDATES", 1000)
    with pytest.raises(WfstAsrError, match="more than 1000 prefixes at frame 2 of 40; give max_active"):
        prefix_search(log_softmax(np.zeros((40, 30))), EXACT)
