"""Sums and minima over all paths of a machine that emit given frames. Naive; imports nothing of the package.

Arcs are tuples (source, target, label, cost); label 0 is epsilon (no cycles of epsilons), others emit a frame.
"""

import math


def log_add(values):
    """Return log(sum(exp(values)))."""
    highest = max(values, default=-math.inf)
    if highest == -math.inf:
        return -math.inf
    return highest + math.log(sum(math.exp(value - highest) for value in values))


def totals(start, arcs, finals, columns, scores, *, scale=1.0):
    """Return the lowest cost of a path and the log of the sum of exp(-cost) over all of them, by recursion."""
    leaving = {}
    for source, target, label, cost in arcs:
        leaving.setdefault(source, []).append((target, label, cost))
    memo = {}

    def onward(state, frame):
        if (state, frame) not in memo:
            costs = [finals[state]] if frame == len(scores) and state in finals else []
            logs = [-cost for cost in costs]
            for target, label, cost in leaving.get(state, ()):
                if label and frame == len(scores):
                    continue
                weight = cost - (scale * scores[frame][columns[label]] if label else 0.0)
                best, log_sum = onward(target, frame + bool(label))
                costs.append(weight + best)
                logs.append(log_sum - weight)
            memo[state, frame] = (min(costs, default=math.inf), log_add(logs))
        return memo[state, frame]

    return onward(start, 0)


def paths_of_graph(graph, costs, columns, scores, scale):
    """Yield (cost, arcs) of every path of a training graph, given as dicts and lists, that emits all frames."""
    stack = [(cost, state, ()) for state, cost in graph["starts"]]
    while stack:
        total, state, path = stack.pop()
        frame = len(path)
        if frame == len(scores):
            if state in graph["finals"]:
                yield total + graph["finals"][state], path
            continue
        for number, (source, target, label, cost) in enumerate(graph["arcs"]):
            if source == state:
                weight = cost + costs[label] - scale * scores[frame][columns[label]]
                stack.append((total + weight, target, (*path, number)))


def posteriors(graph, costs, columns, scores, scale):
    """Return {(frame, label): posterior} and the log of the sum of exp(-cost), by enumeration."""
    paths = list(paths_of_graph(graph, costs, columns, scores, scale))
    total = log_add([-cost for cost, _ in paths])
    result = {}
    for cost, path in paths:
        for frame, number in enumerate(path):
            key = (frame, graph["arcs"][number][2])
            result[key] = result.get(key, 0.0) + math.exp(-cost - total)
    return result, total
