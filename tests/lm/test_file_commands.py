"""`wfst-asr lm convert`, `info` and `compile`."""

import json

import pytest
from click.testing import CliRunner

from tests.lm.test_arpa import TRIGRAM, written
from wfst_asr.cli.main import cli
from wfst_asr.fst.symbols import SymbolTable, write_symbols


def run(*arguments):
    return CliRunner().invoke(cli, ["lm", *map(str, arguments)], catch_exceptions=False)


def test_convert_goes_there_and_back(tmp_path):
    written(tmp_path, TRIGRAM)
    for source, target in [
        ("lm.arpa", "a.arpa"),
        ("a.arpa", "b.ngram"),
        ("b.ngram", "c.arpa.gz"),
        ("c.arpa.gz", "d.arpa"),
    ]:
        result = run("convert", tmp_path / source, tmp_path / target)
        assert result.exit_code == 0
        assert "4 1-grams, 3 2-grams, 1 3-grams" in result.output
    assert (tmp_path / "a.arpa").read_bytes() == (tmp_path / "d.arpa").read_bytes()


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz", "lm.ngram"])
def test_info_tells_what_is_in_a_model(tmp_path, name):
    written(tmp_path, TRIGRAM, "from.arpa")
    run("convert", tmp_path / "from.arpa", tmp_path / name)
    facts = json.loads(run("info", tmp_path / name, "--json").output)
    assert facts["order"] == 3
    assert facts["ngrams"] == [4, 3, 1]
    assert facts["words"] == 4
    assert facts["marks"] == ["<s>", "</s>"]
    assert facts["file_bytes"] == (tmp_path / name).stat().st_size
    assert facts["memory_bytes"] == 8 * 20 + 8 * 11
    assert 0.1 < facts["largest_deviation"] < 1
    output = run("info", tmp_path / name).output
    assert "order 3, 4 words (<s>, </s> among them)" in output
    assert "do not sum to one" in output


def test_info_tells_a_sound_model(tmp_path):
    text = "\\data\\\nngram 1=3\n\\1-grams:\n0\t<s>\n-0.3010299957\t</s>\n-0.3010299957\ta\n\\end\\\n"
    output = run("info", written(tmp_path, text)).output
    assert "1-grams           3" in output
    assert "probabilities sum to one" in output


@pytest.mark.parametrize("name", ["lm.arpa", "lm.ngram"])
def test_compile_reads_any_form(tmp_path, name):
    written(tmp_path, TRIGRAM, "from.arpa")
    run("convert", tmp_path / "from.arpa", tmp_path / name)
    (tmp_path / "lang").mkdir()
    write_symbols(SymbolTable.from_names(["a", "b", "#0"]), tmp_path / "lang" / "words.txt")
    result = run("compile", tmp_path / name, tmp_path / "lang")
    assert result.exit_code == 0
    assert "states" in result.output
    assert (tmp_path / "lang" / "G.fst").exists()
