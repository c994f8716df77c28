"""Many utterances, over threads (the kernels release Python's lock), results in the order of the utterances."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from wfst_asr.decoder.beam import NoPathError
from wfst_asr.decoder.decode import DecodeResult, decode
from wfst_asr.decoder.options import DecodeOptions
from wfst_asr.decoder.search_graph import SearchGraph
from wfst_asr.errors import WfstAsrError


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
    if num_jobs < 1:
        raise WfstAsrError(f"num_jobs {num_jobs}, expected at least 1")
    if num_jobs == 1:
        for utterance, scores in utterances:
            yield _decode_one(graph, utterance, scores, options)
        return
    with ThreadPoolExecutor(num_jobs) as pool:
        waiting: deque[Future[Decoded]] = deque()
        try:
            for utterance, scores in utterances:
                waiting.append(pool.submit(_decode_one, graph, utterance, scores, options))
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
