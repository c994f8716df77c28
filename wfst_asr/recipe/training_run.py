"""A training stage under way: its log and its checkpoint, in a hidden folder inside the folder of the model."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.train.checkpoint import Checkpoint
from wfst_asr.train.iterations import IterationRecord, Progress

LOG_NAME = "log.jsonl"
RUNNING_NAME, CHECKPOINT_NAME = ".training", "checkpoint.npz"
Step = Callable[[str, int, int], None]


@dataclass(frozen=True)
class TrainingRun:
    """What a stage tells while it runs.

    Attributes:
        progress: for the stage.
        log: file with a line for every iteration.
    """

    progress: Progress
    log: Path

    @property
    def log_likelihood_per_frame(self) -> float:
        """Of the last iteration; not a number where there was none."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return float(json.loads(lines[-1])["log_likelihood_per_frame"]) if lines else float("nan")


@contextmanager
def training_run(folder: Path, key: str, step: Step) -> Iterator[TrainingRun]:
    """Yield the log and the checkpoint of a stage; what is in `folder` besides stays as it is.

    A block that ends leaves nothing; one that raises leaves the checkpoint and the log for the next run with the same
    key, where there is a checkpoint, and else nothing.

    Args:
        folder: of the model.
        key: stands for inputs and options.
        step: told what is done.

    Raises:
        WfstAsrError: the folder cannot be written.
    """
    running = folder / RUNNING_NAME
    made = [place for place in (folder, *folder.absolute().parents) if not place.exists()]
    try:
        try:
            running.mkdir(parents=True, exist_ok=True)
            log = _Log(running / LOG_NAME)
            checkpoint = Checkpoint(running / CHECKPOINT_NAME, key)
            checkpoint.remove_of_others()
        except OSError as error:
            raise WfstAsrError(
                f"{folder}: cannot be written ({error.strerror}); choose a folder that you may write to"
            ) from error
        yield TrainingRun(Progress(step, log.write, checkpoint), log.path)
        shutil.rmtree(running, ignore_errors=True)
    except BaseException:
        if not (running / CHECKPOINT_NAME).exists():
            shutil.rmtree(running, ignore_errors=True)
            with suppress(OSError):
                for place in made:
                    place.rmdir()
        raise


def log_of(model_dir: Path) -> Path:
    """Return the log of the training under way in a model's folder, or of the one that made the model.

    >>> log_of(Path("mono")).as_posix()
    'mono/log.jsonl'
    """
    running = model_dir / RUNNING_NAME / LOG_NAME
    return running if running.exists() and running.stat().st_size > 0 else model_dir / LOG_NAME


class _Log:
    """A file of iterations; a run that goes on from a checkpoint keeps the lines of the iterations before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begun = False
        self.path.touch()

    def write(self, record: IterationRecord) -> None:
        line = json.dumps(asdict(record)) + "\n"
        try:
            if not self._begun:
                kept = _before(self.path, record.iteration)
                self.path.write_text("".join(kept), encoding="utf-8")
                self._begun = True
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise WfstAsrError(
                f"{self.path}: writing failed ({error.strerror}); free some space or choose another folder"
            ) from error


def _before(path: Path, iteration: int) -> list[str]:
    """Return the whole lines of a log before an iteration."""
    kept = []
    with suppress(ValueError, KeyError, TypeError):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if not line.endswith("\n") or json.loads(line)["iteration"] >= iteration:
                break
            kept.append(line)
    return kept
