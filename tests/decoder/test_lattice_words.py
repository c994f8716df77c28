"""Confidences, n-best lists and words of minimum Bayes risk from decoding, and what `wfst-asr decode` writes of them."""

import json

import numpy as np
import pytest

from tests.decoder.test_decode_command import NO, YES, graph_dir, run, write_scores
from wfst_asr.cli.lattice_best import best
from wfst_asr.decoder.batch import decode_utterances
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.lattice_beam import decode_lattice
from wfst_asr.decoder.lattice_words import LatticeOptions, decode_words
from wfst_asr.decoder.online import OnlineDecoder
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import load_graph, make_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.io.ctm import read_ctm
from wfst_asr.kaldi.lattice import read_lattices
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.confidence import word_confidences
from wfst_asr.lattice.lattice import Lattice
from wfst_asr.lattice.nbest import n_best
from wfst_asr.score.calibration import LogisticCalibration, save_calibration

__all__ = ["graph_dir"]

UNSURE = [-1.0, -1.5]


@pytest.fixture
def loop():
    arcs = [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)]
    return make_search_graph(arc_table(1, arcs, finals={0: 0.0}), [-1, 0, 1], words=["<eps>", "yes", "no"])


@pytest.fixture
def loop_dir(graph_dir):
    """The graph folder, its graph a loop of two words of a frame each."""
    from wfst_asr.fst.arcs import write_const_fst

    arcs = [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)]
    write_const_fst(arc_table(1, arcs, finals={0: 0.0}), graph_dir / "HCLG.fst")
    return graph_dir


def test_confidences_are_those_of_the_one_definition(loop):
    scores = [UNSURE, NO, UNSURE]
    found = decode_words(loop, scores, wanted=LatticeOptions(keep="words", num_best=3, mbr=True))
    plain = decode_lattice(loop, scores)
    assert plain.best.confidences is None
    assert decode(loop, scores).confidences is None
    assert found.best.words == decode(loop, scores).words
    assert found.best.confidences == pytest.approx(word_confidences(plain.words, found.best.word_ids))
    paths = n_best(plain.words, 3)
    assert [one.word_ids for one in found.n_best] == [path.word_ids for path in paths]
    for one in found.n_best:
        assert one.confidences == pytest.approx(word_confidences(plain.words, one.word_ids))
        assert [time.word for time in one.word_times] == list(one.words)
    assert found.mbr.words == found.best.words
    assert found.mbr.confidences == pytest.approx(found.best.confidences)
    assert [(time.start_frame, time.end_frame) for time in found.mbr.word_times] == [(0, 1), (1, 2), (2, 3)]
    assert isinstance(found.lattice, CompactLattice)
    stream = OnlineDecoder(loop, confidence=True)
    stream.accept(scores)
    ended = stream.finish()
    assert ended.result.confidences == ended.confidences == pytest.approx(found.best.confidences)


def test_calibration_changes_every_confidence(loop):
    calibration = LogisticCalibration(0.0, 0.0)
    found = decode_words(loop, [UNSURE], wanted=LatticeOptions(num_best=2, mbr=True, calibration=calibration))
    assert found.best.confidences == found.mbr.confidences == found.n_best[1].confidences == (0.5,)
    assert found.lattice is None


def test_bad_options_of_lattices():
    with pytest.raises(WfstAsrError, match="kind 'arcs'"):
        LatticeOptions(keep="arcs")
    with pytest.raises(WfstAsrError, match="-1 best word sequences"):
        LatticeOptions(num_best=-1)


def test_batches_give_what_is_wanted(loop):
    items = [(f"u{i}", lambda: np.array([UNSURE] * 3, dtype=np.float32)) for i in range(4)]
    with_lattices = list(decode_utterances(loop, items, wanted=LatticeOptions(keep="states"), num_jobs=2))
    assert all(isinstance(one.from_lattice.lattice, Lattice) for one in with_lattices)
    assert all(one.result.confidences for one in with_lattices)
    assert all(one.from_lattice is None for one in decode_utterances(loop, items))


