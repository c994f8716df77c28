"""Train a hybrid network: posteriors of tied states from frames, targets from the alignments of Gaussian mixtures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.neural.options import FitOptions
from wfst_asr.neural.tdnn_options import TdnnOptions

if TYPE_CHECKING:
    from wfst_asr.neural.tdnn import TdnnNetwork

Figures = dict[str, float]


@dataclass(frozen=True)
class HybridOptions:
    """How a hybrid network is trained.

    Attributes:
        network: sizes; features and pdfs are taken from the data.
        fit: epochs, rates, seed.
        noise: on the mean of an utterance, in deviations of the features.
    """

    network: TdnnOptions = field(default_factory=TdnnOptions)
    fit: FitOptions = field(
        default_factory=lambda: FitOptions(epochs=20, batch_frames=3000, learning_rate=2e-3, average=0.99)
    )
    noise: float = 0.1


@dataclass(frozen=True)
class AlignedFrames:
    """An utterance.

    Attributes:
        utterance: its id.
        features: (T, D) float32.
        pdfs: (T,) pdf-id of each frame.
    """

    utterance: str
    features: NDArray[np.float32]
    pdfs: NDArray[np.int64]


@dataclass(frozen=True)
class TrainedHybrid:
    """A trained network.

    Attributes:
        network: in evaluation mode.
        counts: (P,) frames of each pdf in the training data.
        history: a record an epoch, see `wfst_asr.neural.fit.FitResult`.
        best_epoch: whose weights were kept.
        stopped: why it ended.
    """

    network: "TdnnNetwork"
    counts: NDArray[np.int64]
    history: tuple[Figures, ...]
    best_epoch: int
    stopped: str

    @property
    def best(self) -> Figures:
        """The figures of the best epoch."""
        return self.history[self.best_epoch - 1]


def train_hybrid_network(
    train: Sequence[AlignedFrames],
    valid: Sequence[AlignedFrames],
    num_pdfs: int,
    options: HybridOptions | None = None,
    *,
    checkpoint: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    on_epoch: Callable[[Sequence[Figures]], None] | None = None,
) -> TrainedHybrid:
    """Train a network by cross-entropy on the pdf of each frame.

    Args:
        train: to train on; its frames are counted for the priors.
        valid: of other speakers, to choose the best epoch with.
        num_pdfs: tied states of the model that aligned.
        options: see HybridOptions.
        checkpoint: file that keeps the training through a kill; not removed here.
        progress: see `wfst_asr.neural.fit.fit`.
        on_epoch: likewise.

    Raises:
        WfstAsrError: nothing to train on or to validate with, or alignments that do not fit.
    """
    from wfst_asr.neural.checkpoint import Checkpoint
    from wfst_asr.neural.fit import fit, seeded
    from wfst_asr.neural.frame_task import FrameExample, frame_task
    from wfst_asr.neural.tdnn import TdnnNetwork

    options = options or HybridOptions()
    if not train or not valid:
        raise WfstAsrError(
            f"{len(train)} utterances to train on and {len(valid)} to validate with; expected some of both"
        )
    for one in (*train, *valid):
        if len(one.features) != len(one.pdfs) or (
            len(one.pdfs) and not 0 <= one.pdfs.min() <= one.pdfs.max() < num_pdfs
        ):
            raise WfstAsrError(
                f"'{one.utterance}': {len(one.features)} frames and an alignment of {len(one.pdfs)} with pdfs up to "
                f"{one.pdfs.max(initial=-1)}, expected as many, below {num_pdfs}; align with the model that is given"
            )
    sizes = replace(options.network, num_features=train[0].features.shape[1], num_pdfs=num_pdfs)
    network = seeded(options.fit.seed, lambda: TdnnNetwork(sizes))
    assert isinstance(network, TdnnNetwork)
    deviation = _set_normalisation(network, train)
    examples, held_out = (
        [FrameExample(one.features, one.pdfs.astype(np.int64)) for one in part] for part in (train, valid)
    )
    task = frame_task(examples, held_out, noise=options.noise * deviation)
    key = _key(options, num_pdfs, train, valid)
    found = fit(
        network, task, options.fit, checkpoint=Checkpoint(checkpoint, key), progress=progress, on_epoch=on_epoch
    )
    counts = np.bincount(np.concatenate([one.pdfs for one in train]), minlength=num_pdfs)
    return TrainedHybrid(network, counts, tuple(found.history), found.best_epoch, found.stopped)


def _set_normalisation(network: "TdnnNetwork", train: Sequence[AlignedFrames]) -> float:
    """Store mean and variance of the features; return their mean deviation."""
    import torch

    frames = sum(len(one.features) for one in train)
    mean = sum((one.features.sum(axis=0, dtype=np.float64) for one in train), np.zeros(1)) / frames
    squares = sum(((one.features.astype(np.float64) - mean) ** 2).sum(axis=0) for one in train) / frames
    network.normalise.set_from(torch.from_numpy(mean).float(), torch.from_numpy(np.asarray(squares)).float())
    return float(np.sqrt(squares).mean())


def _key(options: HybridOptions, num_pdfs: int, train: Sequence[AlignedFrames], valid: Sequence[AlignedFrames]) -> str:
    """Return what stands for all that the weights depend on; threads and device are not among it."""
    fit = replace(options.fit, threads=1, device="auto", checkpoint_s=0.0, checkpoint_steps=0)
    digest = sha256(repr((replace(options, fit=fit), num_pdfs)).encode())
    for one in (*train, *valid):
        digest.update(np.ascontiguousarray(one.features).tobytes())
        digest.update(np.ascontiguousarray(one.pdfs).tobytes())
    return digest.hexdigest()
