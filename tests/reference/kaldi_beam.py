"""Kaldi's beam search (`LatticeFasterDecoder`: GetCutoff, ProcessEmitting, ProcessNonemitting) written the naive way.

Imports nothing of the package.  Kaldi goes through the tokens of a frame in the order of its hash table and lowers the
cutoff of the next frame as it goes, so that which tokens above the final cutoff live on depends on that order; `order`
stands for it.  Before, it takes a cutoff from the arcs of one best token; `near`, of the number of tokens that are
followed, takes it from all tokens that cost at most so much more than the best.
"""

import math
from collections import namedtuple

Found = namedtuple("Found", "cost reached_final path gaps frames")
Frame = namedtuple("Frame", "tokens emitting limited")


def get_cutoff(costs, *, beam, max_active, min_active, beam_delta):
    """Return (cutoff of the frame's tokens, beam for the next frame, whether max_active decided): Kaldi's GetCutoff."""
    ordered = sorted(costs)
    best = ordered[0]
    beam_cutoff = best + beam
    if max_active is not None and len(ordered) > max_active and ordered[max_active] < beam_cutoff:
        return ordered[max_active], ordered[max_active] - best + beam_delta, True
    min_active_cutoff = math.inf
    if len(ordered) > min_active:
        min_active_cutoff = best if min_active == 0 else ordered[min_active]
    if min_active_cutoff > beam_cutoff:
        return min_active_cutoff, min_active_cutoff - best + beam_delta, False
    return beam_cutoff, beam, False


def epsilon_step(tokens, leaving, cutoff):
    """Follow epsilon arcs until nothing gets better; tokens: state -> (cost, path)."""
    queue = list(tokens)
    while queue:
        state = queue.pop(0)
        cost, path = tokens[state]
        if cost > cutoff:
            continue
        for number, target, label, arc_cost in leaving.get(state, ()):
            new = cost + arc_cost
            if label == 0 and new < cutoff and (target not in tokens or new < tokens[target][0]):
                tokens[target] = new, (*path, number)
                queue.append(target)


def beam_search(
    start, arcs, finals, columns, scores, *, beam, max_active=None, min_active=0, beam_delta=0.5,
    near=None, order=lambda tokens: tokens,
):  # fmt: skip
    """Search a graph given as (source, target, label, cost) arcs.

    Returns:
        None if no token is left at some frame, else the lowest cost, whether it ends in a final state, its arcs, what
        the path costs above the best token at the begin of each frame and at the end, and what was done in each frame.
    """
    leaving = {}
    for number, (source, target, label, cost) in enumerate(arcs):
        leaving.setdefault(source, []).append((number, target, label, cost))
    tokens = {start: (0.0, ())}
    epsilon_step(tokens, leaving, beam)
    bests, frames = [], []
    for row in scores:
        costs = [cost for cost, _ in tokens.values()]
        cutoff, next_beam, limited = get_cutoff(
            costs, beam=beam, max_active=max_active, min_active=min_active, beam_delta=beam_delta
        )
        best = min(costs)
        bests.append(best)
        asked = [next(state for state, (cost, _) in tokens.items() if cost == best)]
        if near is not None:
            within = near(sum(cost <= cutoff for cost in costs))
            asked = [state for state, (cost, _) in tokens.items() if cost <= min(best + within, cutoff)]
        next_cutoff = math.inf
        for state in asked:
            for _, _, label, arc_cost in leaving.get(state, ()):
                if label:
                    next_cutoff = min(next_cutoff, tokens[state][0] + arc_cost - row[columns[label]] + next_beam)
        candidates = []
        emitting = 0
        for state, (cost, path) in order(list(tokens.items())):
            if cost > cutoff:
                continue
            for number, target, label, arc_cost in leaving.get(state, ()):
                if label == 0:
                    continue
                emitting += 1
                new = cost + arc_cost - row[columns[label]]
                if new < next_cutoff:
                    candidates.append((target, new, (*path, number)))
                    next_cutoff = min(next_cutoff, new + next_beam)
        frames.append(Frame(len(tokens), emitting, limited))
        tokens = {}
        for target, new, path in candidates:
            if target not in tokens or new < tokens[target][0]:
                tokens[target] = new, path
        if not tokens:
            return None
        epsilon_step(tokens, leaving, next_cutoff)
    complete = [(cost + finals[state], path) for state, (cost, path) in tokens.items() if state in finals]
    cost, path = min(complete or tokens.values())
    bests.append(min(cost for cost, _ in tokens.values()))
    gaps, total, frame = [], 0.0, 0  # at a frame's beginning the path stands where its epsilon arcs have led
    for number in path:
        _, _, label, arc_cost = arcs[number]
        if label:
            gaps.append(total - bests[frame])
            total -= scores[frame][columns[label]]
            frame += 1
        total += arc_cost
    gaps.append(total - bests[frame])
    return Found(cost, bool(complete), path, gaps, frames)
