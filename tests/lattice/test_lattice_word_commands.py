"""The commands that tell words of lattice archives: best, nbest, oracle, mbr, calibrate."""

import json
import math

import pytest
from click.testing import CliRunner

from tests.lattice.word_lattices import linear_compact
from wfst_asr.cli.lattice_best import best
from wfst_asr.cli.lattice_calibrate import calibrate
from wfst_asr.cli.lattice_mbr import mbr
from wfst_asr.cli.lattice_nbest import nbest
from wfst_asr.cli.lattice_oracle import oracle
from wfst_asr.cli.lattice_posteriors import posteriors
from wfst_asr.errors import WfstAsrError
from wfst_asr.kaldi.lattice import read_lattices, write_lattices
from wfst_asr.lattice.convert import state_level


@pytest.fixture
def folder(tmp_path):
    costs = [-math.log(0.4), -math.log(0.3), -math.log(0.3)]
    lattices = [
        ("u1", linear_compact(list(zip([(1, 2, 3), (1, 4, 5), (6, 4, 3)], costs, strict=True)))),
        ("u2", linear_compact([((1, 2), 0.0), ((2,), 1.0)])),
    ]
    write_lattices(tmp_path / "lat.ark", lattices)
    write_lattices(tmp_path / "raw.ark", [(key, state_level(lattice)) for key, lattice in lattices])
    (tmp_path / "words.txt").write_text("<eps> 0\na 1\nb 2\nc 3\nd 4\ne 5\nf 6\n")
    (tmp_path / "text").write_text("u1 a d c\nu2 a x b\nu3 a\n")
    return tmp_path


def run(command, *arguments):
    scale = () if "--lm-weight" in arguments else ("--acoustic-scale", 1)
    result = CliRunner().invoke(command, [str(argument) for argument in (*arguments, *scale)])
    if result.exception:
        raise result.exception
    return result


@pytest.mark.parametrize("kind", ["lat.ark", "raw.ark"])
def test_best_words_with_times_and_confidences(folder, kind):
    words = ("--words", folder / "words.txt")
    told = run(best, folder / kind, *words, "--ctm", folder / "ctm", "--frame-shift-ms", 20).output
    assert told == "u1 a b c\nu2 a b\n"
    lines = [line.split() for line in (folder / "ctm").read_text().splitlines()]
    assert lines[0] == ["u1", "1", "0.00", "0.02", "a", "0.700"]
    assert [line[-1] for line in lines] == ["0.700", "0.400", "0.700", "0.731", "1.000"]
    assert run(best, folder / kind).output == "u1 1 2 3\nu2 1 2\n"
    run(best, folder / kind, *words, "--output", folder / "out" / "text", "--insertion-penalty", 2)
    assert (folder / "out" / "text").read_text() == "u1 a b c\nu2 b\n"


def test_n_best_words_and_their_costs(folder):
    words = ("--words", folder / "words.txt")
    assert run(nbest, folder / "lat.ark", *words, "-n", 2).output.splitlines()[:2] == ["u1-1 a b c", "u1-2 a d e"]
    assert len(run(nbest, folder / "lat.ark", "--max-extra-cost", 0.5).output.splitlines()) == 4
    records = [json.loads(line) for line in run(nbest, folder / "lat.ark", *words, "--json").output.splitlines()]
    assert [record["rank"] for record in records] == [1, 2, 3, 1, 2]
    assert records[4]["words"] == ["b"]
    assert records[4]["total_cost"] == 1.0
    assert records[0]["confidences"] == pytest.approx([0.7, 0.4, 0.7], abs=1e-3)


def test_words_of_minimum_bayes_risk_and_confusion_networks(folder):
    words = ("--words", folder / "words.txt")
    told = run(mbr, folder / "lat.ark", *words, "--ctm", folder / "ctm", "--networks", folder / "networks.jsonl").output
    assert told == "u1 a d c\nu2 a b\n"
    assert (folder / "ctm").read_text().splitlines()[1] == "u1 1 0.01 0.01 d 0.600"
    first = json.loads((folder / "networks.jsonl").read_text().splitlines()[0])
    assert first["words"] == ["a", "d", "c"]
    assert first["bayes_risk"] == pytest.approx(1.0, abs=1e-3)
    assert first["bins"][3] == {"begin_s": 0.01, "end_s": 0.02, "words": [["d", 0.6], ["b", 0.4]]}
    assert first["bins"][0]["words"] == [["<eps>", 1.0]]
    assert "d" not in run(mbr, folder / "lat.ark", *words, "--ignore", "d").output


