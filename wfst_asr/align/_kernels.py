"""Kernels of forced alignment: the best path through a small graph, and a path drawn for the flat start."""

import numpy as np
from numba import njit

DIED, ADVANCED, FULL = -1, 0, 1


@njit(cache=True, nogil=True)
def drop_dead_tokens(arcs, backs, num_tokens, tokens, num_active):  # type: ignore[no-untyped-def]
    """Keep the tokens that active ones lead back to, in their order; return how many. Renumbers `tokens`."""
    number = np.full(num_tokens, -1, np.int32)
    for i in range(num_active):
        if tokens[i] >= 0:
            number[tokens[i]] = 0
    for token in range(num_tokens - 1, -1, -1):
        if number[token] == 0 and backs[token] >= 0:
            number[backs[token]] = 0
    kept = 0
    for token in range(num_tokens):
        if number[token] == 0:
            number[token] = kept
            arcs[kept] = arcs[token]
            backs[kept] = number[backs[token]] if backs[token] >= 0 else -1
            kept += 1
    for i in range(num_active):
        if tokens[i] >= 0:
            tokens[i] = number[tokens[i]]
    return kept


@njit(cache=True, nogil=True)
def advance(  # type: ignore[no-untyped-def]
    first, nextstate, arc_cost, column, scores, scale, beam, frame,
    states, costs, tokens, num_active, arcs, backs, num_tokens, cost, best_arc, came_from, next_states,
):  # fmt: skip
    """Extend the best partial paths frame by frame, until the last frame or until the tokens' arrays are full.

    Active states, their costs and tokens are in `states`, `costs` and `tokens`; a token is the arc that entered the
    state, in `arcs`, and the token before it, in `backs`. The last four are scratch by state; `cost` is infinite.

    Returns: what stopped it, the frame that comes next, numbers of active states and of tokens.
    """
    num_frames, num_states = scores.shape[0], first.shape[0] - 1
    while frame < num_frames:
        if num_tokens + num_states > arcs.shape[0]:
            return FULL, frame, num_active, num_tokens
        is_last = frame + 1 == num_frames
        cutoff = np.inf
        for i in range(num_active):
            cutoff = min(cutoff, costs[i] + beam)
        next_cutoff, num_next = np.inf, 0
        for i in range(num_active):
            if costs[i] > cutoff:
                continue
            state = states[i]
            for arc in range(first[state], first[state + 1]):
                dest = nextstate[arc]
                if not is_last and first[dest] == first[dest + 1]:
                    continue  # the end of the utterance, too early
                new = costs[i] + arc_cost[arc] - scale * scores[frame, column[arc]]
                if new <= next_cutoff and (new < cost[dest] or (new == cost[dest] and arc < best_arc[dest])):
                    if cost[dest] == np.inf:
                        next_states[num_next] = dest
                        num_next += 1
                    cost[dest], best_arc[dest], came_from[dest] = new, arc, tokens[i]
                    next_cutoff = min(next_cutoff, new + beam)
        if num_next == 0:
            return DIED, frame, num_active, num_tokens
        num_active = 0
        for i in range(num_next):
            state = next_states[i]
            if cost[state] <= next_cutoff:
                states[num_active], costs[num_active], tokens[num_active] = state, cost[state], num_tokens
                arcs[num_tokens], backs[num_tokens] = best_arc[state], came_from[state]
                num_active += 1
                num_tokens += 1
            cost[state] = np.inf
        frame += 1
    return ADVANCED, frame, num_active, num_tokens


@njit(cache=True, nogil=True)
def trace(arcs, backs, token, num_frames):  # type: ignore[no-untyped-def]
    """Return the arcs that lead to a token of the last frame."""
    path = np.empty(num_frames, np.int32)
    for frame in range(num_frames - 1, -1, -1):
        path[frame] = arcs[token]
        token = backs[token]
    return path


@njit(cache=True, nogil=True)
def drawn_path(first, nextstate, cost, final_cost, start_states, start_costs, left, uniform):  # type: ignore[no-untyped-def]
    """Draw a path without self-loops that has at most as many arcs as `uniform` has numbers.

    An arc is drawn with probability in proportion to exp(-cost), among those from which the end is still in reach.
    `left` is the least number of arcs to the end. Returns the arcs and how many they are.
    """
    num_frames = uniform.shape[0] - 1
    path = np.empty(num_frames, np.int32)
    total = 0.0
    for k in range(start_states.shape[0]):
        if 0 <= left[start_states[k]] <= num_frames:
            total += np.exp(-start_costs[k])
    state, at = -1, uniform[num_frames] * total
    for k in range(start_states.shape[0]):
        if 0 <= left[start_states[k]] <= num_frames:
            state = start_states[k]
            at -= np.exp(-start_costs[k])
            if at < 0.0:
                break
    count = 0
    while True:
        ending = np.exp(-final_cost[state])
        total = ending
        for arc in range(first[state], first[state + 1]):
            dest = nextstate[arc]
            if dest != state and 0 <= left[dest] < num_frames - count:
                total += np.exp(-cost[arc])
        at, chosen = uniform[count] * total - ending, -1
        if at < 0.0 or total == ending:
            return path[:count]
        for arc in range(first[state], first[state + 1]):
            dest = nextstate[arc]
            if dest != state and 0 <= left[dest] < num_frames - count:
                chosen = arc
                at -= np.exp(-cost[arc])
                if at < 0.0:
                    break
        path[count] = chosen
        count += 1
        state = nextstate[chosen]
