"""A graph composed with a sequence of words, state by state.  Imports nothing of the package."""

import math


def words_product(num_states, arcs, finals, words, free=()):
    """Return (number of states, arcs, finals) of all (state, words said); arcs: (source, target, ilabel, olabel, cost)."""
    made = []
    for said in range(len(words) + 1):
        for source, target, ilabel, olabel, cost in arcs:
            here = said * num_states + source
            if olabel == 0 or olabel in free:
                made.append((here, said * num_states + target, ilabel, olabel, cost))
            elif said < len(words) and olabel == words[said]:
                made.append((here, (said + 1) * num_states + target, ilabel, olabel, cost))
    ends = {len(words) * num_states + state: cost for state, cost in finals.items() if cost < math.inf}
    return num_states * (len(words) + 1), made, ends
