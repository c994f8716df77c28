"""Train the same network undisturbed, and killed at random moments and started again; print both weights' hashes.

    python tests/neural/killed_training.py FOLDER SEED

Each start is a fork, killed with SIGKILL after a random time, until one comes to its end.
"""

import json
import os
import random
import signal
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from wfst_asr.neural.checkpoint import Checkpoint
from wfst_asr.neural.ctc_task import CtcExample, ctc_task
from wfst_asr.neural.fit import FitResult, fit, seeded
from wfst_asr.neural.networks import RecurrentNetwork
from wfst_asr.neural.options import AugmentOptions, FitOptions, RecurrentOptions

SIZES = RecurrentOptions(num_features=6, num_tokens=4, hidden=8, dropout=0.2)


def examples(count: int, seed: int) -> list[CtcExample]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        labels = rng.integers(1, 4, size=rng.integers(1, 4))
        rows = np.repeat(np.eye(6)[labels], 8, axis=0) + 0.3 * rng.standard_normal((8 * len(labels), 6))
        found.append(CtcExample(rows.astype(np.float32), tuple(labels.tolist())))
    return found


def train(checkpoint: Path | None, seed: int) -> tuple[FitResult, str]:
    network = seeded(seed, lambda: RecurrentNetwork(SIZES))
    task = ctc_task(examples(40, 1), examples(10, 2), subsample=2, augment=AugmentOptions(band_width=2, noise=0.1))
    options = FitOptions(
        epochs=6, batch_frames=120, learning_rate=0.01, average=0.9, seed=seed, checkpoint_steps=3, schedule="plateau"
    )
    result = fit(network, task, options, checkpoint=Checkpoint(checkpoint, "the same"))
    content = b"".join(value.numpy().tobytes() for value in network.state_dict().values())
    return result, sha256(content).hexdigest()


def main() -> None:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    train(None, seed)  # the first one is slow
    began = time.monotonic()
    result, undisturbed = train(None, seed)
    seconds = time.monotonic() - began
    kills, resumed = 0, 0
    chance = random.Random(seed)
    while True:
        child = os.fork()
        if child == 0:
            again, found = train(folder / "checkpoint", seed)
            told = {"hash": found, "history": [record["train_loss"] for record in again.history]}
            (folder / "told.json").write_text(json.dumps({**told, "resumed": again.resumed_at is not None}))
            os._exit(0)
        deadline = time.monotonic() + chance.uniform(0.05, 0.6) * seconds * (1 + kills / 10)
        while (done := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
            time.sleep(0.001)
        if done[0] != 0:
            assert done[1] == 0, f"the child ended with status {done[1]}"
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
        resumed += (folder / "checkpoint").exists()
    told = json.loads((folder / "told.json").read_text())
    history = [record["train_loss"] for record in result.history]
    print(json.dumps({"kills": kills, "same": told["hash"] == undisturbed and told["history"] == history, **told}))


if __name__ == "__main__":
    main()
