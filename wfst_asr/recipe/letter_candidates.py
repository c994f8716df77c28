"""Candidate transcripts of CTC scores, given or found by prefix search, judged by sound and by a language model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from wfst_asr.ctc.candidates import Candidate, CandidateRanking, WordModel, rank_candidates
from wfst_asr.ctc.prefix_search import PrefixSearchOptions, prefix_search
from wfst_asr.ctc.tokens import CtcTokens
from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.backoff import NGramModel

DEFAULT_NUM_CANDIDATES = 10


@dataclass(frozen=True)
class JudgedCandidates:
    """A ranking, and what the language model had to do without.

    Attributes:
        ranking: the candidates with their scores, best first.
        unknown: words that the language model does not list; it takes them for `<unk>`, or, where it has none, for
            impossible.
    """

    ranking: CandidateRanking
    unknown: tuple[str, ...]


def judge_candidates(
    log_probs: ArrayLike,
    tokens: CtcTokens,
    texts: Iterable[str] | None = None,
    *,
    model: NGramModel | None = None,
    lm_weight: float = 1.0,
    word_bonus: float = 0.0,
    num_candidates: int = DEFAULT_NUM_CANDIDATES,
    options: PrefixSearchOptions | None = None,
) -> JudgedCandidates:
    """Rank candidates of a recording by log p(letters | sound) + lm_weight * log p(words) + word_bonus * words.

    Args:
        log_probs: (T, V) natural-log probabilities.
        tokens: the columns by name.
        texts: the candidates, words between spaces; each once.  None takes the n-best list of a prefix search.
        model: of words; it is asked for each word as it is written, or else, where it does not list it so, in small
            letters or capitals.
        lm_weight: factor on the model's log probabilities.
        word_bonus: added for every word.
        num_candidates: length of the n-best list.
        options: of the prefix search.

    Raises:
        WfstAsrError: as `rank_candidates` and `CtcTokens.labels_of`; a model without `<s>` or `</s>`.
    """
    if texts is None:
        found = prefix_search(log_probs, options, blank=tokens.blank, nbest=num_candidates)
        spelled: dict[str, tuple[int, ...]] = {}
        for (
            one
        ) in found:  # texts that differ in boundaries between words alone are one candidate, spelled the likelier way
            spelled.setdefault(tokens.text_of(one.labels), one.labels)
        candidates = [Candidate(tuple(text.split()), labels) for text, labels in spelled.items()]
    else:
        candidates = [Candidate(tuple(text.split()), tokens.labels_of(text)) for text in dict.fromkeys(texts)]
        if not candidates:
            raise WfstAsrError(
                "no candidate to rank; give some transcripts, or none at all for those of a prefix search"
            )
    ranking = rank_candidates(
        log_probs,
        candidates,
        blank=tokens.blank,
        language_model=sentence_model(model) if model else None,
        lm_weight=lm_weight,
        word_bonus=word_bonus,
    )
    words = dict.fromkeys(word for candidate in candidates for word in candidate.words)
    unknown = tuple(word for word in words if _known(model, word) is None) if model else ()
    return JudgedCandidates(ranking, unknown)


def sentence_model(model: NGramModel) -> WordModel:
    """Return the function of words that gives the natural log of their probability as a sentence, its end counted.

    Words that the model does not list as they are written are looked up in small letters, then in capitals.
    """
    from wfst_asr.lm.scoring import score_sentences

    def log_prob(words: Sequence[str]) -> float:
        return float(score_sentences(model, [[_known(model, word) or word for word in words]])[0])

    return log_prob


def _known(model: NGramModel, word: str) -> str | None:
    return next((form for form in (word, word.lower(), word.upper()) if form in model.word_ids), None)
