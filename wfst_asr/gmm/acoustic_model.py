"""A mixture of Gaussians with diagonal covariance for every pdf-id (Kaldi `am-diag-gmm.h`, `diag-gmm.h`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError


class ScoringArrays(NamedTuple):
    """What the kernels read, in single precision.

    Attributes:
        means: (G, D).
        halves: (G, D), 1 / (2 variance).
        constants: (G,), log weight - 0.5 sum of log(2 pi variance).
        offsets: (P + 1,) int64.
    """

    means: NDArray[np.float32]
    halves: NDArray[np.float32]
    constants: NDArray[np.float32]
    offsets: NDArray[np.int64]


@dataclass(frozen=True)
class AcousticModel:
    """The Gaussians of all pdfs one after another.

    p(x | pdf p) = sum over its Gaussians g of  weight_g  prod_d N(x_d; mean_gd, variance_gd).

    Attributes:
        offsets: (P + 1,) int64, the Gaussians of pdf p are `offsets[p]` to `offsets[p + 1]`, one at least.
        weights: (G,) float64, of each pdf they sum to one.
        means: (G, D) float64.
        variances: (G, D) float64, above 0.

    Raises:
        WfstAsrError: arrays that do not belong together, a pdf without Gaussians, a weight below 0, a variance that is
            not above 0.

    >>> model = AcousticModel(np.array([0, 1]), np.ones(1), np.array([[1.0]]), np.array([[4.0]]))
    >>> model.log_likelihoods(np.array([[1.0], [3.0]])).round(4)
    array([[-1.6121],
           [-2.1121]], dtype=float32)
    """

    offsets: NDArray[np.int64]
    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = self.means.shape
        if self.weights.shape != shape[:1] or self.variances.shape != shape or len(shape) != 2 or not shape[1]:
            raise WfstAsrError(
                f"acoustic model: {self.weights.shape} weights, {shape} means and {self.variances.shape} variances do "
                "not belong together; expected (G,), (G, D) and (G, D)"
            )
        sizes = np.diff(self.offsets)
        if not len(sizes) or self.offsets[0] != 0 or self.offsets[-1] != shape[0] or np.any(sizes < 1):
            raise WfstAsrError("acoustic model: a pdf has no Gaussians, or their numbers do not add up to all of them")
        if not np.all(np.isfinite(self.means)) or not np.all(self.weights >= 0):
            raise WfstAsrError("acoustic model: a mean that is not a number or a weight below 0; the model is damaged")
        if not (np.all(self.variances > 0) and np.all(np.isfinite(self.variances))):
            raise WfstAsrError("acoustic model: a variance that is not above 0; the model is damaged")

    @property
    def num_pdfs(self) -> int:
        return len(self.offsets) - 1

    @property
    def num_gaussians(self) -> int:
        return len(self.weights)

    @property
    def dim(self) -> int:
        return int(self.means.shape[1])

    @cached_property
    def pdf_of_gaussian(self) -> NDArray[np.int32]:
        """(G,) the pdf that each Gaussian is of."""
        return np.repeat(np.arange(self.num_pdfs, dtype=np.int32), np.diff(self.offsets))

    @cached_property
    def log_constants(self) -> NDArray[np.float64]:
        """(G,) log weight - 0.5 sum of log(2 pi variance): the logarithm of the highest density, weighted."""
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights)
        constants: NDArray[np.float64] = log_weights - 0.5 * np.log(2.0 * np.pi * self.variances).sum(axis=1)
        return constants

    @cached_property
    def scoring_arrays(self) -> ScoringArrays:
        """The model as the kernels want it."""
        lowest = np.finfo(np.float32).min / 4  # for a weight of 0
        return ScoringArrays(
            np.ascontiguousarray(self.means, dtype=np.float32),
            np.ascontiguousarray(0.5 / self.variances, dtype=np.float32),
            np.maximum(self.log_constants, lowest).astype(np.float32),
            np.ascontiguousarray(self.offsets, dtype=np.int64),
        )

    def scoring_buffers(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return what the kernels work in: a block of frames, its scores, and their sums."""
        from wfst_asr.gmm._kernels import BLOCK

        shapes = ((self.dim, BLOCK), (int(np.diff(self.offsets).max()), BLOCK), (2, BLOCK))
        columns, scores, totals = (np.zeros(shape, dtype=np.float32) for shape in shapes)
        return columns, scores, totals

    def log_likelihoods(
        self, features: NDArray[np.floating], pdfs: Sequence[int] | NDArray[np.integer] | None = None
    ) -> NDArray[np.float32]:
        """Return log p(x_t | pdf), natural logarithm, of features (T, D).

        Args:
            features: (T, D).
            pdfs: the pdf of each column; all of them by default.

        Returns:
            (T, P) or (T, len(pdfs)) float32.

        Raises:
            WfstAsrError: features of another dimension or not numbers, a pdf that the model has not.

        Complexity: O(T D times the Gaussians of the pdfs).
        """
        from wfst_asr.gmm._kernels import fill_log_likelihoods

        frames = checked_features(features, self.dim)
        columns = np.arange(self.num_pdfs) if pdfs is None else np.ascontiguousarray(pdfs, dtype=np.int64)
        check_pdfs(columns, self.num_pdfs)
        scores = np.empty((len(frames), len(columns)), dtype=np.float32)
        fill_log_likelihoods(frames, columns, *self.scoring_arrays, *self.scoring_buffers(), scores)
        return scores


