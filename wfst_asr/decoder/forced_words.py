"""The part of a graph that says a given sequence of words, and the best path through it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.layout import lay_out
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import STATE_DTYPE, ArcTable

MAX_STATES = 20_000_000


@dataclass(frozen=True)
class WordsGraph:
    """Every path of a graph with a given sequence of words.

    Attributes:
        graph: a graph of these paths alone, to be searched as the whole one.
        place: (B,) place in the whole graph's arcs of each of its arcs.
    """

    graph: SearchGraph
    place: NDArray[np.int64]


class NoSentenceError(WfstAsrError):
    """A graph has no path with the words.

    Attributes:
        word: place in the sequence of the first word that no path goes on with; the number of words where no path ends
            after the last.
    """

    def __init__(self, message: str, word: int) -> None:
        super().__init__(message)
        self.word = word


def graph_of_words(
    graph: SearchGraph, word_ids: Sequence[int], *, free: Collection[int] = (), max_states: int = MAX_STATES
) -> WordsGraph:
    """Compose a graph with a sequence of words, and keep what leads from its start to its end.

    The states looked at between two words are those that the graph reaches without a word; of these only those that
    lead on are kept, so that graphs of tens of millions of arcs need little memory.

    Args:
        graph: from `load_graph`.
        word_ids: output labels in their order.
        free: output labels that may stand anywhere besides, such as words that are silence.
        max_states: states looked at between two words, at most.

    Raises:
        NoSentenceError: no path has these words.
        WfstAsrError: a label that is no word, or more than `max_states` states.

    >>> from wfst_asr.decoder.decode import decode
    >>> from wfst_asr.decoder.search_graph import make_search_graph
    >>> from wfst_asr.fst.arcs import arc_table
    >>> loop = arc_table(1, [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)], finals={0: 0.0})
    >>> graph = make_search_graph(loop, [-1, 0, 1], words=["<eps>", "yes", "no"])
    >>> decode(graph_of_words(graph, [2, 1]).graph, [[-1.0, -9.0], [-9.0, -1.0]]).text
    'no yes'
    """
    from wfst_asr.decoder import _word_path_kernels as kernels

    if any(word < 1 for word in word_ids):
        raise WfstAsrError(f"word {min(word_ids)}, expected numbers of 1 and more")
    graph.check_whole("the search for given words")
    is_free = np.zeros(max(free, default=0) + 1, dtype=np.bool_)
    is_free[[word for word in free if word > 0]] = True
    is_free[[word for word in word_ids if word < len(is_free)]] = False
    final_cost = np.ascontiguousarray(graph.states["final_cost"])
    status, layer, states, layers, source, target, place, start = kernels.paths_of_words(
        _read_only(graph.states["first_arc"]),
        _read_only(graph.states["num_arcs"]),
        _read_only(graph.arcs["olabel"]),
        _read_only(graph.arcs["nextstate"]),
        final_cost,
        int(graph.layout.state[0]),  # depth first, so that the first block is the start state's
        np.array(word_ids, dtype=np.int64),
        is_free,
        max_states,
    )
    if status == kernels.TOO_LARGE:
        raise WfstAsrError(
            f"more than {max_states} states of the graph lie before word {layer + 1}; allow more with max_states"
        )
    ends = (layers == len(word_ids)) & (final_cost[states] < np.inf)
    useful = kernels.leads_to_end(source, target, ends)
    if status != kernels.FOUND or start < 0 or not useful[start]:
        raise NoSentenceError(_no_path(graph, word_ids, layer), layer)
    kept = useful[source] & useful[target]
    number = np.cumsum(useful, dtype=np.int32) - np.int32(1)
    arcs = np.array(graph.arcs[place[kept]])
    arcs["nextstate"] = number[target[kept]]
    first_arc = np.zeros(int(useful.sum()) + 1, dtype=np.int64)
    origin = number[source[kept]]
    np.cumsum(np.bincount(origin, minlength=len(first_arc) - 1), out=first_arc[1:])
    order = np.argsort(origin, kind="stable")
    ending = np.where(ends, final_cost[states], np.float32(np.inf))[useful]
    table = ArcTable(int(number[start]), first_arc, arcs[order], ending)
    return WordsGraph(_with_table(graph, table), place[kept][order])


def _no_path(graph: SearchGraph, word_ids: Sequence[int], layer: int) -> str:
    words = [graph.word(word) for word in word_ids]
    if layer == len(words):
        return f"{graph.name}: no sentence of the graph ends after '{words[-1] if words else 'its start'}'"
    before = f"after '{words[layer - 1]}'" if layer else "at the start"
    if not np.any(np.asarray(graph.arcs["olabel"]) == word_ids[layer]):
        return f"{graph.name}: the word '{words[layer]}' is on no arc of the graph"
    return f"{graph.name}: the word '{words[layer]}' cannot come {before}"


def _with_table(graph: SearchGraph, table: ArcTable) -> SearchGraph:
    states = np.zeros(table.num_states, dtype=STATE_DTYPE)
    states["final_cost"] = table.final_cost
    states["first_arc"] = table.first_arc[:-1]
    states["num_arcs"] = np.diff(table.first_arc)
    layout = lay_out(table, graph.columns, name=graph.name)
    return replace(graph, layout=layout, states=states, arcs=np.asarray(table.arcs))


def _read_only(column: Any) -> Any:
    """Return a view that numba takes for the same type whether its array was made or mapped."""
    view = np.asarray(column).view()
    view.flags.writeable = False
    return view
