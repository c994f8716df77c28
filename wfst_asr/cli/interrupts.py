"""Ctrl-C that waits until a compiled kernel has handed over its results.

Numba turns the results of a kernel into Python objects by calling Python code, and does not expect it to raise: a
KeyboardInterrupt there ends the process with a segmentation fault, and files that were being written stay behind.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_S = 0.01


@contextmanager
def patient_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGINT only where no code of Numba's is under way; elsewhere try again shortly.

    Does nothing outside of the main thread, or where SIGINT is ignored or has another handler.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    if is_inside_numba(frame):
        again = threading.Timer(_AGAIN_S, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
        again.daemon = True
        again.start()
        return
    raise KeyboardInterrupt


def is_inside_numba(frame: FrameType | None) -> bool:
    """Tell whether a frame belongs to Numba, was called by it, or is generated code such as a NamedTuple's maker."""
    if frame is not None and frame.f_code.co_filename.startswith("<"):
        return True
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] in ("numba", "llvmlite"):
            return True
        frame = frame.f_back
    return False
