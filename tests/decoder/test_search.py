import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decoder.graphs import COLUMNS, Case, cases
from tests.reference.path_enumeration import best_paths
from wfst_asr.decoder import beam
from wfst_asr.decoder.beam import BeamSearch, NoPathError
from wfst_asr.decoder.decode import decode, decode_blocks
from wfst_asr.decoder.options import DecodeOptions, exact_options
from wfst_asr.decoder.search_graph import make_search_graph
from wfst_asr.decoder.viterbi import viterbi
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table


def brute_force(case: Case):
    return best_paths(0, case.sorted_arcs, case.finals, COLUMNS, case.scores)


def search(case: Case, options=None, chunks=None):
    found = BeamSearch(make_search_graph(case.table, COLUMNS), options or exact_options())
    at = 0
    for size in [*(chunks or []), len(case.scores)]:
        found.advance(case.matrix[at : at + size])
        at = min(at + size, len(case.scores))
    return found


@settings(max_examples=300, deadline=None)
@given(cases())
def test_exact_viterbi_equals_enumeration(case):
    cost, reached, paths = brute_force(case)
    found = viterbi(case.table, case.matrix, COLUMNS)
    assert found.cost == pytest.approx(cost, abs=1e-6)
    assert found.reached_final == reached
    if len(paths) == 1:
        assert found.arcs == paths[0]


@settings(max_examples=400, deadline=None)
@given(cases())
def test_beam_search_at_infinite_beam_equals_enumeration(case):
    cost, reached, paths = brute_force(case)
    if not paths:
        with pytest.raises(NoPathError, match="no path goes through frame"):
            search(case)
        return
    found = search(case).finish()
    assert found.cost == pytest.approx(cost, abs=1e-3)
    assert found.reached_final == reached
    if len(paths) == 1:
        assert tuple(found.arcs) == paths[0]


@settings(max_examples=200, deadline=None)
@given(cases(max_frames=12, max_arcs=14, min_frames=1), st.sampled_from([1, 2, 4]))
def test_buffers_that_grow_and_are_collected_change_nothing(case, capacity):
    exact = viterbi(case.table, case.matrix, COLUMNS)
    before = beam._FIRST_CAPACITY
    beam._FIRST_CAPACITY = capacity
    try:
        if np.isinf(exact.cost):
            with pytest.raises(NoPathError):
                search(case)
        else:
            assert search(case).finish().cost == pytest.approx(exact.cost, abs=1e-3)
    finally:
        beam._FIRST_CAPACITY = before


@settings(max_examples=100, deadline=None)
@given(
    cases(max_frames=8, min_frames=1), st.lists(st.integers(0, 4), max_size=4), st.floats(0.5, 8.0), st.integers(1, 4)
)
def test_result_does_not_depend_on_the_chunks(case, chunks, width, max_active):
    options = DecodeOptions(beam=width, max_active=max_active, min_active=0)
    try:
        whole = search(case, options)
    except NoPathError:
        with pytest.raises(NoPathError):
            search(case, options, chunks)
        return
    parts = search(case, options, chunks)
    assert parts.counts == whole.counts
    assert parts.finish().cost == whole.finish().cost
    assert parts.finish().arcs.tolist() == whole.finish().arcs.tolist()


@settings(max_examples=100, deadline=None)
@given(cases(min_frames=1), st.floats(0.5, 20.0))
def test_a_pruned_path_is_a_path_and_no_cheaper_than_the_best(case, width):
    try:
        found = search(case, DecodeOptions(beam=width, min_active=0)).finish()
    except NoPathError:
        return
    exact = viterbi(case.table, case.matrix, COLUMNS)
    table = case.table
    state, cost, frame = 0, 0.0, 0
    for arc in found.arcs:
        assert table.first_arc[state] <= arc < table.first_arc[state + 1]
        record = table.arcs[arc]
        cost += record["cost"]
        if record["ilabel"]:
            cost -= case.matrix[frame, COLUMNS[record["ilabel"]]]
            frame += 1
        state = record["nextstate"]
    assert frame == len(case.scores)
    final = table.final_cost[state] if found.reached_final else 0.0
    assert found.cost == pytest.approx(cost + final, abs=1e-3)
    if found.reached_final == exact.reached_final:
        assert found.cost >= exact.cost - 1e-3


