"""All places of a compiled graph where words of the empty history may begin, a few for each context."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from wfst_asr.graph.empty_history import EmptyHistory, Place, Word, common_offset
from wfst_asr.graph.spoken_units import NOTHING, Context, HmmUnits, TokenUnits, Unit, chain, context_behind
from wfst_asr.graph.unit_reading import Item

_NONE = 0.02  # nats
_TRIES = 5  # words of one phone that are followed at most to find a place for a context
_DEEP = 4  # words of one phone and silences in a row


def find_places(
    history: EmptyHistory, words: Sequence[Word], *, always: Collection[int] = (), each_ending: int = 100
) -> None:
    """Fill in `history.places`: behind words, behind silence, and at the start.

    Copies of the empty history are one for all words that end alike (in the phones that tell the next word's units),
    so that a few words of each ending lead to all of them.

    Args:
        history: what `find_empty_history` found.
        words: the lexicon of the graph.
        always: words that are followed in any case: those that were added before, which have copies of their own.
        each_ending: words that are followed at most for each ending, until one leads to a place that all share.
    """
    search = _Search(history, [word for word in words if len(word[1]) == 1])
    start = history.reader.closure([(history.reader.table.start, 0, 0.0)])
    search.visit(history.units.start, start, 0, own=True)
    search.start()
    tries: Counter[tuple[Context, int]] = Counter()
    for word in words:
        own = word[0] in always
        context = context_behind(history.units, history.root.context, word[1])
        ending = context, 0 if history.units.late else word[1][-1]
        if own or (tries[ending] < each_ending and not (history.units.late and context in search.shared)):
            tries[ending] += 1
            search.visit(context, history.read_word(history.root, word), word[0], own=own)
    with_place = {context for _, context, _ in history.places}
    history.without_place = {context for context in search.visited - with_place if context != NOTHING}


class _Search:
    def __init__(self, history: EmptyHistory, singles: Sequence[Word]) -> None:
        self._history, self._singles = history, singles
        self.shared: set[Context] = set()  # contexts that have a place which all their words share
        self._seen: set[tuple[Context, frozenset[int]]] = set()
        self.visited: set[Context] = set()
        self._followed: set[Context] = set()
        self._silences = 0
        self._tries: Counter[Context] = Counter()
        self._shared: dict[Context, Unit | None] = {}

    def visit(self, context: Context, read: list[Item], number: int, *, own: bool = False, depth: int = 0) -> None:
        """Look for places among the states behind word `number`, and behind one phone more.

        Args:
            context: behind the word.
            read: states behind it, with what was given out.
            number: the word; 0 for silence and the start.
            own: whether other states may be behind this word than behind others that end alike.
            depth: how many words of one phone, or silences, were followed in a row.
        """
        history = self._history
        items = [(state, 0, cost) for state, word, cost in read if word == number]
        key = context, frozenset(state for state, _, _ in items)
        if key not in self._seen and (context != NOTHING or not history.units.late):
            self._look(context, read, number)
        is_new = key not in self._seen and own and depth < 2
        self._seen.add(key)
        if not items:
            return
        self.visited.add(context)
        if depth == _DEEP or not (is_new or context not in self._followed):
            return
        self._followed.add(context)
        if history.silence_phone and (own or self._silences < 3):
            self._silences += 1
            self._behind(context, items, history.silence_phone, 0, own, depth)
        if isinstance(history.units, TokenUnits):
            blank = chain([history.units.unit(history.units.blank_label)])
            self._look(NOTHING, history.reader.closure(history.reader.read(items, blank)), 0)
        for single, phones in self._singles:
            self._behind(context, items, phones[0], single, own, depth)

    def _behind(self, context: Context, items: list[Item], phone: int, number: int, own: bool, depth: int) -> None:
        history = self._history
        after = history.units.after(context, phone)
        if number and not own:
            if after in self.shared or self._tries[after] >= _TRIES:
                return
            self._tries[after] += 1
        read = history.reader.read(items, history.units.emission(context, phone))
        self.visit(after, history.reader.closure(read), number, depth=depth + 1)

    def _look(self, context: Context, read: list[Item], number: int) -> None:
        """Keep the states from which all first phones go on at once."""
        history = self._history
        if context not in self._shared:
            self._shared[context] = None if history.units.is_ctc else history.shared_first(context)
        unit, found = self._shared[context], {}
        for state, word in self._candidates(read, number, unit):
            place = Place(state, context, 0.0, unit, word)
            if (state, context, word) not in history.places:
                offset = history.offset_of(context, partial(history.read_first, place))
                if offset is not None:
                    found[state] = replace(place, offset=offset)
        for place in found.values():
            onward = {row[3] for row in history.reader.rows(place.state) if row[0] == 0 and row[1] == 0}
            if place.unit is not None or not onward & found.keys():
                history.places[place.state, context, place.word] = place
                if place.unit is not None or abs(place.offset) < _NONE:
                    self.shared.add(context)

    def _candidates(self, read: list[Item], number: int, unit: Unit | None) -> list[tuple[int, int]]:
        """Return the states behind a word, or behind the unit that is read next in any case.

        With them comes the word that only their arcs give out, 0 for none.
        """
        rows = self._history.reader.rows
        found: dict[tuple[int, int], None] = {}
        for state, word, _ in read:
            if unit is not None:
                for row in rows(state):
                    if row[0] == unit.label and not (word and row[1]) and (word or row[1]) == number:
                        found[row[3], 0] = None
            elif word == number:
                found[state, 0] = None
            elif word == 0 and any(row[0] and row[1] == number for row in rows(state)):
                found[state, number] = None
        return list(found)

    def start(self) -> None:
        """Add the start of the graph where nothing is read before the second phone is known."""
        history, units = self._history, self._history.units
        if not isinstance(units, HmmUnits) or not units.late:
            return
        state = history.reader.table.start
        found = [
            history.offset_of_second((state, 0, 0.0), units.after(units.start, first.phone), first)
            for first in history.probes(history.root.context)
        ]
        offset = common_offset([[value] for value in found if value is not None])
        if offset is not None:
            history.places[state, units.start, 0] = Place(state, units.start, offset)
