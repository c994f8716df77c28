"""Pronunciation and silence probabilities, counted over again for every number; Chen et al. 2015, equations 1 to 6."""

from itertools import pairwise


def padded(utterances):
    return [["<s>", *utterance, "</s>"] for utterance in utterances]


def events(utterances):
    """Every (v, silence between?, w) of the corpus."""
    for utterance in padded(utterances):
        words = [i for i, token in enumerate(utterance) if token != "sil"]
        for i, j in pairwise(words):
            yield utterance[i], j > i + 1, utterance[j]


def pronunciation_prob(utterances, entries, entry):
    """Add-one smoothed count of the entry, over that of the word's commonest entry."""

    def count(other):
        return 1 + sum(token == other for utterance in utterances for token in utterance)

    return count(entry) / max(count(other) for other in entries if other[0] == entry[0])


def overall(utterances):
    found = list(events(utterances))
    return sum(silent for _, silent, _ in found) / len(found)


def silence_after(utterances, word):
    here = [silent for v, silent, _ in events(utterances) if v == word]
    prob = (sum(here) + 2 * overall(utterances)) / (len(here) + 2)
    return min(max(prob, 0.01), 0.99)


def factor_before(utterances, word, *, silent):
    found = [(v, between) for v, between, w in events(utterances) if w == word]
    expected = sum(silence_after(utterances, v) if silent else 1 - silence_after(utterances, v) for v, _ in found)
    return max((sum(between == silent for _, between in found) + 2) / (expected + 2), 0.01)
