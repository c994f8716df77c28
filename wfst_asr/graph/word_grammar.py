"""Grammars as machines over words: what a pynini grammar of text says, its bytes gathered to words.

A grammar is written as text: `pynini.union("one", "two") + " " + "three"` accepts bytes, and white space parts the
words.  Here every path between two white spaces becomes one arc with a word; the costs of its bytes add up.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pynini
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import NegativeCycleError, bellman_ford, connected_components

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.convert import from_pynini, to_pynini
from wfst_asr.fst.ops import Machine, as_table, connect
from wfst_asr.fst.symbols import EPSILON

WHITE_SPACE = frozenset(b" \t\n\r")
_FIRST_GENERATED = 0xF0000  # labels that pynini gives to bracketed symbols such as "[NAME]"
_MAX_STEPS = 50_000_000


@dataclass(frozen=True)
class WordGrammar:
    """An acceptor of words with its own vocabulary.

    Attributes:
        table: labels are indices into `names`, the same on both sides; 0 is epsilon.
        names: the words, `<eps>` first, the others sorted.
        source: how messages call it.
    """

    table: ArcTable
    names: tuple[str, ...]
    source: str

    @property
    def words(self) -> tuple[str, ...]:
        return self.names[1:]

    def renamed(self, name_of: dict[str, str]) -> "WordGrammar":
        """Return the grammar with other words in place of some; words that become one share their arcs' label."""
        new = [name_of.get(name, name) for name in self.names]
        names = (EPSILON, *sorted(set(new[1:]) - {EPSILON}))
        number = {name: i for i, name in enumerate(names)}
        return WordGrammar(relabelled(self.table, [number[name] for name in new]), names, self.source)


def relabelled(table: ArcTable, label_of: Iterable[int]) -> ArcTable:
    """Return the acceptor with `label_of[label]` in place of each label."""
    labels = np.fromiter(label_of, dtype=np.int32)
    arcs = table.arcs.copy()
    arcs["ilabel"] = arcs["olabel"] = labels[arcs["ilabel"]]
    return ArcTable(table.start, table.first_arc, arcs, table.final_cost)


def word_grammar(machine: pynini.Fst, source: str = "the grammar") -> WordGrammar:
    """Gather the text of a pynini grammar to words.

    A machine with a symbol table has words for labels already.  Any other accepts bytes, as pynini makes of strings, or
    Unicode code points (`token_type="utf8"`), where a label is above 255.

    Args:
        machine: an acceptor with tropical weights; it is not changed.
        source: how messages call it.

    Raises:
        WfstAsrError: it accepts nothing or no word, is no acceptor, has a cost of minus infinity or none, words without
            end (white space is missing), bracketed symbols, or bytes that are no text.

    Linear in the number of (state before a word, word) pairs and their bytes.

    >>> grammar = word_grammar(pynini.union("one", "two") + " " + "three")
    >>> grammar.words, grammar.table.num_arcs
    (('one', 'three', 'two'), 3)
    """
    table = checked_acceptor(machine, source)
    if machine.input_symbols() is not None:
        return _with_symbols(table, machine.input_symbols(), source)
    table = without_epsilons(table, source)
    parts = np.array(sorted(WHITE_SPACE))
    is_space = np.isin(table.arcs["ilabel"], parts)
    _require_words_that_end(table, is_space, source)
    names, arcs, num_states = _word_arcs(table, source)
    if not names:
        raise WfstAsrError(f"{source} accepts no word, only the empty sentence; correct it")
    order = sorted(names)
    number = {name: i for i, name in enumerate(order, start=1)}
    final = num_states - 1
    finals = np.append(table.final_cost, np.float32(0.0))
    rows = [(a, b, number[word] if word else 0, number[word] if word else 0, cost) for a, word, b, cost in arcs]
    gathered = arc_table(final + 1, rows, finals=finals, start=table.start)
    return WordGrammar(without_epsilons(connect(gathered), source), (EPSILON, *order), source)


