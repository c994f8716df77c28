import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import relative_entropy_pruning as naive
from wfst_asr.cli.lm_prune import prune as prune_command
from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.arpa import read_arpa, write_arpa
from wfst_asr.lm.assemble import NGramRows, assemble_model
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.lm.prune import prune, pruning_scores

START, END = 0, 1


def random_grams(rng: np.random.Generator, num_words: int, order: int, density: float) -> naive.Model:
    """N-grams with prefixes but not all suffixes listed, every history summing to 1."""
    words = range(num_words + 2)
    unigram = rng.dirichlet(np.ones(num_words + 1))
    grams: naive.Model = {(w,): (0.0 if w == START else float(unigram[w - 1]), 1.0) for w in words}
    histories = [(w,) for w in words if w != END]
    for _ in range(2, order + 1):
        new = []
        for history in histories:
            listed = [w for w in words if w != START and rng.random() < density]
            if not listed:
                continue
            share = 1.0 if len(listed) == num_words + 1 else rng.uniform(0.3, 0.98)
            for w, p in zip(listed, rng.dirichlet(np.ones(len(listed))) * share, strict=True):
                grams[*history, w] = (float(p), 1.0)
                new.append((*history, w))
        histories = [gram for gram in new if gram[-1] != END]
    return naive.renormalised(grams, START)


def as_model(grams: naive.Model) -> NGramModel:
    num_words = sum(len(gram) == 1 for gram in grams)
    rows = []
    with np.errstate(divide="ignore"):
        for n in range(1, max(map(len, grams)) + 1):
            some = [gram for gram in grams if len(gram) == n]
            prob, weight = np.array([grams[gram] for gram in some]).T
            rows.append(NGramRows(np.array(some, np.int32), np.log(prob), np.log(weight)))
    return assemble_model(["<s>", "</s>", *(f"w{i}" for i in range(num_words - 2))], rows).model


def listed(model: NGramModel) -> list[tuple[int, ...]]:
    grams: list[tuple[int, ...]] = []
    level: list[tuple[int, ...]] = [()]
    for k, parents in enumerate(model.parents):
        level = [(*level[p], int(w)) for p, w in zip(parents, model.levels[k].word, strict=True)]
        grams += level
    return grams


def sums(model: NGramModel) -> np.ndarray:
    """Sum of p(w | h) over the events, for every listed history and the empty one."""
    events = np.array([w for w in range(len(model.words)) if w != START])
    histories = [(), *(gram for gram in listed(model) if len(gram) < model.order and gram[-1] != END)]
    return np.array(
        [
            np.exp(model.log_probs(np.column_stack([np.tile(np.array(h, int), (len(events), 1)), events]))).sum()
            for h in histories
        ]
    )


models = st.builds(
    lambda seed, num_words, order, density: random_grams(np.random.default_rng(seed), num_words, order, density),
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([0.2, 0.5, 0.9]),
)


@settings(max_examples=60, deadline=None)
@given(models, st.sampled_from([0.0, 1e-4, 1e-2, 0.1, 10.0]))
def test_pruning_equals_the_naive_definition(grams: naive.Model, threshold: float) -> None:
    expected = naive.prune(grams, threshold, START, END) if threshold else grams
    model = prune(as_model(grams), threshold=threshold)
    # n-grams whose score is the threshold to the last digit may fall on either side
    assert sorted(expected) == sorted(listed(model))
    level: list[tuple[int, ...]] = [()]
    for k, parents in enumerate(model.parents):
        level = [(*level[p], int(w)) for p, w in zip(parents, model.levels[k].word, strict=True)]
        ours = np.exp(np.column_stack([model.levels[k].log_prob, model.levels[k].backoff]))
        np.testing.assert_allclose(ours, np.array([expected[gram] for gram in level]), rtol=1e-8, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(models)
def test_scores_are_the_divergence_summed_over_all_words(grams: naive.Model) -> None:
    model = as_model(grams)
    expected: dict[tuple[int, ...], float] = {}
    for gram in sorted(grams, key=len, reverse=True):
        below = [expected[g] for g in expected if g[:-1] == gram]
        expected[gram] = max([naive.score(grams, gram, START, END), *below]) if len(gram) > 1 else math.inf
    ours = np.concatenate(pruning_scores(model))
    np.testing.assert_allclose(ours, [expected[gram] for gram in listed(model)], rtol=1e-6, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(models, st.floats(0.0, 1.0))
def test_every_history_sums_to_one_after_pruning_to_any_size(grams: naive.Model, part: float) -> None:
    model = as_model(grams)
    unigrams, total = len(model.words), sum(model.num_ngrams)
    wanted = unigrams + round(part * (total - unigrams))
    pruned = prune(model, max_ngrams=wanted)
    assert sum(pruned.num_ngrams) == wanted
    np.testing.assert_allclose(sums(pruned), 1.0, atol=1e-9)
    assert all(pruned.num_ngrams)
    for gram in listed(pruned):
        assert (
            pruned.levels[len(gram) - 1].log_prob[pruned.find(gram)]
            == model.levels[len(gram) - 1].log_prob[model.find(gram)]
        )


@settings(max_examples=40, deadline=None)
@given(models)
def test_a_smaller_model_lies_within_a_larger_one(grams: naive.Model) -> None:
    model = as_model(grams)
    scores = np.unique(np.concatenate(pruning_scores(model)))
    before = set(listed(model))
    for threshold in scores[np.isfinite(scores)]:
        now = set(listed(prune(model, threshold=float(threshold))))
        assert now <= before
        assert now == set(listed(prune(model, max_ngrams=len(now))))
        before = now


@settings(max_examples=30, deadline=None)
@given(models, st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1e-1]))
def test_a_history_model_gives_the_probabilities_of_histories(grams: naive.Model, seed: int, threshold: float) -> None:
    model = as_model(grams)
    rng = np.random.default_rng(seed)
    other = random_grams(rng, len(model.words) - 2, int(rng.integers(1, 4)), 0.5)
    history_model = as_model(other)
    # the same words in another order of ids
    to = rng.permutation(len(model.words))
    renamed = {tuple(int(to[w]) for w in gram): v for gram, v in other.items()}
    names = tuple(history_model.words[w] for w in np.argsort(to))
    shuffled = NGramModel(names, as_model(renamed).levels)
    expected = naive.prune(grams, threshold, START, END, other)
    assert sorted(expected) == sorted(listed(prune(model, threshold=threshold, history_model=history_model)))
    assert sorted(expected) == sorted(listed(prune(model, threshold=threshold, history_model=shuffled)))