def single_gaussians(
    count: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    *,
    variance_floor: float | NDArray[np.float64],
) -> AcousticModel:
    """Return one Gaussian a pdf from the sums of its frames; a pdf without frames gets the Gaussian of all frames.

    Args:
        count: (P,) frames of each pdf.
        first: (P, D) sum of the frames.
        second: (P, D) sum of their squares.
        variance_floor: the lowest variance, one or one a dimension; above 0.

    Raises:
        WfstAsrError: there are no frames at all.

    >>> model = single_gaussians(np.array([2.0, 0.0]), np.array([[2.0], [0.0]]), np.array([[4.0], [0.0]]),
    ...                          variance_floor=0.01)
    >>> model.means.tolist(), model.variances.tolist()
    ([[1.0], [1.0]], [[1.0], [1.0]])
    """
    total = float(count.sum())
    if not total > 0:
        raise WfstAsrError("no frames to estimate Gaussians from; expected at least one aligned frame")
    seen = count > 0
    divisor = np.where(seen, count, 1.0)[:, None]
    means = np.where(seen[:, None], first / divisor, first.sum(axis=0) / total)
    squares = np.where(seen[:, None], second / divisor, second.sum(axis=0) / total)
    variances = np.maximum(squares - means**2, variance_floor)
    return AcousticModel(np.arange(len(count) + 1), np.ones(len(count)), means, variances)


def checked_features(features: NDArray[np.floating], dim: int) -> NDArray[np.float32]:
    """Return features as the kernels want them: (T, D) float32, contiguous.

    Raises:
        WfstAsrError: they are of another dimension, or not numbers.
    """
    if features.ndim != 2 or features.shape[1] != dim:
        raise WfstAsrError(
            f"features of shape {features.shape} for an acoustic model of {dim} dimensions; compute them as the "
            "model's training did"
        )
    result = np.ascontiguousarray(features, dtype=np.float32)
    if not np.isfinite(result.sum()):
        wrong = np.flatnonzero(~np.isfinite(result).all(axis=1))
        if len(wrong):
            raise WfstAsrError(f"features: frame {wrong[0]} holds what is not a number; is the recording damaged?")
    return result


def check_pdfs(pdfs: NDArray[np.integer], num_pdfs: int) -> None:
    """Refuse pdf-ids that the model has not.

    Raises:
        WfstAsrError: there is one.
    """
    if len(pdfs) and not 0 <= int(pdfs.min()) <= int(pdfs.max()) < num_pdfs:
        wrong = int(pdfs.min()) if int(pdfs.min()) < 0 else int(pdfs.max())
        raise WfstAsrError(
            f"pdf-id {wrong}, but the acoustic model has {num_pdfs} (0 to {num_pdfs - 1}); take the tree and the "
            "alignment that belong to the model"
        )
