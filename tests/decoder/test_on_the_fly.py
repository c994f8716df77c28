"""Searching HCL o G, composed on the fly, against searching the static HCLG."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.test_on_the_fly import both
from tests.graph.toy_graph import make_toy
from wfst_asr.decoder import _lazy_kernels, on_the_fly
from wfst_asr.decoder.batch import decode_utterances
from wfst_asr.decoder.beam import BeamSearch
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.explain import explain
from wfst_asr.decoder.forced_words import graph_of_words
from wfst_asr.decoder.insertion_penalty import with_insertion_penalty
from wfst_asr.decoder.lattice_words import LatticeOptions, decode_words
from wfst_asr.decoder.on_the_fly import OnTheFlyGraph
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph, make_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.recipe.on_the_fly_graph import search_graph_on_the_fly


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchGraph, SearchGraph]:
    toy = make_toy(tmp_path_factory.mktemp("toy"))
    static, hcl, entries = both(toy)
    words = [toy.words.names.get(i, "") for i in range(max(toy.words.names) + 1)]
    columns = toy.model.pdf_id
    count = toy.model.num_pdfs
    return (
        make_search_graph(static, columns, num_columns=count, words=words),
        search_graph_on_the_fly(hcl, entries, columns, num_columns=count, words=words),
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 60), spread=st.sampled_from([0.5, 2.0, 5.0]))
def test_the_best_path_is_that_of_the_static_graph(graphs, seed: int, frames: int, spread: float) -> None:
    static, lazy = graphs
    scores = np.random.default_rng(seed).normal(0, spread, (frames, static.num_columns))
    options = DecodeOptions(beam=60.0, max_active=None)
    one, other = decode(static, scores, options), decode(lazy, scores, options)
    assert other.total_cost == pytest.approx(one.total_cost, abs=1e-2 + 1e-3 * frames)
    assert other.reached_final == one.reached_final
    assert other.words == one.words
    assert other.alignment.tolist() == one.alignment.tolist()


def random_scores(graph: SearchGraph, seed: int = 0, frames: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2.0, (frames, graph.num_columns))


WIDE = DecodeOptions(beam=60.0, max_active=None, lattice_beam=6.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lattices_hold_the_same_hypotheses_at_the_same_costs(graphs, seed: int) -> None:
    found = [
        decode_words(graph, random_scores(graph, seed), WIDE, wanted=LatticeOptions(num_best=8)).n_best
        for graph in graphs
    ]
    one, other = ({h.words: h.total_cost for h in some} for some in found)
    assert list(one)[:3] == list(other)[:3]
    assert all(one[words] == pytest.approx(other[words], abs=0.06) for words in set(one) & set(other))


def test_pieces_of_scores_are_searched_like_all_of_them(graphs) -> None:
    lazy = graphs[1]
    scores = random_scores(lazy)
    search = BeamSearch(lazy, WIDE)
    for at in range(0, len(scores), 7):
        search.advance(scores[at : at + 7])
    assert search.finish().cost == pytest.approx(decode(lazy, scores, WIDE).total_cost, abs=1e-3)


def test_searches_with_nothing_composed_yet_and_with_much_agree(graphs) -> None:
    lazy = graphs[1]
    scores = random_scores(lazy)
    decode(lazy, random_scores(lazy, 1), WIDE)
    second = decode(lazy, scores, WIDE)
    held = BeamSearch(lazy, WIDE)
    held.advance(scores[:20])
    lazy.on_the_fly.forget()
    first = decode(lazy, scores, WIDE)
    held.advance(scores[20:])  # goes on with what was composed for it
    assert held.finish().cost == pytest.approx(first.total_cost, abs=1e-3)
    assert (first.words, first.total_cost) == (second.words, second.total_cost)


def test_the_table_of_states_grows(graphs) -> None:
    lazy = graphs[1]
    before = decode(lazy, random_scores(lazy), WIDE)
    part = lazy.for_search().composed
    size = len(part.expansion.laid.slots)
    assert part.make_room(_lazy_kernels.MORE_SLOTS, 0) is None
    assert len(part.expansion.laid.slots) == 2 * size
    after = decode(lazy, random_scores(lazy), WIDE)
    assert (after.words, after.total_cost) == (before.words, before.total_cost)


def test_threads_share_what_is_composed(graphs) -> None:
    lazy = graphs[1]
    lazy.on_the_fly.forget()
    items = [(str(seed), lambda seed=seed: random_scores(lazy, seed)) for seed in range(6)]
    together = list(decode_utterances(lazy, items, WIDE, num_jobs=3))
    alone = [decode(lazy, make(), WIDE) for _, make in items]
    assert [one.result.words for one in together] == [one.words for one in alone]


def test_a_graph_goes_through_pickle(graphs) -> None:
    lazy = graphs[1]
    other = pickle.loads(pickle.dumps(lazy.on_the_fly))
    assert other.for_search(lazy).composed.num_states >= 1


def test_too_little_memory_is_told(graphs, monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = graphs[1]
    with pytest.raises(WfstAsrError, match="max_graph_memory_mb 10, expected at least 64"):
        OnTheFlyGraph(lazy.on_the_fly.parts, lazy.columns, max_memory_mb=10)
    monkeypatch.setattr(on_the_fly, "_LEAST_MEMORY_MB", 0.0)
    small = replace(lazy, on_the_fly=OnTheFlyGraph(lazy.on_the_fly.parts, lazy.columns, max_memory_mb=0.002))
    with pytest.raises(WfstAsrError, match=r"needs more than 0.002 MB at frame \d+; raise max_graph_memory_mb"):
        decode(small, random_scores(lazy), WIDE)


def test_what_needs_the_whole_graph_says_so(graphs) -> None:
    lazy = graphs[1]
    for call in (
        lambda: explain(lazy, random_scores(lazy), ["red"]),
        lambda: with_insertion_penalty(lazy, 0.5),
        lambda: graph_of_words(lazy, [1]),
    ):
        with pytest.raises(WfstAsrError, match=r"is composed while it is searched, and .* must see the whole graph"):
            call()
