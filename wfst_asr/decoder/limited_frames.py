"""LimitedFrames: whether max_active, not the beam, decides what the searches of a graph follow, told once a graph."""

import math
import warnings
from dataclasses import dataclass, field

from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.errors import WfstAsrWarning

_ENOUGH_FRAMES = 100


@dataclass
class LimitedFrames:
    """Counts over the searches of a graph.

    Attributes:
        frames: searched.
        limited: of these, in which max_active was tighter than the beam.
    """

    frames: int = 0
    limited: int = 0
    _untold: list[bool] = field(default_factory=lambda: [True], repr=False)

    def add(self, frames: int, limited: int, options: DecodeOptions, *, stacklevel: int = 3) -> None:
        """Count the frames of a search that is done; warn, once, when most of all frames were limited.

        A beam without limit says that max_active is meant to decide, so that such searches are not counted.
        """
        if options.max_active is None or not math.isfinite(options.beam):
            return
        self.frames += frames
        self.limited += limited
        if self.frames < _ENOUGH_FRAMES or 2 * self.limited <= self.frames:
            return
        try:
            self._untold.pop()  # of several threads one tells
        except IndexError:
            return
        warnings.warn(
            f"max_active {options.max_active} cut the beam {options.beam:g} in {self.limited} of {self.frames} frames "
            "so far; a smaller beam gives the same words in the same time, a larger max_active a wider search",
            WfstAsrWarning,
            stacklevel=stacklevel,
        )
