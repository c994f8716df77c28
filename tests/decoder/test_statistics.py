"""What the search tells of each frame, and the table of it that `wfst-asr decode --statistics` writes."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.decoder.graphs import COLUMNS, cases
from tests.decoder.test_decode_command import NO, YES, graph_dir, run, write_scores
from tests.decoder.test_search import random_graph
from wfst_asr.decoder.batch import decode_utterances
from wfst_asr.decoder.beam import BeamSearch, NoPathError
from wfst_asr.decoder.decode import decode, decode_blocks
from wfst_asr.decoder.lattice_beam import decode_lattice
from wfst_asr.decoder.lattice_words import decode_words
from wfst_asr.decoder.options import DecodeOptions, exact_options
from wfst_asr.decoder.search_graph import make_search_graph
from wfst_asr.decoder.statistics_file import COLUMNS as COLUMN_NAMES
from wfst_asr.decoder.statistics_file import read_statistics, write_statistics
from wfst_asr.errors import WfstAsrError

__all__ = ["graph_dir"]

BEAM_ONLY = DecodeOptions(beam=6.0, max_active=None, min_active=0)
LIMITED = DecodeOptions(beam=9.0, max_active=60, min_active=5)


@pytest.fixture
def graph():
    return make_search_graph(random_graph(500, 4000, labels=10, seed=7), np.arange(-1, 10))


SCORES = np.random.default_rng(8).normal(0, 2, (45, 10)).astype(np.float32)


def check(result):
    told, counts = result.statistics, result.counts
    columns = (told.tokens, told.arcs, told.best_cost, told.beam, told.limited)
    assert {len(column) for column in columns} == {counts.frames}
    assert told.tokens.sum() == counts.tokens
    assert told.arcs.sum() == counts.emitting_arcs + counts.epsilon_arcs
    assert told.limited.sum() == counts.frames_limited
    assert max(told.tokens[1:], default=0) <= counts.most_tokens


@pytest.mark.parametrize("options", [BEAM_ONLY, LIMITED, exact_options()], ids=["beam", "max-active", "exact"])
def test_statistics_of_frames_add_up_to_the_counts(graph, options):
    result = decode(graph, SCORES, options, keep_statistics=True)
    check(result)
    assert result.statistics.limited.any() == (options is LIMITED)
    assert result.statistics.tokens[0] == 1


@settings(max_examples=100, deadline=None)
@given(cases(min_frames=1))
def test_statistics_of_any_graph_add_up_and_begin_at_the_best_token(case):
    graph = make_search_graph(case.table, COLUMNS)
    try:
        result = decode(graph, case.matrix, exact_options(), keep_statistics=True)
    except NoPathError:
        return
    check(result)
    assert result.statistics.best_cost[0] == 0.0  # no epsilon arc costs less than staying at the start


def test_the_beam_is_the_dial_where_nothing_limits_it(graph):
    wide = decode(graph, SCORES, BEAM_ONLY, keep_statistics=True).statistics
    # where not more than min_active tokens are, all are followed
    assert wide.beam == pytest.approx(np.full(len(SCORES), 6.0), abs=1e-4)
    cut = decode(graph, SCORES, LIMITED, keep_statistics=True).statistics
    assert (cut.beam[cut.limited] < 9.0).all()
    assert (cut.beam[~cut.limited] >= 9.0 - 1e-4).all()
    assert (cut.tokens[cut.limited] > 60).all()
    assert np.isinf(decode(graph, SCORES, exact_options(), keep_statistics=True).statistics.beam).all()


def test_best_costs_are_those_of_the_frames_before(graph):
    told = decode(graph, SCORES, BEAM_ONLY, keep_statistics=True).statistics
    exact = decode(graph, SCORES, exact_options(), keep_statistics=True).statistics
    assert told.best_cost[0] == 0.0
    for frames in (1, 7):
        search = BeamSearch(graph, BEAM_ONLY)
        search.advance(SCORES[:frames])
        arcs = graph.arcs[search.unsettled()]
        columns = graph.columns[arcs["ilabel"][arcs["ilabel"] != 0]]
        cost = arcs["cost"].sum(dtype=np.float64) - SCORES[np.arange(frames), columns].sum(dtype=np.float64)
        assert told.best_cost[frames] == pytest.approx(cost, abs=1e-3)
    assert (exact.best_cost <= told.best_cost + 1e-3).all()


def test_nobody_is_told_who_does_not_ask(graph):
    assert decode(graph, SCORES).statistics is None
    assert decode_blocks(graph, [SCORES]).statistics is None
    assert decode_lattice(graph, SCORES[:9]).best.statistics is None
    plain = decode(graph, SCORES, LIMITED)
    asked = decode(graph, SCORES, LIMITED, keep_statistics=True)
    assert plain.alignment.tolist() == asked.alignment.tolist()
    assert plain.counts == asked.counts


def test_searches_for_lattices_and_batches_tell_the_same(graph):
    alone = decode(graph, SCORES[:20], LIMITED, keep_statistics=True).statistics
    found = [
        decode_lattice(graph, SCORES[:20], LIMITED, keep_statistics=True).best,
        decode_words(graph, SCORES[:20], LIMITED, keep_statistics=True).best,
    ]
    items = [("u", lambda: SCORES[:20])]
    found += [one.result for one in decode_utterances(graph, items, LIMITED, keep_statistics=True)]
    for result in found:
        check(result)
        assert result.statistics.beam.tolist() == alone.beam.tolist()
        assert result.statistics.tokens.tolist() == alone.tokens.tolist()


@pytest.mark.parametrize("more", [[], ["--lattices"], ["--num-jobs", 2]])
def test_the_command_writes_a_line_a_frame(graph_dir, tmp_path, more):
    scores = write_scores(tmp_path / "scores.ark", u1=[YES, YES, NO], u2=[YES, NO])
    out = tmp_path / "out"
    assert run("decode", graph_dir, "--scores", scores, out, "--statistics", "--min-active", 0, *more) == 0
    lines = (out / "statistics.tsv").read_text().splitlines()
    assert lines[0].split("\t") == list(COLUMN_NAMES)
    assert lines[1].split("\t") == ["u1", "0", "1", "1", "0.0000", "13.0000", "0"]
    assert [line.split("\t")[:2] for line in lines[1:]] == [["u1", str(t)] for t in range(3)] + [
        ["u2", "0"],
        ["u2", "1"],
    ]
    assert run("decode", graph_dir, "--scores", scores, out) == 0
    assert not (out / "statistics.tsv").exists()


@pytest.mark.filterwarnings("always::wfst_asr.errors.WfstAsrWarning")
def test_utterances_without_a_path_have_no_lines(graph_dir, tmp_path):
    scores = write_scores(tmp_path / "scores.ark", good=[YES, NO], never=[NO, [-np.inf, -np.inf]])
    assert run("decode", graph_dir, "--scores", scores, tmp_path / "out", "--statistics") == 0
    assert list(read_statistics(tmp_path / "out" / "statistics.tsv")) == ["good"]


def test_the_table_reads_back(graph, tmp_path):
    told = decode(graph, SCORES, LIMITED, keep_statistics=True).statistics
    few = decode(graph, SCORES[:2], exact_options(), keep_statistics=True).statistics
    write_statistics([("b", told), ("a", few)], tmp_path / "statistics.tsv")
    read = read_statistics(tmp_path / "statistics.tsv")
    assert list(read) == ["b", "a"]
    for found, given_ in zip(read.values(), (told, few), strict=True):
        assert found.tokens.tolist() == given_.tokens.tolist()
        assert found.arcs.tolist() == given_.arcs.tolist()
        assert found.limited.tolist() == given_.limited.tolist()
        assert found.best_cost == pytest.approx(given_.best_cost, abs=1e-4)
        assert found.beam == pytest.approx(given_.beam, abs=1e-4)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "statistics.tsv:1: expected the columns utterance frame"),
        (["utterance\twords"], "statistics.tsv:1: expected the columns"),
        (["\t".join(COLUMN_NAMES), "u\t0\t1"], "statistics.tsv:2: 'u\t0\t1', expected 7 values"),
        (["\t".join(COLUMN_NAMES), "u\t1\t1\t1\t0\t0\t0"], "statistics.tsv:2: frame 1, expected 0; lines are missing"),
    ],
)
def test_other_files_are_told(tmp_path, lines, message):
    (tmp_path / "statistics.tsv").write_text("".join(line + "\n" for line in lines))
    with pytest.raises(WfstAsrError, match=message):
        read_statistics(tmp_path / "statistics.tsv")
    with pytest.raises(WfstAsrError, match=r"none\.tsv: no such file"):
        read_statistics(tmp_path / "none.tsv")
