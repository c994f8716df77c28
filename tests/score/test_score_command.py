import json
from pathlib import Path

import pytest

from wfst_asr.cli.main import main


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    reference, hypothesis = tmp_path / "ref", tmp_path / "hyp"
    reference.mkdir()
    hypothesis.mkdir()
    (reference / "text").write_text("u1 the cat sat\nu2 on the mat\nu3 purring\n")
    (hypothesis / "text").write_text("u2 on mat\nu1 a cat sat down\nu4 what\n")
    (reference / "utt2spk").write_text("u1 anna\nu2 bert\nu3 bert\n")
    return str(reference), str(hypothesis)


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as status:
        main(["score", *arguments])
    assert isinstance(status.value.code, int)
    return status.value.code


def test_report_has_totals_speakers_alignments_and_ids_without_a_partner(
    folders: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*folders, "--utt2spk", folders[0], "--per-utterance", "--aligned"]) == 0
    told = capsys.readouterr().out
    assert "u1\nREF: the cat sat ***\nHYP: a   cat sat down\nOPS: S           I\n" in told
    assert "u2  WER 33.33 %: 1 of 3 (0 sub, 0 ins, 1 del)\n" in told
    assert "speaker anna  WER 66.67 %: 2 of 3" in told
    assert "\nWER 50.00 %: 3 of 6 (1 sub, 1 ins, 1 del), 2 utterances\n" in told
    assert "most often substituted: the -> a (1)\n" in told
    assert "not counted, no hypothesis: u3 (1 in all)\nnot counted, no reference: u4 (1 in all)\n" in told


def test_json_holds_the_same_numbers(folders: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*folders, "--json", "--utt2spk", folders[0], "--per-utterance", "--aligned"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["wer"], told["errors"], told["reference_length"]) == (50.0, 3, 6)
    assert told["without_hypothesis"] == ["u3"]
    assert told["by_speaker"]["bert"]["deletions"] == 1
    assert told["by_utterance"]["u1"]["insertions"] == 1
    assert told["aligned"]["u2"] == [["on", "on"], ["the", None], ["mat", "mat"]]
    assert told["confusions"]["substitutions"] == [["the", "a", 1]]


def test_character_error_rate(folders: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*folders, "--json", "--cer"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["reference_length"] == len("the cat sat") + len("on the mat")
    assert "wer" not in told
    assert told["cer"] == pytest.approx(100 * told["errors"] / told["reference_length"], abs=0.01)


def test_rate_against_an_empty_reference_is_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, words in (("ref", "u1"), ("hyp", "u1 a")):
        (tmp_path / name).write_text(words + "\n")
    assert run([str(tmp_path / "ref"), str(tmp_path / "hyp"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wer"] is None
    assert run([str(tmp_path / "ref"), str(tmp_path / "hyp")]) == 0
    assert "WER undefined (empty reference): 1 of 0" in capsys.readouterr().out


def test_nothing_in_common_is_one_sentence_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("u", "v"):
        (tmp_path / name).write_text(f"{name} a\n")
    assert run([str(tmp_path / "u"), str(tmp_path / "v")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("wfst-asr: reference and hypothesis have no utterance id in common")
    assert told.count("\n") == 1
    assert run([str(tmp_path / "u"), str(tmp_path / "missing")]) == 1
    assert "missing: cannot be read (No such file or directory)" in capsys.readouterr().err


def test_texts_in_different_cases_are_told_and_compared_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ref").write_text("u1 THE CAT SAT\n")
    (tmp_path / "hyp").write_text("u1 the cat sits\n")
    paths = [str(tmp_path / "ref"), str(tmp_path / "hyp")]
    assert run(paths) == 0
    told = capsys.readouterr()
    assert "WER 100.00 %" in told.out
    assert "one side is upper case and the other lower case; try --ignore-case" in told.err
    assert run([*paths, "--ignore-case"]) == 0
    told = capsys.readouterr()
    assert "WER 33.33 %: 1 of 3" in told.out
    assert "CER 18.18 %: 2 of 11" in told.out
    assert told.err == ""
