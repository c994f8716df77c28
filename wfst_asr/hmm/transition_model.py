"""Transition-ids: the numbers on HCLG's input side, and the probability of each (Kaldi `transition-model.h`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.topology import NO_PDF, HmmTopology
from wfst_asr.tree.context_dependency import EnumerableContext


@dataclass(frozen=True)
class TransitionModel:
    """Transition-states, transition-ids and their log probabilities.

    A transition-state is a tuple (phone, HMM state, forward pdf, self-loop pdf); they are numbered from 1 in sorted
    order.  A transition-id is a transition-state and an arc of its HMM state; they are numbered from 1, the arcs of
    a transition-state one after another in the order of the topology.

    Attributes:
        topology: the HMM of every phone.
        tuples: (S, 4) int32, row i is transition-state i + 1: phone, hmm_state, forward_pdf, self_loop_pdf.
        log_prob: (I + 1,) float32, natural log of every transition-id's probability; entry 0 unused.

    All arrays below indexed by transition-state or transition-id have an unused entry 0.

    >>> from wfst_asr.hmm.topology import HmmTopology, left_to_right
    >>> from wfst_asr.tree.decision_tree import monophone_tree
    >>> topology = HmmTopology((left_to_right(2),), {1: 0})
    >>> model = transition_model_from_tree(monophone_tree({1: 2}), topology)
    >>> model.num_transition_ids, model.pdf_id.tolist(), model.is_self_loop.tolist()
    (4, [-1, 0, 0, 1, 1], [False, True, False, True, False])
    """

    topology: HmmTopology
    tuples: NDArray[np.int32]
    log_prob: NDArray[np.float32]

    def __post_init__(self) -> None:
        if len(self.log_prob) != self.num_transition_ids + 1:
            raise WfstAsrError(
                f"transition model: {len(self.log_prob) - 1} probabilities for {self.num_transition_ids} "
                "transition-ids; the model file is damaged or of another topology"
            )
        if not np.all(np.isfinite(self.log_prob[1:])) or np.any(self.log_prob[1:] > 1e-4):
            raise WfstAsrError("transition model: a probability outside (0, 1]; the model file is damaged")

    @property
    def num_transition_states(self) -> int:
        return len(self.tuples)

    @property
    def num_transition_ids(self) -> int:
        return int(self.first_id[-1]) - 1

    @property
    def num_pdfs(self) -> int:
        return int(self.tuples[:, 2:].max()) + 1

    @cached_property
    def first_id(self) -> NDArray[np.int64]:
        """(S + 2,) the transition-ids of transition-state s are `first_id[s]:first_id[s + 1]`."""
        counts = [len(self.topology.states(int(phone))[hmm_state].transitions) for phone, hmm_state, *_ in self.tuples]
        return np.concatenate(([1, 1], 1 + np.cumsum(counts, dtype=np.int64)))

    @cached_property
    def transition_state(self) -> NDArray[np.int32]:
        """(I + 1,) transition-state of every transition-id."""
        states = np.arange(1, self.num_transition_states + 1, dtype=np.int32)
        return np.concatenate((np.zeros(1, np.int32), np.repeat(states, np.diff(self.first_id[1:]))))

    @cached_property
    def next_hmm_state(self) -> NDArray[np.int16]:
        """(I + 1,) HMM state that every transition-id leads to."""
        result = [-1]
        for phone, hmm_state, *_ in self.tuples:
            result += [dest for dest, _ in self.topology.states(int(phone))[hmm_state].transitions]
        return np.asarray(result, dtype=np.int16)

    @cached_property
    def phone(self) -> NDArray[np.int32]:
        """(I + 1,) phone of every transition-id; 0 at entry 0."""
        return self._by_id(self.tuples[:, 0], 0).astype(np.int32)

    @cached_property
    def hmm_state(self) -> NDArray[np.int16]:
        """(I + 1,) HMM state (0-based) that every transition-id leaves."""
        return self._by_id(self.tuples[:, 1], 0).astype(np.int16)

    @cached_property
    def is_self_loop(self) -> NDArray[np.bool_]:
        """(I + 1,) whether a transition-id is a self-loop."""
        result: NDArray[np.bool_] = self.next_hmm_state == self.hmm_state
        result[0] = False
        return result

    @cached_property
    def is_final(self) -> NDArray[np.bool_]:
        """(I + 1,) whether a transition-id leaves its phone."""
        last = [-2] + [len(self.topology.states(int(phone))) - 1 for phone in self.tuples[:, 0]]
        result: NDArray[np.bool_] = np.asarray(last)[self.transition_state] == self.next_hmm_state
        return result

    @cached_property
    def pdf_id(self) -> NDArray[np.int32]:
        """(I + 1,) pdf-id (0-based) of every transition-id; -1 at entry 0."""
        forward, loop = self._by_id(self.tuples[:, 2], -1), self._by_id(self.tuples[:, 3], -1)
        return np.where(self.is_self_loop, loop, forward).astype(np.int32)

    @cached_property
    def self_loop_id(self) -> NDArray[np.int32]:
        """(S + 1,) the transition-id of every transition-state's self-loop; 0 if it has none."""
        result = np.zeros(self.num_transition_states + 1, dtype=np.int32)
        loops = np.flatnonzero(self.is_self_loop)
        result[self.transition_state[loops]] = loops
        return result

    @cached_property
    def non_self_loop_log_prob(self) -> NDArray[np.float32]:
        """(S + 1,) log of one minus the self-loop's probability; 0 where there is no self-loop."""
        result = np.zeros(self.num_transition_states + 1, dtype=np.float32)
        states = np.flatnonzero(self.self_loop_id)
        leave = np.float32(1.0) - np.exp(self.log_prob[self.self_loop_id[states]])
        result[states] = np.log(np.maximum(leave, np.float32(1e-10)))
        return result

    @cached_property
    def forward_log_prob(self) -> NDArray[np.float32]:
        """(I + 1,) log probability of a transition-id given that the self-loop is not taken."""
        return self.log_prob - self.non_self_loop_log_prob[self.transition_state]

    @cached_property
    def _state_of_tuple(self) -> dict[tuple[int, ...], int]:
        return {tuple(row): i + 1 for i, row in enumerate(self.tuples.tolist())}

    def find(self, phone: int, hmm_state: int, forward_pdf: int, self_loop_pdf: int) -> int:
        """Return the transition-state of a tuple.

        Raises:
            WfstAsrError: the model has no such tuple.
        """
        state = self._state_of_tuple.get((phone, hmm_state, forward_pdf, self_loop_pdf))
        if state is None:
            raise WfstAsrError(
                f"phone {phone}, HMM state {hmm_state}: pdf-id {forward_pdf} is not in the transition model; "
                "take the tree that belongs to the model"
            )
        return state

    def _by_id(self, column: NDArray[np.int32], first: int) -> NDArray[np.int64]:
        return np.concatenate(([first], column.astype(np.int64)))[self.transition_state]


def transition_model_from_tree(tree: EnumerableContext, topology: HmmTopology) -> TransitionModel:
    """Make the transition model of a tree and a topology, with the topology's probabilities (Kaldi `InitializeProbs`).

    Raises:
        WfstAsrError: the tree has no pdf for a phone or pdf-class of the topology.
    """
    tuples: set[tuple[int, int, int, int]] = set()
    for phone in topology.phones:
        for number, state in enumerate(topology.states(phone)):
            classes = _classes(state.forward_pdf_class, state.self_loop_pdf_class)
            for pdfs in tree.pdf_tuples(phone, classes) if classes else ():
                tuples.add((phone, number, pdfs[0], pdfs[-1]))
    rows = np.asarray(sorted(tuples), dtype=np.int32).reshape(-1, 4)
    probs = [1.0]
    for phone, number, *_ in rows:
        probs += [prob for _, prob in topology.states(int(phone))[number].transitions]
    return TransitionModel(topology, rows, np.log(np.asarray(probs)).astype(np.float32))


def _classes(forward: int, loop: int) -> Sequence[int]:
    if forward == NO_PDF:
        return ()
    return (forward,) if loop in (forward, NO_PDF) else (forward, loop)
