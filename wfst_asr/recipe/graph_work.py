"""What the compilers of graph folders have in common: finished graphs are not made again, killed runs are taken up.

While a graph is compiled its folder has a hidden one, `.steps`, with a lock, the finished steps, and at the end the new
files, which are moved up together.
"""

import errno
import fcntl
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from wfst_asr.atomic_files import check_writable_folder
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.content_hash import content_sha256, file_sha256
from wfst_asr.fst.manifest import Manifest, read_manifest
from wfst_asr.graph.forecast import Forecast, ngrams_that_fit
from wfst_asr.graph.memory_limits import GraphLimitError, GraphLimits, StepGuard, shown_bytes
from wfst_asr.graph.step_clock import FORMAT, Report, StepClock
from wfst_asr.graph.step_store import StepStore

WORK_NAME = ".steps"
_NEW = f"{WORK_NAME}/new"
_TRIES, _WAIT_S = 10, 0.03
_CLEARLY = 1.25  # a forecast may be wrong by so much
_PACKAGES = ("wfst-asr", "numpy", "numba", "pynini")


@dataclass(frozen=True)
class GraphRun:
    """How a compilation is run; nothing of it changes the graph.

    Attributes:
        force: compile a graph that is up to date, and take over no step.
        keep_steps: keep what all steps made, for compilations with other options or another model.
        limits: memory and states.
        tell: called with the forecast before the first large step.
    """

    force: bool = False
    keep_steps: bool = False
    limits: GraphLimits = field(default_factory=GraphLimits)
    tell: Callable[[Forecast], None] | None = None


def advise_pruning(ngrams: int) -> str:
    """Return what to do where a graph is too large for its limits."""
    number = f"{ngrams:,} n-grams would fit: " if ngrams else ""
    option = f"--max-ngrams {ngrams}" if ngrams else "--max-ngrams N"
    return f"prune the language model ({number}wfst-asr lm prune LM SMALLER {option})"


def advise_pruning_or_parts(ngrams: int) -> str:
    """Return the same for graphs of triphones or monophones."""
    return f"{advise_pruning(ngrams)}, or decode without composing G (wfst-asr graph compile --on-the-fly)"


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages whose code makes graphs; OpenFst's comes with pynini."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def graph_key(kind: str, inputs: Mapping[str, str], options: Mapping[str, Any]) -> str:
    """Return the hash of everything that a graph folder depends on."""
    version = package_versions().get("wfst-asr", "")
    return content_sha256(
        FORMAT,
        version,
        kind,
        tuple(sorted(inputs.items())),
        tuple(sorted((name, repr(v)) for name, v in options.items())),
    )


def finished_graph(folder: str | os.PathLike[str], key: str, run: GraphRun, *, method: str = "auto") -> Manifest | None:
    """Return the manifest of a graph folder that was made with this key and whose files are what they were.

    Reads and hashes the folder's files: a second for two gigabytes.  None too where it was made by another method than
    the one asked for, or where it is to be compiled anew.  What a killed run left in it goes, unless steps are kept.
    """
    target = Path(folder)
    try:
        manifest = read_manifest(target)
        if run.force or manifest.key != key or method not in ("auto", manifest.options.get("method", method)):
            return None
        if not manifest.outputs or any(file_sha256(target / n) != h for n, h in manifest.outputs.items()):
            return None
    except (WfstAsrError, OSError):
        return None
    if not run.keep_steps and (target / WORK_NAME).exists() and (lock := _locked(target / WORK_NAME)):
        shutil.rmtree(target / WORK_NAME, ignore_errors=True)
        lock.close()
    return manifest


