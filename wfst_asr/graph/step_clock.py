"""Times the steps of a compilation and tells them while they run."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wfst_asr.fst.manifest import Step

Report = Callable[[str, Step | None], None]


class StepSize:
    """Takes the size of the machine that a step made."""

    def __init__(self) -> None:
        self.states = 0
        self.arcs = 0

    def set(self, states: int, arcs: int) -> None:
        self.states, self.arcs = int(states), int(arcs)


class StepClock:
    """Records name, size, time and memory of each step.

    Args:
        report: called with (name, None) when a step begins and with (name, Step) when it ends.

    >>> clock = StepClock()
    >>> with clock.step("L") as size:
    ...     size.set(3, 4)
    >>> clock.done[0].name, clock.done[0].arcs
    ('L', 4)
    """

    def __init__(self, report: Report | None = None) -> None:
        self.done: list[Step] = []
        self._report = report

    @contextmanager
    def step(self, name: str) -> Iterator[StepSize]:
        """Time the block; a block that raises leaves no record."""
        if self._report:
            self._report(name, None)
        wall, cpu = time.perf_counter(), time.process_time()
        size = StepSize()
        yield size
        record = Step(
            name=name,
            states=size.states,
            arcs=size.arcs,
            seconds=round(time.perf_counter() - wall, 3),
            cpu_seconds=round(time.process_time() - cpu, 3),
            peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        )
        self.done.append(record)
        if self._report:
            self._report(name, record)
