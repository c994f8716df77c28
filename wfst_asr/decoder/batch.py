"""Many utterances, over threads (the kernels release Python's lock), results in the order of the utterances."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from wfst_asr.decoder.beam import NoPathError
from wfst_asr.decoder.decode import DecodeResult, decode
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph
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
    """

    utterance: str
    result: DecodeResult | None
    reason: str = ""


def decode_utterances(
    graph: SearchGraph,
    utterances: Iterable[tuple[str, Callable[[], Any]]],
    options: DecodeOptions | None = None,
    *,
    num_jobs: int = 1,
) -> Iterator[Decoded]:
    """Decode utterances one after another or over threads.

    Args:
        graph: the graph, shared by all threads.
        utterances: id, and a function that makes the (T, P) scores; it is called in the thread that decodes, and at
            most twice as many score matrices as threads are in memory.
        options: dials of the search.
        num_jobs: threads.

    Raises:
        WfstAsrError: scores that are not in order, with the utterance named.  An utterance without frames or without
            any path is left out and says why.
    """

    def decode_one(item: tuple[str, Callable[[], Any]]) -> Decoded:
        return _decode_one(graph, item[0], item[1], options)

    yield from over_threads(decode_one, utterances, num_jobs=num_jobs)


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


def _decode_one(
    graph: SearchGraph, utterance: str, scores: Callable[[], Any], options: DecodeOptions | None
) -> Decoded:
    try:
        matrix = scores()
        if len(matrix) == 0:
            return Decoded(utterance, None, "no frames")
        return Decoded(utterance, decode(graph, matrix, options))
    except NoPathError as error:
        return Decoded(utterance, None, str(error))
    except WfstAsrError as error:
        raise WfstAsrError(f"utterance '{utterance}': {error}") from error
