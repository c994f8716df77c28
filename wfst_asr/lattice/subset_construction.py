"""The subset construction of determinization: arrays for its kernels, and room as they ask for it."""

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from wfst_asr.lattice import _determinize_arrays as columns
from wfst_asr.lattice._determinize_arrays import MEMORY, ROOM, Candidates, Entries, Known, Made, Raw, Ways, Words
from wfst_asr.lattice.lattice import Lattice

_WIDEST = np.finfo(np.float64).max / 4
_SAME_COST = 1e-6  # subsets whose elements' costs differ by less are one
_CROWDED = 1 << 16  # strings and elements, from where on what was passed is dropped
_FIRST_ROOM = (_CROWDED, _CROWDED, 1 << 12, 1 << 14, 1 << 18, 256, 1 << 14)  # by what is counted
_KNOWN_SETS = 1 << 12  # of entries, of which it is remembered where they led to


class Subsets(NamedTuple):
    """What the kernel has made: S subsets, A arcs, F ends.

    Attributes:
        limit: which was met, MEMORY or STEPS, or 0.
        reached: frame that was reached then.
        cut: (S,) frame up to which the strings stand on the arcs.
        low: (S,) lowest exit.
        arc: (A, 4) source, next, word, first label.
        arc_cost: (A, 3) cost, acoustic cost, cost of the best path through the arc.
        labels: of the arcs; an arc has one for each frame between the cuts.
        end: (F, 2) subset, first label.
        end_cost: (F, 2) cost, acoustic cost.
        end_labels: of the ends; up to the next one's first label.
        names: the words by their numbers.
    """

    limit: int
    reached: int
    cut: NDArray[np.int32]
    low: NDArray[np.int32]
    arc: NDArray[np.int32]
    arc_cost: NDArray[np.float64]
    labels: NDArray[np.int32]
    end: NDArray[np.int32]
    end_cost: NDArray[np.float64]
    end_labels: NDArray[np.int32]
    names: NDArray[np.int32]


def subsets(
    lattice: Lattice, forward: NDArray[np.float64], to_end: NDArray[np.float64], *, max_bytes: float, max_steps: float
) -> Subsets:
    """Run the subset construction on a raw lattice with a path.

    Args:
        lattice: pruned to its beam.
        forward: (S,) lowest cost from the start to each state.
        to_end: (S,) lowest cost from each state to the end.
        max_bytes: most memory, beyond what the kernel begins with.
        max_steps: most arcs, labels and elements to look at.
    """
    from wfst_asr.lattice import _determinize_kernels as kernels

    raw, words, names = _raw(lattice, forward, to_end)
    room = _candidates(len(words.cost), len(names)), _entries(lattice.num_states), _ways(lattice.num_states)
    counts = np.zeros((2, columns.COUNTS), dtype=np.int64)
    counts[0, columns.NODES], counts[0, columns.SOURCE], counts[0, columns.CROWDED] = 1, -1, _CROWDED
    made, known = _roomier(None, counts[0], lattice), _known(None, 0, lattice)
    begun_with = _bytes(made, known)
    limits = (float(to_end[0]), min(float(lattice.lattice_beam), _WIDEST), _SAME_COST, float(max_steps))
    while True:
        limit = kernels.determinize(raw, words, *room, made, known, counts, limits)
        if limit != ROOM:
            break
        made = _roomier(made, counts[1], lattice)
        known = _known(known, int(counts[1, columns.KNOWN]), lattice)
        if _bytes(made, known) - begun_with > max_bytes:
            limit = MEMORY
            break
    used = counts[0].tolist()
    state, arcs, ends = made.state[: used[columns.STATES]], used[columns.ARCS], used[columns.ENDS]
    return Subsets(
        limit=limit,
        reached=int(made.state[max(0, used[columns.SOURCE]), columns.CUT]),
        cut=state[:, columns.CUT],
        low=state[:, columns.LOW],
        arc=made.arc[:arcs],
        arc_cost=made.arc_cost[:arcs],
        labels=made.labels[: used[columns.LABELS]],
        end=made.end[:ends],
        end_cost=made.end_cost[:ends],
        end_labels=made.end_labels[: used[columns.END_LABELS]],
        names=names,
    )


def _bytes(*records: Any) -> int:
    return sum(array.nbytes for record in records for array in record)


