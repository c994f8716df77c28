"""The models of SRILM's ngram-count by literal recursion over dicts of tuples.  Imports nothing of the package.

The steps of NgramLM.cc (estimate2, computeBOW, distributeProb): discounted probabilities of the listed n-grams, each with
its share of the shorter history where interpolated; a denominator raised by one until something is left for words
unseen (interpolation is given up first); a back-off weight of what the listed n-grams leave.
"""

from functools import cache

from tests.reference import ngram_discounts
from tests.reference.ngram_counts import continuation_counts, counts_of_counts, event_counts, followers, naive_counts
from tests.reference.ngram_smoothing import last_words

CUTOFFS = (1, 1, 2, 2, 2, 2)
PROBABILITY_EPSILON = 3e-6


def good_turing(sentences, events, order, cutoffs=CUTOFFS):
    """Discounts of counts up to 7; of unigrams up to 1, which comes to none."""
    counts = event_counts(naive_counts(sentences, order))
    tables = {
        n: ngram_discounts.srilm_good_turing(counts_of_counts(level), 7 if n > 1 else 1) for n, level in counts.items()
    }
    return estimate(events, counts, lambda n, c, total, types: tables[n][c], cutoffs, interpolate=False)


def kneser_ney(sentences, events, order, interpolate=False, cutoffs=CUTOFFS):
    counts = event_counts(continuation_counts(naive_counts(sentences, order)))
    tables = {n: ngram_discounts.absolute(counts_of_counts(level)) for n, level in counts.items()}
    return estimate(events, counts, lambda n, c, total, types: tables[n][c], cutoffs, interpolate)


def modified_kneser_ney(sentences, events, order, interpolate=False, cutoffs=CUTOFFS):
    counts = event_counts(continuation_counts(naive_counts(sentences, order)))
    tables = {n: ngram_discounts.modified_kneser_ney(counts_of_counts(level)) for n, level in counts.items()}
    return estimate(events, counts, lambda n, c, total, types: tables[n][c], cutoffs, interpolate)


def absolute(sentences, events, order, interpolate=False, cutoffs=CUTOFFS):
    counts = event_counts(naive_counts(sentences, order))
    tables = {n: ngram_discounts.absolute(counts_of_counts(level)) for n, level in counts.items()}
    return estimate(events, counts, lambda n, c, total, types: tables[n][c], cutoffs, interpolate)


def witten_bell(sentences, events, order, interpolate=False, cutoffs=CUTOFFS):
    counts = event_counts(naive_counts(sentences, order))
    return estimate(events, counts, lambda n, c, total, types: c * total / (total + types), cutoffs, interpolate)


def estimate(events, counts, discounted, cutoffs, interpolate):
    """Return p(word, history); cutoffs are compared with the counts that the method uses.

    Args:
        discounted: c* of (order, count, c(h), number of words seen after h).
    """
    order = max(counts)

    @cache
    def listed(history):
        """{word: p} of the n-grams that are listed after a history."""
        level = len(history) + 1
        seen = followers(counts[level], history)
        total = sum(seen.values())
        starred = {w: discounted(level, c, total, len(seen)) for w, c in seen.items()}
        weight = sum(seen[w] - starred[w] for w in seen) / total if seen else 0
        kept = [w for w in seen if seen[w] >= cutoffs[level - 1]]
        interpolated = interpolate
        while True:
            probs = {w: starred[w] / total for w in kept}
            if interpolated:
                probs = {w: probs[w] + weight * shorter(w, history) for w in kept}
            if len(seen) == len(events) or sum(probs.values()) <= 1 - PROBABILITY_EPSILON:
                return probs
            if interpolated:
                interpolated = False
            else:
                total += 1

    @cache
    def p(word, history=()):
        history = last_words(history, order)
        probs = listed(history)
        left = 1 - sum(probs.values())
        rest = [w for w in events if w not in probs]
        if not history:  # what unigrams leave is for the words unseen, or for all
            return float(probs.get(word, 0) + (left / len(rest or events) if word in (rest or events) else 0))
        if not rest:
            return float(probs[word] / sum(probs.values()))
        if word in probs:
            return float(probs[word])
        return float(left / (1 - sum(p(w, history[1:]) for w in probs)) * p(word, history[1:]))

    def shorter(word, history):
        return p(word, history[1:]) if history else 1 / len(events)

    return p
