"""How much memory a compilation may take, and a stop in time when a step takes more.

Kernels cannot be interrupted.  A thread looks at the memory of the process while a step runs; beyond the limit it
forbids the process any further memory, so that the kernel's next allocation fails and its step raises.
"""

import gc
import os
import resource
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.determinize import StateLimitError
from wfst_asr.fst.manifest import Step

_LOOK_S = 0.02
_ADVICE = "allow more, or prune the language model (wfst-asr lm prune)"
_GROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_USED = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")


class GraphLimitError(WfstAsrError):
    """A graph needs, or would need, more memory or states than allowed."""


@dataclass(frozen=True)
class GraphLimits:
    """How large a compilation may become.

    Attributes:
        max_memory: bytes of resident memory; 0 for what the machine, or the container, has available.
        max_states: states of the largest machine; 0 for no limit.
    """

    max_memory: int = 0
    max_states: int = 0

    def __post_init__(self) -> None:
        for name in ("max_memory", "max_states"):
            if getattr(self, name) < 0:
                raise WfstAsrError(f"{name} is {getattr(self, name)}; expected 0 (no limit given) or more")

    @property
    def memory(self) -> int:
        """The limit in bytes: the given one, else what is available now beside what this process has."""
        return self.max_memory or available_memory() + resident_memory()


def parse_size(text: str) -> int:
    """Return the bytes of "4G", "500M", "2.5g" or plain bytes.

    Raises:
        WfstAsrError: another form.

    >>> parse_size("4G"), parse_size("1.5M")
    (4294967296, 1572864)
    """
    factors = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
    plain = text.strip().lower().removesuffix("b").removesuffix("i")
    with suppress(ValueError, OverflowError):
        size = int(float(plain.rstrip("kmgt")) * factors[plain[-1]]) if plain[-1:] in factors else int(plain)
        if size > 0:
            return size
    raise WfstAsrError(f"size '{text}'; expected a number of bytes such as 500M or 4G")


def resident_memory(process: int | None = None) -> int:
    """Return the resident bytes of a process (this one by default); 0 where the system does not tell."""
    try:
        with open(f"/proc/{process or 'self'}/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return 0


def available_memory() -> int:
    """Return the bytes that can be had without swapping: of the machine, or of the container where that is less."""
    found = []
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    for limit, used in zip(_GROUPS, _USED, strict=True):
        with suppress(OSError, ValueError):
            allowed = int(Path(limit).read_text("ascii"))
            cached = _group_cache(Path(used).with_name("memory.stat"))
            found.append(max(allowed - int(Path(used).read_text("ascii")) + cached, 0))
    if not found:
        with suppress(OSError, ValueError):
            found.append(os.sysconf("SC_PHYS_PAGES") * resource.getpagesize())
    return min(found, default=2**62)


def _group_cache(path: Path) -> int:
    """Return the bytes of files that a group holds in memory, which the system gives up when it needs them."""
    names = ("inactive_file", "total_inactive_file")
    rows = (line.split() for line in path.read_text("ascii").splitlines())
    return max((int(row[1]) for row in rows if row[0] in names), default=0)


def shown_bytes(size: float) -> str:
    """Return a size for people.

    >>> shown_bytes(5.7e9), shown_bytes(3e6)
    ('5.3 GiB', '3 MiB')
    """
    return f"{size / 2**30:.1f} GiB" if size >= 0.95 * 2**30 else f"{size / 2**20:.0f} MiB"


class StepGuard:
    """Stops steps that pass a limit, and tells what to do.

    Args:
        limits: the limits.
        advice: what to do where a graph is too large.

    Attributes:
        watched_from_outside: another process watches the memory of this one.
        foreseen: bytes that the forecast told; 0 for none.
        counting: whether the steps now make parts of the graph, whose states are limited.
    """

    def __init__(self, limits: GraphLimits, advice: str = _ADVICE) -> None:
        self.limits = limits
        self.memory = limits.memory
        self.advice = advice
        self.watched_from_outside = False
        self.foreseen = 0
        self.counting = False

    def refuse(self, what: str) -> GraphLimitError:
        """Return the error, made of what has happened and what to do."""
        return GraphLimitError(f"{what}; {self.advice}")

    def out_of_memory(self, step: str, had: int) -> GraphLimitError:
        """Return the error of a step that passed the memory limit with so many bytes."""
        foreseen = f", of {shown_bytes(self.foreseen)} foreseen" if self.foreseen else ""
        return self.refuse(
            f"step {step} passed the memory limit of {shown_bytes(self.memory)} with {shown_bytes(had)}{foreseen}"
        )

    def after(self, name: str, states: int, arcs: int) -> None:
        """Refuse to go on from a machine with too many states.

        Raises:
            GraphLimitError: it has.
        """
        if self.counting and 0 < self.limits.max_states < states:
            raise self.refuse(
                f"step '{name}' made {states:,} states and {arcs:,} arcs, more than --max-states "
                f"{self.limits.max_states:,}"
            )

    @contextmanager
    def watching(self, name: str, done: Sequence[Step]) -> Iterator[None]:
        """Watch the memory of this process during a step.

        Raises:
            GraphLimitError: it passed the limit, or the system had no more; or a step gave up at the limit of states.
        """
        try:
            with nullcontext() if self.watched_from_outside else self._watching_memory(name, done):
                yield
        except StateLimitError as error:
            raise self.refuse(f"step '{name}' would make more than --max-states {self.limits.max_states:,}") from error

    @contextmanager
    def _watching_memory(self, name: str, done: Sequence[Step]) -> Iterator[None]:
        over, stop = threading.Event(), threading.Event()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)

        def look() -> None:
            while not stop.wait(_LOOK_S):
                if resident_memory() > self.memory:
                    over.set()
                    with suppress(OSError, ValueError):
                        resource.setrlimit(resource.RLIMIT_AS, (resource.getpagesize(), hard))
                    return

        watcher = threading.Thread(target=look, daemon=True, name="memory of the compilation")
        watcher.start()
        failed: BaseException | None = None
        try:
            yield
        except MemoryError as error:
            failed = error
        finally:
            stop.set()
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
            watcher.join()
            with suppress(OSError, ValueError):  # the watcher may have come last
                resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        had = resident_memory()
        if failed is not None or over.is_set() or had > self.memory:
            del failed
            gc.collect()
            last = f" from {done[-1].states:,} states and {done[-1].arcs:,} arcs" if done else ""
            raise self.out_of_memory(f"'{name}'{last}", had) from None
