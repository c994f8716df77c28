"""Candidates: the article's three come out as it says, and what would turn the order does turn it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ctc.cases import log_softmax
from wfst_asr.ctc.candidates import Candidate, explain_loss, rank_candidates
from wfst_asr.ctc.loss import ctc_log_prob
from wfst_asr.ctc.tokens import make_tokens
from wfst_asr.errors import WfstAsrError

TOKENS = make_tokens(["<blank>", *"AEHLOU"])
ARTICLE = {"HHHEE_LL_LLLOOO": 0.55, "HHHUU_LL_LLLOOO": 0.3, "AAAUU_LL_LLLOOO": 0.15}
TEXT = {"HELLO": np.log(1e-3), "HULLO": np.log(1e-6), "AULLO": np.log(1e-9)}


def article_scores():
    probs = np.full((15, 7), 0.002)
    for alignment, share in ARTICLE.items():
        for frame, letter in enumerate(alignment):
            probs[frame, 0 if letter == "_" else TOKENS.names.index(letter)] += share
    return np.log(probs / probs.sum(axis=1, keepdims=True))


def candidates(*texts):
    return [Candidate((text,), TOKENS.labels_of(text)) for text in texts]


def word_model(words):
    return TEXT[words[0]]


def test_the_three_candidates_of_the_article():
    scores = article_scores()
    ranking = rank_candidates(scores, candidates("AULLO", "HULLO", "HELLO"), language_model=word_model)
    assert [one.text for one in ranking.candidates] == ["HELLO", "HULLO", "AULLO"]
    for one in ranking.candidates:
        assert one.acoustic_logprob == pytest.approx(ctc_log_prob(scores, TOKENS.labels_of(one.text)))
        assert one.lm_logprob == TEXT[one.text]
        assert one.score == pytest.approx(one.acoustic_logprob + one.lm_logprob)
    told = explain_loss(ranking, 1)
    assert "HULLO loses to HELLO by" in told
    assert "text favours HELLO by 6.91 (1,000 times); its weight is 1" in told


def test_sound_that_favours_hullo_loses_to_text_until_the_weight_is_small():
    scores = article_scores()
    scores[3:5, [2, 6]] = scores[3:5, [6, 2]]  # E and U change places
    sound_alone = rank_candidates(scores, candidates("HELLO", "HULLO"))
    assert sound_alone.winner.text == "HULLO"
    both = rank_candidates(scores, candidates("HELLO", "HULLO"), language_model=word_model)
    assert both.winner.text == "HELLO"
    need = both.overtaking(1)
    assert need.sound_gap < 0 < need.text_gap
    assert 0 < need.lm_weight < 1
    assert need.wins_below
    assert f"language-model weight below {need.lm_weight:.3g}" in explain_loss(both, 1)


@given(st.integers(0, 10_000), st.floats(0.1, 3), st.floats(-1, 1))
def test_what_it_would_take_to_win_is_where_the_two_draw(seed, lm_weight, word_bonus):
    rng = np.random.default_rng(seed)
    scores = log_softmax(rng.normal(0, 2, (8, 5)))
    spoken = [
        Candidate(tuple(f"{name}{k}" for k in range(rng.integers(1, 3))), tuple(rng.integers(1, 5, 3))) for name in "ab"
    ]
    text = {one.words: -float(rng.exponential(4)) for one in spoken}

    def rank(*, lm_weight=lm_weight, **changed):
        model = text | {one.words: changed[one.words[0]] for one in spoken if one.words[0] in changed}
        return rank_candidates(
            scores, spoken, language_model=model.__getitem__, lm_weight=lm_weight, word_bonus=word_bonus
        )

    ranking = rank()
    loser = ranking.candidates[1].candidate
    need = ranking.overtaking(1)
    assert need.gap == pytest.approx(ranking.candidates[0].score - ranking.candidates[1].score)
    if need.lm_logprob is not None:
        same = rank(**{loser.words[0]: need.lm_logprob})
        assert same.candidates[0].score == pytest.approx(same.candidates[1].score, abs=1e-6)
    else:
        certain = next(one for one in rank(**{loser.words[0]: 0.0}).candidates if one.candidate is loser)
        assert certain.score <= ranking.winner.score + 1e-9
    if need.lm_weight is not None:
        same = rank(lm_weight=need.lm_weight)
        assert same.candidates[0].score == pytest.approx(same.candidates[1].score, abs=1e-6)
        assert need.wins_below == (need.lm_weight <= lm_weight)
    explain_loss(ranking, 1)


def test_without_a_language_model_the_sound_decides():
    ranking = rank_candidates(article_scores(), candidates("HULLO", "HELLO"))
    assert ranking.winner.text == "HELLO"
    assert ranking.winner.score == ranking.winner.acoustic_logprob
    need = ranking.overtaking(1)
    assert (need.lm_logprob, need.lm_weight) == (None, None)
    assert "text" not in explain_loss(ranking, 1)
    assert sum(ranking.shares()) == pytest.approx(1)


def test_a_word_that_texts_never_have_is_told():
    ranking = rank_candidates(
        article_scores(),
        candidates("HULLO", "HELLO"),
        language_model=lambda words: -1.0 if words == ("HELLO",) else -np.inf,
    )
    told = explain_loss(ranking, 1)
    assert "has HELLO and never HULLO" in told
    assert "no language-model weight would let it win" in told


def test_a_candidate_longer_than_the_recording_is_impossible_and_not_fatal():
    ranking = rank_candidates(article_scores(), candidates("HELLO", "HELLOHELLOHELLO"))
    assert ranking.candidates[1].score == -np.inf
    assert "impossible in this recording" in explain_loss(ranking, 1)
    assert ranking.shares() == [1, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rank_candidates(article_scores(), []), "no candidate to rank"),
        (lambda: rank_candidates(article_scores(), candidates("A"), lm_weight=-1), "lm_weight is -1"),
        (lambda: rank_candidates(article_scores(), [Candidate(("x",), (9,))]), "candidate 'x': label 9 at place 0"),
        (lambda: rank_candidates(article_scores()[:3], candidates("HELLO")), "these 3 frames: they need 6 frames"),
        (
            lambda: rank_candidates(article_scores(), candidates("HELLO"), language_model=lambda words: -np.inf),
            "rules out every candidate, such as 'HELLO'",
        ),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(WfstAsrError, match=message):
        call()
