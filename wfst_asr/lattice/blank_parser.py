"""Words among the tokens of a CTC path: blanks inside a word are the word's, those between words are silences."""

import numpy as np
from numpy.typing import NDArray

from wfst_asr.lattice.word_parsers import Step, WordParser

BLANK_PHONE, BLANK_STATE = 0, -1  # what a graph's input labels say of the blank


def has_blank(input_labels: NDArray[np.void]) -> bool:
    """Tell whether a label other than epsilon is CTC's blank."""
    told = input_labels[1:]
    return bool(np.any((told["phone"] == BLANK_PHONE) & (told["hmm_state"] == BLANK_STATE)))


class BlankParser:
    """Lets another parser see a path without its blanks."""

    def __init__(self, inner: WordParser) -> None:
        """Take the parser of what is not blank."""
        self._inner = inner

    def first_step(self, phones: tuple[int, ...], words: tuple[int, ...], *, ended: bool, at_end: bool) -> Step | None:
        """Return the step that comes first; a blank that no word has begun before is a silence of its own."""
        if phones and phones[0] == BLANK_PHONE:
            return Step(is_word=False, phones=1) if len(phones) > 1 or ended or at_end else None
        spoken = [place for place, phone in enumerate(phones) if phone != BLANK_PHONE]
        over = ended or (len(phones) > 0 and phones[-1] == BLANK_PHONE)
        step = self._inner.first_step(tuple(phones[place] for place in spoken), words, ended=over, at_end=at_end)
        if step is None or step.phones == 0:
            return step
        return Step(step.is_word, spoken[step.phones - 1] + 1)

    def whole(self, phones: tuple[int, ...], word: int) -> bool:
        """Tell whether phones are all of a word, its blanks inside, or of a silence or one blank for word 0."""
        if word == 0 and phones == (BLANK_PHONE,):
            return True
        if BLANK_PHONE in (phones[:1] + phones[-1:]):
            return False
        return self._inner.whole(tuple(phone for phone in phones if phone != BLANK_PHONE), word)