def _roomier(made: Any, used: NDArray[np.int64], lattice: Lattice) -> Any:
    """Return copies of the arrays of `Made` that are twice as large where too little is free; new ones at first."""
    states, frames = lattice.num_states, lattice.num_frames
    free = {columns.NODES: states, columns.ELEMENTS: states}
    free |= {columns.LABELS: frames, columns.END_LABELS: frames, columns.STATES: 1, columns.ARCS: 1, columns.ENDS: 1}
    arrays: dict[str, Any] = {}
    for name, (counter, dtype, width) in columns.ROWS.items():
        length = len(getattr(made, name)) if made else 0
        needed = int(used[counter]) + free[counter]
        if made and needed <= length:
            arrays[name] = getattr(made, name)
            continue
        arrays[name] = np.empty((max(2 * length, needed + (0 if made else _FIRST_ROOM[counter])), *width), dtype)
        if made:
            arrays[name][:length] = getattr(made, name)
        else:
            arrays[name][:1] = 0
    arrays["first_of"] = np.empty(1 << (len(arrays["state"]) - 1).bit_length(), dtype=np.int32)
    return Made(**arrays)


def _known(known: Any, used: int, lattice: Lattice) -> Known:
    """Return a copy with twice the entries if too few are free; at first, a new one that knows nothing."""
    needed = used + lattice.num_states
    if known is None:
        length = needed + _CROWDED
        slots = np.zeros((_KNOWN_SETS, 6), dtype=np.int64), np.empty((_KNOWN_SETS, 2))
        return Known(*slots, np.empty((length, 2), np.int32), np.empty(length, np.uint64), np.empty((length, 2)))
    if needed <= len(known.entry):
        return cast(Known, known)
    return Known(known.slot, known.base, *(np.concatenate([array, array]) for array in known[2:]))


def _raw(
    lattice: Lattice, forward: NDArray[np.float64], to_end: NDArray[np.float64]
) -> tuple[Raw, Words, NDArray[Any]]:
    """Return the lattice for the kernels, its arcs with and without words apart, and the words."""
    is_word = lattice.olabel != 0
    eps, words = np.flatnonzero(~is_word), np.flatnonzero(is_word)
    first_word = np.zeros(lattice.num_arcs + 1, dtype=np.int64)
    np.cumsum(is_word, out=first_word[1:])
    first_word = first_word[lattice.first_arc]
    first_eps = lattice.first_arc - first_word
    cost, final = lattice.arc_costs(), lattice.final_costs()
    eps_next, word_next = lattice.nextstate[eps], lattice.nextstate[words]
    eps_cost, word_cost = np.empty((len(eps), 2)), np.empty((len(words), 3))
    eps_cost[:, 1], word_cost[:, 1], word_cost[:, 2] = cost[eps], cost[words], lattice.acoustic_cost[words]
    eps_cost[:, 0], word_cost[:, 0] = eps_cost[:, 1] + to_end[eps_next], word_cost[:, 1] + to_end[word_next]
    leave, sources = final.copy(), np.flatnonzero(np.diff(first_word))
    if len(sources):
        leave[sources] = np.minimum(final[sources], np.minimum.reduceat(word_cost[:, 0], first_word[sources]))
    names, numbers = np.unique(lattice.olabel[words], return_inverse=True)
    raw = Raw(
        frame=lattice.frame,
        final=final,
        forward=forward,
        leave=leave,
        first=first_eps.astype(np.uint64),
        nextstate=eps_next.astype(np.uint32),
        cost=eps_cost,
        acoustic=lattice.acoustic_cost[eps],
        label=lattice.ilabel[eps],
        source=np.repeat(np.arange(lattice.num_states, dtype=np.int32), np.diff(first_eps)),
    )
    arcs = Words(
        first=first_word,
        nextstate=word_next,
        label=lattice.ilabel[words],
        number=numbers.astype(np.int32),
        cost=word_cost,
    )
    return raw, arcs, names


def _candidates(arcs: int, words: int) -> Candidates:
    i32 = np.int32
    return Candidates(np.empty((arcs, 3), i32), np.empty(arcs), np.full(words, -1, i32), np.empty(words, i32))


def _entries(states: int) -> Entries:
    return Entries(np.empty((states, 3), np.int32), np.empty((states, 2)), np.zeros(states, np.int32))


def _ways(states: int) -> Ways:
    i32 = np.int32
    return Ways(
        reached=np.full(states, np.inf),
        bits=np.zeros((states >> 6) + 1, dtype=np.uint64),
        by=np.empty(states, dtype=i32),
        string=np.full(states, -1, dtype=i32),
        acoustic=np.empty(states),
        exits=np.empty(states, dtype=i32),
        exit_cost=np.empty(states),
        filled=np.empty(states, dtype=i32),
        trail=np.empty(states, dtype=i32),
    )
