"""Error rates over language-model weights and insertion penalties."""

import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.score.sweep import Sweep, SweepPoint, score_sweep
from wfst_asr.score.wer import ErrorCounts, score_texts

REFERENCES = {"u1": ["a", "b", "c"], "u2": ["d", "e"]}


def texts(first, second):
    return {"u1": first.split(), "u2": second.split()}


def test_each_pair_is_scored_as_its_texts_alone_are():
    hypotheses = {(9.0, 0.0): texts("a b", "d e f"), (10.0, 0.0): texts("a x c", "d e"), (10.0, 1.0): texts("", "e d")}
    sweep = score_sweep(REFERENCES, hypotheses)
    for point in sweep.points:
        alone = score_texts(REFERENCES, hypotheses[point.lm_weight, point.insertion_penalty])
        assert point.counts == alone.total
    assert sweep.best == sweep.at_default == sweep.at(10.0)


def test_words_of_an_utterance_that_was_not_decoded_are_deleted():
    sweep = score_sweep(REFERENCES, {(10.0, 0.0): {"u1": ["a", "b", "c"]}})
    assert sweep.without_hypothesis == ("u2",)
    assert sweep.best.counts == ErrorCounts(hits=3, deletions=2)


def test_of_equal_rates_the_one_nearest_to_the_default_is_best():
    points = [SweepPoint(w, p, ErrorCounts(hits=1)) for w in (7.0, 9.0, 11.0, 13.0) for p in (0.0, 0.5)]
    best = Sweep(tuple(points), (10.0, 0.0)).best
    assert (best.lm_weight, best.insertion_penalty) == (9.0, 0.0)


def test_table_marks_the_best_and_the_default():
    hypotheses = {(9.0, 0.0): texts("a b c", "d"), (10.0, 0.0): texts("a", "d"), (10.0, 0.5): texts("a b", "d")}
    lines = score_sweep(REFERENCES, hypotheses).table().splitlines()
    assert lines == [
        "weight     penalty 0   penalty 0.5",
        "     9       20.00*",
        "    10       60.00=        40.00",
    ]


def test_bad_input_is_named():
    with pytest.raises(WfstAsrError, match="nothing to score"):
        score_sweep(REFERENCES, {})
    with pytest.raises(WfstAsrError, match="default weight 10, penalty 0 is not among"):
        score_sweep(REFERENCES, {(9.0, 0.0): texts("a", "b")})
    with pytest.raises(WfstAsrError, match="no utterance id in common"):
        score_sweep(REFERENCES, {(10.0, 0.0): {"u7": ["a"]}})
    with pytest.raises(WfstAsrError, match="weight 5 with penalty 0"):
        score_sweep(REFERENCES, {(10.0, 0.0): texts("a", "b")}).at(5)
