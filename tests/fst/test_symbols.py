import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.symbols import SymbolTable, is_disambiguation_symbol, read_symbols, write_symbols


def test_written_table_reads_back_in_its_order(tmp_path):
    table = SymbolTable({"<eps>": 0, "b": 5, "a": 2, "#0": 9, "#1": 7, "ä": 8})
    write_symbols(table, tmp_path / "words.txt")
    back = read_symbols(tmp_path / "words.txt")
    assert back.ids == table.ids
    assert list(back) == list(table)
    assert back.disambiguation_ids == (7, 9)
    assert back.names[5] == "b"


def test_crlf_and_tabs_are_read(tmp_path):
    (tmp_path / "words.txt").write_bytes(b"<eps>\t0\r\na\t1\r\n\r\n")
    assert read_symbols(tmp_path / "words.txt").ids == {"<eps>": 0, "a": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<eps> 0\na\n", r"words.txt:2: 'a', expected a name and an id"),
        ("a 1\nb -2\n", r"words.txt:2: 'b -2', expected a name and an id"),
        ("a 1\na 2\n", r"words.txt:2: symbol 'a' comes twice"),
        ("a 1\nb 1\n", r"words.txt:2: id 1 of 'b' belongs to 'a'"),
        ("", r"words.txt: is empty"),
    ],
)
def test_bad_tables_are_refused_with_their_line(tmp_path, text, message):
    (tmp_path / "words.txt").write_text(text)
    with pytest.raises(WfstAsrError, match=message):
        read_symbols(tmp_path / "words.txt")


def test_missing_table_is_told(tmp_path):
    with pytest.raises(WfstAsrError, match="cannot be read"):
        read_symbols(tmp_path / "none.txt")


def test_table_in_memory_refuses_two_names_with_one_id():
    with pytest.raises(WfstAsrError, match="share the id 1"):
        SymbolTable({"a": 1, "b": 1})


def test_disambiguation_symbols_are_told_from_words():
    assert is_disambiguation_symbol("#12")
    assert not is_disambiguation_symbol("#hash")
    assert not is_disambiguation_symbol("#")
