"""Spelling lexicons of letters and of word pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lexicon.spelling import spelling_lexicon


def spellings(words: list[str], units: list[str], *, all_spellings: bool = False) -> list[tuple[str, ...]]:
    return [entry.phones for entry in spelling_lexicon(words, units, all_spellings=all_spellings).entries]


def test_letters_spell_words_in_the_case_of_the_tokens() -> None:
    assert spellings(["don't"], ["D", "O", "N", "T", "'"]) == [("D", "O", "N", "'", "T")]
    assert spellings(["Go"], ["g", "o"]) == [("g", "o")]


def test_word_pieces_begin_words_with_their_mark_and_the_fewest_are_taken() -> None:
    units = ["▁", "▁he", "l", "lo", "llo", "▁h", "e", "<unk>"]
    assert spellings(["hello"], units) == [("▁he", "llo")]
    assert spellings(["hello"], units, all_spellings=True) == [
        ("▁he", "llo"), ("▁he", "l", "lo"), ("▁h", "e", "llo"), ("▁h", "e", "l", "lo"),
    ]  # fmt: skip


def test_words_that_cannot_be_spelled_are_told_once_and_left_out() -> None:
    with pytest.warns(WfstAsrWarning, match="2 of 3 words cannot be spelled in the given units and are left out"):
        assert spellings(["A", "B", "C"], ["A"]) == [("A",)]
    with pytest.raises(WfstAsrError, match="not one of 1 words can be spelled in the units A"):
        spelling_lexicon(["B"], ["A"])


@given(st.text("ab", min_size=1, max_size=8), st.sets(st.text("ab", min_size=1, max_size=3), max_size=6))
def test_the_chosen_spelling_is_the_shortest_of_all(word: str, pieces: set[str]) -> None:
    units = sorted(pieces | {"a", "b"})
    every = spellings([word], units, all_spellings=True)
    (chosen,) = spellings([word], units)
    assert chosen == min(every, key=lambda s: (len(s), [-len(unit) for unit in s]))
    assert len(set(every)) == len(every)
    assert all("".join(s) == word for s in every)
