import json

import numpy as np
import pytest

from wfst_asr.cli.main import main
from wfst_asr.decoder import beam
from wfst_asr.decoder.batch import decode_utterances
from wfst_asr.decoder.search_graph import load_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table, write_const_fst
from wfst_asr.fst.manifest import Manifest, write_manifest
from wfst_asr.io.archives import matrix_writer

YES, NO = [0.0, -9.0], [-9.0, 0.0]


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture
def graph_dir(tmp_path):
    folder = tmp_path / "graph"
    folder.mkdir()
    arcs = [(0, 1, 1, 1, 0.5), (1, 1, 1, 0, 0.0), (1, 2, 2, 2, 0.5), (2, 2, 2, 0, 0.0)]
    write_const_fst(arc_table(3, arcs, finals={2: 0.0}), folder / "HCLG.fst")
    (folder / "words.txt").write_text("<eps> 0\nyes 1\nno 2\n")
    write_manifest(folder, Manifest(label_kind="pdf-id+1", num_columns=2, column_names="senone"))
    return folder


def write_scores(path, **matrices):
    with matrix_writer(path) as write:
        for name, rows in matrices.items():
            write(name, np.array(rows, dtype=np.float32).reshape(-1, 2))
    return path


def test_scores_to_text_times_and_costs(graph_dir, tmp_path, capsys):
    scores = write_scores(tmp_path / "scores.ark", u1=[YES, YES, NO], u2=[YES, NO])
    assert run("decode", graph_dir, "--scores", scores, tmp_path / "out") == 0
    assert (tmp_path / "out" / "text").read_text() == "u1 yes no\nu2 yes no\n"
    assert (tmp_path / "out" / "ctm").read_text().splitlines()[:2] == ["u1 1 0.00 0.02 yes", "u1 1 0.02 0.01 no"]
    costs = [line.split("\t") for line in (tmp_path / "out" / "costs").read_text().splitlines()]
    assert costs[0] == ["utterance", "graph_cost", "acoustic_cost", "total_cost", "frames", "reached_final"]
    assert costs[1][0] == "u1"
    assert costs[1][1:] == ["1.0000", "0.0000", "1.0000", "3", "1"] or costs[1][2] == "-0.0000"
    assert "2 utterances, 4 words" in capsys.readouterr().out


@pytest.mark.parametrize("num_jobs", [1, 3])
def test_json_summary_and_threads(graph_dir, tmp_path, capsys, num_jobs):
    names = [f"u{i:02d}" for i in range(20)]
    scores = write_scores(tmp_path / "scores.ark", **{name: [YES] * (i + 1) + [NO] for i, name in enumerate(names)})
    assert run("decode", graph_dir, "--scores", scores, tmp_path / "out", "--json", "--num-jobs", num_jobs) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["decoded"] == 20
    assert record["frames"] == sum(range(2, 22))
    assert [line.split()[0] for line in (tmp_path / "out" / "text").read_text().splitlines()] == names


@pytest.mark.filterwarnings("always::wfst_asr.errors.WfstAsrWarning")
def test_partial_results_and_utterances_left_out_are_told(graph_dir, tmp_path, capsys):
    scores = write_scores(tmp_path / "scores.ark", ends=[YES, NO], cut=[YES], never=[NO, [-np.inf, -np.inf]])
    assert run("decode", graph_dir, "--scores", scores, tmp_path / "out") == 0
    told = capsys.readouterr().err
    assert "note: 1 utterance (never) left out ('never': no path goes through frame 1" in told
    assert "note: 1 utterance (cut) ended in no final state" in told
    assert (tmp_path / "out" / "text").read_text() == "ends yes no\ncut yes\n"


