"""Composition and union of lattices equal enumeration of all paths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lattice.whole_paths import check_form, check_same_paths, whole_paths
from tests.lattice.word_lattices import either_kind, linear_compact
from tests.reference.word_fst_paths import accepted
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table
from wfst_asr.lattice.compose import compose
from wfst_asr.lattice.convert import state_level
from wfst_asr.lattice.fst_exchange import label_lattice, word_lattice
from wfst_asr.lattice.lattice import Lattice
from wfst_asr.lattice.union import union
from wfst_asr.lattice.word_fst import word_fst

BACKOFF = 9


@st.composite
def word_fsts(draw):
    """Return (states, arcs, finals): epsilons and back-off arcs lead away from the start, words anywhere."""
    states = draw(st.integers(1, 4))
    costs = st.floats(-2, 4, width=32)
    state, words = st.integers(0, states - 1), st.integers(1, 3)
    arcs = draw(st.lists(st.tuples(state, state, words, st.integers(0, 4), costs), max_size=10))
    if draw(st.booleans()):
        pairs = [(s, d) for s in range(states) for d in range(s + 1, states)]
        for s, d in draw(st.lists(st.sampled_from(pairs), max_size=3)) if pairs else []:
            arcs.append((s, d, 0, draw(st.integers(0, 4)), draw(costs)))
    for s in range(states - 1):
        if draw(st.booleans()):
            arcs.append((s, draw(st.integers(s + 1, states - 1)), BACKOFF, 0, draw(costs)))
    finals = {s: draw(costs) for s in range(states) if draw(st.booleans()) or s == states - 1}
    return states, arcs, finals


@given(either_kind(), word_fsts(), st.sampled_from([1.0, -1.0, 0.5]))
def test_composition_equals_enumeration(lattice, fst, weight):
    states, arcs, finals = fst
    result = compose(lattice, arc_table(states, arcs, finals=finals), weight=weight, backoff_label=BACKOFF)
    expected = {}
    for (words, labels), costs in whole_paths(lattice).items():
        for outputs, cost in accepted(arcs, finals, 0, words, backoff=BACKOFF):
            expected.setdefault((outputs, labels), []).extend((g + weight * cost, a) for g, a in costs)
    assert type(result) is type(lattice)
    check_form(result)
    check_same_paths(whole_paths(result), expected)


def test_an_fst_made_ready_gives_the_same_and_takes_no_second_back_off_label():
    lattice = linear_compact([((1, 2), 1.0), ((3,), 2.0)])
    table = arc_table(2, [(0, 0, 1, 1, 1.0), (0, 1, BACKOFF, 0, 0.5), (1, 0, 2, 2, 2.0)], finals={0: 0.25})
    once = compose(lattice, table, backoff_label=BACKOFF)
    again = compose(lattice, word_fst(table, backoff_label=BACKOFF))
    assert whole_paths(once) == whole_paths(again) == {((1, 2), (1, 1)): [(4.75, 0.0)]}
    with pytest.raises(WfstAsrError, match="give it to word_fst"):
        compose(lattice, word_fst(table), backoff_label=BACKOFF)


def test_bad_fsts_are_refused():
    lattice = linear_compact([((1, 2), 1.0)])
    refused = [
        (arc_table(0, [], finals={}), "has no states"),
        (arc_table(1, [(0, 0, -1, 1, 0.0)], finals={0: 0}), "label below 0"),
        (arc_table(2, [(0, 1, 9, 0, 0.0), (0, 0, 9, 0, 0.0)], finals={0: 0}), "two back-off arcs"),
        (arc_table(2, [(0, 1, 9, 3, 0.0)], finals={0: 0}), "has a word as its output"),
        (arc_table(3, [(0, 1, 9, 0, 0.0), (1, 2, 9, 0, 0.0), (2, 1, 9, 0, 0.0)], finals={0: 0}), "cycle of back-off"),
    ]
    for table, told in refused:
        with pytest.raises(WfstAsrError, match=told):
            compose(lattice, table, backoff_label=9)
    loop = arc_table(1, [(0, 0, 0, 1, 0.5), (0, 0, 1, 1, 0.0), (0, 0, 2, 2, 0.0)], finals={0: 0})
    with pytest.raises(WfstAsrError, match="cycle of epsilons"):
        compose(lattice, loop)
    with pytest.raises(WfstAsrError, match="weight nan"):
        compose(lattice, loop, weight=np.nan)
    with pytest.raises(WfstAsrError, match="back-off label 0"):
        compose(lattice, loop, backoff_label=0)
    every = arc_table(1, [(0, 0, w, w, 0.0) for w in (1, 2)] * 50, finals={0: 0})
    with pytest.raises(WfstAsrError, match="more than 5000 arcs; prune"):
        compose(linear_compact([((1, 2) * 100, 1.0)]), every, max_arcs=5000)


@given(either_kind(), st.integers(1, 3))
def test_union_has_the_paths_of_all(lattice, copies):
    if not whole_paths(lattice):
        return
    both = union([lattice] * copies)
    check_form(both)
    expected = {key: sorted(costs * copies) for key, costs in whole_paths(lattice).items()}
    if np.isfinite(lattice.final_cost[0]):  # of the paths without arcs one is kept
        labels = () if isinstance(lattice, Lattice) else tuple(lattice.final_labels[: lattice.first_final_label[1]])
        end = (lattice.final_cost[0], 0.0 if isinstance(lattice, Lattice) else lattice.final_acoustic_cost[0])
        costs = expected[(), labels]
        for _ in range(copies - 1):
            costs.remove(min(costs, key=lambda cost: abs(cost[0] - end[0]) + abs(cost[1] - end[1])))
    check_same_paths(whole_paths(both), expected)


def test_union_with_a_lattice_made_from_an_fst():
    lattice = state_level(linear_compact([((1, 2), 1.0)]))
    made = label_lattice(arc_table(3, [(0, 1, 4, 3, 0.5), (1, 2, 5, 0, 0.25)], finals={2: 0.0}))
    both = union([lattice, made])
    assert whole_paths(both) == {((1, 2), (1, 1)): [(1.0, 0.0)], ((3,), (4, 5)): [(0.75, 0.0)]}
    assert union([made]) is made


def test_lattices_that_do_not_belong_together_are_refused():
    one, two = linear_compact([((1,), 1.0)]), linear_compact([((1, 2), 1.0)])
    with pytest.raises(WfstAsrError, match="lattices of 1 and 2 frames"):
        union([one, two])
    with pytest.raises(WfstAsrError, match="a Lattice and a CompactLattice"):
        union([one, state_level(one)])
    with pytest.raises(WfstAsrError, match="no lattices"):
        union([])


def test_cyclic_machines_are_no_lattices():
    with pytest.raises(WfstAsrError, match="the FST has a cycle of arcs through state 1"):
        word_lattice(arc_table(2, [(0, 1, 1, 1, 0.0), (1, 1, 2, 2, 0.0)], finals={1: 0.0}))
    with pytest.raises(WfstAsrError, match="different numbers of frames"):
        label_lattice(arc_table(2, [(0, 1, 1, 1, 0.0), (0, 1, 0, 2, 0.0)], finals={1: 0.0}))
