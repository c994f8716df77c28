"""Conversion between lattices of states and lattices of words, path by path; nothing is determinized.

Kaldi: `ConvertLattice`, what `lattice-copy` does between its two types.
"""

import numpy as np

from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.compact_pruning import offsets
from wfst_asr.lattice.lattice import Lattice


def state_level(lattice: CompactLattice) -> Lattice:
    """Turn a lattice of words into one of input labels: a string becomes a chain of arcs, one a frame.

    Word and costs of an arc stand on the first arc of its chain; an empty string gives an epsilon arc, which may then
    have an acoustic cost.  Paths, their words, costs and alignments are the same, in the same number.

    Args:
        lattice: any lattice of words.

    Returns:
        States in the order of time; linear in arcs and labels.
    """
    starts, first_final = lattice.num_states, lattice.first_final_label
    ends = np.flatnonzero(np.isfinite(lattice.final_cost))
    # ends with labels or an acoustic cost are chains too, to a state of their own
    longer = (np.diff(first_final) > 0) | (lattice.final_acoustic_cost != 0)
    chains = ends[longer[ends]]
    begin = np.concatenate([lattice.first_label[:-1], first_final[:-1][chains] + len(lattice.labels)])
    length = np.concatenate([np.diff(lattice.first_label), np.diff(first_final)[chains]])
    labels = np.concatenate([lattice.labels, lattice.final_labels])
    source = np.concatenate([lattice.source, chains]).astype(np.int64)
    target = np.concatenate([lattice.nextstate, starts + np.arange(len(chains))]).astype(np.int64)
    steps = np.maximum(length, 1)
    chain = np.repeat(np.arange(len(steps)), steps)
    first = offsets(steps)
    at = np.arange(first[-1]) - first[:-1][chain]  # place of an arc in its chain
    inner = offsets(steps - 1) + starts + len(chains)  # states inside a chain
    arc_source = np.where(at == 0, source[chain], inner[:-1][chain] + at - 1)
    arc_target = np.where(at == steps[chain] - 1, target[chain], inner[:-1][chain] + at)
    ilabel = np.zeros(len(chain), dtype=np.int32)
    labelled = np.flatnonzero(length[chain])
    ilabel[labelled] = labels[begin[chain[labelled]] + at[labelled]]
    graph, acoustic = np.zeros(len(chain), dtype=np.float32), np.zeros(len(chain), dtype=np.float32)
    olabel = np.zeros(len(chain), dtype=np.int32)
    arcs = lattice.num_arcs
    graph[first[:arcs]], olabel[first[:arcs]] = lattice.graph_cost, lattice.olabel
    acoustic[first[:-1]] = np.concatenate([lattice.acoustic_cost, lattice.final_acoustic_cost[chains]])
    frame = np.zeros(int(inner[-1]), dtype=np.int32)
    frame[:starts] = lattice.frame
    frame[arc_target] = frame[source[chain]] + np.minimum(at + 1, length[chain])
    final = np.full(len(frame), np.inf, dtype=np.float32)
    final[ends] = np.where(longer[ends], np.inf, lattice.final_cost[ends])
    final[starts : starts + len(chains)] = lattice.final_cost[chains]
    order = np.lexsort((np.arange(len(frame)), frame))
    rank = np.empty(len(frame), dtype=np.int64)
    rank[order] = np.arange(len(frame))
    by_source = np.argsort(rank[arc_source], kind="stable")
    return Lattice(
        frame=frame[order],
        first_arc=offsets(np.bincount(rank[arc_source], minlength=len(frame))),
        nextstate=rank[arc_target][by_source].astype(np.int32),
        ilabel=ilabel[by_source],
        olabel=olabel[by_source],
        graph_cost=graph[by_source],
        acoustic_cost=acoustic[by_source],
        final_cost=final[order],
        acoustic_scale=lattice.acoustic_scale,
        lattice_beam=lattice.lattice_beam,
        reached_final=lattice.reached_final,
    )


def compact_of(lattice: Lattice) -> CompactLattice:
    """Turn a raw lattice into the form of a lattice of words, arc by arc: strings of one label or none.

    Not determinized: arcs without a word stay, and a sequence of words may have many paths; see `determinize`.
    """
    emitting = lattice.ilabel != 0
    return CompactLattice(
        frame=lattice.frame,
        first_arc=lattice.first_arc,
        nextstate=lattice.nextstate,
        olabel=lattice.olabel,
        graph_cost=lattice.graph_cost,
        acoustic_cost=lattice.acoustic_cost,
        first_label=offsets(emitting),
        labels=lattice.ilabel[emitting],
        final_cost=lattice.final_cost,
        final_acoustic_cost=np.zeros_like(lattice.final_cost),
        first_final_label=np.zeros(lattice.num_states + 1, dtype=np.int64),
        final_labels=np.zeros(0, dtype=np.int32),
        acoustic_scale=lattice.acoustic_scale,
        lattice_beam=lattice.lattice_beam,
        reached_final=lattice.reached_final,
    )
