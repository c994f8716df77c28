"""N-grams counted with dicts of tuples, the slow and plain way.  Imports nothing of the package."""


def naive_counts(sentences, order):
    """Return {n: {(w1, ..., wn): count}} of `<s> w1 ... wm </s>` for every sentence, n = 1 to `order`.

    A word None is one outside the vocabulary, which no n-gram has.
    """
    counts = {n: {} for n in range(1, order + 1)}
    for sentence in sentences:
        words = ("<s>", *sentence, "</s>")
        for n in counts:
            for first in range(len(words) - n + 1):
                ngram = words[first : first + n]
                if None not in ngram:
                    counts[n][ngram] = counts[n].get(ngram, 0) + 1
    return counts


def continuation_counts(counts):
    """Return the counts of Kneser and Ney: below the highest order, the number of different words before an n-gram.

    The highest order, and n-grams that begin with `<s>`, before which nothing stands, keep their counts.
    """
    order = max(counts)
    result = {order: dict(counts[order])}
    for n in range(1, order):
        result[n] = {}
        for ngram, count in counts[n].items():
            before = {longer[0] for longer in counts[n + 1] if longer[1:] == ngram}
            result[n][ngram] = count if ngram[0] == "<s>" else len(before)
    return result


def event_counts(counts):
    """Return the same counts without the unigram `<s>`, which is never predicted."""
    return {n: {ngram: count for ngram, count in level.items() if ngram[-1] != "<s>"} for n, level in counts.items()}


def counts_of_counts(level):
    """Return {r: n_r}: how many n-grams of one order occurred r times, of those that end in an event."""
    result = {}
    for ngram, count in level.items():
        if ngram[-1] != "<s>":
            result[count] = result.get(count, 0) + 1
    return result


def followers(level, history):
    """Return {word: count} of the n-grams of one order that begin with a history of one word less."""
    return {ngram[-1]: count for ngram, count in level.items() if ngram[:-1] == tuple(history) and ngram[-1] != "<s>"}


def read_arpa(path):
    """Return {n: {ngram: (log10 probability, log10 back-off weight)}} of an ARPA file; 0 where no weight is written."""
    result, n = {}, 0
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("\\") and line.endswith("-grams:"):
            n = int(line[1 : line.index("-")])
            result[n] = {}
        elif n and line and not line.startswith("\\"):
            fields = line.split()
            weight = float(fields[n + 1]) if len(fields) > n + 1 else 0.0
            result[n][tuple(fields[1 : n + 1])] = (float(fields[0]), weight)
    return result
