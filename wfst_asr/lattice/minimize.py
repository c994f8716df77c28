"""Minimization of lattices of words: states from which the same paths go on become one."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.compact_pruning import offsets, prune_words

_LABEL_BYTES = 4


def minimize(lattice: CompactLattice, *, tolerance: float = 1e-3) -> CompactLattice:
    """Merge the states of a lattice of words that have the same future: words, labels, and costs but for a constant.

    The paths stay as they are, with their words, alignments and both costs: the constant moves to the arcs into a
    merged state.  Where strings are cut is kept too, but for merged states with other cuts, where the labels between
    them move to the arcs before.  From the end on, each state is compared with those that have the same words and
    labels to the same states: linear in the labels and arcs.  Kaldi: `PushCompactLatticeStrings`,
    `MinimizeCompactLattice`.

    Args:
        lattice: any lattice of words; the smallest with its paths if it is deterministic.
        tolerance: costs that differ by at most this are the same: a path's costs change by at most this an arc.

    Raises:
        WfstAsrError: a tolerance below 0.

    >>> from wfst_asr.lattice.determinize import determinize
    >>> from wfst_asr.lattice.lattice import Lattice
    >>> i32, f32 = np.int32, np.float32
    >>> raw = Lattice(  # words 1 or 2, then word 3 from two states that differ by a cost of 2
    ...     frame=i32([0, 1, 1, 2]), first_arc=np.int64([0, 2, 3, 4, 4]), nextstate=i32([1, 2, 3, 3]),
    ...     ilabel=i32([5, 6, 7, 7]), olabel=i32([1, 2, 3, 3]), graph_cost=f32([1, 1, 0, 2]),
    ...     acoustic_cost=f32([2, 4, 3, 3]), final_cost=f32([np.inf, np.inf, np.inf, 0]))
    >>> words = minimize(determinize(raw))
    >>> words.num_states, words.olabel.tolist(), words.nextstate.tolist(), words.graph_cost.tolist()
    (3, [1, 2, 3], [1, 1, 2], [-1.0, 1.0, 2.0])
    """
    if not tolerance >= 0:
        raise WfstAsrError(f"tolerance {tolerance}, expected a number of at least 0; usual is 0.001")
    lattice = prune_words(lattice, np.inf)
    if lattice.num_states == 0:
        return lattice
    strings, final_strings, prefix = _pushed_strings(lattice)
    same, offset = _same_future(lattice, strings, final_strings, tolerance)
    kept = np.flatnonzero(same == np.arange(lattice.num_states))
    frame = _moved_back(lattice, strings, final_strings, prefix, same)
    order = kept[np.lexsort((kept, frame[kept]))]
    rank = np.zeros(lattice.num_states, dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    arcs = np.flatnonzero(same[lattice.source] == lattice.source)
    arcs = arcs[np.lexsort((arcs, rank[lattice.source[arcs]]))]
    there = lattice.nextstate[arcs]
    costs = np.stack([lattice.graph_cost[arcs], lattice.acoustic_cost[arcs]], axis=1) + offset[there]
    first_label, labels = _table([strings[a] for a in arcs])
    first_final_label, final_labels = _table([final_strings[s] for s in order])
    return replace(
        lattice,
        frame=frame[order],
        first_arc=offsets(np.bincount(rank[lattice.source[arcs]], minlength=len(order))),
        nextstate=rank[same[there]],
        olabel=lattice.olabel[arcs],
        graph_cost=costs[:, 0].astype(np.float32),
        acoustic_cost=costs[:, 1].astype(np.float32),
        first_label=first_label,
        labels=labels,
        final_cost=lattice.final_cost[order],
        final_acoustic_cost=lattice.final_acoustic_cost[order],
        first_final_label=first_final_label,
        final_labels=final_labels,
    )


def _pushed_strings(lattice: CompactLattice) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Move what all strings of a state begin with to the arcs that lead there, but for the start.

    Returns:
        strings of the arcs and of the ends, as bytes of int32, and what was moved away from each state.
    """
    strings = _strings(lattice.first_label, lattice.labels)
    final_strings = _strings(lattice.first_final_label, lattice.final_labels)
    ends = np.isfinite(lattice.final_cost).tolist()
    first_arc, nextstate = lattice.first_arc.tolist(), lattice.nextstate.tolist()
    prefix = [b""] * lattice.num_states
    for s in range(lattice.num_states - 1, -1, -1):
        arcs = range(first_arc[s], first_arc[s + 1])
        for a in arcs:
            strings[a] += prefix[nextstate[a]]
        if s == 0:
            break
        prefix[s] = _common_prefix([strings[a] for a in arcs] + [final_strings[s]] * ends[s])
        cut = len(prefix[s])
        for a in arcs:
            strings[a] = strings[a][cut:]
        final_strings[s] = final_strings[s][cut:]
    return strings, final_strings, prefix


