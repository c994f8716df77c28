"""Where the states and arcs of a lattice of words lie in a picture: time from left to right, paths in lanes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.single_end import SingleEnd, with_single_end

_LEAST_STEP = 0.02  # of the whole width, from a state to those after it
_SAME = 1e-6  # costs that differ by less are equal but for rounding


@dataclass(frozen=True)
class DrawnArc:
    """An arc of a picture.

    Attributes:
        source: place of its state in `LatticePicture.states`.
        dest: place of the state that it leads to.
        lane: height at which its word stands.
        word: label, 0 for none.
        posterior: the probability of the arc in the whole lattice.
        is_best: whether it is on the best path.
    """

    source: int
    dest: int
    lane: int
    word: int
    posterior: float
    is_best: bool


@dataclass(frozen=True)
class LatticePicture:
    """What a picture of a lattice shows.

    Attributes:
        states: (time in frames, lane) of each state, in the order of the lattice, the start first, the end last.
        arcs: in the order in which they were laid out, the best path first.
        num_arcs: arcs of the whole lattice.
        num_drawn: of these, how many are drawn.
        beam: drawn are the arcs on paths at most this much costlier than the best; infinite for all.
        num_frames: of the utterance.
    """

    states: tuple[tuple[float, int], ...]
    arcs: tuple[DrawnArc, ...]
    num_arcs: int
    num_drawn: int
    beam: float
    num_frames: int


def lattice_picture(
    lattice: CompactLattice,
    *,
    acoustic_scale: float | None = None,
    insertion_penalty: float = 0.0,
    max_arcs: int = 60,
) -> LatticePicture:
    """Lay out a lattice: the best path in lane 0, what departs from it in lanes above and below that are free there.

    The next best path through an arc that is not yet in the picture brings in the part of it that is new, in one lane.
    Of a lattice with too many arcs, those are drawn that lie on the best paths (so that every arc drawn is on a whole
    path), at most `max_arcs` unless the best path alone has more.  A state stands at its frame, or a little later where
    it would lie upon the one before.  Quadratic in the arcs drawn.

    Args:
        lattice: with at least one path.
        acoustic_scale: that of the search, if not given.
        insertion_penalty: cost that each word adds.
        max_arcs: at least 1.

    Raises:
        WfstAsrError: max_arcs below 1, a scale that is no number above 0, or a lattice without a path.
    """
    if max_arcs < 1:
        raise WfstAsrError(f"max_arcs {max_arcs}, expected at least 1")
    joined = with_single_end(lattice, acoustic_scale=acoustic_scale, insertion_penalty=insertion_penalty)
    forward, backward = joined.costs(soft=True)
    posterior = np.exp(backward[0] - forward[joined.source] - joined.cost - backward[joined.nextstate])
    forward, backward = joined.costs(soft=False)
    above = forward[joined.source] + joined.cost + backward[joined.nextstate] - backward[0]
    of_lattice = joined.arc >= 0
    beam = _beam_for(above[of_lattice], max_arcs)
    drawn = np.flatnonzero(np.isfinite(above) & (above <= beam + _SAME))
    node = _joined_ends(joined, drawn)
    arcs = [int(a) for a in drawn if node[joined.source[a]] != node[joined.nextstate[a]]]
    order = sorted(arcs, key=lambda a: (round(float(above[a]) / _SAME), a))
    states = sorted({int(n) for a in arcs for n in (node[joined.source[a]], node[joined.nextstate[a]])})
    place = {state: number for number, state in enumerate(states)}
    source = {a: place[int(node[joined.source[a]])] for a in arcs}
    dest = {a: place[int(node[joined.nextstate[a]])] for a in arcs}
    time = _times([int(joined.frame[state]) for state in states], sorted((source[a], dest[a]) for a in arcs))
    lanes, lane_of_arc, best = _lanes(order, source, dest, time)
    return LatticePicture(
        states=tuple(zip(time, lanes, strict=True)),
        arcs=tuple(
            DrawnArc(source[a], dest[a], lane, int(joined.word[a]), float(posterior[a]), a in best)
            for a, lane in lane_of_arc.items()
        ),
        num_arcs=lattice.num_arcs,
        num_drawn=int(np.count_nonzero(of_lattice[drawn])),
        beam=beam,
        num_frames=lattice.num_frames,
    )


def _beam_for(above: NDArray[np.float64], max_arcs: int) -> float:
    """Return the largest beam that keeps at most so many arcs, infinity if all; 0 if even the best path has more.

    >>> [_beam_for(np.array([0.0, 2.0, 0.0, 5.0, 5.0]), most) for most in (5, 4, 3, 2, 1)]
    [inf, 2.0, 2.0, 0.0, 0.0]
    """
    if len(above) <= max_arcs:
        return float(np.inf)
    ordered = np.sort(above)
    fitting = ordered[ordered < ordered[max_arcs] - 2 * _SAME]
    return max(0.0, float(fitting[-1])) if len(fitting) else 0.0


def _joined_ends(joined: SingleEnd, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which node each state is drawn as: states where all is over are the end."""
    node = np.arange(joined.num_states)
    leaving = np.bincount(joined.source[drawn], minlength=joined.num_states)
    ending = joined.source[drawn[joined.arc[drawn] < 0]]
    node[ending[(leaving[ending] == 1) & (joined.frame[ending] == joined.frame[-1])]] = joined.num_states - 1
    return node


