"""Graphs, scores and dials that are rare, and buffers that grow, are handed on or run full."""

import math
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decoder.graphs import COLUMNS, cases
from tests.decoder.test_search import random_graph
from wfst_asr.decoder import _link_kernels, beam
from wfst_asr.decoder.beam import BeamSearch, NoPathError, SearchMemoryError
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.lattice_beam import decode_lattice, raw_lattice
from wfst_asr.decoder.options import DecodeOptions, exact_options
from wfst_asr.decoder.search_graph import make_search_graph
from wfst_asr.decoder.viterbi import viterbi
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.lattice.best_path import best_path


@pytest.fixture
def tiny_buffers(monkeypatch):
    monkeypatch.setattr(beam, "_FIRST_CAPACITY", 1)
    monkeypatch.setattr(beam, "_TRACE", 2)


def lattice_cost(lattice):
    path = best_path(lattice)
    return path.graph_cost + lattice.acoustic_scale * path.acoustic_cost


def assert_exact(table, scores, columns, *, within=1e-3):
    """Hold the best path, with and without lattices, to exact Viterbi search."""
    exact = viterbi(table, scores, columns)
    graph = make_search_graph(table, columns)
    scores = np.asarray(scores, np.float32)
    search = BeamSearch(graph, exact_options())
    search.advance(scores)
    found = search.finish()
    assert (found.cost, found.reached_final) == (pytest.approx(exact.cost, abs=within), exact.reached_final)
    with_lattice = decode_lattice(graph, scores, replace(exact_options(), lattice_beam=1.0))
    assert with_lattice.best.total_cost == pytest.approx(exact.cost, abs=within)
    assert lattice_cost(with_lattice.lattice) == pytest.approx(exact.cost, abs=within)
    return search


def test_tens_of_thousands_of_tokens_a_frame_equal_the_exact_search():
    table = random_graph(50_000, 200_000, labels=50, seed=11, epsilon_share=0.1)
    scores = np.random.default_rng(1).normal(0, 8, (12, 50)).astype(np.float32)
    search = assert_exact(table, scores, np.arange(-1, 50), within=5e-3)
    assert search.counts.most_tokens > 40_000


def test_tokens_that_outgrow_their_buffers_on_epsilon_cycles(tiny_buffers):
    # one emitting arc into a ring of epsilon arcs, each state of which fans out by epsilon arcs that lead back
    rng = np.random.default_rng(3)
    arcs = [(0, 1, 1, 1, 0.5), (5, 0, 2, 2, 0.25)]
    arcs += [(s, 1 + s % 400, 0, 0, 0.0) for s in range(1, 401)]
    arcs += [
        (s, int(t), 0, 0, float(c))
        for s in range(1, 401)
        for t, c in zip(rng.integers(1, 401, 9), rng.random(9), strict=True)
    ]
    arcs += [(s, s, 1, 3, 0.75) for s in range(1, 401)]
    table = arc_table(401, arcs, finals={0: 0.0, 7: 1.0})
    assert_exact(table, rng.normal(0, 2, (9, 2)), [-1, 0, 1])


@pytest.mark.parametrize("options", [{}, {"beam": 1e-3, "min_active": 0}, {"max_active": 1, "min_active": 0}])
def test_a_state_with_thousands_of_arcs(tiny_buffers, options):
    emitting = [(0, 1 + k, 1 + k % 7, 1 + k, 0.01 * (k % 100)) for k in range(5000)]
    back = [(1 + k, 0, 0, 0, 0.0) for k in range(5000)]
    fan = [(0, 1 + k, 0, 0, 0.001 * (k % 999)) for k in range(0, 5000, 2)]
    table = arc_table(5001, emitting + back, finals={0: 0.0})
    scores = np.random.default_rng(5).normal(0, 3, (5, 7)).astype(np.float32)
    columns = np.arange(-1, 7)
    exact = viterbi(table, scores, columns)
    assert decode(make_search_graph(table, columns), scores, DecodeOptions(**options)).total_cost == pytest.approx(
        exact.cost, abs=1e-3
    )
    assert_exact(arc_table(5001, emitting + back + fan, finals={0: 0.0}), scores, columns)


def test_equal_scores_and_costs_with_a_lattice_of_every_path():
    arcs = [(s, t, 1, 1, 0.0) for s in range(30) for t in range(30)]
    table = arc_table(30, arcs, finals=dict.fromkeys(range(30), 0.0))
    graph = make_search_graph(table, [-1, 0])
    found = decode_lattice(graph, np.zeros((20, 1), np.float32), DecodeOptions(lattice_beam=0.0, prune_interval=1))
    assert found.best.total_cost == 0.0
    assert found.lattice.num_arcs == 30 + 19 * 900
    # of equal costs max_active drops none
    assert decode(graph, np.zeros((20, 1), np.float32), DecodeOptions(max_active=1, min_active=1)).total_cost == 0.0


