"""Naive relative-entropy pruning of a back-off model held in a dictionary, from Stolcke (1998)."""

import math

Model = dict[tuple[int, ...], tuple[float, float]]  # n-gram: (probability, back-off weight)


def probability(model: Model, history: tuple[int, ...], word: int) -> float:
    if (*history, word) in model:
        return model[*history, word][0]
    weight = model[history][1] if history in model else 1.0
    return weight * probability(model, history[1:], word)


def listed_after(model: Model, history: tuple[int, ...]) -> list[int]:
    return sorted(gram[-1] for gram in model if gram[:-1] == history)


def events(model: Model, start: int) -> list[int]:
    return [gram[0] for gram in model if len(gram) == 1 and gram[0] != start]


def renormalised(model: Model, start: int) -> Model:
    """The model with every back-off weight such that the probabilities after its history sum to 1."""
    order = max(map(len, model))
    result = {gram: (p, 1.0) for gram, (p, _) in model.items()}
    for length in range(1, order):
        for history in [gram for gram in model if len(gram) == length]:
            listed = set(listed_after(model, history))
            if not listed:
                continue
            left = 1.0 - math.fsum(result[*history, w][0] for w in listed if w != start)
            room = math.fsum(probability(result, history[1:], w) for w in events(model, start) if w not in listed)
            result[history] = (result[history][0], left / room if room > 0.0 else 1.0)
    return result


def history_probability(model: Model, history: tuple[int, ...], start: int, end: int) -> float:
    result = 1.0
    for i, word in enumerate(history):
        if word == start and i == 0:
            word = end
        elif word == start:
            continue
        result *= probability(model, history[:i], word)
    return result


def score(model: Model, gram: tuple[int, ...], start: int, end: int, history_model: Model | None = None) -> float:
    """Relative growth of the perplexity when one n-gram is removed: the sum over all words, written out."""
    history, word = gram[:-1], gram[-1]
    without = renormalised({g: v for g, v in model.items() if g != gram}, start)
    divergence = 0.0
    for w in events(model, start):
        before = probability(model, history, w)
        if before > 0.0:
            # lower orders stay as they are: only this history's back-off weight is another
            after = (
                model[*history, w][0]
                if (*history, w) in model and w != word
                else without[history][1] * probability(model, history[1:], w)
                if listed_after(without, history)
                else probability(model, history[1:], w)
            )
            divergence += before * math.log(before / after)
    return math.expm1(history_probability(history_model or model, history, start, end) * divergence)


def prune(model: Model, threshold: float, start: int, end: int, history_model: Model | None = None) -> Model:
    """Remove, from the highest order down, what nothing longer extends and whose score is below the threshold."""
    kept = dict(model)
    for length in range(max(map(len, model)), 1, -1):
        for gram in [g for g in model if len(g) == length]:
            extended = any(g[:length] == gram for g in kept if len(g) == length + 1)
            if not extended and score(model, gram, start, end, history_model) < threshold:
                del kept[gram]
    return renormalised(kept, start)
