"""Confusion networks and minimum-Bayes-risk words against a naive recursion and enumeration."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lattice.word_lattices import all_paths, compact_lattices, either_kind, linear_compact
from tests.reference.levenshtein import levenshtein
from tests.reference.naive_confusion import bin_statistics
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.best_path import best_path
from wfst_asr.lattice.confidence import word_confidences
from wfst_asr.lattice.confusion import confusion_network
from wfst_asr.lattice.single_end import with_single_end


def true_risk(lattice, hypothesis, *, ignored=()):
    """Expected Levenshtein distance over all paths."""
    paths = all_paths(lattice)
    lowest = min(cost for _, _, cost in paths)
    weights = [math.exp(lowest - cost) for _, _, cost in paths]
    distances = [levenshtein([w for w in words if w not in ignored], hypothesis) for _, words, _ in paths]
    return sum(w * d for w, d in zip(weights, distances, strict=True)) / sum(weights)


def naive(lattice, hypothesis):
    joined = with_single_end(lattice)
    arcs = list(
        zip(joined.source.tolist(), joined.nextstate.tolist(), joined.word.tolist(), joined.cost.tolist(), strict=True)
    )
    bins = [0]
    for word in hypothesis:
        bins += [word, 0]
    return bin_statistics(arcs, joined.num_states, joined.frame.tolist(), bins)


@given(either_kind(), st.lists(st.integers(1, 4), max_size=4))
def test_statistics_of_a_given_hypothesis_equal_the_naive_recursion(lattice, hypothesis):
    if not all_paths(lattice):
        with pytest.raises(WfstAsrError, match="has no path"):
            confusion_network(lattice, hypothesis)
        return
    posterior, times, risk = naive(lattice, hypothesis)
    found = confusion_network(lattice, hypothesis, keep=True)
    assert found.hypothesis == tuple(hypothesis)
    assert found.bayes_risk == pytest.approx(risk, abs=1e-7)
    assert found.num_bins == len(posterior)
    for number, expected in enumerate(posterior):
        assert dict(found.bin(number)) == pytest.approx(expected, abs=1e-9)
        assert sum(p for _, p in found.bin(number)) == pytest.approx(1.0)
        begin, end = found.first_entry[number : number + 2]
        for i in range(begin, end):
            b, e = times[number][int(found.words[i])]
            share = expected[int(found.words[i])]
            if share > 1e-6:
                assert (found.begins[i], found.ends[i]) == pytest.approx((b / share, e / share), abs=1e-6)
    confidences = [expected.get(word, 0.0) for word, expected in zip(hypothesis, posterior[1::2], strict=True)]
    assert found.confidences == pytest.approx(confidences, abs=1e-9)
    assert word_confidences(lattice, hypothesis) == pytest.approx(confidences, abs=1e-9)


@given(either_kind())
def test_the_risk_bounds_the_expected_distance_and_never_rises(lattice):
    if not all_paths(lattice):
        return
    start = confusion_network(lattice, best_path(lattice).word_ids, keep=True)
    found = confusion_network(lattice)
    assert found.bayes_risk <= start.bayes_risk + 1e-9
    for network in (start, found):
        assert network.bayes_risk >= true_risk(lattice, network.hypothesis) - 1e-6


@given(compact_lattices(tree=True, max_states=8))
def test_where_no_paths_meet_the_risk_is_exact_and_that_of_the_best_path_or_less(lattice):
    if not all_paths(lattice):
        return
    start = confusion_network(lattice, keep=True)
    found = confusion_network(lattice)
    assert found.bayes_risk == pytest.approx(true_risk(lattice, found.hypothesis), abs=1e-3)
    assert true_risk(lattice, found.hypothesis) <= true_risk(lattice, start.hypothesis) + 1e-3


@given(either_kind())
def test_times_are_in_order_and_inside_the_lattice(lattice):
    if not all_paths(lattice):
        return
    found = confusion_network(lattice)
    for begins, ends in ((found.bin_begins, found.bin_ends), (found.word_begins, found.word_ends)):
        assert (begins >= -1e-9).all()
        assert (ends <= lattice.num_frames + 1e-9).all()
        assert (begins <= ends + 1e-9).all()
        assert (ends[:-1] <= begins[1:] + 1e-9).all()


def test_the_example_where_the_best_path_is_not_the_best_guess():
    # each word of the second place is likely, but together they were never seen with the best path's
    lattice = linear_compact([((1, 2, 3), -math.log(0.4)), ((1, 4, 5), -math.log(0.3)), ((6, 4, 3), -math.log(0.3))])
    found = confusion_network(lattice)
    assert best_path(lattice).word_ids == (1, 2, 3)
    assert found.hypothesis == (1, 4, 3)
    assert found.confidences == pytest.approx([0.7, 0.6, 0.7])
    assert found.bayes_risk == pytest.approx(0.3 + 0.4 + 0.3)
    assert found.bin(3) == [(4, pytest.approx(0.6)), (2, pytest.approx(0.4))]
    assert found.word_begins == pytest.approx([0, 1, 2])
    assert found.word_ends == pytest.approx([1, 2, 3])
    assert confusion_network(lattice, keep=True).confidences == pytest.approx([0.7, 0.4, 0.7])


def test_ignored_labels_are_no_words():
    lattice = linear_compact([((9, 1, 9, 2), 0.0), ((1, 9, 2), 1.0), ((1, 3), 1.0)])
    found = confusion_network(lattice, ignored=(9,))
    assert found.hypothesis == (1, 2)
    assert 9 not in found.words
    assert found.confidences[0] == pytest.approx(1.0)


def test_words_that_no_path_has_get_no_confidence():
    lattice = linear_compact([((1, 2), 0.0)])
    assert word_confidences(lattice, [1, 7]) == pytest.approx([1.0, 0.0])
    assert word_confidences(lattice, [-1, 2]) == pytest.approx([0.0, 1.0])
    assert word_confidences(lattice, []).shape == (0,)
    assert word_confidences(lattice, [1, 2], calibration=lambda p: p / 2) == pytest.approx([0.5, 0.5])
    with pytest.raises(WfstAsrError, match="label 0"):
        confusion_network(lattice, [0])


def test_nearly_all_random_lattices_have_no_worse_true_risk_than_the_best_path():
    rng = np.random.default_rng(5)
    worse = better = 0
    for _ in range(300):
        texts = {tuple(rng.integers(1, 4, rng.integers(1, 5)).tolist()) for _ in range(4)}
        lattice = linear_compact([(words, float(rng.random())) for words in sorted(texts)])
        first, found = (
            true_risk(lattice, best_path(lattice).word_ids),
            true_risk(lattice, confusion_network(lattice).hypothesis),
        )
        worse += found > first + 1e-6
        better += found < first - 1e-6
    assert worse == 0
    assert better > 30
