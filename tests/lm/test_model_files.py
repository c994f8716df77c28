"""The binary form, and models read by content and written by name."""

import gzip
import json

import numpy as np
import pytest

from tests.lm.test_arpa import TRIGRAM, same_model, written
from tests.lm.test_arpa_laws import random_model
from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.arpa import read_arpa
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.lm.binary_model import read_binary_model, write_binary_model
from wfst_asr.lm.model_files import read_model, write_model


@pytest.fixture
def binary(tmp_path):
    path = tmp_path / "lm.ngram"
    write_binary_model(read_arpa(written(tmp_path, TRIGRAM)), path)
    return path


@pytest.mark.parametrize("order", [1, 2, 4])
def test_the_binary_form_keeps_every_bit(tmp_path, order):
    model = random_model(np.random.default_rng(order), num_words=7, order=order)
    model.levels[0].log_prob[0] = -np.inf
    model.levels[0].backoff[1] = -5e-324
    write_model(model, tmp_path / "lm.ngram")
    read = read_model(tmp_path / "lm.ngram")
    same_model(read, model)
    for ours, theirs in zip(model.levels, read.levels, strict=True):
        for name in ("word", "log_prob", "backoff", "first_child"):
            assert getattr(theirs, name).dtype == getattr(ours, name).dtype
            assert getattr(theirs, name).flags.aligned


def test_writing_to_a_mapped_array_leaves_the_file_as_it_is(binary):
    before = binary.read_bytes()
    read_binary_model(binary).levels[0].log_prob[:] = 0
    assert binary.read_bytes() == before


def test_the_same_model_gives_the_same_bytes(binary, tmp_path):
    write_model(read_model(binary), tmp_path / "again.ngram")
    assert (tmp_path / "again.ngram").read_bytes() == binary.read_bytes()


@pytest.mark.parametrize("name", ["a.arpa", "a.arpa.gz", "a.gz", "a.ngram"])
def test_any_form_is_read_by_its_content(tmp_path, name):
    model = read_arpa(written(tmp_path, TRIGRAM))
    write_model(model, tmp_path / name)
    (tmp_path / name).rename(tmp_path / "nameless")
    same_model(read_model(tmp_path / "nameless"), model)


def test_words_may_be_of_any_script_and_hold_spaces_in_the_binary_form(tmp_path):
    model = random_model(np.random.default_rng(0), num_words=3, order=2)
    model = NGramModel(("日本 語", "a\u2028b", "<s>"), model.levels)
    write_model(model, tmp_path / "lm.ngram")
    assert read_model(tmp_path / "lm.ngram").words == model.words


def test_a_binary_file_cut_anywhere_is_refused(binary):
    data = binary.read_bytes()
    for cut in range(8, len(data), 97):
        binary.write_bytes(data[:cut])
        with pytest.raises(WfstAsrError, match=r"lm.ngram: (is damaged or truncated|.* it is truncated)"):
            read_model(binary)
    binary.write_bytes(data + b"x")
    with pytest.raises(WfstAsrError, match="expected"):
        read_model(binary)


def test_a_binary_file_whose_header_or_words_were_changed_is_refused(binary):
    data = binary.read_bytes()
    begin, length = json.loads(data[16 : 16 + int.from_bytes(data[8:16], "little")])["blocks"]["words"]
    for at in (17, 40, 100, begin, begin + length - 1):
        binary.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(WfstAsrError, match=r"lm.ngram: "):
            read_model(binary)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"version": 1', b'"version": 2', "of version 2, expected 1"),
        (b'"counts": [4', b'"counts": [5', "damaged"),
        (b'"counts"', b'"caunts"', "damaged"),
        (b'"word.2"', b'"ward.2"', "damaged"),
    ],
)
def test_a_binary_file_with_another_header_is_refused(binary, old, new, message):
    data = binary.read_bytes()
    assert old in data
    binary.write_bytes(data.replace(old, new, 1))
    with pytest.raises(WfstAsrError, match=message):
        read_model(binary)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"no line '\\data\\'"),
        (b"\x00\xff" * 99, r"no line '\\data\\'"),
        (b"mmap lm http://kheafield.com/code format version 5\n\x00", "is a binary file of KenLM"),
        (b"\x1f\x8bxxxx", "gzip data is truncated or damaged"),
        (gzip.compress(b"wfstngrm and so on", mtime=0), "is a binary language model, gzipped; unpack it with gunzip"),
    ],
)
def test_foreign_files_are_told(tmp_path, content, message):
    with pytest.raises(WfstAsrError, match=message):
        read_model(written(tmp_path, content, "lm"))


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(WfstAsrError, match="cannot be read"):
            read_model(path)
        with pytest.raises(WfstAsrError, match="cannot be read"):
            read_binary_model(path)


def test_an_arpa_file_is_no_binary_model(tmp_path):
    with pytest.raises(WfstAsrError, match="is no binary language model"):
        read_binary_model(written(tmp_path, TRIGRAM))


@pytest.mark.parametrize("name", ["lm", "lm.txt"])
def test_a_name_that_tells_no_form_means_arpa(tmp_path, name):
    model = read_arpa(written(tmp_path, TRIGRAM))
    write_model(model, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(b"\\data\\")


@pytest.mark.parametrize(("words", "message"), [(("a", "b\n"), "a line end in it"), (("a", "\ud800"), "no text")])
def test_words_that_the_binary_form_cannot_hold_are_refused(tmp_path, words, message):
    model = random_model(np.random.default_rng(0), num_words=2, order=1)
    with pytest.raises(WfstAsrError, match=message):
        write_model(NGramModel(words, model.levels), tmp_path / "lm.ngram")
    assert not list(tmp_path.iterdir())
