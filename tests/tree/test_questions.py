from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tree.speech import make_speech
from wfst_asr.errors import WfstAsrError
from wfst_asr.tree.questions import (
    cluster_questions,
    position_questions,
    read_phone_classes,
    read_questions,
    write_questions,
)
from wfst_asr.tree.roots import Root, read_roots, roots_of_sets, write_roots
from wfst_asr.tree.stats import TreeStatistics

PHONES = {name: i for i, name in enumerate(["<eps>", "SIL", "P_B", "P_E", "T_B", "T_E", "AA_B", "AA_E", "#0"])}


def statistics(means: dict[int, float], pdf_class: int = 1) -> TreeStatistics:
    windows = np.array([[0, phone, 0] for phone in means], np.int32)
    first = np.array([[10.0 * mean] for mean in means.values()])
    count = np.full(len(means), 10.0)
    return TreeStatistics(windows, 1, np.full(len(means), pdf_class, np.int32), count, first, first**2 / 10 + 10)


def test_phones_that_sound_alike_are_one_question() -> None:
    stats = statistics({1: 0.0, 2: 1.0, 3: 50.0, 4: 51.5, 5: 60.0})
    questions = cluster_questions(stats, [(phone,) for phone in range(1, 6)])
    singles = [{1}, {2}, {3}, {4}, {5}]
    assert sorted(map(sorted, questions)) == sorted(map(sorted, [*singles, {1, 2}, {3, 4}, {3, 4, 5}, {1, 2, 3, 4, 5}]))


def test_only_the_chosen_hmm_states_are_compared() -> None:
    middle = statistics({1: 0.0, 2: 50.0, 3: 1.0})
    end = statistics({1: 0.0, 2: 1.0, 3: 900.0}, pdf_class=2)
    assert frozenset({1, 3}) in cluster_questions(middle + end, [(1,), (2,), (3,)])
    assert frozenset({1, 2}) in cluster_questions(middle + end, [(1,), (2,), (3,)], pdf_classes=[2])


@given(st.integers(0, 30), st.integers(2, 9))
def test_questions_are_nested_sets_of_whole_phone_sets(seed: int, phones: int) -> None:
    stats = make_speech(seed, phones=phones).statistics()
    sets = [(1,), (2, 3), *((phone,) for phone in range(4, phones + 2))]  # the last one never occurs
    questions = cluster_questions(stats, sets)
    assert {frozenset(phones) for phones in sets} <= set(questions)
    assert frozenset(phone for members in sets for phone in members) in questions
    assert len(questions) == 2 * len(sets) - 1
    for a in questions:
        assert all(frozenset(members) <= a or not frozenset(members) & a for members in sets)
        assert all(a <= b or b <= a or not a & b for b in questions)
    assert questions == cluster_questions(stats, sets)


def test_a_phone_in_two_sets_is_refused() -> None:
    with pytest.raises(WfstAsrError, match="every phone in one of them"):
        cluster_questions(statistics({1: 0.0, 2: 1.0}), [(1, 2), (2,)])


def test_position_questions_are_kaldis(corpora: Path) -> None:
    folder = corpora / "kaldi_an4"
    lines = (folder / "graph" / "phones.txt").read_text().splitlines()
    phones = {name: int(number) for name, number in map(str.split, lines)}
    expected = (folder / "lang" / "phones" / "extra_questions.int").read_text().splitlines()
    questions = position_questions(phones, silence=["SIL"])
    assert set(questions) == {frozenset(map(int, line.split())) for line in expected}


def test_classes_are_read_with_and_without_names(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("stop P T\n\nSIL\nT: T_B T_E\nP_B AA_E\n;; a comment\n")
    assert read_phone_classes(path, PHONES) == {
        "stop": frozenset({2, 3, 4, 5}),
        "SIL": frozenset({1}),
        "T": frozenset({4, 5}),
        "P_B AA_E": frozenset({2, 7}),
    }
    write_questions(tmp_path / "written", read_questions(path, PHONES), PHONES)
    assert (tmp_path / "written").read_text() == "P_B P_E T_B T_E\nSIL\nT_B T_E\nP_B AA_E\n"
    assert read_questions(tmp_path / "written", PHONES) == read_questions(path, PHONES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stop P Q\n", ":1: phone 'Q' has no id"),
        ("SIL\nstop\n", ":2: class 'stop' has no phones"),
        ("stop P\nstop T\n", ":2: class 'stop' comes twice"),
        ("\n", "no classes of phones"),
    ],
)
def test_bad_classes_are_told_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(WfstAsrError, match=message):
        read_questions(tmp_path / "classes.txt", PHONES)
    with pytest.raises(WfstAsrError, match="cannot be read"):
        read_questions(tmp_path / "missing.txt", PHONES)


def test_roots_read_back_as_written_and_as_kaldi_has_them(tmp_path: Path) -> None:
    (tmp_path / "roots.txt").write_text("not-shared not-split SIL\nshared split P_B P_E\n")
    roots = read_roots(tmp_path / "roots.txt", PHONES)
    assert roots == (Root((1,), False, False), Root((2, 3))) == roots_of_sets([(3, 2)], unsplit=[(1,)])
    write_roots(tmp_path / "again", roots, PHONES)
    assert (tmp_path / "again").read_text() == (tmp_path / "roots.txt").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shared P_B\n", "expected 'shared' or 'not-shared', then"),
        ("shared split Q\n", ":1: phone 'Q' has no id"),
        ("shared split\n", ":1: root of phones"),
        ("shared split SIL SIL\n", ":1: root of phones"),
    ],
)
def test_bad_roots_are_told_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "roots.txt").write_text(text)
    with pytest.raises(WfstAsrError, match=message):
        read_roots(tmp_path / "roots.txt", PHONES)
