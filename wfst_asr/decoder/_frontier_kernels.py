"""Kernels of the tokens of one frame."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from wfst_asr.decoder._trace_kernels import grown


class Frontier(NamedTuple):
    """Tokens of one frame, with the lists of tokens that wait for the epsilon step.

    Attributes:
        target: (C,) uint32 address and epsilon code of each token's state.
        cost: (C,) float32.
        link: (C,) int32 next token of the same epsilon level, -1 at the end.
        head: first token of each level's list.
        tail: last token of the list of the highest code, which is a queue.
    """

    target: Any
    cost: Any
    link: Any
    head: Any
    tail: Any


@njit(cache=True, nogil=True)
def make_frontier(capacity: int, codes: int) -> Any:
    return Frontier(
        np.empty(capacity, np.uint32),
        np.empty(capacity, np.float32),
        np.empty(capacity, np.int32),
        np.full(codes, -1, np.int32),
        np.full(1, -1, np.int32),
    )


@njit(cache=True, nogil=True)
def wider_frontier(frontier: Any, capacity: int) -> Any:
    return Frontier(
        grown(frontier.target, capacity),
        grown(frontier.cost, capacity),
        grown(frontier.link, capacity),
        frontier.head,
        frontier.tail,
    )
