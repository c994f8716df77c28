"""`wfst-asr lm train` and what its users meet."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from wfst_asr.cli.lm import lm
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lm import read_model

TEXT = """the king of spain saw the rain
the rain in spain falls on the plain
a king in the rain
a king saw a king
the plain of spain saw the rain
"""


def train(folder: Path, *options: str, text: bytes = TEXT.encode(), name: str = "lm.arpa") -> Result:
    (folder / "text").write_bytes(text)
    arguments = ["train", str(folder / "text"), str(folder / name), *options]
    return CliRunner().invoke(lm, arguments, catch_exceptions=False)


@pytest.mark.filterwarnings("ignore::wfst_asr.errors.WfstAsrWarning")
@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz", "lm.ngram", "lm"])
def test_the_form_is_that_of_the_name(tmp_path, name):
    assert train(tmp_path, name=name).exit_code == 0
    model = read_model(tmp_path / name)
    assert model.order == 3
    words = [word for word in model.words if word != "<s>"]
    assert sum(np.exp(model.log_prob(word, ["the", "king"])) for word in words) == pytest.approx(1, abs=1e-9)


@pytest.mark.filterwarnings("ignore::wfst_asr.errors.WfstAsrWarning")
def test_without_smoothing_it_is_interpolated_modified_kneser_ney_and_good_turing_as_srilm(tmp_path):
    train(tmp_path, "--smoothing", "modified-kneser-ney", "--interpolate", name="named.arpa")
    train(tmp_path, name="default.arpa")
    assert (tmp_path / "named.arpa").read_bytes() == (tmp_path / "default.arpa").read_bytes()
    train(tmp_path, "--smoothing", "good-turing", "--srilm", name="named.arpa")
    train(tmp_path, "--srilm", name="default.arpa")
    assert (tmp_path / "named.arpa").read_bytes() == (tmp_path / "default.arpa").read_bytes()


@pytest.mark.parametrize("spelled", [["2", "2", "3"], ["2 2 3"], ["2,2,3"]])
def test_cutoffs_are_numbers_after_the_option_in_any_spelling(tmp_path, spelled):
    result = train(tmp_path, "--smoothing", "witten-bell", "--cutoffs", *spelled, "--json")
    model = read_model(tmp_path / "lm.arpa")
    assert json.loads(result.stdout)["ngrams"] == list(model.num_ngrams)
    assert "king" in model.word_ids
    assert model.find([model.word_ids[word] for word in ("saw", "the")]) >= 0  # twice
    assert model.find([model.word_ids[word] for word in ("king", "of")]) < 0  # once


def test_a_vocabulary_by_size_counts_the_other_words_as_unk(tmp_path):
    result = train(tmp_path, "--smoothing", "witten-bell", "--vocab-size", "2", "--json")
    assert read_model(tmp_path / "lm.arpa").words == ("<s>", "</s>", "<unk>", "the", "king")
    facts = json.loads(result.stdout)
    assert facts["oov"] == facts["words"] - TEXT.split().count("the") - TEXT.split().count("king")


def test_a_vocabulary_by_file_may_be_closed(tmp_path):
    (tmp_path / "words.txt").write_text("<eps> 0\nthe 1\nking 2\nqueen 3\n#0 4\n")
    train(tmp_path, "--smoothing", "witten-bell", "--vocab", str(tmp_path / "words.txt"), "--no-unk")
    model = read_model(tmp_path / "lm.arpa")
    assert model.words == ("<s>", "</s>", "the", "king", "queen")
    assert np.isfinite(model.log_prob("queen"))


def test_gzipped_text_gives_the_same_model(tmp_path):
    train(tmp_path, "--smoothing", "witten-bell", name="plain.arpa")
    train(tmp_path, "--smoothing", "witten-bell", name="packed.arpa", text=gzip.compress(TEXT.encode()))
    assert (tmp_path / "plain.arpa").read_bytes() == (tmp_path / "packed.arpa").read_bytes()


def test_what_could_not_be_estimated_is_told_in_a_line(tmp_path):
    with pytest.warns(WfstAsrWarning, match="order 1: n_1 = 2, n_2 = 0, n_3 = 0, n_4 = 0 allow no estimate"):
        train(tmp_path, "--smoothing", "modified-kneser-ney", "--order", "1", text=b"word\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--smoothing", "katz", "--interpolate"], "katz smoothing cannot be interpolated"),
        (["--cutoffs", "2 1"], "cutoffs 2 1, expected"),
        (["--cutoffs", "x"], "--cutoffs 'x', expected counts"),
        (["--smoothing", "add-k", "--k", "0"], "k = 0.0 of add-k"),
        (["--smoothing", "katz", "--katz-k", "0"], "Katz threshold 0"),
        (["--vocab", "none"], "none: cannot be read"),
    ],
)
def test_wrong_options_leave_the_file_that_was_there(tmp_path, options, message):
    (tmp_path / "lm.arpa").write_text("before")
    with pytest.raises(WfstAsrError, match=message):
        train(tmp_path, *options)
    assert (tmp_path / "lm.arpa").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lm.arpa", "text"]
