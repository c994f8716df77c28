"""Every path of a small lattice: the naive twin of best paths and posteriors. Imports nothing of the package."""

import math


def lattice_paths(source, nextstate, final_cost, start=0):
    """Yield (arc numbers, final cost) of every path from the start to a state that is final."""
    leaving = {}
    for arc, state in enumerate(source):
        leaving.setdefault(int(state), []).append(arc)
    stack = [(start, ())]
    while stack:
        state, path = stack.pop()
        if final_cost[state] < math.inf:
            yield path, float(final_cost[state])
        for arc in leaving.get(state, ()):
            stack.append((int(nextstate[arc]), (*path, arc)))


def path_cost(path, final, graph, acoustic, olabel, *, scale, penalty=0.0):
    total = final
    for arc in path:
        total += float(graph[arc]) + scale * float(acoustic[arc]) + penalty * (olabel[arc] != 0)
    return total


def enumerated_posteriors(paths, costs, num_arcs):
    """Return the share of exp(-cost) of the paths that take each arc, and the log of its sum."""
    lowest = min(costs)
    weights = [math.exp(lowest - cost) for cost in costs]
    total = sum(weights)
    shares = [0.0] * num_arcs
    for path, weight in zip(paths, weights, strict=True):
        for arc in path:
            shares[arc] += weight / total
    return shares, math.log(total) - lowest
