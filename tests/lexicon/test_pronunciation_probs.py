from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import pronunciation_probs as naive
from wfst_asr.errors import WfstAsrError
from wfst_asr.lexicon.files import read_lexicon_file, read_silence_probs, write_silence_lexicon
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation
from wfst_asr.lexicon.pronunciation_probs import (
    SENTENCE_END,
    SENTENCE_START,
    count_pronunciations,
    learn_pronunciation_probs,
    learn_silence_probs,
)
from wfst_asr.lexicon.spoken_words import SpokenWord, read_spoken_words, spoken_sequences, write_spoken_words

LEXICON = Lexicon.from_pairs([("a", "AH"), ("a", "EY"), ("red", "R EH D"), ("read", "R EH D"), ("read", "R IY D")])
ENTRIES = [(entry.word, entry.phones) for entry in LEXICON.entries]
CORPORA = st.lists(st.lists(st.sampled_from([None, None, *ENTRIES[:4]]), max_size=8), min_size=1, max_size=6)


def in_naive_form(utterances):
    return [["sil" if token is None else token for token in utterance] for utterance in utterances]


@settings(max_examples=60)
@given(utterances=CORPORA)
def test_learned_probabilities_are_those_of_the_formulas(utterances):
    counts = count_pronunciations(utterances)
    learned, silence = learn_pronunciation_probs(LEXICON, counts), learn_silence_probs(LEXICON, counts)
    corpus = in_naive_form(utterances)
    assert silence.overall == pytest.approx(min(max(naive.overall(corpus), 0.01), 0.99))
    assert silence.begin == pytest.approx(naive.silence_after(corpus, "<s>"))
    assert silence.end_after_silence == pytest.approx(naive.factor_before(corpus, "</s>", silent=True))
    assert silence.end_after_none == pytest.approx(naive.factor_before(corpus, "</s>", silent=False))
    for entry, around, key in zip(learned.entries, silence.pronunciations, ENTRIES, strict=True):
        assert entry.prob == pytest.approx(naive.pronunciation_prob(corpus, ENTRIES, key))
        assert around.after == pytest.approx(naive.silence_after(corpus, key))
        assert around.before == pytest.approx(naive.factor_before(corpus, key, silent=True))
        assert around.before_none == pytest.approx(naive.factor_before(corpus, key, silent=False))


def test_counts_of_parts_add_up_to_the_counts_of_the_whole():
    rng = np.random.default_rng(1)
    tokens = [None, *ENTRIES]
    utterances = [[tokens[i] for i in rng.integers(len(tokens), size=5)] for _ in range(20)]
    parts = count_pronunciations(utterances[:7]) + count_pronunciations(utterances[7:])
    whole = count_pronunciations(utterances)
    assert (parts.pairs, parts.silence_before, parts.silence_after) == (
        whole.pairs,
        whole.silence_before,
        whole.silence_after,
    )
    assert learn_silence_probs(LEXICON, parts) == learn_silence_probs(LEXICON, whole)


def test_silences_in_a_row_count_once_and_an_empty_utterance_is_a_pair_of_its_ends():
    counts = count_pronunciations([[None, None, ENTRIES[0]], [], [None]])
    assert counts.pairs == {
        (SENTENCE_START, ENTRIES[0]): 1,
        (ENTRIES[0], SENTENCE_END): 1,
        (SENTENCE_START, SENTENCE_END): 2,
    }
    assert counts.silence_before == {ENTRIES[0]: 1, SENTENCE_END: 1}
    assert counts.silence_after == {SENTENCE_START: 2}


def test_without_normalising_by_the_largest_the_probabilities_of_a_word_sum_to_one():
    counts = count_pronunciations([[ENTRIES[0], ENTRIES[0], ENTRIES[1], ENTRIES[3]]])
    learned = learn_pronunciation_probs(LEXICON, counts, max_normalize=False)
    assert [entry.prob for entry in learned.entries] == [0.6, 0.4, 1.0, pytest.approx(2 / 3), pytest.approx(1 / 3)]


def test_a_word_never_spoken_keeps_its_probabilities():
    lexicon = Lexicon((Pronunciation("a", ("AH",), 0.5), Pronunciation("a", ("EY",), 1.0), *LEXICON.entries[2:]))
    learned = learn_pronunciation_probs(lexicon, count_pronunciations([[ENTRIES[2]]]))
    assert learned == lexicon


def test_a_pronunciation_of_another_lexicon_is_told():
    counts = count_pronunciations([[("red", ("R", "AH"))]])
    with pytest.raises(WfstAsrError, match="word 'red' was aligned as 'R AH', which the lexicon has not"):
        learn_pronunciation_probs(LEXICON, counts)
    with pytest.raises(WfstAsrError, match="at least one aligned utterance"):
        learn_silence_probs(LEXICON, count_pronunciations([]))


def test_learned_probabilities_read_back_the_same(tmp_path):
    counts = count_pronunciations([[None, ENTRIES[0], ENTRIES[3], None, ENTRIES[3]], [ENTRIES[1], None]])
    learned, silence = learn_pronunciation_probs(LEXICON, counts), learn_silence_probs(LEXICON, counts)
    write_silence_lexicon(learned, silence, tmp_path)
    found = read_lexicon_file(tmp_path / "lexiconp_silprob.txt")
    assert found.lexicon == learned
    assert found.silence is not None
    again = read_silence_probs(tmp_path / "silprob.txt", found.silence)
    assert astuple(again) == astuple(silence)
    with pytest.raises(WfstAsrError, match="of 5 pronunciations for a lexicon of 1"):
        write_silence_lexicon(Lexicon.from_pairs([("a", "AH")]), silence, tmp_path)


def test_spoken_words_read_back(tmp_path):
    words = [
        SpokenWord("u1", 0, 9, "<eps>", ("SIL",)),
        SpokenWord("u1", 9, 20, "read", ("R", "EH", "D")),
        SpokenWord("u2", 0, 7, "a", ("AH",)),
    ]
    write_spoken_words(words, tmp_path / "prons.txt")
    assert list(read_spoken_words(tmp_path / "prons.txt")) == words
    assert list(spoken_sequences(words)) == [[None, ENTRIES[3]], [ENTRIES[0]]]
    (tmp_path / "prons.txt").write_text("u1 0 9 a\n")
    with pytest.raises(WfstAsrError, match=r"prons.txt:1: 'u1 0 9 a', expected 'utterance first-frame"):
        list(read_spoken_words(tmp_path / "prons.txt"))
    with pytest.raises(WfstAsrError, match="make it with: wfst-asr align"):
        list(read_spoken_words(tmp_path / "none.txt"))
