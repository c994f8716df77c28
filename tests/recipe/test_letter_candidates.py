"""Candidates found by prefix search and judged by a word model."""

import numpy as np
import pytest

from tests.ctc.cases import log_softmax
from wfst_asr.ctc.tokens import make_tokens
from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.assemble import NGramRows, assemble_model
from wfst_asr.recipe.letter_candidates import judge_candidates, sentence_model

TOKENS = make_tokens(["<blank>", "|", "A", "B"])
WORDS = ["<s>", "</s>", "a", "ab", "<unk>"]
PROBS = np.array([1, 0.25, 0.5, 0.2, 0.05])


def word_model(num_words=5):
    probs = np.log(PROBS[:num_words])
    return assemble_model(
        WORDS[:num_words], [NGramRows(np.arange(num_words, dtype=np.int32)[:, None], probs, 0 * probs)]
    ).model


def test_words_are_looked_up_in_small_letters_and_the_end_counts():
    log_prob = sentence_model(word_model())
    assert log_prob(["A", "ab"]) == pytest.approx(np.log(0.5 * 0.2 * 0.25))
    assert log_prob([]) == pytest.approx(np.log(0.25))
    assert log_prob(["B"]) == pytest.approx(np.log(0.05 * 0.25))
    assert sentence_model(word_model(4))(["B"]) == -np.inf


def test_texts_that_differ_in_boundaries_alone_are_one_candidate():
    scores = log_softmax(np.random.default_rng(0).normal(0, 1, (8, 4)))
    judged = judge_candidates(scores, TOKENS, model=word_model(), num_candidates=60)
    texts = [one.text for one in judged.ranking.candidates]
    assert len(set(texts)) == len(texts) < 60
    assert "ba" not in judged.unknown
    assert "BA" in judged.unknown


def test_weights_move_the_order():
    scores = log_softmax([[0, 0, 3, 0], [2, 2.5, 0, 0], [0, 0, 1, 2]])
    texts = ["A B", "AB"]
    assert judge_candidates(scores, TOKENS, texts).ranking.winner.text == "A B"
    assert judge_candidates(scores, TOKENS, texts, model=word_model()).ranking.winner.text == "AB"
    assert judge_candidates(scores, TOKENS, texts, model=word_model(), word_bonus=4).ranking.winner.text == "A B"


def test_no_candidate_is_told():
    with pytest.raises(WfstAsrError, match="no candidate to rank"):
        judge_candidates(np.zeros((1, 4)), TOKENS, [])