def _moved_back(
    lattice: CompactLattice,
    strings: list[bytes],
    final_strings: list[bytes],
    prefix: list[bytes],
    same: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Move strings back to behind the states that they were moved from, as far as merged ones share what was moved.

    Args:
        lattice: as it was.
        strings: of the arcs, with those of the states that stay moved back.
        final_strings: of the ends, likewise.
        prefix: what was moved away from each state.
        same: (S,) which state stays.

    Returns:
        (S,) frames of the states, right for those that stay.
    """
    pushed = lattice.frame + np.array([len(p) // _LABEL_BYTES for p in prefix], dtype=np.int32)
    back = list(prefix)
    for s, other in enumerate(same.tolist()):
        if other != s:
            back[other] = _common_prefix([back[other][::-1], prefix[s][::-1]])[::-1]
    lengths = [len(p) // _LABEL_BYTES for p in back]
    first_arc, there = lattice.first_arc.tolist(), same[lattice.nextstate].tolist()
    frames = pushed.tolist()
    for s in np.flatnonzero(same == np.arange(len(same))).tolist():  # no arc may lead to an earlier frame
        back[s] = back[s][len(back[s]) - lengths[s] * _LABEL_BYTES :]
        begin = frames[s] = frames[s] - lengths[s]
        if np.isfinite(lattice.final_cost[s]):
            final_strings[s] = back[s] + final_strings[s]
        for a in range(first_arc[s], first_arc[s + 1]):
            lengths[there[a]] = min(lengths[there[a]], frames[there[a]] - begin)
    for s in np.flatnonzero(same == np.arange(len(same))).tolist():
        for a in range(first_arc[s], first_arc[s + 1]):
            string = back[s] + strings[a]
            strings[a] = string[: len(string) - lengths[there[a]] * _LABEL_BYTES]
    return np.array(frames, dtype=np.int32)


def _same_future(
    lattice: CompactLattice, strings: list[bytes], final_strings: list[bytes], tolerance: float
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Find for each state the last one with the same future.

    Costs are compared from those of one path: to end at once, or else by the first arc.

    Returns:
        (S,) states, and (S, 2) by how much more the paths from the state cost than those from the other one.
    """
    first_arc, nextstate, words = lattice.first_arc.tolist(), lattice.nextstate.tolist(), lattice.olabel.tolist()
    ends = np.isfinite(lattice.final_cost).tolist()
    costs = list(zip(lattice.graph_cost.tolist(), lattice.acoustic_cost.tolist(), strict=True))
    final_costs = list(zip(lattice.final_cost.tolist(), lattice.final_acoustic_cost.tolist(), strict=True))
    same = list(range(lattice.num_states))
    base = [(0.0, 0.0)] * lattice.num_states
    known: dict[Any, list[tuple[int, list[float]]]] = {}
    for s in range(lattice.num_states - 1, -1, -1):
        ways = []
        if ends[s]:
            ways.append((-1, -1, final_strings[s], *final_costs[s]))
        for a in range(first_arc[s], first_arc[s + 1]):
            d = nextstate[a]
            ways.append((words[a], same[d], strings[a], costs[a][0] + base[d][0], costs[a][1] + base[d][1]))
        ways.sort()
        graph, acoustic = base[s] = ways[0][3:]
        relative = [cost for way in ways for cost in (way[3] - graph, way[4] - acoustic)]
        alike = known.setdefault(tuple(way[:3] for way in ways), [])
        for other, costs_there in alike:
            if all(abs(x - y) <= tolerance for x, y in zip(relative, costs_there, strict=True)):
                same[s] = other
                break
        else:
            alike.append((s, relative))
    base_of = np.array(base)
    return np.array(same, dtype=np.int32), base_of - base_of[same]


def _common_prefix(strings: list[bytes]) -> bytes:
    """Return the longest prefix of whole labels that strings share."""
    low, high = min(strings), max(strings)
    length = min(len(low), len(high))
    if low[:length] != high[:length]:
        differ = np.frombuffer(low, np.uint8, length) != np.frombuffer(high, np.uint8, length)
        length = int(np.argmax(differ))
    return low[: length - length % _LABEL_BYTES]


def _strings(first: NDArray[np.int64], labels: NDArray[np.int32]) -> list[bytes]:
    whole = labels.astype("<i4").tobytes()
    begins = (first * _LABEL_BYTES).tolist()
    return [whole[begin:end] for begin, end in pairwise(begins)]


def _table(strings: list[bytes]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    lengths = np.array([len(string) // _LABEL_BYTES for string in strings], dtype=np.int64)
    return offsets(lengths), np.frombuffer(b"".join(strings), dtype="<i4").astype(np.int32)
