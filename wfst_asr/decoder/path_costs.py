"""Costs of a path through a graph: arc by arc, word by word, and against another path of the same frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.decode import DecodeResult
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.decoder.word_times import phone_segments


@dataclass(frozen=True)
class WordCost:
    """What a word of a path, or the pause before it, costs.

    Attributes:
        word: the word, empty for a pause, "</s>" for the end of the sentence.
        start_frame: its first frame.
        end_frame: the frame after its last.
        start_s: start in seconds.
        end_s: end in seconds.
        phones: the pronunciation that was taken, where the graph tells phones.
        acoustic_cost: scaled, so that it adds to the graph cost.
        graph_cost: of the arcs in these frames; a graph may hold a part of a word's cost on the arcs before or after.
        lm_cost: of the word after those before it, where the language model was given.
    """

    word: str
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    phones: tuple[str, ...]
    acoustic_cost: float
    graph_cost: float
    lm_cost: float | None = None


@dataclass(frozen=True)
class PathCosts:
    """A path of N arcs through T frames; cost of arcs is added up in float64.

    Attributes:
        arcs: (N,) their places in the graph.
        state: (N + 1,) states of the graph that it goes through.
        frame: (N + 1,) frames consumed in each of them.
        olabel: (N,) words.
        graph_cost: (N + 1,) graph cost up to each state.
        acoustic_cost: (N + 1,) scaled acoustic cost up to each state.
        final_cost: graph cost of ending.
    """

    arcs: NDArray[np.int64]
    state: NDArray[np.int64]
    frame: NDArray[np.int64]
    olabel: NDArray[np.int32]
    graph_cost: NDArray[np.float64]
    acoustic_cost: NDArray[np.float64]
    final_cost: float

    @property
    def total(self) -> float:
        """Cost of the path."""
        return float(self.graph_cost[-1] + self.acoustic_cost[-1]) + self.final_cost

    def highest_by_frame(self) -> NDArray[np.float64]:
        """Return the (T + 1,) highest cost of the path's states among those that consumed so many frames.

        All of them must be within the beam for the path to live on.
        """
        cost = self.graph_cost + self.acoustic_cost
        highest = np.full(int(self.frame[-1]) + 1, -np.inf)
        np.maximum.at(highest, self.frame, cost)
        return highest


def path_costs(
    graph: SearchGraph, places: NDArray[np.int64], scores: NDArray[np.float32], *, scale: float, final_cost: float
) -> PathCosts:
    """Add up the costs of a path.

    Args:
        graph: the graph.
        places: (N,) arcs of the path by their place in it.
        scores: (T, P) acoustic scores of the frames that it consumes.
        scale: factor on them.
        final_cost: of ending in its last state.
    """
    arcs = graph.arcs[places]
    emitting = arcs["ilabel"] != 0
    acoustic = np.zeros(len(arcs))
    acoustic[emitting] = -scale * scores[np.arange(int(emitting.sum())), graph.columns[arcs["ilabel"][emitting]]]
    return PathCosts(
        arcs=places,
        state=np.concatenate(([int(graph.layout.state[0])], arcs["nextstate"])).astype(np.int64),
        frame=np.concatenate(([0], np.cumsum(emitting))).astype(np.int64),
        olabel=arcs["olabel"].astype(np.int32),
        graph_cost=np.concatenate(([0.0], np.cumsum(arcs["cost"], dtype=np.float64))),
        acoustic_cost=np.concatenate(([0.0], np.cumsum(acoustic))),
        final_cost=final_cost,
    )


def word_costs(
    graph: SearchGraph, path: PathCosts, result: DecodeResult, lm_costs: Sequence[float] | None = None
) -> tuple[WordCost, ...]:
    """Return the cost of each word of a path, of each pause between words, and of ending.

    Args:
        graph: the graph.
        path: of it.
        result: the same path as `decode` tells it.
        lm_costs: language model cost of each word, and of ending.
    """
    times = result.word_times
    frames = len(result.alignment)
    bounds: list[tuple[int, int, int]] = []  # start, end, number of the word or -1
    at = 0
    for number, time in enumerate(times):
        if time.start_frame > at:
            bounds.append((at, time.start_frame, -1))
        bounds.append((time.start_frame, time.end_frame, number))
        at = time.end_frame
    if at < frames:
        bounds.append((at, frames, -1))
    row_of_word = {number: row for row, (_, _, number) in enumerate(bounds) if number >= 0}
    starts = np.array([start for start, _, _ in bounds], dtype=np.int64)
    if not len(bounds):
        bounds, starts = [(0, frames, -1)], np.zeros(1, dtype=np.int64)
    # an arc belongs to the row of the frame that it consumes or that comes next, but a word's label to its word
    row = np.searchsorted(starts, np.minimum(path.frame[:-1], max(0, frames - 1)), side="right") - 1
    epsilon = path.frame[1:] == path.frame[:-1]
    for number, arc in enumerate(np.flatnonzero(path.olabel)):
        if epsilon[arc]:
            row[arc] = row_of_word[number]
    graph_cost = np.bincount(row, weights=np.diff(path.graph_cost), minlength=len(bounds))
    acoustic_cost = np.bincount(row, weights=np.diff(path.acoustic_cost), minlength=len(bounds))
    shift = graph.frame_shift_s
    rows = [
        WordCost(
            word=times[number].word if number >= 0 else "",
            start_frame=start,
            end_frame=end,
            start_s=round(start * shift, 6),
            end_s=round(end * shift, 6),
            phones=_phones(graph, result, start, end) if number >= 0 else (),
            acoustic_cost=float(acoustic_cost[i]),
            graph_cost=float(graph_cost[i]),
            lm_cost=None if lm_costs is None or number < 0 else float(lm_costs[number]),
        )
        for i, (start, end, number) in enumerate(bounds)
    ]
    ending = None if lm_costs is None else float(lm_costs[-1])
    end_s = round(frames * shift, 6)
    return (*rows, WordCost("</s>", frames, frames, end_s, end_s, (), 0.0, path.final_cost, ending))


def _phones(graph: SearchGraph, result: DecodeResult, start: int, end: int) -> tuple[str, ...]:
    segments = phone_segments(graph, result.alignment[start:end]) if result.times_exact else None
    return tuple(segment.phone for segment in segments or ())


@dataclass(frozen=True)
class Region:
    """Frames in which two paths go apart, from a state that both go through at a frame to the next one.

    Outside the regions the paths are the same, so that the gaps of all regions add up to the gap of the paths.

    Attributes:
        start_frame: where they part.
        end_frame: where they meet.
        start_s: in seconds.
        end_s: in seconds.
        reference: words of the reference's part.
        hypothesis: words of the other's.
        graph_gap: graph cost of the reference's part less that of the other's.
        acoustic_gap: the same of the scaled acoustic cost.
        lm_gap: the part of the graph gap that the language model tells, where it was given.
    """

    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]
    graph_gap: float
    acoustic_gap: float
    lm_gap: float | None = None

    @property
    def gap(self) -> float:
        """Cost of the reference's part less that of the other's."""
        return self.graph_gap + self.acoustic_gap


def differing_regions(
    graph: SearchGraph,
    reference: PathCosts,
    hypothesis: PathCosts,
    *,
    reference_lm: Sequence[float] | None = None,
    hypothesis_lm: Sequence[float] | None = None,
) -> tuple[Region, ...]:
    """Return where two paths of the same frames go apart."""
    places = {pair: i for i, pair in enumerate(zip(hypothesis.frame.tolist(), hypothesis.state.tolist(), strict=True))}
    meet: list[tuple[int, int]] = []
    after = -1
    for i, pair in enumerate(zip(reference.frame.tolist(), reference.state.tolist(), strict=True)):
        j = places.get(pair, -1)
        if j > after:
            meet.append((i, j))
            after = j
    ends = (len(reference.arcs), len(hypothesis.arcs))
    if not meet or meet[-1] != ends:
        meet.append(ends)
    known = reference_lm is not None and hypothesis_lm is not None
    regions: list[Region] = []
    for (i, j), (to_i, to_j) in pairwise(meet):
        if reference.arcs[i:to_i].tolist() == hypothesis.arcs[j:to_j].tolist():
            continue
        graph_gap = _between(reference.graph_cost, i, to_i) - _between(hypothesis.graph_cost, j, to_j)
        acoustic_gap = _between(reference.acoustic_cost, i, to_i) - _between(hypothesis.acoustic_cost, j, to_j)
        at_end = (to_i, to_j) == ends
        if at_end:
            graph_gap += reference.final_cost - hypothesis.final_cost
        lm_gap = None
        if known:
            lm_gap = _lm(reference, reference_lm or (), i, to_i, at_end) - _lm(
                hypothesis, hypothesis_lm or (), j, to_j, at_end
            )
        start, end = int(reference.frame[i]), int(reference.frame[to_i])
        regions.append(
            Region(
                start_frame=start,
                end_frame=end,
                start_s=round(start * graph.frame_shift_s, 6),
                end_s=round(end * graph.frame_shift_s, 6),
                reference=_words(graph, reference.olabel[i:to_i]),
                hypothesis=_words(graph, hypothesis.olabel[j:to_j]),
                graph_gap=graph_gap,
                acoustic_gap=acoustic_gap,
                lm_gap=lm_gap,
            )
        )
    return tuple(regions)


def _between(sums: NDArray[np.float64], low: int, high: int) -> float:
    return float(sums[high] - sums[low])


def _words(graph: SearchGraph, olabels: NDArray[np.int32]) -> tuple[str, ...]:
    return tuple(graph.word(int(word)) for word in olabels if word)


def _lm(path: PathCosts, costs: Sequence[float], low: int, high: int, at_end: bool) -> float:
    """Return the language model cost of the words whose labels lie on arcs low ... high."""
    first = int(np.count_nonzero(path.olabel[:low]))
    count = int(np.count_nonzero(path.olabel[low:high]))
    return float(sum(costs[first : first + count])) + (float(costs[-1]) if at_end else 0.0)
