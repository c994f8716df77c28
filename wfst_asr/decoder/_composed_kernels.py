"""Arrays of a graph that is composed while it is searched (`on_the_fly.py`), and the table of its states.

Numbers that are needed together stand in one row, since each row is about one access to memory.  Rows mix int32 and
float32, of which there is a view each.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

NOT_LAID = -1
NUM_STATES, NUM_WORDS, NUM_BLOCKS, NUM_ARCS = 0, 1, 2, 3
# columns of the rows of composed states; the first three are those of STATE_DTYPE
FINAL, FIRST_ARC, DEGREE, TARGET, POTENTIAL, STATE_OF_HCL, STATE_OF_G, GIVEN = range(8)
H_FIRST, H_SET, H_LEVEL, H_FINAL = range(4)
G_FIRST, G_BACKOFF, G_BACKOFFS, G_FINAL, G_BACKOFF_COST = range(5)
E_RANK, E_NEXT, E_COST, E_WORD = range(4)  # and in the last two columns, as float64, the running total
E_TOTAL = 2  # its column of the float64 view
MARKER, LEVELS, LAST_CODE, SHIFT, MARGIN, START_OF_HCL, START_OF_G = range(7)


class Parts(NamedTuple):
    """HCL and G, see `graph/on_the_fly.py`: `h_` for HCL, `g_` for G.

    Attributes:
        facts: (7,) int64 marker, levels that G takes for one of HCL's, highest epsilon code, number of address bits,
            arcs that must have room before a state is laid, start states.
        h_states: (S + 1, 4) first arc, set, level of the epsilon arcs, final cost.
        h_arcs: (A, 4) ilabel, olabel, cost, nextstate.
        columns: (L,) int32 score column of each input label.
        set_first: (sets + 1,) int64 offsets into `ranges`.
        ranges: (N, 2) int32 first rank, and rank after the last.
        word_cost: (R,) float32 cost of each pronunciation.
        of_word_first: (words + 1,) int64 offsets of the words into `of_word`, the ranks of their pronunciations.
        g_states: (S + 1, 5) first entry, back-off state, how often one can back off, final cost, back-off cost.
        entries: (E, 6) rank, nextstate, cost, word, running total of exp(-cost).
        h_states_real, h_arcs_real, g_states_real, entries_real: as float32.
        entries_total: (E, 3) as float64.
    """

    facts: Any
    h_states: Any
    h_states_real: Any
    h_arcs: Any
    h_arcs_real: Any
    columns: Any
    set_first: Any
    ranges: Any
    word_cost: Any
    of_word_first: Any
    of_word: Any
    g_states: Any
    g_states_real: Any
    entries: Any
    entries_real: Any
    entries_total: Any


class Laid(NamedTuple):
    """What is composed so far.

    Attributes:
        words: uint32 blocks as of SearchLayout, and costs, the same memory as float32.
        block_start: uint32 address of each block.
        block_state: int32 composed state of each block.
        states: (.., 8) final cost, first arc, number of arcs, target (address and epsilon code, NOT_LAID where it is
            only numbered), V of `graph/on_the_fly_definition.py`, state of HCL, state of G, word given out before its
            pronunciation is told apart.
        arcs: (.., 4) records of ARC_DTYPE.
        states_real, arcs_real: as float32.
        pending: int32 by address >> 2: state + 1 of a block that is not linked.
        slots: int32 hash table of states.
        numbers: (4,) int64 of states, words, blocks, and arcs.
    """

    words: Any
    costs: Any
    block_start: Any
    block_state: Any
    states: Any
    states_real: Any
    arcs: Any
    arcs_real: Any
    pending: Any
    slots: Any
    numbers: Any


class Expansion(NamedTuple):
    """What the search composes with; `waiting` is room for `lay`."""

    parts: Any
    laid: Any
    waiting: Any


@njit(cache=True, nogil=True, inline="always")
def _mixed(value: Any) -> Any:
    """Return a well-mixed hash of 64 bits (the finaliser of splitmix64)."""
    h = np.uint64(value)
    h ^= h >> np.uint64(30)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> np.uint64(27)
    h *= np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@njit(cache=True, nogil=True)
def _hash_of(q: Any, g: Any, word: Any) -> Any:
    return _mixed(_mixed((np.uint64(q) << np.uint64(32)) | np.uint64(g)) + np.uint64(word))


@njit(cache=True, nogil=True)
def fill_slots(slots: Any, states: Any, count: Any) -> None:
    """Enter the first `count` states into an empty table."""
    mask = np.uint64(len(slots) - 1)
    for s in range(count):
        at = _hash_of(states[s, STATE_OF_HCL], states[s, STATE_OF_G], states[s, GIVEN]) & mask
        while slots[at] >= 0:
            at = (at + np.uint64(1)) & mask
        slots[at] = s


@njit(cache=True, nogil=True)
def number_of(
    q: Any, g: Any, word: Any, potential: Any, states: Any, states_real: Any, slots: Any, numbers: Any
) -> Any:
    """Return the number of a composed state, a new one where it is new; there must be room for it."""
    mask = np.uint64(len(slots) - 1)
    at = _hash_of(q, g, word) & mask
    while slots[at] >= 0:
        s = np.uint64(slots[at])
        if states[s, STATE_OF_HCL] == q and states[s, STATE_OF_G] == g and states[s, GIVEN] == word:
            return np.int64(s)
        at = (at + np.uint64(1)) & mask
    new = numbers[NUM_STATES]
    slots[at] = new
    states[new, STATE_OF_HCL], states[new, STATE_OF_G], states[new, GIVEN] = q, g, word
    states_real[new, POTENTIAL] = potential
    states[new, TARGET] = NOT_LAID
    numbers[NUM_STATES] = new + 1
    return np.int64(new)
