"""Blank skipping against the enumeration of all paths, in every topology."""

import itertools
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
from wfst_asr.decoder.blank_skipping import BlankSkipping, blank_runs
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.lattice_beam import decode_lattice
from wfst_asr.decoder.lattice_words import decode_words
from wfst_asr.decoder.online import OnlineDecoder
from wfst_asr.decoder.options import DecodeOptions, exact_options
from wfst_asr.decoder.search_graph import make_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.lattice.best_path import best_path

EXACT = exact_options()
TOKENS = 2
THRESHOLDS = st.sampled_from([0.6, 0.9, 0.98, 1.0])


def skipping(threshold, options=EXACT):
    return replace(options, skip_blank=threshold)


def enumerated(table, scores, allowed=lambda labels: True):
    """Return the least cost of a complete path whose labels are allowed, and of any such path."""
    sources = np.repeat(np.arange(table.num_states), np.diff(table.first_arc)).tolist()
    arcs = [
        (source, int(arc["nextstate"]), int(arc["ilabel"]), float(arc["cost"]))
        for source, arc in zip(sources, table.arcs, strict=True)
    ]
    columns = list(range(-1, TOKENS + 1))
    complete = math.inf
    for cost, path, state in all_paths(table.start, arcs, columns, scores.tolist()):
        if allowed([arcs[number][2] - 1 for number in path if arcs[number][2]]):
            complete = min(complete, cost + float(table.final_cost[state]))
    return complete


def runs_of(dominated):
    """Return (first, end) of the runs of at least two dominated frames."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], dominated.astype(int), [0]))))
    return [(a, b) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True) if b - a > 1]


def of_the_class(labels, runs, blank):
    """Whether in each run there is at most one token, and not its neighbour's once more."""
    for first, end in runs:
        inside = labels[first:end]
        tokens = [k for k in range(len(inside)) if inside[k] != blank]
        if not tokens:
            continue
        token = inside[tokens[0]]
        if any(inside[k] != token for k in tokens) or tokens[-1] - tokens[0] + 1 != len(tokens):
            return False
        before = labels[first - 1] if first else blank
        after = labels[end] if end < len(labels) else blank
        if (before == token and tokens[0] > 0) or (after == token and tokens[-1] < len(inside) - 1):
            return False
    return True


@settings(deadline=None, max_examples=200)
@given(ctc_cases(max_frames=6), THRESHOLDS)
def test_the_path_found_is_nearly_the_best_of_those_not_left_out_and_never_better_than_the_best(case, threshold):
    table, blank, scores = case
    graph = ctc_graph(table, TOKENS, blank)
    doubt = np.exp(np.delete(scores, blank, axis=1)).sum(axis=1)
    assume(not (np.abs(doubt - (1 - threshold)) < 1e-5).any())
    runs = runs_of(doubt < 1 - threshold)
    try:
        everything = decode(graph, scores, EXACT)
    except NoPathError:
        with pytest.raises(NoPathError):
            decode(graph, scores, skipping(threshold))
        return
    found = decode(graph, scores, skipping(threshold))
    assert found.reached_final == everything.reached_final
    assert len(found.alignment) == len(found.frame_costs) == len(scores)
    assert found.total_cost >= everything.total_cost - 1e-4
    # its cost is that of a path of the graph through all frames
    at = np.arange(len(scores)), found.alignment - 1
    assert found.acoustic_cost == pytest.approx(-scores[at].sum(), abs=1e-4)
    only = np.full_like(scores, -np.inf)
    only[at] = scores[at]
    assert decode(graph, only, EXACT).total_cost == pytest.approx(found.total_cost, abs=1e-4)
    if found.skipping.skipped:
        assert found.counts.frames == len(scores) - found.skipping.skipped
        assert found.skipping.skipped == sum(end - first - 1 for first, end in runs)
        best = enumerated(table, scores, lambda labels: of_the_class(labels, runs, blank))
        assert found.total_cost <= best + found.skipping.excess + 1e-4
    else:
        assert found.total_cost == everything.total_cost
        assert found.words == everything.words
        assert found.skipping == BlankSkipping(len(scores), 0, 0.0, 0.0)


