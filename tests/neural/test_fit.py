import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.neural import killed_training
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.neural.checkpoint import Checkpoint
from wfst_asr.neural.fit import BatchLoss, TrainingTask, device_named, fit, seeded
from wfst_asr.neural.options import FitOptions

OPTIONS = FitOptions(epochs=5, batch_frames=8, learning_rate=0.05, seed=3)
POINTS = torch.linspace(-1, 1, 24).reshape(-1, 1)


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.linear(self.dropout(x))
        return found


def line_task(wanted: float = 2.0) -> TrainingTask:
    def batch_loss(
        network: nn.Module, places: Sequence[int], rng: np.random.Generator, device: torch.device
    ) -> BatchLoss:
        x = POINTS[list(places)] + 0.01 * float(rng.standard_normal())
        return BatchLoss(((network(x) - wanted * x) ** 2).sum(), len(places))

    def validate(network: nn.Module, device: torch.device) -> Mapping[str, float]:
        return {"loss": float(((network(POINTS) - wanted * POINTS) ** 2).mean().detach())}

    return TrainingTask([1] * len(POINTS), batch_loss, validate)


def weights(network: nn.Module) -> bytes:
    return b"".join(value.numpy().tobytes() for value in network.state_dict().values())


def test_a_line_is_learned_and_the_best_epoch_is_kept() -> None:
    network = seeded(0, Line)
    result = fit(network, line_task(), replace(OPTIONS, epochs=30))
    losses = [record["loss"] for record in result.history]
    assert losses[result.best_epoch - 1] == min(losses) < 0.05 * losses[0]
    assert line_task().validate(network, torch.device("cpu"))["loss"] == pytest.approx(min(losses))
    assert [record["epoch"] for record in result.history] == list(range(1, 31))
    assert result.stopped == "all epochs"
    assert result.resumed_at is None


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    found = []
    for seed in (3, 3, 4):
        network = seeded(0, Line)
        torch.rand(1)  # what the caller draws does not matter
        fit(network, line_task(), replace(OPTIONS, seed=seed))
        found.append(weights(network))
    assert found[0] == found[1] != found[2]


def test_random_numbers_and_threads_of_the_caller_stay_as_they_are() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(1)
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    fit(seeded(1, Line), line_task(), replace(OPTIONS, threads=threads + 1))
    assert torch.rand(1) == wanted
    assert torch.get_num_threads() == threads


def test_a_training_killed_at_random_moments_ends_in_the_same_weights(tmp_path: Path) -> None:
    program = [sys.executable, killed_training.__file__, str(tmp_path), "1"]
    ended = subprocess.run(program, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["kills"] >= 1
    assert told["same"]


def test_a_training_interrupted_again_and_again_ends_in_the_same_weights(tmp_path: Path) -> None:
    options = replace(OPTIONS, checkpoint_steps=1, average=0.9, schedule="plateau", halve_after=1)
    undisturbed = seeded(0, Line)
    whole = fit(undisturbed, line_task(), options)

    checkpoint, starts = Checkpoint(tmp_path / "checkpoint", "key"), 0
    while True:
        network = seeded(0, Line) if starts == 0 else seeded(7, Line)  # later weights come from the checkpoint
        starts += 1
        calls = 0

        def stop(_what: str, _at: int, _of: int) -> None:
            nonlocal calls
            calls += 1
            if calls == 2:  # the first batch has its checkpoint, the second one is lost
                raise KeyboardInterrupt

        try:
            result = fit(network, line_task(), options, checkpoint=checkpoint, progress=stop)
            break
        except KeyboardInterrupt:
            continue
    assert starts > 10
    assert weights(network) == weights(undisturbed)
    assert result.resumed_at is not None
    assert [record["train_loss"] for record in result.history] == [record["train_loss"] for record in whole.history]


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint", "key")
    first, second = seeded(0, Line), seeded(9, Line)
    fit(first, line_task(), OPTIONS, checkpoint=checkpoint)
    result = fit(second, line_task(), OPTIONS, checkpoint=checkpoint, progress=lambda *_: pytest.fail("trained"))
    assert weights(first) == weights(second)
    assert result.resumed_at == (5, 0)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[: len(content) // 2], "is damaged, or no checkpoint; training begins anew"),
        (lambda content: content[:-20] + bytes(20), "is damaged"),
        (lambda content: b"something else", "is damaged, or no checkpoint"),
        (None, "is of other data or options; training begins anew"),
    ],
)
def test_a_damaged_or_foreign_checkpoint_is_ignored_with_a_warning(
    tmp_path: Path, damage: object, message: str
) -> None:
    path = tmp_path / "checkpoint"
    fit(seeded(0, Line), line_task(), OPTIONS, checkpoint=Checkpoint(path, "key"))
    if callable(damage):
        path.write_bytes(damage(path.read_bytes()))
    key = "key" if callable(damage) else "another"
    network, anew = seeded(0, Line), seeded(0, Line)
    with pytest.warns(WfstAsrWarning, match=message):
        result = fit(network, line_task(), OPTIONS, checkpoint=Checkpoint(path, key))
    fit(anew, line_task(), OPTIONS)
    assert result.resumed_at is None
    assert weights(network) == weights(anew)


def test_training_stops_early_without_a_gain() -> None:
    network = seeded(0, Line)
    options = replace(OPTIONS, epochs=100, patience=4, schedule="constant", learning_rate=0.5)
    result = fit(network, line_task(), options)
    assert len(result.history) < 100
    assert result.stopped == "no gain in 4 epochs"
    assert result.best_epoch == len(result.history) - 4


def test_the_average_of_the_weights_is_what_is_validated() -> None:
    plain, averaged = seeded(0, Line), seeded(0, Line)
    fit(plain, line_task(), OPTIONS)
    fit(averaged, line_task(), replace(OPTIONS, average=0.99))
    assert weights(plain) != weights(averaged)


def test_a_loss_that_is_no_number_ends_in_one_sentence() -> None:
    task = line_task()

    def batch_loss(
        network: nn.Module, places: Sequence[int], rng: np.random.Generator, device: torch.device
    ) -> BatchLoss:
        loss = task.batch_loss(network, places, rng, device)
        return BatchLoss(loss.total * float("nan"), loss.count)

    with pytest.raises(WfstAsrError, match=r"the loss is nan in epoch 1, batch 1; lower the learning rate \(0.05\)"):
        fit(seeded(0, Line), replace(task, batch_loss=batch_loss), OPTIONS)


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(WfstAsrError, match="there is no utterance to train on"):
        fit(seeded(0, Line), replace(line_task(), lengths=[]), OPTIONS)


def test_a_device_that_is_not_there_is_refused() -> None:
    for name in ("cuda:99", "nonsense"):
        with pytest.raises(WfstAsrError, match=f"device '{name}' is not there; expected auto, cpu"):
            device_named(name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_is_taken_where_there_is_one() -> None:
    assert device_named("auto").type == "cuda"
    result, _ = killed_training.train(None, 1)
    assert result.history[-1]["loss"] < result.history[0]["loss"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected at least 1"),
        ({"schedule": "linear"}, "schedule is 'linear'; expected one of: cosine, plateau, constant"),
        ({"average": 1.0}, "average is 1.0; expected 0 or more and less than 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; expected a number above 0"),
        ({"clip": -1.0}, "clip is -1.0; expected 0 or more"),
    ],
)
def test_impossible_options_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(WfstAsrError, match=message):
        FitOptions(**changes)  # type: ignore[arg-type]
