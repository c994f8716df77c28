"""Texts become word ids; what is no text is refused with its line."""

import gzip
import io
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfst_asr.errors import WfstAsrError
from wfst_asr.lm import text as text_module
from wfst_asr.lm.text import map_words, read_text, read_vocabulary, text_of_sentences

WORDS = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=6).filter(
    lambda word: word.split() == [word] and word not in ("<s>", "</s>")
)


def sentences_of(text):
    """The sentences as words, told back from the ids."""
    result = []
    for i in text.ids.tolist():
        if i == 0:
            result.append([])
        elif i != 1:
            result[-1].append(text.words[i])
    return result


@given(st.lists(st.lists(WORDS, min_size=1, max_size=8), min_size=1, max_size=30), st.integers(1, 40))
def test_ids_tell_the_sentences_whatever_the_size_of_blocks(tmp_path_factory, sentences, block):
    path = tmp_path_factory.mktemp("text") / "text"
    path.write_bytes("\n".join(" ".join(words) for words in sentences).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "_BLOCK_BYTES", block)
        text = read_text(path)
    assert sentences_of(text) == sentences
    assert text.num_sentences == len(sentences)
    assert text.num_tokens == sum(map(len, sentences))
    assert list(text.words[:2]) == ["<s>", "</s>"]
    assert len(set(text.words)) == len(text.words)


def test_thousands_of_words_keep_their_ids():
    sentences = [[f"w{i}", f"w{i // 2}"] for i in range(20_000)]
    assert sentences_of(text_of_sentences(sentences)) == sentences


def test_gzip_empty_lines_tabs_marks_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbfa\tb \r\n\n  \n<s> c </s>\n<s> </s>\nd"))
    assert sentences_of(read_text(path)) == [["a", "b"], ["c"], ["d"]]


def test_several_files_and_the_standard_input(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("x y")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"y z\n")))
    assert sentences_of(read_text([tmp_path / "a", "-"])) == [["x", "y"], ["y", "z"]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no words"),
        (b"\n \n", "has no words"),
        (b"<s> </s>\n", "has no words"),
        (b"a b\nc <s> d\n", ":2: '<s>' or '</s>' inside a sentence"),
        (b"a b\nc </s> d\n", ":2: '<s>' or '</s>' inside a sentence"),
        (b"a\n\n<s> <s> b\n", ":3: '<s>' or '</s>' inside a sentence"),
        (b"fine\nm\xe4nner\n", ":2: the byte 0xe4 is not UTF-8"),
        (b"fine\nab\x00c\n", ":2: holds the byte 0x00"),
        (bytes(range(256)) * 20, "which no text has"),
        (gzip.compress(b"a b c\n" * 1000, mtime=0)[:-9], "gzip data is truncated"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, data, message):
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(WfstAsrError, match=message):
        read_text(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(WfstAsrError, match="No such file"):
        read_text(tmp_path / "none")
    with pytest.raises(WfstAsrError, match="Is a directory"):
        read_text(tmp_path)


def test_progress_tells_all_bytes_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(text_module, "_BLOCK_BYTES", 8)
    path = tmp_path / "text"
    path.write_text("a b c\n" * 50)
    told = []
    read_text(path, progress=told.append)
    assert sum(told) == 300


def test_words_outside_a_vocabulary_become_unk_or_nothing():
    text = text_of_sentences(["a b c"])
    known = map_words(text, ("<s>", "</s>", "<unk>", "a", "c"))
    np.testing.assert_array_equal(known.ids, [0, 3, 2, 4, 1])
    closed = map_words(text, ("<s>", "</s>", "a", "c"), unknown=None)
    np.testing.assert_array_equal(closed.ids, [0, 2, -1, 3, 1])
    assert closed.num_oov == 1


def test_a_vocabulary_is_the_first_field_of_each_line(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("<eps> 0\na 1\n\nb 2\n#0 3\n<s> 4\n</s> 5\n")
    assert read_vocabulary(path) == ("a", "b")
    path.write_text("\n")
    with pytest.raises(WfstAsrError, match="has no words"):
        read_vocabulary(path)
