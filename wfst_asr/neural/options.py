"""Sizes of a network, how it is trained, and the learning rate that follows; without PyTorch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wfst_asr.errors import WfstAsrError

SCHEDULES = ("cosine", "plateau", "constant")
CELLS = ("lstm", "gru")


@dataclass(frozen=True)
class RecurrentOptions:
    """Sizes of a `RecurrentNetwork`.

    Attributes:
        num_features: columns of the features.
        num_tokens: columns of the scores, blank among them.
        subsample: frames of features a frame of scores: 2 makes 20 ms of 10 ms.
        kernel: frames that the convolution sees, an odd number; its stride is `subsample`.
        num_layers: recurrent layers.
        hidden: units of a layer in each direction.
        cell: "lstm" or "gru"; on CPUs the former is the faster one.
        dropout: share of the values that are set to 0 between layers, in training.
        centred: take each utterance's own mean off first, before the stored one.
    """

    num_features: int = 1
    num_tokens: int = 2
    subsample: int = 2
    kernel: int = 5
    num_layers: int = 2
    hidden: int = 128
    cell: str = "lstm"
    dropout: float = 0.2
    centred: bool = True

    def __post_init__(self) -> None:
        for name in ("num_features", "num_tokens", "subsample", "kernel", "num_layers", "hidden"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise WfstAsrError(f"{name} is {value!r}; expected a whole number of at least 1")
        if self.kernel % 2 == 0:
            raise WfstAsrError(f"kernel is {self.kernel}; expected an odd number of frames")
        if self.cell not in CELLS:
            raise WfstAsrError(f"cell is '{self.cell}'; expected one of: {', '.join(CELLS)}")
        if not 0 <= self.dropout < 1:
            raise WfstAsrError(f"dropout is {self.dropout}; expected 0 or more and less than 1")

    def output_frames(self, frames: int) -> int:
        """Return the frames of scores that so many frames of features give: a whole or begun `subsample` each.

        >>> [RecurrentOptions(40, 28).output_frames(frames) for frames in (0, 1, 2, 3)]
        [0, 1, 1, 2]
        """
        return -(-frames // self.subsample)


@dataclass(frozen=True)
class FitOptions:
    """Options of `wfst_asr.neural.fit.fit`.

    Attributes:
        epochs: passes over the training data at most.
        batch_frames: frames of a batch at most, padding included; a longer utterance is a batch of its own.
        learning_rate: the highest, of AdamW.
        weight_decay: of AdamW.
        schedule: after the warm-up "cosine" falls to `final_share` at the last epoch, "plateau" halves after each
            `halve_after` epochs in a row without a better validation, "constant" stays.
        warmup_epochs: over which the rate rises from 0; a fraction is fine.
        final_share: of the highest rate, where the cosine ends.
        halve_after: see "plateau".
        patience: epochs in a row without a better validation after which training stops; 0 goes on to the last.
        clip: largest norm of the gradient; 0 does not clip.
        average: memory of the running average of the weights that is validated and kept, such as 0.999; 0: none.
        seed: of the order of batches, of dropout and of augmentation.
        threads: of PyTorch; another number may change the last bits of the weights.
        device: "auto" takes a GPU where there is one, else the CPU; or a name of PyTorch's.
        checkpoint_s: seconds between checkpoints at least; one more is made at the end of each epoch.
        checkpoint_steps: batches between checkpoints, in place of the seconds; 0 goes by the seconds.
    """

    epochs: int = 40
    batch_frames: int = 6000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    schedule: str = "cosine"
    warmup_epochs: float = 1.0
    final_share: float = 0.01
    halve_after: int = 3
    patience: int = 0
    clip: float = 5.0
    average: float = 0.0
    seed: int = 0
    threads: int = 1
    device: str = "auto"
    checkpoint_s: float = 20.0
    checkpoint_steps: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_frames", "threads", "halve_after"):
            if getattr(self, name) < 1:
                raise WfstAsrError(f"{name} is {getattr(self, name)}; expected at least 1")
        for name in ("weight_decay", "warmup_epochs", "patience", "clip", "seed", "checkpoint_s", "checkpoint_steps"):
            if not getattr(self, name) >= 0:
                raise WfstAsrError(f"{name} is {getattr(self, name)}; expected 0 or more")
        if not self.learning_rate > 0:
            raise WfstAsrError(f"learning_rate is {self.learning_rate}; expected a number above 0")
        if not 0 <= self.average < 1:
            raise WfstAsrError(f"average is {self.average}; expected 0 or more and less than 1")
        if not 0 <= self.final_share <= 1:
            raise WfstAsrError(f"final_share is {self.final_share}; expected 0 to 1")
        if self.schedule not in SCHEDULES:
            raise WfstAsrError(f"schedule is '{self.schedule}'; expected one of: {', '.join(SCHEDULES)}")

    def rate_at(self, epochs_done: float, watched: Sequence[float] = ()) -> float:
        """Return the learning rate.

        Args:
            epochs_done: with the fraction of the current epoch.
            watched: the validation figure of each epoch so far, lower is better; only "plateau" looks at it.

        >>> options = FitOptions(epochs=11, learning_rate=1.0, final_share=0.0)
        >>> [round(options.rate_at(at), 3) for at in (0.0, 0.5, 1.0, 6.0, 11.0)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
        >>> plateau = FitOptions(learning_rate=1.0, schedule="plateau", warmup_epochs=0, halve_after=2)
        >>> plateau.rate_at(4.0, [9.0, 7.0, 8.0, 7.5]), plateau.rate_at(4.0, [9.0, 7.0, 8.0, 6.0])
        (0.5, 1.0)
        """
        if epochs_done < self.warmup_epochs:
            return self.learning_rate * epochs_done / self.warmup_epochs
        if self.schedule == "cosine":
            rest = max(self.epochs - self.warmup_epochs, 1e-9)
            share = min((epochs_done - self.warmup_epochs) / rest, 1.0)
            return self.learning_rate * (
                self.final_share + (1 - self.final_share) * 0.5 * (1 + math.cos(math.pi * share))
            )
        if self.schedule == "plateau":
            return self.learning_rate * 0.5 ** _plateaus(watched, self.halve_after)
        return self.learning_rate


@dataclass(frozen=True)
class AugmentOptions:
    """How features are varied; all zeros leave them as they are.

    Attributes:
        band_masks: masks over bands an utterance.
        band_width: bands of such a mask at most.
        frame_masks: masks over time a second.
        frame_width: frames of such a mask at most.
        tempo: the length changes by a factor up to 1 + tempo, either way.
        warp: frequencies change by a factor up to 1 + warp, either way.
        noise: standard deviation of what is added to each value, drawn anew for each utterance up to this.
        share: of the utterances that are varied.
    """

    band_masks: int = 2
    band_width: int = 6
    frame_masks: float = 1.0
    frame_width: int = 8
    tempo: float = 0.15
    warp: float = 0.1
    noise: float = 0.0
    share: float = 1.0

    def __post_init__(self) -> None:
        for name in ("band_masks", "band_width", "frame_masks", "frame_width", "tempo", "warp", "noise"):
            if not getattr(self, name) >= 0:
                raise WfstAsrError(f"{name} is {getattr(self, name)}; expected 0 or more")
        if not 0 <= self.share <= 1:
            raise WfstAsrError(f"share is {self.share}; expected 0 to 1")


NO_AUGMENTATION = AugmentOptions(0, 0, 0.0, 0, 0.0, 0.0, 0.0, 0.0)


def epochs_without_gain(watched: Sequence[float]) -> int:
    """Return how many epochs at the end are no better than the best before them.

    >>> epochs_without_gain([3.0, 2.0, 2.5, 2.0]), epochs_without_gain([])
    (2, 0)
    """
    return len(watched) - 1 - list(watched).index(min(watched)) if watched else 0


def _plateaus(watched: Sequence[float], length: int) -> int:
    """Count the stretches of `length` epochs without a gain, each counted anew after a halving."""
    best, waited, halvings = math.inf, 0, 0
    for value in watched:
        best, waited = (value, 0) if value < best else (best, waited + 1)
        if waited == length:
            halvings, waited = halvings + 1, 0
    return halvings
