"""p(word | history) of every smoothing by literal recursion, over dicts of tuples.  Imports nothing of the package.

Each method is a function of the sentences that returns `p(word, history)`; the events are the words of the vocabulary
but `<s>`.  Good-Turing, Katz, Witten-Bell, absolute discounting and Kneser-Ney differ in their counts and in what they
discount; `from_discounted` holds the rest (Chen and Goodman 1998, section 2).
"""

from functools import cache

from tests.reference import ngram_discounts
from tests.reference.ngram_counts import continuation_counts, counts_of_counts, event_counts, followers, naive_counts


def maximum_likelihood(sentences, events, order, cutoffs=None):
    """c(hw) / c(h); a history never seen counts as the shorter one; n-grams below a cutoff are backed off."""
    counts = event_counts(naive_counts(sentences, order))
    return from_discounted(events, counts, lambda ngram, count: count, False, counts, cutoffs, zeros=True)


def add_k(sentences, events, order, k=1.0, cutoffs=None):
    """(c(hw) + k) / (c(h) + k V) after a history of the full length, or of the sentence's begin; else 1 / V.

    The words that a cutoff leaves out after a history share, with the unseen ones, what is left.
    """
    counts = event_counts(naive_counts(sentences, order))

    def p(word, history=()):
        history = last_words(history, order)
        full = len(history) == order - 1 or history[:1] == ("<s>",)
        seen = followers(counts[len(history) + 1], history) if full else {}
        if not seen:
            return p(word, history[1:]) if history else 1 / len(events)
        total = sum(seen.values()) + k * len(events)
        low = 1 if cutoffs is None or not history else cutoffs[len(history)]
        listed = {w: (c + k) / total for w, c in seen.items() if c >= low}
        if word in listed:
            return listed[word]
        return (1 - sum(listed.values())) / (len(events) - len(listed))

    return p


def good_turing(sentences, events, order, interpolate=False, cutoffs=None):
    counts = event_counts(naive_counts(sentences, order))
    return from_discounted(events, counts, by_count(counts, ngram_discounts.good_turing), interpolate, counts, cutoffs)


def katz(sentences, events, order, interpolate=False, cutoffs=None, k=5):
    counts = event_counts(naive_counts(sentences, order))
    discounted = by_count(counts, lambda n: ngram_discounts.katz(n, k))
    return from_discounted(events, counts, discounted, interpolate, counts, cutoffs)


def absolute(sentences, events, order, interpolate=False, cutoffs=None):
    counts = event_counts(naive_counts(sentences, order))
    return from_discounted(events, counts, by_count(counts, ngram_discounts.absolute), interpolate, counts, cutoffs)


def kneser_ney(sentences, events, order, interpolate=False, cutoffs=None):
    raw = event_counts(naive_counts(sentences, order))
    counts = event_counts(continuation_counts(naive_counts(sentences, order)))
    return from_discounted(events, counts, by_count(counts, ngram_discounts.absolute), interpolate, raw, cutoffs)


def modified_kneser_ney(sentences, events, order, interpolate=False, cutoffs=None):
    raw = event_counts(naive_counts(sentences, order))
    counts = event_counts(continuation_counts(naive_counts(sentences, order)))
    discounted = by_count(counts, ngram_discounts.modified_kneser_ney)
    return from_discounted(events, counts, discounted, interpolate, raw, cutoffs)


def witten_bell(sentences, events, order, interpolate=False, cutoffs=None):
    """c / (c(h) + T(h)) with T(h) the number of different words after h, so that c* = c c(h) / (c(h) + T(h))."""
    counts = event_counts(naive_counts(sentences, order))

    def discounted(ngram, count):
        seen = followers(counts[len(ngram)], ngram[:-1])
        total = sum(seen.values())
        return count * total / (total + len(seen))

    return from_discounted(events, counts, discounted, interpolate, counts, cutoffs)


def by_count(counts, discount):
    """Return c*(ngram, count) of a method whose c* depends on the order and the count alone."""
    tables = {n: discount(counts_of_counts(level)) for n, level in counts.items()}
    return lambda ngram, count: tables[len(ngram)][count]


def from_discounted(events, counts, discounted, interpolate, raw, cutoffs=None, zeros=False):
    """Return p(word, history) of counts and discounted counts, interpolated or backed off.

    freed(h) = sum of c - c* over the words seen after h, lambda(h) = freed(h) / c(h);
    interpolated  p(w | h) = c*(hw) / c(h) + lambda(h) p(w | h')
    backed off    p(w | h) = c*(hw) / c(h) of a listed n-gram, else alpha(h) p(w | h'),
                  alpha(h) = lambda(h) / sum of p(w | h') over the words not listed after h.
    Below unigrams p = 1 / V.  An n-gram with a raw count below its order's cutoff is not listed: c* = 0.
    Where nothing is freed although a word was not seen, c(h) grows by one, until something is (`zeros`: it does not).
    """
    order = max(counts)

    @cache
    def after(history):
        """{listed word: c*}, lambda, c(h) of a history that was seen; None for another."""
        level = len(history) + 1
        seen = followers(counts[level], history)
        if not seen:
            return None
        kept = [w for w in seen if cutoffs is None or raw[level][(*history, w)] >= cutoffs[level - 1]]
        starred = {w: discounted((*history, w), seen[w]) for w in kept}
        total = sum(seen.values())
        freed = sum(seen[w] - starred.get(w, 0) for w in seen)
        while freed <= 0 and len(seen) < len(events) and not zeros:
            freed, total = freed + 1, total + 1
        return starred, freed / total, total

    @cache
    def p(word, history=()):
        history = last_words(history, order)
        at_history = after(history)
        if at_history is None:
            return p(word, history[1:]) if history else 1 / len(events)
        starred, freed, total = at_history
        if interpolate:
            return float(starred.get(word, 0) / total + freed * shorter(word, history))
        if all(w in starred for w in events):
            if history:
                return float(starred[word] / sum(starred.values()))
            return float(starred[word] / total + freed / len(events))
        if word in starred:
            return float(starred[word] / total)
        if freed == 0:
            return 0.0
        return float(freed * shorter(word, history) / sum(shorter(w, history) for w in events if w not in starred))

    def shorter(word, history):
        return p(word, history[1:]) if history else 1 / len(events)

    return p


def last_words(history, order):
    """The part of a history that a model of an order sees."""
    history = tuple(history)
    return history[max(0, len(history) - order + 1) :]
