"""Means and variances of a PocketSphinx acoustic model: codebooks of diagonal Gaussians, in streams."""

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.sphinx.s3_file import S3Reader


@dataclass(frozen=True)
class Codebooks:
    """Diagonal Gaussians by codebook and stream.

    Attributes:
        means: one (codebooks, densities, dims) float32 array a stream.
        variances: likewise, floored.
    """

    means: tuple[NDArray[np.float32], ...]
    variances: tuple[NDArray[np.float32], ...]

    @property
    def num_codebooks(self) -> int:
        return int(self.means[0].shape[0])

    @property
    def num_densities(self) -> int:
        """Gaussians of a codebook in one stream."""
        return int(self.means[0].shape[1])

    @property
    def stream_dims(self) -> tuple[int, ...]:
        """Feature dimensions of each stream."""
        return tuple(int(mean.shape[2]) for mean in self.means)


def read_gaussian_parameters(path: str | os.PathLike[str], *, what: str) -> tuple[NDArray[np.float32], ...]:
    """Read one parameter file (`means` or `variances`): a (codebooks, densities, dims) array a stream.

    Raises:
        WfstAsrError: the file is missing, of another kind, truncated, damaged, or holds values that are not finite.
    """
    file = S3Reader(path, what=f"a Sphinx {what} file")
    codebooks, streams, densities = file.ints(3, "the counts")
    if not 0 < streams <= 64:
        raise file.reader.error(f"{streams} streams; expected 1 to 64")
    dims = file.ints(streams, "the stream dimensions")
    values = file.floats((codebooks, densities * sum(dims)), f"{what} values")
    file.close()
    if min(dims) <= 0 or not np.isfinite(values).all():
        raise file.reader.error(f"{what} are not finite, or a stream has no dimension; the file is damaged")
    ends = np.cumsum([densities * dim for dim in dims])
    parts = np.split(values, ends[:-1], axis=1)
    return tuple(
        np.ascontiguousarray(part).reshape(codebooks, densities, dim) for part, dim in zip(parts, dims, strict=True)
    )


def read_codebooks(
    means: str | os.PathLike[str], variances: str | os.PathLike[str], *, variance_floor: float = 1e-4
) -> Codebooks:
    """Read means and variances.

    Args:
        means: the `means` file.
        variances: the `variances` file.
        variance_floor: variances below it are raised to it; PocketSphinx's `-varfloor`.

    Raises:
        WfstAsrError: a file is bad, or the two differ in their shapes.
    """
    mean = read_gaussian_parameters(means, what="means")
    variance = read_gaussian_parameters(variances, what="variances")
    shapes = [array.shape for array in mean], [array.shape for array in variance]
    if shapes[0] != shapes[1]:
        raise WfstAsrError(
            f"{variances}: shapes {shapes[1]} differ from {shapes[0]} of {means}; take both of one model"
        )
    return Codebooks(mean, tuple(np.maximum(array, np.float32(variance_floor)) for array in variance))
