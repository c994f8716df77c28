"""Alignment of recordings with a small trained model: the files that come of it fit together."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.toy_world import status_of
from wfst_asr.cli.lang import lang as lang_command
from wfst_asr.errors import WfstAsrError
from wfst_asr.io.archives import read_integer_vectors
from wfst_asr.io.ctm import read_ctm
from wfst_asr.io.data_dir import DataDir, Segment, read_data_dir, write_data_dir
from wfst_asr.io.textgrid import read_textgrid
from wfst_asr.kaldi.transition_model import read_transition_model
from wfst_asr.lexicon.files import read_lexicon
from wfst_asr.lexicon.spoken_words import read_spoken_words
from wfst_asr.recipe.aligning import align_data, spoken_words_of_archive
from wfst_asr.recipe.training import read_alignments, train_mono
from wfst_asr.train.monophone import MonophoneOptions
from wfst_asr.train.schedule import Schedule

LEXICON = "<UNK> SPN\nNO N OW\nYES Y EH S\nYES Y AH\n"
LANG_OPTIONS = ["--silence-phones", "SIL,SPN,NSN", "--states", "SPN=3", "--states", "NSN=1", "--skip-prob", "0.1"]


@pytest.fixture(scope="module")
def trained(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/ (12 recordings of yes and no), lang/, model/ and ali/."""
    root = tmp_path_factory.mktemp("aligned")
    whole = read_data_dir(corpora / "yesno")
    names = whole.utterances[:12]
    text = {name: (whole.text or {})[name] for name in names}
    write_data_dir(
        DataDir({n: whole.recordings[n] for n in names}, None, text, dict.fromkeys(names, "x")), root / "data"
    )
    (root / "lexicon.txt").write_text(LEXICON)
    assert status_of("lang", "make", root / "lexicon.txt", root / "lang", *LANG_OPTIONS) == 0
    options = MonophoneOptions(schedule=Schedule(6, frozenset({2, 4}), 60, last_increase=4))
    train_mono(root / "data", root / "lang", root / "model", options=options)
    align_data(root / "data", root / "lang", root / "model", root / "ali")
    return root


def test_words_phones_states_and_likelihoods_tell_the_same(trained: Path) -> None:
    data, ali = read_data_dir(trained / "data"), trained / "ali"
    words, phones, spoken = (
        read_ctm(ali / "words.ctm"),
        read_ctm(ali / "phones.ctm"),
        list(read_spoken_words(ali / "prons.txt")),
    )
    rows = [line.split("\t") for line in (ali / "phones.tsv").read_text().splitlines()][1:]
    ids = dict(read_integer_vectors(ali / "ali.ark"))
    assert len(ids) == 12
    assert (ali / "failures.tsv").read_text() == ""
    pronunciations = {(entry.word, entry.phones) for entry in read_lexicon(trained / "lexicon.txt").entries}
    for utterance in data.utterances:
        own = [word for word in words if word.recording == utterance]
        assert [word.word for word in own] == (data.text or {})[utterance].split()
        of_utterance = [one for one in spoken if one.utterance == utterance]
        assert [one.word for one in of_utterance if one.word != "<eps>"] == [word.word for word in own]
        assert all((one.word, one.phones) in pronunciations for one in of_utterance if one.word != "<eps>")
        grid = {tier.name: tier.intervals for tier in read_textgrid(ali / "textgrid" / f"{utterance}.TextGrid").tiers}
        named = [(round(i.start_s, 2), i.label) for i in grid["words"] if i.label]
        assert named == [(word.start_s, word.word) for word in own]
        segments = [phone for phone in phones if phone.recording == utterance]
        assert [i.label for i in grid["phones"] if i.label] == [phone.word for phone in segments]
        assert sum(round(phone.duration_s * 100) for phone in segments) == len(ids[utterance])
        assert [one.word for one in segments] == [phone for one in of_utterance for phone in one.phones]
        likelihoods = [row for row in rows if row[0] == utterance]
        assert [row[1] for row in likelihoods] == [phone.word for phone in segments]
        for row, phone in zip(likelihoods, segments, strict=True):
            assert float(row[5]) / int(row[4]) == pytest.approx(float(row[6]), abs=1e-3)
            assert phone.confidence == pytest.approx(float(row[6]), abs=1e-3)
        bounds = {i.start_s for i in grid["phones"]}
        assert bounds <= {i.start_s for i in grid["states"]}
        assert {i.start_s for i in grid["words"]} <= bounds


def test_the_folder_is_one_to_train_the_next_stage_from(trained: Path) -> None:
    found = read_alignments(trained / "ali")
    assert len(found.transition_ids) == 12
    assert np.array_equal(found.transitions.log_prob, read_transition_model(trained / "model" / "final.mdl").log_prob)


