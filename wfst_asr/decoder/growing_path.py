"""GrowingPath: the best path of a search under way, traced back no further than it may still change.

All living tokens share the beginning of their paths.  What they share can change no more: it is settled, kept here, and
cut off from the search's own trace, so that the trace stays small and looking at the best path costs the same after an
hour as after a second.  The search of a lattice needs its whole trace, which then is left as it is.
"""

from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.beam import BeamSearch, SearchPath


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
    >>> path.word_ids, path.rest().word_ids, path.finish().arcs.tolist()
    ([1], (2,), [0, 1])
    """

    def __init__(self, search: BeamSearch) -> None:
        """Begin with a search that has settled nothing."""
        self.search = search
        self.ilabels = array("i")
        self.word_ids: list[int] = []
        self.label_frames: list[int] = []
        self._places: list[NDArray[np.int64]] = []
        self._num_arcs = 0

    @property
    def num_frames(self) -> int:
        """Frames settled."""
        return len(self.ilabels)

    def settle(self) -> None:
        """Settle what all living tokens share."""
        from wfst_asr.decoder import _stem_kernels

        search = self.search
        base, count = search._base, search._count
        trace = search._trace
        stem = _stem_kernels.shared_stem(trace.previous, base, count, np.zeros(base + count, np.uint8))
        places = self._places_to(stem)
        if search._links is None:
            trace.previous[stem] = 0
        if len(places) == 0:
            return
        end = self._labels(places)
        self._places.append(places)
        self._num_arcs += len(places)
        self.ilabels.frombytes(end.ilabels.tobytes())
        self.word_ids.extend(end.word_ids)
        self.label_frames.extend(end.label_frames)

    def rest(self) -> PathEnd:
        """Return the best path past what is settled, whether or not it may end where it stands."""
        search = self.search
        best = search._base + int(np.argmin(search._frontier.cost[: search._count]))
        return self._labels(self._places_to(best))

    def finish(self) -> SearchPath:
        """Return the whole of what `BeamSearch.finish` would, had nothing been cut off."""
        path = self.search.finish()
        if self.search._links is not None:
            return path
        return replace(path, arcs=np.concatenate([*self._places, path.arcs]))

    def relative_cost(self) -> float:
        """Return what the best path to a final state costs more than the best path; infinite if there is none.

        Kaldi: `LatticeFasterDecoder::FinalRelativeCost`.
        """
        search = self.search
        cost = search._frontier.cost[: search._count].astype(np.float64)
        final = search.graph.final_costs(search._frontier.target[: search._count])
        return float((cost + final).min() - cost.min())

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

    def _places_to(self, token: int) -> NDArray[np.int64]:
        """Return the arcs to a token past those that are settled, by their place in the const FST."""
        from wfst_asr.decoder import _trace_kernels

        addresses = _trace_kernels.trace_back(self.search._trace, token)
        return self.search.graph.places(addresses[self._num_arcs :] if self.search._links is not None else addresses)

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
