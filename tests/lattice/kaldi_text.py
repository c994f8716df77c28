"""Kaldi's CompactLattice text form, read for tests."""

import gzip

import numpy as np

from wfst_asr.lattice.compact_lattice import CompactLattice


def weight(text):
    graph, acoustic, string = text.split(",")
    return float(graph), float(acoustic), [int(x) for x in string.split("_") if x]


def read_compact(path, scale):
    text = gzip.decompress(path.read_bytes()).decode()
    return dict(parse(block, scale) for block in text.split("\n\n") if block.strip())


def parse(block, scale):
    name, *lines = block.strip().splitlines()
    arcs, finals, states = [], {}, 0
    for line in lines:
        parts = line.split()
        states = max(states, int(parts[0]) + 1)
        if len(parts) <= 2:
            finals[int(parts[0])] = weight(parts[1]) if len(parts) == 2 else (0.0, 0.0, [])
        else:
            states = max(states, int(parts[1]) + 1)
            costs = weight(parts[3]) if len(parts) > 3 else (0.0, 0.0, [])
            arcs.append((int(parts[0]), int(parts[1]), int(parts[2]), *costs))
    order = topological(states, arcs)
    arcs = [(order[a[0]], order[a[1]], *a[2:]) for a in arcs]
    return name.strip(), compact(states, arcs, {order[s]: end for s, end in finals.items()}, scale)


def topological(states, arcs):
    """Return the new number of each state, such that arcs lead upwards."""
    entering = [0] * states
    for arc in arcs:
        entering[arc[1]] += 1
    ready, order = [0], {}
    while ready:
        state = ready.pop()
        order[state] = len(order)
        for arc in arcs:
            if arc[0] == state:
                entering[arc[1]] -= 1
                if not entering[arc[1]]:
                    ready.append(arc[1])
    return order


def compact(states, arcs, finals, scale=1.0, *, reached_final=True, frame=None):
    """Make a lattice of (source, target, word, graph, acoustic, labels) and finals: state -> (graph, acoustic, labels)."""
    arcs = sorted(arcs, key=lambda arc: arc[0])
    if frame is None:
        frame = [0] * states
        for source, target, _, _, _, labels in arcs:
            frame[target] = frame[source] + len(labels)
    ends = [finals.get(s, (np.inf, 0.0, [])) for s in range(states)]
    return CompactLattice(
        frame=np.array(frame, np.int32),
        first_arc=np.searchsorted([a[0] for a in arcs], np.arange(states + 1)).astype(np.int64),
        nextstate=np.array([a[1] for a in arcs], np.int32),
        olabel=np.array([a[2] for a in arcs], np.int32),
        graph_cost=np.array([a[3] for a in arcs], np.float32),
        acoustic_cost=np.array([a[4] for a in arcs], np.float32),
        first_label=np.cumsum([0, *(len(a[5]) for a in arcs)]).astype(np.int64),
        labels=np.array([x for a in arcs for x in a[5]], np.int32),
        final_cost=np.array([e[0] for e in ends], np.float32),
        final_acoustic_cost=np.array([e[1] for e in ends], np.float32),
        first_final_label=np.cumsum([0, *(len(e[2]) for e in ends)]).astype(np.int64),
        final_labels=np.array([x for e in ends for x in e[2]], np.int32),
        acoustic_scale=scale,
        reached_final=reached_final,
    )
