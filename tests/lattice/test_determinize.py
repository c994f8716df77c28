"""Determinization of random lattices against enumeration, of hopeless ones within limits, and of Kaldi's own."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lattice.test_lattice import lattices
from tests.reference.word_sequences import compact_paths, word_sequences
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lattice.best_path import best_path
from wfst_asr.lattice.determinize import determinize
from wfst_asr.lattice.lattice import Lattice


def naive_arcs(lattice):
    """Return a lattice of words as the naive twin reads it: arcs by source, finals by state."""
    arcs, finals = {}, {}
    for a in range(lattice.num_arcs):
        labels = lattice.labels[lattice.first_label[a] : lattice.first_label[a + 1]].tolist()
        costs = (float(lattice.graph_cost[a]), float(lattice.acoustic_cost[a]))
        arcs.setdefault(int(lattice.source[a]), []).append(
            (int(lattice.nextstate[a]), int(lattice.olabel[a]), *costs, labels)
        )
    for s in np.flatnonzero(np.isfinite(lattice.final_cost)).tolist():
        labels = lattice.final_labels[lattice.first_final_label[s] : lattice.first_final_label[s + 1]].tolist()
        finals[s] = (float(lattice.final_cost[s]), float(lattice.final_acoustic_cost[s]), labels)
    return arcs, finals


def sequences_of(lattice, *, scale=1.0):
    """Return words -> (cost, graph cost, acoustic cost, alignment) of a lattice of words, each once."""
    if lattice.num_states == 0:
        return {}
    found = {}
    for words, graph, acoustic, alignment in compact_paths(*naive_arcs(lattice), scale=scale):
        assert words not in found
        found[words] = (graph + scale * acoustic, graph, acoustic, alignment)
    return found


def expected_of(lattice, *, scale=1.0):
    return word_sequences(
        lattice.source,
        lattice.nextstate,
        lattice.ilabel,
        lattice.olabel,
        lattice.graph_cost,
        lattice.acoustic_cost,
        lattice.final_cost,
        scale=scale,
    )


def check_form(lattice):
    """Check what the record promises: order, exact frames, no word twice, every state on a path."""
    assert (lattice.nextstate > lattice.source).all()
    assert (lattice.olabel > 0).all()
    frames = lattice.frame[lattice.source] + np.diff(lattice.first_label)
    assert (frames == lattice.frame[lattice.nextstate]).all()
    assert (np.diff(lattice.frame) >= 0).all()
    ends = np.isfinite(lattice.final_cost)
    assert (lattice.frame + np.diff(lattice.first_final_label) == lattice.num_frames)[ends].all()
    assert not np.diff(lattice.first_final_label)[~ends].any()
    pairs = list(zip(lattice.source.tolist(), lattice.olabel.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert set(lattice.nextstate.tolist()) | {0} == set(range(lattice.num_states))
    assert set(lattice.source.tolist()) | set(np.flatnonzero(ends).tolist()) == set(range(lattice.num_states))
    for costs in (lattice.graph_cost, lattice.acoustic_cost, lattice.final_cost, lattice.final_acoustic_cost):
        assert costs.dtype == np.float32


@settings(max_examples=500)
@given(lattices(), st.sampled_from([0.0, 0.5, 2.0, 5.0, np.inf]), st.sampled_from([1.0, 0.25]))
def test_every_word_sequence_within_the_beam_has_one_path_its_best(lattice, beam, scale):
    expected = expected_of(lattice, scale=scale)
    found = determinize(lattice, lattice_beam=beam, acoustic_scale=scale)
    assert (found.lattice_beam, found.acoustic_scale) == (beam, scale)
    if not expected:
        assert found.num_states == 0
        return
    check_form(found)
    got = sequences_of(found, scale=scale)
    limit = min(paths[0][0] for paths in expected.values()) + beam
    assert {w for w, paths in expected.items() if paths[0][0] <= limit - 1e-4} <= got.keys() <= expected.keys()
    for words, (cost, graph, acoustic, alignment) in got.items():
        best = expected[words][0][0]
        if best > limit - 1e-4:
            assert cost >= best - 1e-4
            continue
        assert cost == pytest.approx(best, abs=1e-4)
        near = [path for path in expected[words] if path[0] <= best + 1e-4]
        assert any(path[3] == alignment and path[1:3] == pytest.approx((graph, acoustic), abs=1e-4) for path in near)
