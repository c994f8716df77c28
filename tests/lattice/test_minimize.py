"""Minimization of lattices of words: the same paths, in fewer states."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lattice.test_determinize import BEAMS, check_form, naive_arcs, random_lattice, sequences_of
from tests.lattice.test_lattice import lattices
from tests.reference.word_sequences import compact_paths
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.convert import compact_of, state_level
from wfst_asr.lattice.determinize import determinize
from wfst_asr.lattice.minimize import minimize


def word_tree(sequences):
    """Return a lattice of words in which every sequence (words, graph costs, alignments by word) is on its own."""
    arcs, finals, frames, states = [], {}, {0: 0}, 1
    for words, costs, alignments in sequences:
        at = 0
        for word, cost, labels in zip(words, costs, alignments, strict=True):
            arcs.append((at, states, word, cost, labels))
            frames[states] = frames[at] + len(labels)
            at, states = states, states + 1
        finals[at] = 0.0
    order = sorted(frames, key=lambda s: (frames[s], s))
    rank = {s: i for i, s in enumerate(order)}
    arcs = sorted((rank[source], rank[there], *rest) for source, there, *rest in arcs)
    return CompactLattice(
        frame=np.array([frames[s] for s in order], dtype=np.int32),
        first_arc=np.searchsorted([arc[0] for arc in arcs], np.arange(len(order) + 1)).astype(np.int64),
        nextstate=np.array([arc[1] for arc in arcs], dtype=np.int32),
        olabel=np.array([arc[2] for arc in arcs], dtype=np.int32),
        graph_cost=np.array([arc[3] for arc in arcs], dtype=np.float32),
        acoustic_cost=np.zeros(len(arcs), dtype=np.float32),
        first_label=np.cumsum([0, *(len(arc[4]) for arc in arcs)]).astype(np.int64),
        labels=np.array([label for arc in arcs for label in arc[4]], dtype=np.int32),
        final_cost=np.array([finals.get(s, np.inf) for s in order], dtype=np.float32),
        final_acoustic_cost=np.zeros(len(order), dtype=np.float32),
        first_final_label=np.zeros(len(order) + 1, dtype=np.int64),
        final_labels=np.zeros(0, dtype=np.int32),
    )


def determinize_tree(sequences):
    return determinize(state_level(word_tree(sequences)))


def check_same_paths(before, after):
    assert before.keys() == after.keys()
    for words, (cost, graph, acoustic, alignment) in before.items():
        assert after[words][:3] == pytest.approx((cost, graph, acoustic), abs=1e-3)
        assert after[words][3] == alignment


@settings(max_examples=150)
@given(lattices(), BEAMS)
def test_every_path_stays_as_it_is(lattice, beam):
    words = determinize(lattice, lattice_beam=beam)
    found = minimize(words, tolerance=1e-5)
    assert found.num_states <= words.num_states
    assert (found.lattice_beam, found.acoustic_scale) == (words.lattice_beam, words.acoustic_scale)
    if found.num_states:
        check_form(found)
    check_same_paths(sequences_of(words), sequences_of(found))


@settings(max_examples=150)
@given(st.integers(0, 1 << 30), BEAMS, st.sampled_from([0.0, 0.5, 10.0]))
def test_dense_lattices_become_smaller_and_stay_so(seed, beam, step):
    words = determinize(random_lattice(seed, step=step, labels=1), lattice_beam=beam)
    found = minimize(words, tolerance=1e-5)
    check_form(found)
    check_same_paths(sequences_of(words), sequences_of(found))
    again = minimize(found, tolerance=1e-5)
    assert (again.num_states, again.num_arcs) == (found.num_states, found.num_arcs)


@settings(max_examples=80)
@given(st.integers(0, 1 << 30), st.sampled_from([0.0, 0.5]))
def test_lattices_with_arcs_without_words_keep_their_paths(seed, step):
    lattice = compact_of(random_lattice(seed, frames=4, step=step))
    before = sorted(compact_paths(*naive_arcs(lattice)))
    after = sorted(compact_paths(*naive_arcs(minimize(lattice, tolerance=1e-5))))
    assert [(words, alignment) for words, _, _, alignment in sorted(before, key=lambda p: (p[0], p[3], p[1]))] == [
        (words, alignment) for words, _, _, alignment in sorted(after, key=lambda p: (p[0], p[3], p[1]))
    ]
    assert sorted(p[1] for p in before) == pytest.approx(sorted(p[1] for p in after), abs=1e-3)
    assert sorted(p[2] for p in before) == pytest.approx(sorted(p[2] for p in after), abs=1e-3)


def test_words_are_cut_where_they_were_unless_merged_states_were_cut_elsewhere():
    chain = word_tree([((1, 2, 3), (1.0, 1.0, 1.0), ((7,), (8, 9), (4,)))])
    assert minimize(chain).frame.tolist() == chain.frame.tolist() == [0, 1, 3, 4]
    assert minimize(chain).labels.tolist() == [7, 8, 9, 4]
    late = word_tree([((1, 3), (1.0, 1.0), ((7,), (8, 4))), ((2, 3), (1.0, 1.0), ((6, 8), (4,)))])
    found = minimize(late)
    assert (found.frame.tolist(), found.labels.tolist()) == ([0, 2, 3], [7, 8, 6, 8, 4])


def test_words_that_end_alike_share_their_states():
    tree = word_tree(
        [((1, 2, 3), (5.0, 1.0, 2.0), ((7,), (8, 9), (4,))), ((5, 2, 3), (1.0, 2.0, 3.0), ((6,), (8, 9), (4,)))]
    )
    found = minimize(tree)
    assert (tree.num_states, found.num_states, found.num_arcs) == (7, 4, 4)
    check_same_paths(sequences_of(tree), sequences_of(found))


def test_other_labels_or_relative_costs_keep_states_apart():
    labels = [((1, 2), (1.0, 1.0), ((7,), (8,))), ((1, 4), (1.0, 1.0), ((7,), (9,)))]
    labels += [((3, 2), (1.0, 1.0), ((7,), (8,))), ((3, 4), (1.0, 1.0), ((7,), (6,)))]
    assert minimize(determinize_tree(labels)).num_arcs == 6
    labels[-1] = ((3, 4), (1.0, 1.0), ((7,), (9,)))
    assert minimize(determinize_tree(labels)).num_arcs == 4
    fork = [((w, k), (1.0, c), ((w,), (k,))) for w, k, c in ((1, 5, 1.0), (1, 6, 2.0), (2, 5, 1.0), (2, 6, 2.5))]
    joined = minimize(determinize_tree(fork))
    assert joined.num_arcs == 6
    fork[-1] = ((2, 6), (1.0, 2.0), ((2,), (6,)))
    assert minimize(determinize_tree(fork)).num_arcs == 4


def test_an_empty_lattice_stays_empty_and_a_tolerance_below_0_is_refused():
    tree = word_tree([((1,), (1.0,), ((7,),))])
    with pytest.raises(WfstAsrError, match="tolerance -1"):
        minimize(tree, tolerance=-1.0)
    assert minimize(tree).num_states == 2
    empty = determinize(random_lattice(1, frames=0))
    assert minimize(empty).num_states == 1
