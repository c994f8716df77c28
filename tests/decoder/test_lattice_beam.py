"""Lattices of the beam search: random small graphs against enumeration, and Kaldi's own lattices."""

import gzip
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.decoder.graphs import COLUMNS, Case, cases
from tests.decoder.test_golden import SCALE, golden  # noqa: F401
from tests.decoder.test_search import random_graph
from tests.reference.lattice_enumeration import lattice_paths
from tests.reference.path_enumeration import all_paths
from wfst_asr.decoder import _link_kernels, beam
from wfst_asr.decoder.beam import BeamSearch, NoPathError
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.lattice_beam import decode_lattice, raw_lattice
from wfst_asr.decoder.options import DecodeOptions, exact_options
from wfst_asr.decoder.search_graph import make_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.io.archives import read_matrices
from wfst_asr.lattice.best_path import best_path, best_paths
from wfst_asr.lattice.lattice import prune


def without_epsilon_cycles(case: Case) -> Case:
    """Turn the epsilon arcs so that they lead to higher states; those from a state to itself go."""
    arcs = []
    for source, target, label, cost in case.arcs:
        if label == 0 and source > target:
            arcs.append((target, source, label, cost))
        elif label or source != target:
            arcs.append((source, target, label, cost))
    return replace(case, arcs=arcs)


def enumerated(case: Case):
    """Return (graph arcs) -> cost of every complete path, or of all where none ends in a final state."""
    everything = list(all_paths(0, case.sorted_arcs, COLUMNS, case.scores))
    complete = {path: cost + case.finals[state] for cost, path, state in everything if state in case.finals}
    return complete or {path: cost for cost, path, _ in everything}


def paths_of(lattice):
    """Return the output labels (arc number + 1 in the random graphs) -> cost of every path of a lattice."""
    cost = lattice.arc_costs()
    found = {}
    for path, final in lattice_paths(lattice.source, lattice.nextstate, lattice.final_cost):
        arcs = tuple(int(lattice.olabel[arc]) - 1 for arc in path)
        assert arcs not in found
        found[arcs] = final + sum(cost[arc] for arc in path)
    return found


def lattice_of(case, options, *, enough=None, chunks=()):
    graph = make_search_graph(case.table, COLUMNS)
    search = BeamSearch(graph, options, keep_lattice=True)
    if enough is not None:
        search._links.numbers[_link_kernels.ENOUGH] = enough
    at = 0
    for size in [*chunks, len(case.scores)]:
        search.advance(case.matrix[at : at + size])
        at = min(at + size, len(case.scores))
    return prune(raw_lattice(search, case.matrix), options.lattice_beam), search


@settings(max_examples=400)
@given(cases().map(without_epsilon_cycles), st.sampled_from([0.0, 1.0, 3.0, 6.0, np.inf]))
def test_lattice_has_every_path_within_the_lattice_beam_and_no_needless_arc(case, lattice_beam):
    expected = enumerated(case)
    options = replace(exact_options(), lattice_beam=lattice_beam)
    if not expected:
        with pytest.raises(NoPathError):
            lattice_of(case, options)
        return
    lattice, search = lattice_of(case, options)
    limit = min(expected.values()) + lattice_beam
    assume(not any(0 < abs(cost - limit) < 1e-4 for cost in expected.values()))
    found = paths_of(lattice)
    within = {path for path, cost in expected.items() if cost <= limit + 1e-6}
    assert within <= found.keys() <= expected.keys()
    for path, cost in found.items():
        assert cost == pytest.approx(expected[path], abs=1e-5)
    used = {(frame, arc) for path in within for frame, arc in frames_and_arcs(case, path)}
    assert lattice.num_arcs == len(used)
    assert lattice.reached_final == search.finish().reached_final


def frames_and_arcs(case, path):
    frame = 0
    for arc in path:
        yield frame, arc
        frame += case.sorted_arcs[arc][2] != 0


