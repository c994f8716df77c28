"""Kernels of forced alignment: the best path through a small graph, and a path drawn for the flat start."""

import numpy as np
from numba import njit

REACHED, DIED, NOT_AT_END, TOO_LARGE = 0, 1, 2, 3


@njit(cache=True, nogil=True)
def _drop_dead_tokens(arcs, backs, num_tokens, tokens, num_active):  # type: ignore[no-untyped-def]
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
def best_path(  # type: ignore[no-untyped-def]
    first, nextstate, arc_cost, column, final_cost, start_states, start_costs, scores, scale, beam, max_tokens
):
    """Find the path of least cost that emits all frames.

    Back-pointers are 8 bytes an active state and frame; when they fill their buffer, those that no active state leads
    back to are dropped, and the buffer doubles only if half of it is still alive.

    Returns: status, frame (of the last frame reached), state (the best one there, or the last), cost, arcs (T,).
    """
    num_frames, num_states = scores.shape[0], final_cost.shape[0]
    cost = np.full(num_states, np.inf, np.float64)
    best_arc = np.full(num_states, -1, np.int32)
    came_from = np.full(num_states, -1, np.int32)
    states, next_states = np.empty(num_states, np.int32), np.empty(num_states, np.int32)
    costs, tokens = np.empty(num_states, np.float64), np.full(num_states, -1, np.int32)
    arcs, backs = np.empty(1 << 16, np.int32), np.empty(1 << 16, np.int32)
    path = np.empty(num_frames, np.int32)
    num_active, num_tokens = 0, 0
    for k in range(start_states.shape[0]):
        state = start_states[k]
        if cost[state] == np.inf:
            states[num_active] = state
            num_active += 1
        cost[state] = min(cost[state], np.float64(start_costs[k]))
    for i in range(num_active):
        costs[i] = cost[states[i]]
        cost[states[i]] = np.inf
    for frame in range(num_frames):
        is_last = frame + 1 == num_frames
        cutoff = np.inf
        for i in range(num_active):
            cutoff = min(cutoff, costs[i])
        cutoff += beam
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
            return DIED, frame, states[np.argmin(costs[:num_active])], np.inf, path
        if num_tokens + num_next > arcs.shape[0]:
            # came_from refers to tokens: number them through `tokens`, whose order is that of next_states now
            for i in range(num_next):
                tokens[i] = came_from[next_states[i]]
            num_tokens = _drop_dead_tokens(arcs, backs, num_tokens, tokens, num_next)
            for i in range(num_next):
                came_from[next_states[i]] = tokens[i]
            size = max(2 * num_tokens + num_next, arcs.shape[0])
            if num_tokens + num_next > max_tokens:
                return TOO_LARGE, frame, states[np.argmin(costs[:num_active])], np.inf, path
            if size > arcs.shape[0]:
                larger = np.empty(min(2 * size, max_tokens), np.int32)
                larger[:num_tokens] = arcs[:num_tokens]
                arcs = larger
                larger = np.empty(arcs.shape[0], np.int32)
                larger[:num_tokens] = backs[:num_tokens]
                backs = larger
        num_active = 0
        for i in range(num_next):
            state = next_states[i]
            if cost[state] <= next_cutoff:
                states[num_active], costs[num_active], tokens[num_active] = state, cost[state], num_tokens
                arcs[num_tokens], backs[num_tokens] = best_arc[state], came_from[state]
                num_active += 1
                num_tokens += 1
            cost[state] = np.inf
    best, end = np.inf, -1
    for i in range(num_active):
        reached = costs[i] + final_cost[states[i]]
        if reached < best or (reached == best and reached < np.inf and states[i] < states[end]):
            best, end = reached, i
    if end < 0:
        furthest = states[np.argmin(costs[:num_active])] if num_active else start_states[0]
        return NOT_AT_END, num_frames - 1, furthest, np.inf, path
    token = tokens[end]
    for frame in range(num_frames - 1, -1, -1):
        path[frame] = arcs[token]
        token = backs[token]
    return REACHED, num_frames - 1, states[end], best, path


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
