"""HCLG from its parts by plain search over tuples: no determinization, no minimisation, no sharing.

Imports nothing of the package.  A machine is {state: [(ilabel, olabel, cost, next state)]} with final costs.
"""

from collections import deque
from math import inf


def trigram_states(ngrams, backoffs, start, words):
    """G: {history: [(word, cost, next history)]}, back-off arcs with word None, final costs.

    Args:
        ngrams: {(w1, ..., wn): cost}, "</s>" as a last word among them.
        backoffs: {history: cost} of every history but ().
        start: history of the sentence's begin.
        words: allowed words.
    """
    histories = set(backoffs) | {()}
    machine, finals = {}, {}
    for history in histories:
        arcs = []
        for ngram, cost in ngrams.items():
            if ngram[:-1] != history:
                continue
            if ngram[-1] == "</s>":
                finals[history] = cost
            elif ngram[-1] in words:
                target = ngram
                while target not in histories or len(target) > 2:
                    target = target[1:]
                arcs.append((ngram[-1], cost, target))
        if history:
            target = history[1:]
            while target not in histories:
                target = target[1:]
            arcs.append((None, backoffs[history], target))
        machine[history] = arcs
    return machine, finals, start


def hclg(grammar, finals, start, prons, silence, silence_cost, word_cost, window_units, enter, loop, label):
    """Expand everything.

    Args:
        grammar, finals, start: of `trigram_states`.
        prons: {word: [(phones, cost)]}.
        silence: phone of the optional silence.
        silence_cost, word_cost: costs of taking it and of not taking it.
        window_units: function (left, phone, right) -> tuple of units; None outside the utterance.
        enter, loop, label: by unit.

    Returns:
        (arcs by state, final costs by state, start state); states are tuples.
    """

    # L o G, states: ("end", history): a word ended; ("begin", history); (word, pron, position, next history)
    def phone_arcs(state):
        kind = state[0]
        if kind == "end":
            history = state[1]
            return [(None, None, word_cost, ("begin", history)), (silence, None, silence_cost, ("begin", history))]
        if kind == "begin":
            result = []
            for word, cost, target in grammar[state[1]]:
                if word is None:
                    result.append((None, None, cost, ("begin", target)))
                    continue
                for phones, pron_cost in prons[word]:
                    rest = ("rest", phones[1:], target) if len(phones) > 1 else ("end", target)
                    result.append((phones[0], word, cost + pron_cost, rest))
            return result
        _, phones, target = state
        rest = ("rest", phones[1:], target) if len(phones) > 1 else ("end", target)
        return [(phones[0], None, 0.0, rest)]

    arcs, final = {}, {}
    first = (("end", start), None, None)
    queue, seen = deque([first]), {first}

    def reach(state):
        if state not in seen:
            seen.add(state)
            queue.append(state)
        return state

    while queue:
        state = queue.popleft()
        lg, left, phone = state
        out = arcs.setdefault(state, [])

        def chain(units, word, cost, target, out=out):
            for unit in units:
                node = ("unit", unit, object())
                out.append((label[unit], word, cost + enter[unit], node))
                out = arcs.setdefault(node, [(label[unit], None, loop[unit], node)])
                word, cost = None, 0.0
            out.append((0, word, cost, target))

        for read, word, cost, target in phone_arcs(lg):
            if read is None:
                out.append((0, word, cost, reach((target, left, phone))))
            elif phone is None:
                out.append((0, word, cost, reach((target, None, read))))
            else:
                chain(window_units(left, phone, read), word, cost, reach((target, phone, read)))
        if lg[0] == "begin" and finals.get(lg[1], inf) < inf:
            end = ("final",)
            final[end] = 0.0
            arcs.setdefault(end, [])
            if phone is None:
                out.append((0, None, finals[lg[1]], end))
            else:
                chain(window_units(left, phone, None), None, finals[lg[1]], end)
    return arcs, final, first