@pytest.mark.parametrize("size", [1, 2, 50])
def test_rings_of_epsilon_arcs_at_no_cost_through_the_start(size):
    ring = [(s, (s + 1) % size, 0, 0, 0.0) for s in range(size)] + [((s + 1) % size, s, 0, 0, 0.0) for s in range(size)]
    table = arc_table(size, [*ring, (size - 1, 0, 1, 5, 0.5), (0, 0, 2, 6, 0.25)], finals={size // 2: 0.0})
    assert_exact(table, [[-1.0, -2.0], [-2.0, -1.0], [-1.0, -1.0]], [-1, 0, 1])
    search = BeamSearch(make_search_graph(table, [-1, 0, 1]), keep_lattice=True)
    assert search.finish().cost == 0.0  # no frame at all
    assert raw_lattice(search, np.zeros((0, 2), np.float32)).num_states >= 1


def test_epsilon_costs_that_cancel_do_not_go_round_for_ever_beside_large_costs():
    # in float32 the sum along the ring comes out below 0 at these costs
    ring = [(1, 2, 0, 0, 0.03), (2, 3, 0, 0, 0.03), (3, 1, 0, 0, -0.06)]
    arcs = [(0, 0, 1, 1, 0.0), (0, 1, 1, 2, 1e6), *ring, (3, 3, 1, 3, 0.5)]
    table = arc_table(4, arcs, finals={3: 0.0})
    graph = make_search_graph(table, [-1, 0])
    assert decode(graph, np.zeros((4, 1)), exact_options()).total_cost == pytest.approx(1e6, rel=1e-5)


def test_chains_of_epsilon_arcs_deeper_than_the_levels_that_codes_hold(tiny_buffers):
    deep = 700
    arcs = [(s, s + 1, 0, 0, 0.01) for s in range(deep)] + [(deep, 0, 1, 1, 0.5)]
    arcs += [(s, s, 1, 2, 1.0) for s in range(0, deep, 50)]
    table = arc_table(deep + 1, arcs, finals={deep: 0.0})
    assert_exact(table, np.zeros((6, 1)), [-1, 0])


def test_large_costs_negative_costs_and_positive_scores():
    rng = np.random.default_rng(8)
    for graph_cost, level in ((1e6, 0.0), (-30.0, 0.0), (1.0, 1e5), (1.0, -1e6), (-1e6, 1e6)):
        arcs = [(s, int(t), 1 + s % 3, 1, graph_cost + float(c)) for s in range(20) for t, c in
                zip(rng.integers(0, 20, 6), rng.random(6), strict=True)]  # fmt: skip
        table = arc_table(20, arcs, finals={0: -2.0, 3: 0.0})
        scores = (level + np.round(rng.normal(0, 3, (8, 3)))).astype(np.float32)
        exact = viterbi(table, scores, [-1, 0, 1, 2])
        found = decode(make_search_graph(table, [-1, 0, 1, 2]), scores, exact_options())
        assert found.total_cost == pytest.approx(exact.cost, rel=1e-6, abs=1e-2)
        pruned = decode(make_search_graph(table, [-1, 0, 1, 2]), scores, DecodeOptions(beam=30.0))
        assert pruned.total_cost == pytest.approx(exact.cost, rel=1e-6, abs=1e-2)


@pytest.mark.parametrize("level", [-3e38, -1e30, 9e29])
@pytest.mark.parametrize("dials", [{}, {"beam": 1.0, "min_active": 10}, {"beam": math.inf, "max_active": 3}])
def test_scores_so_large_that_costs_overflow_end_in_order(level, dials):
    arcs = [(s, (s * 7 + k) % 40, 1 + k, 1, 0.1 * k) for s in range(40) for k in range(5)]
    graph = make_search_graph(arc_table(40, arcs, finals={0: 0.0}), np.arange(-1, 5))
    scores = (level * np.random.default_rng(9).random((10, 5))).astype(np.float32)
    options = DecodeOptions(acoustic_scale=10.0, **{"min_active": 0, **dials})
    try:
        assert len(decode(graph, scores, options).alignment) == 10
        assert decode_lattice(graph, scores, options).lattice.num_frames == 10
    except NoPathError:
        assert level == -3e38  # times the scale it is more than float32 holds
    with pytest.raises(WfstAsrError, match="expected a number below"):
        decode(graph, np.full((1, 5), 1e31), options)


def test_columns_of_minus_infinity_are_gone_round():
    table = random_graph(200, 2000, labels=10, seed=21)
    rng = np.random.default_rng(22)
    scores = rng.normal(0, 2, (20, 10))
    scores[:, 4] = -np.inf
    scores[rng.random((20, 10)) < 0.3] = -np.inf
    assert_exact(table, scores, np.arange(-1, 10))


@pytest.mark.parametrize("frames", [0, 1])
def test_no_frame_and_one_frame(frames):
    table = random_graph(30, 200, labels=4, seed=31)
    scores = np.random.default_rng(32).normal(0, 2, (frames, 4)).astype(np.float32)
    columns = np.arange(-1, 4)
    for keep_lattice in (False, True):
        search = BeamSearch(make_search_graph(table, columns), exact_options(), keep_lattice=keep_lattice)
        search.advance(scores)
        assert search.finish().cost == pytest.approx(viterbi(table, scores, columns).cost, abs=1e-4)
        assert (search.frames, search.counts.frames) == (frames, frames)


def test_min_active_above_the_graph_and_max_active_of_one():
    table = random_graph(50, 400, labels=6, seed=41, epsilon_share=0.0)
    scores = np.random.default_rng(42).normal(0, 2, (15, 6)).astype(np.float32)
    graph = make_search_graph(table, np.arange(-1, 6))
    everything = decode(graph, scores, exact_options())
    wide = decode(graph, scores, DecodeOptions(beam=0.01, min_active=1000))
    assert wide.total_cost == pytest.approx(everything.total_cost, abs=1e-3)
    greedy = decode(graph, scores, DecodeOptions(max_active=1, min_active=0))
    assert greedy.total_cost >= everything.total_cost - 1e-3
    assert greedy.counts.emitting_arcs < wide.counts.emitting_arcs / 5


@pytest.mark.parametrize("interval", [1, 25])
@pytest.mark.parametrize("lattice_beam", [0.0, 4.0, math.inf])
def test_lattices_of_any_beam_and_interval_of_pruning(tiny_buffers, lattice_beam, interval):
    table = random_graph(100, 600, labels=6, seed=51)
    scores = np.random.default_rng(52).normal(0, 2, (40, 6)).astype(np.float32)
    graph = make_search_graph(table, np.arange(-1, 6))
    options = DecodeOptions(beam=6.0, lattice_beam=lattice_beam, prune_interval=interval, min_active=0)
    best = decode(graph, scores, options)
    search = BeamSearch(graph, options, keep_lattice=True)
    search._links.numbers[_link_kernels.ENOUGH] = 0
    search.advance(scores)
    lattice = raw_lattice(search, scores)
    assert search.finish().cost == pytest.approx(best.total_cost, abs=1e-3)
    assert lattice_cost(lattice) == pytest.approx(best.total_cost, abs=1e-3)
    if lattice_beam == 0.0:
        assert lattice.num_arcs < 3 * len(scores)


# ---- memory


def many_tokens():
    table = random_graph(30_000, 120_000, labels=20, seed=61, epsilon_share=0.05)
    graph = make_search_graph(table, np.arange(-1, 20))
    return graph, np.random.default_rng(62).normal(0, 1, (40, 20)).astype(np.float32)


@pytest.mark.parametrize("keep_lattice", [False, True])
def test_a_search_that_needs_too_much_memory_says_so_and_stays_so(keep_lattice):
    graph, scores = many_tokens()
    options = replace(exact_options(), max_memory_mb=1.0)
    search = BeamSearch(graph, options, keep_lattice=keep_lattice)
    with pytest.raises(SearchMemoryError, match=r"needs more than 1 MB at frame \d+, where it has .*; lower beam"):
        search.advance(scores)
    frames = search.frames
    assert 0 < frames < 40
    with pytest.raises(SearchMemoryError, match=f"at frame {frames},"):
        search.advance(scores[:1])
    assert search.frames == frames
    assert len(graph.arcs[search.finish().arcs]) >= frames
    search.release()
    # what it leaves behind serves the next search, and ends in the same place
    again = BeamSearch(graph, options, keep_lattice=keep_lattice)
    with pytest.raises(SearchMemoryError, match=f"at frame {frames},"):
        again.advance(scores)
    enough = BeamSearch(graph, replace(options, max_memory_mb=4096.0), keep_lattice=keep_lattice)
    enough.advance(scores[:6])
    enough.release()
    with_larger = BeamSearch(graph, options, keep_lattice=keep_lattice)
    with pytest.raises(SearchMemoryError, match=f"at frame {frames},"):
        with_larger.advance(scores)


def test_arcs_into_few_tokens_count_as_memory_too():
    # 300 tokens a frame, but 300 equally good arcs into each
    arcs = [(s, t, 1, 1, 0.0) for s in range(300) for t in range(300)]
    graph = make_search_graph(arc_table(300, arcs, finals={0: 0.0}), [-1, 0])
    scores = np.zeros((100, 1), np.float32)
    with pytest.raises(SearchMemoryError, match="needs more than 30 MB"):
        decode_lattice(graph, scores, DecodeOptions(max_memory_mb=30.0))
    assert decode(graph, scores, DecodeOptions(max_memory_mb=30.0)).total_cost == 0.0


def test_a_search_that_found_no_path_refuses_to_go_on():
    graph = make_search_graph(arc_table(2, [(0, 1, 1, 7, 0.25), (1, 1, 1, 8, 0.5)], finals={1: 0.0}), [-1, 0])
    search = BeamSearch(graph, keep_lattice=True, keep_statistics=True)
    search.advance([[-1.0]])
    for scores in ([[-1.0], [-np.inf]], [[-1.0]]):
        with pytest.raises(NoPathError, match="no path goes through frame 2: all its scores are -inf"):
            search.advance(scores)
    assert search.frames == 2
    assert search.finish().arcs.tolist() == [0, 1]
    assert raw_lattice(search, np.full((2, 1), -1.0, np.float32)).num_arcs == 2
    # the frame that failed is told of as well
    assert search.frame_statistics.tokens.tolist() == [1, 1, 1]


def test_a_released_search_refuses():
    graph = make_search_graph(arc_table(1, [(0, 0, 1, 1, 0.5)], finals={0: 0.0}), [-1, 0])
    search = BeamSearch(graph, keep_lattice=True)
    search.advance([[-1.0]])
    search.release()
    search.release()
    for ask in (lambda: search.advance([[0.0]]), search.finish, search.kept, search.settle, search.unsettled):
        with pytest.raises(WfstAsrError, match="has been released; begin another"):
            ask()
    assert search.counts.frames == 1


# ---- buffers that are handed on


def fresh_result(case, scores, options, *, keep_lattice):
    return result_on(make_search_graph(case.table, COLUMNS), scores, options, keep_lattice=keep_lattice)


def result_on(graph, scores, options, *, keep_lattice):
    """Return all that a search finds, and release it."""
    search = BeamSearch(graph, options, keep_lattice=keep_lattice)
    told = ""
    try:
        search.advance(scores)
    except NoPathError as error:
        told = str(error)
    path = search.finish()
    found = [told, search.counts, path.arcs.tolist(), path.cost, path.reached_final]
    if keep_lattice:
        lattice = raw_lattice(search, scores[: search.frames])
        found += [
            lattice.frame.tolist(),
            lattice.nextstate.tolist(),
            lattice.olabel.tolist(),
            lattice.first_arc.tolist(),
        ]
    search.release()
    return found


@settings(max_examples=150, deadline=None)
@given(cases(max_frames=8, max_arcs=14), st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=4), st.booleans())
def test_buffers_of_earlier_searches_change_nothing(case, seeds, keep_lattice):
    graph = make_search_graph(case.table, COLUMNS)
    before = beam._FIRST_CAPACITY
    beam._FIRST_CAPACITY = 1
    try:
        for number, seed in enumerate(seeds):
            rng = np.random.default_rng(seed)
            scores = rng.choice([-3.0, -1.0, 0.5, 2.0, -np.inf], (int(rng.integers(0, 12)), 3)).astype(np.float32)
            width = [math.inf, 2.0, 6.0][number % 3]
            options = DecodeOptions(beam=width, max_active=3, min_active=0, prune_interval=2, lattice_beam=width)
            if keep_lattice:
                options = replace(options, max_active=None)
            assert result_on(graph, scores, options, keep_lattice=keep_lattice) == fresh_result(
                case, scores, options, keep_lattice=keep_lattice
            )
        assert len(graph.free_room[keep_lattice]) == 1
    finally:
        beam._FIRST_CAPACITY = before


def test_threads_hand_buffers_to_one_another():
    table = random_graph(2000, 12000, labels=20, seed=71)
    rng = np.random.default_rng(72)
    utterances = [rng.normal(0, 2, (int(rng.integers(1, 40)), 20)).astype(np.float32) for _ in range(12)]
    utterances[5][:] = -np.inf
    options = DecodeOptions(beam=9.0, lattice_beam=3.0, prune_interval=3)

    def fresh(scores, keep_lattice):
        return result_on(make_search_graph(table, np.arange(-1, 20)), scores, options, keep_lattice=keep_lattice)

    jobs = [(scores, keep) for scores in utterances for keep in (False, True)]
    expected = [fresh(*job) for job in jobs]
    graph = make_search_graph(table, np.arange(-1, 20))
    found = [[None] * len(jobs) for _ in range(4)]

    def work(mine, offset):
        for k in range(len(jobs)):
            at = (k * 7 + offset) % len(jobs)
            mine[at] = result_on(graph, jobs[at][0], options, keep_lattice=jobs[at][1])

    threads = [threading.Thread(target=work, args=(mine, 5 * number)) for number, mine in enumerate(found)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == expected for mine in found)
    assert 1 <= len(graph.free_room[0]) <= 4
