"""Posteriors of the Gaussians of a pdf, given a frame."""

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.gmm.frame_classes import FrameClasses


def gaussian_posteriors(
    model: AcousticModel, features: NDArray[np.floating], entries: FrameClasses
) -> NDArray[np.float64]:
    """Return weight * p(Gaussian | frame, pdf) for every Gaussian of each entry's pdf, entry after entry.

    Args:
        model: the Gaussians.
        features: (T, D).
        entries: frames, pdf-ids and weights.

    Returns:
        (N,) float64, N the sum over entries of the pdf's number of Gaussians.

    Raises:
        WfstAsrError: features of another dimension.
    """
    from wfst_asr.gmm._transform_kernels import fill_posteriors

    if features.ndim != 2 or features.shape[1] != model.means.shape[1]:
        raise WfstAsrError(f"features are {features.shape}; the model's means have {model.means.shape[1]} dimensions")
    posteriors = np.empty(int(np.diff(model.offsets)[entries.classes].sum()))
    fill_posteriors(
        np.ascontiguousarray(features, dtype=np.float32),
        entries.frames,
        entries.classes,
        entries.weights,
        np.ascontiguousarray(model.offsets, dtype=np.int64),
        model.log_constants,
        np.ascontiguousarray(model.means, dtype=np.float64),
        np.ascontiguousarray(1.0 / model.variances),
        posteriors,
    )
    return posteriors
