"""GrowingPath: the best path of a search under way, traced back no further than it may still change.

All living tokens share the beginning of their paths.  What they share can change no more: it is settled, kept here, and
cut off from the search's own trace, so that the trace stays small and looking at the best path costs the same after an
hour as after a second.  The search of a lattice needs its whole trace, which then is left as it is.
"""

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.beam import BeamSearch


@dataclass(frozen=True)
class PathEnd:
    """Labels at the end of a path.

    Attributes:
        ilabels: (T,) input labels, one a frame.
        word_ids: output labels.
        label_frames: frame at which each output label stands, counted from the path's beginning.
    """

    ilabels: NDArray[np.int32]
    word_ids: tuple[int, ...]
    label_frames: tuple[int, ...]


class GrowingPath:
    """The best path of a search; it may be asked for at any frame, and the search goes on afterwards.

    >>> from wfst_asr.decoder.search_graph import make_search_graph
    >>> from wfst_asr.fst.arcs import arc_table
    >>> loop = arc_table(1, [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)], finals={0: 0.0})
    >>> search = BeamSearch(make_search_graph(loop, [-1, 0, 1]))
    >>> path = GrowingPath(search)
    >>> search.advance([[-1.0, -9.0]])
    >>> path.settle(), path.num_frames, path.rest().word_ids
    (None, 1, ())
    >>> search.advance([[-9.0, -1.0]])
    >>> path.word_ids, path.rest().word_ids, search.finish().arcs.tolist()
    ([1], (2,), [0, 1])
    """

    def __init__(self, search: BeamSearch) -> None:
        """Begin with a search that has settled nothing."""
        self.search = search
        self.ilabels = array("i")
        self.word_ids: list[int] = []
        self.label_frames: list[int] = []

    @property
    def num_frames(self) -> int:
        """Frames settled."""
        return len(self.ilabels)

    def settle(self) -> None:
        """Settle what all living tokens share."""
        places = self.search.settle()
        if len(places) == 0:
            return
        end = self._labels(places)
        self.ilabels.frombytes(end.ilabels.tobytes())
        self.word_ids.extend(end.word_ids)
        self.label_frames.extend(end.label_frames)

    def rest(self) -> PathEnd:
        """Return the best path past what is settled, whether or not it may end where it stands."""
        return self._labels(self.search.unsettled())

    def trailing(self, wanted: NDArray[np.bool_]) -> int:
        """Return how many frames at the end of the best path have labels that are `wanted` (L,)."""
        rest = self.rest().ilabels
        others = np.flatnonzero(~wanted[rest])
        if len(others):
            return len(rest) - 1 - int(others[-1])
        frames = len(rest)
        block = 256
        for stop in range(len(self.ilabels), 0, -block):
            part = np.array(self.ilabels[max(stop - block, 0) : stop], dtype=np.int32)
            others = np.flatnonzero(~wanted[part])
            if len(others):
                return frames + len(part) - 1 - int(others[-1])
            frames += len(part)
        return frames

    def _labels(self, places: NDArray[np.int64]) -> PathEnd:
        arcs = self.search.graph.arcs[places]
        emitting = arcs["ilabel"] != 0
        labelled = np.flatnonzero(arcs["olabel"])
        # the frame that a label's arc consumes, or for an epsilon arc the one that comes next
        consumed = self.num_frames + np.cumsum(emitting)[labelled] - emitting[labelled]
        return PathEnd(
            np.ascontiguousarray(arcs["ilabel"][emitting], dtype=np.int32),
            tuple(arcs["olabel"][labelled].tolist()),
            tuple(consumed.tolist()),
        )
