"""Finds the empty history of a compiled graph: the place that all others are compared with, and what follows there."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.empty_history import EmptyHistory, Place, Word, once_each
from wfst_asr.graph.spoken_units import Context, PhoneUnits, TokenUnits, Unit, chain, context_behind
from wfst_asr.graph.unit_reading import Item, UnitReader

_ATTEMPTS = 400  # words that are tried to find the place


def find_empty_history(
    reader: UnitReader, units: PhoneUnits, words: Sequence[Word], *, silences: Iterable[int] = ()
) -> EmptyHistory:
    """Find the place that the others are compared with, and the costs there.

    Args:
        reader: reads the graph.
        units: what phones are in it.
        words: the lexicon of the graph.
        silences: phones that may be the optional silence between words.

    Raises:
        WfstAsrError: there is no such place: the graph is not of a back-off model, or not of this model and lexicon.
    """
    groups: dict[int, list[int]] = {}
    singles = {phones[0] for _, phones in words if len(phones) == 1}
    for phone in sorted({phones[0] for _, phones in words}):
        groups.setdefault(units.group(phone), []).append(phone)
    begins: set[int] = set()  # groups that words of the graph begin with
    plain: dict[int, EmptyHistory | None] = {}
    shared: dict[int, EmptyHistory | None] = {}
    votes: Counter[int] = Counter()
    for word in _spread(words):
        context, behind = _behind(reader, units, word)
        if behind:
            begins.add(units.group(word[1][0]))
        for state in dict.fromkeys(s for s, w, _ in behind if w == 0):
            if state not in plain:
                plain[state] = _candidate(reader, units, groups, singles, Place(state, context, 0.0))
            found = plain[state]
            if found and len(found.firsts) >= sum(map(len, groups.values())):
                break
        else:
            for state, unit in _behind_shared_unit(reader, units, groups, behind, context):
                votes[state] += 1
                if state not in shared:
                    shared[state] = _candidate(reader, units, groups, singles, Place(state, context, 0.0, unit))
            continue
        break
    history = _best(plain, begins, Counter()) or _best(shared, begins, votes)
    if history is None:
        raise WfstAsrError(
            "no state was found at which all words may begin as in the empty history of a back-off model; take the "
            "model that the graph was compiled with, or compile the graph anew with the words in its lexicon"
        )
    history.sums_to_one = history.root.unit is not None
    _measure_silence(history, words, silences)
    ends = (
        reader.final_costs(history.read_first(history.root, None))
        if units.late
        else reader.final_costs([(history.root.state, 0, 0.0)])
    )
    history.end_cost = min(ends, default=float("inf")) - history.root.offset
    return history


def _behind(reader: UnitReader, units: PhoneUnits, word: Word) -> tuple[Context, list[Item]]:
    """Return the states behind a word at the start of the graph, with CTC behind a blank, and their context."""
    items, context = [(reader.table.start, 0, 0.0)], units.start
    for phone in word[1]:
        items = reader.read(items, units.emission(context, phone))
        context = units.after(context, phone)
    behind = [(s, 0, c) for s, w, c in reader.closure(items) if w == word[0]]
    if not isinstance(units, TokenUnits):
        return context, behind
    blank = [(s, 0, c) for s, w, c in reader.read(behind, chain([units.unit(units.blank_label)])) if w == 0]
    return units.start, reader.closure([*behind, *blank] if units.topology == "compact" else blank)


def _best(found: dict[int, EmptyHistory | None], begins: set[int], votes: Counter[int]) -> EmptyHistory | None:
    """Return the candidate of the most first phones, if it has all that words of the graph begin with."""
    covering = {
        state: history
        for state, history in found.items()
        if history and begins <= {history.units.group(first.phone) for first in history.firsts}
    }
    best = max(covering, key=lambda state: (len(covering[state].firsts), votes[state]), default=None)
    return None if best is None else covering[best]


def _spread(words: Sequence[Word]) -> Iterator[Word]:
    """Yield words of every length and ending, few of each, up to a number."""
    seen: Counter[tuple[int, ...]] = Counter()
    count = 0
    for word in sorted(words, key=lambda w: len(w[1]) < 2):
        ending = word[1][-2:]
        seen[ending] += 1
        if seen[ending] <= 3:
            count += 1
            yield word
        if count == _ATTEMPTS:
            return


def _candidate(
    reader: UnitReader, units: PhoneUnits, groups: dict[int, list[int]], singles: set[int], place: Place
) -> EmptyHistory | None:
    """Return the empty history that a place is, if first phones go on from it once each, and no epsilon does."""
    if place.context[1] == 0 and units.late:
        return None
    if place.unit is None and reader.passes_on(place.state):
        return None
    history = EmptyHistory(reader, units, groups, singles, place, ())
    history.firsts = tuple(history.firsts_at(place))
    if not once_each(history, history.firsts):
        return None
    if units.is_ctc and place.context[1]:
        return None  # behind a blank every token may follow
    return history


def _behind_shared_unit(
    reader: UnitReader, units: PhoneUnits, groups: dict[int, list[int]], items: list[Item], context: Context
) -> Iterator[tuple[int, Unit]]:
    """Yield the states behind the unit that all first phones begin with in a context, if they do."""
    automata = [units.emission(context, phones[0]) for phones in groups.values()]
    shared = {automaton.only_first if automaton else None for automaton in automata}
    unit = shared.pop()
    if shared or unit is None or units.is_ctc:
        return
    states = {row[3] for state, _, _ in items for row in reader.rows(state) if row[0] == unit.label}
    yield from ((state, unit) for state in sorted(states))


def _measure_silence(history: EmptyHistory, words: Sequence[Word], silences: Iterable[int]) -> None:
    """Find the optional silence, and its costs by what it costs more than none."""
    units, reader = history.units, history.reader

    def behind_silence(items: list[Item], context: Context, phone: int) -> float | None:
        silent = [(s, 0, c) for s, w, c in reader.read(items, units.emission(context, phone)) if w == 0]
        return history.offset_behind(silent, units.after(context, phone))

    for phone in silences:
        differences = []
        for word in words[:: max(1, len(words) // 40)][:40]:
            items = [(s, 0, c) for s, w, c in history.read_word(history.root, word) if w == word[0]]
            context = context_behind(units, history.root.context, word[1])
            plain, silent = history.offset_behind(items, context), behind_silence(items, context, phone)
            if items and plain is not None and silent is not None:
                differences.append(silent - plain)
        if not differences:
            continue
        difference = sorted(differences)[len(differences) // 2]
        prob = 1.0 / (1.0 + math.exp(difference))
        history.silence_phone, history.silence_cost = phone, -math.log(prob)
        history.no_silence_cost = -math.log1p(-prob)
        here = [(history.root.state, 0, 0.0)]
        if history.root.unit is None and behind_silence(here, history.root.context, phone) is not None:
            # the place is before the optional silence
            less = history.no_silence_cost
            history.root = Place(history.root.state, history.root.context, less)
            history.firsts = tuple(replace(f, cost=f.cost - less) for f in history.firsts)
        return
