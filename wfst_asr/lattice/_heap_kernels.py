"""Kernels of a binary heap of states with int64 keys."""

from typing import Any

from numba import njit


@njit(cache=True, nogil=True)
def push(keys: Any, states: Any, count: Any, key: Any, state: Any) -> None:
    """Put a state into a binary heap of `count` entries."""
    at = count
    while at > 0 and keys[(at - 1) >> 1] > key:
        keys[at], states[at] = keys[(at - 1) >> 1], states[(at - 1) >> 1]
        at = (at - 1) >> 1
    keys[at], states[at] = key, state


@njit(cache=True, nogil=True)
def pop(keys: Any, states: Any, count: Any) -> Any:
    """Take the state of the lowest key out of a heap of `count` entries."""
    lowest = states[0]
    key, state = keys[count - 1], states[count - 1]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= count - 1:
            break
        if child + 1 < count - 1 and keys[child + 1] < keys[child]:
            child += 1
        if keys[child] >= key:
            break
        keys[at], states[at] = keys[child], states[child]
        at = child
    keys[at], states[at] = key, state
    return lowest
