from types import SimpleNamespace

import numpy as np
import pytest

from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.search_graph import LABEL_DTYPE, load_graph
from wfst_asr.decoder.symbols import read_pronunciations, read_symbols
from wfst_asr.decoder.word_times import PhoneSegment, match_words, phone_segments
from wfst_asr.fst.arcs import arc_table, write_const_fst
from wfst_asr.fst.manifest import Manifest, write_manifest

PHONES = ("<eps>", "SIL", "A", "B")
LEXICON = {"a": [["A"]], "ab": [["A", "B"]], "b": [["B"]], "sil": [["SIL"]]}


def labels(rows):
    table = np.zeros(len(rows) + 1, dtype=LABEL_DTYPE)
    for i, row in enumerate(rows, start=1):
        table[i] = row
    return table


def spans(names):
    return [PhoneSegment(name, 10 * i, 10 * i + 10) for i, name in enumerate(names)]


def segments_of(table, alignment):
    graph = SimpleNamespace(input_labels=table, phones=PHONES)
    found = phone_segments(graph, np.array(alignment, dtype=np.int32))
    return None if found is None else [(s.phone, s.start, s.end) for s in found]


def test_transition_ids_begin_a_phone_at_the_forward_transition_of_state_0():
    # label 1: A state 0 forward, 2: A state 0 self-loop, 3: A state 1 forward, 4: its self-loop, 5: B state 0 forward
    table = labels([(0, 2, 0, 0), (0, 2, 0, 1), (1, 2, 1, 0), (1, 2, 1, 1), (2, 3, 0, 0)])
    alignment = [1, 2, 2, 3, 1, 3, 4, 1, 1, 5]
    expected = [("A", 0, 4), ("A", 4, 7), ("A", 7, 8), ("A", 8, 9), ("B", 9, 10)]
    assert segments_of(table, alignment) == expected


def test_pdf_labels_begin_a_phone_where_the_phone_changes_or_the_state_goes_back():
    table = labels([(0, 2, 0, -1), (1, 2, 1, -1), (2, 2, 2, -1), (3, 3, 0, -1)])
    assert segments_of(table, [1, 1, 2, 3, 3, 1, 2, 3, 4]) == [("A", 0, 5), ("A", 5, 8), ("B", 8, 9)]


def test_labels_without_phones_have_no_segments():
    assert segments_of(labels([(0, 0, 0, -1)]), [1, 1]) is None


def test_silence_lies_between_words_and_not_in_them():
    found = match_words(
        ["a", "ab", "b"], spans(["SIL", "A", "A", "B", "SIL", "SIL", "B"]), LEXICON, {"SIL"}, [10, 20, 60]
    )
    assert found == [(10, 20), (20, 40), (60, 70)]


def test_labels_decide_which_of_two_divisions_is_taken():
    lexicon = {"x": [["A"], ["A", "A"]]}
    assert match_words(["x", "x"], spans("AAA"), lexicon, set(), [18, 25]) == [(0, 20), (20, 30)]
    assert match_words(["x", "x"], spans("AAA"), lexicon, set(), [0, 12]) == [(0, 10), (10, 30)]


def test_a_word_that_is_silence_can_be_told_from_silence():
    found = match_words(["sil", "a"], spans(["SIL", "SIL", "A"]), LEXICON, {"SIL"}, [10, 20])
    assert found == [(10, 20), (20, 30)]


@pytest.mark.parametrize(
    ("words", "phones"), [(["a"], "AB"), (["ab"], "A"), (["a", "b"], "A"), (["unknown"], "A"), ([], "A")]
)
def test_phones_that_are_not_the_words_do_not_match(words, phones):
    assert match_words(words, spans(phones), LEXICON, {"SIL"}, [0] * len(words)) is None


def make_folder(folder, *, with_lexicon):
    """'a' = A A' (two states), 'b' = B, the word's label on the last arc of the word."""
    arcs = [
        (0, 1, 1, 0, 0.0), (1, 1, 1, 0, 0.0), (1, 2, 2, 1, 0.0), (2, 2, 2, 0, 0.0),
        (2, 3, 3, 2, 0.0), (3, 3, 3, 0, 0.0), (3, 4, 4, 0, 0.0), (4, 4, 4, 0, 0.0),
    ]  # fmt: skip
    write_const_fst(arc_table(5, arcs, finals={3: 0.0, 4: 0.0}), folder / "HCLG.fst")
    np.save(folder / "input_labels.npy", labels([(0, 2, 0, -1), (1, 2, 1, -1), (2, 3, 0, -1), (3, 1, 0, -1)]))
    write_manifest(
        folder,
        Manifest(
            label_kind="pdf-id+1", num_columns=4, column_names="senone", frame_shift_s=0.02, silence_phones=("SIL",)
        ),
    )
    (folder / "words.txt").write_text("<eps> 0\na 1\nb 2\n")
    (folder / "phones.txt").write_text("<eps> 0\nSIL 1\nA 2\nB 3\n")
    if with_lexicon:
        (folder / "align_lexicon.txt").write_text("a A\nb B\n")
    return load_graph(folder)


SCORES = np.full((8, 4), -9.0, dtype=np.float32)
SCORES[range(8), [0, 0, 1, 2, 2, 3, 3, 3]] = 0.0


def test_decoding_gives_exact_times_in_seconds(tmp_path):
    result = decode(make_folder(tmp_path, with_lexicon=True), SCORES)
    assert result.times_exact
    assert [(w.word, w.start_frame, w.end_frame) for w in result.word_times] == [("a", 0, 3), ("b", 3, 5)]
    assert [(w.start_s, w.end_s) for w in result.word_times] == [(0.0, 0.06), (0.06, 0.1)]


def test_without_a_lexicon_times_are_those_of_the_labels_and_say_so(tmp_path):
    result = decode(make_folder(tmp_path, with_lexicon=False), SCORES)
    assert not result.times_exact
    assert [(w.word, w.start_frame, w.end_frame) for w in result.word_times] == [("a", 2, 3), ("b", 3, 8)]


def test_a_result_without_words_has_no_times():
    assert match_words([], [], LEXICON, set(), []) == []


@pytest.mark.parametrize("text", ["a A\nab A B\n\nab  A\tA\nq\n", "a a A\nab ab A B\nab ab A A\n"])
def test_both_forms_of_align_lexicon_are_read(tmp_path, text):
    (tmp_path / "align_lexicon.txt").write_text(text)
    found = read_pronunciations(tmp_path / "align_lexicon.txt")
    assert found["ab"] == (("A", "B"), ("A", "A"))
    assert found["a"] == (("A",),)
    assert found.get("z") is None


def test_symbols_in_any_order_and_with_gaps(tmp_path):
    (tmp_path / "words.txt").write_text("b 3\n<eps> 0\n\na 1\n")
    assert read_symbols(tmp_path / "words.txt") == ("<eps>", "a", "2", "b")
