"""Blank skipping: a run of frames that CTC's blank dominates is searched as one frame.

CTC networks spend most frames on the blank.  Chen, Deng, Xu and Yu, "Phone synchronous decoding with CTC
lattice" (2016) leave such frames out.  Here a run of frames with p(blank) >= threshold becomes one frame, in which the
blank has the sum of its scores, and another label its best score in one of the frames with the blank in all others.  A
second search goes through all frames, but only with the blank and the labels that the first one found.  So

- one frame of every run stays, and repeated letters stay apart, in every topology;
- the path found is a path of the graph through all frames, and its cost is that path's: no frame's cost is left out;
- the first search's cost is a lower bound for all paths with at most one token in each run (a token that lasts is one),
  unless it is once more the token of the frame beside the run.  So, pruning aside, the path found costs at most
  `BlankSkipping.excess` more than the best of these;
- the paths left out have two tokens in a run, or one that repeats its neighbour.  By what the network says, frames
  being independent, one of them is right with a probability of at most `BlankSkipping.left_out_probability`: the sum
  over the runs of (sum of 1 - p(blank))^2 / 2, and of what the tokens of a run share with the frames beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.beam import BeamSearch, NoPathError
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.posteriors import row_log_sums
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError

Scores = NDArray[np.float32]
# of a search through the frames that are left and their scores: (frame, label) of the paths to keep
KeptLabels = Callable[[BeamSearch, Scores], tuple[NDArray[np.int64], NDArray[np.int32]]]


@dataclass(frozen=True)
class BlankSkipping:
    """What skipping blanks saved and what it may have cost.

    Attributes:
        frames: all frames of the utterance.
        skipped: of these, those that the first search did not see.
        left_out_probability: at most this likely, by the network alone, is a path that was left out.
        excess: the path found costs at most so much more than the best of those not left out, pruning aside.
    """

    frames: int
    skipped: int
    left_out_probability: float
    excess: float


@dataclass(frozen=True)
class BlankRuns:
    """The frames as the first search sees them.

    Attributes:
        first: (R,) first frame of each.
        length: (R,) how many frames it stands for.
        scores: (R, P) their scores.
        blank: column of the blank.
        left_out_probability: see BlankSkipping.
    """

    first: NDArray[np.int64]
    length: NDArray[np.int64]
    scores: Scores
    blank: int
    left_out_probability: float

    def restricted(self, scores: Scores, columns: NDArray[np.int32], at: NDArray[np.int64]) -> Scores:
        """Return the (T, P) scores of all frames with only some columns possible.

        Args:
            scores: (T, P) of all frames.
            columns: (N,) columns to keep.
            at: (N,) frame of the first search at which each is to be kept; the blank is kept at all.
        """
        keep = np.zeros(self.scores.shape, dtype=np.bool_)
        keep[at, columns] = True
        keep[:, self.blank] = True
        only: Scores = np.where(np.repeat(keep, self.length, axis=0), scores, np.float32(-np.inf))
        return only


@dataclass(frozen=True)
class Searched:
    """A search that has gone through all frames.

    Attributes:
        search: it.
        told: the search that its counts and statistics are of: of the frames that were left, where some were skipped.
        skipping: None where no blanks were to be skipped.
    """

    search: BeamSearch
    told: BeamSearch
    skipping: BlankSkipping | None = None

    def release(self) -> None:
        """Tell limits, and hand on the buffers."""
        self.told.tell_limits(stacklevel=4)
        self.search.release()


def search_frames(
    graph: SearchGraph,
    scores: Scores,
    options: DecodeOptions,
    kept_labels: KeptLabels,
    *,
    keep_lattice: bool = False,
    keep_statistics: bool = False,
) -> Searched:
    """Search through all frames; with `skip_blank` twice, as told above.

    Where the frames that are left lead to no final state, all are searched as if nothing were to be skipped.

    Args:
        graph: to search.
        scores: that `check_scores` returned.
        options: dials of the search.
        kept_labels: what the second search may use; see KeptLabels.
        keep_lattice: as of BeamSearch.
        keep_statistics: as of BeamSearch.

    Raises:
        WfstAsrError: blanks are to be skipped, but the graph is not of CTC; NoPathError: no path.
    """
    dials = replace(options, skip_blank=None)
    few = replace(dials, min_active=0)  # the labels are few, and what is beyond the beam is of no use

    def through(taken: Scores, dials: DecodeOptions, *, statistics: bool) -> BeamSearch:
        search = BeamSearch(graph, dials, keep_lattice=keep_lattice, keep_statistics=statistics)
        search.advance_checked(taken)
        return search

    runs = None if options.skip_blank is None else blank_runs(graph, scores, options.skip_blank)
    if runs is not None:
        try:
            first = through(runs.scores, dials, statistics=keep_statistics)
            at, labels = kept_labels(first, runs.scores)
            bound = first.finish()
            first.release()
            second = through(runs.restricted(scores, graph.columns[labels], at), few, statistics=False)
            path = second.finish()
        except NoPathError:
            path = None
        if path is not None and path.reached_final:
            told = BlankSkipping(
                frames=len(scores),
                skipped=len(scores) - len(runs.first),
                left_out_probability=runs.left_out_probability,
                excess=max(0.0, path.cost - bound.cost),
            )
            return Searched(second, first, told)
        if path is not None:
            second.release()
    search = through(scores, dials, statistics=keep_statistics)
    nothing = None if options.skip_blank is None else BlankSkipping(len(scores), 0, 0.0, 0.0)
    return Searched(search, search, nothing)


def blank_runs(graph: SearchGraph, scores: Scores, threshold: float) -> BlankRuns | None:
    """Merge runs of frames that the blank dominates; None where there is none of two frames.

    Args:
        graph: of CTC, its manifest telling the column of the blank.
        scores: (T, P) log-probabilities; a constant of a frame does not matter.
        threshold: least probability of the blank.

    Raises:
        WfstAsrError: the graph has no blank.
    """
    blank = graph.manifest.blank_column if graph.manifest else -1
    if blank < 0:
        raise WfstAsrError(
            f"{graph.name}: is no graph of CTC (its manifest tells of no blank), so that there are no blanks to skip; "
            "leave skip_blank out"
        )
    with np.errstate(invalid="ignore"):
        probability = np.exp(scores - row_log_sums(scores)[:, None].astype(np.float32))
    probability[np.isnan(probability)] = 0.0  # frames in which all is impossible
    tokens = np.delete(probability, blank, axis=1)  # summed, they tell exactly how far the blank is from certain
    doubt = tokens.sum(axis=1, dtype=np.float64)
    dominated = (doubt <= 1 - threshold) & (probability[:, blank] > 0)
    first = np.flatnonzero(np.concatenate(([True], ~(dominated[1:] & dominated[:-1]))))
    if len(first) == len(scores):
        return None
    length = np.diff(np.concatenate((first, [len(scores)])))
    merged = scores[first].copy()
    runs = np.flatnonzero(length > 1)
    inside = np.repeat(length > 1, length)
    begins = np.cumsum(length[runs]) - length[runs]
    of_blank = scores[inside, blank]
    instead = np.maximum.reduceat(scores[inside] - of_blank[:, None], begins, axis=0)
    instead[:, blank] = 0.0
    merged[runs] = instead + np.add.reduceat(of_blank, begins, dtype=np.float64).astype(np.float32)[:, None]
    beside = np.zeros((len(scores) + 1, tokens.shape[1]))
    beside[:-1] = tokens
    neighbours = beside[first[runs] - 1] + beside[first[runs] + length[runs]]
    repeats = (np.add.reduceat(tokens[inside], begins, axis=0) * neighbours).sum()
    left_out = (np.add.reduceat(doubt[inside], begins) ** 2).sum() / 2 + repeats
    return BlankRuns(first, length, merged, blank, float(min(1.0, left_out)))
