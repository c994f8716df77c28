"""Whether L o G can be determinized, told before it is tried: the words, the phones and the symbol that is missing.

A transducer can be determinized if no input has two outputs (it is functional) and if paths with the same input, once
they have come apart, do not drift further apart for ever, neither in outputs nor in costs (the twins property).  L is
looked at alone, restricted to the words of G: its subsets of (state, output still owed) are made breadth first, and
the first in which two outputs clash has the shortest ambiguous input.  Of G the costs count, see `weight_drift`.
Béal, Carton, Prieur and Sakarovitch, "Squaring transducers" (2003); Mohri, "Finite-state transducers in language and
speech processing" (1997), section 3.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.fst.convert import to_pynini
from wfst_asr.fst.ops import Machine, as_table, compose, connect
from wfst_asr.graph.weight_drift import find_weight_drift

Name = Callable[[int], str]
_MAX_OWED = 64
_MAX_PAIRS = 2000


@dataclass(frozen=True)
class Ambiguity:
    """Two outputs of one input.

    Attributes:
        outputs: the two sequences of output labels, from where they differ; one may be empty.
        inputs: the shortest sequence of input labels that both share, from where the outputs differ.
        pronunciations: (word, its input labels) of both sequences; empty where they could not be told apart.
        endless: the outputs differ for more than 64 labels before the input decides; then both are the beginning of
            one of them.
    """

    outputs: tuple[tuple[int, ...], tuple[int, ...]]
    inputs: tuple[int, ...]
    pronunciations: tuple[tuple[tuple[int, tuple[int, ...]], ...], tuple[tuple[int, tuple[int, ...]], ...]] = ((), ())
    endless: bool = False


def check_determinizable(
    lexicon: Machine,
    grammar: Machine,
    *,
    phone_disambig: Iterable[int] = (),
    phone_name: Name = str,
    word_name: Name = str,
) -> None:
    """Refuse L and G whose composition cannot be determinized.

    What cannot be decided cheaply passes: two words of L that are ambiguous but never stand in the same place in G.

    Args:
        lexicon: L with its disambiguation symbols.
        grammar: G.
        phone_disambig: ids of the disambiguation symbols on L's input side.
        phone_name: gives the name of a phone id.
        word_name: gives the name of a word id.

    Raises:
        WfstAsrError: the words, the phones that they share, and the symbols to give them; or the words of the loop on
            which costs of G drift apart.

    Linear in L and G in practice; a second for 134,000 pronunciations.
    """
    l_table, g_table = as_table(lexicon), as_table(grammar)
    found = find_ambiguity(l_table, words=np.unique(g_table.arcs["ilabel"]))
    if found is not None and (found.endless or _both_said(g_table, found, l_table)):
        raise WfstAsrError(_told(found, frozenset(phone_disambig), phone_name, word_name))
    drift = find_weight_drift(g_table)
    if drift is not None:
        raise WfstAsrError(drift.told(word_name))


def find_ambiguity(lexicon: Machine, *, words: Iterable[int] | None = None) -> Ambiguity | None:
    """Find the shortest input of L that has two outputs.

    Args:
        lexicon: any transducer, such as L with disambiguation symbols.
        words: use only the arcs with these output labels (and epsilon); None: all.

    Returns:
        None if every input has one output and the input decides it soon enough.

    >>> homophones = arc_table(2, [(0, 1, 1, 7, 0.0), (0, 1, 1, 8, 0.0), (1, 0, 2, 0, 0.0)], finals={0: 0.0})
    >>> found = find_ambiguity(homophones)
    >>> found.outputs, found.inputs
    (((7,), (8,)), (1,))
    """
    from wfst_asr.fst._determinize_kernels import NOT_FUNCTIONAL, TOO_LONG, determinize_kernel

    table = as_table(lexicon)
    if words is not None:
        keep = np.isin(table.arcs["olabel"], np.append(np.fromiter(words, dtype=np.int32), 0))
        table = _with_arcs(table, keep)
    table = connect(table)
    if table.num_states == 0:
        return None
    order = np.lexsort((table.arcs["ilabel"], table.source()))
    arcs = table.arcs[order]
    no_cost = np.zeros(len(arcs))  # only the strings are of interest
    final = np.where(np.isfinite(table.final_cost), 0.0, np.inf)
    limit = 20 * (table.num_states + table.num_arcs) + 10_000
    status, failure, _, _, strings, trace = determinize_kernel(
        table.first_arc, np.ascontiguousarray(arcs["ilabel"]), np.ascontiguousarray(arcs["olabel"]), no_cost,
        np.ascontiguousarray(arcs["nextstate"]), final, table.start,
        np.inf, False, limit, _MAX_OWED,
    )  # fmt: skip
    if status not in (NOT_FUNCTIONAL, TOO_LONG):
        return None
    parent, label_into, first_element, owed_strings = trace
    subset, one, other, label = (int(value) for value in failure)
    path, since = ([label] if label else []), 0
    waiting = True
    while subset > 0:
        owed = owed_strings[first_element[subset] : first_element[subset + 1]]
        waiting = waiting and bool(owed.any())
        since += not waiting
        path.append(int(label_into[subset]))
        subset = int(parent[subset])
    path.reverse()
    outputs = tuple(_spelt(number, strings) for number in (one, other))
    if status == TOO_LONG:
        return Ambiguity((outputs[0], outputs[0]), tuple(path[since:]), endless=True)
    first, second = outputs
    shared = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(map(len, outputs)))
    outputs = (first[shared:], second[shared:])
    ways = tuple(_pronunciations(table, path[since:], output) for output in outputs)
    inputs = tuple(path[since:])
    if shared == 0 and all(ways):
        inputs = tuple(ways[0][0][1]) if ways[0][0][1] == ways[1][0][1] and len(ways[0]) == len(ways[1]) else inputs
    return Ambiguity(outputs, inputs, ways)  # type: ignore[arg-type]


def _with_arcs(table: ArcTable, keep: np.ndarray) -> ArcTable:
    kept_before = np.concatenate(([0], np.cumsum(keep)))
    return ArcTable(table.start, kept_before[table.first_arc], table.arcs[keep], table.final_cost)


def _spelt(string: int, strings: tuple[np.ndarray, np.ndarray]) -> tuple[int, ...]:
    labels, rest = strings
    found = []
    while string != 0:
        found.append(int(labels[string]))
        string = int(rest[string])
    return tuple(found)


def _pronunciations(
    table: ArcTable, inputs: Sequence[int], outputs: Sequence[int]
) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return (word, its inputs) along a path of these labels; nothing where no path from the start has them."""
    anywhere = ArcTable(table.start, table.first_arc, table.arcs, np.zeros(table.num_states, np.float32))
    way = compose(compose(_chain(inputs), anywhere), _chain(outputs))
    if way.num_states == 0:
        return ()
    words: list[tuple[int, list[int]]] = []
    for arc in _any_path(way):
        if arc["olabel"]:
            words.append((int(arc["olabel"]), []))
        if arc["ilabel"] and words:
            words[-1][1].append(int(arc["ilabel"]))
    return tuple((word, tuple(phones)) for word, phones in words)


