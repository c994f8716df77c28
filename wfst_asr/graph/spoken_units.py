"""What a compiled graph reads for a phone in its context: the units of an HMM, or tokens of CTC.

A context is what must be known of the past to tell the units of the next phone: the last two phones where the graph is
one phone late (right context), the last one or none where it is not, the last token with CTC.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wfst_asr.graph.ctc_fst import CtcTopology
from wfst_asr.graph.window_hmms import WindowHmms

Context = tuple[int, int]  # (phone before, phone), or (0, phone)
NOTHING: Context = (0, 0)


@dataclass(frozen=True)
class Unit:
    """One visit of an HMM state, or of a token.

    Attributes:
        label: input label of the arc that enters.
        enter_cost: its cost.
        loop_label: input label of the self-loop behind it, 0 for none.
        loop_cost: its cost.
    """

    label: int
    enter_cost: float = 0.0
    loop_label: int = 0
    loop_cost: float = 0.0


@dataclass(frozen=True)
class Automaton:
    """The ways through an HMM; place 0 is its entry.

    Attributes:
        steps: for each place, (unit, place behind it) of the units that may follow.
        ends: places where the HMM may be left.
    """

    steps: tuple[tuple[tuple[Unit, int], ...], ...]
    ends: frozenset[int]

    @property
    def only_first(self) -> Unit | None:
        """The unit that every way begins with, if there is one."""
        return self.steps[0][0][0] if len(self.steps[0]) == 1 else None


def chain(units: Sequence[Unit]) -> Automaton:
    """Return the automaton of one way."""
    steps = tuple(((unit, place),) for place, unit in enumerate(units, start=1))
    return Automaton((*steps, ()), frozenset({len(units)}))


@dataclass(frozen=True)
class HmmUnits:
    """The units of phones in context.

    Attributes:
        hmms: which HMM stands for a phone between two others.
        late: whether a phone's units are read when the phone after it is known.
    """

    hmms: WindowHmms
    late: bool
    is_ctc = False

    @cached_property
    def _units(self) -> list[Unit]:
        h = self.hmms
        loops = h.unit_label if h.unit_loop_label is None else h.unit_loop_label
        columns = (h.unit_label, h.unit_enter_cost, loops, h.unit_loop_cost)
        return [Unit(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    @cached_property
    def _automata(self) -> dict[int, Automaton]:
        return {}

    def _automaton(self, number: int) -> Automaton:
        if number not in self._automata:
            self._automata[number] = self._made(number)
        return self._automata[number]

    def _made(self, number: int) -> Automaton:
        h = self.hmms

        def units(chain_number: int) -> list[Unit]:
            low, high = h.hmm_first[chain_number], h.hmm_first[chain_number + 1]
            return [self._units[unit] for unit in h.hmm_unit[low:high]]

        if number < h.num_chains:
            return chain(units(number))
        network = number - h.num_chains
        rows = h.network_arcs[h.network_first[network] : h.network_first[network + 1]].tolist()
        entry_of: list[tuple[Unit, int]] = []  # the first step of each arc
        steps: list[list[tuple[Unit, int]]] = [[]]
        last: list[int] = []
        for _, _, chain_number in rows:
            content = units(chain_number)
            entry_of.append((content[0], len(steps)))
            for unit in content[1:]:
                steps.append([(unit, len(steps) + 1)])
            steps.append([])
            last.append(len(steps) - 1)
        for entry, (begin, _, _) in zip(entry_of, rows, strict=True):
            for place in [0] if begin == 0 else [p for p, row in zip(last, rows, strict=True) if row[1] == begin]:
                steps[place].append(entry)
        ends = frozenset(place for place, row in zip(last, rows, strict=True) if row[1] < 0)
        return Automaton(tuple(map(tuple, steps)), ends)

    @property
    def start(self) -> Context:
        """The context at the begin of an utterance."""
        return NOTHING

    def after(self, context: Context, phone: int) -> Context:
        """Return the context behind a phone."""
        if self.late:
            return (0 if phone in self._free else self._like[context[1]]), phone
        return (0, phone) if self.hmms.hmm_of.shape[0] > 1 else NOTHING

    def emission(self, context: Context, phone: int | None) -> Automaton | None:
        """Return what is read when `phone` (None: the end) follows; None for nothing."""
        h = self.hmms
        if self.late:
            left, middle = context
            right = 0 if phone is None else phone
        else:
            left, middle, right = context[1], phone or 0, 0
        if middle == 0:
            return None
        return self._automaton(int(h.hmm_of[h.left_class[left], middle, h.right_class[right]]))

    def left_key(self, context: Context, phone: int) -> int:
        """Return a number that tells contexts apart as far as the units of `phone` behind them depend on them."""
        if not self.late:
            return 0
        return 0 if phone in self._free else int(self.hmms.left_class[context[1]]) + 1

    @cached_property
    def _free(self) -> frozenset[int]:
        """Phones whose units do not depend on the phone before."""
        same = (self.hmms.hmm_of == self.hmms.hmm_of[:1]).all(axis=(0, 2))
        return frozenset(np.flatnonzero(same).tolist())

    @cached_property
    def _like(self) -> list[int]:
        """For each phone the first that is as it is to a phone behind it."""
        first = np.unique(self.hmms.left_class, return_index=True)[1]
        result: list[int] = first[self.hmms.left_class].tolist()
        return result

    def group(self, phone: int) -> int:
        """Return a number that phones share which cannot be told apart when they come next."""
        return int(self.hmms.right_class[phone]) if self.late else phone

    def right_examples(self) -> list[int | None]:
        """Return a phone of each class of following phones, None for the end."""
        examples = np.unique(self.hmms.right_class[1:], return_index=True)[1] + 1
        return [*map(int, examples), None]

    def phones_of_group(self, group: int) -> list[int]:
        """Return the phones of a class of following phones."""
        return [int(p) for p in np.flatnonzero(self.hmms.right_class == group) if p]

    def first_labels(self, context: Context) -> frozenset[int]:
        """Return the labels that can be read first in a context, whatever follows."""
        key = (int(self.hmms.left_class[context[0]]), context[1])
        if key not in self._first_labels:
            numbers = np.unique(self.hmms.hmm_of[key[0], key[1]])
            automata = [self._automaton(int(number)) for number in numbers]
            self._first_labels[key] = frozenset(unit.label for a in automata for unit, _ in a.steps[0])
        return self._first_labels[key]

    def alike(self, before: int, phones: Sequence[int]) -> list[tuple[list[int], frozenset[int]]]:
        """Part phones that follow `before` by what can be read of them first: (phones, labels), labels disjoint."""
        parts: list[tuple[list[int], frozenset[int]]] = []
        for phone in phones:
            labels, together = self.first_labels((before, phone)), [phone]
            for part in [part for part in parts if part[1] & labels]:
                parts.remove(part)
                labels, together = labels | part[1], part[0] + together
            parts.append((together, labels))
        return parts

    @cached_property
    def _first_labels(self) -> dict[tuple[int, int], frozenset[int]]:
        return {}


@dataclass(frozen=True)
class TokenUnits:
    """The tokens of CTC.

    Attributes:
        label_of: input label of each phone.
        blank_label: input label of the blank.
        topology: of T.
    """

    label_of: Mapping[int, int]
    blank_label: int
    topology: CtcTopology
    late = False
    is_ctc = True

    @property
    def start(self) -> Context:
        """The context at the begin of an utterance, which is that behind a blank."""
        return NOTHING

    def after(self, context: Context, phone: int) -> Context:
        """Return the context behind a phone: its label, where that may not be repeated at once."""
        return (0, self.label_of[phone]) if self.topology == "standard" else NOTHING

    def unit(self, label: int) -> Unit:
        """Return the unit of a token."""
        return Unit(label, 0.0, label, 0.0)

    def emission(self, context: Context, phone: int | None) -> Automaton | None:
        """Return what is read when `phone` follows; None for nothing."""
        if phone is None:
            return None
        label = self.label_of[phone]
        again = label == context[1]
        if (label, again) not in self._automata:
            units = [self.unit(self.blank_label)] * again + [self.unit(label)]
            self._automata[label, again] = chain(units)
        return self._automata[label, again]

    @cached_property
    def _automata(self) -> dict[tuple[int, bool], Automaton]:
        return {}

    def left_key(self, context: Context, phone: int) -> int:
        """Return 0: no token depends on those before."""
        return 0

    def group(self, phone: int) -> int:
        """Return the phone's label."""
        return self.label_of[phone]


PhoneUnits = HmmUnits | TokenUnits


def context_behind(units: PhoneUnits, context: Context, phones: Iterable[int]) -> Context:
    """Return the context behind several phones."""
    for phone in phones:
        context = units.after(context, phone)
    return context
