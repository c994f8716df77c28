"""The n best word sequences against enumeration of all paths."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lattice.word_lattices import all_paths, either_kind, linear_compact, word_sequences
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.best_path import best_path, best_paths
from wfst_asr.lattice.confusion import confusion_network
from wfst_asr.lattice.convert import state_level
from wfst_asr.lattice.determinize import determinize
from wfst_asr.lattice.lattice import prune
from wfst_asr.lattice.nbest import n_best
from wfst_asr.lattice.oracle import oracle
from wfst_asr.lattice.posteriors import arc_posteriors

DIALS = st.sampled_from([(1.0, 0.0), (0.25, 0.5), (2.0, -1.0)])


@given(either_kind(), st.integers(1, 12), DIALS)
def test_the_n_best_word_sequences_are_those_of_enumeration(lattice, n, dials):
    scale, penalty = dials
    expected = word_sequences(lattice, scale=scale, penalty=penalty)
    if not expected:
        with pytest.raises(WfstAsrError, match="has no path"):
            n_best(lattice, n)
        return
    found = n_best(lattice, n, acoustic_scale=scale, insertion_penalty=penalty)
    costs = [p.graph_cost + scale * p.acoustic_cost + penalty * len(p.word_ids) for p in found]
    assert len({p.word_ids for p in found}) == len(found) == min(n, len(expected))
    assert costs == pytest.approx(sorted(expected.values())[:n], abs=1e-6)
    paths = {arcs for arcs, _, _ in all_paths(lattice)}
    for path, cost in zip(found, costs, strict=True):
        assert cost == pytest.approx(expected[path.word_ids], abs=1e-6)
        assert tuple(path.arcs.tolist()) in paths
        assert len(path.alignment) == lattice.num_frames


@given(either_kind(), st.sampled_from([0.0, 1.0, 4.0]))
def test_no_sequence_costs_more_than_allowed_above_the_best(lattice, extra):
    expected = word_sequences(lattice)
    if not expected:
        return
    limit = min(expected.values()) + extra
    found = n_best(lattice, 1000, max_extra_cost=extra)
    assert len(found) == sum(cost <= limit + 1e-9 for cost in expected.values())


@given(either_kind(), DIALS)
def test_the_first_is_the_best_path(lattice, dials):
    if not all_paths(lattice):
        return
    scale, penalty = dials
    first = n_best(lattice, 1, acoustic_scale=scale, insertion_penalty=penalty)[0]
    best = best_path(lattice, acoustic_scale=scale, insertion_penalty=penalty)
    expected = min(cost for _, _, cost in all_paths(lattice, scale=scale, penalty=penalty))
    for path in (first, best):
        cost = path.graph_cost + scale * path.acoustic_cost + penalty * len(path.word_ids)
        assert cost == pytest.approx(expected, abs=1e-6)
    again = best_paths(lattice, [scale, 0.5], [penalty, 0.0])[0]
    assert again.word_ids == best.word_ids


def test_equal_costs_are_ordered_by_words():
    texts = [(3, 1), (1, 2), (1,), (2, 9, 9), (), (1, 2, 1)]
    lattice = linear_compact([(words, 1.0) for words in texts])
    assert [path.word_ids for path in n_best(lattice, 9)] == sorted(texts)
    assert [path.word_ids for path in n_best(lattice, 3)] == sorted(texts)[:3]


def test_a_lattice_of_very_many_equal_paths_gives_the_first_at_once():
    length = 60
    arcs = 3 * length
    lattice = linear_compact([(tuple(range(length)), 0.0)])
    dense = lattice.__class__(
        **{
            **{name: getattr(lattice, name) for name in lattice.__dataclass_fields__},
            "first_arc": np.minimum(3 * np.arange(length + 2), arcs).astype(np.int64),
            "nextstate": np.repeat(np.arange(1, length + 1), 3).astype(np.int32),
            "olabel": np.tile([3, 1, 2], length).astype(np.int32),
            "graph_cost": np.zeros(arcs, np.float32),
            "acoustic_cost": np.zeros(arcs, np.float32),
            "first_label": np.arange(arcs + 1, dtype=np.int64),
            "labels": np.ones(arcs, np.int32),
        }
    )
    found = n_best(dense, 4)
    assert [path.word_ids[-2:] for path in found] == [(1, 1), (1, 2), (1, 3), (2, 1)]
    assert all(path.word_ids[:-2] == (1,) * (length - 2) for path in found)


def test_bad_numbers_are_refused():
    lattice = linear_compact([((1,), 0.0)])
    with pytest.raises(WfstAsrError, match="0 best word sequences"):
        n_best(lattice, 0)
    with pytest.raises(WfstAsrError, match="extra cost -1"):
        n_best(lattice, 1, max_extra_cost=-1.0)


def test_a_lattice_without_states_has_no_path():
    nothing = prune(state_level(linear_compact([((1,), 0.0)])), 0.0)
    empty = determinize(replace(nothing, final_cost=np.full(nothing.num_states, np.inf, np.float32)))
    assert empty.num_states == 0
    for ask in (best_path, confusion_network, arc_posteriors, lambda lattice: n_best(lattice, 2)):
        with pytest.raises(WfstAsrError, match="has no path"):
            ask(empty)
    with pytest.raises(WfstAsrError, match="has no path"):
        oracle(empty, [1])