@settings(max_examples=300)
@given(cases(max_frames=8, max_arcs=12, min_frames=1), st.sampled_from([0.5, 3.0, 8.0]), st.sampled_from([1, 2, 3]))
def test_pruning_now_and_then_and_growing_buffers_change_nothing(case, lattice_beam, interval):
    options = DecodeOptions(beam=12.0, min_active=0, lattice_beam=lattice_beam, prune_interval=interval)
    before = beam._FIRST_CAPACITY
    try:
        whole, search = lattice_of(case, options)
        beam._FIRST_CAPACITY = 1
        pruned, other = lattice_of(case, options, enough=0, chunks=[1, 3])
    except NoPathError:
        return
    finally:
        beam._FIRST_CAPACITY = before
    assert other.finish().cost == search.finish().cost
    assert (pruned.num_states, pruned.num_arcs) == (whole.num_states, whole.num_arcs)
    assert sorted(zip(*map(np.ndarray.tolist, (pruned.frame[pruned.source], pruned.olabel)), strict=True)) == sorted(
        zip(*map(np.ndarray.tolist, (whole.frame[whole.source], whole.olabel)), strict=True)
    )


@settings(max_examples=300)
@given(cases(min_frames=1))
def test_with_epsilon_cycles_the_lattice_holds_the_best_path_and_only_paths(case):
    expected = enumerated(case)
    assume(expected)
    lattice, _ = lattice_of(case, exact_options())
    assert (lattice.nextstate > lattice.source).all()
    best = best_path(lattice)
    assert best.graph_cost + best.acoustic_cost == pytest.approx(min(expected.values()), abs=1e-4)
    for path, cost in paths_of(lattice).items():
        assert path not in expected or cost == pytest.approx(expected[path], abs=1e-4)


def test_a_wide_search_over_many_tokens_keeps_the_same_lattice_when_it_prunes_often():
    table = random_graph(800, 6000, labels=40, seed=3)
    scores = np.random.default_rng(4).normal(0, 2, (60, 40)).astype(np.float32)
    graph = make_search_graph(table, np.arange(-1, 40))
    options = DecodeOptions(beam=10.0, lattice_beam=3.0, prune_interval=7)
    lattices = []
    for enough in (0, 1 << 40):
        search = BeamSearch(graph, options, keep_lattice=True)
        search._links.numbers[_link_kernels.ENOUGH] = enough
        search.advance(scores)
        lattices.append(prune(raw_lattice(search, scores), 3.0))
    often, never = lattices
    assert often.num_arcs == never.num_arcs > 500
    assert np.sort(often.graph_cost).tolist() == np.sort(never.graph_cost).tolist()


def test_sweep_over_the_lattice_equals_decoding_at_each_scale():
    table = random_graph(60, 400, labels=20, seed=5, epsilon_share=0.1)
    scores = np.random.default_rng(6).normal(0, 4, (25, 20)).astype(np.float32)
    graph = make_search_graph(table, np.arange(-1, 20))
    found = decode_lattice(graph, scores, replace(exact_options(acoustic_scale=0.5), lattice_beam=1e4))
    scales = [1.0, 0.5, 0.3, 0.2, 0.1]
    for scale, path in zip(scales, best_paths(found.lattice, scales, np.zeros(5)), strict=True):
        expected = decode(graph, scores, exact_options(acoustic_scale=scale))
        assert path.graph_cost + scale * path.acoustic_cost == pytest.approx(expected.total_cost, abs=1e-4)


def test_bad_use_is_refused():
    graph = make_search_graph(arc_table(1, [(0, 0, 1, 1, 0.5)], finals={0: 0.0}), [-1, 0])
    with pytest.raises(WfstAsrError, match="keeps no lattice"):
        BeamSearch(graph).kept()
    search = BeamSearch(graph, keep_lattice=True)
    search.advance([[0.0]])
    with pytest.raises(WfstAsrError, match="scores of 2 frames, but the search has gone through 1"):
        raw_lattice(search, np.zeros((2, 1), np.float32))
    with pytest.raises(WfstAsrError, match="lattice_beam -1"):
        DecodeOptions(lattice_beam=-1.0)
    with pytest.raises(WfstAsrError, match="prune_interval 0"):
        DecodeOptions(prune_interval=0)
    with pytest.raises(WfstAsrError, match="no frames"):
        decode_lattice(graph, np.zeros((0, 1), np.float32))