def checked_acceptor(machine: Machine, source: str) -> ArcTable:
    """Return the part of an acceptor that lies on paths to an end.

    Raises:
        WfstAsrError: it accepts nothing, is no acceptor, or has a cost that is minus infinity or not a number.
    """
    try:
        table = as_table(machine)
    except WfstAsrError as error:
        raise WfstAsrError(f"{source}: {error}") from error
    costs = np.concatenate((table.arcs["cost"], table.final_cost))
    if np.isnan(costs).any() or np.isneginf(costs).any():
        bad = "a weight that is not a number" if np.isnan(costs).any() else "a weight of minus infinity"
        raise WfstAsrError(f"{source} has {bad}; weights are costs, -ln of a probability, so leave the arc out instead")
    if np.isposinf(table.arcs["cost"]).any():
        keep = np.isfinite(table.arcs["cost"])
        kept_before = np.concatenate(([0], np.cumsum(keep)))
        table = ArcTable(table.start, kept_before[table.first_arc], table.arcs[keep], table.final_cost)
    table = connect(table)
    if table.num_states == 0:
        raise WfstAsrError(f"{source} accepts nothing; correct it (a difference or composition may have left nothing)")
    differ = np.flatnonzero(table.arcs["ilabel"] != table.arcs["olabel"])
    if len(differ):
        symbols = (None, None)
        if not isinstance(machine, ArcTable):
            symbols = (machine.input_symbols(), machine.output_symbols())
        arc = table.arcs[differ[0]]
        told = [_label_name(int(arc[side]), of) for side, of in zip(("ilabel", "olabel"), symbols, strict=True)]
        raise WfstAsrError(
            f"{source} is no acceptor: it rewrites {told[0]} to {told[1]}; "
            "take one side of it, as with pynini.project(fst, 'output')"
        )
    return table


