"""Statistics for the decision tree: count, sum and sum of squares of the frames of every HMM state in context."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError

_BLOCK = 1 << 16  # frames that are held in double precision at a time

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class TreeStatistics:
    """What the tree is built from, one row a context window and pdf-class that occurs (Kaldi `acc-tree-stats`).

    Rows are distinct and ascend by window (first position first), then pdf-class.  `a + b` merges parts of a corpus.

    Attributes:
        windows: (K, N) int32, phones; 0 beyond the ends of the utterance, and around phones without context.
        central_position: P, the column of the central phone.
        pdf_class: (K,) int32.
        count: (K,) frames.
        first: (K, D) sums of the frames.
        second: (K, D) sums of their squares.

    Raises:
        WfstAsrError: arrays of sizes that do not fit each other.
    """

    windows: IntArray
    central_position: int
    pdf_class: IntArray
    count: FloatArray
    first: FloatArray
    second: FloatArray

    def __post_init__(self) -> None:
        rows = {len(array) for array in (self.windows, self.pdf_class, self.count, self.first, self.second)}
        if self.windows.ndim != 2 or len(rows) != 1 or self.first.shape != self.second.shape:
            raise WfstAsrError(
                f"tree statistics: windows {self.windows.shape}, pdf-classes {self.pdf_class.shape}, counts "
                f"{self.count.shape}, sums {self.first.shape} and {self.second.shape}; expected (K, N) and K rows each"
            )
        if not 0 <= self.central_position < self.context_width:
            raise WfstAsrError(
                f"tree statistics: central position {self.central_position} in a window of {self.context_width} "
                "phones; expected 0 <= P < N"
            )

    @property
    def context_width(self) -> int:
        """N, the number of phones in a window."""
        return int(self.windows.shape[1])

    @property
    def dim(self) -> int:
        """D, the dimension of the features."""
        return int(self.first.shape[1])

    @property
    def frames(self) -> float:
        """Number of frames."""
        return float(self.count.sum())

    @property
    def central_phone(self) -> IntArray:
        """(K,) the phone that a row is of."""
        return self.windows[:, self.central_position]

    def __len__(self) -> int:
        return len(self.count)

    def __add__(self, other: "TreeStatistics") -> "TreeStatistics":
        return merge_tree_statistics((self, other))


def merge_tree_statistics(parts: Sequence[TreeStatistics]) -> TreeStatistics:
    """Return the statistics of all parts together; faster than adding them one by one.

    Raises:
        WfstAsrError: no parts, or parts of other dimensions or contexts.
    """
    if not parts:
        raise WfstAsrError("tree statistics: nothing to merge; give the statistics of at least one part of the corpus")
    shapes = {(part.context_width, part.central_position, part.dim) for part in parts}
    if len(shapes) > 1:
        raise WfstAsrError(
            "tree statistics: parts with (context width, central position, dimension) "
            f"{' and '.join(map(str, sorted(shapes)))} cannot be merged; accumulate all with the same options"
        )
    width, central, _ = shapes.pop()
    keys = np.concatenate([np.column_stack((part.windows, part.pdf_class)) for part in parts])
    count = np.concatenate([part.count for part in parts])
    first = np.concatenate([part.first for part in parts])
    second = np.concatenate([part.second for part in parts])
    return _group_rows(keys, width, central, count, first, second)


def accumulate_tree_statistics(
    features: NDArray[np.floating],
    segment_phone: NDArray[np.integer],
    frame_segment: NDArray[np.integer],
    frame_pdf_class: NDArray[np.integer],
    *,
    context_width: int = 3,
    central_position: int = 1,
    context_free: frozenset[int] = frozenset(),
    first_segment: NDArray[np.integer] | None = None,
) -> TreeStatistics:
    """Sum the frames of every HMM state in context over one or many aligned utterances.

    Args:
        features: (T, D).
        segment_phone: (n,) phone of every segment (one phone of the alignment), in the order of time.
        frame_segment: (T,) segment of every frame; -1 for a frame that is left out.
        frame_pdf_class: (T,) pdf-class of every frame's HMM state.
        context_width: N, phones in a window.
        central_position: P, the column of the phone itself.
        context_free: phones whose windows are (0, phone, 0) whatever stands beside them, such as silence.
        first_segment: (U + 1,) the segments of utterance u are first_segment[u] to first_segment[u + 1]; windows do not
            reach into other utterances.  Default: one utterance.

    Raises:
        WfstAsrError: frames and alignment of different lengths.

    >>> features = np.array([[1.0], [2.0], [4.0], [1.0]])
    >>> stats = accumulate_tree_statistics(features, np.array([7, 8]), np.array([0, 0, 0, 1]), np.array([0, 1, 1, 0]))
    >>> stats.windows.tolist(), stats.pdf_class.tolist(), stats.count.tolist()
    ([[0, 7, 8], [0, 7, 8], [7, 8, 0]], [0, 1, 0], [1.0, 2.0, 1.0])
    >>> stats.first[:, 0].tolist(), stats.second[:, 0].tolist()
    ([1.0, 6.0, 1.0], [1.0, 20.0, 1.0])
    """
    frames = len(features)
    if len(frame_segment) != frames or len(frame_pdf_class) != frames:
        raise WfstAsrError(
            f"tree statistics: {frames} frames of features, but {len(frame_segment)} with a segment and "
            f"{len(frame_pdf_class)} with a pdf-class; take the alignment that was made with these features"
        )
    if frames and int(np.max(frame_segment)) >= len(segment_phone):
        raise WfstAsrError(
            f"tree statistics: a frame is of segment {int(np.max(frame_segment))}, but there are {len(segment_phone)}; "
            "number the segments from 0"
        )
    bounds = np.array([0, len(segment_phone)]) if first_segment is None else np.asarray(first_segment)
    windows = context_windows(
        segment_phone, bounds, context_width=context_width, central_position=central_position, context_free=context_free
    )
    changes = (np.diff(frame_segment) != 0) | (np.diff(frame_pdf_class) != 0)
    starts = np.concatenate((np.zeros(min(frames, 1), np.int64), np.flatnonzero(changes) + 1))
    first, second = _run_sums(features, starts)
    count = np.diff(starts, append=frames).astype(np.float64)
    segment = np.asarray(frame_segment)[starts]
    used = segment >= 0
    keys = np.column_stack((windows[segment[used]], np.asarray(frame_pdf_class)[starts[used]]))
    return _group_rows(keys, context_width, central_position, count[used], first[used], second[used])


def context_windows(
    segment_phone: NDArray[np.integer],
    first_segment: NDArray[np.integer],
    *,
    context_width: int,
    central_position: int,
    context_free: frozenset[int] = frozenset(),
) -> IntArray:
    """Return the (n, N) context window of every segment; utterance u is first_segment[u] to first_segment[u + 1].

    >>> context_windows(np.array([1, 2, 3, 4]), np.array([0, 3, 4]), context_width=2, central_position=1).tolist()
    [[0, 1], [1, 2], [2, 3], [0, 4]]
    """
    num_segments = len(segment_phone)
    utterance = np.repeat(np.arange(len(first_segment) - 1), np.diff(first_segment))
    windows = np.zeros((num_segments, context_width), np.int32)
    segments = np.arange(num_segments)
    takes_context = ~np.isin(segment_phone, list(context_free))
    for column in range(context_width):
        other = segments + column - central_position
        inside = (other >= first_segment[utterance]) & (other < first_segment[utterance + 1])
        if column != central_position:
            inside &= takes_context
        windows[inside, column] = np.asarray(segment_phone)[other[inside]]
    return windows


def gaussian_log_likelihood(count: FloatArray, first: FloatArray, second: FloatArray, *, floor: float) -> FloatArray:
    """Return (K,) the log-likelihood of the frames behind each row under their own diagonal Gaussian.

    The mean m and variance v are those of the frames, v at least `floor`, written s; with n frames it is
    -n/2 sum_d (log 2 pi + log s_d + v_d / s_d) (Kaldi `GaussClusterable::Objf`; older versions leave v / s out,
    which is 1 where the floor is not met).

    Args:
        count: (K,) frames.
        first: (K, D) sums.
        second: (K, D) sums of squares.
        floor: of the variances; above 0.

    >>> gaussian_log_likelihood(np.array([2.0]), np.array([[2.0]]), np.array([[4.0]]), floor=0.01).round(4).tolist()
    [-2.8379]
    """
    safe = np.where(count > 0.0, count, 1.0)[:, None]
    mean = first / safe
    variance = np.maximum(second / safe - mean * mean, 0.0)
    floored = np.maximum(variance, floor)
    terms = np.log(floored) + variance / floored
    result: FloatArray = -0.5 * count * (terms.sum(axis=1) + first.shape[1] * np.log(2.0 * np.pi))
    return result


def sum_rows(rows: FloatArray, groups: NDArray[np.integer], num_groups: int) -> FloatArray:
    """Return (num_groups, D) the sums of the rows (K, D) of each group; groups: (K,), in the order of the rows.

    >>> sum_rows(np.array([[1.0], [2.0], [4.0]]), np.array([1, 0, 1]), 3).tolist()
    [[2.0], [5.0], [0.0]]
    """
    from scipy.sparse import csr_array

    order = np.argsort(groups, kind="stable")
    bounds = np.concatenate(([0], np.cumsum(np.bincount(groups, minlength=num_groups))))
    selection = csr_array((np.ones(len(rows)), order, bounds), shape=(num_groups, len(rows)))
    result: FloatArray = selection @ np.ascontiguousarray(rows, dtype=np.float64)
    return result


def _run_sums(features: NDArray[np.floating], starts: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Sum frames and their squares over the runs that begin at `starts`, a block of frames at a time."""
    from scipy.sparse import csr_array

    frames, dim = features.shape
    first, second = np.zeros((len(starts), dim)), np.zeros((len(starts), dim))
    for begin in range(0, frames, _BLOCK):
        block = np.asarray(features[begin : begin + _BLOCK], dtype=np.float64)
        runs = np.searchsorted(starts, [begin, begin + len(block)], side="left")
        low, high = int(np.searchsorted(starts, begin, side="right")) - 1, int(runs[1])
        bounds = np.append(np.maximum(starts[low:high], begin) - begin, len(block))
        selection = csr_array((np.ones(len(block)), np.arange(len(block)), bounds), shape=(high - low, len(block)))
        first[low:high] += selection @ block
        second[low:high] += selection @ (block * block)
    return first, second


def _group_rows(
    keys: NDArray[np.int32], width: int, central: int, count: FloatArray, first: FloatArray, second: FloatArray
) -> TreeStatistics:
    """Sum the rows that have equal keys (K, N + 1), and sort them."""
    order = np.lexsort(keys.T[::-1])
    ordered = keys[order].astype(np.int32)
    new = np.ones(len(ordered), dtype=np.bool_)
    new[1:] = np.any(ordered[1:] != ordered[:-1], axis=1)
    groups = np.empty(len(ordered), np.int64)
    groups[order] = np.cumsum(new) - 1
    total = int(new.sum())
    sums = sum_rows(np.concatenate((count[:, None], first, second), axis=1), groups, total)
    dim = first.shape[1]
    kept = ordered[new]
    return TreeStatistics(
        np.ascontiguousarray(kept[:, :width]),
        central,
        np.ascontiguousarray(kept[:, width]),
        sums[:, 0].copy(),
        sums[:, 1 : dim + 1].copy(),
        sums[:, dim + 1 :].copy(),
    )
