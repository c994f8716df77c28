"""The sum of the probabilities of all words after a history: 1, if the model is a sound one."""

import numpy as np
from numpy.typing import NDArray

from wfst_asr.lm.backoff import NGramModel


def history_sums(model: NGramModel, histories: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sum over the words w but `<s>` of p(w | history), for each of some histories.

        sum(h) = sum over listed h w of p(w | h)  +  backoff(h) (sum(h') - sum over listed h w of p(w | h'))

    with h' the history without its first word: it takes the words that are listed after the history and its suffixes,
    not the whole vocabulary for each.

    Args:
        model: the language model.
        histories: (R, n) word ids, n below the order of the model.

    >>> from wfst_asr.lm.assemble import NGramRows, assemble_model
    >>> rows = [NGramRows(np.array([[0], [1]], np.int32), np.log([0.25, 0.75]), np.log([0.5, 1])),
    ...         NGramRows(np.array([[0, 0]], np.int32), np.log([0.6]), np.zeros(1))]
    >>> model = assemble_model(["a", "</s>"], rows).model
    >>> history_sums(model, np.array([[0], [1]]))  # 0.6 + 0.5 * 0.75, and 1
    array([0.975, 1.   ])
    """
    start = model.word_ids.get("<s>", -1)
    num_words = histories.shape[1]
    if num_words == 0:
        probs = np.exp(model.levels[0].log_prob)
        return np.full(len(histories), probs.sum() - (probs[start] if start >= 0 else 0.0))
    sums = history_sums(model, histories[:, 1:])
    entry = model.find_all(histories)
    listed = np.flatnonzero(entry >= 0)
    level, above = model.levels[num_words - 1], model.levels[num_words]
    first = level.first_child[entry[listed]]
    count = level.first_child[entry[listed] + 1] - first
    row = np.repeat(np.arange(len(listed)), count)
    child = np.arange(len(row)) + np.repeat(first - (np.cumsum(count) - count), count)
    spoken = above.word[child] != start
    row, child = row[spoken], child[spoken]
    own = np.bincount(row, np.exp(above.log_prob[child]), len(listed))
    shorter = model.log_probs(np.column_stack([histories[listed[row], 1:], above.word[child]]))
    lower = np.bincount(row, np.exp(shorter), len(listed))
    sums[listed] = own + np.exp(level.backoff[entry[listed]]) * (sums[listed] - lower)
    return sums


def largest_deviation(model: NGramModel, rng: np.random.Generator, *, num_histories: int = 1000) -> float:
    """Return how far from 1 the probabilities sum after the empty history and up to so many listed ones, at most.

    Histories that end in `</s>` are left out: nothing follows them.
    """
    end = model.word_ids.get("</s>", -1)
    worst = float(np.abs(history_sums(model, np.empty((1, 0), dtype=np.int64)) - 1).max())
    orders = range(1, model.order)
    for order in orders:
        level = model.levels[order - 1]
        share = -(-num_histories // len(orders))
        entries = np.arange(len(level))
        if len(level) > share:
            entries = np.sort(rng.choice(len(level), share, replace=False))
        entries = entries[level.word[entries] != end]
        histories = np.empty((len(entries), order), dtype=np.int64)
        for position in range(order - 1, -1, -1):
            histories[:, position] = model.levels[position].word[entries]
            if position:
                entries = np.searchsorted(model.levels[position - 1].first_child, entries, side="right") - 1
        if len(histories):
            worst = max(worst, float(np.abs(history_sums(model, histories) - 1).max()))
    return worst
