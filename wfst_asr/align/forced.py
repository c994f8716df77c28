"""Forced alignment: the best path of an utterance through its training graph (Kaldi `gmm-align-compiled`)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.align._search import best_path
from wfst_asr.align.options import AlignOptions
from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.emitting_graph import AlignmentError, EmittingGraph, checked_scores
from wfst_asr.hmm.transition_model import TransitionModel

__all__ = [
    "Alignment", "AlignmentError", "align", "forward_first", "loops_first", "score_columns", "transition_costs",
]  # fmt: skip


@dataclass(frozen=True)
class Alignment:
    """A path through a training graph, an arc a frame.

    Attributes:
        transition_ids: (T,) int32 in Kaldi's reordered order: in each visit to an HMM state the transition that leaves
            it comes first, then its self-loops.  (`loops_first` gives the other order, that of the path itself.)
        states: (T,) int32 the graph's state that emits each frame; the same in both orders.
        log_likelihood: sum of the scores on the path, natural log, not scaled.
        graph_cost: costs of the graph and of transitions on the path.
        beam: the beam with which the path was found.
        retried: whether it needed the wider one.
    """

    transition_ids: NDArray[np.int32]
    states: NDArray[np.int32]
    log_likelihood: float = 0.0
    graph_cost: float = 0.0
    beam: float = float("inf")
    retried: bool = False


def transition_costs(model: TransitionModel, options: AlignOptions) -> NDArray[np.float32]:
    """Return the cost of every transition-id, (I + 1,) (Kaldi `AddTransitionProbs`, `hmm-utils.cc`).

    Self-loops cost -self_loop_scale ln p; other transitions -transition_scale ln p(transition | no self-loop)
    - self_loop_scale ln(1 - p(self-loop)).
    """
    leave = model.non_self_loop_log_prob.astype(np.float64)[model.transition_state]
    forward = options.transition_scale * model.forward_log_prob.astype(np.float64) + options.self_loop_scale * leave
    costs = -np.where(model.is_self_loop, options.self_loop_scale * model.log_prob.astype(np.float64), forward)
    costs[0] = 0.0
    result: NDArray[np.float32] = costs.astype(np.float32)
    return result


def score_columns(model: TransitionModel, pdfs: ArrayLike) -> NDArray[np.int32]:
    """Return the score column of every transition-id, (I + 1,), where column c holds the scores of `pdfs[c]`; -1: none.

    >>> from wfst_asr.hmm.topology import HmmTopology, left_to_right
    >>> from wfst_asr.hmm.transition_model import transition_model_from_tree
    >>> from wfst_asr.tree.decision_tree import monophone_tree
    >>> model = transition_model_from_tree(monophone_tree({1: 2}), HmmTopology((left_to_right(2),), {1: 0}))
    >>> score_columns(model, [1]).tolist()
    [-1, -1, -1, 0, 0]
    """
    wanted = np.asarray(pdfs, dtype=np.int64)
    column_of_pdf = np.full(model.num_pdfs + 1, -1, dtype=np.int32)  # the last is that of pdf-id -1, label 0
    column_of_pdf[wanted] = np.arange(len(wanted), dtype=np.int32)
    result: NDArray[np.int32] = column_of_pdf[model.pdf_id]
    return result


def align(
    graph: EmittingGraph,
    scores: NDArray[np.float32],
    columns: NDArray[np.int32],
    costs: NDArray[np.float32],
    options: AlignOptions | None = None,
) -> Alignment:
    """Find the path of least cost through a training graph: graph + transitions - acoustic_scale * scores.

    Args:
        graph: see `graph.training_graph.TrainingGraph`.
        scores: (T, C) log likelihoods, natural log.
        columns: (I + 1,) the column of every transition-id, see `score_columns`.
        costs: (I + 1,) the cost of every transition-id, see `transition_costs`.
        options: beams and acoustic scale.

    Raises:
        AlignmentError: fewer frames than the shortest path, no path within the beams, scores that are not finite, or
            more than 2 GB of back-pointers.

    O(T * active arcs).  Back-pointers take 8 bytes for every state and frame that active states lead back to; ties go
    to the arc of lower number.
    """
    options = options or AlignOptions()
    scores, column = checked_scores(graph, scores, columns)
    arc_cost = graph.cost + np.asarray(costs, dtype=np.float32)[graph.ilabel]
    beams = [options.beam] + [options.retry_beam] * (options.retry_beam > options.beam)
    reason = ""
    for beam in beams:
        try:
            path, cost = best_path(graph, arc_cost, column, scores, options.acoustic_scale, beam)
        except AlignmentError as error:
            reason = str(error)
            continue
        likelihood = float(scores[np.arange(len(scores)), column[path]].sum(dtype=np.float64))
        graph_cost = float(cost + options.acoustic_scale * likelihood)
        return alignment_of_arcs(graph, path, likelihood, graph_cost, beam, beam is not beams[0])
    raise AlignmentError(reason)


def alignment_of_arcs(
    graph: EmittingGraph,
    path: NDArray[np.int32],
    log_likelihood: float = 0.0,
    graph_cost: float = 0.0,
    beam: float = float("inf"),
    retried: bool = False,
) -> Alignment:
    """Return the alignment of a path given by its arcs, (T,)."""
    states = (np.searchsorted(graph.first, path, side="right") - 1).astype(np.int32)
    ids = _forward_first(graph.ilabel[path], graph.nextstate[path] == states)
    return Alignment(ids, states, log_likelihood, graph_cost, beam, retried)


def forward_first(transition_ids: ArrayLike, model: TransitionModel) -> NDArray[np.int32]:
    """Put the transition that leaves an HMM state before its self-loops (Kaldi's reordered order).

    >>> from wfst_asr.hmm.topology import HmmTopology, left_to_right
    >>> from wfst_asr.hmm.transition_model import transition_model_from_tree
    >>> from wfst_asr.tree.decision_tree import monophone_tree
    >>> model = transition_model_from_tree(monophone_tree({1: 2}), HmmTopology((left_to_right(2),), {1: 0}))
    >>> forward_first([1, 1, 2, 3, 4], model).tolist(), loops_first([2, 1, 1, 4, 3], model).tolist()
    ([2, 1, 1, 4, 3], [1, 1, 2, 3, 4])

    Raises:
        WfstAsrError: the sequence does not end with a transition that leaves a state.
    """
    ids = np.asarray(transition_ids, dtype=np.int32)
    is_loop = model.is_self_loop[ids]
    if len(ids) and is_loop[-1]:
        raise WfstAsrError("the transition-ids end with a self-loop; they are in the reordered order already")
    return _forward_first(ids, is_loop)


def _forward_first(ids: NDArray[np.int32], is_loop: NDArray[np.bool_]) -> NDArray[np.int32]:
    result = np.empty_like(ids)
    loops, forward = np.flatnonzero(is_loop), np.flatnonzero(~is_loop)
    result[loops + 1] = ids[loops]
    result[np.concatenate(([0], forward[:-1] + 1))[: len(forward)]] = ids[forward]
    return result


def loops_first(transition_ids: ArrayLike, model: TransitionModel) -> NDArray[np.int32]:
    """Put self-loops before the transition that leaves their HMM state: the order of the HMM (Kaldi: not reordered).

    Raises:
        WfstAsrError: the sequence does not begin with a transition that leaves a state.
    """
    ids = np.asarray(transition_ids, dtype=np.int32)
    is_loop = model.is_self_loop[ids]
    if len(ids) and is_loop[0]:
        raise WfstAsrError("the transition-ids begin with a self-loop; they are not in the reordered order")
    result = np.empty_like(ids)
    loops, forward = np.flatnonzero(is_loop), np.flatnonzero(~is_loop)
    result[loops - 1] = ids[loops]
    result[np.concatenate((forward[1:] - 1, [len(ids) - 1]))[: len(forward)]] = ids[forward]
    return result
