"""CPU seconds, wall seconds and peak memory of a stretch of work, processes that it started included."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Usage:
    """What some work took; filled in when it ends.

    Attributes:
        cpu_seconds: of this process, its threads and the child processes that ended meanwhile.
        wall_seconds: as a clock on the wall tells.
        peak_mb: largest resident memory of this process meanwhile, or of a child process where that is a new maximum.
    """

    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_mb: float = 0.0


@contextmanager
def measured() -> Iterator[Usage]:
    """Measure the block.

    >>> with measured() as usage:
    ...     _ = sum(range(1000))
    >>> usage.cpu_seconds >= 0 and usage.peak_mb > 1
    True
    """
    usage = Usage()
    with suppress(OSError):  # Linux: start the high-water mark anew
        Path("/proc/self/clear_refs").write_text("5")
    cpu, wall, child_peak = cpu_seconds(), time.perf_counter(), _child_peak_mb()
    try:
        yield usage
    finally:
        usage.cpu_seconds = round(cpu_seconds() - cpu, 3)
        usage.wall_seconds = round(time.perf_counter() - wall, 3)
        largest_child = _child_peak_mb()
        usage.peak_mb = round(max(_own_peak_mb(), largest_child if largest_child > child_peak else 0.0), 1)


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its children that ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


def _own_peak_mb() -> float:
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _child_peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
