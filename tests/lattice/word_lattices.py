"""Random lattices with words, of both kinds, for tests of what is done with lattices."""

import numpy as np
from hypothesis import strategies as st

from tests.lattice.test_lattice import lattices
from tests.reference.lattice_enumeration import lattice_paths
from wfst_asr.lattice.compact_lattice import CompactLattice


@st.composite
def compact_lattices(draw, max_states=6, max_arcs=14, words=3, tree=False):
    """States in ascending frames, arcs with strings as long as the frames between, strings of ending for the rest."""
    states = draw(st.integers(1, max_states))
    frame = np.cumsum([0, *(draw(st.integers(0, 2)) for _ in range(states - 1))]).astype(np.int32)
    length = int(frame[-1]) + draw(st.integers(0, 1))
    pairs = [(s, d) for s in range(states) for d in range(s + 1, states)]
    if tree:
        arcs = sorted((draw(st.integers(0, d - 1)), d) for d in range(1, states))
    else:
        arcs = sorted(draw(st.lists(st.sampled_from(pairs), max_size=max_arcs))) if pairs else []
    costs = st.floats(-3, 9, width=32)
    ends = [draw(st.booleans()) or s == states - 1 for s in range(states)]
    lengths = [int(frame[d] - frame[s]) for s, d in arcs]
    final_lengths = [length - int(frame[s]) if ends[s] else 0 for s in range(states)]
    labels = st.integers(1, 9)

    def strings(sizes):
        first = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
        return first, np.array([draw(labels) for _ in range(int(first[-1]))], dtype=np.int32)

    first_label, of_arcs = strings(lengths)
    first_final_label, of_ends = strings(final_lengths)
    source = np.array([s for s, _ in arcs], dtype=np.int64)
    return CompactLattice(
        frame=frame,
        first_arc=np.concatenate([[0], np.cumsum(np.bincount(source, minlength=states))]).astype(np.int64),
        nextstate=np.array([d for _, d in arcs], dtype=np.int32),
        olabel=np.array([draw(st.integers(0, words)) for _ in arcs], dtype=np.int32),
        graph_cost=np.array([draw(costs) for _ in arcs], dtype=np.float32),
        acoustic_cost=np.array([draw(costs) for _ in arcs], dtype=np.float32),
        first_label=first_label,
        labels=of_arcs,
        final_cost=np.where(ends, [draw(costs) for _ in ends], np.inf).astype(np.float32),
        final_acoustic_cost=np.where(ends, [draw(costs) for _ in ends], 0.0).astype(np.float32),
        first_final_label=first_final_label,
        final_labels=of_ends,
    )


def either_kind():
    return st.one_of(compact_lattices(), lattices())


def all_paths(lattice, *, scale=1.0, penalty=0.0):
    """Return (arcs, words, cost) of every path."""
    if not lattice.num_states:
        return []
    arc_costs, final_costs = lattice.arc_costs(scale, penalty), lattice.final_costs(scale)
    found = []
    for arcs, _ in lattice_paths(lattice.source, lattice.nextstate, lattice.final_cost):
        end = lattice.nextstate[arcs[-1]] if arcs else 0
        cost = sum(float(arc_costs[a]) for a in arcs) + float(final_costs[end])
        found.append((arcs, tuple(int(lattice.olabel[a]) for a in arcs if lattice.olabel[a]), cost))
    return found


def word_sequences(lattice, **dials):
    """Return the lowest cost of each word sequence."""
    best = {}
    for _, words, cost in all_paths(lattice, **dials):
        best[words] = min(cost, best.get(words, np.inf))
    return best


def linear_compact(hypotheses):
    """Return a lattice of the (words, cost) given, paths that share no state."""
    arcs, finals, states = [], {}, 1
    for words, cost in hypotheses:
        at = 0
        for i, word in enumerate(words):
            arcs.append((at, states, word, cost if i == 0 else 0.0))
            at, states = states, states + 1
        finals[at] = 0.0 if words else cost
    arcs.sort()
    frame = np.zeros(states, dtype=np.int32)
    for s, d, _, _ in arcs:
        frame[d] = frame[s] + 1
    length = int(frame.max())
    final_lengths = [length - int(frame[s]) if s in finals else 0 for s in range(states)]
    return CompactLattice(
        frame=frame,
        first_arc=np.concatenate([[0], np.cumsum(np.bincount([a[0] for a in arcs], minlength=states))]).astype(
            np.int64
        ),
        nextstate=np.array([a[1] for a in arcs], dtype=np.int32),
        olabel=np.array([a[2] for a in arcs], dtype=np.int32),
        graph_cost=np.array([a[3] for a in arcs], dtype=np.float32),
        acoustic_cost=np.zeros(len(arcs), dtype=np.float32),
        first_label=np.arange(len(arcs) + 1, dtype=np.int64),
        labels=np.ones(len(arcs), dtype=np.int32),
        final_cost=np.array([finals.get(s, np.inf) for s in range(states)], dtype=np.float32),
        final_acoustic_cost=np.zeros(states, dtype=np.float32),
        first_final_label=np.concatenate([[0], np.cumsum(final_lengths)]).astype(np.int64),
        final_labels=np.ones(sum(final_lengths), dtype=np.int32),
    )