def _chain(labels: Sequence[int]) -> ArcTable:
    rows = [(i, i + 1, label, label, 0.0) for i, label in enumerate(labels)]
    return arc_table(len(labels) + 1, rows, finals={len(labels): 0.0})


def _any_path(table: ArcTable) -> Iterator[np.void]:
    import pynini

    best = pynini.shortestpath(to_pynini(table))
    state = best.start()
    from wfst_asr.fst.convert import from_pynini

    line = from_pynini(best)
    while line.first_arc[state] < line.first_arc[state + 1]:
        arc = line.arcs[line.first_arc[state]]
        yield arc
        state = int(arc["nextstate"])


def _both_said(grammar: ArcTable, found: Ambiguity, lexicon: ArcTable) -> bool:
    """Tell whether G lets both outputs follow one history and end alike; False where that is not found soon."""
    spoken = np.isin(grammar.arcs["ilabel"], np.append(np.unique(lexicon.arcs["olabel"]), 0))
    table = connect(_with_arcs(grammar, spoken))
    if table.num_states == 0:
        return False
    walk = _Walk(table)
    sources = []
    for output in found.outputs:
        sources.append(np.unique(table.source()[table.arcs["ilabel"] == output[0]]) if output else None)
    begins = [s for s in sources if s is not None]
    common = begins[0] if len(begins) == 1 else np.intersect1d(begins[0], begins[1])
    return any(walk.meet(int(state), found.outputs) for state in common[:50])