def _times(frames: Sequence[int], arcs: Sequence[tuple[int, int]]) -> list[float]:
    """Return when states are drawn: each a little after those before it, by arcs in the order of their states."""
    step = _LEAST_STEP * max(1, frames[-1]) if frames else 0.0
    time = [float(frame) for frame in frames]
    for source, dest in arcs:
        time[dest] = max(time[dest], time[source] + step)
    return time


def _lanes(
    order: Sequence[int], source: dict[int, int], dest: dict[int, int], time: Sequence[float]
) -> tuple[list[int], dict[int, int], frozenset[int]]:
    """Return the lane of each state and of each arc, and the arcs of the best path.

    Every best path through an arc of `order`, which is from the best to the worst, lies on arcs that are not worse: so
    the first arc of the order into or out of a state is on the best way from the start to it, or from it to the end.
    """
    into: dict[int, int] = {}
    out_of: dict[int, int] = {}
    for arc in order:
        into.setdefault(dest[arc], arc)
        out_of.setdefault(source[arc], arc)
    lanes: list[int | None] = [None] * len(time)
    lane_of_arc: dict[int, int] = {}
    taken: dict[int, list[tuple[float, float]]] = {}
    best: frozenset[int] = frozenset()
    for arc in order:
        if arc in lane_of_arc:
            continue
        chain = [arc]
        while lanes[source[chain[0]]] is None and source[chain[0]] in into:
            chain.insert(0, into[source[chain[0]]])
        while lanes[dest[chain[-1]]] is None and dest[chain[-1]] in out_of:
            chain.append(out_of[dest[chain[-1]]])
        ends = source[chain[0]], dest[chain[-1]]
        if not best:
            best, lane = frozenset(chain), 0
            lanes[ends[0]] = lanes[ends[1]] = 0
        else:
            lane = _free_lane(taken, time[ends[0]], time[ends[1]], [lanes[end] or 0 for end in ends])
        taken.setdefault(lane, []).append((time[ends[0]], time[ends[1]]))
        lane_of_arc |= dict.fromkeys(chain, lane)
        for inner in chain[:-1]:
            lanes[dest[inner]] = lane
    return [lane or 0 for lane in lanes], lane_of_arc, best


def _free_lane(taken: dict[int, list[tuple[float, float]]], begin: float, end: float, beside: Sequence[int]) -> int:
    """Return the lane nearest to those of two states in which nothing is between two times; above before below."""
    middle = sum(beside) / len(beside)
    outermost = max(map(abs, taken)) + 1
    for lane in sorted(range(-outermost, outermost + 1), key=lambda lane: (abs(lane - middle), abs(lane), -lane)):
        if all(stop <= begin or end <= start for start, stop in taken.get(lane, ())):
            return lane
    raise AssertionError("a lane beyond all others is free")
