"""Many utterances, over threads or processes, results in the order of the utterances.

The kernels release Python's lock, so that threads run side by side as long as they are in kernels; processes do so all
the time, but each must start Python and load the model, and takes memory of its own for all but the mapped graph.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeVar

from wfst_asr.decoder.beam import NoPathError
from wfst_asr.decoder.decode import DecodeResult, decode
from wfst_asr.decoder.lattice_words import LatticeOptions, LatticeResult, decode_words
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph, load_graph
from wfst_asr.errors import WfstAsrError

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Decoded:
    """What became of one utterance.

    Attributes:
        utterance: its id.
        result: words, times and costs; None if it was left out.
        reason: why it was left out, empty if it was not.
        from_lattice: what was asked for of its lattice.
    """

    utterance: str
    result: DecodeResult | None
    reason: str = ""
    from_lattice: LatticeResult | None = None


def decode_utterances(
    graph: SearchGraph,
    utterances: Iterable[tuple[str, Callable[[], Any]]],
    options: DecodeOptions | None = None,
    *,
    wanted: LatticeOptions | None = None,
    keep_statistics: bool = False,
    num_jobs: int = 1,
) -> Iterator[Decoded]:
    """Decode utterances one after another or over threads.

    Args:
        graph: the graph, shared by all threads.
        utterances: id, and a function that makes the (T, P) scores; it is called in the thread that decodes, and at
            most twice as many score matrices as threads are in memory.
        options: dials of the search.
        wanted: what is asked for of lattices; None decodes without them.
        keep_statistics: as for `decode`.
        num_jobs: threads.

    Raises:
        WfstAsrError: scores that are not in order, with the utterance named.  An utterance without frames or without
            any path is left out and says why.
    """

    def decode_one(item: tuple[str, Callable[[], Any]]) -> Decoded:
        return _decode_one(graph, item[0], item[1], options, wanted, keep_statistics=keep_statistics)

    yield from over_threads(decode_one, utterances, num_jobs=num_jobs)


@dataclass(frozen=True)
class DecodeOne:
    """Decoding with a graph in a folder, for `over_processes`: an (id, function that makes the scores) to Decoded.

    Attributes:
        graph_dir: each process maps the graph's file, so that all share its memory.
        options: dials of the search.

    >>> over_processes(DecodeOne("graph"), [], num_jobs=2)  # doctest: +ELLIPSIS
    <generator object over_processes at ...>
    """

    graph_dir: str | os.PathLike[str]
    options: DecodeOptions | None = None

    def __call__(self) -> "Callable[[tuple[str, Callable[[], Any]]], Decoded]":
        graph = load_graph(self.graph_dir)
        return lambda item: _decode_one(graph, item[0], item[1], self.options)


def over_threads(function: Callable[[_Item], _Made], items: Iterable[_Item], *, num_jobs: int) -> Iterator[_Made]:
    """Yield what a function makes of each item, in the order of the items.

    Args:
        function: called in one of the threads.
        items: at most twice as many as threads are taken ahead.
        num_jobs: threads; with 1 the function is called in the caller's.

    Raises:
        WfstAsrError: num_jobs below 1; and what the function raises.
    """
    if num_jobs < 1:
        raise WfstAsrError(f"num_jobs {num_jobs}, expected at least 1")
    if num_jobs == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(num_jobs) as pool:
        yield from _in_order(pool, function, items, num_jobs)


def over_processes(
    make: Callable[[], Callable[[_Item], _Made]], items: Iterable[_Item], *, num_jobs: int
) -> Iterator[_Made]:
    """Yield what a function makes of each item, in the order of the items, worked on by processes.

    The processes are started anew (spawned), not forked, since a fork of a process with threads may hang.  A script
    that calls this must do so under `if __name__ == "__main__":`.

    Args:
        make: called once in each process, for example to load a graph there; returns the function.  It, the items and
            what is made of them must be such that pickle can carry them.
        items: at most twice as many as processes are taken ahead.
        num_jobs: processes; with 1 all is done in the caller's.

    Raises:
        WfstAsrError: num_jobs below 1, or a process ended before its time; and what the functions raise.
    """
    if num_jobs < 1:
        raise WfstAsrError(f"num_jobs {num_jobs}, expected at least 1")
    if num_jobs == 1:
        yield from map(make(), items)
        return
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(num_jobs, mp_context=context, initializer=_begin_worker, initargs=(make,)) as pool:
            yield from _in_order(pool, _work, items, num_jobs)
    except BrokenProcessPool as error:
        raise WfstAsrError(
            f"one of {num_jobs} processes ended before its time; there may be too little memory for so many: lower "
            "num_jobs"
        ) from error


def _in_order(
    pool: Executor, function: Callable[[_Item], _Made], items: Iterable[_Item], num_jobs: int
) -> Iterator[_Made]:
    waiting: deque[Future[_Made]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= 2 * num_jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


class _Worker:
    """What a worker process has made, or why it could not; set once, when it starts."""

    function: Callable[[Any], Any] | None = None
    error: Exception | None = None


def _begin_worker(make: Callable[[], Callable[[Any], Any]]) -> None:
    try:
        _Worker.function = make()
    except Exception as error:  # an initializer that raises would break the pool without a reason
        _Worker.error = error


def _work(item: Any) -> Any:
    if _Worker.function is None:
        raise _Worker.error or WfstAsrError("the process has made no function")
    return _Worker.function(item)


def _decode_one(
    graph: SearchGraph,
    utterance: str,
    scores: Callable[[], Any],
    options: DecodeOptions | None,
    wanted: LatticeOptions | None = None,
    *,
    keep_statistics: bool = False,
) -> Decoded:
    try:
        matrix = scores()
        if len(matrix) == 0:
            return Decoded(utterance, None, "no frames")
        if wanted is None:
            return Decoded(utterance, decode(graph, matrix, options, keep_statistics=keep_statistics))
        found = decode_words(graph, matrix, options, wanted=wanted, keep_statistics=keep_statistics)
        return Decoded(utterance, found.best, from_lattice=found)
    except NoPathError as error:
        return Decoded(utterance, None, str(error))
    except WfstAsrError as error:
        raise WfstAsrError(f"utterance '{utterance}': {error}") from error
