"""New words in a compiled graph: a small machine of only these words, joined to where words may begin.

From every place of the empty history (`word_begins`) the first HMM of a new word is entered with the place's left
context; behind its last phone the machine has a copy of the empty history of its own, whose arcs lead into the graph's
lexical tree.  The graph's own arcs and costs stay as they are.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.graph.empty_history import EmptyHistory, First, Place
from wfst_asr.graph.extended_graph import ExtendedGraph
from wfst_asr.graph.lexical_tree import lexical_tree_lg, pronunciation_arrays_of_rows
from wfst_asr.graph.spoken_units import Automaton, Context, HmmUnits, TokenUnits, Unit
from wfst_asr.graph.unit_reading import PART, Row

_EXIT, _ROOT = 1, -1  # nodes beside those of the tree of new words, of which 0 is the root


def add_words(history: EmptyHistory, rows: Sequence[tuple[tuple[int, ...], int, float]]) -> ExtendedGraph:
    """Return the graph with new words.

    Args:
        history: the empty history of the graph, with its places.
        rows: (phones, word id, cost in the empty history) of each pronunciation.

    Raises:
        WfstAsrError: the graph has no place to begin a word at.
    """
    if not history.places:
        raise WfstAsrError("no place was found where a new word could begin; compile the graph anew")
    costs: dict[int, float] = {}
    for _, word, cost in rows:
        costs[word] = min(cost, costs.get(word, cost))
    grammar = arc_table(2, [(0, 1, word, word, cost) for word, cost in sorted(costs.items())], finals={1: 0.0})
    entries = [(phones, word, cost - costs[word]) for phones, word, cost in rows]
    tree = lexical_tree_lg(pronunciation_arrays_of_rows(entries), grammar, backoff_label=-1).table()
    part = (_TokenPart if history.units.is_ctc else _HmmPart)(history, tree)
    for place in history.places.values():
        part.enter(place)
    part.finish()
    return ExtendedGraph(history.reader.table, *part.additions())


class _Part:
    """States and arcs that are added; numbers below `num_old` are states of the graph."""

    def __init__(self, history: EmptyHistory, tree: ArcTable) -> None:
        self.history, self.reader = history, history.reader
        self.num_old = self.next_state = history.reader.table.num_states
        self.arcs: dict[int, list[Row]] = {}
        self.finals: dict[int, float] = {}
        self.copies: dict[int, int] = {}  # new state: state of the graph, or part, that it has the arcs of
        low, high = tree.first_arc[:-1].tolist(), tree.first_arc[1:].tolist()
        arcs: list[Row] = tree.arcs.tolist()
        self._tree = [arcs[a:b] for a, b in zip(low, high, strict=True)]
        self._states: dict[tuple[int, Context], int] = {}

    def new_state(self) -> int:
        self.next_state += 1
        self.arcs[self.next_state - 1] = []
        return self.next_state - 1

    def add(self, source: int, ilabel: int, olabel: int, cost: float, target: int) -> None:
        self.arcs.setdefault(source, []).append((ilabel, olabel, cost, target))

    def arcs_of_node(self, node: int) -> list[tuple[int, int, float, int]]:
        """Return (phone, word, cost, node) of a node but for the first phones of the graph's own words."""
        history = self.history
        if node == _ROOT or (node == _EXIT and not history.silence_phone):
            return self._tree[0]
        if node == _EXIT:
            return [
                (0, 0, history.no_silence_cost, _ROOT),
                (history.silence_phone, 0, history.silence_cost, _ROOT),
            ]
        return self._tree[node]

    def is_root(self, node: int) -> bool:
        return node == _ROOT or (node == _EXIT and not self.history.silence_phone)

    def enter(self, place: Place) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """Do what can only be done when all is known."""

    def additions(self) -> tuple[dict[int, list[Row]], NDArray[np.float32]]:
        """Return the arcs that are added, by state, and the final costs of the new states."""
        table, added = self.reader.table, self.arcs
        rows = {state: list(arcs) for state, arcs in added.items()}
        finals = np.full(self.next_state - self.num_old, np.inf, dtype=np.float32)
        for state, cost in self.finals.items():
            finals[state - self.num_old] = cost
        for state, old in self.copies.items():
            rows[state] = rows.get(state, []) + self.reader.rows(old)
            if old in self.reader.origin:
                old, labels = self.reader.origin[old]
                rows[state] += [row for row in added.get(old, ()) if row[0] in labels]
            else:
                rows[state] += added.get(old, [])
                finals[state - self.num_old] = table.final_cost[old]
        return rows, finals