@settings(deadline=None, max_examples=100)
@given(ctc_cases(max_frames=6), THRESHOLDS)
def test_what_is_left_out_is_at_most_as_likely_as_told(case, threshold):
    """The probability of label sequences outside the class, added up over all of them."""
    table, blank, scores = case
    found = blank_runs(ctc_graph(table, TOKENS, blank), scores, threshold)
    if found is None:
        return
    runs = [(int(a), int(a + n)) for a, n in zip(found.first, found.length, strict=True) if n > 1]
    likely = np.exp(scores.astype(float))
    left_out = sum(
        float(np.prod(likely[np.arange(len(scores)), labels]))
        for labels in itertools.product(range(TOKENS + 1), repeat=len(scores))
        if not of_the_class(labels, runs, blank)
    )
    assert left_out <= found.left_out_probability + 1e-6


@settings(deadline=None, max_examples=100)
@given(ctc_cases(), THRESHOLDS)
def test_lattices_have_all_frames_and_the_best_path(case, threshold):
    table, blank, scores = case
    graph = ctc_graph(table, TOKENS, blank)
    try:
        best = decode(graph, scores, skipping(threshold))
    except NoPathError:
        return
    found = decode_lattice(graph, scores, skipping(threshold, replace(EXACT, lattice_beam=20.0)))
    assert found.best.total_cost <= best.total_cost + 1e-4
    assert found.lattice.num_frames == len(scores)
    path = best_path(found.lattice)
    assert len(path.alignment) == len(scores)
    assert path.graph_cost + path.acoustic_cost == pytest.approx(found.best.total_cost, abs=1e-3)
    emitting = np.flatnonzero(found.lattice.ilabel)
    frames = found.lattice.frame[found.lattice.source[emitting]]
    assert np.allclose(found.lattice.acoustic_cost[emitting], -scores[frames, found.lattice.ilabel[emitting] - 1])


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
    assert found.skipping.excess < 1e-4
    assert 0 < found.skipping.left_out_probability < 0.02
    told = decode_words(graph, scores, skipping(0.98))
    assert told.best.words == ("aa", "b")
    assert told.best.confidences == pytest.approx(decode_words(graph, scores, EXACT).best.confidences, abs=0.02)


def test_a_token_hidden_in_a_run_is_found_where_the_words_want_it():
    """The network is 95 % sure of the blank throughout, but no word is spelled without an "a"."""
    rows = [(0, 1, 1, 1, 0), (1, 0, 2, 0, 0)]  # "ab"
    graph = ctc_graph(ctc_table(lg_machine(2, rows, {0: 0}), TOKENS, 0, "standard"), TOKENS, 0, words=["<eps>", "ab"])
    scores = np.log(
        np.array([[0.95, 0.01, 0.04], [0.95, 0.04, 0.01], [0.95, 0.01, 0.04], [0.01, 0.01, 0.98]], np.float32)
    )
    found = decode(graph, scores, skipping(0.9))
    assert found.words == ("ab",)
    assert found.alignment.tolist() == [1, 2, 1, 3]
    assert found.skipping.skipped == 2
    assert found.skipping.excess == pytest.approx(0, abs=1e-5)
    assert found.total_cost == pytest.approx(decode(graph, scores, EXACT).total_cost)


def test_where_the_words_want_more_than_a_run_can_hold_all_frames_are_searched():
    rows = [(0, 1, 1, 1, 0), (1, 2, 2, 0, 0)]  # "ab" once
    graph = ctc_graph(ctc_table(lg_machine(3, rows, {2: 0}), TOKENS, 0, "standard"), TOKENS, 0, words=["<eps>", "ab"])
    found = decode(graph, sure([0, 0, 0]), skipping(0.9))
    assert (found.words, found.reached_final, found.skipping.skipped) == (("ab",), True, 0)
    assert found.total_cost == decode(graph, sure([0, 0, 0]), EXACT).total_cost
    assert decode_lattice(graph, sure([0, 0, 0]), skipping(0.9)).lattice.num_frames == 3


def test_graphs_without_blank_are_refused():
    graph = make_search_graph(arc_table(1, [(0, 0, 1, 1, 0.0)], finals={0: 0.0}), [-1, 0])
    with pytest.raises(WfstAsrError, match="no graph of CTC"):
        decode(graph, [[0.0]], skipping(0.9))


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
