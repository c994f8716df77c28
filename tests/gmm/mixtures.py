"""Random mixtures and frames for the tests."""

from typing import Any

import numpy as np

from wfst_asr.gmm.acoustic_model import AcousticModel


def random_model(
    seed: int, *, num_pdfs: int = 4, max_gaussians: int = 5, dim: int = 5, spread: float = 1.0
) -> AcousticModel:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, max_gaussians + 1, num_pdfs)
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    weights = rng.uniform(0.2, 1.0, offsets[-1])
    weights /= np.repeat(np.add.reduceat(weights, offsets[:-1]), sizes)
    shape = (int(offsets[-1]), dim)
    return AcousticModel(offsets, weights, spread * rng.normal(size=shape), rng.uniform(0.3, 2.0, shape))


def random_frames(seed: int, model: AcousticModel, count: int) -> tuple[Any, Any]:
    """Return frames that the model draws, and the pdf of each."""
    rng = np.random.default_rng(seed)
    gaussian = rng.integers(0, model.num_gaussians, count)
    noise = rng.normal(size=(count, model.dim))
    frames = model.means[gaussian] + noise * np.sqrt(model.variances[gaussian])
    return frames.astype(np.float32), model.pdf_of_gaussian[gaussian]


def as_lists(model: AcousticModel) -> list[list[tuple[float, Any, Any]]]:
    """Return the model as the naive version has it."""
    gaussians = list(zip(model.weights.tolist(), model.means, model.variances, strict=True))
    return [gaussians[a:b] for a, b in zip(model.offsets[:-1], model.offsets[1:], strict=True)]
