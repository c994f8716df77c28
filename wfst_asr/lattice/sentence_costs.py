"""What a language model, as an FST of words, charges for each word of a sentence."""

from collections.abc import Sequence

import numpy as np

from wfst_asr.lattice.word_fst import WordFst

_Reached = dict[int, tuple[float, tuple[float, ...]]]  # state: cost of the best way, and of each word on it


def sentence_costs(grammar: WordFst, word_ids: Sequence[int]) -> tuple[float, ...]:
    """Return the cost of each word after the words before it, and of ending; infinite if there is no such sentence.

    Back-off arcs are failure transitions, so that for a back-off model these are the model's own probabilities:
    -ln p(word | words before).  Of several ways the best is told.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> from wfst_asr.lattice.word_fst import word_fst
    >>> arcs = [(0, 1, 9, 0, 0.5), (0, 0, 1, 1, 0.25), (1, 1, 1, 1, 2.0), (1, 0, 2, 2, 1.0)]
    >>> sentence_costs(word_fst(arc_table(2, arcs, finals={1: 0.75}), backoff_label=9), [1, 2, 1])
    (0.25, 1.5, 0.25, 1.25)
    """
    reached: _Reached = _close(grammar, {grammar.start: (0.0, (0.0,))})
    for word in word_ids:
        following: _Reached = {}
        for state, (total, costs) in sorted(reached.items()):
            extra, at = 0.0, state
            arcs = _arcs(grammar, at, word)
            while not arcs and grammar.backoff_state[at] >= 0:
                extra += float(grammar.backoff_cost[at])
                at = int(grammar.backoff_state[at])
                arcs = _arcs(grammar, at, word)
            for arc in arcs:
                cost = extra + float(grammar.cost[arc])
                target = int(grammar.nextstate[arc])
                if target not in following or total + cost < following[target][0]:
                    # what was added since the last word belongs to this one
                    following[target] = (total + cost, (*costs[:-1], costs[-1] + cost, 0.0))
        reached = _close(grammar, following)
    best: tuple[float, tuple[float, ...]] = (np.inf, (np.inf,) * (len(word_ids) + 1))
    for state, (total, costs) in sorted(reached.items()):
        extra, at = 0.0, state
        while np.isinf(grammar.final_cost[at]) and grammar.backoff_state[at] >= 0:
            extra += float(grammar.backoff_cost[at])
            at = int(grammar.backoff_state[at])
        cost = extra + float(grammar.final_cost[at])
        if total + cost < best[0]:
            best = (total + cost, (*costs[:-1], costs[-1] + cost))
    return best[1]


def _arcs(grammar: WordFst, state: int, word: int) -> range:
    low, high = int(grammar.first_word[state]), int(grammar.first_arc[state + 1])
    labels = grammar.ilabel[low:high]
    return range(low + int(np.searchsorted(labels, word)), low + int(np.searchsorted(labels, word, side="right")))


def _close(grammar: WordFst, reached: _Reached) -> _Reached:
    """Follow the arcs without a word."""
    waiting = sorted(reached)
    while waiting:
        state = waiting.pop()
        total, costs = reached[state]
        for arc in range(int(grammar.first_arc[state]), int(grammar.first_word[state])):
            cost, target = float(grammar.cost[arc]), int(grammar.nextstate[arc])
            if target not in reached or total + cost < reached[target][0] - 1e-9:
                reached[target] = (total + cost, (*costs[:-1], costs[-1] + cost))
                waiting.append(target)
    return reached
