"""The collapse, and the best label a frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.ctc_enumeration import said_by
from wfst_asr.ctc.collapse import collapse, merge_repeats, remove_blanks
from wfst_asr.ctc.greedy import greedy_search
from wfst_asr.errors import WfstAsrError


@pytest.mark.parametrize(
    ("alignment", "merged", "said"),
    [
        ("HHHEE_LL_LLLOOO", "HE_L_LO", "HELLO"),
        ("HHHUU_LL_LLLOOO", "HU_L_LO", "HULLO"),
        ("AAAUU_LL_LLLOOO", "AU_L_LO", "AULLO"),
        ("", "", ""),
        ("___", "_", ""),
    ],
)
def test_the_steps_of_the_article(alignment, merged, said):
    assert merge_repeats(alignment) == merged
    assert remove_blanks(merged) == said
    assert collapse(alignment) == said


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(0, 3))
def test_ids_names_and_arrays_collapse_alike(labels, blank):
    expected = list(said_by(labels, blank))
    assert collapse(labels, blank) == expected
    assert collapse(np.array(labels, dtype=np.int32), blank) == expected
    names = "abcd"
    assert collapse([names[label] for label in labels], names[blank]) == [names[label] for label in expected]


def test_the_blank_of_a_text_is_a_character():
    with pytest.raises(WfstAsrError, match="expected one character"):
        collapse("HE__LO", "__")


def test_greedy_tokens_have_their_frames_and_scores():
    rng = np.random.default_rng(0)
    log_probs = np.log(rng.dirichlet(np.full(4, 0.3), 50))
    found = greedy_search(log_probs, blank=2)
    assert found.labels == collapse(log_probs.argmax(axis=1), 2)
    assert found.log_prob == pytest.approx(log_probs.max(axis=1).sum())
    for token in found.tokens:
        run = slice(token.first_frame, token.last_frame + 1)
        assert (found.alignment[run] == token.label).all()
        assert token.log_prob == pytest.approx(log_probs[run, token.label].sum())
    covered = sum(token.last_frame - token.first_frame + 1 for token in found.tokens)
    assert covered == np.count_nonzero(found.alignment != 2)


def test_greedy_search_of_no_frames_finds_nothing():
    found = greedy_search(np.zeros((0, 3)))
    assert (found.tokens, found.log_prob, found.alignment.shape) == ((), 0.0, (0,))
