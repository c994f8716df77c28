"""Maximum-likelihood estimation of mixtures from their statistics: the M step (Kaldi `mle-diag-gmm.cc`)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.accumulate import GmmStatistics
from wfst_asr.gmm.acoustic_model import AcousticModel


@dataclass(frozen=True)
class EstimateOptions:
    """What keeps estimates from little data in bounds.

    Attributes:
        min_variance: the lowest variance.
        min_occupancy: Gaussians of this many frames or fewer keep their parameters, or go.
        min_weight: the same for their share of the pdf's frames.
        remove_low_count: whether such Gaussians go; the last of a pdf stays.
        relative_floor: variances are also at least this fraction of the variance of all frames; 0 for none.

    Raises:
        WfstAsrError: a value out of range.
    """

    min_variance: float = 0.001
    min_occupancy: float = 10.0
    min_weight: float = 1e-5
    remove_low_count: bool = True
    relative_floor: float = 0.0

    def __post_init__(self) -> None:
        if not self.min_variance > 0:
            raise WfstAsrError(f"min_variance is {self.min_variance}; expected a number above 0, such as 0.001")
        if not (self.min_occupancy >= 0 and 0 <= self.min_weight < 1):
            raise WfstAsrError(
                f"min_occupancy is {self.min_occupancy} and min_weight {self.min_weight}; expected frames of 0 or "
                "more, and a share from 0 to below 1"
            )
        if not 0 <= self.relative_floor < 1:
            raise WfstAsrError(f"relative_floor is {self.relative_floor}; expected a fraction such as 0.01, or 0")


@dataclass(frozen=True)
class Estimate:
    """A model after an M step.

    Attributes:
        model: the new model.
        objective_change: what the auxiliary function rose by, over all frames, before Gaussians were removed.
        frames: sum of the occupancies.
        floored: variances (Gaussian and dimension) that met the floor.
        removed: Gaussians that had too little data.
    """

    model: AcousticModel
    objective_change: float
    frames: float
    floored: int
    removed: int


def estimate(model: AcousticModel, statistics: GmmStatistics, options: EstimateOptions | None = None) -> Estimate:
    """Return the model whose weights, means and variances maximise the auxiliary function of the statistics.

    weight_g = occupancy_g / occupancy of its pdf,  mean_g = first_g / occupancy_g,
    variance_g = second_g / occupancy_g - mean_g^2, not below the floor.

    Raises:
        WfstAsrError: statistics of another model.

    >>> model = AcousticModel(np.array([0, 1]), np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> statistics = GmmStatistics(np.array([20.0]), np.array([[40.0]]), np.array([[100.0]]))
    >>> result = estimate(model, statistics)
    >>> result.model.means.tolist(), result.model.variances.tolist(), result.objective_change
    ([[2.0]], [[1.0]], 40.0)
    """
    limits = options or EstimateOptions()
    if statistics.first.shape != model.means.shape:
        raise WfstAsrError(
            f"statistics of {statistics.first.shape} Gaussians and dimensions for a model of {model.means.shape}; "
            "accumulate them with this model"
        )
    occupancy, pdf = statistics.occupancy, model.pdf_of_gaussian
    pdf_frames = np.add.reduceat(occupancy, model.offsets[:-1])
    sizes = np.diff(model.offsets)
    share = np.where(
        pdf_frames[pdf] != 0, occupancy / np.where(pdf_frames != 0, pdf_frames, 1.0)[pdf], 1.0 / sizes[pdf]
    )
    enough = (occupancy > limits.min_occupancy) & (share > limits.min_weight)
    removed = _removed(model, enough) if limits.remove_low_count else np.zeros(len(enough), dtype=bool)

    divisor = np.where(enough, occupancy, 1.0)[:, None]
    means = np.where(enough[:, None], statistics.first / divisor, model.means)
    raw = statistics.second / divisor - means**2
    floor = _variance_floor(statistics, limits)
    low = enough[:, None] & (raw < floor)
    variances = np.where(enough[:, None], np.where(low, floor, raw), model.variances)
    kept_low = ~enough & ~removed
    weights = np.where(enough, share, np.where(kept_low, np.maximum(share, limits.min_weight), model.weights))
    full = AcousticModel(model.offsets, weights, means, variances)
    change = auxiliary(full, statistics) - auxiliary(model, statistics)
    return Estimate(
        _without(full, removed),
        change,
        float(occupancy.sum()),
        int(np.count_nonzero(low)),
        int(np.count_nonzero(removed)),
    )


def auxiliary(model: AcousticModel, statistics: GmmStatistics) -> float:
    """Return sum over Gaussians and frames of posterior times log w N(x), which EM maximises (Kaldi `MlObjective`)."""
    used = statistics.occupancy > 0
    occupancy, means = statistics.occupancy[used], model.means[used]
    squares = statistics.second[used] - 2.0 * means * statistics.first[used] + occupancy[:, None] * means**2
    return float(occupancy @ model.log_constants[used] - 0.5 * (squares / model.variances[used]).sum())


def _variance_floor(statistics: GmmStatistics, limits: EstimateOptions) -> NDArray[np.float64]:
    """Return (D,) the lowest variance of each dimension."""
    floor = np.full(statistics.first.shape[1], limits.min_variance)
    frames = float(statistics.occupancy.sum())
    if not limits.relative_floor or not frames > 0:
        return floor
    mean = statistics.first.sum(axis=0) / frames
    variance = statistics.second.sum(axis=0) / frames - mean**2
    result: NDArray[np.float64] = np.maximum(floor, limits.relative_floor * variance)
    return result


def _removed(model: AcousticModel, enough: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (G,) which Gaussians go: those with too little data, but of a pdf where all are such, the last stays."""
    removed = ~enough
    none = ~np.logical_or.reduceat(enough, model.offsets[:-1])
    removed[model.offsets[1:][none] - 1] = False
    return removed


def _without(model: AcousticModel, removed: NDArray[np.bool_]) -> AcousticModel:
    """Return the model without some Gaussians; the weights of their pdfs sum to one again."""
    if not removed.any():
        return model
    kept = ~removed
    sizes = np.add.reduceat(kept.astype(np.int64), model.offsets[:-1])
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    touched = sizes != np.diff(model.offsets)
    total = np.where(touched, np.add.reduceat(np.where(kept, model.weights, 0.0), model.offsets[:-1]), 1.0)
    weights = (model.weights / total[model.pdf_of_gaussian])[kept]
    return AcousticModel(offsets, weights, model.means[kept], model.variances[kept])
