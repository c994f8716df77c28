"""Classes of frames as a task for `fit`: utterances of features and a target a frame, cross-entropy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wfst_asr.errors import WfstAsrError
from wfst_asr.neural.batches import batches_of, padded
from wfst_asr.neural.fit import BatchLoss, TrainingTask

_NOTHING = -100  # the target of padding
_VALIDATION_FRAMES = 12000


@dataclass(frozen=True)
class FrameExample:
    """An utterance to train on.

    Attributes:
        features: (T, D) float32.
        targets: (T,) class of each frame.
    """

    features: NDArray[np.float32]
    targets: NDArray[np.int64]


def frame_task(train: Sequence[FrameExample], valid: Sequence[FrameExample], *, noise: float = 0.0) -> TrainingTask:
    """Return the task of training a network (features, lengths) -> log posteriors with cross-entropy.

    Its figures: "loss" a frame, which is watched, and "frame_errors" in percent.

    Args:
        train: to train on.
        valid: to validate with.
        noise: deviation of what is added to an utterance's features, the same in all its frames, in training: as if
            its mean were not known quite.

    Raises:
        WfstAsrError: nothing to validate with.
    """
    if not valid:
        raise WfstAsrError("there is no utterance to validate with")

    def batch_loss(
        network: nn.Module, places: Sequence[int], rng: np.random.Generator, device: torch.device
    ) -> BatchLoss:
        chosen = [train[place] for place in places]
        moved = [one.features + noise * rng.standard_normal(one.features.shape[1], dtype=np.float32) for one in chosen]
        loss, _ = _loss(network, moved, [one.targets for one in chosen], device)
        return BatchLoss(loss, float(sum(len(one.targets) for one in chosen)))

    def validate(network: nn.Module, device: torch.device) -> Mapping[str, float]:
        loss = errors = frames = 0.0
        for places in batches_of([len(one.features) for one in valid], _VALIDATION_FRAMES):
            chosen = [valid[place] for place in places]
            total, wrong = _loss(network, [one.features for one in chosen], [one.targets for one in chosen], device)
            loss, errors = loss + float(total), errors + float(wrong)
            frames += sum(len(one.targets) for one in chosen)
        return {"loss": loss / frames, "frame_errors": 100 * errors / frames}

    return TrainingTask([len(one.features) for one in train], batch_loss, validate)


def _loss(
    network: nn.Module,
    matrices: Sequence[NDArray[np.float32]],
    targets: Sequence[NDArray[np.int64]],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Return the summed loss and the number of frames whose best class is another than the target."""
    features, lengths = padded(matrices)
    wanted = torch.full(features.shape[:2], _NOTHING)
    for row, target in zip(wanted, targets, strict=True):
        row[: len(target)] = torch.from_numpy(target)
    wanted = wanted.to(device)
    log_probs: Tensor = network(features.to(device), lengths.to(device))
    loss = nn.functional.nll_loss(log_probs.flatten(0, 1), wanted.flatten(), ignore_index=_NOTHING, reduction="sum")
    wrong = ((log_probs.detach().argmax(dim=2) != wanted) & (wanted != _NOTHING)).sum()
    return loss, wrong
