"""Kernels of Kaldi's binary lattices: the states of an OpenFst vector FST with arcs of two costs."""

from typing import Any

import numpy as np
from numba import njit

WHOLE = 0
ENDS_EARLY = 1
DAMAGED = 2


@njit(cache=True, nogil=True)
def _int(data: Any, at: int) -> Any:
    return np.int32(
        np.uint32(data[at])
        | (np.uint32(data[at + 1]) << np.uint32(8))
        | (np.uint32(data[at + 2]) << np.uint32(16))
        | (np.uint32(data[at + 3]) << np.uint32(24))
    )


@njit(cache=True, nogil=True)
def scan(data: Any, at: Any, num_states: int, compact: bool) -> tuple[Any, Any, Any, Any, Any]:
    """Walk over the states of a lattice without reading them.

    Args:
        data: (N,) uint8 the file.
        at: byte at which the first state begins.
        num_states: states announced.
        compact: whether costs are followed by a string of labels.

    Returns:
        status, the byte behind the lattice (or the one where it is damaged), and the numbers of arcs, of labels on arcs
        and of labels of final states.
    """
    size = len(data)
    arcs = labels = final_labels = np.int64(0)
    for _ in range(num_states):
        if at + 8 > size:
            return ENDS_EARLY, size, arcs, labels, final_labels
        at += 8
        if compact:
            if at + 4 > size:
                return ENDS_EARLY, size, arcs, labels, final_labels
            length = np.int64(_int(data, at))
            if length < 0:
                return DAMAGED, at, arcs, labels, final_labels
            at += 4 + 4 * length
            final_labels += length
        if at + 8 > size:
            return ENDS_EARLY, size, arcs, labels, final_labels
        count = np.int64(_int(data, at))
        if count < 0 or _int(data, at + 4) != 0:
            return DAMAGED, at, arcs, labels, final_labels
        at += 8
        arcs += count
        if not compact:
            at += 20 * count
            if at > size:
                return ENDS_EARLY, size, arcs, labels, final_labels
            continue
        for _ in range(count):
            if at + 20 > size:
                return ENDS_EARLY, size, arcs, labels, final_labels
            length = np.int64(_int(data, at + 16))
            if length < 0:
                return DAMAGED, at + 16, arcs, labels, final_labels
            labels += length
            at += 24 + 4 * length
            if at > size:
                return ENDS_EARLY, size, arcs, labels, final_labels
    return WHOLE, at, arcs, labels, final_labels


@njit(cache=True, nogil=True)
def decode(
    words: Any,
    floats: Any,
    compact: bool,
    first_arc: Any,
    ilabel: Any,
    olabel: Any,
    nextstate: Any,
    cost: Any,
    first_label: Any,
    labels: Any,
    final: Any,
    first_final_label: Any,
    final_labels: Any,
) -> None:
    """Read the states that `scan` walked over: `words` and `floats` are the same bytes as int32 and float32."""
    at = arc = label = final_label = 0
    for s in range(len(first_arc) - 1):
        final[s, 0] = floats[at]
        final[s, 1] = floats[at + 1]
        at += 2
        if compact:
            length = words[at]
            at += 1
            for i in range(length):
                final_labels[final_label + i] = words[at + i]
            at += length
            final_label += length
        first_final_label[s + 1] = final_label
        count = words[at]
        at += 2
        for _ in range(count):
            ilabel[arc] = words[at]
            olabel[arc] = words[at + 1]
            cost[arc, 0] = floats[at + 2]
            cost[arc, 1] = floats[at + 3]
            at += 4
            if compact:
                length = words[at]
                at += 1
                for i in range(length):
                    labels[label + i] = words[at + i]
                at += length
                label += length
            first_label[arc + 1] = label
            nextstate[arc] = words[at]
            at += 1
            arc += 1
        first_arc[s + 1] = arc


@njit(cache=True, nogil=True)
def encode(
    words: Any,
    floats: Any,
    compact: bool,
    first_arc: Any,
    ilabel: Any,
    olabel: Any,
    nextstate: Any,
    cost: Any,
    first_label: Any,
    labels: Any,
    final: Any,
    first_final_label: Any,
    final_labels: Any,
) -> None:
    """Write what `decode` reads; `words` and `floats` are views of the same memory."""
    at = 0
    for s in range(len(first_arc) - 1):
        floats[at] = final[s, 0]
        floats[at + 1] = final[s, 1]
        at += 2
        if compact:
            length = first_final_label[s + 1] - first_final_label[s]
            words[at] = length
            at += 1
            for i in range(length):
                words[at + i] = final_labels[first_final_label[s] + i]
            at += length
        words[at] = first_arc[s + 1] - first_arc[s]
        words[at + 1] = 0
        at += 2
        for a in range(first_arc[s], first_arc[s + 1]):
            words[at] = ilabel[a]
            words[at + 1] = olabel[a]
            floats[at + 2] = cost[a, 0]
            floats[at + 3] = cost[a, 1]
            at += 4
            if compact:
                length = first_label[a + 1] - first_label[a]
                words[at] = length
                at += 1
                for i in range(length):
                    words[at + i] = labels[first_label[a] + i]
                at += length
            words[at] = nextstate[a]
            at += 1
