"""Relative-entropy pruning: remove the n-grams whose loss changes the model least.

An n-gram h w that is removed is backed off to: p'(w | h) = alpha'(h) p(w | h'), where h' is h without its first word
and

    alpha'(h) = (num + p(w | h)) / (den + p(w | h')),    num = 1 - sum of p(v | h) over the listed h v,
                                                         den = 1 - sum of p(v | h') over them.

Its score is the relative growth of the perplexity when it alone is removed, exp(D) - 1 with

    D = -p(h) [ p(w | h) (log p(w | h') + log alpha' - log p(w | h)) + num (log alpha' - log alpha) ].

The score rests on the unpruned model, so it depends neither on the threshold nor on what else is removed; where every
word is listed after h each of them seems free to remove, as one alone is.  Stolcke,
"Entropy-based pruning of backoff language models" (1998); SRILM `ngram -prune`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.backoff import NGramLevel, NGramModel
from wfst_asr.lm.numbered_ngrams import number_ngrams

_SMALL_ROOM = 1e-5  # below it, 1 - sum has lost too many digits
_SMALL_MASS = 1e-9

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def prune(
    model: NGramModel,
    *,
    threshold: float | None = None,
    max_ngrams: int | None = None,
    history_model: NGramModel | None = None,
) -> NGramModel:
    """Remove the n-grams of the lowest scores and compute the back-off weights anew.

    Either all n-grams with a score below `threshold` go, or the best `max_ngrams` stay (of equal scores, those of lower
    order, then those listed first).  Unigrams stay always, and so does an n-gram that a longer one extends.  The
    probabilities of what stays do not change.

    Args:
        model: a model whose probabilities sum to 1 after every history.
        threshold: relative growth of the perplexity, such as 1e-8; 0 removes nothing.
        max_ngrams: n-grams of all orders to keep, unigrams included.
        history_model: gives p(h) in place of `model`; Kneser-Ney's lower orders are no estimate of it (SRILM
            `-prune-history-lm`).

    Returns:
        A model of the same vocabulary; of lower order where a level became empty.

    Raises:
        WfstAsrError: not exactly one of threshold and max_ngrams, one out of range, or `history_model` lacks a word.

    O(N log N); about a quarter of a second a million n-grams. Chelba et al., "Study on interaction between
    entropy pruning and Kneser-Ney smoothing" (2010), for the history model.
    """
    if (threshold is None) == (max_ngrams is None):
        raise WfstAsrError("pruning needs either a threshold or a number of n-grams to keep; give one of the two")
    if threshold is not None and not 0.0 <= threshold < np.inf:
        raise WfstAsrError(f"the threshold of pruning is {threshold}; expected 0 or more, such as 1e-8")
    if max_ngrams is not None and max_ngrams < len(model.words):
        raise WfstAsrError(
            f"{max_ngrams} n-grams cannot be kept: the model has {len(model.words)} unigrams, which are never pruned; "
            "ask for more or train with a smaller vocabulary"
        )
    scores, masses = _scores(model, history_model)
    if threshold is not None:
        kept = [score >= threshold for score in scores]
    else:
        assert max_ngrams is not None
        kept = _best(scores, max_ngrams)
    del scores
    return _without(model, kept, masses)


def pruning_scores(model: NGramModel, *, history_model: NGramModel | None = None) -> tuple[Floats, ...]:
    """Return, for each level, (n,) the smallest thresholds that remove its n-grams: infinite for unigrams.

    It is an n-gram's own score or that of an n-gram that extends it, whichever is larger; `prune` removes an n-gram
    if it is below the threshold.
    """
    return _scores(model, history_model)[0]


@dataclass(frozen=True)
class _Trie:
    """The levels of a model in one row of numbers, 0 the empty history, as the kernels want them.

    Attributes:
        word: (N,) int32 last words.
        log_prob: (N,) float64.
        backoff: (N,) float64.
        first_child: (N + 1,) int64 numbers; n-grams of the last level have no children.
        suffix: (N,) int64; longest listed proper suffix.
        offset: number of the first n-gram of each level.
    """

    word: NDArray[np.int32]
    log_prob: Floats
    backoff: Floats
    first_child: Ints
    suffix: Ints
    offset: Ints

    @property
    def arrays(self) -> tuple[NDArray[np.int32], Floats, Floats, Ints, Ints]:
        return self.word, self.log_prob, self.backoff, self.first_child, self.suffix

    def numbers(self, order: int) -> slice:
        """Return the numbers of the n-grams of a level."""
        return slice(int(self.offset[order]), int(self.offset[order + 1]))


def _trie(words: Sequence[str], levels: Sequence[NGramLevel]) -> _Trie:
    numbered = number_ngrams(NGramModel(tuple(words), tuple(levels)))
    return _Trie(
        word=numbered.word,
        log_prob=np.concatenate([[0.0], *(level.log_prob for level in levels)]),
        backoff=np.concatenate([[0.0], *(level.backoff for level in levels)]),
        first_child=numbered.first_child,
        suffix=numbered.suffix,
        offset=numbered.offset,
    )


def _backed_off(trie: _Trie, levels: Sequence[NGramLevel], order: int) -> Floats:
    """Return log p(w | h') for every n-gram h w of a level."""
    from wfst_asr.lm._prune_kernels import follow

    result = np.empty(len(levels[order]))
    start = trie.suffix[trie.numbers(order - 1)]
    follow(levels[order - 1].first_child, levels[order].word, start, *trie.arrays, result, np.empty(0, np.int64))
    return result


def _room(
    trie: _Trie, levels: Sequence[NGramLevel], order: int, lower: Floats, start_word: int
) -> tuple[Floats, Floats]:
    """Return 1 - sum p(w | h) and the sum of p(w | h') over the words not listed, for the histories of a level."""
    from wfst_asr.lm._prune_kernels import freed_masses, sum_unlisted

    first, word = levels[order - 1].first_child, levels[order].word
    num, den = freed_masses(first, word, levels[order].log_prob, lower, start_word)
    narrow = np.flatnonzero(den < _SMALL_ROOM)
    start = trie.suffix[trie.numbers(order - 1)]
    sum_unlisted(narrow, first, word, start, *trie.arrays, start_word, den)
    return num, den


def _scores(model: NGramModel, history_model: NGramModel | None) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Return the scores of each level, and the mass left to back-off after each history of the levels below the top."""
    from wfst_asr.lm._prune_kernels import raise_to_children, removal_scores

    levels = model.levels
    scores: list[Floats] = [np.full(len(levels[0]), np.inf)]
    masses: list[Floats] = []
    if model.order > 1:
        start_word = model.word_ids.get("<s>", -1)
        trie = _trie(model.words, levels[:-1])
        log_history = _log_history_probs(model, history_model)
        for order in range(1, model.order):
            lower = _backed_off(trie, levels, order)
            num, den = _room(trie, levels, order, lower, start_word)
            # what is left by rounding alone: take what the weight in the model says
            tiny = num < _SMALL_MASS
            num[tiny] = den[tiny] * np.exp(levels[order - 1].backoff[tiny])
            num[den == 0.0] = 0.0
            score = np.empty(len(levels[order]))
            first, level = levels[order - 1].first_child, levels[order]
            removal_scores(
                first, level.word, level.log_prob, lower, num, den, log_history[order - 1], start_word, score
            )
            scores.append(score)
            masses.append(num)
    for order in range(model.order - 1, 1, -1):
        raise_to_children(levels[order - 1].first_child, scores[order], scores[order - 1])
    return tuple(scores), tuple(masses)


def _log_history_probs(model: NGramModel, history_model: NGramModel | None) -> list[Floats]:
    """Return log p(h), by the chain rule, for the n-grams of each level below the top as histories.

    `<s>` at the begin has the probability of `</s>`; as no event it counts 1 elsewhere (SRILM `contextProb`).
    """
    from wfst_asr.lm._prune_kernels import follow

    start_word, end_word = model.word_ids.get("<s>", -1), model.word_ids.get("</s>", -1)
    result: list[Floats] = []
    names: Ints | None = None
    if history_model is not None:
        names = history_model.ids(model.words)
        if (names < 0).any():
            missing = model.words[int(np.flatnonzero(names < 0)[0])]
            raise WfstAsrError(
                f"the history model lacks the word '{missing}' and has no '<unk>'; train both with one vocabulary"
            )
        trie = _trie(history_model.words, history_model.levels[: max(1, model.order - 1)])
        state = np.zeros(1, dtype=np.int64)
    for order in range(model.order - 1):
        level = model.levels[order]
        if history_model is None or names is None:
            conditional = level.log_prob.copy()
        else:
            conditional = np.empty(len(level))
            reached = np.empty(len(level), dtype=np.int64)
            first = model.levels[order - 1].first_child if order else np.array([0, len(level)])
            follow_names = names[level.word].astype(np.int32)
            each = np.arange(len(level) + 1, dtype=np.int64)  # in the other model words need not ascend
            follow(each, follow_names, np.repeat(state, np.diff(first)), *trie.arrays, conditional, reached)
            state = reached
        if order == 0 and start_word >= 0:
            conditional[start_word] = conditional[end_word] if end_word >= 0 else 0.0
        elif start_word >= 0:
            conditional[level.word == start_word] = 0.0
        result.append(conditional + result[-1][model.parents[order]] if order else conditional)
    return result


def _best(scores: Sequence[Floats], max_ngrams: int) -> list[NDArray[np.bool_]]:
    """Mark the n-grams of the largest scores; of equal ones the first, lower orders before higher."""
    total = sum(map(len, scores))
    if max_ngrams >= total:
        return [np.ones(len(score), dtype=bool) for score in scores]
    together = np.concatenate(scores)
    together.partition(total - max_ngrams)
    limit = together[total - max_ngrams]
    del together
    kept = [score > limit for score in scores]
    room = max_ngrams - sum(int(np.count_nonzero(mark)) for mark in kept)
    for score, mark in zip(scores, kept, strict=True):
        equal = np.flatnonzero(score == limit)[:room]
        mark[equal] = True
        room -= len(equal)
    return kept


def _without(model: NGramModel, kept: Sequence[NDArray[np.bool_]], masses: Sequence[Floats]) -> NGramModel:
    """Return the model of the n-grams kept, its back-off weights computed from the lowest order up."""
    from wfst_asr.lm._prune_kernels import removed_masses

    start_word = model.word_ids.get("<s>", -1)
    freed: list[Floats] = []
    levels: list[NGramLevel] = []
    for order, (level, mark) in enumerate(zip(model.levels, kept, strict=True)):
        if not mark.any():
            break
        first_child = np.zeros(int(np.count_nonzero(mark)) + 1, dtype=np.int64)
        if order + 1 < model.order and kept[order + 1].any():
            following = model.levels[order + 1]
            mass = removed_masses(level.first_child, following.word, following.log_prob, kept[order + 1], start_word)
            freed.append((masses[order] + mass)[mark])
            before = np.concatenate(([0], np.cumsum(kept[order + 1])))
            np.cumsum(np.diff(before[level.first_child])[mark], out=first_child[1:])
        levels.append(NGramLevel(level.word[mark], level.log_prob[mark], np.zeros(len(first_child) - 1), first_child))
    if len(levels) > 1:
        trie = _trie(model.words, levels[:-1])
        for order in range(1, len(levels)):
            num, weights = freed[order - 1], levels[order - 1].backoff
            den = _room(trie, levels, order, _backed_off(trie, levels, order), start_word)[1]
            is_history = np.diff(levels[order - 1].first_child) > 0
            with np.errstate(divide="ignore", invalid="ignore"):
                weights[:] = np.where(is_history & (den > 0.0), np.log(num) - np.log(den), 0.0)
            trie.backoff[trie.numbers(order - 1)] = weights
    return NGramModel(model.words, tuple(levels))
