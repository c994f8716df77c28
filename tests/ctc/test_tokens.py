"""Names of columns, and texts spelled in them."""

import pytest

from wfst_asr.ctc.tokens import make_tokens, read_tokens
from wfst_asr.errors import WfstAsrError


def test_letters_with_and_without_a_boundary():
    plain = make_tokens(["<blank>", "A", "B", "'"])
    assert plain.labels_of("ab'A") == (1, 2, 3, 1)
    assert plain.text_of((1, 2, 3, 1)) == "AB'A"
    spaced = make_tokens(["a", "b", "<space>", "<blk>"])
    assert spaced.blank == 3
    assert spaced.labels_of("AB  ba") == (0, 1, 2, 1, 0)
    assert spaced.text_of([0, 2, 2, 1]) == "a b"


def test_word_pieces_are_spelled_by_the_longest():
    pieces = make_tokens(["<blk>", "▁", "▁he", "l", "lo", "▁h", "e"])
    assert pieces.labels_of("hello he") == (2, 3, 4, 2)
    assert pieces.text_of((2, 3, 4, 2)) == "hello he"


def test_phones_stand_apart():
    phones = make_tokens(["_", "HH", "AH", "L", "OW"])
    assert phones.labels_of("HH AH L OW") == (1, 2, 3, 4)
    assert phones.text_of((1, 2)) == "HH AH"
    with pytest.raises(WfstAsrError, match="'X' of 'HH X' is no token; the tokens are: HH AH L OW"):
        phones.labels_of("HH X")


def test_tokens_are_read_in_the_order_of_their_columns(tmp_path):
    path = tmp_path / "tokens.txt"
    path.write_text("A 1\n<blank> 0\nB 2\n#0 3\n")
    tokens = read_tokens(path)
    assert (tokens.names, tokens.blank, tokens.num_columns) == (("<blank>", "A", "B"), 0, 3)
    assert read_tokens(path, blank="B").blank == 2


@pytest.mark.parametrize(
    ("content", "blank", "message"),
    [
        ("A 0\nB 2\n<blank> 1\nC 4\n", None, "no token has column 3"),
        ("A 0\nB 0\n", None, ":2: column 0 of 'B' belongs to another"),
        ("A\n", None, ":1: 'A', expected a token and its column"),
        ("A 0\nA 1\n", None, "token 'A' comes twice"),
        ("A 0\nB 1\n", None, "no blank among A B; name it"),
        ("_ 0\n<pad> 1\n", None, "both '_' and '<pad>' may be blank; name it"),
        ("A 0\nB 1\n", "C", "blank 'C' is not among the tokens: A B"),
    ],
)
def test_bad_files_are_told(tmp_path, content, blank, message):
    path = tmp_path / "tokens.txt"
    path.write_text(content)
    with pytest.raises(WfstAsrError, match=message) as told:
        read_tokens(path, blank=blank)
    assert "tokens.txt" in str(told.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(WfstAsrError, match="cannot be read"):
        read_tokens(tmp_path / "none")


def test_a_letter_that_is_no_token_is_told():
    with pytest.raises(WfstAsrError, match="'É' of 'CAFÉ' is no token"):
        make_tokens(["_", *"ACF"]).labels_of("CAFÉ")
