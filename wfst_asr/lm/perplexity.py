"""Perplexity of a text under a back-off model, with hit rates and the words that the model does not know."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.lm.scoring import ids_of_words, score_blocks, unknown_id
from wfst_asr.lm.text import Text

# Log probabilities up to here stand for 0: ARPA files write it as log10 = -99, and back-off weights may move that.
_IMPOSSIBLE = -90 * math.log(10)


@dataclass(frozen=True)
class SentenceScores:
    """Counts of every sentence, one entry each.

    Attributes:
        words: (S,) int64, words without `<s>` and `</s>`.
        oov: (S,) int64, those out of the vocabulary.
        zero_probability: (S,) int64, events (words in the vocabulary, and the end) of probability 0.
        log_prob: (S,) float64, natural log of the probability of all other events.
    """

    words: NDArray[np.int64]
    oov: NDArray[np.int64]
    zero_probability: NDArray[np.int64]
    log_prob: NDArray[np.float64]

    def perplexity(self, sentence: int) -> float | None:
        """Return the perplexity of a sentence with its end; None where no event has a probability."""
        events = self.words[sentence] + 1 - self.oov[sentence] - self.zero_probability[sentence]
        return _perplexity(float(self.log_prob[sentence]), int(events))


@dataclass(frozen=True)
class Perplexity:
    """How well a model predicts a text.

    Attributes:
        sentences: number of sentences.
        words: number of words, without `<s>` and `</s>`.
        oov: words out of the vocabulary that are not scored; 0 where they are scored as `<unk>`.
        zero_probability: events (words in the vocabulary, ends of sentences) to which the model gives probability 0;
            they are left out, as those out of the vocabulary are.
        log_prob: natural log of the probability of all other events.
        hits: for each order from 1, the number of events whose probability comes from an n-gram of that order.
        oov_words: the words out of the vocabulary with their counts, most frequent first.
        zero_words: the words of probability 0 with their counts, most frequent first.
        per_sentence: the counts of each sentence, where they were asked for.
    """

    sentences: int
    words: int
    oov: int
    zero_probability: int
    log_prob: float
    hits: tuple[int, ...]
    oov_words: dict[str, int]
    zero_words: dict[str, int]
    per_sentence: SentenceScores | None = None

    @property
    def perplexity(self) -> float | None:
        """exp(-log_prob / events), events being the words that are scored and the ends: SRILM's `ppl`."""
        return _perplexity(self.log_prob, self.words - self.oov - self.zero_probability + self.sentences)

    @property
    def perplexity_without_eos(self) -> float | None:
        """exp(-log_prob / words that are scored), SRILM's `ppl1`: the ends cost, but are not counted."""
        return _perplexity(self.log_prob, self.words - self.oov - self.zero_probability)

    @property
    def hit_rates(self) -> tuple[float, ...]:
        """For each order, the share of scored events whose probability comes from an n-gram of that order."""
        return tuple(count / max(1, sum(self.hits)) for count in self.hits)


