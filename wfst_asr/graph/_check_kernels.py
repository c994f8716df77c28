"""Kernels that look at finished graphs: ways to and from every state, the cost of given labels, sums of probabilities.

Graphs are CSR arrays: first (S + 1,) int64 and the columns of the arcs.  Arcs are numbered by int32.
"""

import numpy as np
from numba import njit, types
from numba.typed import Dict

NO_WAY, HERE = -1, -2


@njit(cache=True, nogil=True)
def ways_from_start(start, first, nextstate):  # type: ignore[no-untyped-def]
    """Return, for every state, the last arc of a shortest way to it: HERE at the start, NO_WAY where there is none."""
    num_states = first.shape[0] - 1
    into = np.full(num_states, NO_WAY, np.int32)
    queue = np.empty(num_states, np.int32)
    into[start] = HERE
    queue[0] = start
    head, tail = 0, 1
    while head < tail:
        state = queue[head]
        head += 1
        for arc in range(first[state], first[state + 1]):
            to = nextstate[arc]
            if into[to] == NO_WAY:
                into[to] = arc
                queue[tail] = to
                tail += 1
    return into


@njit(cache=True, nogil=True)
def entering_arcs(first, nextstate):  # type: ignore[no-untyped-def]
    """Return the arcs that enter every state: (S + 1,) offsets, the arcs, and the states that they leave."""
    num_states = first.shape[0] - 1
    entering = np.zeros(num_states + 1, np.int64)
    for arc in range(nextstate.shape[0]):
        entering[nextstate[arc] + 1] += 1
    for state in range(num_states):
        entering[state + 1] += entering[state]
    source = np.empty(nextstate.shape[0], np.int32)
    by_target = np.empty(nextstate.shape[0], np.int32)
    at = entering[:-1].copy()
    for state in range(num_states):
        for arc in range(first[state], first[state + 1]):
            place = at[nextstate[arc]]
            source[place], by_target[place] = state, arc
            at[nextstate[arc]] += 1
    return entering, by_target, source


@njit(cache=True, nogil=True)
def ways_to_end(first, nextstate, final):  # type: ignore[no-untyped-def]
    """Return, for every state, the first arc of a shortest way out: HERE at final states, NO_WAY at dead ones."""
    num_states = first.shape[0] - 1
    entering, by_target, source = entering_arcs(first, nextstate)
    out = np.full(num_states, NO_WAY, np.int32)
    queue = np.empty(num_states, np.int32)
    head, tail = 0, 0
    for state in range(num_states):
        if final[state] < np.inf:
            out[state] = HERE
            queue[tail] = state
            tail += 1
    while head < tail:
        state = queue[head]
        head += 1
        for place in range(entering[state], entering[state + 1]):
            origin = source[place]
            if out[origin] == NO_WAY:
                out[origin] = by_target[place]
                queue[tail] = origin
                tail += 1
    return out


@njit(cache=True, nogil=True)
def cheapest_ways(begin_cost, first, arcs, target, cost, max_steps):  # type: ignore[no-untyped-def]
    """Return, for every state, the last arc of a cheapest way from where `begin_cost` is finite (HERE), or NO_WAY.

    `arcs[first[s]:first[s + 1]]` leave state s and lead to `target` at the same places.  States wait in a queue and are
    taken again when they become cheaper, in all no more than `max_steps` times; then what was found is returned.
    """
    num_states = first.shape[0] - 1
    best = begin_cost.copy()
    into = np.full(num_states, NO_WAY, np.int32)
    queued = np.zeros(num_states, np.bool_)
    queue = np.empty(num_states + 1, np.int32)
    head, tail = 0, 0
    for state in range(num_states):
        if best[state] < np.inf:
            into[state] = HERE
            queue[tail] = state
            queued[state] = True
            tail += 1
    steps = 0
    while head != tail and steps < max_steps:
        steps += 1
        state = queue[head]
        head = (head + 1) % (num_states + 1)
        queued[state] = False
        for place in range(first[state], first[state + 1]):
            to = target[place]
            value = best[state] + cost[arcs[place]]
            if value < best[to] - 1e-6:
                best[to] = value
                into[to] = arcs[place]
                if not queued[to]:
                    queued[to] = True
                    queue[tail] = to
                    tail = (tail + 1) % (num_states + 1)
    return into, steps < max_steps


