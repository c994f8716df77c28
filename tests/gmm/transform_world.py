"""Small random models, and frames drawn from them, for the tests of feature transforms."""

import numpy as np

from tests.reference.fmllr import log_likelihood, posteriors
from wfst_asr.gmm.acoustic_model import AcousticModel

Entry = tuple[int, float, np.ndarray, np.ndarray, np.ndarray]


def random_model(rng: np.random.Generator, *, dim: int, sizes: tuple[int, ...]) -> AcousticModel:
    offsets = np.cumsum([0, *sizes])
    weights = np.concatenate([rng.dirichlet(np.full(size, 3.0)) for size in sizes])
    total = int(offsets[-1])
    return AcousticModel(offsets, weights, 3.0 * rng.normal(size=(total, dim)), rng.uniform(0.3, 2.0, (total, dim)))


def drawn(rng: np.random.Generator, model: AcousticModel, pdf_ids: np.ndarray) -> np.ndarray:
    """Frames (T, D) that the model draws for pdfs (T,), float64."""
    gaussians = [rng.choice(np.arange(*model.offsets[p : p + 2]), p=own(model, p)[0]) for p in pdf_ids]
    noise = rng.normal(size=(len(pdf_ids), model.dim))
    return np.asarray(model.means[gaussians] + noise * np.sqrt(model.variances[gaussians]))


def own(model: AcousticModel, pdf: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, means and variances of a pdf's Gaussians."""
    span = slice(model.offsets[pdf], model.offsets[pdf + 1])
    return model.weights[span], model.means[span], model.variances[span]


def naive_entries(
    model: AcousticModel,
    features: np.ndarray,
    pdf_ids: np.ndarray,
    weights: np.ndarray,
    frames: np.ndarray,
    *,
    posterior_model: AcousticModel | None = None,
) -> list[Entry]:
    """What the naive statistics take; posteriors from `features` under `posterior_model`."""
    source = posterior_model or model
    return [
        (int(t), float(w), posteriors(features[t], *own(source, p)), *own(model, p)[1:])
        for p, w, t in zip(pdf_ids, weights, frames, strict=True)
    ]


def total_log_likelihood(model: AcousticModel, features: np.ndarray, pdf_ids: np.ndarray) -> float:
    return sum(log_likelihood(x, *own(model, p)) for x, p in zip(features, pdf_ids, strict=True))
