"""Log-likelihoods of all senones of a tied-mixture model, with all Gaussians of every codebook.

    log p(x | senone) = sum over streams of log sum_g w[senone, g] N(x_stream; mean_g, variance_g)

A codebook and a block of frames at a time: log-densities less the best of their frame and stream; their exponentials
times the matrix of mixture weights (one matrix product a stream); the product over the streams; its logarithm.
The matrix product runs in tiles so small that no BLAS library starts threads for them, which would cost more CPU time
than they save.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.sphinx._kernels import place_scores, stream_log_densities
from wfst_asr.sphinx.gaussians import Codebooks

_TILE_FRAMES = 32
_TILE_COLUMNS = 64
_BLOCK_FRAMES = 128
_NEGLIGIBLE = np.float32(-60.0)
"""Log-densities so far below the best add less than float32 can tell, whatever their weights."""
_LOWEST_LOG_WEIGHT = -30.0
_LOWEST_PRODUCT = -80.0


@dataclass(frozen=True)
class _PreparedCodebook:
    means: NDArray[np.float32]  # (D, G)
    scales: NDArray[np.float32]  # (D, G)
    constants: NDArray[np.float32]  # (streams, G)
    weights: NDArray[np.float32]  # (streams, 1, chunks, G, width)
    runs: NDArray[np.int64]  # (n, 4) for place_scores


@dataclass(frozen=True)
class MixtureScorer:
    """Scores of every senone for every frame.

    Attributes:
        codebooks: the Gaussians.
        log_weights: (streams, densities, senones) natural logs of the mixture weights.
        senone_codebook: (senones,) int, the codebook of each senone.
    """

    codebooks: Codebooks
    log_weights: NDArray[np.float32]
    senone_codebook: NDArray[np.int32]

    def __post_init__(self) -> None:
        streams, densities, senones = self.log_weights.shape
        expected = (len(self.codebooks.means), self.codebooks.num_densities)
        if (streams, densities) != expected:
            raise WfstAsrError(
                f"mixture weights of {streams} streams of {densities} densities; the Gaussians have {expected[0]} "
                f"streams of {expected[1]}; take both of one model"
            )
        if len(self.senone_codebook) != senones:
            raise WfstAsrError(f"{len(self.senone_codebook)} senones in the mdef, {senones} in the mixture weights")
        owner = self.senone_codebook
        if owner.min() < 0 or owner.max() >= self.codebooks.num_codebooks:
            raise WfstAsrError(f"a senone has no codebook among the {self.codebooks.num_codebooks} of the model")

    @property
    def dim(self) -> int:
        """Dimension of a feature vector, all streams together."""
        return sum(self.codebooks.stream_dims)

    @property
    def num_senones(self) -> int:
        return len(self.senone_codebook)

    def log_likelihoods(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return (T, num_senones) float32 natural log-likelihoods; finite for finite features.

        Args:
            features: (T, dim), the streams side by side.

        Raises:
            WfstAsrError: the features have another dimension or are not finite.
        """
        frames = np.ascontiguousarray(features, dtype=np.float32)
        if frames.ndim != 2 or frames.shape[1] != self.dim:
            raise WfstAsrError(f"features of shape {frames.shape}; the acoustic model expects (frames, {self.dim})")
        bad = np.flatnonzero(~np.isfinite(frames).all(axis=1))
        if len(bad):
            raise WfstAsrError(f"features of {len(bad)} frames are not finite, the first of them frame {bad[0]}")
        out = np.empty((len(frames), self.num_senones), dtype=np.float32)
        starts = np.cumsum([0, *self.codebooks.stream_dims])
        streams = len(self.codebooks.means)
        for begin in range(0, len(frames), _BLOCK_FRAMES):
            block = frames[begin : begin + _BLOCK_FRAMES]
            num_tiles = -(-len(block) // _TILE_FRAMES)
            size = num_tiles * _TILE_FRAMES
            densities = np.ones((streams, size, self.codebooks.num_densities), dtype=np.float32)
            best = np.empty(len(block), dtype=np.float32)
            for book, tiles in zip(self._prepared, self._buffers(num_tiles), strict=True):
                stream_log_densities(
                    block, book.means, book.scales, book.constants, starts, _NEGLIGIBLE, densities, best
                )
                exponents = densities[:, : len(block)]
                np.exp(exponents, out=exponents)
                np.matmul(densities.reshape(streams, num_tiles, 1, _TILE_FRAMES, -1), book.weights, out=tiles)
                place_scores(self._log_product(tiles), best, book.runs, out[begin : begin + len(block)])
        return out

    def _buffers(self, num_tiles: int) -> list[NDArray[np.float32]]:
        """Return one array a codebook for its matrix product, all in the same memory."""
        shapes = [
            (streams, num_tiles, chunks, _TILE_FRAMES, width)
            for streams, _, chunks, _, width in (book.weights.shape for book in self._prepared)
        ]
        memory = np.empty(max(math.prod(shape) for shape in shapes), dtype=np.float32)
        return [memory[: math.prod(shape)].reshape(shape) for shape in shapes]

    def _log_product(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log of the product over the first axis, without underflow."""
        if self._product_fits:
            product = tiles[0]
            for stream in tiles[1:]:
                np.multiply(product, stream, out=product)
            return np.asarray(np.log(product, out=product))
        return np.asarray(np.log(tiles, out=tiles).sum(axis=0))

    @cached_property
    def _product_fits(self) -> bool:
        lowest = max(float(self.log_weights.min()), _LOWEST_LOG_WEIGHT)
        return len(self.log_weights) * lowest > _LOWEST_PRODUCT

    @cached_property
    def _prepared(self) -> tuple[_PreparedCodebook, ...]:
        order = np.argsort(self.senone_codebook, kind="stable")
        bounds = np.searchsorted(self.senone_codebook[order], np.arange(self.codebooks.num_codebooks + 1))
        return tuple(
            self._prepare(codebook, order[bounds[codebook] : bounds[codebook + 1]])
            for codebook in range(self.codebooks.num_codebooks)
            if bounds[codebook + 1] > bounds[codebook]
        )

    def _prepare(self, codebook: int, senones: NDArray[np.intp]) -> _PreparedCodebook:
        means = np.concatenate([mean[codebook].T for mean in self.codebooks.means])
        variances = [variance[codebook].astype(np.float64) for variance in self.codebooks.variances]
        scales = np.concatenate([np.sqrt(0.5 / variance).T for variance in variances])
        constants = np.stack([-0.5 * np.log(2.0 * math.pi * variance).sum(axis=1) for variance in variances])
        num_chunks = -(-len(senones) // _TILE_COLUMNS)
        width = -(-len(senones) // num_chunks)
        width += -width % 8
        log_weights = np.zeros((len(constants), constants.shape[1], num_chunks * width), dtype=np.float32)
        log_weights[:, :, : len(senones)] = np.maximum(self.log_weights[:, :, senones], _LOWEST_LOG_WEIGHT)
        tiles = np.exp(log_weights).reshape(len(constants), -1, num_chunks, width).transpose(0, 2, 1, 3)
        return _PreparedCodebook(
            np.ascontiguousarray(means),
            np.ascontiguousarray(scales, dtype=np.float32),
            constants.astype(np.float32),
            np.ascontiguousarray(tiles)[:, None],
            _runs(senones, width),
        )


def _runs(senones: NDArray[np.intp], width: int) -> NDArray[np.int64]:
    """Cut ascending senones into runs of consecutive ones within a chunk of `width` columns."""
    places = np.arange(len(senones))
    is_begin = (places % width == 0) | (np.diff(senones, prepend=-2) != 1)
    begins = np.flatnonzero(is_begin)
    sizes = np.diff(begins, append=len(senones))
    return np.stack([begins // width, begins % width, senones[begins], sizes], axis=1).astype(np.int64)
