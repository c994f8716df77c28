"""BeamSearch: the fast search, begun, advanced by chunks of frames, and finished.

Time-synchronous Viterbi search with Kaldi's pruning (`LatticeFasterDecoder`, one best path): in each frame the tokens
within the beam (and within max_active) are expanded along emitting arcs, then along epsilon arcs, level by level.
Costs are float32, re-centred on the best token in every frame; one back-pointer a token, those that no living token
needs are collected when their buffer is full, so that memory does not grow with the length of the audio.
For lattices (`lattice_beam.py`) the other arcs into tokens are kept as well, within the lattice beam.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.acoustic_scores import check_scores
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_counts import FrameStatistics, SearchCounts
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError

_FIRST_CAPACITY = 1 << 14
_TRACE = 64  # times as large is the trace at first
_MOST_ROOM = 1 << 29  # bytes of buffers that are kept for later searches
_NO_LIMIT = 1 << 60
_FRAMES_AT_ONCE = 256
_ROUNDING = 0.01
# of a token, what it needs in all with buffers that may be twice as large as they are full
_TOKEN_BYTES, _LATTICE_TOKEN_BYTES = 60, 120
_ENOUGH = 1 << 22  # tokens and links since the last pruning that make another one worth its time


class SearchMemoryError(WfstAsrError):
    """The tokens of a search need more memory than `DecodeOptions.max_memory_mb`."""


class NoPathError(WfstAsrError):
    """No path of the graph goes through the frames, for the scores given."""


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

    def __init__(
        self,
        graph: SearchGraph,
        options: DecodeOptions | None = None,
        *,
        keep_lattice: bool = False,
        keep_statistics: bool = False,
    ) -> None:
        """Begin a search.

        Args:
            graph: to search.
            options: dials.
            keep_lattice: keep what `lattice_beam.raw_lattice` makes a lattice of.
            keep_statistics: keep what `frame_statistics` tells.

        Raises:
            WfstAsrError: options that skip blanks, which `decode` and `decode_lattice` do.
        """
        from wfst_asr.decoder import _kernels, _link_kernels

        self.graph = graph = graph.for_search()
        self.options = options or DecodeOptions()
        if self.options.skip_blank is not None:
            raise WfstAsrError(
                "blanks are skipped in whole utterances, by decode and decode_lattice; leave skip_blank out"
            )
        chosen = self.options.acoustic_scale
        self.acoustic_scale = chosen if chosen is not None else graph.acoustic_scale
        layout = graph.layout
        self._words = layout.words
        self._costs = layout.words.view(np.float32)
        self._shift = np.uint32(layout.code_shift)
        self._beam = np.float32(self.options.beam)
        of_token = _LATTICE_TOKEN_BYTES if keep_lattice else _TOKEN_BYTES
        self._most_tokens = min(int(self.options.max_memory_mb * 1e6 / of_token), 1 << 29)
        self._statistics: list[NDArray[np.float64]] | None = [] if keep_statistics else None
        room = _take_room(graph, keep_lattice=keep_lattice)
        links = None
        if room.links is not None:
            # float32 costs are rounded, so that a little more is kept, and the lattice pruned exactly
            wider = self.options.lattice_beam + _ROUNDING
            enough = min(_ENOUGH, self._most_tokens // 2)
            links = _link_kernels.emptied_links(room.links, wider, self.options.prune_interval, enough=enough)
        begun = _kernels.begin_search(
            self._words,
            self._costs,
            np.uint32(layout.start),
            self._shift,
            self._beam,
            room.frontier,
            room.trace,
            room.table,
            room.candidates,
            links,
        )
        self._frontier, self._count, self._trace, self._table, self._candidates, self._links, epsilon_arcs = begun
        self._spare = room.spare
        self._base = 1
        self._offset = 0.0
        self._frames = 0
        self._tally = np.zeros(5, np.int64)
        self._tally[2] = self._first_arcs = epsilon_arcs
        self._settled: list[NDArray[np.int64]] = []
        self._num_settled = 0
        self._failure: WfstAsrError | None = None
        self._released = False

    @property
    def frames(self) -> int:
        """Frames searched so far."""
        return self._frames

    @property
    def counts(self) -> SearchCounts:
        """What the search did so far."""
        return SearchCounts(self._frames, *(int(n) for n in self._tally))

    @property
    def keeps_statistics(self) -> bool:
        """Whether there are `frame_statistics`."""
        return self._statistics is not None

    @property
    def frame_statistics(self) -> FrameStatistics:
        """What the search did in each frame so far.

        Raises:
            WfstAsrError: a search that keeps no statistics.
        """
        if self._statistics is None:
            raise WfstAsrError("the search keeps no statistics of frames; begin it with keep_statistics=True")
        rows = np.concatenate([np.empty((0, 5)), *self._statistics])
        tokens, arcs = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
        arcs[:1] += self._first_arcs
        return FrameStatistics(tokens, arcs, rows[:, 2].copy(), rows[:, 3].copy(), rows[:, 4] > 0)

    def advance(self, scores: Any) -> None:
        """Search through the next frames; the result does not depend on how the frames are cut into chunks.

        Args:
            scores: (T, P) acoustic scores, see `acoustic_scores.check_scores`.

        Raises:
            WfstAsrError: scores that are not in order.
            NoPathError: no path goes through a frame.
            SearchMemoryError: more tokens than max_memory_mb holds.  After either the search cannot go on, but tells
                of the frames before.
        """
        names = self.graph.manifest.column_names if self.graph.manifest else ""
        self.advance_checked(check_scores(scores, self.graph.num_columns, column_names=names, first_frame=self._frames))

    def advance_checked(self, scores: NDArray[np.float32]) -> None:
        """`advance` for scores that `check_scores` returned."""
        self._check_held()
        if self._failure is not None and len(scores):
            raise self._failure
        at = 0
        while at < len(scores):  # some frames at once, so that Ctrl-C is heard now and then
            at += self._advance(scores[at : at + _FRAMES_AT_ONCE])

    def _advance(self, scores: NDArray[np.float32]) -> int:
        """Search through frames, or the first of them; return how many."""
        from wfst_asr.decoder import _kernels

        most = self.options.max_active
        statistics = np.empty((len(scores), 5))
        composed = self.graph.composed
        with nullcontext() if composed is None else composed.lock:
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
                self._candidates,
                self._base,
                self._count,
                self._trace,
                self._table,
                self._offset,
                self._tally,
                self._links,
                self._most_tokens,
                statistics,
                None if composed is None else composed.expansion,
            )
            why = advanced[-1]
            if composed is not None and why > _kernels.TOO_MANY_TOKENS:
                self._failure = composed.make_room(why - _kernels.MORE_GRAPH, self._frames + advanced[-3])
        (self._frontier, self._spare, self._candidates, self._base, self._count) = advanced[:5]
        (self._trace, self._table, self._offset, frames, self._links, _) = advanced[5:]
        self._frames += frames
        stopped = frames < len(scores) and why == _kernels.DONE
        if self._statistics is not None:
            self._statistics.append(statistics[: frames + stopped])
        if why == _kernels.TOO_MANY_TOKENS:
            self._failure = SearchMemoryError(
                f"the search needs more than {self.options.max_memory_mb:g} MB at frame {self._frames}, where it has "
                f"{self._count} tokens; lower beam, max_active or lattice_beam, or raise max_memory_mb"
            )
        elif stopped:
            self._failure = NoPathError(
                f"no path goes through frame {self._frames}: "
                + (
                    "all its scores are -inf; check the acoustic model"
                    if np.isneginf(scores[frames]).all()
                    else "the graph ends before it, or its scores are -inf wherever a path leads"
                )
            )
        if self._failure is not None:
            raise self._failure
        return int(frames)

    def finish(self) -> SearchPath:
        """Return the best path of the frames so far: to a final state if one was reached, else the best of all."""
        self._check_held()
        cost, final = self._ends()
        reached = bool(np.isfinite(final).any())
        slot = int(np.argmin(cost + final if reached else cost))
        final_cost = float(final[slot]) if reached else 0.0
        return SearchPath(
            arcs=np.concatenate([*self._settled, self._arcs_to(self._base + slot)]),
            cost=self._offset + float(cost[slot]) + final_cost,
            final_cost=final_cost,
            reached_final=reached,
        )

    def settle(self) -> NDArray[np.int64]:
        """Return the arcs that the paths of all living tokens begin with, less those that were returned before.

        They are on the best path whatever follows.  A search that keeps no lattice traces back to them from then on,
        not to the beginning.
        """
        from wfst_asr.decoder import _stem_kernels

        self._check_held()
        seen = np.zeros(self._base + self._count, np.uint8)
        stem = _stem_kernels.shared_stem(self._trace.previous, self._base, self._count, seen)
        places = self._arcs_to(stem)
        if self._links is None:
            self._trace.previous[stem] = 0
        self._settled.append(places)
        self._num_settled += len(places)
        return places

    def unsettled(self) -> NDArray[np.int64]:
        """Return the arcs of the best path past those that are settled, whether or not it ends in a final state."""
        self._check_held()
        return self._arcs_to(self._base + int(np.argmin(self._frontier.cost[: self._count])))

    def relative_cost(self) -> float:
        """Return what the best path to a final state costs more than the best path; infinite if there is none.

        Kaldi: `LatticeFasterDecoder::FinalRelativeCost`.
        """
        self._check_held()
        cost, final = self._ends()
        return float((cost + final).min() - cost.min())

    def release(self) -> None:
        """Hand the buffers on to the next search of the graph; this one can neither go on nor tell a path any more."""
        if self._released:
            return
        self._released = True
        room = SearchRoom(self._frontier, self._spare, self._candidates, self._trace, self._table, self._links)
        free = self.graph.free_room[self._links is not None]
        if sum(other.num_bytes for other in free) + room.num_bytes <= _MOST_ROOM:
            free.append(room)
        del self._frontier, self._spare, self._candidates, self._trace, self._table, self._links

    def tell_limits(self, *, stacklevel: int = 3) -> None:
        """Count the search's frames for the graph's warning that max_active cuts the beam; when it is done."""
        self.graph.limited_frames.add(self._frames, self.counts.frames_limited, self.options, stacklevel=stacklevel + 1)

    def kept(self) -> "KeptTokens":
        """Return what a search with `keep_lattice` keeps."""
        self._check_held()
        if self._links is None:
            raise WfstAsrError("the search keeps no lattice; begin it with keep_lattice=True")
        return KeptTokens(self._links, self._trace, self._base, self._count, self._frontier)

    def _check_held(self) -> None:
        if self._released:
            raise WfstAsrError("the search has been released; begin another")

    def _ends(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return what the living tokens cost, and what it costs to end there."""
        cost = self._frontier.cost[: self._count].astype(np.float64)
        return cost, self.graph.final_costs(self._frontier.target[: self._count])

    def _arcs_to(self, token: int) -> NDArray[np.int64]:
        """Return the arcs to a token past those that are settled, by their place in the const FST."""
        from wfst_asr.decoder import _trace_kernels

        addresses = _trace_kernels.trace_back(self._trace, token)
        return self.graph.places(addresses if self._links is None else addresses[self._num_settled :])