def test_an_n_gram_that_backing_off_gives_anyway_costs_nothing_and_goes_first() -> None:
    half = math.log(0.5)
    rows = [
        NGramRows(np.array([[0], [1], [2]], np.int32), np.array([-np.inf, half, half]), np.zeros(3)),
        NGramRows(np.array([[2, 1], [2, 2], [0, 2]], np.int32), np.array([half, half, math.log(0.9)]), np.zeros(3)),
    ]
    rows[0].backoff[0] = math.log(0.1 / 0.5)
    model = assemble_model(["<s>", "</s>", "a"], rows).model
    np.testing.assert_allclose(pruning_scores(model)[1][1:], 0.0, atol=1e-12)
    assert prune(model, threshold=1e-9).num_ngrams == (3, 1)
    assert prune(model, max_ngrams=4).num_ngrams == (3, 1)
    # p(<s>) is p(</s>) = 1/2: exp(1/2 (0.9 ln(0.9 / 0.5) + 0.1 ln(0.1 / 0.5))) - 1
    divergence = 0.5 * (0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5))
    assert pruning_scores(model)[1][0] == pytest.approx(math.expm1(divergence))


def test_pruning_everything_leaves_a_unigram_model() -> None:
    model = as_model(random_grams(np.random.default_rng(3), 4, 3, 0.8))
    pruned = prune(model, threshold=1e9)
    assert pruned.order == 1
    assert not pruned.levels[0].first_child.any()
    assert not pruned.levels[0].backoff.any()
    np.testing.assert_array_equal(pruned.levels[0].log_prob, model.levels[0].log_prob)


def test_impossible_words_stay_impossible_where_nothing_was_left_to_back_off() -> None:
    third = math.log(1 / 3)
    rows = [
        NGramRows(np.array([[0], [1], [2], [3]], np.int32), np.array([-np.inf, third, third, third]), np.zeros(4)),
        NGramRows(np.array([[2, 2], [2, 3]], np.int32), np.log([0.999, 0.001]), np.zeros(2)),
    ]
    rows[0].backoff[2] = -np.inf  # maximum likelihood: </s> never follows a
    model = assemble_model(["<s>", "</s>", "a", "b"], rows).model
    same = prune(model, threshold=0.0)
    assert same.levels[0].backoff[2] == -np.inf
    fewer = prune(model, max_ngrams=5)
    np.testing.assert_allclose(sums(fewer), 1.0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either a threshold or a number"),
        ({"threshold": 1e-8, "max_ngrams": 10}, "either a threshold or a number"),
        ({"threshold": -1.0}, "threshold of pruning is -1.0"),
        ({"threshold": math.nan}, "threshold of pruning is nan"),
        ({"max_ngrams": 3}, "3 n-grams cannot be kept: the model has 6 unigrams"),
    ],
)
def test_bad_options_are_told(options: dict[str, float], message: str) -> None:
    model = as_model(random_grams(np.random.default_rng(0), 4, 2, 0.5))
    with pytest.raises(WfstAsrError, match=message):
        prune(model, **options)


def test_a_history_model_of_other_words_is_told() -> None:
    model = as_model(random_grams(np.random.default_rng(0), 4, 2, 0.5))
    other = as_model(random_grams(np.random.default_rng(0), 2, 2, 0.5))
    with pytest.raises(WfstAsrError, match="lacks the word 'w2'"):
        prune(model, threshold=1e-8, history_model=other)


def test_the_command_prunes_to_a_size_and_tells_the_orders(tmp_path: Path) -> None:
    model = as_model(random_grams(np.random.default_rng(0), 4, 3, 0.5))
    write_arpa(model, tmp_path / "big.arpa")
    args = [str(tmp_path / "big.arpa"), str(tmp_path / "small.arpa"), "--json"]
    result = CliRunner().invoke(prune_command, [*args, "--max-ngrams", "10"], catch_exceptions=False)
    told = json.loads(result.stdout)
    assert told["before"] == list(model.num_ngrams)
    assert sum(told["after"]) == 10
    assert list(read_arpa(tmp_path / "small.arpa").num_ngrams) == told["after"]
    args = [*args[:-1], "--threshold", "1e9", "--history-model", str(tmp_path / "big.arpa")]
    shown = CliRunner().invoke(prune_command, args, catch_exceptions=False).stdout
    assert "small.arpa: 6 of " in shown
    assert shown.splitlines()[-1].split()[-1] == "0"  # no trigram is left
    assert CliRunner().invoke(prune_command, args[:2]).exit_code == 2