def random_graph(states: int, arcs: int, *, labels: int, seed: int, epsilon_share: float = 0.2):
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, states, (2, arcs))
    label = rng.integers(1, labels + 1, arcs)
    label[rng.random(arcs) < epsilon_share] = 0
    rows = zip(
        source.tolist(), target.tolist(), label.tolist(), [1] * arcs, rng.exponential(1.0, arcs).tolist(), strict=True
    )
    return arc_table(states, list(rows), finals=dict.fromkeys(range(0, states, 7), 0.0))


def test_wide_beams_over_many_tokens_and_frames_equal_the_exact_search():
    # tens of epsilon levels or cycles, thousands of tokens a frame, back-pointers collected several times
    table = random_graph(3000, 20000, labels=40, seed=1)
    columns = np.arange(-1, 40)
    scores = np.random.default_rng(2).normal(0, 2, (60, 40)).astype(np.float32)
    graph = make_search_graph(table, columns)
    exact = viterbi(table, scores, columns)
    beam_search = BeamSearch(graph, exact_options())
    beam_search.advance(scores)
    found = beam_search.finish()
    assert beam_search.counts.most_tokens > 2500
    assert found.cost == pytest.approx(exact.cost, abs=5e-3)
    assert found.arcs.tolist() == list(exact.arcs)


def test_back_pointers_are_collected_in_long_audio():
    table = random_graph(300, 2000, labels=20, seed=3, epsilon_share=0.1)
    columns = np.arange(-1, 20)
    graph = make_search_graph(table, columns)
    rng = np.random.default_rng(4)
    found = BeamSearch(graph, exact_options())
    sizes = []
    for _ in range(40):
        found.advance(rng.normal(0, 2, (250, 20)).astype(np.float32))
        sizes.append(len(found._trace.arc))
    assert found.frames == 10000
    assert max(sizes) == sizes[0]
    path = found.finish()
    assert (graph.arcs["ilabel"][path.arcs] != 0).sum() == 10000


def test_max_active_bounds_the_tokens_that_are_expanded():
    table = random_graph(3000, 20000, labels=40, seed=5)
    graph = make_search_graph(table, np.arange(-1, 40))
    scores = np.random.default_rng(6).normal(0, 2, (30, 40)).astype(np.float32)
    narrow = decode(graph, scores, DecodeOptions(beam=30.0, max_active=100, min_active=10))
    wide = decode(graph, scores, DecodeOptions(beam=30.0, max_active=None))
    assert narrow.counts.frames_limited > 20
    assert wide.counts.frames_limited == 0
    assert narrow.counts.emitting_arcs < wide.counts.emitting_arcs / 5
    assert narrow.total_cost >= wide.total_cost - 1e-3


def test_min_active_keeps_tokens_that_the_beam_would_drop():
    table = random_graph(500, 4000, labels=10, seed=7)
    graph = make_search_graph(table, np.arange(-1, 10))
    scores = np.random.default_rng(8).normal(0, 3, (30, 10)).astype(np.float32)
    few = decode(graph, scores, DecodeOptions(beam=1.0, min_active=0))
    more = decode(graph, scores, DecodeOptions(beam=1.0, min_active=100))
    assert more.counts.emitting_arcs > 2 * few.counts.emitting_arcs
    assert more.reached_final
    assert not few.reached_final  # ends cheaper, but in no final state


def test_equal_scores_and_costs_leave_every_token_alive():
    arcs = [(s, t, 1, 1, 0.0) for s in range(40) for t in range(40)]
    graph = make_search_graph(arc_table(40, arcs, finals={0: 0.0}), [-1, 0])
    result = decode(graph, np.zeros((20, 1), np.float32), DecodeOptions(max_active=5, min_active=0))
    assert result.total_cost == 0.0
    assert result.counts.most_tokens == 40


def test_zero_cost_epsilon_cycle_ends():
    arcs = [(0, 1, 0, 0, 0.0), (1, 2, 0, 0, 0.0), (2, 0, 0, 0, 0.0), (2, 3, 1, 5, 0.5), (3, 0, 0, 0, 0.0)]
    graph = make_search_graph(arc_table(4, arcs, finals={3: 0.0}), [-1, 0], words=["<eps>", *"abcde"])
    result = decode(graph, [[-1.0], [-1.0]])
    assert result.words == ("e", "e")
    assert result.total_cost == pytest.approx(3.0)


