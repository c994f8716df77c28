"""Adapt features to a tied-mixture model: constrained MLLR (fMLLR) of the cepstra, from a first alignment.

The feature vector of a frame is D cepstra c, then their differences in time, D of each order.  A linear transform of
the cepstra is the same transform of their differences, so one matrix serves all blocks, and the bias only the first:

    y = (A c + b, A dc, A ddc)

which takes D (D + 1) numbers, few enough for one short recording.  EM maximises, for given senones s_t,

    F(A, b) = sum_t log p(y_t | s_t) + T B log |det A|      (B blocks of D dimensions)

With the posteriors gamma of the Gaussians of senone s_t (all of them, with their mixture weights) and w_i the row i of
(A b), the auxiliary function is, up to a constant,

    Q = beta log |det A| + sum_i (w_i k_i - w_i G_i w_i / 2)
    G_i = sum gamma / var_i  z z^T,    k_i = sum gamma mean_i / var_i  z,    z = (c 1), (dc 0), (ddc 0),   beta = T B

and its maximum over one row, the others given, has a closed form (Gales 1998, section 3.2 and appendix B).  A prior
keeps the transform of a short recording near the identity: `prior_frames` frames that the model's own Gaussians would
draw, in the recording's proportions, whose best transform is the identity, count beside the recording's own.

References:
    M. Gales, Maximum likelihood linear transformations for HMM-based speech recognition, Computer Speech and Language
    12 (1998).  C. Leggetter and P. Woodland, Maximum likelihood linear regression for speaker adaptation, Computer
    Speech and Language 9 (1995).  Kaldi: `transform/fmllr-diag-gmm.cc`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.sphinx._adaptation_kernels import add_expected_frames, add_frames
from wfst_asr.sphinx.scorer import MixtureScorer

_NEGLIGIBLE = np.float32(-10.0)


@dataclass(frozen=True)
class AdaptOptions:
    """How a transform is estimated, and from what.

    Attributes:
        prior_frames: weight of the identity, in frames; above 0.
        iterations: EM iterations.
        sweeps: times that an iteration goes over all rows of the transform.
        min_frames: recordings with fewer frames to learn from are left as they are.
        rounds: times that a search finds the senones to learn from and a transform is estimated of them, before the
            final search.
        first_beam: beam of these searches, where it is narrower than the final one.

    Raises:
        WfstAsrError: a value out of range.
    """

    prior_frames: float = 30.0
    iterations: int = 8
    sweeps: int = 2
    min_frames: int = 50
    rounds: int = 2
    first_beam: float = 9.0

    def __post_init__(self) -> None:
        if not self.prior_frames > 0:
            raise WfstAsrError(f"prior_frames is {self.prior_frames}; expected a number above 0, such as 30")
        if self.iterations < 1 or self.sweeps < 1:
            raise WfstAsrError(f"{self.iterations} iterations of {self.sweeps} sweeps; expected at least 1 of each")
        if self.rounds < 1:
            raise WfstAsrError(f"rounds is {self.rounds}; expected at least 1")
        if not self.first_beam > 0:
            raise WfstAsrError(f"first_beam is {self.first_beam}; expected a number above 0; usual are 8 to 10")


@dataclass(frozen=True)
class CepstralTransform:
    """An affine transform of cepstra, and of their differences in time.

    Attributes:
        matrix: (D, D) float64, A.
        bias: (D,) float64, b.
    """

    matrix: NDArray[np.float64]
    bias: NDArray[np.float64]

    @classmethod
    def identity(cls, dim: int) -> "CepstralTransform":
        """Return the transform that changes nothing."""
        return cls(np.eye(dim), np.zeros(dim))

    def apply(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Transform features (T, B D), cepstra first and then B - 1 orders of differences, to (T, B D) float32.

        >>> CepstralTransform(np.array([[2.0]]), np.array([1.0])).apply(np.array([[3.0, -1.0]]))
        array([[ 7., -2.]], dtype=float32)
        """
        size = len(self.bias)
        blocks = features.reshape(len(features), -1, size).astype(np.float32)
        out: NDArray[np.float32] = np.einsum("tba,ia->tbi", blocks, self.matrix.astype(np.float32))
        out[:, 0] += self.bias.astype(np.float32)
        return out.reshape(features.shape)


