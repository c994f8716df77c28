"""Training graphs: the HMM states that an utterance may pass through, from the words of its transcript.

The definition is H o C o L o (the words), as OpenFst composes them; here each step is a kernel on arrays, since a
corpus has many small graphs (Kaldi `training-graph-compiler.cc`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.graph._training_hmm_kernels import hmm_graph, merged_units
from wfst_asr.graph.phone_machine import Contexts, LexiconArrays, PhoneMachine, find_contexts, with_room
from wfst_asr.hmm.topology import NO_PDF, TopologyEntry
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.tree.context_dependency import ContextDependency


@dataclass(frozen=True)
class TrainingGraph:
    """The HMM states of one transcript, ready for alignment: no epsilons, and self-loops are arcs.

    A state is an HMM state of a phone in its place; a frame is emitted by the arc that leaves it, with the pdf of the
    arc's transition-id.  The order is therefore that of the HMM: self-loops first, then the transition onwards (Kaldi:
    not reordered).  The last state is the end of the utterance and has no arcs.

    Attributes:
        first: (S + 1,) int32; the arcs of state s are `first[s]:first[s + 1]`.
        ilabel: (A,) int32 transition-ids.
        cost: (A,) float32, pronunciation and silence costs of L, and of HMM states that emit nothing; without the
            probabilities of transition-ids.
        nextstate: (A,) int32.
        final_cost: (S,) float32; infinity where an utterance cannot end.
        start_states: (K,) int32, where an utterance may begin.
        start_costs: (K,) float32.
        state_word: (S,) int32 position in the transcript; -1 for silence between words and for the end.
        state_phone: (S,) int32 phone ids; 0 for the end.
    """

    first: NDArray[np.int32]
    ilabel: NDArray[np.int32]
    cost: NDArray[np.float32]
    nextstate: NDArray[np.int32]
    final_cost: NDArray[np.float32]
    start_states: NDArray[np.int32]
    start_costs: NDArray[np.float32]
    state_word: NDArray[np.int32]
    state_phone: NDArray[np.int32]

    @property
    def num_states(self) -> int:
        return len(self.final_cost)

    @property
    def num_arcs(self) -> int:
        return len(self.ilabel)

    def pdfs(self, model: TransitionModel) -> NDArray[np.int32]:
        """Return the pdf-ids that the graph may emit, sorted: the columns that an alignment needs scores of."""
        return np.unique(model.pdf_id[self.ilabel])


class TrainingGraphCompiler:
    """Compiles transcripts to training graphs; keeps the HMMs of the context windows it has met.

    It can be pickled, so that worker processes may have one.  Of several paths of epsilons through L between the same
    states the best one counts.

    Args:
        lexicon: L without disambiguation symbols: input labels are phones, output labels words.
        tree: the context of phones, of any width.
        model: the transition model that belongs to the tree.
        words: names of words (id by name), for messages.

    Raises:
        WfstAsrError: phone ids too large for the width of the context, or an L without words.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> from wfst_asr.hmm.topology import HmmTopology, left_to_right
    >>> from wfst_asr.hmm.transition_model import transition_model_from_tree
    >>> from wfst_asr.tree.decision_tree import monophone_tree
    >>> lexicon = arc_table(2, [(0, 1, 1, 5, 0.0), (1, 0, 2, 0, 0.0)], finals={0: 0.0})
    >>> tree = monophone_tree({1: 1, 2: 1})
    >>> model = transition_model_from_tree(tree, HmmTopology((left_to_right(1),), {1: 0, 2: 0}))
    >>> graph = TrainingGraphCompiler(lexicon, tree, model).compile([5])
    >>> graph.ilabel.tolist(), graph.nextstate.tolist(), graph.state_phone.tolist()
    ([1, 2, 3, 4], [0, 1, 1, 2], [1, 2, 0])
    """

    def __init__(
        self,
        lexicon: ArcTable,
        tree: ContextDependency,
        model: TransitionModel,
        *,
        words: Mapping[str, int] | None = None,
    ) -> None:
        self._tree, self._model = tree, model
        self._names = {number: name for name, number in words.items()} if words else {}
        self._lexicon = LexiconArrays(lexicon)
        if not self._lexicon.words:
            raise WfstAsrError("the lexicon's machine L has no words; make it from a lexicon (lang directory, L.fst)")
        highest = max(self._lexicon.largest_phone, *model.topology.phones)
        self._base = highest + 1
        if self._base**tree.context_width >= 2**62:
            raise WfstAsrError(
                f"context windows of {tree.context_width} phones with ids up to {highest} are too many to number; "
                "number the phones without gaps or use a narrower context"
            )
        self._topology = _topology_arrays(model, self._base)
        states = self._topology[1]
        self._piece_of_window: dict[int, int] = {}
        self._piece_of_ids: dict[tuple[int, ...], int] = {}
        self._first_ids = np.zeros((64, int(np.diff(states).max())), dtype=np.int32)

    def compile(self, word_ids: Sequence[int]) -> TrainingGraph:
        """Compile the words of one transcript; an empty one gives what L says of silence alone.

        Raises:
            WfstAsrError: a word without pronunciation, an empty transcript where L has no silence, a phone without
                topology, or a window that the tree has no pdf for.
        """
        for word in word_ids:
            if word not in self._lexicon.words:
                name = f"'{self._names[word]}'" if word in self._names else f"with id {word}"
                raise WfstAsrError(
                    f"word {name} has no pronunciation in the lexicon; add one, or map it to another word"
                )
        words = np.asarray(word_ids, dtype=np.int32).reshape(-1)
        machine = self._lexicon.compose(words)
        if len(machine.phone) == 0:
            raise WfstAsrError(
                "the transcript has no phones: it is empty, and L has no silence that may stand alone; "
                "write its words, or leave the utterance out"
                if len(words) == 0
                else "L does not accept the words of the transcript; is it L.fst of the lang directory?"
            )
        left = self._tree.central_position
        contexts = find_contexts(machine, self._base, left, self._tree.context_width - left - 1)
        return self._put_hmms(machine, contexts, self._pieces(contexts.window))

    def _put_hmms(self, machine: PhoneMachine, contexts: Contexts, piece: NDArray[np.int32]) -> TrainingGraph:
        """Put the states of its HMM in the place of every unit."""
        base, left = self._base, self._tree.central_position
        right = self._tree.context_width - left - 1
        c = contexts
        arrays = (c.before_first, c.before, c.after_first, c.after, c.unit_first, piece)
        merged = merged_units(machine.first, machine.dest, *arrays, base, base ** max(left - 1, 0))
        entry_of_phone, entry_states = self._topology[:2]
        sizes = np.diff(entry_states)[entry_of_phone[machine.phone[c.arc]]]
        sizes[merged != np.arange(len(merged))] = 0
        first_state = np.zeros(len(merged) + 1, dtype=np.int32)
        np.cumsum(sizes, out=first_state[1:])
        end_state = int(first_state[-1])
        scales = (base**left, base ** (right - 1) if right else 0)
        found, _ = with_room(
            lambda room: hmm_graph(  # type: ignore[call-arg]
                machine.first, machine.phone, machine.cost, machine.dest, machine.final, *arrays, merged, first_state,
                self._first_ids, *self._topology, *scales, base, end_state, room,
            ),
            6 * end_state + 64,
        )  # fmt: skip
        num_arcs, num_starts, first, ilabel, cost, nextstate, starts, start_costs = found
        arc_of_state = np.append(np.repeat(c.arc, sizes), -1)
        final_cost = np.full(end_state + 1, np.inf, dtype=np.float32)
        final_cost[-1] = 0.0
        return TrainingGraph(
            first=first,
            ilabel=ilabel[:num_arcs].copy(),
            cost=cost[:num_arcs].copy(),
            nextstate=nextstate[:num_arcs].copy(),
            final_cost=final_cost,
            start_states=starts[:num_starts].copy(),
            start_costs=start_costs[:num_starts].copy(),
            state_word=np.append(machine.word, np.int32(-1))[arc_of_state],
            state_phone=np.append(machine.phone, np.int32(0))[arc_of_state],
        )

    def _pieces(self, windows: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the HMM of every window: a row of `_first_ids`."""
        distinct, which = np.unique(windows, return_inverse=True)
        known = self._piece_of_window
        pieces = [known[window] if window in known else self._new_piece(window) for window in distinct.tolist()]
        return np.asarray(pieces, dtype=np.int32)[which]

    def _new_piece(self, number: int) -> int:
        window: list[int] = []
        rest = number
        for _ in range(self._tree.context_width):
            rest, phone = divmod(rest, self._base)
            window.insert(0, phone)
        central = window[self._tree.central_position]
        topology = self._model.topology
        states = topology.states(central)
        pdfs = [self._tree.pdf_id(window, pdf_class) for pdf_class in range(topology.num_pdf_classes(central))]
        ids = [central]
        for state, entry in enumerate(states[:-1]):
            if entry.forward_pdf_class != NO_PDF:
                loop = pdfs[entry.self_loop_pdf_class] if entry.self_loop_pdf_class != NO_PDF else NO_PDF
                found = self._model.find(central, state, pdfs[entry.forward_pdf_class], loop)
                ids.append(int(self._model.first_id[found]))
        piece = self._piece_of_ids.setdefault(tuple(ids), len(self._piece_of_ids))
        if piece >= len(self._first_ids):
            self._first_ids = np.concatenate((self._first_ids, np.zeros_like(self._first_ids)))
        self._first_ids[piece, : len(ids) - 1] = ids[1:]
        self._piece_of_window[number] = piece
        return piece


