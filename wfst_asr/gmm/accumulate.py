"""Sums over aligned frames from which Gaussians are estimated (Kaldi `mle-diag-gmm.h`, `gmm-acc-stats-ali`)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel, check_pdfs, checked_features


@dataclass(frozen=True)
class GmmStatistics:
    """Sums over frames, weighted by the posterior of each Gaussian; those of two parts of a corpus add.

    Attributes:
        occupancy: (G,) float64, sum of the posteriors.
        first: (G, D) float64, sum of posterior times frame.
        second: (G, D) float64, sum of posterior times squared frame.
        log_likelihood: of the frames given their pdfs, natural logarithm.
        frames: how many frames (sum of the weights).
    """

    occupancy: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    log_likelihood: float = 0.0
    frames: float = 0.0

    @classmethod
    def zeros(cls, model: AcousticModel, dim: int | None = None) -> "GmmStatistics":
        """Return the statistics of no frames, for `dim` dimensions (the model's by default)."""
        shape = (model.num_gaussians, model.dim if dim is None else dim)
        return cls(np.zeros(shape[0]), np.zeros(shape), np.zeros(shape))

    def __add__(self, other: "GmmStatistics") -> "GmmStatistics":
        if self.first.shape != other.first.shape:
            raise WfstAsrError(
                f"statistics of {self.first.shape} and of {other.first.shape} Gaussians and dimensions do not add; "
                "accumulate both with the same model"
            )
        return GmmStatistics(
            self.occupancy + other.occupancy,
            self.first + other.first,
            self.second + other.second,
            self.log_likelihood + other.log_likelihood,
            self.frames + other.frames,
        )

    def pdf_occupancy(self, model: AcousticModel) -> NDArray[np.float64]:
        """Return (P,) the frames of each pdf."""
        return np.add.reduceat(self.occupancy, model.offsets[:-1])


def accumulate(
    model: AcousticModel,
    features: NDArray[np.floating],
    pdf_ids: NDArray[np.integer],
    *,
    weights: NDArray[np.floating] | None = None,
    frames: NDArray[np.integer] | None = None,
    statistics_features: NDArray[np.floating] | None = None,
) -> GmmStatistics:
    """Return the statistics of frames whose pdfs are known, for sure (Viterbi) or with a probability (soft training).

    Entry k says: frame `frames[k]` belongs to `pdf_ids[k]` with weight `weights[k]`.  Within the pdf, a frame is
    shared out to the Gaussians by their posteriors.

    Args:
        model: whose posteriors.
        features: (T, D).
        pdf_ids: (K,).
        weights: (K,), 1 by default.
        frames: (K,), k by default.
        statistics_features: (T, E), sums are of these instead (Kaldi's "two feats"); posteriors still of `features`.

    Raises:
        WfstAsrError: lengths or dimensions that do not fit, a pdf or frame that is not there, features that are not
            numbers.

    The sums do not depend on the order of the frames of different pdfs; the same call gives the same bytes.
    Complexity: O(K D times the Gaussians of a pdf) and O(G D): give many utterances at once, not one a call.

    >>> model = AcousticModel(np.array([0, 1]), np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> statistics = accumulate(model, np.array([[1.0], [3.0]]), np.array([0, 0]))
    >>> statistics.occupancy.tolist(), statistics.first.tolist(), statistics.second.tolist()
    ([2.0], [[4.0]], [[10.0]])
    """
    from wfst_asr.gmm._kernels import BLOCK, add_statistics

    scored = checked_features(features, model.dim)
    observed = scored if statistics_features is None else np.ascontiguousarray(statistics_features, dtype=np.float32)
    pdfs = np.asarray(pdf_ids)
    check_pdfs(pdfs, model.num_pdfs)
    at = np.arange(len(pdfs)) if frames is None else np.ascontiguousarray(frames, dtype=np.int64)
    mass = np.ones(len(pdfs)) if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
    if len(observed) != len(scored) or len(at) != len(pdfs) or len(mass) != len(pdfs):
        raise WfstAsrError(
            f"{len(pdfs)} pdf-ids with {len(mass)} weights of {len(at)} frames; {len(scored)} frames of features and "
            f"{len(observed)} of statistics: expected the same number of each"
        )
    if len(at) and not 0 <= int(at.min()) <= int(at.max()) < len(scored):
        raise WfstAsrError(
            f"an alignment of frames {int(at.min())} to {int(at.max())}, but there are {len(scored)} frames of features"
        )
    order = np.argsort(pdfs.astype(np.uint16) if model.num_pdfs <= 1 << 16 else pdfs, kind="stable")
    bounds = np.concatenate(([0], np.cumsum(np.bincount(pdfs, minlength=model.num_pdfs), dtype=np.int64)))
    occupancy, sums = np.zeros(model.num_gaussians), np.zeros((model.num_gaussians, 2 * observed.shape[1]))
    rows, posterior = np.zeros((BLOCK, sums.shape[1])), np.zeros(BLOCK)
    entries = (scored, observed, at, mass, order, bounds)
    sinks = (rows, posterior, occupancy, sums)
    log_likelihood = add_statistics(*entries, *model.scoring_arrays, *model.scoring_buffers(), *sinks)
    first, second = np.split(sums, 2, axis=1)
    return GmmStatistics(
        occupancy, np.ascontiguousarray(first), np.ascontiguousarray(second), float(log_likelihood), float(mass.sum())
    )
