"""A word insertion penalty for the search: a cost on every arc that begins or ends a word."""

import math
from dataclasses import replace

import numpy as np

from wfst_asr.decoder.layout import lay_out
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable


def with_insertion_penalty(graph: SearchGraph, penalty: float) -> SearchGraph:
    """Return a graph in which every word costs `penalty` more; graph costs of its paths hold it too.

    Linear in the arcs, which are laid out anew in memory; 0 gives the graph itself.

    Args:
        graph: from `load_graph`.
        penalty: cost a word (Kaldi's word_ins_penalty); below 0 words are favoured.

    Raises:
        WfstAsrError: a penalty that is no finite number, or so far below 0 that a cycle of words gains without end.

    >>> from wfst_asr.decoder.decode import decode
    >>> from wfst_asr.decoder.search_graph import make_search_graph
    >>> from wfst_asr.fst.arcs import arc_table
    >>> loop = arc_table(1, [(0, 0, 1, 1, 0.5)], finals={0: 0.0})
    >>> graph = make_search_graph(loop, [-1, 0], words=["<eps>", "yes"])
    >>> decode(with_insertion_penalty(graph, 2.0), [[-1.0], [-1.0]]).graph_cost
    5.0
    """
    if not math.isfinite(penalty):
        raise WfstAsrError(f"insertion penalty {penalty}, expected a number; usual are 0 to 1")
    if penalty == 0:
        return graph
    graph.check_whole("an insertion penalty")
    arcs = np.array(graph.arcs)
    arcs["cost"][arcs["olabel"] != 0] += np.float32(penalty)
    first_arc = np.concatenate((graph.states["first_arc"].astype(np.int64), [len(arcs)]))
    start = int(graph.layout.state[0])  # depth first, so that the first block is the start state's
    table = ArcTable(start, first_arc, arcs, np.array(graph.states["final_cost"]))
    return replace(graph, layout=lay_out(table, graph.columns, name=graph.name), arcs=arcs)
