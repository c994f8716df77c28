"""Forward-backward: the posterior of every transition-id in every frame, over all paths (Baum, Welch)."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm._kernels import forward_tokens, posteriors_backward
from wfst_asr.hmm.emitting_graph import AlignmentError, EmittingGraph, checked_scores

MAX_TOKENS = 1 << 28


class SearchOptions(Protocol):
    """The dials that forward-backward shares with forced alignment (`align.options.AlignOptions`)."""

    @property
    def beam(self) -> float: ...
    @property
    def retry_beam(self) -> float: ...
    @property
    def acoustic_scale(self) -> float: ...


@dataclass(frozen=True)
class Posteriors:
    """Posteriors of transition-ids, by frame and within a frame by id.

    Attributes:
        frames: (K,) int64.
        transition_ids: (K,) int32; a transition-id of several places in the graph comes once a frame, summed.
        posteriors: (K,) float64; those of a frame sum to one.
        log_likelihood: log of the sum over all paths of exp(-cost).
    """

    frames: NDArray[np.int64]
    transition_ids: NDArray[np.int32]
    posteriors: NDArray[np.float64]
    log_likelihood: float


def forward_backward(
    graph: EmittingGraph,
    scores: NDArray[np.float32],
    columns: NDArray[np.int32],
    costs: NDArray[np.float32],
    options: SearchOptions,
    *,
    min_posterior: float = 1e-5,
) -> Posteriors:
    """Compute the posteriors of a graph's transition-ids: alpha(t, source) w(arc, t) beta(t + 1, dest) / sum.

    The weight of a path is exp(acoustic_scale * scores - graph costs - transition costs); frames are emitted in the
    order of the HMM (self-loops before the transition that leaves the state).

    Args:
        graph: see `graph.training_graph.TrainingGraph`.
        scores: (T, C) log likelihoods, natural log.
        columns: (I + 1,) the column of every transition-id.
        costs: (I + 1,) the cost of every transition-id.
        options: acoustic scale and beams: states of which the sum from the begin is smaller than the frame's largest by
            more than the beam are dropped; infinity: none.
        min_posterior: smaller ones are dropped, and the others of the frame scaled to a sum of one.

    Raises:
        AlignmentError: as `align.forced.align`.

    O(T * active arcs) time; 12 bytes for every active state and frame.  Baum (1972); Rabiner (1989), section III.
    """
    if not 0.0 <= min_posterior < 0.5:
        raise WfstAsrError(f"min_posterior {min_posterior}; expected at least 0 and less than 0.5")
    scores, column = checked_scores(graph, scores, columns)
    arc_cost = graph.cost + np.asarray(costs, dtype=np.float32)[graph.ilabel]
    scale = float(options.acoustic_scale)
    beams = [float(options.beam)] + [float(options.retry_beam)] * (options.retry_beam > options.beam)
    reason = ""
    for beam in beams:
        bounds, states, alphas, stopped = forward_tokens(
            graph.first, graph.nextstate, arc_cost, column, graph.start_states, graph.start_costs, scores, scale, beam,
            MAX_TOKENS,
        )  # fmt: skip
        if stopped >= 0:
            reason = f"no path, or too many, within beam {beam:g} at frame {stopped} of {len(scores)}"
            continue
        total, frames, ids, values = posteriors_backward(
            graph.first, graph.nextstate, graph.ilabel, arc_cost, column, graph.final_cost, scores, scale,
            bounds, states, alphas, float(min_posterior), len(costs),
        )  # fmt: skip
        if np.isfinite(total):
            order = np.lexsort((ids, frames))
            return Posteriors(frames[order], ids[order], values[order], float(total))
        reason = f"no path within beam {beam:g} has reached the end at frame {len(scores)}"
    raise AlignmentError(f"{reason}; check that the transcript belongs to the recording, or use a wider beam")
