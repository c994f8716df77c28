"""`wfst-asr decode --scores` with matrices as networks give them."""

import numpy as np
import pytest

from tests.decoder.test_decode_command import graph_dir, run  # noqa: F401
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.posteriors import log_softmax
from wfst_asr.decoder.search_graph import load_graph
from wfst_asr.errors import WfstAsrError

LOGITS = np.array([[5.0, 1.0], [4.0, 1.0], [-3.0, 2.0]], np.float32)


def costs(folder):
    return [line.split("\t") for line in (folder / "costs").read_text().splitlines()[1:]]


def test_logits_and_priors(graph_dir, tmp_path):  # noqa: F811
    np.savez(tmp_path / "s.npz", u=LOGITS)
    assert run("decode", graph_dir, "--scores", tmp_path / "s.npz", "--logits", tmp_path / "a") == 0
    assert (tmp_path / "a" / "text").read_text() == "u yes no\n"
    expected = -log_softmax(LOGITS)[[0, 1, 2], [0, 0, 1]].sum()
    assert float(costs(tmp_path / "a")[0][2]) == pytest.approx(expected, abs=1e-3)
    (tmp_path / "priors").write_text("[ 1 3 ]")
    options = ("--logits", "--priors", tmp_path / "priors", "--prior-scale", 0.5)
    assert run("decode", graph_dir, "--scores", tmp_path / "s.npz", *options, tmp_path / "b") == 0
    expected += 0.5 * (2 * np.log(0.25) + np.log(0.75))
    assert float(costs(tmp_path / "b")[0][2]) == pytest.approx(expected, abs=1e-3)


def test_priors_of_another_network(graph_dir, tmp_path, capsys):  # noqa: F811
    np.savez(tmp_path / "s.npz", u=LOGITS)
    (tmp_path / "priors").write_text("1 3 4")
    assert (
        run("decode", graph_dir, "--scores", tmp_path / "s.npz", "--priors", tmp_path / "priors", tmp_path / "o") == 1
    )
    assert "priors: holds 3 priors, but the graph expects 2 columns" in capsys.readouterr().err
    assert run("decode", graph_dir, tmp_path, "--priors", tmp_path / "priors", tmp_path / "o") == 2


def test_a_file_of_one_matrix_is_decoded(graph_dir, tmp_path):  # noqa: F811
    graph = load_graph(graph_dir)
    np.save(tmp_path / "u.npy", LOGITS)
    assert decode(graph, tmp_path / "u.npy").text == decode(graph, str(tmp_path / "u.npy")).text == "yes no"
    assert run("decode", graph_dir, "--scores", tmp_path / "u.npy", tmp_path / "out") == 0
    assert (tmp_path / "out" / "text").read_text() == "u yes no\n"
    with pytest.raises(WfstAsrError, match="no such file; expected a score matrix"):
        decode(graph, tmp_path / "none.npy")
    with pytest.raises(WfstAsrError, match="read_score_matrices"):
        decode(graph, tmp_path / "s.npz")
    (tmp_path / "bad.npy").write_text("rubbish")
    with pytest.raises(WfstAsrError, match="cannot be read as a score matrix"):
        decode(graph, tmp_path / "bad.npy")


def test_a_read_only_matrix_compiles_nothing_anew(graph_dir):  # noqa: F811
    from wfst_asr.decoder import _kernels

    graph = load_graph(graph_dir)
    decode(graph, LOGITS)
    before = len(_kernels.advance_search.signatures)
    frozen = LOGITS.copy()
    frozen.flags.writeable = False
    assert decode(graph, frozen).text == "yes no"
    assert len(_kernels.advance_search.signatures) == before
