"""Kernel that finds what all living tokens of a search share."""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def shared_stem(previous: Any, base: int, count: int, seen: Any) -> int:
    """Return the newest token that the paths of all living tokens go through.

    Goes back from each living token until it meets another's path; the time is that of the tree that they make.

    Args:
        previous: back-pointers, 0 where a path begins.
        base: the first living token; at least one lives.
        count: how many live.
        seen: (base + count,) uint8 zeros; 1 where one path goes through a token, 2 where several do or one ends.
    """
    for i in range(base, base + count):
        seen[i] = np.uint8(2)
    for i in range(base, base + count):
        j = np.int64(previous[i])
        while j > 0:
            if seen[j] != 0:
                seen[j] = np.uint8(2)
                break
            seen[j] = np.uint8(1)
            j = np.int64(previous[j])
    stem = np.int64(base)
    j = stem
    while j > 0:
        if seen[j] == 2:
            stem = j
        j = np.int64(previous[j])
    return int(stem)
