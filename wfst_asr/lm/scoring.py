"""Score many words at once with a back-off model: millions a second."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.backoff import NGramModel

_BLOCK_WORDS = 1 << 16


@dataclass(frozen=True)
class WordScores:
    """What a model says about each word of a text.

    Attributes:
        log_prob: (T,) float64, natural log of p(word | the words before it in its sentence); 0 at `<s>`, -inf for a
            word out of the vocabulary.
        order: (T,) int8, length of the n-gram that gave the probability; 0 for a word out of the vocabulary, -1 at
            `<s>`, which is no event.
    """

    log_prob: NDArray[np.float64]
    order: NDArray[np.int8]


def score_ids(model: NGramModel, ids: NDArray[np.integer[Any]], *, order: int | None = None) -> WordScores:
    """Score every word of sentences: p(w | h) = p*(w | h) where h w is listed, else backoff(h) p(w | h').

    The definition is `NGramModel.log_prob`.  One pass an order: where the n-gram that ends in the word before is listed
    it is the history, and the word is looked for among its children in O(log of their number).

    Args:
        model: it lists `<s>` and `</s>`.
        ids: (T,) word ids of the model, each sentence from `<s>` to `</s>`; -1 for a word out of the vocabulary, which
            hides the words before it.
        order: use n-grams up to this length only.

    Raises:
        WfstAsrError: the model has no `<s>` or `</s>`, or not that order.

    >>> from wfst_asr.lm.assemble import NGramRows, assemble_model
    >>> p = lambda *probs: np.log(np.array(probs))
    >>> rows = [NGramRows(np.array([[0], [1], [2]], np.int32), p(1, .5, .5), p(1, 1, .5)),
    ...         NGramRows(np.array([[2, 1]], np.int32), p(.75), p(1))]
    >>> model = assemble_model(["<s>", "</s>", "a"], rows).model
    >>> scores = score_ids(model, np.array([0, 2, 2, 1]))
    >>> np.exp(scores.log_prob).round(3).tolist(), scores.order.tolist()  # <s> a a </s>
    ([1.0, 0.5, 0.25, 0.75], [-1, 1, 1, 2])
    """
    log_prob = np.empty(len(ids))
    orders = np.empty(len(ids), dtype=np.int8)
    for begin, scores in score_blocks(model, ids, order=order):
        end = begin + len(scores.log_prob)
        log_prob[begin:end] = scores.log_prob
        orders[begin:end] = scores.order
    return WordScores(log_prob, orders)


def score_blocks(
    model: NGramModel, ids: NDArray[np.integer[Any]], *, order: int | None = None
) -> Iterator[tuple[int, WordScores]]:
    """Score as `score_ids` does, in blocks of whole sentences: (index of the first word, scores) of each block."""
    from wfst_asr.lm._scoring_kernels import score_order, score_unigrams

    begin_id = require_sentence_marks(model)
    if order is not None and not 1 <= order <= model.order:
        raise WfstAsrError(f"order {order}: the language model has n-grams of order 1 to {model.order}")
    levels = model.levels[: order or model.order]
    starts = np.flatnonzero(ids == begin_id)
    if len(ids) and (not len(starts) or starts[0]):
        raise WfstAsrError("a text to score begins inside a sentence; expected the id of '<s>' before each sentence")
    at = 0
    while at < len(ids):
        following = int(np.searchsorted(starts, at + _BLOCK_WORDS))
        end = int(starts[following]) if following < len(starts) else len(ids)
        block = np.ascontiguousarray(ids[at:end], dtype=np.int32)
        entry = np.empty(len(block), dtype=np.int64)
        scores = WordScores(np.empty(len(block)), np.empty(len(block), dtype=np.int8))
        score_unigrams(block, begin_id, levels[0].log_prob, entry, scores.log_prob, scores.order)
        for n in range(2, len(levels) + 1):
            lower, level = levels[n - 2], levels[n - 1]
            score_order(
                block,
                begin_id,
                lower.first_child,
                lower.backoff,
                level.word,
                level.log_prob,
                n,
                entry,
                scores.log_prob,
                scores.order,
            )
        yield at, scores
        at = end


def score_sentences(model: NGramModel, sentences: Sequence[str | Sequence[str]]) -> NDArray[np.float64]:
    """Return the natural log of the probability of each sentence, from `<s>` to `</s>`: `NGramModel.score` of many.

    Args:
        model: it lists `<s>` and `</s>`.
        sentences: S texts or word lists.

    Returns:
        (S,) float64; -inf for an impossible sentence, such as one with a word that the model does not list where it
        lists no `<unk>`.

    Raises:
        WfstAsrError: the model has no `<s>` or `</s>`; a sentence has a word `<s>`.
    """
    begin_id = require_sentence_marks(model)
    if not len(sentences):
        return np.empty(0)
    end_id, unknown = model.word_ids["</s>"], unknown_id(model)
    known = model.word_ids
    ids: list[int] = []
    starts: list[int] = []
    for sentence in sentences:
        starts.append(len(ids))
        words = sentence.split() if isinstance(sentence, str) else sentence
        ids.append(begin_id)
        ids.extend([known.get(word, unknown) for word in words])
        ids.append(end_id)
    scores = score_ids(model, np.array(ids, dtype=np.int32))
    if np.count_nonzero(scores.order < 0) != len(starts):
        raise WfstAsrError("'<s>' is among the words of a sentence; give sentences without their marks")
    return np.add.reduceat(scores.log_prob, starts)


def ids_of_words(model: NGramModel, words: Sequence[str], *, unknown: int = -1) -> NDArray[np.int32]:
    """Return the model's id of each word, `unknown` for one that it does not list.

    >>> from wfst_asr.lm.assemble import NGramRows, assemble_model
    >>> model = assemble_model(["a", "b"], [NGramRows(np.array([[0], [1]], np.int32), np.zeros(2), np.zeros(2))]).model
    >>> ids_of_words(model, ["b", "c"]).tolist()
    [1, -1]
    """
    known = model.word_ids
    return np.array([known.get(word, unknown) for word in words], dtype=np.int32)


def unknown_id(model: NGramModel) -> int:
    """Return the id of `<unk>` (or `<UNK>`), -1 where the model lists none."""
    return model.word_ids.get("<unk>", model.word_ids.get("<UNK>", -1))


def require_sentence_marks(model: NGramModel) -> int:
    """Return the id of `<s>`.

    Raises:
        WfstAsrError: the model does not list `<s>` or `</s>`.
    """
    for mark in ("<s>", "</s>"):
        if mark not in model.word_ids:
            raise WfstAsrError(
                f"the language model does not list '{mark}', so it cannot score sentences; use a model that "
                "was trained on sentences"
            )
    return model.word_ids["<s>"]
