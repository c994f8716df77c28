"""Maximum likelihood linear transform (MLLT, a global semi-tied covariance): a space in which variances are diagonal.

With A the transform, x -> A x and means mu -> A mu at the variances as they are, EM's auxiliary function is

    Q(A) = beta log |det A| - 1/2 sum_i a_i G_i a_i,      G_i = sum gamma / var_i (x - mu) (x - mu)^T

over the rows a_i, with gamma the Gaussians' posteriors and beta their sum.

References:
    M. Gales, Semi-tied covariance matrices for hidden Markov models, IEEE Transactions on Speech and Audio Processing
    7 (1999).  Kaldi: `transform/mllt.cc`, `gmmbin/gmm-transform-means.cc`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm._small_products import add_product
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.frame_classes import frame_classes
from wfst_asr.gmm.posteriors import gaussian_posteriors
from wfst_asr.gmm.row_updates import best_rows, is_degenerate

_GAUSSIANS_A_PIECE = 64


@dataclass(frozen=True)
class MlltStatistics:
    """What the auxiliary function needs to know of the frames.

    Attributes:
        count: beta.
        quadratic: (D, D, D) float64, G.
    """

    count: float
    quadratic: NDArray[np.float64]

    @classmethod
    def zeros(cls, dim: int) -> "MlltStatistics":
        """Return the statistics of no frames."""
        return cls(0.0, np.zeros((dim, dim, dim)))

    def __add__(self, other: "MlltStatistics") -> "MlltStatistics":
        return MlltStatistics(self.count + other.count, self.quadratic + other.quadratic)


@dataclass(frozen=True)
class MlltEstimate:
    """An estimated transform.

    Attributes:
        matrix: (D, D) float64, A; multiply it to the left of the transform that the features have had.
        objective_change: how much higher Q is than for the identity, in nats a frame.
        count: beta.
    """

    matrix: NDArray[np.float64]
    objective_change: float
    count: float


def accumulate_mllt(
    model: AcousticModel,
    features: NDArray[np.floating],
    pdf_ids: NDArray[np.integer],
    *,
    weights: NDArray[np.floating] | None = None,
    frames: NDArray[np.integer] | None = None,
) -> MlltStatistics:
    """Collect the statistics of frames whose pdfs are known.

    Args:
        model: the Gaussians.
        features: (T, D).
        pdf_ids: (K,) pdf of each entry; entry k is of frame `frames[k]`, or k.
        weights: (K,) weight of each entry, such as its posterior; 0 leaves it out (silence).
        frames: (K,) frame of each entry.

    Raises:
        WfstAsrError: a pdf or frame that does not exist, lengths or dimensions that do not match.

    Complexity: D^2 multiplications for a Gaussian of an entry's pdf, D^3 / 2 for a Gaussian.
    """
    entries = frame_classes(
        pdf_ids, num_frames=len(features), num_classes=model.num_pdfs, weights=weights, frames=frames
    ).sorted_by_class()
    posteriors = gaussian_posteriors(model, features, entries)
    dim = model.means.shape[1]
    rows, columns = np.tril_indices(dim)
    packed = np.zeros((dim, len(rows)))
    moments = np.empty((_GAUSSIANS_A_PIECE, len(rows)))
    gaussians: list[int] = []

    def add_moments() -> None:
        add_product(packed, 1.0 / model.variances[gaussians], moments[: len(gaussians)])
        gaussians.clear()

    present, starts = np.unique(entries.classes, return_index=True)
    place = 0
    ends = np.append(starts, len(entries.classes))[1:]
    for pdf, first, last in zip(present, starts, ends, strict=True):
        x = features[entries.frames[first:last]].astype(np.float64)
        begin, end = int(model.offsets[pdf]), int(model.offsets[pdf + 1])
        gammas = posteriors[place : place + (last - first) * (end - begin)].reshape(last - first, end - begin)
        place += gammas.size
        for g in range(begin, end):
            offsets = x - model.means[g]
            moment = np.zeros((dim, dim))
            add_product(moment, offsets * gammas[:, g - begin, None], offsets)
            moments[len(gaussians)] = moment[rows, columns]
            gaussians.append(g)
            if len(gaussians) == _GAUSSIANS_A_PIECE:
                add_moments()
    add_moments()
    quadratic = np.empty((dim, dim, dim))
    quadratic[:, rows, columns] = packed
    quadratic[:, columns, rows] = packed
    return MlltStatistics(float(entries.weights.sum()), quadratic)


def estimate_mllt(statistics: MlltStatistics, *, iterations: int = 200) -> MlltEstimate:
    """Estimate A from the identity on, row by row.

    Args:
        statistics: count and G.
        iterations: times over all rows, at most; it stops where Q no longer rises.

    Raises:
        WfstAsrError: too few frames for the dimension, or frames that leave a direction of the space empty.

    Examples:
        Two dimensions whose errors have variance 4 and 1, for Gaussians of variance 1: the first is halved.

        >>> moments = np.diag([4.0, 1.0])
        >>> estimate_mllt(MlltStatistics(1.0, np.stack([moments, moments]))).matrix.round(6).tolist()
        [[0.5, 0.0], [0.0, 1.0]]
    """
    dim = len(statistics.quadratic)
    if not statistics.count > 0.0 or is_degenerate(statistics.quadratic):
        raise WfstAsrError(
            f"MLLT: {statistics.count:.0f} frames do not fill the {dim} dimensions of the features; train on more "
            "speech, or leave this stage out"
        )
    start = np.eye(dim)
    matrix, change = best_rows(start, statistics.quadratic, np.zeros((dim, dim)), statistics.count, sweeps=iterations)
    return MlltEstimate(matrix, change / statistics.count, statistics.count)


def model_in_new_space(model: AcousticModel, matrix: NDArray[np.floating]) -> AcousticModel:
    """Return the model with its means in the space of an MLLT: mu -> A mu; weights and variances stay.

    Args:
        model: the Gaussians before.
        matrix: (D, D), A.

    Raises:
        WfstAsrError: a matrix of another size.
    """
    dim = model.means.shape[1]
    if matrix.shape != (dim, dim):
        raise WfstAsrError(f"the transform is {matrix.shape}; the model's means have {dim} dimensions")
    return replace(model, means=model.means @ np.asarray(matrix, dtype=np.float64).T)
