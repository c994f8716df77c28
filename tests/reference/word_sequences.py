"""Word sequences of a small lattice, by enumeration: the naive twin of determinization. Imports nothing of the package."""

from tests.reference.lattice_enumeration import lattice_paths


def word_sequences(source, nextstate, ilabel, olabel, graph, acoustic, final, *, scale=1.0):
    """Return words -> all of (cost, graph cost, acoustic cost, alignment) of the paths with these words, best first."""
    found = {}
    for path, end in lattice_paths(source, nextstate, final):
        words = tuple(int(olabel[a]) for a in path if olabel[a])
        alignment = tuple(int(ilabel[a]) for a in path if ilabel[a])
        graph_cost = end + sum(float(graph[a]) for a in path)
        acoustic_cost = sum(float(acoustic[a]) for a in path)
        cost = graph_cost + scale * acoustic_cost
        found.setdefault(words, []).append((cost, graph_cost, acoustic_cost, alignment))
    return {words: sorted(paths) for words, paths in found.items()}


def compact_paths(arcs, finals, *, limit=float("inf"), scale=1.0, to_end=None):
    """Yield (words, graph cost, acoustic cost, alignment) of the paths from state 0 that cost at most `limit`.

    Args:
        arcs: source -> list of (nextstate, word, graph cost, acoustic cost, labels).
        finals: state -> (graph cost, acoustic cost, labels).
        limit: of graph cost + scale * acoustic cost.
        to_end: state -> lowest cost to the end, to leave a path early; worked out if not given.
    """
    if to_end is None:
        to_end = lowest_costs(arcs, finals, scale=scale)
    stack = [(0, (), 0.0, 0.0, ())]
    while stack:
        state, words, graph, acoustic, labels = stack.pop()
        if graph + scale * acoustic + to_end.get(state, float("inf")) > limit:
            continue
        if state in finals:
            end_graph, end_acoustic, end_labels = finals[state]
            if graph + end_graph + scale * (acoustic + end_acoustic) <= limit:
                yield words, graph + end_graph, acoustic + end_acoustic, labels + tuple(end_labels)
        for nextstate, word, arc_graph, arc_acoustic, arc_labels in arcs.get(state, ()):
            longer = (*words, word) if word else words
            stack.append((nextstate, longer, graph + arc_graph, acoustic + arc_acoustic, labels + tuple(arc_labels)))


def lowest_costs(arcs, finals, *, scale=1.0):
    """Return the lowest cost from every state to the end, by a search in depth: the lattice has no cycles."""
    found = {}
    stack = [0]
    while stack:
        state = stack[-1]
        missing = [arc[0] for arc in arcs.get(state, ()) if arc[0] not in found]
        if missing:
            stack += missing
            continue
        stack.pop()
        ways = [graph + scale * acoustic + found[there] for there, _, graph, acoustic, _ in arcs.get(state, ())]
        if state in finals:
            ways.append(finals[state][0] + scale * finals[state][1])
        found[state] = min(ways, default=float("inf"))
    return found
