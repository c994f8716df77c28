"""CTC as a task for `fit`: utterances of features and labels, their loss, and the errors of greedy decoding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import ctc_loss

from wfst_asr.ctc.greedy import greedy_search
from wfst_asr.errors import WfstAsrError
from wfst_asr.neural.augment import augmented
from wfst_asr.neural.batches import batches_of, padded
from wfst_asr.neural.fit import BatchLoss, TrainingTask
from wfst_asr.neural.options import AugmentOptions

_VALIDATION_FRAMES = 12000
_LOSS_WEIGHT = 10.0


@dataclass(frozen=True)
class CtcExample:
    """An utterance to train on.

    Attributes:
        features: (T, D) float32.
        labels: columns of its tokens, without blanks.
    """

    features: NDArray[np.float32]
    labels: tuple[int, ...]


def frames_needed(labels: Sequence[int]) -> int:
    """Return the frames that an alignment takes at least: one a label, and one blank between equal ones.

    >>> frames_needed([8, 5, 12, 12, 15])
    6
    """
    return len(labels) + sum(first == second for first, second in pairwise(labels))


def ctc_task(
    train: Sequence[CtcExample],
    valid: Sequence[CtcExample],
    *,
    subsample: int,
    boundary: int | None = None,
    blank: int = 0,
    augment: AugmentOptions | None = None,
    frame_shift_s: float = 0.01,
) -> TrainingTask:
    """Return the task of training a network (features, lengths) -> (log probabilities, frames) with CTC's loss.

    Its figures: "loss" a label, "token_errors" and "word_errors" of greedy decoding, in percent.  The watched one is
    "watched", the token errors and ten times the loss: at first only the loss tells progress, later both are as large.

    Args:
        train: utterances, none with fewer frames of scores than `frames_needed`.
        valid: utterances to validate with.
        subsample: frames of features a frame of scores.
        boundary: the label between words; None: each utterance is one word.
        blank: its column.
        augment: how features are varied; None: not at all.
        frame_shift_s: of the features.

    Raises:
        WfstAsrError: nothing to validate with.
    """
    if not valid:
        raise WfstAsrError("there is no utterance to validate with; name a data directory of some")
    needed = [subsample * frames_needed(example.labels) for example in train]

    def batch_loss(
        network: nn.Module, places: Sequence[int], rng: np.random.Generator, device: torch.device
    ) -> BatchLoss:
        chosen = [train[place] for place in places]
        matrices = [example.features for example in chosen]
        if augment is not None:
            matrices = [
                augmented(matrix, augment, rng, frame_shift_s=frame_shift_s, min_frames=needed[place])
                for place, matrix in zip(places, matrices, strict=True)
            ]
        loss, _ = _loss(network, matrices, [example.labels for example in chosen], blank, device)
        return BatchLoss(loss, float(max(sum(len(example.labels) for example in chosen), 1)))

    def validate(network: nn.Module, device: torch.device) -> Mapping[str, float]:
        return ctc_figures(network, valid, boundary=boundary, blank=blank, device=device)

    return TrainingTask([len(example.features) for example in train], batch_loss, validate, watched="watched")


def ctc_figures(
    network: nn.Module,
    examples: Sequence[CtcExample],
    *,
    boundary: int | None = None,
    blank: int = 0,
    device: torch.device | None = None,
) -> dict[str, float]:
    """Return loss a label, and token and word errors of greedy decoding in percent, see `ctc_task`."""
    device = device or torch.device("cpu")
    loss = labels = token_errors = words = word_errors = 0.0
    with torch.no_grad():
        for places in batches_of([len(example.features) for example in examples], _VALIDATION_FRAMES):
            chosen = [examples[place] for place in places]
            references = [example.labels for example in chosen]
            total, found = _loss(network, [example.features for example in chosen], references, blank, device)
            loss += float(total)
            for reference, hypothesis in zip(references, found, strict=True):
                labels += len(reference)
                token_errors += edit_distance(reference, hypothesis)
                spoken, heard = words_of(reference, boundary), words_of(hypothesis, boundary)
                words += len(spoken)
                word_errors += edit_distance(spoken, heard)
    figures = {
        "loss": loss / max(labels, 1.0),
        "token_errors": 100 * token_errors / max(labels, 1.0),
        "word_errors": 100 * word_errors / max(words, 1.0),
    }
    return {**figures, "watched": figures["token_errors"] + _LOSS_WEIGHT * figures["loss"]}


def words_of(labels: Sequence[int], boundary: int | None) -> list[tuple[int, ...]]:
    """Cut labels into words at the boundary; empty words are none.

    >>> words_of([1, 2, 9, 9, 3], 9), words_of([1, 2], None)
    ([(1, 2), (3,)], [(1, 2)])
    """
    words: list[tuple[int, ...]] = []
    current: list[int] = []
    for label in labels:
        if label != boundary:
            current.append(label)
        elif current:
            words.append(tuple(current))
            current = []
    return [*words, tuple(current)] if current else words


def edit_distance(reference: Sequence[object], hypothesis: Sequence[object]) -> int:
    """Return the least number of insertions, deletions and substitutions that make one of the other.

    >>> edit_distance("hello", "hullo"), edit_distance([], [1])
    (1, 1)
    """
    row = list(range(len(hypothesis) + 1))
    for first, wanted in enumerate(reference, start=1):
        corner, row[0] = row[0], first
        for second, given in enumerate(hypothesis, start=1):
            corner, row[second] = row[second], min(row[second] + 1, row[second - 1] + 1, corner + (wanted != given))
    return row[-1]


def _loss(
    network: nn.Module,
    matrices: Sequence[NDArray[np.float32]],
    labels: Sequence[tuple[int, ...]],
    blank: int,
    device: torch.device,
) -> tuple[torch.Tensor, list[list[int]]]:
    """Return the summed loss and, in evaluation mode, the labels of greedy decoding."""
    features, lengths = padded(matrices)
    log_probs, frames = network(features.to(device), lengths.to(device))
    sizes = torch.tensor([len(one) for one in labels])
    targets = torch.tensor([label for one in labels for label in one], dtype=torch.long)
    loss = ctc_loss(
        log_probs.transpose(0, 1),
        targets.to(device),
        frames.cpu(),
        sizes,
        blank=blank,
        reduction="sum",
        zero_infinity=True,
    )
    found = []
    if not network.training:
        scores = log_probs.detach().cpu().numpy()
        counts = frames.tolist()
        found = [
            greedy_search(matrix[:count], blank=blank).labels for matrix, count in zip(scores, counts, strict=True)
        ]
    return loss, found
