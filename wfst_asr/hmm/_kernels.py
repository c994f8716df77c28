"""Kernels of forward-backward, and of the length of paths."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def frames_to_end(first, nextstate, final_cost):  # type: ignore[no-untyped-def]
    """Return the least number of arcs from every state to a final one; -1 where there is none."""
    num_states = final_cost.shape[0]
    left = np.full(num_states, -1, np.int32)
    for state in range(num_states):
        if final_cost[state] < np.inf:
            left[state] = 0
    changed = True
    while changed:
        changed = False
        for state in range(num_states - 1, -1, -1):
            for arc in range(first[state], first[state + 1]):
                dest = nextstate[arc]
                if left[dest] >= 0 and (left[state] < 0 or left[dest] + 1 < left[state]):
                    left[state] = left[dest] + 1
                    changed = True
    return left


@njit(cache=True, nogil=True, inline="always")
def _log_add(a: float, b: float) -> float:
    """Return log(e^a + e^b); minus infinity is zero."""
    if a < b:
        a, b = b, a
    return a if b == -np.inf else a + np.log1p(np.exp(b - a))


@njit(cache=True, nogil=True)
def forward_tokens(first, nextstate, arc_cost, column, start_states, start_costs, scores, scale, beam, max_tokens):  # type: ignore[no-untyped-def]
    """Sum over paths from the begin, within a beam of the best state of each frame.

    Returns: bounds (T + 2,), states and alphas of the states that are active before each frame and after the last;
    the frame at which none was left, or at which there were more than `max_tokens`; -1 if all is well.
    """
    num_frames, num_states = scores.shape[0], first.shape[0] - 1
    alpha = np.full(num_states, -np.inf, np.float64)
    active = np.empty(num_states, np.int32)
    states, alphas = np.empty(1 << 14, np.int32), np.empty(1 << 14, np.float64)
    bounds = np.zeros(num_frames + 2, np.int64)
    num_active = 0
    for k in range(start_states.shape[0]):
        if alpha[start_states[k]] == -np.inf:
            active[num_active] = start_states[k]
            num_active += 1
        alpha[start_states[k]] = _log_add(alpha[start_states[k]], -np.float64(start_costs[k]))
    for frame in range(num_frames + 1):
        best = -np.inf
        for i in range(num_active):
            best = max(best, alpha[active[i]])
        begin = end = bounds[frame]
        if end + num_active > max_tokens:
            return bounds, states, alphas, frame
        if end + num_active > states.shape[0]:
            size = min(max_tokens, 2 * (end + num_active))
            more_states, more_alphas = np.empty(size, np.int32), np.empty(size, np.float64)
            more_states[:end], more_alphas[:end] = states[:end], alphas[:end]
            states, alphas = more_states, more_alphas
        for i in range(num_active):
            state = active[i]
            if alpha[state] >= best - beam:
                states[end], alphas[end] = state, alpha[state]
                end += 1
            alpha[state] = -np.inf
        bounds[frame + 1] = end
        if end == begin:
            return bounds, states, alphas, frame
        if frame == num_frames:
            break
        num_active = 0
        for token in range(begin, end):
            for arc in range(first[states[token]], first[states[token] + 1]):
                dest = nextstate[arc]
                if frame + 1 < num_frames and first[dest] == first[dest + 1]:
                    continue  # the end of the utterance, too early
                new = alphas[token] - arc_cost[arc] + scale * scores[frame, column[arc]]
                if alpha[dest] == -np.inf:
                    active[num_active] = dest
                    num_active += 1
                alpha[dest] = _log_add(alpha[dest], new)
    return bounds, states, alphas, -1


@njit(cache=True, nogil=True)
def posteriors_backward(  # type: ignore[no-untyped-def]
    first,
    nextstate,
    ilabel,
    arc_cost,
    column,
    final_cost,
    scores,
    scale,
    bounds,
    states,
    alphas,
    min_posterior,
    num_ids,
):
    """Sum over paths to the end, from the last frame to the first, and give out posteriors of transition-ids.

    Returns: log sum of all paths, frames, transition-ids, posteriors (descending frames; ids in order of discovery).
    """
    num_frames, num_states = scores.shape[0], first.shape[0] - 1
    beta = np.full(num_states, -np.inf, np.float64)
    new_beta = np.empty(num_states, np.float64)
    total = -np.inf
    for token in range(bounds[num_frames], bounds[num_frames + 1]):
        beta[states[token]] = -np.float64(final_cost[states[token]])
        total = _log_add(total, alphas[token] + beta[states[token]])
    posterior = np.zeros(num_ids, np.float64)
    seen = np.empty(num_ids, np.int32)
    frames, ids, values = np.empty(1 << 12, np.int64), np.empty(1 << 12, np.int32), np.empty(1 << 12, np.float64)
    count = 0
    for frame in range(num_frames - 1 if total > -np.inf else -1, -1, -1):
        num_seen = 0
        for token in range(bounds[frame], bounds[frame + 1]):
            state = states[token]
            new_beta[state] = -np.inf
            for arc in range(first[state], first[state + 1]):
                if beta[nextstate[arc]] == -np.inf:
                    continue
                onward = beta[nextstate[arc]] - arc_cost[arc] + scale * scores[frame, column[arc]]
                new_beta[state] = _log_add(new_beta[state], onward)
                share = np.exp(alphas[token] + onward - total)
                if share > 0.0:
                    if posterior[ilabel[arc]] == 0.0:
                        seen[num_seen] = ilabel[arc]
                        num_seen += 1
                    posterior[ilabel[arc]] += share
        for token in range(bounds[frame + 1], bounds[frame + 2]):
            beta[states[token]] = -np.inf
        for token in range(bounds[frame], bounds[frame + 1]):
            beta[states[token]] = new_beta[states[token]]
        kept = 0.0
        for i in range(num_seen):
            if posterior[seen[i]] >= min_posterior:
                kept += posterior[seen[i]]
        if count + num_seen > frames.shape[0]:
            size = 2 * (count + num_seen)
            more_frames, more_ids, more_values = np.empty(size, np.int64), np.empty(size, np.int32), np.empty(size)
            more_frames[:count], more_ids[:count], more_values[:count] = frames[:count], ids[:count], values[:count]
            frames, ids, values = more_frames, more_ids, more_values
        for i in range(num_seen):
            if posterior[seen[i]] >= min_posterior:
                frames[count], ids[count], values[count] = frame, seen[i], posterior[seen[i]] / kept
                count += 1
            posterior[seen[i]] = 0.0
    return total, frames[:count], ids[:count], values[:count]
