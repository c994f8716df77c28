"""What alignment and forward-backward ask of a graph, and how they fail."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm._kernels import frames_to_end


class AlignmentError(WfstAsrError):
    """An utterance cannot be aligned with its transcript; the message says why."""


class EmittingGraph(Protocol):
    """A machine without epsilons whose every arc emits a frame (see `graph.training_graph.TrainingGraph`).

    Attributes:
        first: (S + 1,) int32; the arcs of state s are `first[s]:first[s + 1]`.
        ilabel: (A,) int32 transition-ids.
        cost: (A,) float32, without the probabilities of transition-ids.
        nextstate: (A,) int32.
        final_cost: (S,) float32; infinity where an utterance cannot end.
        start_states: (K,) int32, where an utterance may begin.
        start_costs: (K,) float32.
        state_word: (S,) int32 position in the transcript, -1 for none.
    """

    @property
    def first(self) -> NDArray[np.int32]: ...
    @property
    def ilabel(self) -> NDArray[np.int32]: ...
    @property
    def cost(self) -> NDArray[np.float32]: ...
    @property
    def nextstate(self) -> NDArray[np.int32]: ...
    @property
    def final_cost(self) -> NDArray[np.float32]: ...
    @property
    def start_states(self) -> NDArray[np.int32]: ...
    @property
    def start_costs(self) -> NDArray[np.float32]: ...
    @property
    def state_word(self) -> NDArray[np.int32]: ...


def shortest_path(graph: EmittingGraph) -> int:
    """Return the number of frames of the shortest path through a graph; -1 if there is no path.

    Linear in the size of the graph (states in about the order of time).
    """
    left = frames_to_end(graph.first, graph.nextstate, graph.final_cost)[graph.start_states]
    return int(left[left >= 0].min(initial=np.iinfo(np.int32).max)) if (left >= 0).any() else -1


def checked_scores(
    graph: EmittingGraph, scores: NDArray[np.float32], columns: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the scores and the column of every arc of the graph, checked.

    Raises:
        AlignmentError: scores that are not numbers, no frames, or fewer than the shortest path has.
        WfstAsrError: scores of the wrong shape.
    """
    scores = np.ascontiguousarray(scores, dtype=np.float32)
    if scores.ndim != 2:
        raise WfstAsrError(f"scores of shape {scores.shape}; expected (frames, columns)")
    if not np.isfinite(scores.sum(dtype=np.float64)):
        bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
        if len(bad):
            raise AlignmentError(
                f"the scores are not finite at frame {bad[0]} ({len(bad)} of {len(scores)} frames); "
                "look for a damaged feature file or model"
            )
    column = np.asarray(columns, dtype=np.int32)[graph.ilabel]
    if len(column) and not (column.min() >= 0 and column.max() < scores.shape[1]):
        raise WfstAsrError(
            f"the graph asks for score columns {column.min()} to {column.max()}, but there are {scores.shape[1]}; "
            "compute the scores of the graph's own pdfs"
        )
    check_length(graph, len(scores))
    return scores, column


def check_length(graph: EmittingGraph, num_frames: int) -> None:
    """Check that an utterance is long enough for its transcript.

    Raises:
        AlignmentError: fewer frames than the shortest path through the graph, both told; or a graph without paths.
    """
    shortest = shortest_path(graph)
    if shortest < 0:
        raise AlignmentError("the training graph has no path from its begin to its end; compile it again")
    if num_frames < shortest:
        raise AlignmentError(
            f"the audio is too short for its words: {num_frames} frames, but the shortest path has {shortest}; "
            "check that the transcript belongs to the recording"
        )


def where_it_ended(graph: EmittingGraph, state: int) -> str:
    """Say how far a partial path has come."""
    words = graph.state_word
    count = int(words.max(initial=-1)) + 1
    reached = int(words[: state + 1].max(initial=-1)) + 1
    return f"word {reached} of {count}"
