"""Linear discriminant analysis: the directions in which the classes lie furthest apart for their own spread.

With W the within-class and B the between-class covariance, the rows l of the transform are the leading solutions of
B l = lambda W l with l W l^T = 1: in the new space the average class has the identity as covariance.

References:
    R. Haeb-Umbach and H. Ney, Linear discriminant analysis for improved large vocabulary continuous speech
    recognition, ICASSP 1992.  Kaldi: `transform/lda-estimate.cc`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm._small_products import add_product
from wfst_asr.gmm.frame_classes import frame_classes

_ENTRIES_A_PIECE = 2048


@dataclass(frozen=True)
class LdaStatistics:
    """Sums of frames.

    Attributes:
        count: (C,) float64, frames of each class.
        first: (C, D) float64, sum of the frames of each class.
        total_second: (D, D) float64, sum of x x^T over all.
    """

    count: NDArray[np.float64]
    first: NDArray[np.float64]
    total_second: NDArray[np.float64]

    @classmethod
    def zeros(cls, num_classes: int, dim: int) -> "LdaStatistics":
        """Return the statistics of no frames."""
        return cls(np.zeros(num_classes), np.zeros((num_classes, dim)), np.zeros((dim, dim)))

    def __add__(self, other: "LdaStatistics") -> "LdaStatistics":
        return LdaStatistics(self.count + other.count, self.first + other.first, self.total_second + other.total_second)


def accumulate_lda(
    features: NDArray[np.floating],
    classes: NDArray[np.integer],
    num_classes: int,
    weights: NDArray[np.floating] | None = None,
    *,
    frames: NDArray[np.integer] | None = None,
) -> LdaStatistics:
    """Collect the statistics of frames whose classes (such as pdf-ids) are known.

    Args:
        features: (T, D), such as spliced cepstra.
        classes: (K,) class of each entry, 0 to num_classes - 1; entry k is of frame `frames[k]`, or k.
        num_classes: C.
        weights: (K,) weight of each entry, such as its posterior; 0 leaves it out.
        frames: (K,) frame of each entry.

    Raises:
        WfstAsrError: a class or frame that does not exist, lengths that do not match.

    Examples:
        >>> statistics = accumulate_lda(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 1]), 2)
        >>> statistics.count.tolist(), statistics.first.tolist(), statistics.total_second.tolist()
        ([2.0, 1.0], [[4.0], [5.0]], [[35.0]])
    """
    entries = frame_classes(classes, num_frames=len(features), num_classes=num_classes, weights=weights, frames=frames)
    dim = features.shape[1]
    first = np.zeros((num_classes, dim))
    second = np.zeros((dim, dim))
    for begin in range(0, len(entries.frames), _ENTRIES_A_PIECE):
        piece = slice(begin, begin + _ENTRIES_A_PIECE)
        order = np.argsort(entries.classes[piece], kind="stable")
        x = features[entries.frames[piece][order]].astype(np.float64)
        weighted = x * entries.weights[piece][order, None]
        present, starts = np.unique(entries.classes[piece][order], return_index=True)
        first[present] += np.add.reduceat(weighted, starts, axis=0)
        add_product(second, weighted, x)
    count = np.bincount(entries.classes, weights=entries.weights, minlength=num_classes)
    return LdaStatistics(count.astype(np.float64), first, second)


def estimate_lda(statistics: LdaStatistics, dim: int) -> NDArray[np.float64]:
    """Return the transform to the `dim` most discriminative directions, best first.

    Args:
        statistics: sums of frames; classes without frames do not count.
        dim: how many rows.

    Returns:
        (dim, D) float64 L with L W L^T the identity and L B L^T diagonal and falling; the largest element of each
        row is positive.

    Raises:
        WfstAsrError: as many rows as classes with frames or more than D, frames that do not fill the D dimensions.

    Examples:
        Classes apart in the second dimension only, of variance 1/4 there.

        >>> x = np.array([[-1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [-1.0, 1.0]])
        >>> x = np.concatenate([x, x + [0.0, 5.0]])
        >>> estimate_lda(accumulate_lda(x, np.repeat([0, 1], 4), 2), 1).round(6).tolist()
        [[0.0, 2.0]]
    """
    present = statistics.count > 0.0
    size = len(statistics.total_second)
    if not 0 < dim <= size or dim >= present.sum():
        raise WfstAsrError(
            f"LDA to {dim} dimensions from {size} with {present.sum()} classes that have frames; expected at most "
            f"{max(min(size, int(present.sum()) - 1), 0)} dimensions: one less than classes, no more than the features"
        )
    count, first = statistics.count[present], statistics.first[present]
    total = count.sum()
    mean = first.sum(axis=0) / total
    centred = first / count[:, None] - mean
    between = (centred * (count / total)[:, None]).T @ centred
    within = statistics.total_second / total - np.outer(mean, mean) - between
    within = 0.5 * (within + within.T)
    scales = np.sqrt(np.maximum(np.diag(statistics.total_second) / total, 0.0))
    if not np.all(scales > 0.0) or np.linalg.eigvalsh(within / np.outer(scales, scales))[0] < 1e-10:
        raise WfstAsrError(
            f"LDA: {total:.0f} frames do not fill the {size} dimensions of the features within the classes; train on "
            "more speech, or leave this stage out"
        )
    root_inverse = np.linalg.inv(np.linalg.cholesky(within))
    values, vectors = np.linalg.eigh(root_inverse @ between @ root_inverse.T)
    transform = vectors.T[np.argsort(-values, kind="stable")][:dim] @ root_inverse
    largest = transform[np.arange(dim), np.abs(transform).argmax(axis=1)]
    return np.asarray(transform * np.sign(largest)[:, None])
