"""Probabilities of a back-off model by its definition, from a dictionary of n-grams."""

import math
import random
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


def random_model(
    seed: int, order: int, *, words: Sequence[str], share: float
) -> dict[tuple[str, ...], tuple[float, float]]:
    """Return a model whose probabilities sum to 1 after every history.

    Every history of listed n-grams is listed, their suffixes need not be.  After some histories all words are listed,
    after some the listed ones have all of the probability.

    Args:
        words: the events.
        share: of the possible n-grams that are listed.
    """
    draw = random.Random(seed)
    masses = [draw.random() + 0.01 for _ in words]
    lines = {("<s>",): (-99.0, 0.0)}
    lines.update({(word,): (math.log10(mass / sum(masses)), 0.0) for word, mass in zip(words, masses, strict=True)})
    histories = [ngram for ngram in lines if ngram != ("</s>",)]
    for _ in range(1, order):
        longer = {}
        for history in histories:
            listed = [word for word in words if draw.random() < share]
            if not listed:
                continue
            rest = draw.choice([0.0, 1e-12, 0.1, 0.5, draw.random()]) if len(listed) < len(words) else 0.0
            masses = [draw.random() + 0.01 for _ in listed]
            for word, mass in zip(listed, masses, strict=True):
                longer[(*history, word)] = (math.log10(mass / sum(masses) * (1 - rest)), 0.0)
            lower = math.fsum(10 ** log10_prob(lines, word, history[1:])[0] for word in words if word not in listed)
            if not rest or not lower:
                weight = -math.inf
                longer.update(
                    {(*history, word): (longer[(*history, word)][0] - math.log10(1 - rest), 0.0) for word in listed}
                )
            else:
                weight = math.log10(rest / lower)
            lines[history] = (lines[history][0], weight)
        if not longer:
            break
        lines.update(longer)
        histories = [ngram for ngram in longer if ngram[-1] != "</s>"]
    return lines
