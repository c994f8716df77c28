"""Decode: scores in, words out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.acoustic_scores import check_scores
from wfst_asr.decoder.beam import BeamSearch, SearchPath
from wfst_asr.decoder.blank_skipping import BlankSkipping, Searched, search_frames
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_counts import FrameStatistics, SearchCounts
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.decoder.word_times import WordTime, word_times
from wfst_asr.errors import WfstAsrError


@dataclass(frozen=True)
class DecodeResult:
    """The best path for an utterance.

    Attributes:
        words: the words.
        word_ids: their output labels.
        word_times: start and end of each word, in frames and seconds.
        times_exact: whether the times are the ends of the words' phones; if not, each word is taken to last from where
            its label stands on the path to where the next one's does.
        alignment: (T,) input label of each frame.
        graph_cost: cost of the path's arcs and of ending there.
        acoustic_cost: minus the sum of the path's scores, not scaled.
        acoustic_scale: the scale that the search applied to it.
        reached_final: whether the path ends in a final state; if not, the words are those of the best path so far and
            the utterance may end in the middle of a word.
        frame_costs: (T,) acoustic cost of each frame, not scaled; empty after `decode_blocks`, which keeps no scores.
        counts: what the search did.
        confidences: of each word, the posterior that `lattice.confidence.word_confidences` defines; None after `decode`
            and `decode_lattice`, which do not ask for them: `decoder.lattice_words.decode_words` fills them.
        statistics: what the search did in each frame that it saw; None where `keep_statistics` did not ask for it.
        skipping: frames that were skipped; None where they were not to be.
    """

    words: tuple[str, ...]
    word_ids: tuple[int, ...]
    word_times: tuple[WordTime, ...]
    times_exact: bool
    alignment: NDArray[np.int32]
    graph_cost: float
    acoustic_cost: float
    acoustic_scale: float
    reached_final: bool
    frame_costs: NDArray[np.float32]
    counts: SearchCounts
    confidences: tuple[float, ...] | None = None
    statistics: FrameStatistics | None = None
    skipping: BlankSkipping | None = None

    @property
    def text(self) -> str:
        """The words with spaces between."""
        return " ".join(self.words)

    @property
    def total_cost(self) -> float:
        """What the search minimised: graph cost + acoustic scale * acoustic cost."""
        return self.graph_cost + self.acoustic_scale * self.acoustic_cost


def decode(
    graph: SearchGraph, scores: Any, options: DecodeOptions | None = None, *, keep_statistics: bool = False
) -> DecodeResult:
    """Find the best path of a graph for acoustic scores, and the words on it.

    Args:
        graph: from `load_graph`.
        scores: (T, P) natural-log likelihoods, higher is better, any float array; -infinity for impossible.
        options: dials of the search.
        keep_statistics: have the result tell what the search did in each frame.

    Raises:
        WfstAsrError: scores that are empty, not numbers, NaN or +infinity, or of another width than the graph's.
        NoPathError: no path at all (for example every score of a frame -infinity).

    >>> from wfst_asr.decoder.search_graph import make_search_graph
    >>> from wfst_asr.fst.arcs import arc_table
    >>> loop = arc_table(1, [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)], finals={0: 0.0})
    >>> graph = make_search_graph(loop, [-1, 0, 1], words=["<eps>", "yes", "no"])
    >>> result = decode(graph, [[-1.0, -9.0], [-9.0, -1.0]])
    >>> result.text, result.graph_cost, result.acoustic_cost
    ('yes no', 1.5, 2.0)
    >>> decode(graph, [[-1.0, -9.0], [-9.0, -1.0]], keep_statistics=True).statistics.best_cost.tolist()
    [0.0, 1.5]
    """
    names = graph.manifest.column_names if graph.manifest else ""
    checked = check_scores(scores, graph.num_columns, column_names=names)
    if len(checked) == 0:
        raise WfstAsrError("scores have no frames; leave out empty recordings")
    done = search_frames(graph, checked, options or DecodeOptions(), _best_labels, keep_statistics=keep_statistics)
    result = result_of_search(graph, done, checked)
    done.release()
    return result


def _best_labels(search: BeamSearch, _scores: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    labels = search.graph.arcs["ilabel"][search.finish().arcs]
    labels = np.ascontiguousarray(labels[labels != 0])
    return np.arange(len(labels)), labels


def result_of_search(graph: SearchGraph, done: Searched, scores: NDArray[np.float32]) -> DecodeResult:
    """Return what a search of `search_frames` has found in the (T, P) scores."""
    result = result_of_path(graph, done.search.finish(), scores, done.told)
    return result if done.skipping is None else replace(result, skipping=done.skipping)


def decode_blocks(graph: SearchGraph, blocks: Iterable[Any], options: DecodeOptions | None = None) -> DecodeResult:
    """`decode` for scores that come in blocks of frames, (T1, P), (T2, P), ..., none of which is kept.

    The words are those of `decode`; the acoustic cost is what the search added up, and there are no `frame_costs`.

    Raises:
        WfstAsrError: as `decode`.
    """
    search = BeamSearch(graph, options)
    for block in blocks:
        search.advance(block)
    if search.frames == 0:
        raise WfstAsrError("scores have no frames; leave out empty recordings")
    result = result_of_path(graph, search.finish(), None, search)
    search.tell_limits()
    search.release()
    return result


def result_of_path(
    graph: SearchGraph, path: SearchPath, scores: NDArray[np.float32] | None, search: BeamSearch
) -> DecodeResult:
    """Return what a path says, its costs added up in float64."""
    arcs = search.graph.arcs[path.arcs]
    emitting = arcs["ilabel"] != 0
    alignment = arcs["ilabel"][emitting]
    graph_cost = float(arcs["cost"].sum(dtype=np.float64)) + path.final_cost
    if scores is None:
        frame_costs = np.empty(0, dtype=np.float32)
        acoustic_cost = (path.cost - graph_cost) / search.acoustic_scale
    else:
        frame_costs = -scores[np.arange(len(scores)), graph.columns[alignment]]
        acoustic_cost = float(frame_costs.sum(dtype=np.float64))
    labelled = np.flatnonzero(arcs["olabel"])
    word_ids = tuple(int(w) for w in arcs["olabel"][labelled])
    words = tuple(graph.word(w) for w in word_ids)
    # frame of a label: the one that its arc consumes, or for an epsilon arc the one that comes next
    consumed = np.cumsum(emitting)[labelled] - emitting[labelled]
    times, exact = word_times(graph, words, consumed, alignment)
    return DecodeResult(
        words=words,
        word_ids=word_ids,
        word_times=times,
        times_exact=exact,
        alignment=alignment,
        graph_cost=graph_cost,
        acoustic_cost=acoustic_cost,
        acoustic_scale=search.acoustic_scale,
        reached_final=path.reached_final,
        frame_costs=frame_costs,
        counts=search.counts,
        statistics=search.frame_statistics if search.keeps_statistics else None,
    )
