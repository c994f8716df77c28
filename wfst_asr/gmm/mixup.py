"""More Gaussians, or fewer: split and merge mixtures to a wanted total (Kaldi `model-common.cc`, `diag-gmm.cc`)."""

import heapq

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel


def gaussian_targets(
    occupancy: NDArray[np.float64], num_gaussians: int, *, power: float, min_count: float
) -> NDArray[np.int64]:
    """Share out Gaussians to pdfs, in proportion to their frames to a power (Kaldi `GetSplitTargets`).

    All pdfs begin with one; the next goes to the pdf with the highest occupancy^power / Gaussians, unless this leaves
    each of its Gaussians `min_count` frames or fewer.  Ties go to the lowest pdf-id.

    Args:
        occupancy: (P,) frames of each pdf.
        num_gaussians: how many in all.
        power: how much pdfs with more frames are favoured; 0 is not at all.
        min_count: each Gaussian has more frames than this.

    Returns:
        (P,) Gaussians of each pdf; their sum is lower than `num_gaussians` where the frames are too few.

    >>> gaussian_targets(np.array([1000.0, 100.0, 3.0]), 6, power=0.5, min_count=20.0).tolist()
    [4, 1, 1]
    """
    mass = np.maximum(occupancy, 0.0) ** power
    counts = [1] * len(mass)
    queue = [(-float(m), pdf) for pdf, m in enumerate(mass) if m > 0]
    heapq.heapify(queue)
    total = len(counts)
    while total < num_gaussians and queue:
        _, pdf = queue[0]
        if (counts[pdf] + 1) * min_count >= occupancy[pdf]:
            heapq.heappop(queue)
            continue
        counts[pdf] += 1
        total += 1
        heapq.heapreplace(queue, (-float(mass[pdf]) / counts[pdf], pdf))
    return np.asarray(counts, dtype=np.int64)


def split_to(
    model: AcousticModel,
    occupancy: NDArray[np.float64],
    *,
    num_gaussians: int,
    power: float = 0.25,
    min_count: float = 20.0,
    perturb: float = 0.01,
    rng: np.random.Generator,
) -> AcousticModel:
    """Split Gaussians until each pdf has its share of `num_gaussians` (Kaldi `DiagGmm::Split`).

    The heaviest Gaussian of the pdf becomes two of half the weight, whose means are moved apart by `perturb` times a
    normal random number times the standard deviation, in every dimension.  Pdfs with more than their share stay.

    Args:
        model: what is split; it stays as it is.
        occupancy: (P,) frames of each pdf.
        num_gaussians: how many in all.
        power: see `gaussian_targets`.
        min_count: see `gaussian_targets`.
        perturb: how far the halves move apart, in standard deviations.
        rng: the same state gives the same model.

    Raises:
        WfstAsrError: occupancies of another number of pdfs.
    """
    targets = _targets(model, occupancy, num_gaussians, power, min_count)
    sizes = np.diff(model.offsets)
    new_sizes = np.maximum(targets, sizes)
    if np.array_equal(new_sizes, sizes):
        return model
    offsets = np.concatenate(([0], np.cumsum(new_sizes)))
    weights, means = np.zeros(offsets[-1]), np.zeros((offsets[-1], model.dim))
    variances = np.zeros_like(means)
    place = offsets[model.pdf_of_gaussian] + np.arange(model.num_gaussians) - model.offsets[model.pdf_of_gaussian]
    weights[place], means[place], variances[place] = model.weights, model.means, model.variances
    noise = perturb * rng.standard_normal((int((new_sizes - sizes).sum()), model.dim))
    drawn = 0
    for pdf in np.flatnonzero(new_sizes > sizes):
        first = offsets[pdf]
        for new in range(first + sizes[pdf], offsets[pdf + 1]):
            old = first + int(np.argmax(weights[first:new]))
            weights[old] = weights[new] = weights[old] / 2
            step = noise[drawn] * np.sqrt(variances[old])
            variances[new] = variances[old]
            means[new] = means[old] + step
            means[old] -= step
            drawn += 1
    return AcousticModel(offsets, weights, means, variances)


def merge_to(
    model: AcousticModel,
    occupancy: NDArray[np.float64],
    *,
    num_gaussians: int,
    power: float = 0.25,
    min_count: float = 20.0,
) -> AcousticModel:
    """Merge Gaussians until each pdf has its share of `num_gaussians` or fewer (Kaldi `DiagGmm::Merge`).

    The two Gaussians of the pdf whose union loses the least likelihood become the one with their mean and variance.

    Raises:
        WfstAsrError: occupancies of another number of pdfs.
    """
    targets = _targets(model, occupancy, num_gaussians, power, min_count)
    parts = []
    for pdf, target in enumerate(targets.tolist()):
        own = slice(int(model.offsets[pdf]), int(model.offsets[pdf + 1]))
        part = model.weights[own], model.means[own], model.variances[own]
        parts.append(part if len(part[0]) <= target else _merged(*part, target))
    offsets = np.concatenate(([0], np.cumsum([len(part[0]) for part in parts], dtype=np.int64)))
    weights, means, variances = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return AcousticModel(offsets, weights, means, variances)


def _targets(
    model: AcousticModel, occupancy: NDArray[np.float64], num_gaussians: int, power: float, min_count: float
) -> NDArray[np.int64]:
    if occupancy.shape != (model.num_pdfs,):
        raise WfstAsrError(
            f"occupancies of shape {occupancy.shape} for a model of {model.num_pdfs} pdfs; expected one a pdf"
        )
    return gaussian_targets(occupancy, num_gaussians, power=power, min_count=min_count)


def _merged(
    weights: NDArray[np.float64], means: NDArray[np.float64], variances: NDArray[np.float64], target: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the Gaussians of one pdf, merged two by two."""
    weights, means, squares = weights.copy(), means.copy(), variances + means**2
    log_det = np.log(variances).sum(axis=1)

    def losses(i: int) -> NDArray[np.float64]:
        """Return twice the likelihood lost by a union of Gaussian i with each."""
        total = weights[i] + weights
        share = np.where(total > 0, weights / np.where(total > 0, total, 1.0), 0.5)[:, None]
        mean = means[i] + share * (means - means[i])
        square = squares[i] + share * (squares - squares[i])
        union = np.log(np.maximum(square - mean**2, 1e-30)).sum(axis=1)
        loss: NDArray[np.float64] = total * union - weights[i] * log_det[i] - weights * log_det
        return loss

    count = len(weights)
    alive = np.ones(count, dtype=bool)
    table = np.stack([losses(i) for i in range(count)])
    table[np.triu_indices(count)] = np.inf
    for _ in range(count - target):
        row, column = np.unravel_index(int(np.argmin(table)), table.shape)
        i, j = int(row), int(column)
        total = weights[i] + weights[j]
        share = weights[j] / total if total > 0 else 0.5
        means[i] += share * (means[j] - means[i])
        squares[i] += share * (squares[j] - squares[i])
        weights[i] = total
        log_det[i] = np.log(np.maximum(squares[i] - means[i] ** 2, 1e-30)).sum()
        alive[j] = False
        loss = np.where(alive, losses(i), np.inf)
        table[j], table[:, j] = np.inf, np.inf
        table[i, :i], table[i + 1 :, i] = loss[:i], loss[i + 1 :]
    return weights[alive], means[alive], (squares - means**2)[alive]