@dataclass
class GraphWork:
    """A compilation under way.

    Attributes:
        clock: runs its steps.
        run: how.
        folder: the graph folder.
        inside: for `write_graph_dir`.
        store: the finished steps; None where another process compiles into the same folder.
        forecast: what was foreseen.
    """

    clock: StepClock
    run: GraphRun
    folder: Path
    inside: str
    store: StepStore | None
    forecast: Forecast | None = None

    def foresee(self, make: Callable[[], Forecast], *, advise: Callable[[int], str]) -> None:
        """Make a forecast, tell it, and refuse to begin where it is clearly beyond the limits.

        Args:
            make: the forecast.
            advise: what to do, made of the number of n-grams that would fit (0 where that is not known).

        Raises:
            GraphLimitError: the graph would be too large.
        """
        with self.clock.step("forecast") as size:
            forecast = make()
            size.set(forecast.lg_states, forecast.lg_arcs)  # of det(L o G), which were counted
        self.forecast = forecast
        if self.run.tell:
            self.run.tell(forecast)
        guard = self.clock.guard
        if guard is None:
            return
        limits, needed = guard.limits, forecast.peak_bytes
        guard.advice = advise(ngrams_that_fit(forecast, guard.memory, limits.max_states))
        guard.foreseen, guard.counting = needed, True
        sizes = f"about {forecast.states:,} states and {forecast.arcs:,} arcs"
        if needed > _CLEARLY * guard.memory:
            has = "--max-memory" if limits.max_memory else "memory available"
            raise guard.refuse(
                f"the graph would have {sizes} and need about {shown_bytes(needed)}, but {has} is "
                f"{shown_bytes(guard.memory)}"
            )
        if 0 < _CLEARLY * limits.max_states < forecast.states:
            raise guard.refuse(f"the graph would have {sizes}, but --max-states is {limits.max_states:,}")

    def write(self, write: Callable[[], Manifest]) -> Manifest:
        """Write the graph folder; where the disk is too small beside the stored steps, without them."""
        try:
            return write()
        except WfstAsrError as error:
            full = isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)
            if not full or self.store is None or self.store.is_empty:
                raise
            self.store.clear()
            return write()


@contextmanager
def graph_work(folder: str | os.PathLike[str], run: GraphRun, report: Report | None) -> Iterator[GraphWork]:
    """Yield what a compilation into `folder` works with.

    What finished steps made is kept where the block is interrupted or passes a limit, and removed where it ends or
    where the inputs are at fault.

    Args:
        folder: the graph folder.
        run: how.
        report: see StepClock.

    Raises:
        WfstAsrError: the folder cannot be written.
    """
    target = Path(folder)
    check_writable_folder(target)
    made = [place for place in (target, *target.absolute().parents) if not place.exists()]
    work = target / WORK_NAME
    guard, versions = StepGuard(run.limits), content_sha256(tuple(package_versions().items()))
    lock = _locked(work)
    if lock is None:
        yield GraphWork(StepClock(report, guard=guard), run, target, "", None)
        return
    store = StepStore(work, keep=run.keep_steps)
    keep = True
    try:
        if run.force:
            store.clear()
        clock = StepClock(report, store=store, versions=versions, guard=guard)
        yield GraphWork(clock, run, target, _NEW, store)
        keep = run.keep_steps
    except GraphLimitError:
        raise
    except WfstAsrError as error:
        keep = run.keep_steps or isinstance(error.__cause__, OSError)
        raise
    finally:
        if not keep or store.is_empty:
            shutil.rmtree(work, ignore_errors=True)
        lock.close()
        with suppress(OSError):
            for place in made:
                place.rmdir()


def _locked(work: Path) -> IO[str] | None:
    """Make the folder and hold its lock; the system lets it go when the process ends, however it ends.

    Returns None where another process has it.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = (work / "lock").open("w")
    except OSError as error:
        raise WfstAsrError(
            f"{work.parent}: cannot be written ({error.strerror}); choose a folder that you may write to"
        ) from error
    for _ in range(_TRIES):  # the child of a process that was killed may be there for a moment
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            time.sleep(_WAIT_S)
        except OSError:  # a file system without locks
            return lock
    lock.close()
    return None
