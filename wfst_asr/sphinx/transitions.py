"""Transition matrices of a PocketSphinx acoustic model."""

import os

import numpy as np
from numpy.typing import NDArray

from wfst_asr.sphinx.s3_file import S3Reader


def read_transitions(path: str | os.PathLike[str], *, floor: float = 1e-4) -> NDArray[np.float64]:
    """Read the transition matrices as probabilities, (matrices, states, states + 1); the last column leaves the HMM.

    As PocketSphinx's `tmat.c` does: each row is normalised, probabilities above 0 are raised to `floor`, and the row is
    normalised again.

    Raises:
        WfstAsrError: the file is missing, of another kind, truncated or damaged, or a state cannot be left.
    """
    file = S3Reader(path, what="a Sphinx transition_matrices file")
    num_matrices, num_sources, num_destinations = file.ints(3, "the counts")
    counts = file.floats((num_matrices, num_sources, num_destinations), "transition values").astype(np.float64)
    file.close()
    if num_destinations != num_sources + 1:
        raise file.reader.error(f"{num_sources} x {num_destinations} matrices; expected one more column than rows")
    if not np.isfinite(counts).all() or (counts < 0).any() or (counts.sum(axis=2) <= 0).any():
        raise file.reader.error("a transition matrix has a row without a positive sum, or a negative value")
    if (np.tril(counts[:, :, :-1], -1) > 0).any():
        raise file.reader.error("a transition matrix goes back to an earlier state; expected left-to-right models")
    probs = counts / counts.sum(axis=2, keepdims=True)
    probs = np.where(probs > 0, np.maximum(probs, floor), 0.0)
    return np.asarray(probs / probs.sum(axis=2, keepdims=True))
