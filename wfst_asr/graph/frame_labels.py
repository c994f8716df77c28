"""From phones to the input labels of a graph and back: what H and C, or T, do to one sequence of labels.

Graphs of transition-ids have reordered self-loops: an HMM state's forward transition comes before its self-loops.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.graph.ctc_fst import CtcTopology
from wfst_asr.hmm.topology import NO_PDF
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.tree.context_dependency import ContextDependency


@dataclass(frozen=True)
class Reading:
    """What a sequence of input labels means.

    Attributes:
        phones: an acceptor of the phone sequences that the labels may stand for.
        cost: the cost of the labels beside that of the phones.
        symbols: labels that count for rounding: all but self-loops.
        problem: why the labels cannot be read, else empty.
    """

    phones: ArcTable
    cost: float = 0.0
    symbols: int = 0
    problem: str = ""


class FrameLabels(Protocol):
    """Spells phones as input labels and reads them back."""

    def spell(self, phones: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
        """Return input labels of the phones, any of those that are possible."""
        ...

    def read(self, labels: Sequence[int]) -> Reading:
        """Return the phones of input labels and the labels' own cost."""
        ...


def phone_chain(phones: Sequence[int]) -> ArcTable:
    """Return the acceptor of one sequence of phones."""
    rows = [(i, i + 1, phone, phone, 0.0) for i, phone in enumerate(phones)]
    return arc_table(len(phones) + 1, rows, finals={len(phones): 0.0})