def test_epsilon_cycle_of_negative_cost_is_refused():
    arcs = [(0, 1, 0, 0, 0.5), (1, 0, 0, 0, -0.75), (1, 1, 1, 1, 0.0)]
    with pytest.raises(WfstAsrError, match="cycle of input-epsilon arcs with negative total cost"):
        make_search_graph(arc_table(2, arcs, finals={1: 0.0}), [-1, 0])


def test_deep_epsilon_chains_beyond_the_number_of_levels():
    # 300 levels; each state is also reached directly, at a cost that the chain betters
    arcs = [(s, s + 1, 0, 0, 0.01) for s in range(300)] + [(0, s, 0, 0, 5.0) for s in range(2, 301)]
    arcs.append((300, 300, 1, 1, 0.0))
    graph = make_search_graph(arc_table(301, arcs, finals={300: 0.0}), [-1, 0])
    assert decode(graph, [[0.0]], exact_options()).total_cost == pytest.approx(3.0, abs=1e-3)


def test_single_state_and_one_frame():
    graph = make_search_graph(arc_table(1, [(0, 0, 1, 1, 0.25)], finals={0: 0.5}), [-1, 0])
    result = decode(graph, [[-2.0]])
    assert (result.graph_cost, result.acoustic_cost, result.reached_final) == (0.75, 2.0, True)


def test_partial_result_says_that_no_final_state_was_reached():
    arcs = [(0, 1, 1, 1, 0.0), (1, 2, 1, 2, 0.0), (2, 3, 1, 3, 0.0)]
    graph = make_search_graph(arc_table(4, arcs, finals={3: 0.0}), [-1, 0], words=["<eps>", "a", "b", "c"])
    result = decode(graph, [[-1.0], [-1.0]])
    assert result.words == ("a", "b")
    assert not result.reached_final
    assert result.graph_cost == 0.0


def test_acoustic_scale_and_costs_apart():
    arcs = [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)]
    graph = make_search_graph(arc_table(1, arcs, finals={0: 0.25}), [-1, 0, 1])
    result = decode(graph, [[-10.0, -40.0], [-40.0, -20.0]], DecodeOptions(acoustic_scale=0.1))
    assert result.word_ids == (1, 2)
    assert result.alignment.tolist() == [1, 2]
    assert (result.graph_cost, result.acoustic_cost, result.acoustic_scale) == (1.75, 30.0, 0.1)
    assert result.total_cost == pytest.approx(4.75)
    assert result.frame_costs.tolist() == [10.0, 20.0]


def test_scores_of_minus_infinity_everywhere_are_told():
    graph = make_search_graph(arc_table(1, [(0, 0, 1, 1, 0.0)], finals={0: 0.0}), [-1, 0])
    with pytest.raises(NoPathError, match=r"frame 1: all its scores are -inf"):
        decode(graph, [[0.0], [-np.inf], [0.0]])


def test_graph_that_ends_too_early_is_told():
    graph = make_search_graph(arc_table(2, [(0, 1, 1, 1, 0.0)], finals={1: 0.0}), [-1, 0])
    with pytest.raises(NoPathError, match=r"frame 1: the graph ends before it"):
        decode(graph, [[0.0], [0.0]])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("beam", 0.0),
        ("beam", float("nan")),
        ("max_active", 0),
        ("min_active", -1),
        ("beam_delta", 0.0),
        ("acoustic_scale", -1.0),
    ],
)
def test_dials_out_of_range_are_refused(field, value):
    with pytest.raises(WfstAsrError, match=field):
        DecodeOptions(**{field: value})


def test_blocks_of_scores_give_the_words_and_costs_of_the_whole():
    table = random_graph(40, 300, labels=5, seed=3)
    graph = make_search_graph(table, [-1, 0, 1, 2, 3, 4])
    scores = np.random.default_rng(5).normal(-5.0, 2.0, (60, 5)).astype(np.float32)
    options = DecodeOptions(beam=30.0, acoustic_scale=0.5)
    whole = decode(graph, scores, options)
    blocks = decode_blocks(graph, (scores[at : at + 7] for at in range(0, 60, 7)), options)
    assert blocks.word_ids == whole.word_ids
    assert blocks.graph_cost == whole.graph_cost
    assert blocks.acoustic_cost == pytest.approx(whole.acoustic_cost, abs=1e-2)
    with pytest.raises(WfstAsrError, match="no frames"):
        decode_blocks(graph, [], options)