def test_posteriors_of_words_by_time(folder):
    told = run(posteriors, folder / "lat.ark", "--words", folder / "words.txt").output.splitlines()
    assert told[:2] == ["u1 0.00 0.01 a 0.7000", "u1 0.00 0.01 f 0.3000"]
    assert len(run(posteriors, folder / "lat.ark", "--min-posterior", 0.5).output.splitlines()) == 5


def test_oracle_of_a_set(folder):
    words = ("--words", folder / "words.txt")
    told = run(
        oracle, folder / "lat.ark", folder / "text", *words, "--output", folder / "best", "--per-utterance"
    ).output
    assert "oracle WER 33.33 %: 2 of 6 (1 sub, 0 ins, 1 del)" in told
    assert "not counted, no lattice: u3 (1 in all)" in told
    assert len((folder / "best").read_text().splitlines()) == 2
    record = json.loads(run(oracle, folder / "lat.ark", folder / "text", *words, "--json").output)
    assert (record["errors"], record["utterances"], record["without_lattice"]) == (2, 2, ["u3"])
    (folder / "other").write_text("u7 a\n")
    with pytest.raises(WfstAsrError, match="has none of the 2 utterances"):
        run(oracle, folder / "lat.ark", folder / "other", *words)


@pytest.mark.parametrize("method", ["logistic", "isotonic"])
def test_calibration_is_fitted_and_applied(folder, method):
    words = ("--words", folder / "words.txt")
    arguments = (folder / "lat.ark", folder / "text", folder / "calibration.json", *words, "--method", method)
    record = json.loads(run(calibrate, *arguments, "--json").output)
    assert (record["words"], record["correct"]) == (5, 4)
    told = run(calibrate, *arguments, "--mbr").output
    assert f"{method} calibration of 5 words, 5 of them right" in told
    assert "normalized cross entropy undefined" in told
    run(best, folder / "lat.ark", *words, "--ctm", folder / "ctm", "--calibration", folder / "calibration.json")
    assert all(0 < float(line.split()[-1]) < 1 for line in (folder / "ctm").read_text().splitlines())


def test_wrong_usage_is_told(folder):
    for scales in ([], ["--acoustic-scale", "1", "--lm-weight", "2"]):
        assert CliRunner().invoke(best, [str(folder / "lat.ark"), *scales]).exit_code == 2
    (folder / "words.txt").write_text("<eps> 0\na 1\n")
    with pytest.raises(WfstAsrError, match="words beyond number 1"):
        run(best, folder / "lat.ark", "--words", folder / "words.txt")


def test_kaldis_lattices_have_kaldis_best_words_and_costs(corpora):
    source = corpora / "kaldi_an4" / "lattices"
    expected = (source / "1best.words").read_text().splitlines()
    weight = 1 / 0.083333
    told = run(best, source / "lat.ark", "--lm-weight", weight).output.splitlines()
    assert [line.split() for line in sorted(told)] == [line.split() for line in sorted(expected)]
    costs = {line.split()[0]: float(line.split()[1]) for line in (source / "1best.lmcost").read_text().splitlines()}
    first = [
        json.loads(line)
        for line in run(nbest, source / "lat.ark", "-n", 3, "--json", "--lm-weight", weight).output.splitlines()
    ]
    assert len({(record["utterance"], *record["words"]) for record in first}) == len(first)
    for record in first:
        if record["rank"] == 1:
            assert record["graph_cost"] == pytest.approx(costs[record["utterance"]], abs=1e-2)
    text = corpora / "kaldi_an4" / "text"
    words = corpora / "kaldi_an4" / "graph" / "words.txt"
    rate = json.loads(run(oracle, source / "lat.ark", text, "--words", words, "--json", "--lm-weight", weight).output)
    assert rate["utterances"] == len(dict(read_lattices(source / "lat.ark")))
