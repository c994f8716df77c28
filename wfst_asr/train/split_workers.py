"""SplitWorkers: a corpus cut into splits, each held by one worker process, and functions mapped over the splits.

The splits do not depend on the number of workers, and results come in the order of the splits, so that merged
statistics have the same bytes however many workers there are.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from wfst_asr.errors import WfstAsrError

S = TypeVar("S")
R = TypeVar("R")
P = ParamSpec("P")

_GRACE = 5  # seconds that a pool has to notice that its process is gone
_held: list[Any] = []  # in a worker process: its splits; set once, when the process begins


class SplitWorkers(Generic[S]):
    """Splits of a corpus and the processes that hold them; use as a context manager.

    A split may be changed by the functions that run on it: it lives in one process.  With one job all runs in this
    process.

    Args:
        splits: what `map` runs over; they are handed to the processes once.
        num_jobs: processes.

    >>> with SplitWorkers([[1, 2], [3]], num_jobs=1) as workers:
    ...     workers.map(lambda split, factor: sum(split) * factor, 10)
    [30, 30]
    """

    def __init__(self, splits: Sequence[S], *, num_jobs: int = 1) -> None:
        if num_jobs < 1:
            raise WfstAsrError(f"num_jobs is {num_jobs}; expected at least 1")
        self._splits = list(splits)
        self._workers: list[ProcessPoolExecutor] = []
        self._processes: list[int] = []
        jobs = min(num_jobs, len(self._splits))
        if jobs > 1:
            context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
            for job in range(jobs):
                held = self._splits[job::jobs]
                self._workers.append(ProcessPoolExecutor(1, context, initializer=_hold, initargs=(held,)))
            self._processes = [worker.submit(os.getpid).result() for worker in self._workers]

    def __enter__(self) -> "SplitWorkers[S]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            self._abandon()
        else:
            self.close()

    def __len__(self) -> int:
        return len(self._splits)

    def map(self, function: Callable[Concatenate[S, P], R], *args: P.args, **kwargs: P.kwargs) -> list[R]:
        """Run `function(split, *args, **kwargs)` on every split; results in the order of the splits.

        Raises:
            WfstAsrError: a process was killed (most often for memory); what the function raises.
        """
        if not self._workers:
            return [function(split, *args, **kwargs) for split in self._splits]
        jobs = len(self._workers)
        futures: list[Future[R]] = []
        try:
            for index in range(len(self._splits)):
                futures.append(self._workers[index % jobs].submit(_run, function, index // jobs, args, kwargs))
            return [self._result(future, self._processes[at % jobs]) for at, future in enumerate(futures)]
        except BrokenProcessPool as error:
            self._abandon()
            raise WfstAsrError(
                "a worker process was killed, most often because the memory was full; use fewer jobs (--num-jobs)"
            ) from error
        except Exception:
            for future in futures:
                future.cancel()
            raise

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.shutdown(wait=True, cancel_futures=True)
        self._workers, self._processes = [], []

    def _result(self, future: Future[R], process: int) -> R:
        """Wait for a result; a process that is killed while it writes one leaves its pool waiting for the rest."""
        gone = 0
        while not future.done() and gone < _GRACE:
            with suppress(TimeoutError):
                future.exception(timeout=1.0)
            gone = gone + 1 if process not in {child.pid for child in multiprocessing.active_children()} else 0
        if not future.done():
            raise BrokenProcessPool(f"process {process} ended without a result")
        return future.result()

    def _abandon(self) -> None:
        """Kill the processes, whatever they do; what they had begun to write is given up."""
        children = [child for child in multiprocessing.active_children() if child.pid in self._processes]
        for child in children:
            child.kill()
        for child in children:
            child.join()
        for worker in self._workers:
            # without these ends, which a killed process leaves to this one, the pool's threads wait no more
            for queue, end in (("_result_queue", "_writer"), ("_call_queue", "_reader")):
                with suppress(AttributeError, OSError):
                    getattr(getattr(worker, queue), end).close()
        for worker in self._workers:
            worker.shutdown(wait=True)
        self._workers, self._processes = [], []


def _hold(splits: list[Any]) -> None:
    """Begin a worker process: Ctrl-C is for the parent to handle, and without the parent it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _held[:] = splits


def _end_with_parent() -> None:
    """Wait until the parent process is gone, killed perhaps, and end this one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(function: Callable[..., R], index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
    return function(_held[index], *args, **kwargs)
