"""Levels from n-grams in any order."""

import numpy as np
import pytest

from wfst_asr.lm._assemble_kernels import find_histories
from wfst_asr.lm.assemble import DuplicateNGramError, NGramRows, assemble_model


def rows_of(grams, order):
    return NGramRows(
        np.array(grams, np.int32).reshape(-1, order), -np.arange(1.0, len(grams) + 1), np.zeros(len(grams))
    )


@pytest.mark.parametrize("shuffled_from", [0, 1, 30, 59, 60])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_histories_are_found_whatever_the_order(shuffled_from, length):
    rng = np.random.default_rng(length)
    histories = np.unique(rng.integers(4, size=(40, length)), axis=0).astype(np.int32)
    ngrams = rng.integers(4, size=(60, length + 1)).astype(np.int32)
    ngrams = ngrams[np.lexsort(ngrams.T[::-1])]
    rng.shuffle(ngrams[shuffled_from:])
    at = {tuple(history): row for row, history in enumerate(histories.tolist())}
    expected = [at.get(tuple(ngram[:-1]), -1) for ngram in ngrams.tolist()]
    assert find_histories(ngrams, histories).tolist() == expected


@pytest.mark.parametrize("seed", range(5))
def test_a_shuffled_model_is_the_same_model(seed):
    rng = np.random.default_rng(seed)
    grams = [sorted({tuple(gram[:n]) for gram in rng.integers(5, size=(20, 4)).tolist()}) for n in range(5)]
    grams[1] = [(word,) for word in range(5)]
    for n in range(3, 1, -1):
        grams[n] = sorted({*grams[n], *(gram[:n] for gram in grams[n + 1])})
    rows = [rows_of(grams[n], n) for n in range(1, 5)]
    model = assemble_model("abcde", rows).model
    mixed = [rows[0]]
    for level in rows[1:]:
        order = rng.permutation(len(level.ngrams))
        mixed.append(NGramRows(level.ngrams[order], level.log_prob[order], level.backoff[order]))
    other = assemble_model("abcde", mixed).model
    for one, two in zip(model.levels, other.levels, strict=True):
        for name in ("word", "log_prob", "backoff", "first_child"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    for n in range(1, 5):
        found = [model.levels[n - 1].log_prob[model.find(gram)] for gram in grams[n]]
        assert found == [-(i + 1.0) for i in range(len(grams[n]))]


@pytest.mark.parametrize(("second", "rows"), [([(0, 1), (0, 1), (1, 0)], (0, 1)), ([(1, 0), (0, 1), (1, 0)], (0, 2))])
def test_repeated_ngrams_are_told_by_their_rows(second, rows):
    with pytest.raises(DuplicateNGramError) as caught:
        assemble_model("ab", [rows_of([(0,), (1,)], 1), rows_of(second, 2)])
    assert (caught.value.order, caught.value.rows) == (2, rows)
