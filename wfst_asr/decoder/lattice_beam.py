"""Lattices of the beam search: every path within the lattice beam that the search has seen.

The search keeps one best arc a token, and of the other arcs into it those within the lattice beam; from these the
lattice is made, one state for each (frame, state of the graph).  Kaldi: `LatticeFasterDecoder::GetRawLattice`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.acoustic_scores import check_scores
from wfst_asr.decoder.beam import BeamSearch
from wfst_asr.decoder.blank_skipping import search_frames
from wfst_asr.decoder.decode import DecodeResult, result_of_search
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.compact_lattice import CompactLattice
from wfst_asr.lattice.determinize import determinize
from wfst_asr.lattice.lattice import Lattice, prune


@dataclass(frozen=True)
class DecodedLattice:
    """The best path for an utterance, and the lattice around it.

    Attributes:
        best: as `decode` gives it.
        lattice: pruned exactly to the lattice beam.
    """

    best: DecodeResult
    lattice: Lattice

    @cached_property
    def words(self) -> CompactLattice:
        """The lattice of words, made when it is first asked for: one path for each sequence of words."""
        return determinize(self.lattice)


def decode_lattice(
    graph: SearchGraph, scores: Any, options: DecodeOptions | None = None, *, keep_statistics: bool = False
) -> DecodedLattice:
    """Find the best path of a graph for acoustic scores, and all paths within the lattice beam of it.

    Args:
        graph: from `load_graph`.
        scores: (T, P) as for `decode`.
        options: dials of the search, `lattice_beam` among them.
        keep_statistics: as for `decode`.

    Raises:
        WfstAsrError: as `decode`.
        NoPathError: as `decode`.

    >>> from wfst_asr.decoder.search_graph import make_search_graph
    >>> from wfst_asr.fst.arcs import arc_table
    >>> loop = arc_table(1, [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)], finals={0: 0.0})
    >>> graph = make_search_graph(loop, [-1, 0, 1], words=["<eps>", "yes", "no"])
    >>> found = decode_lattice(graph, [[-1.0, -2.0], [-9.0, -1.0]], DecodeOptions(lattice_beam=2.0))
    >>> found.best.text, found.lattice.num_states, found.lattice.olabel.tolist()
    ('yes no', 3, [1, 2, 2])
    """
    names = graph.manifest.column_names if graph.manifest else ""
    checked = check_scores(scores, graph.num_columns, column_names=names)
    if len(checked) == 0:
        raise WfstAsrError("scores have no frames; leave out empty recordings")
    chosen = options or DecodeOptions()
    done = search_frames(graph, checked, chosen, _labels_of_lattice, keep_lattice=True, keep_statistics=keep_statistics)
    best = result_of_search(graph, done, checked)
    raw = raw_lattice(done.search, checked)
    done.release()
    return DecodedLattice(best, prune(raw, chosen.lattice_beam))


def _labels_of_lattice(search: BeamSearch, scores: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    lattice = prune(raw_lattice(search, scores), search.options.lattice_beam)
    emitting = np.flatnonzero(lattice.ilabel)
    return lattice.frame[lattice.source[emitting]].astype(np.int64), lattice.ilabel[emitting]


def raw_lattice(search: BeamSearch, scores: NDArray[np.float32], *, end_anywhere: bool = False) -> Lattice:
    """Return what a search with `keep_lattice` has kept, within its lattice beam but for rounding.

    The search may go on afterwards.  Where no final state was reached the paths may end in any state.  Of a cycle of
    epsilon arcs the arcs that close it are left out.

    Args:
        search: advanced through all of `scores`.
        scores: (T, P) as the search has seen them.
        end_anywhere: let the paths end in any state, at no cost, as in the middle of an utterance.

    Raises:
        WfstAsrError: a search that keeps no lattice, or another number of frames.
    """
    from wfst_asr.decoder import _lattice_kernels as kernels

    if len(scores) != search.frames:
        raise WfstAsrError(f"scores of {len(scores)} frames, but the search has gone through {search.frames}")
    kept = search.kept()
    graph = search.graph
    words = graph.layout.words
    newest = kept.frontier.cost[: kept.count].astype(np.float64)
    final = graph.final_costs(kept.frontier.target[: kept.count])
    reached = not end_anywhere and bool(np.isfinite(final).any())
    total = newest + final if reached else newest
    token, frame, first_arc, nextstate, address = kernels.gather_lattice(
        kept.links,
        kept.trace,
        words.view(np.float32),
        (total - total.min()).astype(np.float32),
        kept.base,
        kept.count,
        kept.links.beam[0],
    )
    ilabel, olabel, graph_cost = _labels(graph, kept.links.tokens[token, 0], first_arc, address)
    emitting = np.flatnonzero(ilabel)
    acoustic = np.zeros(len(ilabel), dtype=np.float32)
    consumed = np.repeat(frame, np.diff(first_arc))[emitting]
    acoustic[emitting] = -scores[consumed, graph.columns[ilabel[emitting]]]
    final_cost = np.full(len(token), np.inf, dtype=np.float32)
    ends = np.flatnonzero(frame == search.frames)
    final_cost[ends] = final[token[ends] - kept.base] if reached else 0.0
    return Lattice(
        frame=frame,
        first_arc=first_arc,
        nextstate=nextstate,
        ilabel=ilabel,
        olabel=olabel,
        graph_cost=graph_cost,
        acoustic_cost=acoustic,
        final_cost=final_cost,
        acoustic_scale=search.acoustic_scale,
        lattice_beam=float(kept.links.beam[0]),
        reached_final=reached,
    )


def _labels(
    graph: SearchGraph, target: NDArray[np.uint32], first_arc: NDArray[np.int64], address: NDArray[np.uint32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Return input labels, output labels and costs of the arcs of lattice states standing in graph states `target`."""
    from wfst_asr.decoder import _lattice_kernels as kernels

    layout = graph.layout
    address_of_state = target & np.uint32((1 << layout.code_shift) - 1)
    order = np.argsort(address_of_state)
    ordered = address_of_state[order]
    group_first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    begin = ordered[group_first[:-1]]
    labels: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]] = kernels.labels_of_arcs(
        order,
        group_first,
        begin,
        layout.state[np.searchsorted(layout.block_start, begin)],
        first_arc,
        address,
        layout.words,
        np.ascontiguousarray(graph.states).view(np.int32),
        np.ascontiguousarray(graph.arcs).view(np.int32),
        graph.states.itemsize // 4,
    )
    return labels
