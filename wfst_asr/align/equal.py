"""Equal alignment: the flat start, where nothing is known but the words (Kaldi `align-equal`)."""

import numpy as np

from wfst_asr.align._kernels import drawn_path
from wfst_asr.align.forced import Alignment, alignment_of_arcs
from wfst_asr.hmm._kernels import frames_to_end
from wfst_asr.hmm.emitting_graph import AlignmentError, EmittingGraph, check_length


def equal_alignment(graph: EmittingGraph, num_frames: int, rng: np.random.Generator) -> Alignment:
    """Spread the frames of an utterance evenly over the HMM states of one path through its graph.

    The path is drawn arc by arc with the probabilities of pronunciations and silence in the graph (transitions of one
    HMM state are drawn evenly), among the arcs that leave enough frames to reach the end.

    Returns:
        The alignment; its likelihood and cost are 0.

    Raises:
        AlignmentError: fewer frames than the shortest path, or more than a path without self-loops has.

    Linear in the number of frames and the size of the graph.
    """
    check_length(graph, num_frames)
    left = frames_to_end(graph.first, graph.nextstate, graph.final_cost)
    uniform = rng.random(num_frames + 1)
    path = drawn_path(
        graph.first, graph.nextstate, graph.cost, graph.final_cost, graph.start_states, graph.start_costs, left, uniform
    )
    states = np.searchsorted(graph.first, path, side="right") - 1
    loops = np.full(graph.final_cost.shape[0], -1, dtype=np.int64)
    sources = np.repeat(np.arange(len(loops)), np.diff(graph.first))
    is_loop = graph.nextstate == sources
    loops[sources[is_loop]] = np.flatnonzero(is_loop)
    can_wait = loops[states] >= 0
    extra, places = num_frames - len(path), int(can_wait.sum())
    if extra and not places:
        raise AlignmentError(
            f"the audio is too long for its words: {num_frames} frames, but a path of {len(path)} has no self-loops"
        )
    waits = np.zeros(len(path), dtype=np.int64)
    if extra:
        shares = np.arange(places + 1) * extra // places
        waits[can_wait] = np.diff(shares)
    last = np.cumsum(waits + 1) - 1
    arcs = np.repeat(loops[states], waits + 1)
    arcs[last] = path
    return alignment_of_arcs(graph, arcs.astype(np.int32))
