"""Kernel that counts what det(L o G) will be, without building it."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, rehashed, slot_of

TREE_STATES, TREE_ARCS, ROOT_ARCS, FIRST_STATES, FIRST_ARCS, TAILS, BACKOFFS = 0, 1, 2, 3, 4, 5, 6


@njit(cache=True, nogil=True)
def one_word_states(g_first, g_arcs, backoff_label):  # type: ignore[no-untyped-def]
    """Return the word that leads to each G state; 0 for none, -1 where several do."""
    word_of = np.zeros(g_first.shape[0] - 1, np.int32)
    for arc in range(g_arcs.shape[0]):
        label, target = g_arcs[arc, 0], g_arcs[arc, 3]
        if label != backoff_label and label != 0:
            if word_of[target] == 0:
                word_of[target] = label
            elif word_of[target] != label:
                word_of[target] = -1
    return word_of


@njit(cache=True, nogil=True)
def count_trees(  # type: ignore[no-untyped-def]
    g_first, g_arcs, backoff_label, word_of, entry_first, entry_rank, entry_arc, pron_first, pron_phone, pron_tail,
    tail_first, tail_arcs,
):  # fmt: skip
    """Count the lexical trees of `lexical_trees`: for G states of one word (row 0) and of several (row 1).

    Entries of a state are sorted by pronunciation, so that an arc of its tree is a beginning that an entry does not
    share with the one before, up to the first phone that is the entry's alone.  Tails are counted by the longest rest
    of the word that leads to a state; where several words do, they are entered into a table.

    Columns are numbered by the constants of this module: inner states of trees, their arcs, the arcs of the roots, the
    states behind these, the arcs of those, the tails, and the arcs without a word.
    """
    num_g = g_first.shape[0] - 1
    counts = np.zeros((2, 7), np.int64)
    longest = np.zeros(num_g, np.int32)  # rest of the word before each state
    slots = np.full(1 << 12, -1, np.int32)
    keys = np.empty(1 << 11, np.int64)
    num_keys = 0 * num_g
    for d in range(num_g):
        row = 1 if word_of[d] < 0 else 0
        for arc in range(g_first[d], g_first[d + 1]):
            if g_arcs[arc, 0] == backoff_label or g_arcs[arc, 0] == 0:
                counts[row, BACKOFFS] += 1
        before = 0
        for i in range(entry_first[d], entry_first[d + 1]):
            rank = entry_rank[i]
            begin, length = pron_first[rank], pron_first[rank + 1] - pron_first[rank]
            shared, after, own = before, 0, 0
            if i > entry_first[d] and entry_arc[i] != entry_arc[i - 1]:
                own = before
            if i + 1 < entry_first[d + 1]:
                other = pron_first[entry_rank[i + 1]]
                most = min(length, pron_first[entry_rank[i + 1] + 1] - other)
                while after < most and pron_phone[begin + after] == pron_phone[other + after]:
                    after += 1
                if entry_arc[i + 1] != entry_arc[i]:
                    own = max(own, after)
            # beginnings up to `own` phones are shared with another word; the arc after that is the word's
            if own + 1 > shared or shared == 0:
                counts[row, TREE_ARCS] += own + 1 - shared
                counts[row, TREE_STATES] += max(own - shared, 0)
                if shared == 0:
                    counts[row, ROOT_ARCS] += 1
                    if length > 1:
                        counts[row, FIRST_STATES] += 1
                if shared <= 1 and length > 1:
                    counts[row, FIRST_ARCS] += 1
                target, rest = g_arcs[entry_arc[i], 3], length - own - 1
                if word_of[target] > 0:
                    longest[target] = max(longest[target], rest)
                elif rest > 0:
                    node = np.int64(pron_tail[begin + rank + own + 1])
                    while node != 0:
                        keys = grown(keys, num_keys + 1)
                        if 2 * (num_keys + 1) > slots.shape[0]:
                            slots = rehashed(slots, keys, num_keys)
                        key = node * num_g + target
                        slot = slot_of(slots, keys, key)
                        if slots[slot] >= 0:
                            break
                        slots[slot] = num_keys
                        keys[num_keys] = key
                        num_keys += 1
                        node = np.int64(tail_arcs[tail_first[node], 1])
            before = after
    for d in range(num_g):
        counts[0, TAILS] += longest[d]
    counts[1, TAILS] = num_keys
    return counts