@dataclass(frozen=True)
class TransformStatistics:
    """What the auxiliary function needs to know of the frames.

    Attributes:
        quadratic: (D, D + 1, D + 1) float64, G.
        linear: (D, D + 1) float64, k.
        count: beta, frames times blocks.
    """

    quadratic: NDArray[np.float64]
    linear: NDArray[np.float64]
    count: float

    def __add__(self, other: "TransformStatistics") -> "TransformStatistics":
        return TransformStatistics(
            self.quadratic + other.quadratic, self.linear + other.linear, self.count + other.count
        )

    def auxiliary(self, transform: CepstralTransform) -> float:
        """Return Q for a transform."""
        rows = np.column_stack([transform.matrix, transform.bias])
        squares = np.einsum("ia,iab,ib->", rows, self.quadratic, rows)
        return float(self.count * np.linalg.slogdet(transform.matrix)[1] + (rows * self.linear).sum() - 0.5 * squares)


@dataclass(frozen=True)
class Adaptation:
    """An estimated transform.

    Attributes:
        transform: the identity where there was too little to learn from.
        num_frames: frames learnt from.
        objective: F plus the prior's Q before each iteration; never falls.
    """

    transform: CepstralTransform
    num_frames: int
    objective: tuple[float, ...]


class TransformEstimator:
    """Estimates transforms for one model.

    Args:
        scorer: the model's Gaussians and mixture weights.
        cepstra: D, how many cepstra a frame has.

    Raises:
        WfstAsrError: the streams of the model are not whole blocks of that many dimensions.
    """

    def __init__(self, scorer: MixtureScorer, *, cepstra: int) -> None:
        books = scorer.codebooks
        if any(dim % cepstra for dim in books.stream_dims):
            raise WfstAsrError(
                f"the model's streams have {list(books.stream_dims)} dimensions, not multiples of the {cepstra} "
                "cepstra; adaptation needs streams of cepstra and of their differences: switch it off"
            )
        self.cepstra = cepstra
        self._scorer = scorer
        self._starts = np.cumsum([0, *books.stream_dims])
        self._means = np.concatenate([mean.transpose(0, 2, 1) for mean in books.means], axis=1)
        self._precisions = np.concatenate([(1.0 / var).transpose(0, 2, 1) for var in books.variances], axis=1)
        logs = [-0.5 * np.log(2.0 * np.pi * var.astype(np.float64)).sum(axis=2) for var in books.variances]
        self._constants = np.stack(logs, axis=1).astype(np.float32)

    def estimate(
        self, features: NDArray[np.float32], senones: NDArray[np.integer], options: AdaptOptions | None = None
    ) -> Adaptation:
        """Estimate the transform of frames whose senones are known.

        Args:
            features: (T, dim), before the transform.
            senones: (T,) the senone of each frame.
            options: prior and number of iterations.
        """
        options = options or AdaptOptions()
        transform = CepstralTransform.identity(self.cepstra)
        if len(features) < max(options.min_frames, 1):
            return Adaptation(transform, len(features), ())
        prior: TransformStatistics | None = None
        objective = []
        for _ in range(options.iterations):
            own, occupancy, log_likelihood = self.statistics(features, senones, transform)
            if prior is None:
                prior = self.prior(occupancy, options.prior_frames)
            log_det = float(np.linalg.slogdet(transform.matrix)[1])
            objective.append(log_likelihood + own.count * log_det + prior.auxiliary(transform))
            transform = improved(own + prior, transform, sweeps=options.sweeps)
        return Adaptation(transform, len(features), tuple(objective))

    def statistics(
        self, features: NDArray[np.float32], senones: NDArray[np.integer], transform: CepstralTransform
    ) -> tuple[TransformStatistics, NDArray[np.float64], float]:
        """Collect the statistics of frames, with posteriors under a transform.

        Returns:
            The statistics; the occupancies (streams, codebooks, densities); sum_t log p(y_t | s_t).
        """
        quadratic, linear = self._empty()
        occupancy = np.zeros(self._constants.transpose(1, 0, 2).shape)
        used, rows = np.unique(senones, return_inverse=True)
        log_likelihood = add_frames(
            np.ascontiguousarray(features, dtype=np.float32),
            transform.apply(features),
            self._scorer.senone_codebook[senones].astype(np.int32),
            rows.astype(np.int64),
            np.ascontiguousarray(self._scorer.log_weights[:, :, used].transpose(2, 0, 1)),
            self._means,
            self._precisions,
            self._constants,
            self._starts,
            _NEGLIGIBLE,
            quadratic,
            linear,
            occupancy,
        )
        count = float(features.size // self.cepstra)
        return TransformStatistics(_unpacked(quadratic), linear, count), occupancy, float(log_likelihood)

    def prior(self, occupancy: NDArray[np.float64], frames: float) -> TransformStatistics:
        """Return the expected statistics of frames that the Gaussians draw; their best transform is the identity.

        Args:
            occupancy: (streams, codebooks, densities), in which proportions.
            frames: how many.
        """
        quadratic, linear = self._empty()
        scaled = occupancy * (frames / occupancy[0].sum())
        add_expected_frames(scaled, self._means, self._precisions, self._starts, quadratic, linear)
        return TransformStatistics(_unpacked(quadratic), linear, frames * (self._scorer.dim // self.cepstra))

    def _empty(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        size = self.cepstra
        return np.zeros((size, (size + 1) * (size + 2) // 2)), np.zeros((size, size + 1))


def improved(statistics: TransformStatistics, start: CepstralTransform, *, sweeps: int = 2) -> CepstralTransform:
    """Raise the auxiliary function row by row: each row in turn takes its best value, the others given.

    With p the cofactors of row i (and 0 for the bias), w_i = (alpha p + k_i) G_i^-1, where alpha is the root of
    alpha^2 p G_i^-1 p + alpha p G_i^-1 k_i - beta = 0 with the larger Q (Gales 1998, equations 49 to 53).

    Args:
        statistics: G, k and beta; every G_i positive definite, which a prior takes care of.
        start: a transform of non-zero determinant.
        sweeps: times over all rows.
    """
    size = len(start.bias)
    rows = np.column_stack([start.matrix, start.bias])
    inverses = np.linalg.inv(statistics.quadratic)
    for _ in range(sweeps):
        for i in range(size):
            # cofactors over the determinant, a factor that alpha absorbs
            cofactors = np.append(np.linalg.inv(rows[:, :size])[:, i], 0.0)
            along = inverses[i] @ cofactors
            base = inverses[i] @ statistics.linear[i]
            square, product = float(along @ cofactors), float(base @ cofactors)
            root = np.sqrt(product**2 + 4.0 * square * statistics.count)
            alphas = ((-product + root) / (2.0 * square), (-product - root) / (2.0 * square))
            # with the root's own equation Q of the row is beta log |w p| - alpha^2 p G^-1 p / 2 and a constant
            gains = [statistics.count * np.log(abs(a * square + product)) - 0.5 * a * a * square for a in alphas]
            rows[i] = base + alphas[int(np.argmax(gains))] * along
    return CepstralTransform(rows[:, :size].copy(), rows[:, size].copy())


def _unpacked(packed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the symmetric (D, D + 1, D + 1) of lower triangles (D, P), row after row."""
    size = len(packed) + 1
    rows, columns = np.tril_indices(size)
    out = np.empty((len(packed), size, size))
    out[:, rows, columns] = packed
    out[:, columns, rows] = packed
    return out
