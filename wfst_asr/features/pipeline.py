"""What is done to raw cepstra before Gaussians see them: normalisation, dynamics, a matrix, a speaker's transform."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.cmvn import apply_cmvn
from wfst_asr.features.deltas import add_deltas, splice
from wfst_asr.features.frames import FrameOptions
from wfst_asr.features.mel import MelOptions
from wfst_asr.features.mfcc import MfccOptions, mfcc


@dataclass(frozen=True)
class FeaturePipeline:
    """The way from sound to a model's features.

    raw cepstra -> mean (and variance) normalisation by speaker -> differences in time, or neighbouring frames side by
    side -> a matrix (LDA, MLLT) -> the speaker's affine transform (fMLLR).

    Attributes:
        mfcc: the cepstra.
        norm_vars: normalise variances too.
        delta_order: differences appended; 0 where frames are spliced.
        splice: frames to the left and to the right put beside each frame.
        matrix: (d, D), or (d, D + 1) with an offset as last column; None for none.

    >>> pipeline = FeaturePipeline()
    >>> raw = pipeline.raw(np.ones(16000, dtype=np.float32))
    >>> pipeline.apply(raw).shape, pipeline.dim
    ((98, 39), 39)
    """

    mfcc: MfccOptions = field(default_factory=lambda: MfccOptions(use_energy=False))
    norm_vars: bool = False
    delta_order: int = 2
    splice: tuple[int, int] = (0, 0)
    matrix: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        width = self.mfcc.num_ceps * (self.delta_order + 1) * (sum(self.splice) + 1)
        if self.matrix is not None and self.matrix.shape[1] not in (width, width + 1):
            raise WfstAsrError(
                f"the feature matrix has {self.matrix.shape[1]} columns; expected {width} (or one more, an offset)"
            )

    @property
    def dim(self) -> int:
        """Dimensions of the features."""
        if self.matrix is not None:
            return len(self.matrix)
        return self.mfcc.num_ceps * (self.delta_order + 1) * (sum(self.splice) + 1)

    @property
    def sample_rate_hz(self) -> int:
        return int(self.mfcc.frames.sample_rate_hz)

    @property
    def frame_shift_s(self) -> float:
        return self.mfcc.frames.frame_shift_ms / 1000

    def raw(self, samples: NDArray[np.float32], *, rng: np.random.Generator | None = None) -> NDArray[np.float32]:
        """Compute the cepstra of (N,) samples in 16-bit scale: (T, num_ceps)."""
        return mfcc(samples, self.mfcc, rng=rng)

    def apply(
        self,
        raw: NDArray[np.float32],
        stats: NDArray[np.float64] | None = None,
        fmllr: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float32]:
        """Make the features of raw cepstra.

        Args:
            raw: (T, num_ceps).
            stats: (2, num_ceps + 1) normalisation statistics of the speaker; None: of these frames.
            fmllr: (d, d + 1) transform of the speaker, offset last; None for none.

        Raises:
            WfstAsrError: a matrix of another shape.
        """
        features = self.dynamic(apply_cmvn(raw, stats, norm_vars=self.norm_vars))
        return features if fmllr is None else affine(features, fmllr)

    def dynamic(self, normalised: NDArray[np.float32]) -> NDArray[np.float32]:
        """Make features of cepstra (T, num_ceps) that are normalised already: differences or neighbours, and matrix."""
        features = normalised
        if self.delta_order:
            features = add_deltas(features, order=self.delta_order)
        if any(self.splice):
            features = splice(features, left=self.splice[0], right=self.splice[1])
        if self.matrix is not None:
            features = affine(features, self.matrix)
        return np.ascontiguousarray(features, dtype=np.float32)

    def with_matrix(self, matrix: NDArray[np.float64] | None) -> "FeaturePipeline":
        """Return the pipeline with another matrix."""
        return replace(self, matrix=matrix)

    def record(self) -> dict[str, Any]:
        """Return all but the matrix as a record for JSON."""
        return {
            "mfcc": asdict(self.mfcc),
            "norm_vars": self.norm_vars,
            "delta_order": self.delta_order,
            "splice": list(self.splice),
        }


def pipeline_of_record(record: Mapping[str, Any], matrix: NDArray[np.float64] | None = None) -> FeaturePipeline:
    """Return the pipeline of a record that `FeaturePipeline.record` made.

    Raises:
        WfstAsrError: an entry is missing or has another form.

    >>> pipeline_of_record(FeaturePipeline(splice=(3, 3), delta_order=0).record()).dim
    91
    """
    try:
        entries = dict(record["mfcc"])
        options = MfccOptions(
            **{**entries, "frames": FrameOptions(**entries["frames"]), "mel": MelOptions(**entries["mel"])}
        )
        left, right = record["splice"]
        return FeaturePipeline(
            options, bool(record["norm_vars"]), int(record["delta_order"]), (int(left), int(right)), matrix
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WfstAsrError(f"the record of the features cannot be read ({error!r}); train the model again") from error


def affine(features: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Apply a (d, D) or (d, D + 1) matrix, whose last column then is an offset, to (T, D) features.

    Raises:
        WfstAsrError: the matrix has another number of columns.

    >>> affine(np.ones((1, 2), dtype=np.float32), np.array([[1.0, 2.0, 10.0]]))
    array([[13.]], dtype=float32)
    """
    dim = features.shape[1]
    if matrix.ndim != 2 or matrix.shape[1] not in (dim, dim + 1):
        raise WfstAsrError(f"a matrix of shape {matrix.shape} does not fit features of {dim} dimensions")
    small = matrix.astype(np.float32)
    step = max(1, _ONE_THREAD // max(small.size, 1))
    transposed = np.ascontiguousarray(small[:, :dim].T)
    result = np.empty((len(features), len(matrix)), dtype=np.float32)
    for first in range(0, len(features), step):
        np.matmul(features[first : first + step], transposed, out=result[first : first + step])
    if small.shape[1] > dim:
        result += small[:, dim]
    return result


_ONE_THREAD = 1 << 18  # multiplications up to which OpenBLAS stays in the calling thread
