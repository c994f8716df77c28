"""The triphones of a PocketSphinx model as a context dependency over phones with word positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.sphinx.mdef import BEGIN, END, INTERNAL, SINGLE, ModelDefinition

_SUFFIXES = (("_B", BEGIN), ("_E", END), ("_I", INTERNAL), ("_S", SINGLE))


@dataclass(frozen=True)
class SphinxContext:
    """Triphones by left phone, phone and right phone, where a phone's name ends in its position in the word.

    Phones: silence and the other fillers once each ("SIL", "+NSN+"), silence first; then every other base phone four
    times: "AA_B" begins a word, "AA_E" ends it, "AA_I" lies inside, "AA_S" is a word of one phone.  Ids are 1-based.
    A ContextDependency with N = 3 and P = 1.

    Attributes:
        mdef: the model definition.
    """

    mdef: ModelDefinition

    @property
    def context_width(self) -> int:
        return 3

    @property
    def central_position(self) -> int:
        return 1

    @property
    def num_pdfs(self) -> int:
        return self.mdef.num_senones

    @cached_property
    def _inventory(self) -> tuple[tuple[str, int, int], ...]:
        """(name, base phone, word position) of each phone in the order of ids."""
        fillers = np.flatnonzero(self.mdef.is_filler).tolist()
        fillers.sort(key=lambda phone: phone != self.mdef.silence)
        result = [(self.mdef.ci_phones[phone], phone, SINGLE) for phone in fillers]
        for phone in np.flatnonzero(~self.mdef.is_filler).tolist():
            result += [(self.mdef.ci_phones[phone] + suffix, phone, position) for suffix, position in _SUFFIXES]
        return tuple(result)

    @cached_property
    def phones(self) -> tuple[str, ...]:
        """Names in the order of ids; phone id i is `phones[i - 1]`."""
        return tuple(name for name, _, _ in self._inventory)

    @cached_property
    def phone_ids(self) -> dict[str, int]:
        """Ids (1-based) by name."""
        return {name: i for i, name in enumerate(self.phones, start=1)}

    @cached_property
    def base_of_phone(self) -> NDArray[np.int32]:
        """(phones + 1,) base phone in the mdef by phone id; entry 0, no phone, is silence (-1 without silence)."""
        return np.array([self.mdef.silence, *(base for _, base, _ in self._inventory)], dtype=np.int32)

    @cached_property
    def wpos_of_phone(self) -> NDArray[np.int32]:
        """(phones + 1,) word position by phone id: 0 internal, 1 begin, 2 end, 3 single; fillers are single."""
        return np.array([SINGLE, *(position for _, _, position in self._inventory)], dtype=np.int32)

    @cached_property
    def left_class(self) -> NDArray[np.int32]:
        """(phones + 1,) class of each phone as a left context; phones of a class give every window the same HMM.

        Class 0 is silence, all fillers and no phone; the others are the base phones.
        """
        base = self.base_of_phone
        if self.mdef.silence >= 0:
            base = np.where(self.mdef.is_filler[base], self.mdef.silence, base)
        values = [int(base[0]), *(int(value) for value in np.unique(base) if value != base[0])]
        class_ids = np.zeros(len(self.mdef.ci_phones) + 1, dtype=np.int32)
        class_ids[values] = np.arange(len(values))
        return class_ids[base]

    @property
    def right_class(self) -> NDArray[np.int32]:
        """(phones + 1,) class of each phone as a right context; the same as on the left."""
        return self.left_class

    @property
    def num_classes(self) -> int:
        """Number of context classes."""
        return int(self.left_class.max()) + 1

    def window_hmms(self, windows: ArrayLike) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the senone sequence id and the transition matrix id of each window.

        Args:
            windows: (W, 3) phone ids (left, central, right); 0, no phone, only left and right: silence.

        Raises:
            WfstAsrError: a phone id is out of range, or a central phone is 0.
        """
        ids = np.asarray(windows, dtype=np.int64)
        if ids.ndim != 2 or ids.shape[1] != 3:
            raise WfstAsrError(f"context windows of shape {ids.shape}; expected (windows, 3)")
        if ids.size and (ids.min() < 0 or ids.max() > len(self.phones) or ids[:, 1].min() < 1):
            raise WfstAsrError(f"a context window has a phone id outside 1 to {len(self.phones)}, or no central phone")
        base = self.base_of_phone[ids]
        return self.mdef.window_hmms(base[:, 1], base[:, 0], base[:, 2], self.wpos_of_phone[ids[:, 1]])

    def senones(self, ssid: ArrayLike) -> NDArray[np.int32]:
        """Return the senones (pdf-ids) of senone sequences, (..., states)."""
        return np.asarray(self.mdef.sequences[np.asarray(ssid)])

    def pdf_id(self, window: Sequence[int], pdf_class: int) -> int:
        """Return the senone of one HMM state of a window.

        Args:
            window: (left, central, right) phone ids; 0, no phone, counts as silence.
            pdf_class: 0-based HMM state.

        Raises:
            WfstAsrError: a phone id or the state is out of range.
        """
        if not 0 <= pdf_class < self.mdef.num_states:
            raise WfstAsrError(f"pdf-class {pdf_class}; the phones of the model have {self.mdef.num_states} states")
        ssid, _ = self.window_hmms([tuple(window)])
        return int(self.mdef.sequences[ssid[0], pdf_class])