def _topology_arrays(model: TransitionModel, base: int) -> tuple[NDArray[np.int32] | NDArray[np.float32], ...]:
    """Return the topologies as the arrays that `hmm_graph` takes."""
    entry_of_phone = np.zeros(base, dtype=np.int32)
    for phone, index in model.topology.entry_of_phone.items():
        entry_of_phone[phone] = index
    entry_states, state_arcs, entering = [0], [0], [0]
    arcs: list[tuple[int, int, float]] = []
    starts: list[tuple[int, float]] = []
    for entry in model.topology.entries:
        emitting = [number for number, state in enumerate(entry) if state.forward_pdf_class != NO_PDF]
        local = {number: index for index, number in enumerate(emitting)}
        local[len(entry) - 1] = -1
        for number in emitting:
            for index, (dest, _) in enumerate(entry[number].transitions):
                arcs += [(index, local[state], cost) for state, cost in _emitting_from(entry, dest, ())]
            state_arcs.append(len(arcs))
        starts += [(local[state], cost) for state, cost in _emitting_from(entry, 0, ())]
        entering.append(len(starts))
        entry_states.append(entry_states[-1] + len(emitting))
    return (
        entry_of_phone,
        np.asarray(entry_states, dtype=np.int32),
        np.asarray(state_arcs, dtype=np.int32),
        np.asarray([arc[0] for arc in arcs], dtype=np.int32),
        np.asarray([arc[1] for arc in arcs], dtype=np.int32),
        np.asarray([arc[2] for arc in arcs], dtype=np.float32),
        np.asarray(entering, dtype=np.int32),
        np.asarray([start[0] for start in starts], dtype=np.int32),
        np.asarray([start[1] for start in starts], dtype=np.float32),
    )


def _emitting_from(entry: TopologyEntry, state: int, passed: tuple[int, ...]) -> list[tuple[int, float]]:
    """List the emitting (or final) states that `state` reaches through states that emit nothing, and the costs."""
    if entry[state].forward_pdf_class != NO_PDF or state == len(entry) - 1:
        return [(state, 0.0)]
    if state in passed:
        raise WfstAsrError(
            f"topology: a cycle of states that emit nothing through state {state}; remove one of its arcs"
        )
    return [
        (reached, cost - float(np.log(prob)))
        for dest, prob in entry[state].transitions
        for reached, cost in _emitting_from(entry, dest, (*passed, state))
    ]
