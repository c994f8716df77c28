"""Costs of the words of a sentence against the language model itself."""

import numpy as np
import pytest

from wfst_asr.fst.arcs import arc_table
from wfst_asr.lattice.sentence_costs import sentence_costs
from wfst_asr.lattice.word_fst import word_fst
from wfst_asr.lm.model_files import read_model
from wfst_asr.lm.scoring import score_sentences
from wfst_asr.recipe.rescoring import language_model_fst


def test_they_add_up_to_the_models_log_probability(world):
    model = read_model("lm.arpa")
    words = {"green": 1, "no": 2, "red": 3, "stop": 4}
    grammar = language_model_fst(model, words)
    sentences = [["red", "green", "stop"], ["no"], [], ["stop", "red", "green", "no", "no"]]
    for sentence, log_prob in zip(sentences, score_sentences(model, sentences), strict=True):
        costs = sentence_costs(grammar, [words[word] for word in sentence])
        assert len(costs) == len(sentence) + 1
        assert sum(costs) == pytest.approx(-log_prob, abs=1e-4)


def test_sentences_that_a_grammar_lacks_are_infinite():
    arcs = [(0, 1, 1, 1, 0.5), (1, 2, 0, 0, 0.25), (2, 1, 2, 2, 0.125), (0, 1, 1, 1, 0.25)]
    grammar = word_fst(arc_table(3, arcs, finals={1: 1.0}))
    assert sentence_costs(grammar, [1, 2]) == (0.25, 0.375, 1.0)
    assert np.isinf(sentence_costs(grammar, [2])).all()
    assert np.isinf(sentence_costs(grammar, [])).all()
