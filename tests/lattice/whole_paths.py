"""What a path of a lattice is, in full, for comparisons of lattices."""

import numpy as np
import pytest

from tests.reference.lattice_enumeration import lattice_paths
from wfst_asr.lattice.lattice import Lattice


def whole_paths(lattice):
    """Return {(words, input labels): sorted (graph cost, acoustic cost)} of all paths."""
    found = {}
    for arcs, _ in lattice_paths(lattice.source, lattice.nextstate, lattice.final_cost) if lattice.num_states else ():
        end = int(lattice.nextstate[arcs[-1]]) if arcs else 0
        graph = sum(float(lattice.graph_cost[a]) for a in arcs) + float(lattice.final_cost[end])
        acoustic = sum(float(lattice.acoustic_cost[a]) for a in arcs)
        if isinstance(lattice, Lattice):
            labels = [int(lattice.ilabel[a]) for a in arcs if lattice.ilabel[a]]
        else:
            acoustic += float(lattice.final_acoustic_cost[end])
            strings = [lattice.labels[lattice.first_label[a] : lattice.first_label[a + 1]] for a in arcs]
            strings.append(lattice.final_labels[lattice.first_final_label[end] : lattice.first_final_label[end + 1]])
            labels = np.concatenate(strings).tolist()
        words = tuple(int(lattice.olabel[a]) for a in arcs if lattice.olabel[a])
        found.setdefault((words, tuple(labels)), []).append((graph, acoustic))
    return {key: sorted(costs) for key, costs in found.items()}


def check_same_paths(one, other):
    """Hold two results of `whole_paths` equal, costs within rounding."""
    assert one.keys() == other.keys()
    for key, costs in one.items():
        assert len(costs) == len(other[key]), key
        for column in (0, 1):
            found, expected = (sorted(cost[column] for cost in side) for side in (costs, other[key]))
            assert found == pytest.approx(expected, abs=1e-4), key


def check_form(lattice):
    """Check the promises of the records of lattices."""
    assert (lattice.nextstate > lattice.source).all()
    assert (np.diff(lattice.first_arc) >= 0).all()
    assert lattice.first_arc[-1] == lattice.num_arcs
    assert (lattice.frame[:1] == 0).all()
    if isinstance(lattice, Lattice):
        consumed = lattice.ilabel != 0
        assert (np.diff(lattice.frame) >= 0).all()
    else:
        consumed = np.diff(lattice.first_label)
        assert lattice.first_label[-1] == len(lattice.labels)
        assert lattice.first_final_label[-1] == len(lattice.final_labels)
    assert (lattice.frame[lattice.nextstate] - lattice.frame[lattice.source] == consumed).all()
    for name in ("graph_cost", "acoustic_cost", "final_cost"):
        assert getattr(lattice, name).dtype == np.float32
    for name in ("frame", "nextstate", "olabel"):
        assert getattr(lattice, name).dtype == np.int32