class HmmLabels:
    """Transition-ids of phones in context: H o C for one sequence.

    Args:
        tree: pdf-ids of context windows.
        model: transition-ids and their probabilities.
        transition_scale: factor on the log probabilities of forward transitions.
        self_loop_scale: factor on those of self-loops and of leaving them.

    Raises:
        WfstAsrError: a topology has states that emit nothing, which labels do not show.

    >>> from wfst_asr.hmm.topology import HmmTopology, left_to_right
    >>> from wfst_asr.hmm.transition_model import transition_model_from_tree
    >>> from wfst_asr.tree.decision_tree import monophone_tree
    >>> tree = monophone_tree({1: 2})
    >>> labels = HmmLabels(tree, transition_model_from_tree(tree, HmmTopology((left_to_right(2),), {1: 0})))
    >>> labels.read([2, 1, 1, 4]).phones.arcs["ilabel"].tolist(), labels.read([4, 2]).problem
    ([1], 'label 4 is HMM state 1 of phone 1, where a phone begins')
    """

    def __init__(
        self,
        tree: ContextDependency,
        model: TransitionModel,
        *,
        transition_scale: float = 1.0,
        self_loop_scale: float = 0.1,
        phone_name: Mapping[int, str] | None = None,
    ) -> None:
        for phone in model.topology.phones:
            if any(state.forward_pdf_class == NO_PDF for state in model.topology.states(phone)[:-1]):
                raise WfstAsrError(f"the HMM of phone {phone} has states that emit nothing, which labels do not show")
        self._tree, self._model, self._names = tree, model, phone_name or {}
        state = model.transition_state
        leave = -self_loop_scale * model.non_self_loop_log_prob.astype(np.float64)
        forward = -transition_scale * model.forward_log_prob.astype(np.float64) + leave[state]
        self._cost = np.where(model.is_self_loop, -self_loop_scale * model.log_prob.astype(np.float64), forward)
        self._pdfs: dict[tuple[int, ...], tuple[int, ...]] = {}

    def _name(self, phone: int) -> str:
        return self._names.get(phone, str(phone)) if phone else "the edge"

    def _window(self, phones: Sequence[int], at: int) -> tuple[int, ...]:
        central = self._tree.central_position
        places = range(at - central, at - central + self._tree.context_width)
        return tuple(phones[i] if 0 <= i < len(phones) else 0 for i in places)

    def _state(self, window: tuple[int, ...], hmm_state: int) -> int:
        """Return the transition-state of an HMM state in a context."""
        phone = window[self._tree.central_position]
        if window not in self._pdfs:
            classes = range(self._model.topology.num_pdf_classes(phone))
            self._pdfs[window] = tuple(self._tree.pdf_id(window, c) for c in classes)
        pdfs, entry = self._pdfs[window], self._model.topology.states(phone)[hmm_state]
        loop = entry.self_loop_pdf_class
        return self._model.find(
            phone, hmm_state, pdfs[entry.forward_pdf_class], pdfs[loop] if loop != NO_PDF else NO_PDF
        )

    def spell(self, phones: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
        """Return transition-ids of the phones: a random way through each HMM, with random self-loops."""
        labels: list[int] = []
        for at, phone in enumerate(phones):
            window, states = self._window(phones, at), self._model.topology.states(phone)
            number = 0
            while number < len(states) - 1:
                state = self._state(window, number)
                onward = [i for i, (to, _) in enumerate(states[number].transitions) if to != number]
                index = onward[int(rng.integers(len(onward)))]
                labels.append(int(self._model.first_id[state]) + index)
                loop = int(self._model.self_loop_id[state])
                labels += [loop] * (int(rng.integers(3)) if loop and rng.random() < 0.3 else 0)
                number = states[number].transitions[index][0]
        return tuple(labels)

    def read(self, labels: Sequence[int]) -> Reading:
        """Return the phones of transition-ids and their cost, or where they fit neither H nor C."""
        model = self._model
        phones: list[int] = []
        pieces: list[list[int]] = []  # forward transition-ids of each phone
        hmm_state, last = 0, 0
        for label in labels:
            if not 0 < label <= model.num_transition_ids:
                return self._unread(f"label {label} is no transition-id of the model")
            if model.is_self_loop[label]:
                if model.transition_state[label] != model.transition_state[last]:
                    return self._unread(f"self-loop {label} does not follow its own HMM state's transition")
                continue
            phone = int(model.phone[label])
            if hmm_state == 0 and (not pieces or last == 0 or model.is_final[last]):
                phones.append(phone)
                pieces.append([])
            told = f"label {label} is HMM state {model.hmm_state[label]} of phone {self._name(phone)}"
            if model.hmm_state[label] != hmm_state or phone != phones[-1]:
                where = "where a phone begins" if not pieces[-1] else f"inside {self._name(phones[-1])}.{hmm_state}"
                return self._unread(f"{told}, {where}")
            pieces[-1].append(label)
            last, hmm_state = label, 0 if model.is_final[label] else int(model.next_hmm_state[label])
        if last and not model.is_final[last]:
            return self._unread(f"ends inside phone {self._name(phones[-1])}")
        for at, piece in enumerate(pieces):
            window = self._window(phones, at)
            for label in piece:
                state = self._state(window, int(model.hmm_state[label]))
                if state != model.transition_state[label]:
                    return self._unread(
                        f"HMM state {model.hmm_state[label]} of phone {self._name(phones[at])} between "
                        f"{self._name(phones[at - 1] if at else 0)} and "
                        f"{self._name(phones[at + 1] if at + 1 < len(phones) else 0)} has pdf-id "
                        f"{model.pdf_id[label]}, where the tree has {model.pdf_id[model.first_id[state]]}"
                    )
        cost = float(self._cost[np.array(labels, dtype=np.int64)].sum()) if labels else 0.0
        return Reading(phone_chain(phones), cost, sum(map(len, pieces)))

    @staticmethod
    def _unread(problem: str) -> Reading:
        return Reading(phone_chain(()), problem=problem)


class CtcLabels:
    """Tokens of units: T for one sequence, at no cost.

    Args:
        label_of: input label of each unit.
        blank_label: input label of the blank.
        topology: see `ctc_fst`.

    >>> CtcLabels({1: 2, 2: 3}, blank_label=1).read([2, 2, 1, 3]).phones.arcs["ilabel"].tolist()
    [1, 0, 0, 2]
    """

    def __init__(self, label_of: Mapping[int, int], *, blank_label: int, topology: CtcTopology = "standard") -> None:
        self._label_of, self._blank = dict(label_of), blank_label
        self._unit_of = {label: unit for unit, label in label_of.items()}
        self._repeats_are_new = topology != "standard"

    def spell(self, phones: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
        """Return tokens of the units, some of them repeated, with blanks between."""
        labels: list[int] = []
        for at, unit in enumerate(phones):
            if unit not in self._label_of:
                raise WfstAsrError(f"unit {unit} of the lexicon has no token")
            needed = at > 0 and phones[at - 1] == unit and not self._repeats_are_new
            labels += [self._blank] * (needed + int(rng.integers(3)) * (rng.random() < 0.3))
            labels += [self._label_of[unit]] * (1 + int(rng.integers(3)) * (rng.random() < 0.3))
        return tuple(labels)

    def read(self, labels: Sequence[int]) -> Reading:
        """Return the unit sequences of tokens."""
        rows, before = [], self._blank
        for t, label in enumerate(labels):
            if label != self._blank and label not in self._unit_of:
                return Reading(phone_chain(()), problem=f"label {label} is neither the blank nor a token of L")
            unit = self._unit_of.get(label, 0)
            if label == self._blank or label == before:
                rows.append((t, t + 1, 0, 0, 0.0))
            if label != self._blank and (label != before or self._repeats_are_new):
                rows.append((t, t + 1, unit, unit, 0.0))
            before = label
        return Reading(arc_table(len(labels) + 1, rows, finals={len(labels): 0.0}), 0.0, len(labels))
