"""Silence probabilities that depend on the word (Chen, Xu, Hou, Povey and Khudanpur, Interspeech 2015)."""

import math
from dataclasses import dataclass

from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True)
class PronunciationSilence:
    """Silence around one pronunciation.

    Attributes:
        after: probability of silence after it, in (0, 1).
        before: factor on the pronunciation after silence, above 0.
        before_none: factor on the pronunciation where no silence is before it, above 0.
    """

    after: float
    before: float
    before_none: float

    def __post_init__(self) -> None:
        if not 0.0 < self.after < 1.0:
            raise WfstAsrError(
                f"probability of silence after a word is {self.after}; expected more than 0, less than 1"
            )
        for factor in (self.before, self.before_none):
            if not 0.0 < factor < math.inf:
                raise WfstAsrError(f"factor for silence before a word is {factor}; expected more than 0")


@dataclass(frozen=True)
class SilenceProbs:
    """Silence at the ends of a sentence and around every pronunciation (`silprob.txt` and `lexiconp_silprob.txt`).

    Attributes:
        begin: probability of silence before the first word, in (0, 1).
        end_after_silence: factor on the end of the sentence after silence, above 0.
        end_after_none: factor on the end of the sentence without silence, above 0.
        overall: probability of silence between words at large, in (0, 1].
        pronunciations: silence around each entry of the lexicon, in its order.
    """

    begin: float
    end_after_silence: float
    end_after_none: float
    overall: float
    pronunciations: tuple[PronunciationSilence, ...]

    def __post_init__(self) -> None:
        if not 0.0 < self.begin < 1.0:
            raise WfstAsrError(f"probability of silence after '<s>' is {self.begin}; expected more than 0, less than 1")
        if not 0.0 < self.overall <= 1.0:
            raise WfstAsrError(f"overall probability of silence is {self.overall}; expected (0, 1]")
        for factor in (self.end_after_silence, self.end_after_none):
            if not 0.0 < factor < math.inf:
                raise WfstAsrError(f"factor for silence before '</s>' is {factor}; expected more than 0")