@pytest.mark.parametrize(("option", "kind"), [("--lattices", CompactLattice), ("--raw-lattices", Lattice)])
def test_lattices_are_written_as_kaldi_does(loop_dir, tmp_path, option, kind):
    scores = write_scores(tmp_path / "scores.ark", u1=[UNSURE, NO], u2=[UNSURE])
    out = tmp_path / "out"
    assert run("decode", loop_dir, "--scores", scores, out, option, "--lattice-beam", 3) == 0
    for name in ("lat.ark", "lat.scp"):
        lattices = dict(read_lattices(out / name))
        assert list(lattices) == ["u1", "u2"]
        assert all(isinstance(lattice, kind) for lattice in lattices.values())
    found = decode_lattice(load_graph(loop_dir), [UNSURE, NO], DecodeOptions(lattice_beam=3.0))
    expected = found.words if kind is CompactLattice else found.lattice
    assert (dict(read_lattices(out / "lat.ark"))["u1"].olabel == expected.olabel).all()
    told = [word.confidence for word in read_ctm(out / "ctm")]
    assert told == pytest.approx([0.731, 1.0, 0.731], abs=1e-3)
    assert run("decode", loop_dir, "--scores", scores, out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["costs", "ctm", "text"]
    assert {word.confidence for word in read_ctm(out / "ctm")} == {None}


def test_n_best_lists_confidences_and_calibration(loop_dir, tmp_path):
    scores = write_scores(tmp_path / "scores.ark", u1=[UNSURE, NO], u2=[UNSURE])
    out, calibration = tmp_path / "out", tmp_path / "calibration.json"
    assert run("decode", loop_dir, "--scores", scores, out, "--nbest", 2) == 0
    rows = [json.loads(line) for line in (out / "nbest.jsonl").read_text().splitlines()]
    assert [(row["utterance"], row["rank"], row["words"]) for row in rows] == [
        ("u1", 1, ["yes", "no"]),
        ("u1", 2, ["no", "no"]),
        ("u2", 1, ["yes"]),
        ("u2", 2, ["no"]),
    ]
    assert rows[1]["confidences"] == pytest.approx([0.2689, 1.0], abs=1e-3)
    assert rows[0]["total_cost"] == pytest.approx(2.5)
    save_calibration(LogisticCalibration(0.0, 0.0), calibration)
    assert run("decode", loop_dir, "--scores", scores, out, "--calibration", calibration) == 0
    assert [word.confidence for word in read_ctm(out / "ctm")] == [0.5, 0.5, 0.5]
    assert not (out / "nbest.jsonl").exists()
    assert run("decode", loop_dir, "--scores", scores, out, "--lattices", "--raw-lattices") == 2


def test_words_of_minimum_bayes_risk(tmp_path, graph_dir):
    from wfst_asr.fst.arcs import write_const_fst

    arcs = [
        (0, 1, 1, 1, -np.log(0.4)),
        (1, 3, 1, 1, 0.0),
        (0, 2, 1, 2, -np.log(0.6)),
        (2, 3, 1, 1, -np.log(0.5)),
        (2, 3, 1, 2, -np.log(0.5)),
    ]
    write_const_fst(arc_table(4, arcs, finals={3: 0.0}), graph_dir / "HCLG.fst")
    scores = write_scores(tmp_path / "scores.ark", u=[YES, YES])
    out = tmp_path / "out"
    assert run("decode", graph_dir, "--scores", scores, out) == 0
    assert (out / "text").read_text() == "u yes yes\n"
    assert run("decode", graph_dir, "--scores", scores, out, "--mbr") == 0
    assert (out / "text").read_text() == "u no yes\n"
    assert [(word.word, word.confidence) for word in read_ctm(out / "ctm")] == [("no", 0.6), ("yes", 0.7)]
    assert (out / "costs").read_text().splitlines()[1].split("\t")[1] == f"{-np.log(0.4):.4f}"


def test_graph_options_of_lattice_best(tmp_path):
    from click.testing import CliRunner

    arguments = [str(tmp_path / "lat.ark"), "--acoustic-scale", "1"]
    assert CliRunner().invoke(best, [*arguments, "--graph", "g"]).exit_code == 2
    assert CliRunner().invoke(best, [*arguments, "--ctm", "c", "--transitions", "t"]).exit_code == 2
