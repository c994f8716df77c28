"""Linear interpolation of back-off models, and its weights tuned by expectation-maximisation."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lm.backoff import NGramLevel, NGramModel
from wfst_asr.lm.numbered_ngrams import number_ngrams
from wfst_asr.lm.scoring import ids_of_words, require_sentence_marks, score_ids
from wfst_asr.lm.text import Text

_SUM_TOLERANCE = 1e-6
_WEIGHT_TOLERANCE = 1e-6
_MAX_ITERATIONS = 100
_IMPOSSIBLE = -90 * math.log(10)  # log probabilities up to here stand for 0


@dataclass(frozen=True)
class TunedWeights:
    """Weights that fit a text.

    Attributes:
        weights: one a model; their sum is 1.
        perplexity_before: of the text, ends of sentences among the events, under the mixture with equal weights.
        perplexity_after: under the mixture with `weights`.
        iterations: how many the search took.
        num_events: words and ends of sentences that were used.
        num_left_out: words that no model lists or gives a probability.
    """

    weights: tuple[float, ...]
    perplexity_before: float
    perplexity_after: float
    iterations: int
    num_events: int
    num_left_out: int


def interpolate(models: Sequence[NGramModel], weights: Sequence[float]) -> NGramModel:
    """Mix back-off models: p(w | h) = sum over i of weights[i] p_i(w | h) for every n-gram that a model lists.

    The n-grams are those of all models, as are the words.  A word that a model does not list has probability 0 in that
    model, also where the model lists `<unk>`; as part of a history it hides the words before it from that model.  The
    back-off weights make the probabilities after every history h sum to 1:
    (1 - sum of p(w | h)) / (1 - sum of p(w | h')), both over the words listed after h; h' is h without its first word.
    For words that no model lists after h, the mixture backs off and is not the sum above.  The unigrams are scaled to
    sum to 1 (`<s>` is no event), as are the n-grams of a history to which rounding in the files leaves nothing to give.

    O(n-grams), and O(words) more for a history after which nearly everything is listed.

    Args:
        models: two or more, or one.
        weights: one a model, not negative; a sum that is not 1 is scaled to 1 with a warning.

    Raises:
        WfstAsrError: weights that do not fit, no models.

    Source: SRILM's `ngram -mix-lm`; Jelinek and Mercer, "Interpolated estimation of Markov source parameters from
    sparse data" (1980).

    >>> from wfst_asr.lm.assemble import NGramRows, assemble_model
    >>> unigrams = lambda *p: [NGramRows(np.arange(len(p), dtype=np.int32)[:, None], np.log(p), np.zeros(len(p)))]
    >>> model = assemble_model(["a", "b"], unigrams(.5, .5)).model
    >>> other = assemble_model(["b", "c"], unigrams(.2, .8)).model
    >>> mixed = interpolate([model, other], [0.75, 0.25])
    >>> mixed.words, np.exp(mixed.levels[0].log_prob).round(3).tolist()
    (('a', 'b', 'c'), [0.375, 0.425, 0.2])
    """
    from wfst_asr.lm._interpolate_kernels import fill_by_backing_off, renormalise

    shares = check_weights(weights, len(models))
    union, places = _unite(models)
    ngrams = number_ngrams(union)
    offset, size = ngrams.offset, int(ngrams.offset[-1])
    parts = np.full((len(models), size), np.nan)
    part_backoffs = np.zeros((len(models), size))
    parts[:, : offset[1]] = -np.inf
    for part, backoff, model, at in zip(parts, part_backoffs, models, places, strict=True):
        for k, level in enumerate(model.levels):
            part[offset[k] + at[k]] = level.log_prob
            backoff[offset[k] + at[k]] = level.backoff if k + 1 < model.order else 0.0
        fill_by_backing_off(ngrams.parent, ngrams.suffix, part, backoff, int(offset[1]))
    mixed = np.zeros(size)
    for part, share in zip(parts, shares.tolist(), strict=True):
        mixed += share * np.exp(part)
    with np.errstate(divide="ignore"):
        mixed = np.log(mixed)
    backoffs = np.zeros(size)
    begin_id = union.word_ids.get("<s>", -1)
    renormalise(
        ngrams.parent,
        ngrams.first_child,
        ngrams.suffix,
        ngrams.word,
        parts,
        part_backoffs,
        shares,
        begin_id,
        mixed,
        backoffs,
    )
    return NGramModel(
        union.words,
        tuple(
            NGramLevel(level.word, mixed[begin:end].copy(), backoffs[begin:end].copy(), level.first_child)
            for level, begin, end in zip(union.levels, offset[:-1], offset[1:], strict=True)
        ),
    )


def tune_weights(models: Sequence[NGramModel], text: Text) -> TunedWeights:
    """Find the weights under which a text is most probable, by expectation-maximisation from equal weights.

    weights[i] becomes the mean over all events of weights[i] p_i / sum over j of weights[j] p_j, until no weight
    changes by more than 1e-6, or 100 times.  The probabilities are those of the models (the words they do not list
    having probability 0, as in `interpolate`); words that none of them lists are left out, and are `<unk>` in histories
    if a model lists it.

    Raises:
        WfstAsrError: no models, a model without `<s>` or `</s>`, a text of which no word has a probability.
    """
    from wfst_asr.lm._interpolate_kernels import expectation

    if not models:
        raise WfstAsrError("there is no language model; give two or more")
    for model in models:
        require_sentence_marks(model)
    listed = set().union(*(model.words for model in models))
    unknown = next((mark for mark in ("<unk>", "<UNK>") if mark in listed), "")
    words = [word if word in listed else unknown for word in text.words]
    is_event = np.array([word in listed and word != "<s>" for word in text.words] + [False])[text.ids]
    probs = np.empty((int(np.count_nonzero(is_event)), len(models)))
    for i, model in enumerate(models):
        ids = ids_of_words(model, [*words, unknown])[text.ids]
        log_prob = score_ids(model, ids).log_prob[is_event]
        probs[:, i] = np.where(log_prob > _IMPOSSIBLE, np.exp(log_prob), 0.0)
    probs = probs[probs.any(axis=1)]
    num_left_out = text.num_tokens + text.num_sentences - len(probs)
    if num_left_out >= text.num_tokens + text.num_sentences or not is_event[text.ids != 1].any():
        raise WfstAsrError(
            f"none of the {text.num_tokens} words of the text to tune on has a probability; are the text and the "
            "models of one language, case and spelling?"
        )
    weights = np.full(len(models), 1 / len(models))
    shares = np.empty(len(models))
    before = expectation(probs, weights, shares)
    iterations = 1
    while iterations < _MAX_ITERATIONS and np.abs(shares - weights).max() > _WEIGHT_TOLERANCE:
        weights, shares = shares, weights
        expectation(probs, weights, shares)
        iterations += 1
    weights = shares / shares.sum()
    after = expectation(probs, weights, np.empty(len(models)))
    return TunedWeights(
        tuple(weights.tolist()), math.exp(-before), math.exp(-after), iterations, len(probs), num_left_out
    )


def check_weights(weights: Sequence[float], num_models: int) -> NDArray[np.float64]:
    """Return the weights as an array whose sum is 1, with a warning where it was not.

    Raises:
        WfstAsrError: no models, another number of weights than models, a negative or infinite one, all of them 0.
    """
    if not num_models:
        raise WfstAsrError("there is no language model; give two or more")
    if len(weights) != num_models:
        raise WfstAsrError(f"there are {len(weights)} weights for {num_models} language models; give one a model")
    for weight in weights:
        if not (math.isfinite(weight) and weight >= 0):
            raise WfstAsrError(f"the weight {weight:g} is not a share of a mixture; expected numbers from 0 to 1")
    total = math.fsum(weights)
    if not total:
        raise WfstAsrError("all weights are 0; expected a sum of 1")
    if abs(total - 1) > _SUM_TOLERANCE:
        warnings.warn(f"the weights sum to {total:g}; they were scaled to sum to 1", WfstAsrWarning, stacklevel=3)
    return np.array(weights, dtype=np.float64) / total


def _unite(models: Sequence[NGramModel]) -> tuple[NGramModel, list[list[NDArray[np.int64]]]]:
    """Return the n-grams of all models, without probabilities, and where each model has its n-grams among them."""
    words = tuple(dict.fromkeys(word for model in models for word in model.words))
    number = {word: i for i, word in enumerate(words)}
    word_maps = [np.array([number[word] for word in model.words], dtype=np.int64) for model in models]
    places = [[word_map] for word_map in word_maps]
    level_words = [np.arange(len(words), dtype=np.int32)]
    first_children = []
    for k in range(1, max(model.order for model in models)):
        holders = [i for i, model in enumerate(models) if k < model.order]
        keys = []
        for i in holders:
            history = places[i][k - 1][models[i].parents[k]]
            keys.append(history * len(words) + word_maps[i][models[i].levels[k].word])
        united = np.sort(np.concatenate(keys), kind="stable")  # nearly merges of ascending runs
        united = united[np.concatenate(([True], united[1:] != united[:-1]))]
        for i, key in zip(holders, keys, strict=True):
            places[i].append(np.searchsorted(united, key))
        history, word = np.divmod(united, len(words))
        level_words.append(word.astype(np.int32))
        counts = np.bincount(history, minlength=len(level_words[k - 1]))
        first_children.append(np.concatenate(([0], np.cumsum(counts))))
    first_children.append(np.zeros(len(level_words[-1]) + 1, dtype=np.int64))
    none = np.empty(0)
    levels = [NGramLevel(word, none, none, first) for word, first in zip(level_words, first_children, strict=True)]
    return NGramModel(words, tuple(levels)), places
