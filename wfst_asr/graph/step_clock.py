"""Times the steps of a compilation, hashes what they make, and takes up those that an earlier run finished."""

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Generic, TypeVar, cast

from wfst_asr.fst.content_hash import array_bytes, content_sha256
from wfst_asr.fst.manifest import Step
from wfst_asr.graph.memory_limits import StepGuard
from wfst_asr.graph.step_store import StepRecord, StepStore

Report = Callable[[str, Step | None], None]
T = TypeVar("T")
FORMAT = 1  # of the steps: raise it when a step makes something else of the same inputs


class StepSize:
    """Takes the size of the machine that a step made."""

    def __init__(self) -> None:
        self.states = 0
        self.arcs = 0
        self.content: Any = None

    def set(self, states: int, arcs: int, content: Any = None) -> None:
        """Set the size, and what is to be hashed: arrays, or records and tuples of them."""
        self.states, self.arcs, self.content = int(states), int(arcs), content


class Made(Generic[T]):
    """What a step made, or will make or load when it is asked for.

    Attributes:
        step: its record.
    """

    def __init__(self, step: Step, prepare: Callable[[], T]) -> None:
        self.step = step
        self._prepare = prepare
        self._value: list[T] = []

    @property
    def sha256(self) -> str:
        return self.step.sha256

    @property
    def num_states(self) -> int:
        return self.step.states

    def value(self) -> T:
        """Return it, loaded or made now if need be, and keep it."""
        if not self._value:
            self._value.append(self._prepare())
        return self._value[0]

    def forget(self) -> None:
        """Free its memory; it is loaded or made again if it is asked for."""
        self._value.clear()

    def take(self) -> T:
        """Return it and forget it, so that its memory is free when the caller has done with it."""
        self.value()
        return self._value.pop()


class StepClock:
    """Records name, size, time and memory of each step.

    Args:
        report: called with (name, None) when a step begins and with (name, Step) when it ends.
        store: keeps what steps of `run` make; None: nothing is kept.
        versions: of the packages whose code makes the steps; a step of others is not taken up.
        guard: stops steps that grow too large.

    Attributes:
        done: the records, in order, those that were taken over with the times that they once took.
        taken_over: names of the steps that an earlier run had finished.

    >>> clock = StepClock()
    >>> with clock.step("L") as size:
    ...     size.set(3, 4)
    >>> clock.done[0].name, clock.done[0].arcs
    ('L', 4)
    """

    def __init__(
        self,
        report: Report | None = None,
        *,
        store: StepStore | None = None,
        versions: str = "",
        guard: StepGuard | None = None,
    ) -> None:
        self.done: list[Step] = []
        self.taken_over: list[str] = []
        self.guard = guard
        self._store = store
        self._versions = versions
        self._report = report

    def report_to(self, report: Report | None) -> None:
        """Tell the steps from now on to another function."""
        self._report = report

    def tell(self, name: str, step: Step | None) -> None:
        """Tell that a step began or ended."""
        if self._report:
            self._report(name, step)

    @contextmanager
    def step(self, name: str) -> Iterator[StepSize]:
        """Time the block; a block that raises leaves no record."""
        size = StepSize()
        with self._timed(name, size) as finished:
            yield size
        self.done.append(finished[0])
        self.tell(name, finished[0])

    def run(
        self,
        name: str,
        make: Callable[[], T],
        *,
        of: Sequence[Made[Any]] = (),
        key: Sequence[Any] = (),
        lasting: bool = False,
    ) -> Made[T]:
        """Make a machine, or take over the one that an earlier run stored.

        The key of a step is a hash of its name, of what the machines in `of` are, of `key`, and of versions.  Where the
        store has this key, nothing is made or read before it is needed, and then only if no later step was stored.

        Args:
            name: of the step.
            make: makes a Machine or an ArcTable; it may `take` those in `of`, which are ready when it is called.
            of: the machines that it is made of.
            key: all else that it depends on: hashes, numbers, texts.
            lasting: what it made stays in the store until the end of the compilation.
        """
        digest = content_sha256(FORMAT, self._versions, name, tuple(made.sha256 for made in of), tuple(key))
        record = self._store.record(name) if self._store else None
        if record and record.key == digest:
            self.done.append(record.step)
            self.taken_over.append(name)
            return Made(record.step, lambda: self._loaded_or_made(record, make, of, lasting))
        value, step = self._made(name, make, of)
        self.done.append(step)
        made = Made(step, cast("Callable[[], T]", None))
        made._value.append(value)
        if self._store:
            self._store.save(StepRecord(digest, step), value, lasting=lasting)
        return made

    def _loaded_or_made(self, record: StepRecord, make: Callable[[], T], of: Sequence[Made[Any]], lasting: bool) -> T:
        assert self._store
        stored = self._store.load(record)
        if stored is not None:
            return cast("T", stored)
        value, step = self._made(record.step.name, make, of)
        self.taken_over.remove(step.name)
        self.done[[other.name for other in self.done].index(step.name)] = step
        self._store.save(StepRecord(record.key, step), value, lasting=lasting)
        return value

    def _made(self, name: str, make: Callable[[], T], of: Sequence[Made[Any]]) -> tuple[T, Step]:
        for made in of:
            made.value()
        size = StepSize()
        with self._timed(name, size) as finished:
            value = make()
            size.set(cast(Any, value).num_states, cast(Any, value).num_arcs, value)
        self.tell(name, finished[0])
        return value, finished[0]

    @contextmanager
    def _timed(self, name: str, size: StepSize) -> Iterator[list[Step]]:
        self.tell(name, None)
        wall, cpu = time.perf_counter(), time.process_time()
        finished: list[Step] = []
        with self.guard.watching(name, self.done) if self.guard else nullcontext():
            yield finished
        if self.guard:
            self.guard.after(name, size.states, size.arcs)
        finished.append(
            Step(
                name=name,
                states=size.states,
                arcs=size.arcs,
                bytes=array_bytes(size.content),
                sha256="" if size.content is None else content_sha256(size.content),
                seconds=round(time.perf_counter() - wall, 3),
                cpu_seconds=round(time.process_time() - cpu, 3),
                peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            )
        )
