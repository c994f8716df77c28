"""The arrays that determinization works on, and the columns of their rows."""

from typing import Any, NamedTuple

import numpy as np

PARENT, LABEL, FRAME, MARK = 0, 1, 2, 3  # of nodes
EXIT, NODE = 0, 1  # of elements
STATE, STRING, NEXT_LABEL = 0, 1, 2  # of entries
BEGIN, END, CUT, LOW, DONE, CHAIN = 0, 1, 2, 3, 4, 5  # of states
ARC_SOURCE, ARC_NEXT, ARC_WORD, ARC_FIRST = 0, 1, 2, 3  # of arcs
KNOWN_KEY, KNOWN_CUT, KNOWN_STATE, LABELS_END, KNOWN_BEGIN, KNOWN_END = 0, 1, 2, 3, 4, 5  # of known
NODES, ELEMENTS, STATES, ARCS, LABELS, ENDS, END_LABELS, HEAP, KNOWN = 0, 1, 2, 3, 4, 5, 6, 7, 8
SOURCE, STEPS_DONE, MARKS, CROWDED, COUNTS = 9, 10, 11, 12, 13
MEMORY, STEPS, ROOM = 1, 2, 3  # why the kernel ended early


class Raw(NamedTuple):
    """A raw lattice of S states, with E arcs without words, sorted by source.

    Attributes:
        frame: (S,) int32.
        final: (S,) cost of ending.
        forward: (S,) lowest cost from the start.
        leave: (S,) lowest cost to the end that begins with a word arc, or ends.
        first: (S + 1,) uint64 first arc of each state.
        nextstate: (E,) uint32.
        cost: (E, 2) cost to the end, cost of the arc.
        acoustic: (E,).
        label: (E,) int32.
        source: (E,) int32.
    """

    frame: Any
    final: Any
    forward: Any
    leave: Any
    first: Any
    nextstate: Any
    cost: Any
    acoustic: Any
    label: Any
    source: Any


class Words(NamedTuple):
    """The W arcs of a raw lattice that have words, sorted by source.

    Attributes:
        first: (S + 1,) int64 first arc of each state.
        nextstate: (W,) int32.
        label: (W,) int32 input labels.
        number: (W,) int32 words, from 0 up.
        cost: (W, 3) cost to the end, cost of the arc, acoustic cost.
    """

    first: Any
    nextstate: Any
    label: Any
    number: Any
    cost: Any


class Candidates(NamedTuple):
    """Arcs of words that leave a subset, in lists by word.

    Attributes:
        candidate: (W, 3) int32 word arc, element, next candidate of the word.
        cost: (W,) up to the end of the arc.
        head: (words,) int32 first candidate of each word, -1 before and after.
        words: (words,) int32 those that have any.
    """

    candidate: Any
    cost: Any
    head: Any
    words: Any


class Entries(NamedTuple):
    """Raw states in which a subset is entered.

    Attributes:
        entry: (S, 3) int32 state, string, label that follows.
        cost: (S, 2) cost, acoustic cost.
        of_state: (S,) int32 the entry of a state.
    """

    entry: Any
    cost: Any
    of_state: Any


class Ways(NamedTuple):
    """Best ways from entries along arcs without words.

    Attributes:
        reached: (S,) cost of the best way to a state that waits; infinity before and after.
        bits: set of the states that wait, empty before and after.
        by: (S,) int32 last arc of the best way, or -1 - i for entry i.
        string: (S,) int32 node of the best way's string; -1 before and after.
        acoustic: (S,) of the best way, where there is a string.
        exits: (S,) int32 exits within the limit, in order.
        exit_cost: (S,).
        filled: (S,) int32 states that have strings.
        trail: (S,) int32 a way.
    """

    reached: Any
    bits: Any
    by: Any
    string: Any
    acoustic: Any
    exits: Any
    exit_cost: Any
    filled: Any
    trail: Any


class Known(NamedTuple):
    """What sets of entries led to.

    Attributes:
        slot: (2^m, 6) int64 the last set by hash: hash, frame of its cut, state that it leads to, end of labels that
            end with those between both cuts, first entry, end of the entries.
        base: (2^m, 2) cost and acoustic cost of the state's best way, from the first entry's.
        entry: (KNOWN, 2) int32 state, label that follows.
        string_hash: (KNOWN,) uint64 of the string since the cut.
        cost: (KNOWN, 2) cost and acoustic cost, from the first entry's.
    """

    slot: Any
    base: Any
    entry: Any
    string_hash: Any
    cost: Any


class Made(NamedTuple):
    """What the subset construction has made; rows beyond those counted are room.

    Attributes:
        nodes: (NODES, 4) int32 strings: parent, label, frame, mark.
        node_hash: (NODES,) uint64.
        element: (ELEMENTS, 2) int32 exit, node.
        element_cost: (ELEMENTS, 2) cost and acoustic cost, from the best way through the subset.
        state: (STATES, 6) int32 first element, end of the elements, frame of the cut, lowest exit, whether its arcs are
            made, next state of the list by hash.
        state_hash: (STATES, 2) uint64 of the elements, of the string up to the cut.
        forward: (STATES,) lowest cost up to a state.
        arc: (ARCS, 4) int32 source, next, word, first label.
        arc_cost: (ARCS, 3) cost, acoustic cost, cost of the best path through the arc.
        labels: (LABELS,) int32 of the arcs.
        end: (ENDS, 2) int32 state, first label.
        end_cost: (ENDS, 2) cost, acoustic cost.
        end_labels: (END_LABELS,) int32.
        heap_key: (HEAP,) int64 the states whose arcs are to be made, by time.
        heap_state: (HEAP,) int32.
        first_of: (2^n,) int32 last state by hash, of those whose arcs are to be made.
    """

    nodes: Any
    node_hash: Any
    element: Any
    element_cost: Any
    state: Any
    state_hash: Any
    forward: Any
    arc: Any
    arc_cost: Any
    labels: Any
    end: Any
    end_cost: Any
    end_labels: Any
    heap_key: Any
    heap_state: Any
    first_of: Any


# of the arrays of `Made` that grow: what they are counted by, dtype, columns
ROWS: dict[str, tuple[int, type, tuple[int, ...]]] = {
    "nodes": (NODES, np.int32, (4,)),
    "node_hash": (NODES, np.uint64, ()),
    "element": (ELEMENTS, np.int32, (2,)),
    "element_cost": (ELEMENTS, np.float64, (2,)),
    "state": (STATES, np.int32, (6,)),
    "state_hash": (STATES, np.uint64, (2,)),
    "forward": (STATES, np.float64, ()),
    "arc": (ARCS, np.int32, (4,)),
    "arc_cost": (ARCS, np.float64, (3,)),
    "labels": (LABELS, np.int32, ()),
    "end": (ENDS, np.int32, (2,)),
    "end_cost": (ENDS, np.float64, (2,)),
    "end_labels": (END_LABELS, np.int32, ()),
    "heap_key": (STATES, np.int64, ()),
    "heap_state": (STATES, np.int32, ()),
}
