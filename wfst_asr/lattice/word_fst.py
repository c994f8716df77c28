"""WordFst: an FST of words, made ready for composition with lattices; its back-off arcs are apart."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable


@dataclass(frozen=True)
class WordFst:
    """A weighted transducer of words as flat arrays; the arcs of a state ascend by input label, epsilons come first.

    Attributes:
        start: start state.
        first_arc: (S + 1,) int64 arcs of state s are `first_arc[s] : first_arc[s + 1]`.
        first_word: (S,) int64 its first arc that is no epsilon.
        ilabel: (A,) int32.
        olabel: (A,) int32.
        cost: (A,) float32.
        nextstate: (A,) int32.
        backoff_state: (S,) int32 where a state's back-off arc leads, -1 without one.
        backoff_cost: (S,) float32 its cost, 0 without one.
        final_cost: (S,) float32, infinite where the FST does not end.
    """

    start: int
    first_arc: NDArray[np.int64]
    first_word: NDArray[np.int64]
    ilabel: NDArray[np.int32]
    olabel: NDArray[np.int32]
    cost: NDArray[np.float32]
    nextstate: NDArray[np.int32]
    backoff_state: NDArray[np.int32]
    backoff_cost: NDArray[np.float32]
    final_cost: NDArray[np.float32]


def word_fst(table: ArcTable, *, backoff_label: int | None = None) -> WordFst:
    """Make an FST ready for `compose`, once for many lattices.

    With a back-off label, its arcs are failure transitions: one is taken from a state for a word that the state lacks,
    and for the end of the sentence where the state is not final.  So the best path of G is the one with the model's
    probability, where back-off arcs as epsilons would also allow detours that are cheaper.

    Args:
        table: acceptor or transducer.
        backoff_label: input label of the back-off arcs, such as the id of `#0`.

    Raises:
        WfstAsrError: an empty FST, a label below 0, two back-off arcs of a state, one with an output label, or a cycle
            of them.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> arcs = [(0, 1, 9, 0, 0.5), (1, 1, 2, 2, 1.0), (1, 1, 1, 1, 2.0)]
    >>> g = word_fst(arc_table(2, arcs, finals={1: 0}), backoff_label=9)
    >>> g.ilabel.tolist(), g.backoff_state.tolist()
    ([1, 2], [1, -1])
    """
    if not 0 <= table.start < table.num_states:
        raise WfstAsrError("the FST to compose with has no states; expected words to accept")
    source = table.source()
    arcs = table.arcs
    if len(arcs) and min(int(arcs["ilabel"].min()), int(arcs["olabel"].min())) < 0:
        raise WfstAsrError("the FST to compose with has a label below 0; expected words and 0 for none")
    backoff_state = np.full(table.num_states, -1, dtype=np.int32)
    backoff_cost = np.zeros(table.num_states, dtype=np.float32)
    if backoff_label is not None:
        if backoff_label <= 0:
            raise WfstAsrError(f"back-off label {backoff_label}, expected the id of a symbol such as '#0'")
        backs = arcs["ilabel"] == backoff_label
        down, at = arcs[backs], source[backs]
        twice = at[1:][at[1:] == at[:-1]]
        if len(twice):
            raise WfstAsrError(f"state {twice[0]} of the FST has two back-off arcs; expected one at most")
        if not np.isin(down["olabel"], (0, backoff_label)).all():
            raise WfstAsrError("a back-off arc of the FST has a word as its output; expected none")
        backoff_state[at], backoff_cost[at] = down["nextstate"], down["cost"]
        _check_cycles(backoff_state)
        arcs, source = arcs[~backs], source[~backs]
    ilabel = np.ascontiguousarray(arcs["ilabel"])
    if np.any((ilabel[1:] < ilabel[:-1]) & (source[1:] == source[:-1])):
        order = np.lexsort((ilabel, source))
        arcs, ilabel = arcs[order], ilabel[order]
    first_arc = np.zeros(table.num_states + 1, dtype=np.int64)
    np.cumsum(np.bincount(source, minlength=table.num_states), out=first_arc[1:])
    return WordFst(
        start=table.start,
        first_arc=first_arc,
        first_word=first_arc[:-1] + np.bincount(source[ilabel == 0], minlength=table.num_states),
        ilabel=ilabel,
        olabel=np.ascontiguousarray(arcs["olabel"]),
        cost=np.ascontiguousarray(arcs["cost"]),
        nextstate=np.ascontiguousarray(arcs["nextstate"]),
        backoff_state=backoff_state,
        backoff_cost=backoff_cost,
        final_cost=np.ascontiguousarray(table.final_cost),
    )


def _check_cycles(backoff_state: NDArray[np.int32]) -> None:
    """Refuse back-off arcs in a circle: after S steps, taken by doubling, everybody must have arrived."""
    state, steps = backoff_state, 1
    while (state >= 0).any():
        if steps > len(state):
            raise WfstAsrError(f"the FST has a cycle of back-off arcs through state {state.max()}; expected none")
        state, steps = np.where(state >= 0, state[state], -1), 2 * steps
