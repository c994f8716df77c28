"""Candidate transcripts side by side: what the sound says, what texts say, and what a loser would need to win.

The score of a candidate is log p(labels | sound) + lm_weight * log p(words) + word_bonus * number of words; natural
logs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from wfst_asr.ctc.log_probs import check_log_probs
from wfst_asr.ctc.loss import ctc_log_prob, required_frames
from wfst_asr.errors import WfstAsrError

WordModel = Callable[[Sequence[str]], float]


@dataclass(frozen=True)
class Candidate:
    """A transcript to judge.

    Attributes:
        words: as the language model knows them.
        labels: its spelling in columns of the scores.
    """

    words: tuple[str, ...]
    labels: tuple[int, ...]

    @property
    def text(self) -> str:
        """The words, spaced."""
        return " ".join(self.words)


@dataclass(frozen=True)
class ScoredCandidate:
    """A candidate with its scores, natural logs.

    Attributes:
        candidate: what was judged.
        acoustic_logprob: of the labels, summed over their alignments.
        lm_logprob: of the words, without weight; 0 without a language model.
        score: what is ranked.
    """

    candidate: Candidate
    acoustic_logprob: float
    lm_logprob: float
    score: float

    @property
    def text(self) -> str:
        """The words, spaced."""
        return self.candidate.text


@dataclass(frozen=True)
class Overtaking:
    """What a loser would need to draw level with the winner, each thing alone.

    Attributes:
        gap: nats of score that it is behind; the sound would have to favour it by so much more, which is a factor of
            exp(gap) in probability.
        sound_gap: nats of acoustic log probability that it is behind; negative where the sound favours it.
        text_gap: nats of language-model log probability that it is behind, without weight; negative where texts
            favour it.
        lm_logprob: the language-model log probability that would do; None where no probability would (it is above 0).
        lm_weight: the weight at which the two draw; None where none does.
        wins_below: whether it wins at weights below that, or else above.
    """

    gap: float
    sound_gap: float
    text_gap: float
    lm_logprob: float | None
    lm_weight: float | None
    wins_below: bool


@dataclass(frozen=True)
class CandidateRanking:
    """Candidates, best first; of equal scores the one given first.

    Attributes:
        candidates: the winner is the first.
        lm_weight: factor on language-model log probabilities.
        word_bonus: added for every word.
        has_lm: whether there was a language model.
    """

    candidates: tuple[ScoredCandidate, ...]
    lm_weight: float
    word_bonus: float
    has_lm: bool

    @property
    def winner(self) -> ScoredCandidate:
        """The best one."""
        return self.candidates[0]

    def shares(self) -> list[float]:
        """Return the probability of each candidate if one of them was said and the score were exact."""
        scores = np.array([one.score for one in self.candidates])
        shares = np.exp(scores - scores[0])
        return [float(share) for share in shares / shares.sum()]

    def overtaking(self, place: int) -> Overtaking:
        """Tell what the candidate at a place (1 for the second best) would need to draw level with the winner."""
        best, loser = self.candidates[0], self.candidates[place]
        sound_gap = best.acoustic_logprob - loser.acoustic_logprob
        text_gap = best.lm_logprob - loser.lm_logprob if best.lm_logprob > -np.inf else 0.0
        words_gap = self.word_bonus * (len(best.candidate.words) - len(loser.candidate.words))
        lm_logprob = lm_weight = None
        if self.has_lm and self.lm_weight > 0 and sound_gap < np.inf:
            needed = best.lm_logprob + (sound_gap + words_gap) / self.lm_weight
            lm_logprob = needed if needed <= 0 else None
        if self.has_lm and text_gap and np.isfinite(text_gap) and np.isfinite(sound_gap):
            crossing = -(sound_gap + words_gap) / text_gap
            lm_weight = crossing if crossing >= 0 else None
        return Overtaking(best.score - loser.score, sound_gap, text_gap, lm_logprob, lm_weight, text_gap > 0)


def rank_candidates(
    log_probs: ArrayLike,
    candidates: Sequence[Candidate],
    *,
    blank: int = 0,
    language_model: WordModel | None = None,
    lm_weight: float = 1.0,
    word_bonus: float = 0.0,
) -> CandidateRanking:
    """Score candidates by sound and by text, and rank them.

    Args:
        log_probs: (T, V) natural-log probabilities.
        candidates: transcripts to judge.
        blank: column of the blank.
        language_model: words -> natural log of the probability of the sentence; -inf where it rules it out.
        lm_weight: factor on it, 0 or more.
        word_bonus: added for every word.

    Raises:
        WfstAsrError: as `ctc_log_prob`; no candidate, or none that is possible; a negative weight.

    >>> scores = np.log([[.1, .5, .4], [.8, .1, .1]])  # columns: blank, E, U
    >>> often_u = lambda words: float(np.log(.9 if words == ("U",) else .1))
    >>> both = [Candidate(("E",), (1,)), Candidate(("U",), (2,))]
    >>> ranking = rank_candidates(scores, both, language_model=often_u)
    >>> [one.text for one in ranking.candidates], round(ranking.overtaking(1).lm_weight, 2)
    (['U', 'E'], 0.1)
    """
    if not candidates:
        raise WfstAsrError("no candidate to rank; give some transcripts")
    if not 0 <= lm_weight < np.inf:
        raise WfstAsrError(f"lm_weight is {lm_weight}; expected 0 or more")
    checked = check_log_probs(log_probs, blank=blank)
    scored = []
    for candidate in candidates:
        try:
            acoustic = ctc_log_prob(checked, candidate.labels, blank=blank)
        except WfstAsrError as error:
            raise WfstAsrError(f"candidate '{candidate.text}': {error}") from error
        text = float(language_model(candidate.words)) if language_model else 0.0
        weighed = lm_weight * text if lm_weight else 0.0
        scored.append(
            ScoredCandidate(candidate, acoustic, text, acoustic + weighed + word_bonus * len(candidate.words))
        )
    ranked = sorted(scored, key=lambda one: -one.score)
    if ranked[0].score == -np.inf:
        _refuse_all(ranked, len(checked))
    return CandidateRanking(tuple(ranked), lm_weight, word_bonus, language_model is not None)


def _refuse_all(candidates: Sequence[ScoredCandidate], num_frames: int) -> None:
    heard = [one for one in candidates if one.acoustic_logprob > -np.inf]
    if heard:
        raise WfstAsrError(f"the language model rules out every candidate, such as '{heard[0].text}'; it has no <unk>")
    needed = min(required_frames(one.candidate.labels) for one in candidates)
    why = f"they need {needed} frames or more" if needed > num_frames else "their letters have probability 0"
    raise WfstAsrError(f"no candidate is possible in these {num_frames} frames: {why}")


def explain_loss(ranking: CandidateRanking, place: int) -> str:
    """Say in a few lines why the candidate at a place loses, and what it would take to win, each thing alone."""
    best, loser = ranking.winner, ranking.candidates[place]
    need = ranking.overtaking(place)
    if loser.acoustic_logprob == -np.inf:
        return f"{loser.text} is impossible in this recording: it needs more frames, or letters with probability 0"
    behind = f"loses to {best.text}" + (f" by {need.gap:.2f}" if need.gap < np.inf else "")
    lines = [f"{loser.text} {behind if need.gap else f'draws with {best.text}'}"]
    lines.append(f"  sound {_favours(need.sound_gap, best.text, loser.text)}")
    if ranking.has_lm:
        lines.append(f"  text {_favours(need.text_gap, best.text, loser.text)}; its weight is {ranking.lm_weight:g}")
    ways, vain = _ways_to_win(ranking, loser, need)
    if ways:
        lines += ["  any one of these would let it win:", *(f"    {way}" for way in ways)]
    lines += [f"  {way}" for way in vain]
    return "\n".join(lines)


def _ways_to_win(ranking: CandidateRanking, loser: ScoredCandidate, need: Overtaking) -> tuple[list[str], list[str]]:
    """Return what would let a loser win, each alone, and what would not."""
    ways: list[str] = []
    vain: list[str] = []
    if need.gap == 0:
        return ways, vain
    if need.gap < np.inf:
        ways.append(f"sound better by {need.gap:.2f} ({_times(need.gap)} as probable)")
    if ranking.has_lm and need.lm_logprob is not None:
        rise = need.lm_logprob - loser.lm_logprob
        times = f" ({_times(rise)} as frequent)" if rise < np.inf else ""
        ways.append(f"text log probability {need.lm_logprob:.2f} instead of {loser.lm_logprob:.2f}{times}")
    elif ranking.has_lm and ranking.lm_weight > 0:
        vain.append("no text would let it win, were it certain")
    if need.lm_weight is not None:
        ways.append(f"language-model weight {'below' if need.wins_below else 'above'} {need.lm_weight:.3g}")
    elif ranking.has_lm:
        vain.append("no language-model weight would let it win")
    return ways, vain


def _favours(gap: float, best: str, loser: str) -> str:
    if gap == 0:
        return "favours neither"
    if np.isinf(gap):
        return f"has {best} and never {loser}"
    return f"favours {best if gap > 0 else loser} by {abs(gap):.2f} ({_times(abs(gap))})"


def _times(nats: float) -> str:
    factor = np.exp(min(nats, 700.0))
    if factor < 999.5:
        return f"{factor:.3g} times"
    return f"{factor:,.0f} times" if factor < 1e7 else f"{factor:.0e} times"
