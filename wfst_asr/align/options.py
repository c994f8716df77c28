"""AlignOptions: the dials of forced alignment, with Kaldi's names and meaning."""

import math
from dataclasses import dataclass

from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True)
class AlignOptions:
    """Dials of forced alignment (Kaldi: `AlignConfig` and the scales of `gmm-align-compiled`).

    Attributes:
        beam: partial paths worse than the frame's best by more than this cost are dropped; infinity searches exactly.
        retry_beam: beam of a second try where the first does not reach the end; none if it is not above `beam`.
        acoustic_scale: factor on the scores.
        transition_scale: factor on the log probabilities of transitions other than self-loops.
        self_loop_scale: factor on the log probabilities of self-loops and of leaving them.

    Raises:
        WfstAsrError: a value out of range.

    >>> AlignOptions(beam=6.0).retry_beam
    40.0
    """

    beam: float = 10.0
    retry_beam: float = 40.0
    acoustic_scale: float = 0.1
    transition_scale: float = 1.0
    self_loop_scale: float = 0.1

    def __post_init__(self) -> None:
        if not self.beam > 0:
            raise WfstAsrError(f"beam {self.beam}, expected a number above 0; usual are 6 to 15")
        if not self.retry_beam >= 0:
            raise WfstAsrError(f"retry_beam {self.retry_beam}, expected more than the beam, or 0 for no second try")
        for name in ("acoustic_scale", "transition_scale", "self_loop_scale"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise WfstAsrError(f"{name} {value}, expected a number of at least 0")
