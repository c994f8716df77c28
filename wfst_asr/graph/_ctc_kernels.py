"""Kernel of the direct T o LG: CTC's blanks and repetitions put into the lexical trees, on the fly."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, rehashed, slot_of
from wfst_asr.graph._arrays_kernels import grown_arcs

STANDARD, COMPACT, NO_BLANK = 0, 1, 2


@njit(cache=True, nogil=True)
def expand_ctc(start, first, arcs, final, token_of, num_labels, blank, topology):  # type: ignore[no-untyped-def]
    """Compose T with a machine over units; labels of the result are tokens.

    A state is (state of LG, last token read): token 0 stands for a blank, or for the begin.  Every state has the loop
    of its token (of the blank, for token 0).  After a token, the standard topology takes any other token or a blank;
    the compact one goes back by an epsilon to where a blank was read; without blank any token may follow.

    `token_of` is (units + 1,) int32, the label of each unit, below `num_labels`; entry 0 is 0 for epsilon.  Returns
    (first, arcs, final), costs as they are in `arcs`.  Linear in the size of the result.
    """
    width = np.int64(num_labels)
    slots = np.full(1 << 16, -1, np.int32)
    keys = np.empty(1 << 15, np.int64)
    keys[0] = np.int64(start) * width
    slots[slot_of(slots, keys, keys[0])] = 0
    num_arcs = 0 * start  # not the literal 0, for which numba would compile what is called once more
    num_states, state = num_arcs + 1, 0
    new_arcs = np.empty((2 * arcs.shape[0] + 1024, 4), np.int32)
    new_first = np.empty(1 << 15, np.int64)
    new_final = np.empty(1 << 15, np.int32)
    while state < num_states:
        source, last = keys[state] // width, keys[state] % width
        most = num_states + first[source + 1] - first[source] + 1
        new_first, new_final = grown(new_first, state + 2), grown(new_final, state + 1)
        keys = grown(keys, most)
        while 2 * most > slots.shape[0]:
            slots = rehashed(slots, keys, num_states)
        new_arcs = grown_arcs(new_arcs, num_arcs + most - num_states + 2)
        new_first[state] = num_arcs
        new_final[state] = final[source]
        new_arcs[num_arcs, 0], new_arcs[num_arcs, 1] = last if last != 0 else blank, 0
        new_arcs[num_arcs, 2], new_arcs[num_arcs, 3] = 0, state
        num_arcs += 1
        back_only = last != 0 and topology == COMPACT
        for arc in range(first[source] - (1 if last != 0 else 0), first[source] if back_only else first[source + 1]):
            if arc < first[source]:  # to where a blank was read
                label, word, cost = np.int64(0 if topology == COMPACT else blank), np.int32(0), np.int32(0)
                new_key = source * width
            else:
                label, word, cost = np.int64(token_of[arcs[arc, 0]]), arcs[arc, 1], arcs[arc, 2]
                if label == last and label != 0 and topology == STANDARD:
                    continue
                new_key = np.int64(arcs[arc, 3]) * width + (label if label != 0 else last)
            slot = slot_of(slots, keys, new_key)
            if slots[slot] < 0:
                slots[slot] = num_states
                keys[num_states] = new_key
                num_states += 1
            new_arcs[num_arcs, 0], new_arcs[num_arcs, 1] = label, word
            new_arcs[num_arcs, 2], new_arcs[num_arcs, 3] = cost, slots[slot]
            num_arcs += 1
        state += 1
    new_first = grown(new_first, num_states + 1)
    new_first[num_states] = num_arcs
    return new_first[: num_states + 1], new_arcs[:num_arcs], new_final[:num_states]