@njit(cache=True, nogil=True)
def cost_of_labels(start, first, ilabel, olabel, cost, nextstate, final, inputs, outputs, max_tokens):  # type: ignore[no-untyped-def]
    """Return the cost of the best path with these labels, infinity if there is none; and how many inputs were read.

    A token is (state, outputs written); epsilons are followed until no cost falls.  NaN where more than `max_tokens`
    tokens came up at one input.
    """
    width = np.int64(outputs.shape[0] + 1)
    tokens = Dict.empty(types.int64, types.float64)
    tokens[np.int64(start) * width] = 0.0
    read = 0
    for t in range(inputs.shape[0] + 1):
        queue = [key for key in tokens]  # noqa: C416 (numba takes no list of a dictionary)
        at = 0
        while at < len(queue):
            key = queue[at]
            at += 1
            here = tokens[key]
            state, written = key // width, key % width
            for arc in range(first[state], first[state + 1]):
                if ilabel[arc] != 0:
                    continue
                word = olabel[arc]
                now = written
                if word != 0:
                    if written + 1 >= width or outputs[written] != word:
                        continue
                    now = written + 1
                to = np.int64(nextstate[arc]) * width + now
                value = here + cost[arc]
                if to not in tokens or value < tokens[to] - 1e-9:
                    tokens[to] = value
                    queue.append(to)
            if len(queue) > max_tokens:
                return np.nan, read
        if t == inputs.shape[0]:
            break
        label = inputs[t]
        following = Dict.empty(types.int64, types.float64)
        for key in tokens:
            here = tokens[key]
            state, written = key // width, key % width
            for arc in range(first[state], first[state + 1]):
                if ilabel[arc] != label:
                    continue
                word = olabel[arc]
                now = written
                if word != 0:
                    if written + 1 >= width or outputs[written] != word:
                        continue
                    now = written + 1
                to = np.int64(nextstate[arc]) * width + now
                value = here + cost[arc]
                if to not in following or value < following[to]:
                    following[to] = value
        tokens = following
        if len(tokens) == 0:
            return np.inf, read
        read += 1
    best = np.inf
    for key in tokens:
        if key % width == width - 1:
            best = min(best, tokens[key] + final[key // width])
    return best, read


@njit(cache=True, nogil=True)
def log_sums(first, ilabel, cost, nextstate, final, of_label, is_loop, of_state_loop, use_state):  # type: ignore[no-untyped-def]
    """Return the log of the sum of probabilities that leave every state, self-loops of HMM states apart.

    From the cost of an arc `of_label` of its input label is taken; arcs where that is NaN are left out, and so are
    those of a label with `is_loop` that stay in their state.  From all that leaves such a state `of_state_loop` of its
    loop is taken.  If `use_state` is 1, NaN is returned for states without such a loop.
    """
    num_states = first.shape[0] - 1
    result = np.empty(num_states, np.float32)
    for state in range(num_states):
        low, extra, looping = np.float64(final[state]), 0.0, False
        for arc in range(first[state], first[state + 1]):
            if is_loop[ilabel[arc]] and nextstate[arc] == state:
                extra, looping = of_state_loop[ilabel[arc]], True
            elif not np.isnan(of_label[ilabel[arc]]):
                low = min(low, cost[arc] - of_label[ilabel[arc]])
        if (use_state == 1 and not looping) or low == np.inf:
            result[state] = np.nan if use_state == 1 and not looping else -np.inf
            continue
        total = np.exp(low - final[state])
        for arc in range(first[state], first[state + 1]):
            if is_loop[ilabel[arc]] and nextstate[arc] == state:
                continue
            if not np.isnan(of_label[ilabel[arc]]):
                total += np.exp(low - (cost[arc] - of_label[ilabel[arc]]))
        result[state] = np.log(total) - low + extra
    return result


@njit(cache=True, nogil=True)
def labels_seen(first, label, into, out, nextstate, num_labels):  # type: ignore[no-untyped-def]
    """Return which labels stand on arcs that lie on a way from the start to an end."""
    seen = np.zeros(num_labels, np.bool_)
    for state in range(first.shape[0] - 1):
        if into[state] == NO_WAY:
            continue
        for arc in range(first[state], first[state + 1]):
            if out[nextstate[arc]] != NO_WAY:
                seen[label[arc]] = True
    return seen


@njit(cache=True, nogil=True)
def wrong_loops(first, ilabel, cost, nextstate, loop_cost, tolerance):  # type: ignore[no-untyped-def]
    """Return how many self-loops of HMM states there are, how many cost another sum than `loop_cost`, the first."""
    count, wrong, example = 0, 0, -1
    for state in range(first.shape[0] - 1):
        for arc in range(first[state], first[state + 1]):
            if nextstate[arc] == state and not np.isnan(loop_cost[ilabel[arc]]):
                count += 1
                if abs(cost[arc] - loop_cost[ilabel[arc]]) > tolerance:
                    wrong += 1
                    if example < 0:
                        example = arc
    return count, wrong, example