class _Walk:
    """Follows labels through G, epsilons included."""

    def __init__(self, table: ArcTable) -> None:
        self._table = table

    def _arcs(self, state: int) -> np.ndarray:
        return self._table.arcs[self._table.first_arc[state] : self._table.first_arc[state + 1]]

    def _closed(self, states: Iterable[int]) -> frozenset[int]:
        done, stack = set(states), list(states)
        while stack:
            arcs = self._arcs(stack.pop())
            for state in arcs["nextstate"][arcs["ilabel"] == 0].tolist():
                if state not in done:
                    done.add(state)
                    stack.append(state)
        return frozenset(done)

    def _after(self, states: frozenset[int], label: int) -> frozenset[int]:
        reached: set[int] = set()
        for state in states:
            arcs = self._arcs(state)
            reached.update(arcs["nextstate"][arcs["ilabel"] == label].tolist())
        return self._closed(reached)

    def meet(self, state: int, outputs: tuple[Sequence[int], Sequence[int]]) -> bool:
        """Tell whether both outputs lead from `state` to where the same labels may end the sentence."""
        begin = self._closed([state])
        sides = []
        for output in outputs:
            here = begin
            for label in output:
                here = self._after(here, label)
            sides.append(here)
        todo, done = [(sides[0], sides[1])], {(sides[0], sides[1])}
        final = self._table.final_cost
        for one, other in todo:
            if not one or not other:
                continue
            if one & other or all(any(np.isfinite(final[s]) for s in side) for side in (one, other)):
                return True
            labels = [set(np.concatenate([self._arcs(s)["ilabel"] for s in side]).tolist()) for side in (one, other)]
            for label in sorted((labels[0] & labels[1]) - {0}, reverse=True)[:20]:  # #0 is high: back-off meets soon
                pair = (self._after(one, label), self._after(other, label))
                if pair not in done and len(done) < _MAX_PAIRS:
                    done.add(pair)
                    todo.append(pair)
        return False


def _told(found: Ambiguity, disambig: frozenset[int], phone_name: Name, word_name: Name) -> str:
    phones = " ".join(map(phone_name, found.inputs))
    if found.endless:
        begin = " ".join(word_name(word) for word in found.outputs[0][:5])
        return (
            f"L o G could not be determinized: after '{' '.join(map(phone_name, found.inputs[:20]))} ...' more than "
            f"{_MAX_OWED} words ('{begin} ...') wait for the phones to decide; end every pronunciation that another "
            "one continues with a disambiguation symbol (wfst-asr lang make does)"
        )
    names = [" ".join(map(word_name, output)) for output in found.outputs]
    whose = " and ".join(f"'{name}'" if name else "silence" for name in names)
    return (
        f"L o G could not be determinized: the words {whose} share the pronunciation '{phones}' and have no "
        f"disambiguation symbol that tells them apart; {_remedy(found, disambig, phone_name, word_name)}"
    )


def _remedy(found: Ambiguity, disambig: frozenset[int], phone_name: Name, word_name: Name) -> str:
    """Say which pronunciation lacks which symbol."""
    usual = "(wfst-asr lang make does)"
    if not all(found.pronunciations):
        spoken = next((way[0] for way in found.pronunciations if way), None)
        if spoken is None:
            return f"end pronunciations that others share or continue with symbols #1, #2 ... {usual}"
        return (
            f"give silence a disambiguation symbol of its own, behind '{' '.join(map(phone_name, spoken[1]))}' {usual}"
        )
    (word, phones), (other, others) = (way[0] for way in found.pronunciations)
    text, longer = (" ".join(map(phone_name, spoken)) for spoken in (phones, others))
    if phones == others:
        if phones and phones[-1] in disambig:
            return f"'{text}' ends with the same symbol for both; give '{word_name(other)}' another one {usual}"
        return f"give '{word_name(word)}' and '{word_name(other)}' {text} #1 and {text} #2 {usual}"
    if len(phones) > len(others):
        word, text, longer = other, longer, text
    return f"give '{word_name(word)}' {text} #1, because '{longer}' goes on behind it {usual}"
