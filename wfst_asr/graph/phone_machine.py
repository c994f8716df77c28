"""What comes before the HMM states of a training graph: the phones of a transcript, and their contexts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.fst.arcs import ArcTable
from wfst_asr.graph._training_kernels import compose_words, longer_contexts, without_epsilons


@dataclass(frozen=True)
class PhoneMachine:
    """The phone sequences of a transcript: an acceptor without epsilons, whose start is node 0.

    Attributes:
        first: (V + 1,) int32; the arcs of node v are `first[v]:first[v + 1]`.
        phone: (A,) int32.
        cost: (A,) float32.
        dest: (A,) int32.
        word: (A,) int32 position in the transcript; -1 for what comes between words.
        final: (V,) float32; infinity where the transcript cannot end.
    """

    first: NDArray[np.int32]
    phone: NDArray[np.int32]
    cost: NDArray[np.float32]
    dest: NDArray[np.int32]
    word: NDArray[np.int32]
    final: NDArray[np.float32]

    @property
    def source(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.final)), np.diff(self.first))


class LexiconArrays:
    """L, its arcs sorted by output label, in the form that kernels take.

    A phone without a word label that follows a state which no word leads to is silence between words; any other
    belongs to the last word, as in machines whose words come with the first phone of their pronunciation.

    Args:
        table: L; input labels are phones, output labels words.
    """

    def __init__(self, table: ArcTable) -> None:
        arcs = np.array(table.arcs)
        source = table.source()
        arcs = arcs[np.lexsort((arcs["nextstate"], arcs["ilabel"], arcs["olabel"], source))]
        between = np.zeros(table.num_states, dtype=bool)
        between[table.start] = True
        silent = arcs["olabel"] == 0
        begin, end = source[silent], arcs["nextstate"][silent]
        while not between[end[between[begin]]].all():
            between[end[between[begin]]] = True
        columns = [np.ascontiguousarray(arcs[name]) for name in ("ilabel", "olabel", "cost", "nextstate")]
        self._final = np.array(table.final_cost, dtype=np.float32)
        self._arrays: tuple[Any, ...] = (np.array(table.first_arc, dtype=np.int64), *columns, between, int(table.start))
        self.words = frozenset(np.unique(columns[1]).tolist()) - {0}
        self.largest_phone = int(columns[0].max(initial=0))

    def compose(self, words: NDArray[np.int32]) -> PhoneMachine:
        """Compose with a word sequence, int32; no arcs if L does not accept it.

        Of several paths of epsilons between the same states the best one counts.
        """
        room = 1 << (32 * len(words) + 96).bit_length()
        found, room = with_room(
            lambda size: compose_words(*self._arrays, words, size),  # type: ignore[call-arg]
            room,
        )
        num_nodes, keys, *raw = found
        state, position = np.divmod(keys[:num_nodes], len(words) + 1)
        final = np.where(position == len(words), self._final[state], np.float32(np.inf))
        found, _ = with_room(
            lambda size: without_epsilons(num_nodes, *raw, final, size),  # type: ignore[call-arg]
            room,
        )
        num_arcs, num_nodes, first, phone, cost, dest, word, final = found
        arcs = slice(num_arcs)
        return PhoneMachine(first[: num_nodes + 1], phone[arcs], cost[arcs], dest[arcs], word[arcs], final[:num_nodes])


@dataclass(frozen=True)
class Contexts:
    """The units of a phone machine: its arcs in every context, of `left` phones before and `right` after.

    A context is a number of as many digits to the base `base`, first phone first, 0 beyond the ends of the utterance.
    The unit of arc a, its i-th context before and its j-th after is `unit_first[a] + i * (contexts after) + j`.

    Attributes:
        before_first: (V + 1,) int32; the contexts before node v are `before[before_first[v]:before_first[v + 1]]`.
        before: int64.
        after_first: (V + 1,) int32.
        after: int64.
        unit_first: (A + 1,) int32.
        arc: (U,) int64, the arc of every unit.
        window: (U,) int64, the phones of every unit: before, its own, after.
    """

    before_first: NDArray[np.int32]
    before: NDArray[np.int64]
    after_first: NDArray[np.int32]
    after: NDArray[np.int64]
    unit_first: NDArray[np.int32]
    arc: NDArray[np.int64]
    window: NDArray[np.int64]


def find_contexts(machine: PhoneMachine, base: int, left: int, right: int) -> Contexts:
    """List the contexts of every arc; a context is there if a path has it."""
    num_nodes, source = len(machine.final), machine.source
    before_first = after_first = np.arange(num_nodes + 1, dtype=np.int32)
    before = after = np.zeros(num_nodes, dtype=np.int64)
    if left:
        order = np.argsort(machine.dest, kind="stable")
        entering = np.zeros(num_nodes + 1, dtype=np.int32)
        np.cumsum(np.bincount(machine.dest, minlength=num_nodes), out=entering[1:])
        arcs = (entering, machine.phone[order], source[order].astype(np.int32), np.arange(num_nodes) == 0)
        for _ in range(left):
            before_first, before = _longer(*arcs, before_first, before, base, 1)
    for length in range(right):
        arcs = (machine.first, machine.phone, machine.dest, np.isfinite(machine.final))
        after_first, after = _longer(*arcs, after_first, after, 1, base**length)
    num_before, num_after = np.diff(before_first)[source], np.diff(after_first)[machine.dest]
    counts = num_before * num_after
    unit_first = np.zeros(len(counts) + 1, dtype=np.int32)
    np.cumsum(counts, out=unit_first[1:])
    arc = np.repeat(np.arange(len(counts)), counts)
    i, j = np.divmod(np.arange(len(arc)) - unit_first[arc], num_after[arc])
    window = before[before_first[source[arc]] + i] * base + machine.phone[arc]
    window = window * base**right + after[after_first[machine.dest[arc]] + j]
    return Contexts(before_first, before, after_first, after, unit_first, arc, window)


def _longer(
    first: NDArray[np.int32],
    phone: NDArray[np.int32],
    other: NDArray[np.int32],
    is_end: NDArray[np.bool_],
    old_first: NDArray[np.int32],
    old: NDArray[np.int64],
    factor_of_old: int,
    factor_of_phone: int,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    arrays = (first, phone, other, is_end, old_first, old, factor_of_old, factor_of_phone)
    found, _ = with_room(lambda size: longer_contexts(*arrays, size), 4 * len(old) + 64)
    count, bounds, values = found
    return bounds, values[:count]


def with_room(kernel: Callable[[int], tuple[Any, ...]], room: int) -> tuple[tuple[Any, ...], int]:
    """Run a kernel with more and more room until its result fits (its first value is not -1)."""
    found = kernel(room)
    while found[0] < 0:
        room *= 4
        found = kernel(room)
    return found, room