def test_the_hmms_of_the_model_are_drawn_with_their_trained_probabilities(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run = CliRunner().invoke
    for phone, states, skips in (("SIL", 5, 5), ("SPN", 3, 0), ("NSN", 1, 0), ("EH", 3, 2)):
        image = tmp_path / f"{phone}.svg"
        args = ["draw", str(trained / "lang"), phone, str(image), "--model", str(trained / "model")]
        told = run(lang_command, args, catch_exceptions=False).output
        assert f"trained; states: {states}, " in told
        assert f"skips: {skips}\n" in told
        assert "<svg" in image.read_text()


def test_the_words_come_from_the_archive_alone_as_well(trained: Path) -> None:
    found = list(spoken_words_of_archive(trained / "data", trained / "lang", trained / "ali"))
    assert found == list(read_spoken_words(trained / "ali" / "prons.txt"))


def test_learned_probabilities_come_from_either_folder(trained: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    args = ["make", str(trained / "lexicon.txt"), str(tmp_path / "lang"), *LANG_OPTIONS, "--alignments"]
    result = run(lang_command, [*args, str(trained / "ali")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    probs = {e.phones: e.prob for e in read_lexicon(tmp_path / "lang" / "lexiconp_silprob.txt").entries}
    assert probs["N", "OW"] == 1.0
    assert min(probs["Y", "EH", "S"], probs["Y", "AH"]) < max(probs["Y", "EH", "S"], probs["Y", "AH"]) == 1.0
    folders = ["--data", str(trained / "data"), "--lang", str(trained / "lang")]
    assert run(lang_command, [*args, str(trained / "model"), *folders], catch_exceptions=False).exit_code == 0
    assert run(lang_command, [*args, str(trained / "model"), *folders[:2]]).exit_code == 2


def test_the_number_of_processes_changes_nothing(trained: Path, tmp_path: Path) -> None:
    align_data(trained / "data", trained / "lang", trained / "model", tmp_path / "ali", num_jobs=2, textgrids=False)
    for name in ("ali.ark", "words.ctm", "phones.ctm", "phones.tsv", "prons.txt", "final.mdl"):
        assert (tmp_path / "ali" / name).read_bytes() == (trained / "ali" / name).read_bytes()
    assert not (tmp_path / "ali" / "textgrid").exists()


def segmented(trained: Path, folder: Path, text: dict[str, str], bounds: dict[str, tuple[float, float]]) -> Path:
    """A data directory of stretches of the first recording."""
    data = read_data_dir(trained / "data")
    first = data.utterances[0]
    segments = {name: Segment(first, *times) for name, times in bounds.items()}
    write_data_dir(DataDir({first: data.recordings[first]}, segments, text), folder)
    return folder


def test_utterances_that_fail_are_named_and_the_others_are_aligned(trained: Path, tmp_path: Path) -> None:
    data = read_data_dir(trained / "data")
    text = (data.text or {})[data.utterances[0]]
    whole = (0.0, 6.0)
    folder = segmented(
        trained,
        tmp_path / "data",
        {"a/good": text, "short": "YES NO " * 20, "empty": "", "unknown": "MAYBE NO", "tiny": "NO"},
        {"a/good": whole, "short": (0.0, 0.4), "empty": whole, "unknown": (0.5, 3.0), "tiny": (0.0, 0.01)},
    )
    with pytest.warns(UserWarning, match="1 utterances were left out: 'tiny' .shorter than a frame"):
        found = align_data(folder, trained / "lang", trained / "model", tmp_path / "out")
    reasons = dict(line.split("\t") for line in (tmp_path / "out" / "failures.tsv").read_text().splitlines())
    assert sorted(reasons) == ["empty", "short", "tiny"]
    assert reasons["empty"] == "the transcript is empty"
    assert "frames" in reasons["short"]
    assert (found.utterances, found.failures) == (2, 3)
    assert found.first_failure == "'empty': the transcript is empty"
    words = read_ctm(tmp_path / "out" / "words.ctm")  # of two stretches of one recording
    assert sorted(word.word for word in words) == sorted([*text.split(), "MAYBE", "NO"])
    assert [word.start_s for word in words] == sorted(word.start_s for word in words)
    assert next(word for word in words if word.word == "MAYBE").start_s >= 0.5
    assert "unknown" in (tmp_path / "out" / "prons.txt").read_text()
    assert " <UNK> SPN\n" in (tmp_path / "out" / "prons.txt").read_text()
    assert read_textgrid(tmp_path / "out" / "textgrid" / "a_good.TextGrid").end_s == 6.0


def test_nothing_aligned_is_an_error_of_one_sentence(trained: Path, tmp_path: Path, fails) -> None:  # type: ignore[no-untyped-def]
    folder = segmented(trained, tmp_path / "data", {"a": "NO " * 40}, {"a": (0.0, 0.5)})
    fails(
        "not one of 1 utterances could be aligned; 'a': ", "align", folder, trained / "lang", trained / "model",
        tmp_path / "out",
    )  # fmt: skip
    assert (tmp_path / "out" / "failures.tsv").read_text().startswith("a\t")


def test_the_command_tells_what_it_made(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [trained / name for name in ("data", "lang", "model")]
    assert status_of("align", *folders, tmp_path / "out", "--json", "--no-textgrids") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["utterances"], record["failures"], record["words"]) == (12, 0, 96)
    assert record["log_likelihood_per_frame"] < 0
    assert status_of("align", *folders, tmp_path / "out", "--no-textgrids") == 0
    assert "12 utterances (0 with the wider beam), 96 words" in capsys.readouterr().out


def test_a_lang_directory_of_other_phones_is_refused(trained: Path, tmp_path: Path) -> None:
    assert status_of("lang", "make", trained / "lexicon.txt", tmp_path / "lang", "--silence-phones", "SPN,SIL") == 0
    with pytest.raises(WfstAsrError, match=r"its phone 'SPN' has the number 1, but 6 in .*phones\.txt; take the lang"):
        align_data(trained / "data", tmp_path / "lang", trained / "model", tmp_path / "out")