@pytest.mark.parametrize(
    ("rows", "message"),
    [([[0.0, np.nan]], "utterance 'u': scores at frame 0, column 1: nan"), ([[0.0, np.inf]], "column 1: inf")],
)
def test_bad_scores_end_with_one_sentence_and_leave_nothing(graph_dir, tmp_path, capsys, rows, message):
    scores = write_scores(tmp_path / "scores.ark", u=rows)
    assert run("decode", graph_dir, "--scores", scores, tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_search_that_needs_too_much_memory_ends_with_one_sentence(graph_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(beam, "_TOKEN_BYTES", 1e12)
    scores = write_scores(tmp_path / "scores.ark", u=[YES, NO])
    assert run("decode", graph_dir, "--scores", scores, tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert "utterance 'u': the search needs more than 4096 MB at frame 0, where it has 1 tokens; lower beam" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("always::wfst_asr.errors.WfstAsrWarning")
def test_a_beam_that_max_active_cuts_is_told_once(tmp_path, capsys):
    arcs = [(s, t, 1 + (s + t) % 2, 0, 0.01 * s) for s in range(30) for t in range(30)]
    write_const_fst(arc_table(30, arcs, finals={0: 0.0}), tmp_path / "HCLG.fst")
    (tmp_path / "words.txt").write_text("<eps> 0\n")
    write_manifest(tmp_path, Manifest(label_kind="pdf-id+1", num_columns=2, column_names="senone"))
    scores = write_scores(tmp_path / "scores.ark", a=[YES, NO] * 60, b=[YES, NO] * 60)
    assert run("decode", tmp_path, "--scores", scores, "--max-active", 5, tmp_path / "out") == 0
    told = capsys.readouterr().err
    assert told.count("max_active 5 cut the beam 13 in ") == 1


def test_scores_of_another_model(graph_dir, tmp_path, capsys):
    with matrix_writer(tmp_path / "s.ark") as write:
        write("u", np.zeros((2, 3), dtype=np.float32))
    assert run("decode", graph_dir, "--scores", tmp_path / "s.ark", tmp_path / "out") == 1
    assert "3 columns, but the graph expects 2 (senone)" in capsys.readouterr().err


def test_nothing_that_can_be_decoded(graph_dir, tmp_path, capsys):
    scores = write_scores(tmp_path / "scores.ark", u=[[-np.inf, -np.inf]])
    assert run("decode", graph_dir, "--scores", scores, tmp_path / "out") == 1
    assert "none of 1 utterances could be decoded: 'u': no path" in capsys.readouterr().err


def test_missing_scores_and_graph(graph_dir, tmp_path, capsys):
    assert run("decode", graph_dir, "--scores", tmp_path / "none.ark", tmp_path / "out") == 1
    assert "none.ark: no such file" in capsys.readouterr().err
    assert run("decode", tmp_path / "nowhere", "--scores", tmp_path / "none.ark", tmp_path / "out") == 1
    assert "no such file" in capsys.readouterr().err


def test_output_that_cannot_be_written(graph_dir, tmp_path, capsys):
    scores = write_scores(tmp_path / "scores.ark", u=[YES, NO])
    (tmp_path / "out").write_text("a file")
    assert run("decode", graph_dir, "--scores", scores, tmp_path / "out") == 1
    assert "cannot be written" in capsys.readouterr().err


def test_data_dir_needs_a_model_that_is_known(graph_dir, tmp_path, capsys):
    data = tmp_path / "data"
    data.mkdir()
    assert run("decode", graph_dir, data, tmp_path / "out") == 1
    assert "wav.scp" in capsys.readouterr().err
    (data / "wav.scp").write_text("u u.wav\n")
    assert run("decode", graph_dir, data, tmp_path / "out") == 1
    assert "give its folder with --model" in capsys.readouterr().err
    assert run("decode", graph_dir, data, tmp_path / "out", "--model", tmp_path) == 1
    assert "has neither 'final.mdl' nor 'mdef'" in capsys.readouterr().err


def test_wrong_usage(graph_dir, tmp_path):
    assert run("decode", graph_dir, tmp_path) == 2
    assert run("decode", graph_dir, "--scores", "a.ark", tmp_path, tmp_path) == 2
    assert run("decode", graph_dir, "--scores", "a.ark", "--model", "m", tmp_path) == 2


def test_batches_name_the_utterance_and_stop(graph_dir):
    graph = load_graph(graph_dir)
    good, bad = (lambda: [YES, NO]), (lambda: [[np.nan, 0.0]])
    utterances = [("a", good), ("b", bad), *((f"c{i}", good) for i in range(10))]
    with pytest.raises(WfstAsrError, match="utterance 'b': scores at frame 0"):
        list(decode_utterances(graph, utterances, num_jobs=2))
    with pytest.raises(WfstAsrError, match="num_jobs 0"):
        list(decode_utterances(graph, [], num_jobs=0))
