"""Constrained MLLR in feature space (fMLLR): an affine transform of a speaker's features, x -> A x + b.

With the posteriors gamma of Gaussians (the pdfs of the frames given), w_i the row i of W = (A b), z = (x 1), EM's
auxiliary function is, up to a constant,

    Q(W) = beta log |det A| + sum_i (w_i k_i - w_i G_i w_i / 2)
    beta = sum gamma,    k_i = sum gamma mean_i / var_i z,    G_i = sum gamma / var_i  z z^T

The sums over Gaussians are taken first, frame by frame, so that G is one matrix product over frames:
G_i = sum_t (sum_g gamma_tg / var_gi) z_t z_t^T.

References:
    M. Gales, Maximum likelihood linear transformations for HMM-based speech recognition, Computer Speech and Language
    12 (1998).  V. Digalakis, D. Rtischev and L. Neumeyer, Speaker adaptation using constrained estimation of Gaussian
    mixtures, IEEE Transactions on Speech and Audio Processing 3 (1995), for the diagonal kind.  Kaldi:
    `transform/fmllr-diag-gmm.cc`, `gmmbin/gmm-est-fmllr.cc`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm._small_products import add_product, product
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.frame_classes import frame_classes
from wfst_asr.gmm.posteriors import gaussian_posteriors
from wfst_asr.gmm.row_updates import best_rows, is_degenerate, objective

FmllrKind = Literal["full", "diagonal", "offset", "none"]
_FRAMES_A_PIECE = 256
_MIN_COUNT = 500.0  # Kaldi's
_SAFE_MIN_COUNT = 1000.0  # frames from which a full transform without prior helps speech that it was not made of


@dataclass(frozen=True)
class FmllrStatistics:
    """What the auxiliary function needs to know of a speaker's frames.

    Attributes:
        count: beta.
        linear: (D, D + 1) float64, k.
        quadratic: (D, D + 1, D + 1) float64, G.
    """

    count: float
    linear: NDArray[np.float64]
    quadratic: NDArray[np.float64]

    @classmethod
    def zeros(cls, dim: int) -> "FmllrStatistics":
        """Return the statistics of no frames."""
        return cls(0.0, np.zeros((dim, dim + 1)), np.zeros((dim, dim + 1, dim + 1)))

    def __add__(self, other: "FmllrStatistics") -> "FmllrStatistics":
        return FmllrStatistics(self.count + other.count, self.linear + other.linear, self.quadratic + other.quadratic)

    def scaled(self, factor: float) -> "FmllrStatistics":
        """Return the statistics with every frame of this weight."""
        return FmllrStatistics(factor * self.count, factor * self.linear, factor * self.quadratic)

    def objective(self, transform: NDArray[np.float64]) -> float:
        """Return Q, the log-determinant included, of a transform (D, D + 1), in nats over all frames."""
        return objective(transform, self.quadratic, self.linear, self.count)


@dataclass(frozen=True)
class FmllrEstimate:
    """An estimated transform.

    Attributes:
        transform: (D, D + 1) float64, (A b).
        objective_change: how much higher Q is than for the start, in nats a frame; with a prior it may be lower.
        count: beta.
        kind: "full", "diagonal", "offset"; "none" where the transform is the start, for want of frames.
    """

    transform: NDArray[np.float64]
    objective_change: float
    count: float
    kind: FmllrKind


def identity_transform(dim: int) -> NDArray[np.float64]:
    """Return the (D, D + 1) transform that changes nothing."""
    return np.eye(dim, dim + 1)


def accumulate_fmllr(
    model: AcousticModel,
    features: NDArray[np.floating],
    pdf_ids: NDArray[np.integer],
    *,
    weights: NDArray[np.floating] | None = None,
    frames: NDArray[np.integer] | None = None,
    posterior_model: AcousticModel | None = None,
    posterior_features: NDArray[np.floating] | None = None,
) -> FmllrStatistics:
    """Collect the statistics of a speaker's frames whose pdfs are known.

    Args:
        model: the Gaussians that the transformed features should fit.
        features: (T, D), before the transform.
        pdf_ids: (K,) pdf of each entry; entry k is of frame `frames[k]`, or k.
        weights: (K,) weight of each entry, such as its posterior; 0 leaves it out (silence).
        frames: (K,) frame of each entry.
        posterior_model: the Gaussians' posteriors come from this model, of as many Gaussians a pdf: the
            speaker-independent one, whose features are not adapted; `model` where None.
        posterior_features: (T, D) the features for the posteriors, such as those under the transform so far;
            `features` where None.

    Raises:
        WfstAsrError: a pdf or frame that does not exist, lengths, dimensions or models that do not match.

    Complexity: D^3 / 2 multiplications a frame, and 2 D for a Gaussian of an entry's pdf.
    """
    from wfst_asr.gmm._transform_kernels import add_expected_targets

    source = model if posterior_model is None else posterior_model
    seen = features if posterior_features is None else posterior_features
    dim = model.means.shape[1]
    if features.ndim != 2 or features.shape[1] != dim:
        raise WfstAsrError(f"features are {features.shape}; the model's means have {dim} dimensions")
    if not np.array_equal(source.offsets, model.offsets):
        raise WfstAsrError(
            f"posterior_model has {len(source.means)} Gaussians of {source.num_pdfs} pdfs, the model "
            f"{len(model.means)} of {model.num_pdfs}; both need the same Gaussians a pdf"
        )
    if len(seen) != len(features):
        raise WfstAsrError(f"posterior_features have {len(seen)} frames, features {len(features)}; expected as many")
    entries = frame_classes(
        pdf_ids, num_frames=len(features), num_classes=model.num_pdfs, weights=weights, frames=frames
    )
    posteriors = gaussian_posteriors(source, seen, entries)
    used, rows = np.unique(entries.frames, return_inverse=True)
    targets = np.zeros((len(used), 2 * dim))
    add_expected_targets(
        rows.astype(np.int64),
        entries.classes,
        np.ascontiguousarray(model.offsets, dtype=np.int64),
        np.ascontiguousarray(model.means, dtype=np.float64),
        np.ascontiguousarray(1.0 / model.variances),
        posteriors,
        targets,
    )
    linear, quadratic = _moments(features, used, targets)
    return FmllrStatistics(float(entries.weights.sum()), linear, quadratic)


def expected_statistics(model: AcousticModel, occupancy: NDArray[np.floating]) -> FmllrStatistics:
    """Return the statistics of frames that the Gaussians themselves draw; their best transform is the identity.

    Some of them beside a speaker's own keep a transform from little speech near the identity.

    Args:
        model: the Gaussians.
        occupancy: (P,) in which proportions its pdfs are seen; the statistics are of one frame in all.

    Raises:
        WfstAsrError: another number of pdfs, or nothing seen.

    Examples:
        >>> model = AcousticModel(np.array([0, 1]), np.ones(1), np.array([[3.0]]), np.array([[2.0]]))
        >>> expected = expected_statistics(model, np.array([10.0]))
        >>> expected.count, expected.linear.tolist(), expected.quadratic.tolist()
        (1.0, [[4.5, 1.5]], [[[5.5, 1.5], [1.5, 0.5]]])
    """
    if len(occupancy) != model.num_pdfs or not np.all(occupancy >= 0.0) or not occupancy.sum() > 0.0:
        raise WfstAsrError(f"occupancy has {len(occupancy)} values for {model.num_pdfs} pdfs, or none above 0")
    shares = model.weights * np.asarray(occupancy, dtype=np.float64)[model.pdf_of_gaussian] / occupancy.sum()
    precisions = shares[:, None] / model.variances
    linear, quadratic = _moments(model.means, np.arange(len(shares)), np.hstack((precisions, precisions * model.means)))
    for own in range(model.dim):
        quadratic[:, own, own] += precisions.T @ model.variances[:, own]
    return FmllrStatistics(1.0, linear, quadratic)


def _moments(
    features: NDArray[np.floating], used: NDArray[np.int64], targets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return k (D, D + 1) and G (D, D + 1, D + 1) of frames `used` with their precisions and targets (n, 2 D)."""
    dim = features.shape[1]
    width = dim + 1
    linear = np.zeros((dim, width))
    packed = np.zeros((dim, width * (width + 1) // 2))
    pairs = np.empty((_FRAMES_A_PIECE, packed.shape[1]))
    starts = np.cumsum([0, *range(width, 0, -1)])
    for first in range(0, len(used), _FRAMES_A_PIECE):
        chosen = used[first : first + _FRAMES_A_PIECE]
        piece = targets[first : first + len(chosen)]
        z = np.ones((len(chosen), width))
        z[:, :dim] = features[chosen]
        for column in range(width):
            here = pairs[: len(chosen), starts[column] : starts[column + 1]]
            np.multiply(z[:, column:], z[:, column : column + 1], out=here)
        add_product(packed, piece[:, :dim], pairs[: len(chosen)])
        add_product(linear, piece[:, dim:], z)
    rows, columns = np.triu_indices(width)
    quadratic = np.empty((dim, width, width))
    quadratic[:, rows, columns] = packed
    quadratic[:, columns, rows] = packed
    return linear, quadratic


def estimate_fmllr(
    statistics: FmllrStatistics,
    *,
    start: NDArray[np.float64] | None = None,
    prior: FmllrStatistics | None = None,
    min_count: float | None = None,
    iterations: int = 40,
    kind: Literal["full", "diagonal", "offset", "auto"] = "full",
) -> FmllrEstimate:
    """Estimate a speaker's transform.

    Args:
        statistics: count, k and G.
        start: (D, D + 1) the transform to start from; the identity where None.
        prior: added to the statistics for the estimate, such as `expected_statistics(...).scaled(500.0)`; the
            objective's change and the count are of the speaker's frames alone.
        min_count: frames that a transform needs; None: 500, or with a prior, which makes any number safe, none.
        iterations: times over all rows of a full transform, at most; it stops where Q no longer rises.
        kind: "full"; "diagonal": A is diagonal and positive; "offset": A is the identity; both have closed forms
            that depend on no start.  "auto": full with a prior or from 1,000 frames on, diagonal from `min_count`.

    How much speech a kind needs was measured with a Kaldi model of 40 dimensions, 632 pdfs and 9,058 Gaussians on AN4's
    test speakers, features mean-normalised: change of the log-likelihood a frame (log-determinant included) of a
    speaker's other utterances.

        frames            100     200    500   1000   1500
        full             -553     -63   -7.9   -0.0    1.4
        full, prior 200  -0.1     0.0    0.7    1.7    2.3
        full, prior 500   0.4     0.7    1.3    2.0    2.5
        full, prior 2000  0.3     0.5    1.0    1.5    2.0
        diagonal         -2.5    -1.0    0.1    0.6    0.7
        offset           -1.6    -1.1   -0.4   -0.1   -0.1

    Returns:
        The transform; the start where there are too few frames, where they leave a direction of the space empty
        (as copies of one frame do), or where Q would not be higher.

    Raises:
        WfstAsrError: a start of another shape or singular, an unknown kind.
    """
    dim = len(statistics.linear)
    begin = identity_transform(dim) if start is None else np.array(start, dtype=np.float64)
    if begin.shape != (dim, dim + 1) or not np.isfinite(np.linalg.slogdet(begin[:, :dim])[1]):
        raise WfstAsrError(f"the start is {begin.shape} or singular; expected a regular transform {(dim, dim + 1)}")
    count, whole = statistics.count, statistics if prior is None else statistics + prior
    least = min_count if min_count is not None else _MIN_COUNT if prior is None else 0.0
    if kind == "auto":
        safe = least if prior is not None else max(least, _SAFE_MIN_COUNT)
        steps: list[tuple[FmllrKind, float]] = [("full", safe), ("diagonal", least), ("offset", least)]
    elif kind in ("full", "diagonal", "offset"):
        steps = [(kind, least)]
    else:
        raise WfstAsrError(f"kind is '{kind}'; expected 'full', 'diagonal', 'offset' or 'auto'")
    for step, needed in steps:
        if count < needed or not count > 0.0:
            continue
        found = _of_kind(whole, step, begin, iterations)
        if found is not None and whole.objective(found) > whole.objective(begin):
            change = statistics.objective(found) - statistics.objective(begin)
            return FmllrEstimate(found, change / count, count, step)
    return FmllrEstimate(begin, 0.0, count, "none")


def _of_kind(
    statistics: FmllrStatistics, kind: FmllrKind, start: NDArray[np.float64], iterations: int
) -> NDArray[np.float64] | None:
    """Return the best transform of a kind, None where frames are degenerate."""
    dim = len(statistics.linear)
    if kind == "full":
        if is_degenerate(statistics.quadratic):
            return None
        return best_rows(start, statistics.quadratic, statistics.linear, statistics.count, sweeps=iterations)[0]
    own = np.arange(dim)
    bias_square = statistics.quadratic[:, dim, dim]
    cross = statistics.quadratic[own, own, dim]
    scales = np.ones(dim)
    if kind == "diagonal":
        # with the best offset for a scale s put in, Q is count log s + s b - s^2 a / 2
        square = statistics.quadratic[own, own, own]
        a = square - cross**2 / bias_square
        b = statistics.linear[own, own] - cross * statistics.linear[:, dim] / bias_square
        if not np.all(a > 1e-7 * square):
            return None
        scales = (b + np.sqrt(b**2 + 4.0 * a * statistics.count)) / (2.0 * a)
    offsets = (statistics.linear[:, dim] - scales * cross) / bias_square
    return np.column_stack([np.diag(scales), offsets])


def apply_transform(features: NDArray[np.floating], transform: NDArray[np.floating]) -> NDArray[np.float32]:
    """Transform features: x -> A x + b, or A x.

    Args:
        features: (T, D).
        transform: (E, D), or (E, D + 1) with b as its last column.

    Returns:
        (T, E) float32.

    Raises:
        WfstAsrError: a transform of another width.

    >>> apply_transform(np.array([[3.0, -1.0]]), np.array([[2.0, 0.0, 1.0]])).tolist()
    [[7.0]]
    """
    if features.ndim != 2 or transform.ndim != 2 or transform.shape[1] - features.shape[1] not in (0, 1):
        raise WfstAsrError(f"a transform {transform.shape} does not fit features {features.shape}")
    dim = features.shape[1]
    matrix = np.ascontiguousarray(transform[:, :dim].T, dtype=np.float32)
    out = product(np.ascontiguousarray(features, dtype=np.float32), matrix)
    if transform.shape[1] > dim:
        out += transform[:, dim].astype(np.float32)
    return out


def compose(second: NDArray[np.floating], first: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the transform that does `first` and then `second`.

    Args:
        second: (F, E) or, with an offset, (F, E + 1).
        first: (E, D + 1), with an offset as its last column.

    Returns:
        (F, D + 1) float64.

    Raises:
        WfstAsrError: a second whose width is neither the height of the first nor one more.

    >>> compose(np.array([[2.0, 1.0]]), np.array([[3.0, 5.0]])).tolist()
    [[6.0, 11.0]]
    """
    size = len(first)
    if second.shape[1] - size not in (0, 1):
        raise WfstAsrError(f"a transform {second.shape} cannot follow one of {first.shape}")
    out = np.asarray(second[:, :size], dtype=np.float64) @ np.asarray(first, dtype=np.float64)
    if second.shape[1] > size:
        out[:, -1] += second[:, size]
    return out