class _TokenPart(_Part):
    """New words of a CTC graph: every state has the token read last, the loop of it, and a way to the blank."""

    def __init__(self, history: EmptyHistory, tree: ArcTable) -> None:
        super().__init__(history, tree)
        assert isinstance(history.units, TokenUnits)
        self._units = history.units

    def enter(self, place: Place) -> None:
        for phone, word, cost, node in self._tree[0]:
            label = self._units.label_of[phone]
            if label != place.context[1]:
                self.add(place.state, label, word, place.offset + cost, self._state(node, label))

    def _state(self, node: int, token: int) -> int:
        key = node, (0, token)
        if key in self._states:
            return self._states[key]
        history, units = self.history, self._units
        state = self._states[key] = self.new_state()
        self.add(state, token or units.blank_label, 0, 0.0, state)
        compact = token and units.topology == "compact"
        if token:
            self.add(state, 0 if compact else units.blank_label, 0, 0.0, self._state(node, 0))
        if self.is_root(node) and history.end_cost < float("inf"):
            self.finals[state] = history.end_cost
        if compact:
            return state
        for phone, word, cost, following in self.arcs_of_node(node):
            if phone == 0:
                self.add(state, 0, word, cost, self._state(following, token))
            elif units.label_of[phone] != token or units.topology != "standard":
                label = units.label_of[phone]
                self.add(state, label, word, cost, self._state(following, label))
        for first in history.firsts if self.is_root(node) else ():
            label = units.label_of[first.phone]
            if label != token or units.topology != "standard":
                self.add(state, label, first.word, first.cost, first.state)
        return state


