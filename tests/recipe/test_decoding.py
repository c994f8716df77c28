"""Sets decoded once and scored at every weight."""

import numpy as np
import pytest

from tests.decoder.test_search import random_graph
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.options import DecodeOptions, exact_options
from wfst_asr.decoder.search_graph import make_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.recipe.decoding import SetOptions, decode_set, hypotheses_of, score_set

WIDE = DecodeOptions(beam=np.inf, max_active=None, min_active=0, lattice_beam=1e4)


@pytest.fixture(scope="module")
def world():
    table = random_graph(60, 400, labels=20, seed=5, epsilon_share=0.1)
    graph = make_search_graph(table, np.arange(-1, 20), words=["<eps>", "word"])
    rng = np.random.default_rng(6)
    scores = {f"u{i}": rng.normal(0, 4, (8 + i, 20)).astype(np.float32) for i in range(6)}
    return graph, scores


def jobs(scores):
    return [(name, lambda matrix=matrix: matrix) for name, matrix in scores.items()]


def test_words_at_each_weight_are_those_of_decoding_there(world):
    graph, scores = world
    options = SetOptions(search=WIDE, lm_weights=(2, 5, 12), insertion_penalties=(0.0,))
    decoded = list(decode_set(graph, jobs(scores), options))
    hypotheses = hypotheses_of(decoded, options)
    assert list(hypotheses) == [(2.0, 0.0), (5.0, 0.0), (12.0, 0.0)]
    for (weight, _), texts in hypotheses.items():
        for name, matrix in scores.items():
            assert texts[name] == decode(graph, matrix, exact_options(acoustic_scale=1 / weight)).words
    assert [one.best.words for one in decoded] == list(hypotheses[12.0, 0.0].values())


def test_threads_change_nothing_and_progress_hears_of_each(world):
    graph, scores = world
    options = SetOptions(posterior_scale=0.1)
    heard = []
    one = list(decode_set(graph, jobs(scores), options))
    two = list(decode_set(graph, jobs(scores), options, num_jobs=3, progress=lambda d: heard.append(d.utterance)))
    assert heard == list(scores)
    for left, right in zip(one, two, strict=True):
        assert (left.utterance, left.words, left.lattice_arcs) == (right.utterance, right.words, right.lattice_arcs)
        assert left.posteriors.posteriors.tolist() == right.posteriors.posteriors.tolist()
        assert left.frames == left.posteriors.frames[-1] + 1


def test_utterances_without_a_path_have_a_reason_and_no_words():
    graph = make_search_graph(arc_table(2, [(0, 1, 1, 1, 0.5)], finals={1: 0.0}), [-1, 0], words=["<eps>", "yes"])
    scores = {"good": np.zeros((1, 1)), "long": np.zeros((2, 1)), "empty": np.zeros((0, 1))}
    decoded = list(decode_set(graph, jobs(scores)))
    assert [one.reason[:12] for one in decoded] == ["", "no path goes", "no frames"]
    sweep = score_set({"good": ["yes"], "long": ["yes"], "empty": ["yes"]}, decoded)
    assert (sweep.best.counts.hits, sweep.best.counts.deletions) == (1, 2)
    assert score_set({"good": []}, decoded, left_out=["yes"]).best.counts.errors == 0


def test_a_penalty_takes_words_away(world):
    graph, scores = world
    options = SetOptions(search=WIDE, lm_weights=(12,), insertion_penalties=(0.0, 3.0))
    for one in decode_set(graph, jobs(scores), options):
        assert len(one.words[1]) <= len(one.words[0])


def test_bad_input_is_named(world):
    graph, _ = world
    with pytest.raises(WfstAsrError, match="utterance 'u': scores have 3 columns"):
        list(decode_set(graph, [("u", lambda: np.zeros((1, 3)))]))
    with pytest.raises(WfstAsrError, match="language-model weight 0"):
        SetOptions(lm_weights=(0, 1))
    with pytest.raises(WfstAsrError, match="at least one language-model weight"):
        SetOptions(lm_weights=())
