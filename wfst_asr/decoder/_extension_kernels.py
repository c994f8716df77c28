"""Kernel of extending a layout: arcs to blocks that moved are led to their new places."""

import numpy as np
from numba import njit

_HEADER_WORDS, _EMITTING_WORDS, _EPSILON_WORDS = 4, 3, 2


@njit(cache=True, nogil=True)
def redirect(words, code_shift, told, moved_to):  # type: ignore[no-untyped-def]
    """Walk over all blocks and point their arcs to blocks that moved; tell the codes of those in `told`.

    Args:
        words: (W,) uint32 blocks, changed in place.
        code_shift: number of address bits in a target.
        told: (K,) addresses, rising.
        moved_to: (K,) new addresses; -1 where a block stays.

    Returns:
        (K,) int64: the epsilon code of each, -1 where no arc leads to it.
    """
    code = np.full(len(told), -1, np.int64)
    mask = (np.int64(1) << code_shift) - 1
    size = 1  # of a table by the low bits of addresses, which says that most are none of those told
    while size < 64 * len(told):
        size *= 2
    maybe = np.zeros(size, np.bool_)
    for k in range(len(told)):
        maybe[told[k] & (size - 1)] = True
    at, end = 0, len(words)
    while at < end:
        emitting, epsilon = np.int64(words[at + 2]), np.int64(words[at + 3])
        at += _HEADER_WORDS
        for i in range(emitting + epsilon):
            place = at + 1 if i < emitting else at
            address = np.int64(words[place]) & mask
            if maybe[address & (size - 1)]:
                k = np.searchsorted(told, address)
                if k < len(told) and told[k] == address:
                    code[k] = np.int64(words[place]) >> code_shift
                    if moved_to[k] >= 0:
                        words[place] = np.uint32(moved_to[k] | (code[k] << code_shift))
            at += _EMITTING_WORDS if i < emitting else _EPSILON_WORDS
    return code
