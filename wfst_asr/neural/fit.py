"""Train a network: any network, any loss, on batches that can be told by the places of their utterances.

    task = TrainingTask(lengths, batch_loss, validate)
    result = fit(network, task, FitOptions(epochs=20), checkpoint=Checkpoint(path, key))

`batch_loss` gets the network, the places of a batch's utterances, a random generator of that batch alone (for
augmentation) and the device, and returns the loss summed over the batch with the number it is to be divided by: frames,
utterances or labels.  `validate` gets the network in evaluation mode and returns figures; the watched one, lower is
better, decides which weights are kept.

What a batch draws (order, dropout, augmentation) depends only on seed, epoch and place in the epoch.  So a state is the
weights, the optimizer's moments, the average, the best weights, and the position; a training that is killed and started
again ends in the same weights, bit for bit on one kind of CPU, as one that was left alone.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wfst_asr.errors import WfstAsrError
from wfst_asr.neural.batches import batches_of
from wfst_asr.neural.checkpoint import Checkpoint
from wfst_asr.neural.options import FitOptions, epochs_without_gain

Figures = dict[str, float]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BatchLoss:
    """The loss of a batch.

    Attributes:
        total: scalar, summed over the batch; its gradient is taken.
        count: what it is divided by.
    """

    total: Tensor
    count: float


@dataclass(frozen=True)
class TrainingTask:
    """What a network is trained for.

    Attributes:
        lengths: frames of each training utterance; they make the batches.
        batch_loss: (network, places, rng, device) -> BatchLoss.
        validate: (network, device) -> figures by name, of data that is not trained on; without gradients.
        watched: the figure of `validate` that decides, lower is better.
    """

    lengths: Sequence[int]
    batch_loss: Callable[[nn.Module, Sequence[int], np.random.Generator, torch.device], BatchLoss]
    validate: Callable[[nn.Module, torch.device], Mapping[str, float]]
    watched: str = "loss"


@dataclass
class FitResult:
    """What `fit` returns; the network has the best weights then.

    Attributes:
        history: a record an epoch: "epoch" (from 1), "train_loss", "learning_rate", "cpu_seconds", and the figures of
            validation.
        best_epoch: whose weights were kept.
        stopped: why it ended: "all epochs", or "no gain in N epochs".
        resumed_at: (epochs, batches of the next one) that a checkpoint had; None where it began anew.
    """

    history: list[Figures]
    best_epoch: int
    stopped: str
    resumed_at: tuple[int, int] | None


@dataclass
class _State:
    """Where a training is; all of it goes into a checkpoint."""

    network: nn.Module
    averaged: nn.Module | None
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    step: int = 0  # batches of the epoch that are done
    steps: int = 0  # batches done in all
    total: float = 0.0  # of the epoch
    count: float = 0.0
    cpu_seconds: float = 0.0
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[Figures] = field(default_factory=list)

    _NUMBERS = ("epoch", "step", "steps", "total", "count", "cpu_seconds", "best_epoch")

    def record(self) -> dict[str, Any]:
        told: dict[str, Any] = {name: getattr(self, name) for name in self._NUMBERS}
        told.update(network=self.network.state_dict(), optimizer=self.optimizer.state_dict())
        told.update(best=self.best, history=self.history)
        if self.averaged is not None:
            told["averaged"] = self.averaged.state_dict()
        return told

    def restore(self, told: Mapping[str, Any]) -> None:
        for name in self._NUMBERS:
            setattr(self, name, told[name])
        self.network.load_state_dict(told["network"])
        self.optimizer.load_state_dict(told["optimizer"])
        self.best, self.history = told["best"], told["history"]
        if self.averaged is not None:
            self.averaged.load_state_dict(told["averaged"])

    def validated(self) -> nn.Module:
        return self.averaged if self.averaged is not None else self.network


def fit(
    network: nn.Module,
    task: TrainingTask,
    options: FitOptions | None = None,
    *,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    on_epoch: Callable[[Sequence[Figures]], None] | None = None,
) -> FitResult:
    """Train a network; it ends on the CPU with the weights of the epoch whose validation was best.

    Args:
        network: with its first weights (see `seeded`), which a checkpoint replaces.
        task: data and loss.
        options: see FitOptions.
        checkpoint: where to keep the state, and to take it up from; it stays when the training ends, so that the same
            call again returns at once.
        progress: called with ("epoch 3, loss 0.51", batches done, of) after each batch.
        on_epoch: called with the history after each epoch.

    Raises:
        WfstAsrError: nothing to train on, or a loss or gradient that is no number.
    """
    options = options or FitOptions()
    kept = checkpoint or Checkpoint()
    if not task.lengths:
        raise WfstAsrError("there is no utterance to train on")
    device = device_named(options.device)
    with torch_threads(options.threads), torch.random.fork_rng(range(torch.cuda.device_count())):
        network.to(device)
        averaged = copy.deepcopy(network).requires_grad_(False) if options.average else None
        decay = options.weight_decay
        optimizer = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=decay)
        state = _State(network, averaged, optimizer)
        stored = kept.load()
        if stored is not None:
            state.restore(stored)
        resumed_at = (state.epoch, state.step) if stored is not None else None
        while not (stopped := _reason_to_stop(state, task, options)):
            _epoch(state, task, options, kept, device, progress)
            if on_epoch is not None:
                on_epoch(state.history)
        network.load_state_dict(state.best)
        network.to("cpu").eval()
    return FitResult(state.history, state.best_epoch, stopped, resumed_at)


def _reason_to_stop(state: _State, task: TrainingTask, options: FitOptions) -> str:
    if state.epoch >= options.epochs:
        return "all epochs"
    without = epochs_without_gain(_watched(state, task))
    return f"no gain in {without} epochs" if options.patience and without >= options.patience else ""


def _watched(state: _State, task: TrainingTask) -> list[float]:
    return [figures[task.watched] for figures in state.history]


def _epoch(
    state: _State,
    task: TrainingTask,
    options: FitOptions,
    kept: Checkpoint,
    device: torch.device,
    progress: Progress | None,
) -> None:
    """Go on from the state to the end of its epoch."""
    order = np.random.default_rng([options.seed, state.epoch])
    batches = batches_of(task.lengths, options.batch_frames, order)
    watched = _watched(state, task)
    saved_at, cpu_before, cpu_began = time.monotonic(), state.cpu_seconds, time.process_time()
    while state.step < len(batches):
        rate = options.rate_at(state.epoch + (state.step + 1) / len(batches), watched)
        _batch(state, batches[state.step], task, options, device, rate)
        state.cpu_seconds = cpu_before + time.process_time() - cpu_began
        if progress is not None:
            progress(f"epoch {state.epoch + 1}, loss {state.total / state.count:.3f}", state.step, len(batches))
        late = time.monotonic() - saved_at >= options.checkpoint_s
        if state.step < len(batches) and (
            state.step % options.checkpoint_steps == 0 if options.checkpoint_steps else late
        ):
            kept.save(state.record())
            saved_at = time.monotonic()
    network = state.validated().eval()
    with torch.no_grad():
        figures = dict(task.validate(network, device))
    state.cpu_seconds = cpu_before + time.process_time() - cpu_began
    state.history = [
        *state.history,
        {
            "epoch": state.epoch + 1,
            "train_loss": state.total / state.count,
            "learning_rate": rate if batches else 0.0,
            **figures,
            "cpu_seconds": round(state.cpu_seconds, 2),
        },
    ]
    if epochs_without_gain(_watched(state, task)) == 0:
        state.best_epoch = state.epoch + 1
        state.best = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
    state.epoch, state.step, state.total, state.count = state.epoch + 1, 0, 0.0, 0.0
    kept.save(state.record())


def _batch(
    state: _State,
    places: tuple[int, ...],
    task: TrainingTask,
    options: FitOptions,
    device: torch.device,
    rate: float,
) -> None:
    """Take one step; everything random in it comes from seed, epoch and step."""
    rng = np.random.default_rng([options.seed, state.epoch, state.step, 1])
    torch.manual_seed(int(rng.integers(1 << 62)))
    state.network.train()
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.zero_grad(set_to_none=True)
    loss = task.batch_loss(state.network, places, rng, device)
    mean = loss.total / loss.count
    mean.backward()  # type: ignore[no-untyped-call]
    value = float(loss.total.detach())
    norm = float(nn.utils.clip_grad_norm_(state.network.parameters(), options.clip or math.inf))
    if not math.isfinite(value) or not math.isfinite(norm):
        what = f"loss is {value:g}" if not math.isfinite(value) else f"gradient's norm is {norm:g}"
        raise WfstAsrError(
            f"the {what} in epoch {state.epoch + 1}, batch {state.step + 1}; lower the learning rate "
            f"({options.learning_rate:g}) or look for features that are no numbers"
        )
    state.optimizer.step()
    state.step, state.steps = state.step + 1, state.steps + 1
    state.total, state.count = state.total + value, state.count + loss.count
    if state.averaged is not None:
        memory = min(options.average, state.steps / (state.steps + 10))
        pairs = zip(state.averaged.state_dict().values(), state.network.state_dict().values(), strict=True)
        with torch.no_grad():
            for average, current in pairs:
                if average.is_floating_point():
                    average.lerp_(current, 1 - memory)
                else:
                    average.copy_(current)


def seeded(seed: int, make: Callable[[], nn.Module]) -> nn.Module:
    """Return what `make` returns with PyTorch's random numbers begun at a seed; those of the caller stay as they are.

    >>> first, second = (seeded(3, lambda: nn.Linear(2, 2)) for _ in range(2))
    >>> bool((first.weight == second.weight).all())
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def device_named(name: str) -> torch.device:
    """Return a device of PyTorch; "auto" is a GPU where there is one, else the CPU.

    Raises:
        WfstAsrError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise WfstAsrError(f"device '{name}' is not there; expected auto, cpu, cuda or cuda:N") from error
    return device


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let PyTorch use so many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
