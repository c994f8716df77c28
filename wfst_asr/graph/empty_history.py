"""Finds in a compiled graph where words begin whose history says nothing: the state of G that back-off ends in.

A graph has no mark for that state, its copies for the phones before it may be dissolved into the states that lead
there, and equal states were merged.  So it is found by what can be read: words are followed from the start of the
graph with the units of the model, until a state is met from which every first phone of the lexicon goes on once and
which no epsilon leaves.  From there all costs of first phones are known, and every other copy is told by offering the
same first phones at the same costs, up to one number that is the cost of backing off to it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wfst_asr.graph.spoken_units import (
    Context,
    HmmUnits,
    PhoneUnits,
    Unit,
)
from wfst_asr.graph.unit_reading import PART, Item, Shape, UnitReader

Word = tuple[int, tuple[int, ...]]  # id and phones
_CLOSE = 0.03  # nats
_PROBES = 6
_SECONDS = 3


@dataclass(frozen=True)
class Place:
    """Where words of the empty history may begin.

    Attributes:
        state: of the graph.
        context: what was said before.
        offset: cost of coming to the empty history there, for a copy that is dissolved into another state.
        unit: unit of the phone before that was read already, where all copies read it before they part; None for none.
        word: word that is given out by the arcs that leave the state only; 0 for none.
    """

    state: int
    context: Context
    offset: float
    unit: Unit | None = None
    word: int = 0


@dataclass(frozen=True)
class First:
    """A phone that words begin with.

    Attributes:
        phone: the phone.
        word: word that is given out with it, 0 for none.
        cost: -log of the probability of all words that begin with it, together, in the empty history.
        state: where it leads to from the context `context`, maybe a part of a state, which bears a part of the cost.
        context: see `state`.
    """

    phone: int
    word: int
    cost: float
    state: int
    context: Context


@dataclass
class EmptyHistory:
    """The empty history of a graph.

    Attributes:
        reader: reads the graph.
        units: what phones are in it.
        groups: phones that words begin with, by the group of those that are alike when they come next.
        singles: phones that are words.
        root: the place that all others are compared with.
        firsts: the phones that words begin with there.
        end_cost: cost of ending the sentence there; infinity where it cannot end.
        silence_phone: the optional silence, 0 for none.
        silence_cost: its cost.
        no_silence_cost: the cost of leaving it out.
        sums_to_one: whether costs are such that words and end have probability 1 together, since no state tells more.
        places: all places, by state, context and word.
        without_place: contexts in which words of the graph end, but from which no place was found.
    """

    reader: UnitReader
    units: PhoneUnits
    groups: dict[int, list[int]]
    singles: set[int]
    root: Place
    firsts: tuple[First, ...]
    end_cost: float = float("inf")
    silence_phone: int = 0
    silence_cost: float = 0.0
    no_silence_cost: float = 0.0
    sums_to_one: bool = False
    places: dict[tuple[int, Context, int], Place] = field(default_factory=dict)
    without_place: set[Context] = field(default_factory=set)
    _firsts_in: dict[int, list[First] | None] = field(default_factory=dict, repr=False)
    _probes: dict[Context, list[First]] = field(default_factory=dict, repr=False)
    _seconds_of: dict[First, list[tuple[int, list[tuple[float, int, Shape]]]]] = field(default_factory=dict, repr=False)

    def shared_first(self, context: Context) -> Unit | None:
        """Return the unit that all first phones begin with in a context, if they do."""
        found = None
        for first in self.firsts:
            automaton = self.units.emission(context, first.phone)
            if automaton is None or automaton.only_first is None or found not in (None, automaton.only_first):
                return None
            found = automaton.only_first
        return found

    def read_first(self, place: Place, phone: int | None) -> list[Item]:
        """Return where `phone` leads to from a place, at once: only arcs of the place itself."""
        automaton = self.units.emission(place.context, phone)
        state = self.reader.without_word(place.state, place.word) if place.word else place.state
        items = [(state, 0, 0.0)]
        if place.unit is None or automaton is None:
            return self.reader.read(items, automaton, closed=False)
        if automaton.only_first != place.unit:
            return []
        at = automaton.steps[0][0][1]
        return [*(items if at in automaton.ends else ()), *self.reader.read(items, automaton, at=at)]

    def firsts_at(self, place: Place) -> list[First]:
        """Return the phones that words begin with at a place."""
        return [
            First(phone, item[1], item[2] - place.offset, item[0], place.context)
            for phones in self.groups.values()
            for phone, item in self.told_apart(self.read_first(place, phones[0]), place.context, phones)
        ]

    def firsts_in(self, context: Context) -> list[First] | None:
        """Return the phones that words begin with in a context, by a place that is in none; None where none tells.

        The units of the context itself may be others than those of the place, but not those of the first phones.
        """
        units = self.units
        if not isinstance(units, HmmUnits) or not units.late:
            return list(self.firsts)
        key = units.hmms.left_class[context[1]]
        if key not in self._firsts_in:
            self._firsts_in[key] = None
            for place in [self.root, *self.places.values()]:
                alike = place.context[1] and units.hmms.left_class[place.context[1]] == key
                if alike and not place.word and (place.unit or not self.reader.passes_on(place.state)):
                    if place.unit is None and abs(place.offset - self.root.offset) > _CLOSE:
                        continue
                    found = self.firsts_at(place)
                    if once_each(self, found) and len(found) >= len(self.firsts):
                        self._firsts_in[key] = found
                        break
        return self._firsts_in[key]

    def told_apart(self, items: list[Item], context: Context, phones: Sequence[int]) -> list[tuple[int, Item]]:
        """Return (phone, item) of items behind a context and one of several phones that were read alike."""
        units = self.units
        if not isinstance(units, HmmUnits) or not units.late:
            return [(phones[0], item) for item in self.reader.distinct(items)]
        found = []
        for alike, labels in units.alike(context[1], phones):
            for item in self.reader.distinct(self.reader.settled(items, labels)):
                ahead = self.reader.labels(item[0])
                best = max(alike, key=lambda p: (len(ahead & units.first_labels((context[1], p))), -p))
                found.append((best, item))
        return found

    def compared(self, items: list[Item], context: Context, first: First) -> list[tuple[float, Item]]:
        """Return (offset, item) of items read for a first phone: how much more they cost than it should.

        Parts of states bear some of the cost themselves; they are compared by the phone after the first.
        """
        found = []
        for _, item in self.told_apart(items, context, [first.phone]):
            state, word, cost = item
            whole = state < PART and first.state < PART and word == first.word
            if whole and (self._alike(state, first.state) or not self._same_units(context, first)):
                found.append((cost - first.cost, item))
                continue
            if not self.units.late:
                continue
            shape, least = self.reader.shape(state)
            first_shape, first_least = self.reader.shape(first.state)
            if shape == first_shape and word == first.word:
                found.append((cost + least - first.cost - first_least, item))
                continue
            offset = self.offset_of_second(item, self.units.after(context, first.phone), first)
            if offset is not None:
                found.append((offset, item))
        return found

    def _same_units(self, context: Context, first: First) -> bool:
        """Tell whether a first phone is read in a context as where it was found, so that it leads to the same state."""
        return self.units.left_key(context, first.phone) == self.units.left_key(first.context, first.phone)

    def _alike(self, state: int, other: int) -> bool:
        return state == other or self.reader.shape(state)[0] == self.reader.shape(other)[0]

    def offset_of_second(self, item: Item, inside: Context, first: First) -> float | None:
        """Return how much more a state costs than that behind a first phone, by the phones that follow."""
        state, word, cost = item
        choices: list[list[float]] = []
        for tried, (phone, known) in enumerate(self._known_seconds(first)):
            values = []
            for s, w, c in self._second(state, inside, phone):
                shape, least = self.reader.shape(s)
                values += [cost + c + least - k for k, w1, shape1 in known if shape == shape1 and w1 == (word or w)]
            choices += [values] if values else []
            if len(choices) == _SECONDS or (not choices and tried == 4 * _SECONDS):
                break
        return common_offset(choices)

    def _known_seconds(self, first: First) -> list[tuple[int, list[tuple[float, int, Shape]]]]:
        """Return, for each phone behind a first one: its costs from the root on, words and shapes."""
        if first not in self._seconds_of:
            assert isinstance(self.units, HmmUnits)
            inside = self.units.after(first.context, first.phone)
            found = []
            for phone in self.units.right_examples():
                rows = []
                for s, w, c in self._second(first.state, inside, phone) if phone else ():
                    shape, least = self.reader.shape(s)
                    rows.append((first.cost + c + least, first.word or w, shape))
                if phone and rows:
                    found.append((phone, rows))
            self._seconds_of[first] = sorted(found, key=lambda f: len(f[1]))
        return self._seconds_of[first]

    def _second(self, state: int, inside: Context, phone: int) -> list[Item]:
        units = self.units
        assert isinstance(units, HmmUnits)
        items = self.reader.read([(state, 0, 0.0)], units.emission(inside, phone))
        group = units.phones_of_group(units.group(phone))
        return [item for _, item in self.told_apart(items, inside, group)]

    def probes(self, context: Context) -> list[First]:
        """Return a few first phones to tell a place by."""
        if context not in self._probes:
            self._probes[context] = _probes(self, context)
        return self._probes[context]

    def offset_of(self, context: Context, read: Callable[[int], list[Item]]) -> float | None:
        """Return the cost of the way to the empty history, where first phones follow at their costs; None where not.

        Args:
            context: before the first phones.
            read: returns where a first phone leads to.
        """
        values: list[float] | None = None
        left_out, chosen = 0, self.probes(context)
        for first in chosen:
            items = read(first.phone)
            found = [offset for offset, _ in self.compared(items, context, first)]
            if not found and self.units.late and self.told_apart(items, context, [first.phone]):
                left_out += 1  # where all that follows is in parts of states
                if 2 * left_out > len(chosen):
                    return None
                continue
            if values is None:
                values = found
            else:
                values = [value for value in values if any(abs(value - other) < _CLOSE for other in found)]
            if not values:
                return None
        return max(values) if values else None

    def offset_behind(self, items: list[Item], context: Context) -> float | None:
        """Return the cost of the way from states behind a context to the empty history; None where there is none."""
        return self.offset_of(context, lambda phone: self.reader.read(items, self.units.emission(context, phone)))

    def read_word(self, place: Place, word: Word) -> list[Item]:
        """Return the states behind a word, and those that epsilons lead to."""
        phones = word[1]
        items = self.read_first(place, phones[0])
        context = self.units.after(place.context, phones[0])
        for phone in phones[1:]:
            items = self.reader.read(items, self.units.emission(context, phone))
            context = self.units.after(context, phone)
        return self.reader.closure(items)

    def cost_of_word(self, word: Word) -> float | None:
        """Return the cost of a pronunciation of a word in the empty history; None where it has not this word."""
        ended = [cost for _, number, cost in self.read_word(self.root, word) if number == word[0]]
        return min(ended, default=float("inf")) - self.root.offset if ended else None

    def target(self, first: First, context: Context) -> Item | None:
        """Return the state behind a first phone in another context, with the word and the cost that lead to it.

        None where the graph has none, or tells not.
        """
        units = self.units
        key = units.left_key(context, first.phone)
        if key == units.left_key(first.context, first.phone):
            return first.state, first.word, first.cost
        for place in self.places.values():
            if place.context[1] == 0 or units.left_key(place.context, first.phone) != key:
                continue
            told = self.compared(self.read_first(place, first.phone), place.context, first)
            found = [item for offset, item in told if abs(offset - place.offset) < _CLOSE]
            if len(found) == 1:
                return found[0][0], found[0][1], found[0][2] - place.offset
        return None


def once_each(history: EmptyHistory, firsts: Sequence[First]) -> bool:
    """Tell whether each first phone goes on once; those that are words may go on in several ways."""
    counts = Counter(history.units.group(first.phone) for first in firsts)
    groups = history.groups
    once = [group for group, phones in groups.items() if not history.singles.intersection(phones)]
    return bool(counts) and all(counts[group] <= len(groups[group]) for group in once)


def common_offset(choices: Sequence[Sequence[float]]) -> float | None:
    """Return the number that is in all of several lists, nearly; the largest, if there are more.

    >>> common_offset([[0.5, 2.0], [2.01, 7.0], [1.0, 2.0]])
    2.0
    >>> common_offset([[0.5], [0.7]]) is None
    True
    """
    if not choices:
        return None
    fits = [
        value
        for value in choices[0]
        if all(any(abs(value - other) < _CLOSE for other in others) for others in choices[1:])
    ]
    return max(fits, default=None)


def _probes(history: EmptyHistory, context: Context) -> list[First]:
    """Return a few first phones to tell a place by: those that are alone in their group, states before parts."""
    found: dict[int, First] = {}
    units = history.units
    for first in sorted(history.firsts, key=lambda f: (len(history.groups[units.group(f.phone)]), f.state >= PART)):
        automaton = history.units.emission(context, first.phone)
        if automaton is not None and not (history.units.is_ctc and len(automaton.steps) > 2):
            found.setdefault(history.units.group(first.phone), first)
    return list(found.values())[:_PROBES]
