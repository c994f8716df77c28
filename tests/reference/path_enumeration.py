"""Every path of a small graph, one after another: the naive twin of the searches. Imports nothing of the package."""

import math


def all_paths(start, arcs, columns, scores, *, scale=1.0):
    """Yield (cost, arc numbers, last state) of every path that consumes all frames; arcs: (source, target, label, cost).

    Epsilon arcs (label 0) may not return to a state that the same run of epsilon arcs has visited, so cycles end.
    """
    leaving = {}
    for number, (source, target, label, cost) in enumerate(arcs):
        leaving.setdefault(source, []).append((number, target, label, cost))
    stack = [(start, 0, 0.0, (), frozenset([start]))]
    while stack:
        state, frame, total, path, visited = stack.pop()
        if frame == len(scores):
            yield total, path, state
        for number, target, label, cost in leaving.get(state, ()):
            if label == 0:
                if target not in visited:
                    stack.append((target, frame, total + cost, (*path, number), visited | {target}))
            elif frame < len(scores):
                score = scores[frame][columns[label]]
                if score > -math.inf:
                    reached = total + cost - scale * score
                    stack.append((target, frame + 1, reached, (*path, number), frozenset([target])))


def best_paths(start, arcs, finals, columns, scores, *, scale=1.0, tolerance=1e-4):
    """Return (lowest cost, whether its end is final, all arc sequences within tolerance of it); cost inf: no path."""
    complete, partial = [], []
    for cost, path, state in all_paths(start, arcs, columns, scores, scale=scale):
        partial.append((cost, path))
        if state in finals:
            complete.append((cost + finals[state], path))
    candidates = complete or partial
    if not candidates:
        return math.inf, False, []
    lowest = min(cost for cost, _ in candidates)
    return lowest, bool(complete), [path for cost, path in candidates if cost <= lowest + tolerance]
