"""DecodeOptions: the dials of the search, with Kaldi's names and meaning."""

import math
from dataclasses import dataclass

from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True)
class DecodeOptions:
    """Dials of the beam search (Kaldi: `LatticeFasterDecoderConfig`).

    Attributes:
        beam: tokens worse than the frame's best by more than this cost are dropped; infinity searches exactly.
        max_active: at most about this many tokens are expanded a frame; None for no limit.
        min_active: at least this many are expanded, beam or not.
        beam_delta: added to the beam that max_active or min_active imply, for the frame that follows.
        lattice_beam: where a lattice is asked for, it holds what is on a path at most this much costlier than the best.
        prune_interval: frames between prunings of what a lattice search keeps; changes memory and time only.
        max_memory_mb: a search whose tokens need more than about this stops with an error.
        acoustic_scale: factor on the scores; None takes the graph's manifest's, or 1 where it has none.
        skip_blank: with graphs of CTC, runs of frames in which the blank has at least this probability are searched as
            one frame (`decoder.blank_skipping`); usual is 0.98.  None searches frame by frame.

    Raises:
        WfstAsrError: a value out of range.

    >>> DecodeOptions(beam=10.0).max_active
    7000
    """

    beam: float = 13.0
    max_active: int | None = 7000
    min_active: int = 200
    beam_delta: float = 0.5
    lattice_beam: float = 8.0
    prune_interval: int = 25
    max_memory_mb: float = 4096.0
    acoustic_scale: float | None = None
    skip_blank: float | None = None

    def __post_init__(self) -> None:
        if not self.beam > 0:
            raise WfstAsrError(f"beam {self.beam}, expected a number above 0; usual are 8 to 16")
        if self.max_active is not None and self.max_active < 1:
            raise WfstAsrError(f"max_active {self.max_active}, expected at least 1, or None for no limit")
        if self.min_active < 0:
            raise WfstAsrError(f"min_active {self.min_active}, expected 0 or more")
        if self.max_active is not None and self.min_active > self.max_active:
            raise WfstAsrError(f"min_active {self.min_active} is above max_active {self.max_active}; lower it")
        if not self.beam_delta > 0:
            raise WfstAsrError(f"beam_delta {self.beam_delta}, expected a number above 0; usual is 0.5")
        if not self.lattice_beam >= 0:
            raise WfstAsrError(f"lattice_beam {self.lattice_beam}, expected a number of at least 0; usual are 6 to 10")
        if self.prune_interval < 1:
            raise WfstAsrError(f"prune_interval {self.prune_interval}, expected at least 1; usual is 25")
        if not self.max_memory_mb >= 1:
            raise WfstAsrError(f"max_memory_mb {self.max_memory_mb}, expected at least 1; usual is 4096")
        scale = self.acoustic_scale
        if scale is not None and not (scale > 0 and math.isfinite(scale)):
            raise WfstAsrError(f"acoustic_scale {scale}, expected a number above 0")
        if self.skip_blank is not None and not 0.5 < self.skip_blank <= 1:
            raise WfstAsrError(
                f"skip_blank {self.skip_blank}, expected a probability above 0.5 and up to 1; usual is 0.98"
            )


def exact_options(*, acoustic_scale: float | None = None) -> DecodeOptions:
    """Return the dials with which the beam search and its lattices prune nothing."""
    return DecodeOptions(
        beam=math.inf, max_active=None, min_active=0, lattice_beam=math.inf, acoustic_scale=acoustic_scale
    )
