"""Where a beam search lost a path, and the beam and max_active with which it would have kept it."""

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.beam import BeamSearch, NoPathError, SearchPath
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.path_costs import PathCosts
from wfst_asr.decoder.search_counts import FrameStatistics
from wfst_asr.decoder.search_graph import SearchGraph

_ROUNDING = 1e-3  # costs of tokens are float32, beside the best token's
_MAX_ROUNDS = 30
_STEP = 0.25


@dataclass(frozen=True)
class LostPath:
    """A path that a search did not follow to its end, though it costs less than what was found.

    Attributes:
        frame: the frame at whose beginning it was out of the beam; None if it was lost in a way that statistics of
            frames do not show, such as at the last frame.
        gap: its cost above the best token's there.
        width: the beam that was used there, which max_active may have narrowed.
        limited: whether max_active narrowed it.
        beam: the beam with which the path stays in the search, the narrowest but for rounding and min_active; None if
            that is wider than what may be tried.
        max_active: what leaves it in the search at that beam: that of the search, or twice, four times ... as much;
            None for no limit.
        highest_gap: the most that the path costs above the best token of a frame, in the search that lost it.
        found_word_ids: words that the search finds with these dials, the path's unless others cost still less.
        found_cost: their cost.
    """

    frame: int | None
    gap: float
    width: float
    limited: bool
    beam: float | None
    max_active: int | None
    highest_gap: float
    found_word_ids: tuple[int, ...] = ()
    found_cost: float = np.inf


@dataclass(frozen=True)
class _Watched:
    """A search with its best cost and beam at the beginning of each frame."""

    path: SearchPath | None
    statistics: FrameStatistics

    def gaps(self, highest: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what a path costs above the best token of each frame, at most."""
        best = self.statistics.best_cost
        return highest[: len(best)] - best


def find_loss(
    graph: SearchGraph,
    scores: NDArray[np.float32],
    options: DecodeOptions,
    path: PathCosts,
    *,
    widest_beam: float = 25.0,
) -> LostPath:
    """Find where a search loses a path, and the dials that keep it, by searching again.

    A path lives as long as its states cost at most the frame's best token and the beam.  A wider beam finds better
    tokens, so that the beam is widened to the path's highest gap until the search keeps it: the least such beam, since
    the gap never falls as the beam widens.

    Args:
        graph: that was searched.
        scores: (T, P) checked scores.
        options: of the search.
        path: that was lost.
        widest_beam: no wider beams are tried.
    """
    highest = path.highest_by_frame()
    first = _watch(graph, scores, options)
    gaps = first.gaps(highest)
    width, limited = _widths(first.statistics, options)
    out = np.flatnonzero(gaps > width + _ROUNDING)
    frame = int(out[0]) if len(out) else None
    at = int(np.argmax(gaps)) if frame is None and len(gaps) else frame or 0
    beam, found = _least_beam(graph, scores, options, path, highest, max(widest_beam, options.beam))
    max_active: int | None = None
    if beam is not None and options.max_active is not None:
        max_active, found = _least_max_active(graph, scores, replace(options, beam=beam), path)
    words = graph.arcs["olabel"][found.arcs] if found else np.zeros(0, np.int32)
    return LostPath(
        frame=frame,
        gap=float(gaps[at]) if len(gaps) else 0.0,
        width=float(width[at]) if len(gaps) else options.beam,
        limited=bool(limited[at]) if len(gaps) else False,
        beam=beam,
        max_active=max_active,
        highest_gap=float(gaps.max(initial=0.0)),
        found_word_ids=tuple(int(word) for word in words if word),
        found_cost=found.cost if found else np.inf,
    )


def _widths(watched: FrameStatistics, options: DecodeOptions) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the beam in which a token of each frame is made and then followed, and whether max_active narrowed it.

    Where max_active narrows a frame's beam, the tokens that it makes for the next are held to that and `beam_delta`.
    """
    width, limited = watched.beam.copy(), watched.limited.copy()
    entering = np.where(watched.limited[:-1], watched.beam[:-1] + options.beam_delta, np.inf)
    limited[1:] |= entering < width[1:]
    width[1:] = np.minimum(width[1:], entering)
    return width, limited


def keeps(found: SearchPath | None, path: PathCosts) -> bool:
    """Tell whether a search found a path, or a better one."""
    tolerance = _ROUNDING * max(1.0, 1e-3 * abs(path.total))
    return found is not None and found.reached_final and found.cost <= path.total + tolerance


def _least_beam(
    graph: SearchGraph,
    scores: NDArray[np.float32],
    options: DecodeOptions,
    path: PathCosts,
    highest: NDArray[np.float64],
    widest: float,
) -> tuple[float | None, SearchPath | None]:
    """Return the least beam that keeps a path where there is no max_active, and what is found with it."""
    beam = options.beam
    for _ in range(_MAX_ROUNDS):
        watched = _watch(graph, scores, replace(options, beam=beam, max_active=None))
        gaps = watched.gaps(highest)
        wanted = float(gaps[gaps > watched.statistics.beam].max(initial=0.0)) + _ROUNDING
        if wanted > beam + _ROUNDING / 2:
            beam = wanted
        elif keeps(watched.path, path):
            return beam, watched.path
        else:
            beam += _STEP  # lost behind the last frame's beginning
        if beam > widest:
            break
    return None, None


def _least_max_active(
    graph: SearchGraph, scores: NDArray[np.float32], options: DecodeOptions, path: PathCosts
) -> tuple[int | None, SearchPath | None]:
    """Return the first of max_active, twice, four times ... as many that keeps a path, and what is found with it."""
    limit: int | None = options.max_active
    while True:
        search = BeamSearch(graph, replace(options, max_active=limit))
        found: SearchPath | None = None
        with suppress(NoPathError):
            search.advance_checked(scores)
            found = search.finish()
        search.release()
        if limit is None or keeps(found, path):
            return limit, found
        limit = 2 * limit if search.counts.frames_limited else None


def _watch(graph: SearchGraph, scores: NDArray[np.float32], options: DecodeOptions) -> _Watched:
    search = BeamSearch(graph, options, keep_statistics=True)
    found: SearchPath | None = None
    with suppress(NoPathError):  # what was watched until then is told
        search.advance_checked(scores)
        found = search.finish()
    statistics = search.frame_statistics
    search.release()
    return _Watched(found, statistics)
