"""Blank skipping against the enumeration of all paths, in every topology."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.decoder.ctc_graphs import ctc_cases, ctc_graph, ctc_table, lg_machine
from tests.reference.path_enumeration import all_paths
from wfst_asr.decoder.beam import NoPathError
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.lattice_beam import decode_lattice
from wfst_asr.decoder.lattice_words import decode_words
from wfst_asr.decoder.online import OnlineDecoder
from wfst_asr.decoder.options import DecodeOptions, exact_options
from wfst_asr.decoder.search_graph import make_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.lattice.best_path import best_path
from wfst_asr.lattice.nbest import n_best

EXACT = exact_options()
TOKENS = 2
THRESHOLDS = st.sampled_from([0.6, 0.9, 0.98, 1.0])


def skipping(threshold, options=EXACT):
    return replace(options, skip_blank=threshold)


def enumerated(table, scores, keep_to=None, *, complete_only=False):
    """Return the least cost of a complete path, else of any; `keep_to`: frames that repeat the arc before by a loop."""
    sources = np.repeat(np.arange(table.num_states), np.diff(table.first_arc)).tolist()
    arcs = [
        (source, int(arc["nextstate"]), int(arc["ilabel"]), float(arc["cost"]))
        for source, arc in zip(sources, table.arcs, strict=True)
    ]
    columns = list(range(-1, TOKENS + 1))
    complete, partial = [math.inf], [math.inf]
    for cost, path, state in all_paths(table.start, arcs, columns, scores.tolist()):
        taken = [arcs[number] for number in path if arcs[number][2]]
        if keep_to is not None and any(
            keep_to[frame] and not (taken[frame][0] == taken[frame][1] and taken[frame][2] == taken[frame - 1][2])
            for frame in range(1, len(scores))
        ):
            continue
        partial.append(cost)
        complete.append(cost + float(table.final_cost[state]))
    return min(complete) if complete_only or min(complete) < math.inf else min(partial)


@settings(deadline=None, max_examples=150)
@given(ctc_cases(), THRESHOLDS)
def test_the_path_found_is_the_best_that_keeps_to_one_label_in_each_run(case, threshold):
    table, blank, scores = case
    graph = ctc_graph(table, TOKENS, blank)
    try:
        found = decode(graph, scores, skipping(threshold))
        everything = decode(graph, scores, EXACT)
    except NoPathError:
        assert enumerated(table, scores) == math.inf
        return
    dominated = scores[:, blank] >= math.log(threshold) - 1e-6
    assume(not (np.abs(scores[:, blank] - math.log(threshold)) < 1e-5).any())
    keep_to = np.concatenate(([False], dominated[1:] & dominated[:-1]))
    assert found.reached_final == everything.reached_final
    assert len(found.alignment) == len(scores)
    assert found.total_cost >= everything.total_cost - 1e-4
    assert found.total_cost <= everything.total_cost + found.skipping.excess_bound + 1e-4
    if found.skipping.skipped:
        assert found.counts.frames == len(scores) - keep_to.sum()
        assert found.skipping.skipped == keep_to.sum()
        assert found.total_cost == pytest.approx(enumerated(table, scores, keep_to), abs=1e-4)
    else:
        assert not keep_to.any() or not np.isfinite(enumerated(table, scores, keep_to, complete_only=True))
    # its cost is that of a path of the graph through all frames
    assert found.acoustic_cost == pytest.approx(-scores[np.arange(len(scores)), found.alignment - 1].sum(), abs=1e-4)
    only = np.full_like(scores, -np.inf)
    only[np.arange(len(scores)), found.alignment - 1] = scores[np.arange(len(scores)), found.alignment - 1]
    assert decode(graph, only, EXACT).total_cost <= found.total_cost + 1e-4
    if not keep_to.any():
        assert found.total_cost == everything.total_cost
        assert found.words == everything.words


@settings(deadline=None, max_examples=100)
@given(ctc_cases(), THRESHOLDS)
def test_lattices_of_merged_frames_have_all_frames_and_the_same_paths(case, threshold):
    table, blank, scores = case
    graph = ctc_graph(table, TOKENS, blank)
    try:
        best = decode(graph, scores, skipping(threshold))
    except NoPathError:
        return
    found = decode_lattice(graph, scores, skipping(threshold, replace(EXACT, lattice_beam=20.0)))
    lattice = found.lattice
    assert found.best.total_cost == pytest.approx(best.total_cost, abs=1e-4)
    assert lattice.num_frames == len(scores)
    assert (lattice.nextstate > lattice.source).all()
    assert (np.diff(lattice.frame) >= 0).all()
    path = best_path(lattice)
    assert len(path.alignment) == len(scores)
    assert path.graph_cost + path.acoustic_cost == pytest.approx(best.total_cost, abs=1e-3)
    emitting = np.flatnonzero(lattice.ilabel)
    frames = lattice.frame[lattice.source[emitting]]
    assert (lattice.frame[lattice.nextstate[emitting]] == frames + 1).all()
    assert np.allclose(lattice.acoustic_cost[emitting], -scores[frames, lattice.ilabel[emitting] - 1])
    costs = [one.graph_cost + one.acoustic_cost for one in n_best(found.words, 5)]
    assert costs == sorted(costs)


WORDS = ["<eps>", "aa", "a", "b"]


def letters(topology):
    """The words "aa", "a" and "b", spelled, at equal costs."""
    rows = [(0, 1, 1, 1, 1024), (1, 0, 1, 0, 0), (0, 0, 1, 2, 1024), (0, 0, 2, 3, 1024)]
    return ctc_graph(ctc_table(lg_machine(2, rows, {0: 0}), TOKENS, 0, topology), TOKENS, 0, words=WORDS)


def sure(columns):
    scores = np.full((len(columns), TOKENS + 1), math.log(0.001), np.float32)
    scores[np.arange(len(columns)), columns] = math.log(0.998)
    return scores


@pytest.mark.parametrize("topology", ["standard", "compact", "no-blank"])
def test_repeated_letters_stay_apart_and_times_are_those_of_all_frames(topology):
    graph = letters(topology)
    scores = sure([0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0])
    everything = decode(graph, scores, EXACT)
    found = decode(graph, scores, skipping(0.98))
    assert found.words == everything.words == ("aa", "b")
    assert found.alignment.tolist() == everything.alignment.tolist()
    assert found.word_times == everything.word_times
    assert found.total_cost == pytest.approx(everything.total_cost)
    assert found.frame_costs.tolist() == everything.frame_costs.tolist()
    assert (found.counts.frames, found.skipping.frames, found.skipping.skipped) == (8, 16, 8)
    assert found.skipping.left_out_probability == pytest.approx(1 - 0.998**12, rel=1e-3)
    told = decode_words(graph, scores, skipping(0.98))
    assert told.best.words == ("aa", "b")
    assert told.best.confidences == pytest.approx(decode_words(graph, scores, EXACT).best.confidences, abs=0.02)


def test_a_certain_path_is_told_to_be_the_best():
    """No word is worth its cost where the network is sure of the blank: the bound is zero."""
    found = decode(letters("standard"), sure([0, 0, 0, 0]), skipping(0.9))
    assert found.words == ()
    assert found.skipping.excess_bound == 0


def test_labels_that_the_graph_cannot_repeat_are_left_out_of_runs():
    """A topology without loops on tokens ("selfless") repeats the blank alone."""
    arcs = [(0, 0, 1, 0, 0.0), (0, 1, 2, 1, 0.0), (1, 0, 1, 0, 0.0), (0, 0, 3, 2, 0.0)]
    graph = ctc_graph(arc_table(2, arcs, finals={0: 0.0}), TOKENS, 0, words=["<eps>", "a", "b"])
    assert graph.repeated_labels.tolist() == [True, True, False, False]
    scores = np.log(np.array([[0.7, 0.29, 0.01]] * 3 + [[0.01, 0.98, 0.01]] + [[0.7, 0.29, 0.01]], np.float32))
    scores[1, 0] = scores[2, 0] = math.log(0.6)
    found = decode(graph, scores, skipping(0.55))
    assert found.words == ("a",)
    assert found.alignment.tolist() == [1, 1, 1, 2, 1]


def test_graphs_that_must_have_a_token_in_a_run_are_searched_in_all_frames():
    arcs = [(0, 1, 2, 1, 0.0), (1, 2, 1, 0, 0.0), (2, 2, 1, 0, 0.0), (1, 1, 2, 0, 0.0)]
    graph = ctc_graph(arc_table(3, arcs, finals={2: 0.0}), TOKENS, 0, words=["<eps>", "a"])
    blanks = sure([0, 0, 0])
    blanks[2, 1] = -np.inf
    found = decode(graph, blanks, skipping(0.9))
    assert found.alignment.tolist() == [2, 1, 1]
    assert found.skipping.skipped == 0
    assert decode_lattice(graph, blanks, skipping(0.9)).lattice.num_frames == 3


def test_graphs_without_blank_are_refused():
    graph = make_search_graph(arc_table(1, [(0, 0, 1, 1, 0.0)], finals={0: 0.0}), [-1, 0])
    with pytest.raises(WfstAsrError, match="no graph of CTC"):
        decode(graph, [[0.0]], skipping(0.9))
    no_loop = ctc_graph(arc_table(2, [(0, 1, 1, 0, 0.0), (1, 0, 1, 0, 0.0)], finals={0: 0.0}), TOKENS, 0)
    with pytest.raises(WfstAsrError, match="do not repeat it"):
        decode(no_loop, sure([0, 0]), skipping(0.9))


def test_streams_do_not_skip():
    with pytest.raises(WfstAsrError, match="whole utterances"):
        OnlineDecoder(letters("standard"), skipping(0.9))
    with pytest.raises(WfstAsrError, match=r"skip_blank 0.5, expected a probability"):
        DecodeOptions(skip_blank=0.5)


def test_the_command_tells_what_was_skipped(tmp_path, capsys):
    from tests.decoder.test_decode_command import run
    from wfst_asr.fst.arcs import write_const_fst
    from wfst_asr.fst.manifest import write_manifest

    graph = letters("standard")
    rows = [(0, 1, 1, 1, 1024), (1, 0, 1, 0, 0), (0, 0, 1, 2, 1024), (0, 0, 2, 3, 1024)]
    write_const_fst(ctc_table(lg_machine(2, rows, {0: 0}), TOKENS, 0, "standard"), tmp_path / "HCLG.fst")
    np.save(tmp_path / "input_labels.npy", graph.input_labels)
    (tmp_path / "words.txt").write_text("".join(f"{word} {i}\n" for i, word in enumerate(WORDS)))
    write_manifest(tmp_path, graph.manifest)
    np.savez(tmp_path / "s.npz", u=sure([0, 0, 0, 1, 0, 0, 1, 0, 0, 2, 0]))
    command = ("decode", tmp_path, "--scores", tmp_path / "s.npz")
    assert run(*command, "--skip-blank", 0.98, "--lattices", tmp_path / "out") == 0
    assert "36.4% of the frames skipped (what that leaves out" in capsys.readouterr().out
    assert run(*command, "--skip-blank", 0.98, "--json", tmp_path / "out") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["frames_skipped"]) == (11, 4)
    assert (tmp_path / "out" / "ctm").read_text().splitlines()[0].split()[2] == "0.06"
    assert run(*command, "--json", tmp_path / "all") == 0
    assert "frames_skipped" not in json.loads(capsys.readouterr().out)
    for name in ("text", "ctm", "costs"):
        assert (tmp_path / "all" / name).read_text() == (tmp_path / "out" / name).read_text()
    assert run(*command, "--skip-blank", 0.2, tmp_path / "out") == 2
