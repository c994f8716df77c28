"""Pronunciation and silence probabilities learned from how the words of a corpus were spoken.

Chen, Xu, Hou, Povey and Khudanpur, "Pronunciation and silence probability modeling for ASR", Interspeech 2015; Kaldi's
`steps/get_prons.sh` (the counts) and `utils/dict_dir_add_pronprobs.sh` (the probabilities).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from wfst_asr.errors import WfstAsrError
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lexicon.silence_probs import PronunciationSilence, SilenceProbs

Spoken = tuple[str, tuple[str, ...]]
"""A word and the phones it was spoken with."""

SENTENCE_START: Spoken = ("<s>", ())
SENTENCE_END: Spoken = ("</s>", ())

_SMOOTHING = 2.0  # lambda_2 and lambda_3 of the paper
_FLOOR, _CEILING = 0.01, 0.99


@dataclass(frozen=True)
class PronunciationCounts:
    """How often each pronunciation was spoken, beside which others, and beside silence.

    Sentence start and end count as pronunciations (`SENTENCE_START`, `SENTENCE_END`).

    Attributes:
        pairs: C(v ? w), how often w came after v, with or without silence between.
        silence_before: C(s w), how often silence was before.
        silence_after: C(v s), how often silence was after.
    """

    pairs: Mapping[tuple[Spoken, Spoken], int]
    silence_before: Mapping[Spoken, int]
    silence_after: Mapping[Spoken, int]

    @property
    def spoken(self) -> dict[Spoken, int]:
        """How often each pronunciation was spoken, in the order of first appearance."""
        counts: Counter[Spoken] = Counter()
        for (_, right), count in self.pairs.items():
            counts[right] += count
        del counts[SENTENCE_END]
        return dict(counts)

    def __add__(self, other: "PronunciationCounts") -> "PronunciationCounts":
        return PronunciationCounts(
            Counter(self.pairs) + Counter(other.pairs),
            Counter(self.silence_before) + Counter(other.silence_before),
            Counter(self.silence_after) + Counter(other.silence_after),
        )


def count_pronunciations(utterances: Iterable[Sequence[Spoken | None]]) -> PronunciationCounts:
    """Count pronunciations and the silence around them.

    Args:
        utterances: for each, its words as they were spoken, in order; None for silence.

    >>> no = ("no", ("N", "OW"))
    >>> counts = count_pronunciations([[None, no, no, None], [no]])
    >>> counts.spoken[no], counts.silence_before[no], counts.pairs[SENTENCE_START, no]
    (3, 1, 2)
    """
    pairs: Counter[tuple[Spoken, Spoken]] = Counter()
    before: Counter[Spoken] = Counter()
    after: Counter[Spoken] = Counter()
    for utterance in utterances:
        left, silent = SENTENCE_START, False
        for right in (*utterance, SENTENCE_END):
            if right is None:
                silent = True
                continue
            pairs[left, right] += 1
            if silent:
                after[left] += 1
                before[right] += 1
            left, silent = right, False
    return PronunciationCounts(pairs, before, after)


def learn_pronunciation_probs(lexicon: Lexicon, counts: PronunciationCounts, *, max_normalize: bool = True) -> Lexicon:
    """Return the lexicon with the probability of each pronunciation given its word, from counts plus one.

    p(b | w) = (C(w, b) + 1) / (C(w) + number of w's pronunciations); with `max_normalize` divided by the word's
    largest, so that no word is made less likely for having many.  A word that was never spoken keeps its probabilities.

    Raises:
        WfstAsrError: a pronunciation was counted that the lexicon has not.

    >>> lexicon = Lexicon.from_pairs([("a", "AH"), ("a", "EY"), ("b", "B IY")])
    >>> counts = count_pronunciations([[("a", ("AH",)), ("a", ("AH",)), ("a", ("AH",))]])
    >>> [entry.prob for entry in learn_pronunciation_probs(lexicon, counts).entries]
    [1.0, 0.25, 1.0]
    """
    spoken = counts.spoken
    known = {(entry.word, entry.phones) for entry in lexicon.entries}
    for word, phones in spoken:
        if (word, phones) not in known:
            raise WfstAsrError(
                f"word '{word}' was aligned as '{' '.join(phones)}', which the lexicon has not; give the lexicon that "
                "the lang directory of the alignments was made from"
            )
    totals: Counter[str] = Counter()
    largest: dict[str, int] = {}
    for entry in lexicon.entries:
        count = spoken.get((entry.word, entry.phones), 0)
        totals[entry.word] += count + 1
        largest[entry.word] = max(largest.get(entry.word, 0), count + 1)
    seen = {word for word, _ in spoken}
    entries = []
    for entry in lexicon.entries:
        if entry.word in seen:
            whole = largest[entry.word] if max_normalize else totals[entry.word]
            entry = replace(entry, prob=(spoken.get((entry.word, entry.phones), 0) + 1) / whole)
        entries.append(entry)
    return Lexicon(tuple(entries))


def learn_silence_probs(lexicon: Lexicon, counts: PronunciationCounts) -> SilenceProbs:
    """Return the probability of silence after each pronunciation, and the factors on it by what was before.

    P(s | w) = (C(w s) + 2 P(s)) / (C(w) + 2); F(s | w) = (C(s w) + 2) / (sum_v C(v ? w) P(s | v) + 2), and the same for
    no silence, n.  Nothing is below 0.01 and no probability above 0.99, as in Kaldi's script.  Unlike there, nothing is
    rounded to hundredths, and the sentence start is among the v with its own P(s | <s>), not with 0.

    Args:
        lexicon: the pronunciations, in whose order the result is.
        counts: of `count_pronunciations`.

    Raises:
        WfstAsrError: there are no counts.

    >>> lexicon = Lexicon.from_pairs([("no", "N OW")])
    >>> probs = learn_silence_probs(lexicon, count_pronunciations([[None, ("no", ("N", "OW"))]]))
    >>> probs.overall, round(probs.begin, 4), round(probs.pronunciations[0].after, 4)
    (0.5, 0.6667, 0.3333)
    """
    lefts: Counter[Spoken] = Counter()
    rights: Counter[Spoken] = Counter()
    for (left, right), count in counts.pairs.items():
        lefts[left] += count
        rights[right] += count
    places = sum(lefts.values())
    if not places:
        raise WfstAsrError("silence probabilities need at least one aligned utterance; there are none")
    overall = sum(counts.silence_before.values()) / places

    def after(left: Spoken) -> float:
        share = (counts.silence_after.get(left, 0) + _SMOOTHING * overall) / (lefts[left] + _SMOOTHING)
        return min(max(share, _FLOOR), _CEILING)

    silent: dict[Spoken, float] = {}  # expected counts of silence before
    for (left, right), count in counts.pairs.items():
        silent[right] = silent.get(right, 0.0) + count * after(left)

    def factors(right: Spoken) -> tuple[float, float]:
        with_silence, expected = counts.silence_before.get(right, 0), silent.get(right, 0.0)
        before = (with_silence + _SMOOTHING) / (expected + _SMOOTHING)
        without = (rights[right] - with_silence + _SMOOTHING) / (rights[right] - expected + _SMOOTHING)
        return max(before, _FLOOR), max(without, _FLOOR)

    keys = [(entry.word, entry.phones) for entry in lexicon.entries]
    return SilenceProbs(
        after(SENTENCE_START),
        *factors(SENTENCE_END),
        min(max(overall, _FLOOR), _CEILING),
        tuple(PronunciationSilence(after(key), *factors(key)) for key in keys),
    )
