"""Blank skipping: of each run of frames that CTC's blank dominates, the search sees one.

CTC networks spend most frames on the blank.  Chen, Deng, Xu and Yu, "Phone synchronous decoding with CTC
lattice" (2016) leave such frames out.  Here a run of frames with p(blank) >= threshold becomes one frame whose scores
are the sums of the run's, so that a path through it is one that keeps to one label (the blank, or a token repeated) all
along the run.  What comes of that:

- One frame of every run stays, so that repeated letters stay apart, in every topology.
- The path found is a path of the graph through all frames, its cost that path's, nothing added or left out.
- It is the best of the paths that keep to one label in each run (with a search that prunes nothing): as good as the
  best of all if that one is among these, and never better.
- The paths left out have something else than the blank in some frame of a run, and not all along it.  By what the
  network says one of them is right with probability at most 1 - the product of p(blank) over the frames of runs
  (`BlankSkipping.left_out_probability`).
- Each of them costs at least what the best label of every frame costs, and the smallest margin between the blank and
  the next label in a run more.  So the path found costs at most `BlankSkipping.excess_bound` more than the best of all,
  where no arc of the graph has a cost below 0.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.posteriors import row_log_sums
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.lattice import Lattice

if TYPE_CHECKING:
    from wfst_asr.decoder.beam import SearchPath
    from wfst_asr.decoder.search_graph import SearchGraph


@dataclass(frozen=True)
class BlankSkipping:
    """What skipping blanks left out.

    Attributes:
        frames: all frames of the utterance.
        skipped: those that the search did not see.
        left_out_probability: at most this likely, by the network alone, is a path that was left out.
        excess_bound: the path found costs at most so much more than the best of all frames, pruning aside.
    """

    frames: int
    skipped: int
    left_out_probability: float
    excess_bound: float


@dataclass(frozen=True)
class BlankRuns:
    """The frames as the search sees them.

    Attributes:
        first: (R,) first frame of each.
        length: (R,) how many frames it stands for.
        scores: (R, P) sums of the scores; labels that the graph cannot repeat are impossible in a run.
        left_out_probability: see BlankSkipping.
        margin: smallest difference between the blank and the next column in a frame of a run.
    """

    first: NDArray[np.int64]
    length: NDArray[np.int64]
    scores: NDArray[np.float32]
    left_out_probability: float
    margin: float

    def told(self, scores: NDArray[np.float32], scale: float, total_cost: float) -> BlankSkipping:
        """Return what was left out, for the (T, P) scores and the cost of the path found."""
        least = -scores.max(axis=1).sum(dtype=np.float64) + self.margin
        return BlankSkipping(
            frames=len(scores),
            skipped=len(scores) - len(self.first),
            left_out_probability=self.left_out_probability,
            excess_bound=max(0.0, float(total_cost - scale * least)),
        )


def blank_runs(graph: "SearchGraph", scores: NDArray[np.float32], threshold: float) -> BlankRuns | None:
    """Merge runs of frames that the blank dominates; None where there is none of two frames.

    Args:
        graph: of CTC, its manifest telling the column of the blank.
        scores: (T, P) log-probabilities; a constant of a frame does not matter.
        threshold: least probability of the blank.

    Raises:
        WfstAsrError: the graph has no blank, or its states cannot repeat it.
    """
    blank = graph.manifest.blank_column if graph.manifest else -1
    if blank < 0:
        raise WfstAsrError(
            f"{graph.name}: is no graph of CTC (its manifest tells of no blank), so that there are no blanks to skip; "
            "leave skip_blank out"
        )
    others = scores.copy()
    others[:, blank] = -np.inf
    # the odds of the blank: exact where it is next to certain
    with np.errstate(invalid="ignore"):
        odds = scores[:, blank].astype(np.float64) - row_log_sums(others)
    log_blank = -np.logaddexp(0.0, -np.where(np.isnan(odds), -np.inf, odds))
    dominated = log_blank >= np.log(threshold)
    begins = np.concatenate(([True], ~(dominated[1:] & dominated[:-1])))
    first = np.flatnonzero(begins)
    if len(first) == len(scores):
        return None
    length = np.diff(np.concatenate((first, [len(scores)])))
    merged = np.add.reduceat(scores, first, axis=0, dtype=np.float32)
    repeated = graph.repeated_labels
    labels = np.flatnonzero(~repeated)
    if (graph.columns[labels] == blank).any():
        raise WfstAsrError(
            f"{graph.name}: states that take the blank do not repeat it, so that frames cannot be skipped; leave "
            "skip_blank out"
        )
    runs = np.flatnonzero(length > 1)
    merged[np.ix_(runs, np.unique(graph.columns[labels[labels > 0]]))] = -np.inf
    inside = np.repeat(length > 1, length)
    margin = float((scores[inside, blank] - others[inside].max(axis=1)).min())
    return BlankRuns(first, length, merged, float(-np.expm1(log_blank[inside].sum())), margin)


def expand_path(graph: "SearchGraph", path: "SearchPath", runs: BlankRuns) -> "SearchPath":
    """Return a path of merged frames with its arcs repeated, so that it takes all frames."""
    ilabel = graph.arcs["ilabel"][path.arcs]
    emitting = np.flatnonzero(ilabel)
    times = np.ones(len(path.arcs), dtype=np.int64)
    times[emitting] = runs.length
    arcs = np.repeat(path.arcs, times)
    place = np.cumsum(times) - times
    for at in emitting[runs.length > 1]:
        loop = _loop_after(graph, int(path.arcs[at]))
        arcs[place[at] + 1 : place[at] + times[at]] = loop
    return replace(path, arcs=arcs)


def _loop_after(graph: "SearchGraph", place: int) -> int:
    """Return the arc with which the state that an arc leads to repeats its label."""
    state, label = int(graph.arcs["nextstate"][place]), graph.arcs["ilabel"][place]
    first = int(graph.states["first_arc"][state])
    arcs = graph.arcs[first : first + int(graph.states["num_arcs"][state])]
    same = (arcs["nextstate"] == state) & (arcs["ilabel"] == label) & (arcs["olabel"] == 0) & (arcs["cost"] == 0)
    return first + int(np.flatnonzero(same)[0])


def expand_lattice(
    lattice: Lattice, runs: BlankRuns, columns: NDArray[np.int32], scores: NDArray[np.float32]
) -> Lattice:
    """Return a lattice of merged frames with its arcs repeated, so that its paths take all frames.

    The arcs that follow are shared by those that lead with one label to one state.

    Args:
        lattice: of the merged frames.
        runs: see BlankRuns.
        columns: (L,) score column of each input label.
        scores: (T, P) of all frames.
    """
    frame_of = np.concatenate((runs.first, [len(scores)]))
    source, ilabel, target = lattice.source, lattice.ilabel, lattice.nextstate
    merged_frame = lattice.frame[source]
    long = np.flatnonzero((ilabel != 0) & (runs.length[np.minimum(merged_frame, len(runs.length) - 1)] > 1))
    # a chain of states for each (state that is led to, label), from the second frame of the run to its last
    key = target[long].astype(np.int64) * len(columns) + ilabel[long]
    keys, chain = np.unique(key, return_inverse=True)
    end, label = (keys // len(columns)).astype(np.int64), (keys % len(columns)).astype(np.int32)
    run = lattice.frame[end] - 1
    links = runs.length[run] - 1  # arcs of a chain, and states that it adds
    chain_first = np.cumsum(links) - links
    link_chain = np.repeat(np.arange(len(keys)), links)
    link_rank = np.arange(int(links.sum())) - chain_first[link_chain]
    new_frame = frame_of[run][link_chain] + 1 + link_rank
    count = lattice.num_states
    new_state = count + np.arange(len(link_chain))
    last = link_rank == links[link_chain] - 1
    new_next = np.where(last, end[link_chain], new_state + 1)
    nextstate = target.astype(np.int64)
    nextstate[long] = count + chain_first[chain]
    acoustic = lattice.acoustic_cost.copy()
    acoustic[long] = -scores[frame_of[merged_frame[long]], columns[ilabel[long]]]
    # states by their frame, in one frame as they were, which keeps every arc leading to a higher one
    frame = np.concatenate((frame_of[lattice.frame], new_frame))
    order = np.argsort(frame, kind="stable")
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    new_label = label[link_chain]
    zeros = np.zeros(len(new_state), dtype=np.float32)
    all_source = number[np.concatenate((source, new_state))]
    by_source = np.argsort(all_source, kind="stable")
    first_arc = np.zeros(len(order) + 1, dtype=np.int64)
    np.cumsum(np.bincount(all_source, minlength=len(order)), out=first_arc[1:])

    def arcs(of_lattice: NDArray[Any], of_chains: NDArray[Any]) -> NDArray[Any]:
        joined: NDArray[Any] = np.concatenate((of_lattice, of_chains))[by_source].astype(of_lattice.dtype)
        return joined

    return replace(
        lattice,
        frame=frame[order].astype(np.int32),
        first_arc=first_arc,
        nextstate=number[arcs(nextstate, new_next)].astype(np.int32),
        ilabel=arcs(ilabel, new_label),
        olabel=arcs(lattice.olabel, np.zeros(len(new_state), np.int32)),
        graph_cost=arcs(lattice.graph_cost, zeros),
        acoustic_cost=arcs(acoustic, -scores[new_frame, columns[new_label]]),
        final_cost=np.concatenate((lattice.final_cost, np.full(len(new_state), np.inf, np.float32)))[order],
    )
