"""BeamSearch: the fast search, begun, advanced by chunks of frames, and finished.

Time-synchronous Viterbi search with Kaldi's pruning (`LatticeFasterDecoder`, one best path): in each frame the tokens
within the beam (and within max_active) are expanded along emitting arcs, then along epsilon arcs, level by level.
Costs are float32, re-centred on the best token in every frame; one back-pointer a token, those that no living token
needs are collected when their buffer is full, so that memory does not grow with the length of the audio.
For lattices (`lattice_beam.py`) the other arcs into tokens are kept as well, within the lattice beam.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.acoustic_scores import check_scores
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError

_FIRST_CAPACITY = 1 << 14
_TRACE = 8  # times as large is the trace at first; larger buffers cost short recordings more than they save long ones
_NO_LIMIT = 1 << 60
_FRAMES_AT_ONCE = 256
_ROUNDING = 0.01


class NoPathError(WfstAsrError):
    """No path of the graph goes through the frames, for the scores given."""


@dataclass(frozen=True)
class SearchCounts:
    """What a search did, summed over its frames.

    Attributes:
        frames: frames searched.
        tokens: tokens that stood at the beginnings of the frames.
        emitting_arcs: emitting arcs followed.
        epsilon_arcs: epsilon arcs followed.
        frames_limited: frames in which max_active was tighter than the beam.
        most_tokens: the largest number of tokens of a frame.
    """

    frames: int
    tokens: int
    emitting_arcs: int
    epsilon_arcs: int
    frames_limited: int
    most_tokens: int


@dataclass(frozen=True)
class SearchPath:
    """The best path of a search.

    Attributes:
        arcs: (N,) its arcs by their place in the const FST.
        cost: total cost: graph, final cost if reached_final, and scaled acoustic cost.
        final_cost: cost of ending in its last state; 0 if no final state was reached.
        reached_final: whether a token stands in a final state; if not, this is the best path so far.
    """

    arcs: NDArray[np.int64]
    cost: float
    final_cost: float
    reached_final: bool


class BeamSearch:
    """A search under way; it owns its buffers, and one graph serves any number of searches and threads.

    >>> from wfst_asr.decoder.search_graph import make_search_graph
    >>> from wfst_asr.fst.arcs import arc_table
    >>> loop = arc_table(1, [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)], finals={0: 0.0})
    >>> search = BeamSearch(make_search_graph(loop, [-1, 0, 1]))
    >>> search.advance([[-1.0, -9.0]])
    >>> search.advance([[-9.0, -1.0]])
    >>> search.finish().arcs.tolist(), search.finish().cost
    ([0, 1], 3.5)
    """

    def __init__(self, graph: SearchGraph, options: DecodeOptions | None = None, *, keep_lattice: bool = False) -> None:
        """Begin a search; `keep_lattice` keeps what `lattice_beam.raw_lattice` makes a lattice of."""
        from wfst_asr.decoder import _frontier_kernels, _kernels, _link_kernels

        self.graph = graph
        self.options = options or DecodeOptions()
        chosen = self.options.acoustic_scale
        self.acoustic_scale = chosen if chosen is not None else graph.acoustic_scale
        layout = graph.layout
        self._words = layout.words
        self._costs = layout.words.view(np.float32)
        self._shift = np.uint32(layout.code_shift)
        codes = 1 << (32 - layout.code_shift)
        self._beam = np.float32(self.options.beam)
        trace_size = _TRACE * _FIRST_CAPACITY
        self._links: _link_kernels.Links | None = None
        if keep_lattice:
            # float32 costs are rounded, so that a little more is kept, and the lattice pruned exactly
            wider = self.options.lattice_beam + _ROUNDING
            self._links = _link_kernels.make_links(wider, self.options.prune_interval, trace_size)
        begun = _kernels.begin_search(
            self._words,
            self._costs,
            np.uint32(layout.start),
            self._shift,
            codes,
            self._beam,
            _FIRST_CAPACITY,
            trace_size,
            self._links,
        )
        self._frontier, self._count, self._trace, self._table, epsilon_arcs, self._links = begun
        self._spare = _frontier_kernels.make_frontier(_FIRST_CAPACITY, codes)
        self._base = 1
        self._offset = 0.0
        self._frames = 0
        self._tally = np.zeros(5, np.int64)
        self._tally[2] = epsilon_arcs

    @property
    def frames(self) -> int:
        """Frames searched so far."""
        return self._frames

    @property
    def counts(self) -> SearchCounts:
        """What the search did so far."""
        return SearchCounts(self._frames, *(int(n) for n in self._tally))

    def advance(self, scores: Any) -> None:
        """Search through the next frames; the result does not depend on how the frames are cut into chunks.

        Args:
            scores: (T, P) acoustic scores, see `acoustic_scores.check_scores`.

        Raises:
            WfstAsrError: scores that are not in order; NoPathError where no path goes through a frame.
        """
        names = self.graph.manifest.column_names if self.graph.manifest else ""
        self.advance_checked(check_scores(scores, self.graph.num_columns, column_names=names, first_frame=self._frames))

    def advance_checked(self, scores: NDArray[np.float32]) -> None:
        """`advance` for scores that `check_scores` returned."""
        for at in range(0, len(scores), _FRAMES_AT_ONCE):  # so that Ctrl-C is heard now and then
            self._advance(scores[at : at + _FRAMES_AT_ONCE])

    def _advance(self, scores: NDArray[np.float32]) -> None:
        from wfst_asr.decoder import _kernels

        most = self.options.max_active
        advanced = _kernels.advance_search(
            self._words,
            self._costs,
            self._shift,
            scores,
            np.float32(self.acoustic_scale),
            self._beam,
            _NO_LIMIT if most is None else most,
            self.options.min_active,
            np.float32(self.options.beam_delta),
            self._frontier,
            self._spare,
            self._base,
            self._count,
            self._trace,
            self._table,
            self._offset,
            self._tally,
            self._links,
        )
        (self._frontier, self._spare, self._base, self._count) = advanced[:4]
        (self._trace, self._table, self._offset, frames, self._links) = advanced[4:]
        self._frames += frames
        if frames < len(scores):
            raise NoPathError(
                f"no path goes through frame {self._frames}: "
                + (
                    "all its scores are -inf; check the acoustic model"
                    if np.isneginf(scores[frames]).all()
                    else "the graph ends before it, or its scores are -inf wherever a path leads"
                )
            )

    def finish(self) -> SearchPath:
        """Return the best path of the frames so far: to a final state if one was reached, else the best of all."""
        from wfst_asr.decoder import _trace_kernels

        cost = self._frontier.cost[: self._count].astype(np.float64)
        final = self.graph.final_costs(self._frontier.target[: self._count])
        reached = bool(np.isfinite(final).any())
        slot = int(np.argmin(cost + final if reached else cost))
        addresses = _trace_kernels.trace_back(self._trace, self._base + slot)
        final_cost = float(final[slot]) if reached else 0.0
        return SearchPath(
            arcs=self.graph.places(addresses),
            cost=self._offset + float(cost[slot]) + final_cost,
            final_cost=final_cost,
            reached_final=reached,
        )

    def kept(self) -> "KeptTokens":
        """Return what a search with `keep_lattice` keeps."""
        if self._links is None:
            raise WfstAsrError("the search keeps no lattice; begin it with keep_lattice=True")
        return KeptTokens(self._links, self._trace, self._base, self._count, self._frontier)


@dataclass(frozen=True)
class KeptTokens:
    """The tokens of a lattice search: links, trace, and the newest frame (its first token, their number, costs)."""

    links: Any
    trace: Any
    base: int
    count: int
    frontier: Any
