"""Batches of utterances of about the same length, in an order that a seed tells."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_STEP = 16  # frames
_JITTER = 0.15  # lengths are sorted with so much noise, so that batches differ from epoch to epoch


def batches_of(
    lengths: Sequence[int], batch_frames: int, rng: np.random.Generator | None = None
) -> list[tuple[int, ...]]:
    """Cut utterances into batches of at most so many frames, padding included.

    Args:
        lengths: frames of each utterance.
        batch_frames: at most; a longer utterance is alone.
        rng: for utterances of similar lengths in random company, and batches in random order; None: sorted by length.

    Returns:
        Places of the utterances, each once.

    >>> batches_of([5, 1, 4, 2], 8)
    [(1, 3), (2,), (0,)]
    >>> sorted(place for batch in batches_of([5, 1, 4, 2], 8, np.random.default_rng(0)) for place in batch)
    [0, 1, 2, 3]
    """
    sizes = np.asarray(lengths, dtype=np.float64)
    if rng is not None:
        sizes = sizes * (1 + _JITTER * rng.random(len(sizes)))
    batches: list[tuple[int, ...]] = []
    current: list[int] = []
    longest = 0
    for place in np.argsort(sizes, kind="stable").tolist():
        longest = max(longest, lengths[place])
        if current and longest * (len(current) + 1) > batch_frames:
            batches.append(tuple(current))
            current, longest = [], lengths[place]
        current.append(place)
    if current:
        batches.append(tuple(current))
    if rng is None:
        return batches
    return [batches[place] for place in rng.permutation(len(batches)).tolist()]


def padded(matrices: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Return (B, T, D) with zeros behind the frames of each, and the lengths (B,).

    T is a multiple of 16: PyTorch keeps what it prepares for each shape of a recurrent layer, which adds up to much
    memory where every batch has a length of its own.

    >>> values, lengths = padded([np.ones((1, 2), np.float32), np.ones((3, 2), np.float32)])
    >>> values.shape, lengths.tolist()
    (torch.Size([2, 16, 2]), [1, 3])
    """
    lengths = [len(matrix) for matrix in matrices]
    frames = -(-max(lengths) // _STEP) * _STEP
    values = np.zeros((len(matrices), frames, matrices[0].shape[1]), dtype=np.float32)
    for row, matrix in zip(values, matrices, strict=True):
        row[: len(matrix)] = matrix
    return torch.from_numpy(values), torch.tensor(lengths)