@dataclass(frozen=True)
class SearchRoom:
    """Buffers of a search, which another search of the same graph may take over when it is done."""

    frontier: Any
    spare: Any
    candidates: Any
    trace: Any
    table: Any
    links: Any

    @property
    def num_bytes(self) -> int:
        """Size of the larger ones."""
        arrays = [*self.trace, *self.candidates, self.table, *(self.links or ())]
        return sum(array.nbytes for array in arrays)


def _take_room(graph: SearchGraph, *, keep_lattice: bool) -> SearchRoom:
    """Return the buffers of a search that is done, or new ones."""
    from wfst_asr.decoder import _emitting_kernels, _frontier_kernels, _link_kernels, _trace_kernels

    try:
        free: SearchRoom = graph.free_room[keep_lattice].pop()
        return free
    except IndexError:
        pass
    codes = 1 << (32 - graph.layout.code_shift)
    tokens = _TRACE * _FIRST_CAPACITY
    return SearchRoom(
        _frontier_kernels.make_frontier(_FIRST_CAPACITY, codes),
        _frontier_kernels.make_frontier(_FIRST_CAPACITY, codes),
        _emitting_kernels.make_candidates(_FIRST_CAPACITY),
        _trace_kernels.make_trace(tokens),
        np.zeros(2 * _FIRST_CAPACITY, np.uint64),
        _link_kernels.make_links(0.0, 1, tokens, enough=_ENOUGH) if keep_lattice else None,
    )


@dataclass(frozen=True)
class KeptTokens:
    """The tokens of a lattice search: links, trace, and the newest frame (its first token, their number, costs)."""

    links: Any
    trace: Any
    base: int
    count: int
    frontier: Any
