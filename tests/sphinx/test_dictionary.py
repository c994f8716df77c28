"""Dictionaries and filler dictionaries."""

from pathlib import Path

import pytest

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.sphinx.dictionary import read_dictionary, read_fillers
from wfst_asr.sphinx.mdef import ModelDefinition


def test_the_english_dictionary_is_read_whole(english: Path, mdef: ModelDefinition) -> None:
    lexicon = read_dictionary(english / "cmudict-en-us.dict", phones=mdef.ci_phones)
    assert len(lexicon.entries) > 130000
    assert [entry.phones for entry in lexicon.pronunciations["read"]] == [("R", "EH", "D"), ("R", "IY", "D")]
    assert not any(word.endswith(")") for word in lexicon.words)
    assert ("<sil>", "SIL") in read_fillers(english / "en-us" / "noisedict", phones=mdef.ci_phones)


def test_comments_and_empty_lines_are_skipped_and_repetitions_told_once(tmp_path: Path) -> None:
    path = tmp_path / "words.dict"
    path.write_text(
        "## comment\n;; too\n\nred R EH D\nred(2)\tR EH D\n red R EH D\nr\u00eave(fr) R EH V\n", encoding="utf-8"
    )
    with pytest.warns(WfstAsrWarning, match="dropped 2 repetitions .* the first of them 'red' in line 5"):
        lexicon = read_dictionary(path)
    assert [(entry.word, entry.phones) for entry in lexicon.entries] == [
        ("red", ("R", "EH", "D")),
        ("r\u00eave", ("R", "EH", "V")),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"red R EH D\nread\n", "words.dict:2: word 'read' has no phones"),
        (b"red R EH X\n", "words.dict:1: word 'red' has the phone 'X', which the acoustic model lacks"),
        (b"## nothing\n", "the dictionary is empty"),
        (b"caf\xe9 K AE F EY\n", "not UTF-8 at byte 3"),
    ],
)
def test_bad_dictionaries_are_refused(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "words.dict").write_bytes(text)
    with pytest.raises(WfstAsrError, match=message):
        read_dictionary(tmp_path / "words.dict", phones=["R", "EH", "D"])


def test_bad_fillers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "noisedict").write_text("<s> SIL\n<sil> SIL SIL\n")
    with pytest.raises(WfstAsrError, match="noisedict:2: 3 fields; expected a filler word and one phone"):
        read_fillers(tmp_path / "noisedict")
    with pytest.raises(WfstAsrError, match="noisedict:1: phone 'SIL' of '<s>' is not in the acoustic model"):
        read_fillers(tmp_path / "noisedict", phones=["AA"])
    with pytest.raises(WfstAsrError, match="no such file"):
        read_fillers(tmp_path / "none")
