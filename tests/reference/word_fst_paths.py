"""Every path of a small FST of words for a sequence, with failure transitions. Imports nothing of the package."""

import math


def accepted(arcs, finals, state, words, *, backoff=None):
    """Yield (output words, cost) of every path from a state that accepts the words.

    Args:
        arcs: (source, target, input, output, cost), epsilon 0.
        finals: cost by state.
        state: where to start.
        words: input words.
        backoff: input label of failure transitions: taken where a state has no arc for the next word (or no end).
    """
    at, spent = state, 0.0
    while at is not None:
        if not words:
            found = [((), finals[at])] if finals.get(at, math.inf) < math.inf else []
        else:
            found = [
                ((output,) * (output != 0) + rest, cost + more)
                for source, target, label, output, cost in arcs
                if source == at and label == words[0]
                for rest, more in accepted(arcs, finals, target, words[1:], backoff=backoff)
            ]
            if any(source == at and label == words[0] for source, _, label, _, _ in arcs) and not found:
                break
        if found:
            yield from ((rest, cost + spent) for rest, cost in found)
            break
        down = [(target, cost) for source, target, label, _, cost in arcs if source == at and label == backoff]
        at = down[0][0] if down else None
        spent += down[0][1] if down else 0.0
    for source, target, label, output, cost in arcs:
        if source == state and label == 0:
            for rest, more in accepted(arcs, finals, target, words, backoff=backoff):
                yield (output,) * (output != 0) + rest, cost + more
