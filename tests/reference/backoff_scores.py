"""Probabilities of a back-off model by its definition, from a dictionary of n-grams."""

import math
from collections.abc import Mapping, Sequence

# n-gram -> (log10 of its probability, log10 of its back-off weight), as the lines of an ARPA file have them
ArpaLines = Mapping[tuple[str, ...], tuple[float, float]]


def log10_prob(lines: ArpaLines, word: str, history: Sequence[str]) -> tuple[float, int]:
    """Return log10 of p(word | history) and the length of the n-gram that gave it; -inf and 0 for an unlisted word."""
    history = tuple(history)
    if (*history, word) in lines:
        return lines[(*history, word)][0], len(history) + 1
    if not history:
        return -math.inf, 0
    backoff = lines[history][1] if history in lines else 0.0
    lower, order = log10_prob(lines, word, history[1:])
    return backoff + lower, order


def sentence_scores(lines: ArpaLines, sentence: Sequence[str]) -> list[tuple[float, int]]:
    """Return (log10 probability, length of the n-gram) of the words of a sentence and of its end."""
    words = ["<s>", *sentence, "</s>"]
    longest = max(map(len, lines))
    return [log10_prob(lines, words[i], words[max(0, i - longest + 1) : i]) for i in range(1, len(words))]


def listed_words(lines: ArpaLines) -> list[str]:
    """Return the events: the words of the unigrams but `<s>`."""
    return sorted(ngram[0] for ngram in lines if len(ngram) == 1 and ngram[0] != "<s>")


def history_sum(lines: ArpaLines, history: Sequence[str]) -> float:
    """Return the sum of p(w | history) over all events w."""
    return math.fsum(10 ** log10_prob(lines, word, history)[0] for word in listed_words(lines))


def arpa_text(lines: ArpaLines) -> str:
    """Return the n-grams as the text of an ARPA file."""
    longest = max(map(len, lines))
    of_order = {n: [ngram for ngram in lines if len(ngram) == n] for n in range(1, longest + 1)}
    text = "\\data\\\n" + "".join(f"ngram {n}={len(ngrams)}\n" for n, ngrams in of_order.items())
    for n, ngrams in of_order.items():
        text += f"\n\\{n}-grams:\n"
        for ngram in ngrams:
            prob, backoff = lines[ngram]
            text += f"{prob!r}\t{' '.join(ngram)}" + (f"\t{backoff!r}\n" if n < longest else "\n")
    return text + "\n\\end\\\n"
