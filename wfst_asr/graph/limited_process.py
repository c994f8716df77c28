"""A computation in a child process whose memory is watched, for operations of OpenFst that nothing else can stop.

The child is a fork, so that it has all inputs; what it makes comes back through an unnamed file.  It ends with its
parent.
"""

import ctypes
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.fst.arcs import ArcTable
from wfst_asr.graph.memory_limits import resident_memory
from wfst_asr.graph.step_clock import StepClock
from wfst_asr.graph.step_store import read_machine, write_machine

_LOOK_S = 0.02
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def run_limited(make: Callable[[StepClock], ArcTable], clock: StepClock, *, scratch: Path) -> ArcTable:
    """Return what `make` makes with the clock, in a child process that is stopped at the clock's memory limit.

    Steps are reported, recorded and stored as if they ran here; where the system has no fork, they do.

    Args:
        make: runs steps of the clock.
        clock: has the limit.
        scratch: folder for the unnamed file.

    Raises:
        GraphLimitError: the limit was passed.
        WfstAsrError: what `make` raised.
    """
    guard = clock.guard
    if guard is None or not hasattr(os, "fork"):
        return make(clock)
    ours, theirs = Pipe(duplex=False)
    with tempfile.TemporaryFile(dir=scratch) as file:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        process = os.fork()
        if process == 0:
            _child(make, clock, theirs, file)
        theirs.close()
        try:
            outcome = _watched(process, clock, ours, guard.memory)
        finally:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(process, 0)
            ours.close()
        if isinstance(outcome, BaseException):
            raise outcome
        clock.done, clock.taken_over = outcome
        file.seek(0)
        result = read_machine(file)
    assert isinstance(result, ArcTable)
    return result


def _watched(process: int, clock: StepClock, ours: Connection, memory: int) -> Any:
    """Pass on what the child reports until it ends; return its clock's records or the error that it ended with."""
    guard, under_way = clock.guard, "the first step"
    assert guard is not None
    while True:
        had = resident_memory(process)
        if had > memory:
            return guard.out_of_memory(f"'{under_way}'", had)
        if not ours.poll(_LOOK_S):
            continue
        try:
            kind, *told = ours.recv()
        except (EOFError, OSError):
            return guard.refuse(
                f"step '{under_way}' was ended by the system, which it does to a process that takes too much memory"
            )
        if kind == "report":
            under_way = told[0]
            clock.tell(*told)
        elif kind == "warning":
            warnings.warn(told[0], WfstAsrWarning, stacklevel=2)
        else:
            return told[0]


def _child(make: Callable[[StepClock], ArcTable], clock: StepClock, theirs: Connection, file: IO[bytes]) -> None:
    """Run in the forked process, and end it."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent has it too, and ends this process
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        clock.report_to(lambda *told: theirs.send(("report", *told)))
        if clock.guard:
            clock.guard.watched_from_outside = True
        warnings.simplefilter("always", WfstAsrWarning)
        warnings.showwarning = lambda message, *_, **__: theirs.send(("warning", str(message)))
        try:
            write_machine(file, make(clock))
            file.flush()
            theirs.send(("done", (clock.done, clock.taken_over)))
        except WfstAsrError as error:
            theirs.send(("error", error))
        except OSError as error:
            theirs.send(("error", WfstAsrError(f"{error.strerror}; free some space or choose another folder")))
        except MemoryError:
            pass
    finally:
        os._exit(0)