def test_a_lattice_of_no_frames_is_the_start_and_its_epsilon_arcs():
    graph = make_search_graph(arc_table(2, [(0, 1, 0, 7, 0.5)], finals={1: 0.25}), [-1, 0])
    search = BeamSearch(graph, keep_lattice=True)
    lattice = raw_lattice(search, np.zeros((0, 1), np.float32))
    assert (lattice.num_states, lattice.num_arcs, lattice.num_frames) == (2, 1, 0)
    assert best_path(lattice).graph_cost == 0.75


def kaldi_lattices(path):
    """Read word sequences with costs from CompactLattice text: utterance -> {words: lowest total cost}."""
    lattices, arcs, finals = {}, {}, {}
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        fields = line.split()
        if len(fields) == 1 and not fields[0].isdigit():
            arcs, finals = {}, {}
            lattices[fields[0]] = arcs, finals
        elif len(fields) >= 3:
            graph, acoustic = fields[3].split(",")[:2] if len(fields) > 3 else ("0", "0")
            arcs.setdefault(int(fields[0]), []).append((int(fields[1]), int(fields[2]), float(graph), float(acoustic)))
        elif fields:
            graph, acoustic = fields[1].split(",")[:2] if len(fields) > 1 else ("0", "0")
            finals[int(fields[0])] = float(graph), float(acoustic)
    return lattices


def word_sequences(arcs, finals, scale, limit=None, start=0):
    """Return words -> lowest cost of a lattice given as (target, word, graph, acoustic) by source, up to a cost."""
    to_end = {}

    def rest(state):
        if state not in to_end:
            own = finals[state][0] + scale * finals[state][1] if state in finals else np.inf
            to_end[state] = min([own, *(g + scale * a + rest(d) for d, _, g, a in arcs.get(state, ()))])
        return to_end[state]

    found = {}
    stack = [((), {start: 0.0})]  # words, and the lowest cost of each state that they lead to
    while stack:
        words, costs = stack.pop()
        following = {}
        for state in in_rising_order(costs):  # states are in topological order
            cost = costs[state]
            if cost + rest(state) > limit:
                continue
            if state in finals:
                total = cost + finals[state][0] + scale * finals[state][1]
                if total <= limit:
                    found[words] = min(total, found.get(words, np.inf))
            for target, word, graph, acoustic in arcs.get(state, ()):
                reached = following.setdefault(word, {}) if word else costs
                reached[target] = min(reached.get(target, np.inf), cost + graph + scale * acoustic)
        stack.extend(((*words, word), reached) for word, reached in following.items())
    return found


def in_rising_order(costs):
    """Yield the keys of a dictionary in rising order, higher ones that are added meanwhile included."""
    last = -1
    while later := [state for state in costs if state > last]:
        last = min(later)
        yield last


def test_kaldis_lattices_have_the_same_words_and_costs(golden):  # noqa: F811
    source, graph, _ = golden

    kaldi = kaldi_lattices(source / "lattices" / "clat.txt.gz")
    options = DecodeOptions(beam=13.0, max_active=7000, acoustic_scale=SCALE, lattice_beam=6.0)
    compared = 0
    for name, scores in read_matrices(source / "loglikes.ark"):
        ours = decode_lattice(graph, scores, options)
        lattice = ours.lattice
        arcs = {}
        for a, s in enumerate(lattice.source.tolist()):
            row = (int(lattice.nextstate[a]), int(lattice.olabel[a]))
            arcs.setdefault(s, []).append((*row, float(lattice.graph_cost[a]), float(lattice.acoustic_cost[a])))
        finals = {int(s): (float(lattice.final_cost[s]), 0.0) for s in np.flatnonzero(lattice.final_cost < np.inf)}
        best = ours.best.total_cost
        near = best + 6.0
        theirs = word_sequences(*kaldi[name], SCALE, near)
        found = word_sequences(arcs, finals, SCALE, near)
        compared += len(theirs)
        for words, cost in theirs.items():
            assert found[words] == pytest.approx(cost, abs=1e-2), (name, words)
        assert {w for w, c in found.items() if c < near - 0.01} <= theirs.keys(), name
    assert compared == 38