def without_epsilons(table: ArcTable, source: str) -> ArcTable:
    """Remove epsilons; of several ways between two words the cheapest counts.

    Raises:
        WfstAsrError: a cycle of epsilons has a negative cost, so that no way is the cheapest.
    """
    silent = table.arcs["ilabel"] == 0
    if not silent.any():
        return table
    if (table.arcs["cost"][silent] < 0).any():
        # a state before all others reaches every cycle; parallel arcs add up in a matrix, so the least is taken first
        n = table.num_states
        key = table.source()[silent].astype(np.int64) * n + table.arcs["nextstate"][silent]
        order = np.lexsort((table.arcs["cost"][silent], key))
        key, first = np.unique(key[order], return_index=True)
        cost = table.arcs["cost"][silent][order][first].astype(np.float64)
        rows, columns = np.append(key // n, np.full(n, n)), np.append(key % n, np.arange(n))
        matrix = coo_matrix((np.append(cost, np.full(n, 1e-9)), (rows, columns)), shape=(n + 1, n + 1))
        loops = np.any((key // n == key % n) & (cost < 0))
        try:
            bellman_ford(matrix.tocsr(), indices=n)
        except NegativeCycleError:
            loops = np.True_
        if loops:
            raise WfstAsrError(
                f"{source} can repeat nothing, or white space alone, at a negative cost, so that no sentence has "
                "a least cost; make the weights of what is repeated positive"
            )
    return connect(from_pynini(to_pynini(table).rmepsilon()))


def _label_name(label: int, symbols: Any) -> str:
    if label == 0:
        return "nothing"
    if symbols is not None:
        return f"'{symbols.find(label)}'"
    return f"'{chr(label)}'" if label < _FIRST_GENERATED else f"symbol {label}"


def _with_symbols(table: ArcTable, symbols: Any, source: str) -> WordGrammar:
    found = [label for label in np.unique(table.arcs["ilabel"]).tolist() if label]
    names = {label: symbols.find(label) for label in found}
    lost = [label for label, name in names.items() if not name]
    if lost:
        raise WfstAsrError(f"{source} has the label {lost[0]}, which is not in its symbol table; correct the table")
    if not names:
        raise WfstAsrError(f"{source} accepts no word, only the empty sentence; correct it")
    order = (EPSILON, *sorted(set(names.values()) - {EPSILON}))
    label_of = np.zeros(max(found) + 1, dtype=np.int32)
    for label, name in names.items():
        label_of[label] = order.index(name)
    return WordGrammar(without_epsilons(relabelled(table, label_of), source), order, source)


def _require_words_that_end(table: ArcTable, is_space: NDArray[np.bool_], source: str) -> None:
    """Refuse a cycle without white space: the words on it would have no end."""
    states, inside = table.num_states, ~is_space
    source_state, nextstate = table.source()[inside], table.arcs["nextstate"][inside]
    graph = coo_matrix((np.ones(len(nextstate), np.int8), (source_state, nextstate)), shape=(states, states))
    _, part = connected_components(graph.tocsr(), directed=True, connection="strong")
    on_cycle = part[source_state] == part[nextstate]
    on_cycle &= (np.bincount(part)[part[source_state]] > 1) | (source_state == nextstate)
    if not on_cycle.any():
        return
    start = int(source_state[on_cycle][0])
    labels: list[int] = []
    state = start
    label_of = table.arcs["ilabel"][inside][on_cycle]
    leaving: dict[int, tuple[int, int]] = {}
    for a, label, b in zip(source_state[on_cycle], label_of, nextstate[on_cycle], strict=True):
        leaving.setdefault(int(a), (int(label), int(b)))
    while len(labels) < 30:
        label, state = leaving[state]
        labels.append(label)
    text = "".join(chr(label) for label in labels if label < _FIRST_GENERATED)
    raise WfstAsrError(
        f"{source} has words without end, such as '...{text[:24]}...'; part the words by a space where they repeat, "
        'as in word + (" " + word).star'
    )


def _word_arcs(table: ArcTable, source: str) -> tuple[set[str], list[tuple[int, str, int, float]], int]:
    """Return the words, the arcs (state, word or "", next state, cost), and the number of states with a last final one.

    A state stands for itself before a word; an arc of white space alone has no word.
    """
    first, final_cost = table.first_arc.tolist(), table.final_cost.tolist()
    ilabel, cost = table.arcs["ilabel"].tolist(), table.arcs["cost"].tolist()
    nextstate = table.arcs["nextstate"].tolist()
    unicode = bool(len(ilabel)) and max(ilabel) > 255
    end = table.num_states
    spelt: dict[tuple[int, ...], str] = {}
    best: dict[tuple[int, str, int], float] = {}
    before, seen, steps = [table.start], {table.start}, 0
    while before:
        begin = before.pop()
        stack: list[tuple[int, tuple[int, ...], float]] = [(begin, (), 0.0)]
        while stack:
            state, letters, so_far = stack.pop()
            steps += 1
            if steps > _MAX_STEPS:
                raise WfstAsrError(f"{source} spells its words in more than {_MAX_STEPS:,} ways; make it smaller")
            if letters and final_cost[state] != np.inf:
                _keep_least(best, (begin, _word(letters, spelt, unicode, source), end), so_far + final_cost[state])
            for arc in range(first[state], first[state + 1]):
                label, after = ilabel[arc], nextstate[arc]
                if label not in WHITE_SPACE:
                    stack.append((after, (*letters, label), so_far + cost[arc]))
                    continue
                word = _word(letters, spelt, unicode, source) if letters else ""
                _keep_least(best, (begin, word, after), so_far + cost[arc])
                if after not in seen:
                    seen.add(after)
                    before.append(after)
    arcs = [(a, word, b, total) for (a, word, b), total in sorted(best.items())]
    return set(spelt.values()), arcs, end + 1


def _keep_least(best: dict[tuple[int, str, int], float], key: tuple[int, str, int], cost: float) -> None:
    if cost < best.get(key, np.inf):
        best[key] = cost


def _word(letters: tuple[int, ...], spelt: dict[tuple[int, ...], str], unicode: bool, source: str) -> str:
    if letters in spelt:
        return spelt[letters]
    if max(letters) >= _FIRST_GENERATED:
        raise WfstAsrError(
            f"{source} has a bracketed symbol, as pynini makes of '[...]', which is no text; write words "
            "without brackets"
        )
    try:
        word = "".join(map(chr, letters)) if unicode else bytes(letters).decode("utf-8")
    except (UnicodeDecodeError, ValueError) as error:
        raise WfstAsrError(
            f"{source} has the bytes {list(letters)}, which are no UTF-8 text; give strings to pynini as they are"
        ) from error
    spelt[letters] = word
    return word
