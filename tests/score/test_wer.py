import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.levenshtein import levenshtein
from wfst_asr.errors import WfstAsrError
from wfst_asr.score.report import aligned_text, count_confusions
from wfst_asr.score.wer import (
    ErrorCounts,
    UtteranceScore,
    align,
    characters,
    read_text,
    read_utt2spk,
    score_texts,
)

tokens = st.lists(st.sampled_from(["a", "b", "c", "<eps>", "***", ""]), max_size=8)


@given(tokens, tokens)
def test_the_errors_of_an_alignment_are_the_levenshtein_distance(left: list[str], right: list[str]) -> None:
    assert UtteranceScore("u", align(left, right)).counts.errors == levenshtein(left, right)


@given(tokens, tokens)
def test_an_alignment_holds_both_sequences_in_order(left: list[str], right: list[str]) -> None:
    pairs = align(left, right)
    assert [pair[0] for pair in pairs if pair[0] is not None] == left
    assert [pair[1] for pair in pairs if pair[1] is not None] == right
    counts = UtteranceScore("u", pairs).counts
    assert counts.reference_length == len(left)
    assert counts.hits + counts.substitutions + counts.insertions == len(right)


@given(st.dictionaries(st.sampled_from("uvwx"), st.tuples(tokens, tokens), min_size=1))
def test_totals_are_sums_over_utterances_and_over_speakers(texts: dict[str, tuple[list[str], list[str]]]) -> None:
    scores = score_texts({k: v[0] for k, v in texts.items()}, {k: v[1] for k, v in texts.items()})
    by_speaker = scores.by_speaker({"u": "s1", "v": "s2", "w": "s1", "x": "s2"})
    assert sum(by_speaker.values(), ErrorCounts()) == scores.total
    assert scores.total.errors == sum(levenshtein(*pair) for pair in texts.values())


def test_rate_against_an_empty_reference_is_zero_or_infinite() -> None:
    assert score_texts({"u": []}, {"u": []}).error_rate == 0.0
    assert score_texts({"u": []}, {"u": ["a"]}).error_rate == math.inf


def test_total_rate_weighs_utterances_by_their_length() -> None:
    scores = score_texts({"u": ["a"] * 9, "v": ["b"]}, {"u": ["a"] * 9, "v": ["c"]})
    assert scores.error_rate == pytest.approx(0.1)


def test_characters_count_the_spaces_between_words() -> None:
    scores = score_texts({"u": characters(["ice", "cream"])}, {"u": characters(["icecream"])})
    assert scores.total == ErrorCounts(hits=8, deletions=1)


def test_texts_with_no_id_in_common_are_refused() -> None:
    with pytest.raises(WfstAsrError, match=r"no utterance id in common \(the first of each: 'u', 'v'\)"):
        score_texts({"u": ["a"]}, {"v": ["a"]})
    with pytest.raises(WfstAsrError, match="the first of each: 'u', none"):
        score_texts({"u": ["a"]}, {})


def test_utterance_without_a_speaker_is_refused() -> None:
    with pytest.raises(WfstAsrError, match="utterance 'u' has no speaker"):
        score_texts({"u": ["a"]}, {"u": ["a"]}).by_speaker({})


def test_text_files_and_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("u1 ein  schöner Tag\nu2\n", "utf-8")
    assert read_text(tmp_path) == {"u1": ("ein", "schöner", "Tag"), "u2": ()} == read_text(tmp_path / "text")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"u1 a\nu2 b\nu1 c\n", r"text:3: utterance 'u1' is there twice \(first in line 1\)"),
        (b"u1 a\n\nu2 b\n", "text:2: an empty line"),
        (b"u1 \xff\n", "text: not UTF-8 text"),
    ],
)
def test_bad_text_files_are_told_by_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(WfstAsrError, match=message):
        read_text(tmp_path)


def test_missing_files_and_bad_speaker_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(WfstAsrError, match=r"text: cannot be read \(No such file or directory\)"):
        read_text(tmp_path)
    (tmp_path / "utt2spk").write_text("u1 s1\nu2 s1 s2\n")
    with pytest.raises(WfstAsrError, match="utt2spk:2: 3 fields; expected an utterance id and its speaker"):
        read_utt2spk(tmp_path)


def test_long_alignments_go_on_in_the_next_block_and_wide_characters_keep_their_columns() -> None:
    told = aligned_text(UtteranceScore("u", align(["日本", "b", "c"], ["x", "b", "c"])), width=10)
    assert told == "REF: 日本\nHYP: x\nOPS: S\n\nREF: b c\nHYP: b c\nOPS:"
    assert aligned_text(UtteranceScore("u", align(["日本", "b"], ["x", "b"]))) == "REF: 日本 b\nHYP: x    b\nOPS: S"


def test_confusions_are_sorted_by_count_then_token() -> None:
    references = {"1": ["a", "b"], "2": ["a", "c"], "3": ["d"]}
    confusions = count_confusions(score_texts(references, {"1": ["x", "b"], "2": ["x", "y"], "3": []}), limit=1)
    assert confusions.substitutions == ((("a", "x"), 2),)
    assert confusions.deletions == (("d", 1),)
    assert confusions.insertions == ()
