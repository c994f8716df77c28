"""The recursion of Xu, Povey, Mangu and Zhu 2011 written down with dictionaries. Imports nothing of the package."""

import math

TIE = 1e-9
PENALTY = 1e-5


def bin_statistics(arcs, num_states, frame, bins):
    """Align the paths from state 0 to the last state with bins.

    Args:
        arcs: (source, next state, word or 0, cost), sources ascending, next states higher than sources.
        num_states: the last one is the end.
        frame: of each state.
        bins: words, 0 for none.

    Returns:
        a list of {word: posterior}, one of {word: (sum of posterior * begin, of posterior * end)}, the Bayes risk.
    """
    reached = {0: 1.0}  # sum of exp(-cost)
    for source, target, _, cost in arcs:
        if source in reached:
            reached[target] = reached.get(target, 0.0) + reached[source] * math.exp(-cost)
    leads_on = {num_states - 1}
    for source, target, _, _ in reversed(arcs):
        if target in leads_on:
            leads_on.add(source)
    used = [arc for arc in arcs if arc[0] in reached and arc[1] in leads_on]

    def change(left, right):
        return 0.0 if left == right else 1.0

    distance = {0: [0.0]}
    for word in bins:
        distance[0].append(distance[0][-1] + change(0, word))
    best = {}
    for number, (source, target, word, cost) in enumerate(used):
        share = reached[source] * math.exp(-cost) / reached[target]
        here = distance[source]
        beside = 0.0 if word == 0 else 1.0 + PENALTY
        row, moves = [here[0] + beside], ["beside"]
        for q in range(1, len(bins) + 1):
            choices = [
                (here[q - 1] + change(word, bins[q - 1]), "in"),
                (here[q] + beside, "beside"),
                (row[q - 1] + change(0, bins[q - 1]), "skip"),
            ]
            value, move = choices[0]
            for other, its_move in choices[1:]:
                if other < value - TIE:
                    value, move = other, its_move
            row.append(value)
            moves.append(move)
        best[number] = moves
        there = distance.setdefault(target, [0.0] * (len(bins) + 1))
        for q, value in enumerate(row):
            there[q] += share * value

    posterior = [{} for _ in bins]
    times = [{} for _ in bins]
    risk = 0.0

    def give(q, word, amount, begin, end):
        posterior[q][word] = posterior[q].get(word, 0.0) + amount
        b, e = times[q].get(word, (0.0, 0.0))
        times[q][word] = (b + amount * begin, e + amount * end)

    flow = {(num_states - 1, len(bins)): 1.0}
    for number in range(len(used) - 1, -1, -1):
        source, target, word, cost = used[number]
        share = reached[source] * math.exp(-cost) / reached[target]
        for start in range(len(bins), -1, -1):
            amount = share * flow.get((target, start), 0.0)
            if amount == 0.0:
                continue
            q = start
            while best[number][q] == "skip":
                give(q - 1, 0, amount, frame[target], frame[target])
                q -= 1
            if best[number][q] == "in":
                give(q - 1, word, amount, frame[source], frame[target])
                q -= 1
            elif word != 0:
                risk += amount
            flow[source, q] = flow.get((source, q), 0.0) + amount
    for (state, q), amount in list(flow.items()):
        if state == 0:
            for skipped in range(q):
                give(skipped, 0, amount, frame[0], frame[0])
    risk += sum(1.0 - posterior[q].get(word, 0.0) for q, word in enumerate(bins))
    return posterior, times, risk
