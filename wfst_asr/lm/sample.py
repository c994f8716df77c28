"""Draw sentences from a back-off model by their probabilities."""

from collections.abc import Sequence

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.lm.numbered_ngrams import number_ngrams
from wfst_asr.lm.scoring import require_sentence_marks


def sample_sentences(
    model: NGramModel, n: int, rng: np.random.Generator, *, max_words: int = 200, prefix: Sequence[str] = ()
) -> list[tuple[str, ...]]:
    """Draw n sentences, word by word from p(word | the words before), exactly.

    After a history h the listed words are drawn by their probabilities; with the probability that they leave, a word
    is drawn after h without its first word, again and again until it is none that is listed after h.  Where a model's
    probabilities do not quite sum to 1, the listed words have theirs and backing off has the rest.  `<unk>` is drawn
    like other words where the model lists it.

    Args:
        model: it lists `<s>` and `</s>`.
        n: number of sentences.
        rng: the same state gives the same sentences.
        max_words: sentences that reach this length are cut there; a shorter one ended by itself.
        prefix: words with which every sentence begins; they count as words.

    Returns:
        n sentences without their marks; a sentence may be empty.

    Raises:
        WfstAsrError: the model has no `<s>` or `</s>` or gives no word a probability; a word of the prefix that it does
            not list; a prefix that is not shorter than `max_words`.

    >>> from wfst_asr.lm.assemble import NGramRows, assemble_model
    >>> rows = [NGramRows(np.array([[0], [1], [2]], np.int32), np.log([1e-99, 0.5, 0.5]), np.zeros(3))]
    >>> model = assemble_model(["<s>", "</s>", "a"], rows).model
    >>> [" ".join(words) for words in sample_sentences(model, 4, np.random.default_rng(1))]
    ['a a', 'a', '', 'a']
    """
    from wfst_asr.lm._sampling_kernels import draw_sentence, following

    begin_id = require_sentence_marks(model)
    if n < 0 or max_words < 1:
        raise WfstAsrError(f"{n} sentences of at most {max_words} words cannot be drawn; give positive numbers")
    if len(prefix) >= max_words:
        raise WfstAsrError(f"the prefix has {len(prefix)} words; expected fewer than the limit of {max_words} words")
    for name in prefix:
        if name not in model.word_ids or name in ("<s>", "</s>"):
            raise WfstAsrError(f"the word '{name}' of the prefix is not in the vocabulary of the language model")
    ngrams = number_ngrams(model)
    log_prob = np.concatenate([[-np.inf], *(level.log_prob for level in model.levels)])
    backoff = np.concatenate([[0.0], *(level.backoff for level in model.levels)])
    mass_before = np.concatenate(([0.0], np.cumsum(np.where(ngrams.word == begin_id, 0.0, np.exp(log_prob)))))
    if not mass_before[1 + len(model.words)] > 0:
        raise WfstAsrError("the language model gives no word a probability above 0; there is nothing to draw")
    top = ngrams.offset[model.order - 1]
    history = following(ngrams.first_child, ngrams.suffix, ngrams.word, 0, begin_id, top)
    for name in prefix:
        history = following(ngrams.first_child, ngrams.suffix, ngrams.word, history, model.word_ids[name], top)
    room = np.empty(max_words - len(prefix), dtype=np.int32)
    chain = np.empty(model.order + 1, dtype=np.int64)
    sentences = []
    for _ in range(n):
        length = draw_sentence(
            ngrams.first_child,
            ngrams.suffix,
            ngrams.word,
            log_prob,
            backoff,
            mass_before,
            begin_id,
            model.word_ids["</s>"],
            history,
            top,
            chain,
            rng,
            room,
        )
        sentences.append((*prefix, *(model.words[word] for word in room[:length].tolist())))
    return sentences