def text_perplexity(
    model: NGramModel,
    text: Text,
    *,
    order: int | None = None,
    score_unknown: bool = False,
    per_sentence: bool = False,
) -> Perplexity:
    """Compute the perplexity of a text: exp(-sum of log p(event | history) / number of events).

    The events are the words and the ends of sentences.  A word out of the vocabulary is no event.  In the histories of
    the words after it, it is `<unk>` where the model lists `<unk>` (or `<UNK>`), else it hides the words before it.

    - `score_unknown=False` is what KenLM's `query` calls "perplexity excluding OOVs", and SRILM's `ngram -ppl` with a
      model that has no `<unk>`.
    - `score_unknown=True` scores these words with the probability of `<unk>`: KenLM's "including OOVs", SRILM's
      `ngram -unk -ppl`.  Models that share one vocabulary are comparable either way; models of different vocabularies
      are not.

    A word `<unk>` that stands in the text is a word like others where the model lists it (KenLM takes it for one out of
    the vocabulary).  Events of probability 0 are counted, named and left out, as SRILM does.

    Args:
        model: it lists `<s>` and `</s>`.
        text: what to predict.
        order: use n-grams up to this length only.
        score_unknown: score words out of the vocabulary as `<unk>`.
        per_sentence: also return the counts of each sentence.

    Raises:
        WfstAsrError: the model has no `<s>` or `</s>`, no `<unk>` to score, or not that order; no word of the text has
            a probability.
    """
    from wfst_asr.lm._scoring_kernels import sum_sentences

    unknown = unknown_id(model)
    if score_unknown and unknown < 0:
        raise WfstAsrError(
            "the language model lists no '<unk>' as which words out of the vocabulary could be scored; leave them out"
        )
    known = np.append(ids_of_words(model, text.words), np.int32(-1))  # the last is for -1, words without a name
    ids = np.where(known < 0, np.int32(unknown), known)[text.ids]
    blocks: list[SentenceScores] = []
    counts = np.zeros(4, dtype=np.int64)  # sentences, words, oov, zero probability
    log_prob = 0.0
    hits = np.zeros(model.order + 1, dtype=np.int64)
    oov_counts, zero_counts = (np.zeros(len(known), dtype=np.int64) for _ in range(2))
    for begin, scores in score_blocks(model, ids, order=order):
        spoken = text.ids[begin : begin + len(scores.order)]
        outside = known[spoken] < 0
        oov_counts += np.bincount(spoken[outside] % len(known), minlength=len(known))
        if not score_unknown:
            scores.order[outside] = 0
        impossible = (scores.log_prob <= _IMPOSSIBLE) & (scores.order > 0)
        zero_counts += np.bincount(spoken[impossible] % len(known), minlength=len(known))
        hits += np.bincount(scores.order[(scores.order > 0) & ~impossible], minlength=len(hits))
        num_sentences = int(np.count_nonzero(scores.order < 0))
        words, oov, zero = np.empty((3, num_sentences), dtype=np.int64)
        block = SentenceScores(words, oov, zero, np.empty(num_sentences))
        sum_sentences(scores.log_prob, scores.order, _IMPOSSIBLE, block.log_prob, words, oov, zero)
        if per_sentence:
            blocks.append(block)
        counts += [num_sentences, words.sum(), oov.sum(), zero.sum()]
        log_prob += float(block.log_prob.sum())
    num_sentences, num_words, num_oov, num_zero = counts.tolist()
    if not hits.any() or num_words == num_oov:
        what = "are in the vocabulary of the language model" if num_words == num_oov else "have a probability above 0"
        raise WfstAsrError(
            f"none of the {num_words} words of the text {what}; are both of one language, case and spelling?"
        )
    return Perplexity(
        num_sentences,
        num_words,
        num_oov,
        num_zero,
        log_prob,
        tuple(hits[1 : 1 + (order or model.order)].tolist()),
        _most_frequent(oov_counts, text.words),
        _most_frequent(zero_counts, text.words),
        _joined(blocks) if per_sentence else None,
    )


def _joined(blocks: list[SentenceScores]) -> SentenceScores:
    return SentenceScores(
        np.concatenate([block.words for block in blocks]),
        np.concatenate([block.oov for block in blocks]),
        np.concatenate([block.zero_probability for block in blocks]),
        np.concatenate([block.log_prob for block in blocks]),
    )


def _perplexity(log_prob: float, events: int) -> float | None:
    return math.exp(-log_prob / events) if events > 0 else None


def _most_frequent(counts: NDArray[np.int64], words: tuple[str, ...]) -> dict[str, int]:
    """Return the words that have a count; of equal counts, the word that comes first in the text first."""
    by_count = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    names = (*words, "<unk>")
    return {names[word]: int(counts[word]) for word in by_count.tolist()}