class _HmmPart(_Part):
    """New words of an HCLG: chains of HMM states between nodes in context."""

    def __init__(self, history: EmptyHistory, tree: ArcTable) -> None:
        super().__init__(history, tree)
        assert isinstance(history.units, HmmUnits)
        self._units = history.units
        self._pieces: dict[tuple[int, int, Unit, int], int] = {}
        self._entering: dict[tuple[int, Unit | None], int] = {}
        self._elsewhere: list[tuple[Place, Automaton, int, float, int]] = []  # to add where their unit comes from
        self._words: dict[tuple[int, int], int] = {}
        self._end = -1

    def enter(self, place: Place) -> None:
        for phone, word, cost, node in self._tree[0]:
            automaton = self._units.emission(place.context, phone)
            target = self._state(node, self._units.after(place.context, phone))
            if place.word:
                target, word = self._giving_out(word, target), place.word
            if automaton is None:
                self.add(place.state, 0, word, place.offset + cost, target)
            elif place.unit is None:
                self._read(place.state, automaton, 0, word, place.offset + cost, target)
            elif automaton.only_first == place.unit:
                at = automaton.steps[0][0][1]
                self._read(place.state, automaton, at, word, place.offset + cost, target)
                if at in automaton.ends:
                    self.add(place.state, 0, word, place.offset + cost, target)
            else:
                self._elsewhere.append((place, automaton, word, cost, target))

    def _giving_out(self, word: int, target: int) -> int:
        """Return a state that leads to another one, giving out a word."""
        if (word, target) not in self._words:
            state = self._words[word, target] = self.new_state()
            self.add(state, 0, word, 0.0, target)
        return self._words[word, target]

    def finish(self) -> None:
        """Add the words that do not begin as all others where those have read their common unit already."""
        table = self.reader.table
        if not self._elsewhere:
            return
        wanted = np.zeros(table.num_states, dtype=bool)
        wanted[[entry[0].state for entry in self._elsewhere]] = True
        found = np.flatnonzero(wanted[table.arcs["nextstate"]])
        source = np.searchsorted(table.first_arc, found, side="right") - 1
        into: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for origin, row in zip(source.tolist(), table.arcs[found].tolist(), strict=True):
            if origin != row[3]:
                into.setdefault((row[3], row[0]), []).append((origin, row[2]))
        for place, automaton, word, cost, target in self._elsewhere:
            assert place.unit is not None
            for origin, before in into.get((place.state, place.unit.label), ()):
                offset = before - place.unit.enter_cost + place.offset
                self._read(origin, automaton, 0, word, offset + cost, target)

    def _read(self, source: int, automaton: Automaton, at: int, word: int, cost: float, target: int) -> None:
        for unit, behind in automaton.steps[at]:
            self.add(source, unit.label, word, cost + unit.enter_cost, self._piece(automaton, behind, unit, target))

    def _piece(self, automaton: Automaton, at: int, unit: Unit, target: int) -> int:
        """Return the state behind a unit of an HMM that leads to `target`."""
        only_end = at in automaton.ends and not automaton.steps[at]
        if only_end and self._is_old(target):
            return self._entered(target, unit)
        key = (-1 if only_end else id(automaton), 0 if only_end else at, unit, target)
        if key not in self._pieces:
            state = self._pieces[key] = self.new_state()
            self._add_loop(state, unit)
            self._read(state, automaton, at, 0, 0.0, target)
            if at in automaton.ends:
                self.add(state, 0, 0, 0.0, self._entered(target, None) if self._is_old(target) else target)
        return self._pieces[key]

    def _add_loop(self, state: int, unit: Unit) -> None:
        if unit.loop_label:
            self.add(state, unit.loop_label, 0, unit.loop_cost, state)

    def _entered(self, old: int, unit: Unit | None) -> int:
        """Return a state with the arcs of an old one and the self-loop of `unit`, which the old one may have or not."""
        key = old, unit
        if key not in self._entering:
            wanted = [unit.loop_label] if unit and unit.loop_label else []
            if old < PART and self._loops(old) == wanted:
                self._entering[key] = old
            else:
                state = self._entering[key] = self.new_state()
                if unit:
                    self._add_loop(state, unit)
                self.copies[state] = old
        return self._entering[key]

    def _loops(self, old: int) -> list[int]:
        low, high = self.reader.table.first_arc[old : old + 2]
        return [row[0] for row in self.reader.table.arcs[low:high].tolist() if row[3] == old]

    def _is_old(self, state: int) -> bool:
        return state < self.num_old or state >= PART

    def _state(self, node: int, context: Context) -> int:
        key = node, context
        if key in self._states:
            return self._states[key]
        units = self._units
        state = self._states[key] = self.new_state()
        for phone, word, cost, following in self.arcs_of_node(node):
            if phone == 0:
                self.add(state, 0, word, cost, self._state(following, context))
            else:
                target = self._state(following, units.after(context, phone))
                self._emit(state, context, phone, word, cost, target)
        if self.is_root(node):
            for first, target, word, cost in self._next_firsts(context):
                self._emit(state, context, first.phone, word, cost, target)
            self._add_end(state, context, self.history.end_cost)
        return state

    def _next_firsts(self, context: Context) -> Iterator[tuple[First, int, int, float]]:
        """Yield the first phones of the graph's own words in a context: (first phone, state, word, cost)."""
        alike = self.history.firsts_in(context)
        if alike is not None:
            yield from ((first, first.state, first.word, first.cost) for first in alike)
            return
        for first in self.history.firsts:
            target = self.history.target(first, context)
            yield first, *(target or (self._cloned(first, context), first.word, first.cost))

    def _emit(self, state: int, context: Context, phone: int | None, word: int, cost: float, target: int) -> None:
        automaton = self._units.emission(context, phone)
        assert automaton is not None
        self._read(state, automaton, 0, word, cost, target)

    def _add_end(self, state: int, context: Context, cost: float) -> None:
        if cost == float("inf"):
            return
        if not self._units.late:
            self.finals[state] = cost
            return
        if self._end < 0:
            self._end = self.new_state()
            self.finals[self._end] = 0.0
        self._emit(state, context, None, 0, cost, self._end)

    def _cloned(self, first: First, context: Context) -> int:
        """Return a state for a first phone in a context in which the graph has it nowhere."""
        units, reader = self._units, self.reader
        here = units.after(context, first.phone)
        key = self.num_old + first.state, (units.left_key(context, first.phone), first.phone)
        if key in self._states:
            return self._states[key]
        state = self._states[key] = self.new_state()
        there = units.after(first.context, first.phone)
        begin = [(first.state, 0, 0.0)]
        behind = reader.closure(begin)  # where a word of one phone ends
        for word in sorted({item[1] for item in behind}):
            offset = self.history.offset_behind([(s, 0, c) for s, w, c in behind if w == word], there)
            if offset is not None:
                self._add_new(state, here, word, offset)
        for phone in units.right_examples():
            items = reader.read(begin, units.emission(there, phone))
            if phone is None:
                for word, cost in set(reader.ends(items)):
                    self._add_word_end(state, here, word, cost)
                continue
            group = units.phones_of_group(units.group(phone))
            for _, (target, word, cost) in self.history.told_apart(items, there, group):
                self._emit(state, here, phone, word, cost, target)
        return state

    def _add_new(self, state: int, context: Context, word: int, offset: float) -> None:
        """Let the new words begin at a state, behind `word` (0: none)."""
        if word:
            self.add(state, 0, word, 0.0, self.new_state())
            state = self.next_state - 1
        for phone, new_word, cost, node in self._tree[0]:
            target = self._state(node, self._units.after(context, phone))
            self._emit(state, context, phone, new_word, offset + cost, target)

    def _add_word_end(self, state: int, context: Context, word: int, cost: float) -> None:
        if self._end < 0:
            self._end = self.new_state()
            self.finals[self._end] = 0.0
        self._emit(state, context, None, word, cost, self._end)
