"""Kernel that finds which input labels a graph can repeat at no cost."""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def repeatable(first: Any, count: Any, ilabel: Any, olabel: Any, cost: Any, nextstate: Any, num_labels: int) -> Any:
    """Return for each input label whether all its arcs lead to states that repeat it; linear in the arcs.

    A state repeats a label if it has an arc to itself with it, without a word and at no cost.
    """
    num_states = len(first)
    repeats = np.ones(num_labels, np.bool_)
    loop_first = np.zeros(num_states + 1, np.int64)
    for state in range(num_states):
        loops = 0
        for a in range(first[state], first[state] + count[state]):
            if nextstate[a] == state and ilabel[a] != 0 and olabel[a] == 0 and cost[a] == 0.0:
                loops += 1
        loop_first[state + 1] = loop_first[state] + loops
    loop_label = np.empty(loop_first[num_states], np.int32)
    filled = 0
    for state in range(num_states):
        for a in range(first[state], first[state] + count[state]):
            if nextstate[a] == state and ilabel[a] != 0 and olabel[a] == 0 and cost[a] == 0.0:
                loop_label[filled] = ilabel[a]
                filled += 1
    for state in range(num_states):
        for a in range(first[state], first[state] + count[state]):
            label = ilabel[a]
            if label == 0 or not repeats[label]:
                continue
            found = False
            for k in range(loop_first[nextstate[a]], loop_first[nextstate[a] + 1]):
                if loop_label[k] == label:
                    found = True
                    break
            if not found:
                repeats[label] = False
    return repeats
