import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.backoff_scores import sentence_scores
from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.assemble import NGramRows, assemble_model
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.lm.scoring import ids_of_words, score_blocks, score_ids, unknown_id

LN10 = math.log(10)
WORDS = ("<s>", "</s>", "a", "b", "c", "<unk>")


def model_of(lines):
    """Return the model of a dictionary of ARPA lines; histories that are absent are added."""
    words = [ngram[0] for ngram in lines if len(ngram) == 1]
    rows = []
    for n in range(1, max(map(len, lines)) + 1):
        ngrams = [ngram for ngram in lines if len(ngram) == n]
        ids = np.array([[words.index(word) for word in ngram] for ngram in ngrams], np.int32).reshape(-1, n)
        values = np.array([lines[ngram] for ngram in ngrams]).reshape(-1, 2) * LN10
        rows.append(NGramRows(ids, values[:, 0], values[:, 1]))
    return assemble_model(words, rows, add_histories=True).model


def random_lines(seed, order, *, words=WORDS, share=0.4):
    """Return any subset of n-grams with any probabilities: suffixes and histories of listed n-grams may be unlisted."""
    draw = random.Random(seed)
    lines = {}
    ngrams = [()]
    for n in range(1, order + 1):
        ngrams = [(*ngram, word) for ngram in ngrams for word in words if word != "<s>" or not ngram]
        ngrams = [ngram for ngram in ngrams if "</s>" not in ngram[:-1]]
        for ngram in ngrams:
            if n == 1 or draw.random() < share:
                lines[ngram] = (-draw.random() * 3, draw.random() - 0.7 if n < order else 0.0)
    return lines


sentences = st.lists(st.lists(st.sampled_from(["a", "b", "c", "<unk>", "new"]), max_size=12), min_size=1, max_size=5)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from([0.1, 0.4, 0.9]), st.booleans(), sentences)
def test_scores_equal_the_definition(seed, order, share, has_unknown, texts):
    words = WORDS if has_unknown else WORDS[:-1]
    lines = random_lines(seed, order, words=words, share=share)
    model = model_of(lines)
    known = set(model.words)
    for text in texts:
        if has_unknown:
            text = [word if word in known else "<unk>" for word in text]
        ids = ids_of_words(model, ["<s>", *text, "</s>"])
        scores = score_ids(model, ids)
        expected = sentence_scores(lines, text)
        assert scores.log_prob[1:] == pytest.approx([prob * LN10 for prob, _ in expected], abs=1e-9)
        assert scores.log_prob[0] == 0
        assert scores.order[0] == -1
        history = ["<s>", *text]
        twin = [model.log_prob(word, history[: i + 1]) for i, word in enumerate([*text, "</s>"])]
        assert scores.log_prob[1:] == pytest.approx(twin, abs=1e-9)
    assert model.scores(texts) == pytest.approx([model.score(text) for text in texts], abs=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(2, 4), sentences)
def test_the_order_is_the_length_of_the_ngram_that_was_used(seed, order, texts):
    lines = random_lines(seed, order, words=WORDS[:-1])
    lines.update({ngram[:n]: (-1.0, 0.0) for ngram in lines for n in range(2, len(ngram)) if ngram[:n] not in lines})
    model = model_of(lines)
    for text in texts:
        scores = score_ids(model, ids_of_words(model, ["<s>", *text, "</s>"]))
        assert scores.order[1:].tolist() == [used for _, used in sentence_scores(lines, text)]


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 3), sentences)
def test_a_lower_order_uses_the_shorter_ngrams_only(seed, order, texts):
    lines = random_lines(seed, 4, words=WORDS[:-1])
    lines.update({ngram[:n]: (-1.0, 0.0) for ngram in lines for n in range(2, len(ngram)) if ngram[:n] not in lines})
    shorter = {ngram: values for ngram, values in lines.items() if len(ngram) <= order}
    for text in texts:
        scores = score_ids(model_of(lines), ids_of_words(model_of(lines), ["<s>", *text, "</s>"]), order=order)
        assert scores.log_prob[1:] == pytest.approx([LN10 * prob for prob, _ in sentence_scores(shorter, text)])


def test_blocks_are_whole_sentences_and_change_nothing(monkeypatch):
    lines = random_lines(1, 3, words=WORDS[:-1])
    model = model_of(lines)
    draw = random.Random(2)
    ids = []
    for _ in range(50):
        ids += ids_of_words(model, ["<s>", *draw.choices("abcd", k=draw.randrange(6)), "</s>"]).tolist()
    whole = score_ids(model, np.array(ids))
    monkeypatch.setattr("wfst_asr.lm.scoring._BLOCK_WORDS", 7)
    blocks = list(score_blocks(model, np.array(ids)))
    assert len(blocks) > 10
    assert all(block.order[0] == -1 for _, block in blocks)
    assert np.concatenate([block.log_prob for _, block in blocks]).tolist() == whole.log_prob.tolist()
    assert np.concatenate([block.order for _, block in blocks]).tolist() == whole.order.tolist()


def test_a_word_out_of_the_vocabulary_hides_the_words_before_it():
    lines = {
        ("<s>",): (-99, -0.1),
        ("</s>",): (-1, 0),
        ("a",): (-0.5, -0.2),
        ("<s>", "a"): (-0.1, 0),
        ("a", "a"): (-0.3, 0),
    }
    model = model_of(lines)
    scores = score_ids(model, ids_of_words(model, ["<s>", "a", "new", "a", "</s>"]))
    assert scores.log_prob.tolist() == pytest.approx([0, -0.1 * LN10, -math.inf, -0.5 * LN10, -1.2 * LN10])
    assert scores.order.tolist() == [-1, 2, 0, 1, 1]
    assert unknown_id(model) == -1


def test_impossible_words_stay_impossible_and_are_no_nan():
    lines = {("<s>",): (-99, -math.inf), ("</s>",): (-1, 0), ("a",): (-math.inf, -math.inf), ("a", "a"): (-math.inf, 0)}
    model = model_of(lines)
    scores = score_ids(model, ids_of_words(model, ["<s>", "a", "a", "</s>"]))
    assert scores.log_prob[1:].tolist() == [-math.inf] * 3


def test_scores_tells_what_it_cannot_score():
    with pytest.raises(WfstAsrError, match="does not list '</s>'"):
        model_of({("<s>",): (-99, 0), ("a",): (-1, 0)}).scores(["a"])
    model = model_of({("<s>",): (-99, 0), ("</s>",): (-1, 0), ("a",): (-1, 0)})
    assert isinstance(model, NGramModel)
    assert model.scores([]).tolist() == []
    assert model.scores([""]) == pytest.approx([-LN10])
    with pytest.raises(WfstAsrError, match="'<s>' is among the words"):
        model.scores(["a <s> a"])
    with pytest.raises(WfstAsrError, match="order 2: the language model has n-grams of order 1 to 1"):
        score_ids(model, np.array([0, 1]), order=2)
    with pytest.raises(WfstAsrError, match="begins inside a sentence"):
        score_ids(model, np.array([2, 1]))
