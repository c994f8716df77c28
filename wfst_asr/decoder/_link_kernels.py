"""Kernels of the links of a lattice search: the arcs into tokens that are not their best ones.

A token's best arc is in the trace; of the others those within the lattice beam of the token's cost are links, chained
from `other[token]`.  Now and then the recent tokens and links are held to the lattice beam: `extra` is what the best
path through a token costs more than the best path into the newest frame, as far as the recent frames tell.  Each
function does nothing where `links` is None.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from wfst_asr.decoder._trace_kernels import collect, grown

# places in `numbers`
NUM_LINKS, NUM_FRAMES, LINKS_FULL, INTERVAL, ENOUGH, PRUNED_FRAMES, PRUNED_BEFORE, PRUNED_SIZE = range(8)
_ENOUGH = 1 << 20  # tokens and links since the last pruning that make another one worth its time


class Links(NamedTuple):
    """What a lattice search keeps beside the trace; few arrays, since each makes every kernel longer to compile.

    Attributes:
        other: (trace,) int32 first link of a token, -1 for none.
        tokens: (trace, 2) uint32 state of a token, and the bits of its float32 cost in its frame.
        records: (L, 4) int32 links: token that it comes from; bits of the uint32 address of its arc; bits of the
            float32 cost of the token that it leads to, had it been the best way there; next link of that token, or -1.
        frames: (F, 2) int64 first token and first link of each frame, by frames consumed.
        numbers: (8,) links, frames, whether there was no room for a link, pruning interval, tokens and links that are
            enough for a pruning, frames at the last pruning and at the one before, tokens and links after the last.
        beam: (1,) float32 lattice beam.
    """

    other: Any
    tokens: Any
    records: Any
    frames: Any
    numbers: Any
    beam: Any


def make_links(beam: float, interval: int, trace_size: int, *, enough: int = _ENOUGH) -> Links:
    """Return links of no frame, with room for half as many as tokens; memory that is not used is never touched."""
    return Links(
        np.empty(trace_size, np.int32),
        np.empty((trace_size, 2), np.uint32),
        np.empty((trace_size // 2, 4), np.int32),
        np.zeros((64, 2), np.int64),
        np.array([0, 0, 0, interval, enough, 0, 0, 0], np.int64),
        np.array([beam], np.float32),
    )


@njit(cache=True, nogil=True)
def links_full(links: Any) -> bool:
    """Return whether a token was not expanded for lack of room for links."""
    if links is None:
        return False
    return bool(links.numbers[LINKS_FULL] == 1)


@njit(cache=True, nogil=True)
def _longer(array: Any, size: int) -> Any:
    """Return a copy with room for `size` rows."""
    larger = np.empty((size, array.shape[1]), array.dtype)
    for i in range(array.shape[0]):
        for k in range(array.shape[1]):
            larger[i, k] = array[i, k]
    return larger


@njit(cache=True, nogil=True)
def wider_links(links: Any) -> Any:
    """Double the room for links."""
    if links is None:
        return links
    links.numbers[LINKS_FULL] = 0
    records = _longer(links.records, 2 * len(links.records))
    return Links(links.other, links.tokens, records, links.frames, links.numbers, links.beam)


@njit(cache=True, nogil=True)
def room_for_tokens(links: Any, size: int) -> Any:
    """Return links for a trace of `size`, with room for another frame."""
    if links is None:
        return links
    frames = links.numbers[NUM_FRAMES]
    if size <= len(links.other) and frames < len(links.frames):
        return links
    tokens = max(size, len(links.other))
    return Links(
        grown(links.other, tokens),
        _longer(links.tokens, tokens),
        links.records,
        _longer(links.frames, max(2 * frames, len(links.frames))),
        links.numbers,
        links.beam,
    )


@njit(cache=True, nogil=True)
def begin_frame(links: Any, trace_size: int, base: int) -> Any:
    """Note where the tokens and links of the next frame begin; the first token of all is made."""
    if links is None:
        return links
    wide = room_for_tokens(links, trace_size)
    frames = wide.numbers[NUM_FRAMES]
    wide.frames[frames, 0] = base
    wide.frames[frames, 1] = wide.numbers[NUM_LINKS]
    if frames == 0:
        wide.other[base] = -1
    return wide


@njit(cache=True, nogil=True)
def end_frame(links: Any, target: Any, cost: Any, base: int, count: int) -> None:
    """Keep the states and costs of a frame's tokens."""
    if links is not None:
        costs = links.tokens.view(np.float32)
        for i in range(count):
            links.tokens[base + i, 0] = target[i]
            costs[base + i, 1] = cost[i]
        links.numbers[NUM_FRAMES] += 1


@njit(cache=True, nogil=True)
def collect_unlinked(links: Any, trace: Any, base: int, count: int) -> int:
    """Collect the trace where there are no links; with links it is pruned now and then instead."""
    if links is not None:
        return base
    return collect(trace, base, count)


@njit(cache=True, nogil=True)
def link_slack(links: Any, costs: Any, k: Any, token: int, frame_first: int) -> Any:
    """Return what link `k` into a token costs more than the token's best arc."""
    source = links.records[k, 0]
    token_costs = links.tokens.view(np.float32)
    if source >= frame_first:  # an epsilon arc, whose source may have become better after the link was made
        new = token_costs[source, 1] + costs[np.int64(np.uint32(links.records[k, 1])) + 1]
    else:
        new = links.records.view(np.float32)[k, 2]
    return max(np.float32(0.0), new - token_costs[token, 1])


@njit(cache=True, nogil=True)
def extra_costs(links: Any, trace: Any, costs: Any, last_extra: Any, first_frame: int, end: int, beam: Any) -> Any:
    """Return (end - first token of first_frame,) what the best path through each token costs more than the best of all.

    Infinity where that is more than `beam`.  Goes back from the newest frame, whose tokens' own values are
    `last_extra`, and looks only at tokens within the beam.
    """
    begin = links.frames[first_frame, 0]
    extra = np.full(end - begin, np.float32(np.inf), np.float32)
    frames = links.numbers[NUM_FRAMES]
    last_first = links.frames[frames - 1, 0]
    for i in range(end - last_first):
        if last_extra[i] <= beam:
            extra[last_first - begin + i] = last_extra[i]
    waiting = np.zeros(end - begin, np.bool_)
    queue = np.empty(end - last_first, np.int64)
    stop = end
    for frame in range(frames - 1, first_frame - 1, -1):
        first = links.frames[frame, 0]
        size = stop - first
        if len(queue) < size:
            queue = np.empty(2 * size, np.int64)
        length = 0
        for i in range(first, stop):
            if extra[i - begin] <= beam:
                queue[length] = i
                waiting[i - begin] = True
                length += 1
        place = 0
        while length > 0:
            i = queue[place]
            place = (place + 1) % size
            length -= 1
            waiting[i - begin] = False
            here = extra[i - begin]
            source = np.int64(trace.previous[i])
            k = np.int64(links.other[i])
            through = here
            while True:
                if source >= begin and through <= beam and through < extra[source - begin]:
                    extra[source - begin] = through
                    if source >= first and not waiting[source - begin]:
                        waiting[source - begin] = True
                        queue[(place + length) % size] = source
                        length += 1
                if k < 0:
                    break
                source = np.int64(links.records[k, 0])
                through = here + link_slack(links, costs, k, i, first)
                k = np.int64(links.records[k, 3])
        stop = first
    return extra


@njit(cache=True, nogil=True)
def prune_recent(links: Any, trace: Any, costs: Any, base: int, count: int) -> Any:
    """Drop what lies outside the lattice beam since the last pruning but one; return the new base.

    Done after a multiple of `interval` frames, when there is enough of it that it pays.  The tokens of the newest frame
    all stay, since any of them may be on the best path in the end.
    """
    if links is None:
        return base
    frames = links.numbers[NUM_FRAMES]
    end = base + count
    new = end + links.numbers[NUM_LINKS] - links.numbers[PRUNED_SIZE]
    if frames % links.numbers[INTERVAL] != 0 or new < links.numbers[ENOUGH]:
        return base
    first_frame = links.numbers[PRUNED_BEFORE]
    beam = links.beam[0]
    extra = extra_costs(links, trace, costs, np.zeros(count, np.float32), first_frame, end, beam)
    begin = links.frames[first_frame, 0]
    first_link = links.frames[first_frame, 1]
    place = np.empty(end - begin, np.int32)
    records = np.empty((links.numbers[NUM_LINKS] - first_link, 4), np.int32)
    token: Any = begin
    kept = 0
    stop = begin
    for frame in range(first_frame, frames):
        first = stop
        stop = links.frames[frame + 1, 0] if frame + 1 < frames else end
        links.frames[frame, 0] = token
        links.frames[frame, 1] = first_link + kept
        for i in range(first, stop):  # all places of a frame before its links, which may come from later tokens
            place[i - begin] = token
            token += extra[i - begin] <= beam
        for i in range(first, stop):
            here = extra[i - begin]
            if not here <= beam:
                continue
            chain = np.int32(-1)
            k = np.int64(links.other[i])
            while k >= 0:
                if here + link_slack(links, costs, k, i, first) <= beam:
                    source = links.records[k, 0]
                    records[kept, 0] = source if source < begin else place[source - begin]
                    records[kept, 1] = links.records[k, 1]
                    records[kept, 2] = links.records[k, 2]
                    records[kept, 3] = chain
                    chain = np.int32(first_link + kept)
                    kept += 1
                k = np.int64(links.records[k, 3])
            links.other[i] = chain
            if trace.previous[i] >= begin:
                trace.previous[i] = place[trace.previous[i] - begin]
    # moved only now, since the slack of a link looks at tokens by their old places
    for i in range(begin, end):
        if extra[i - begin] <= beam:
            to = place[i - begin]
            trace.previous[to] = trace.previous[i]
            trace.arc[to] = trace.arc[i]
            links.other[to] = links.other[i]
            links.tokens[to, 0] = links.tokens[i, 0]
            links.tokens[to, 1] = links.tokens[i, 1]
    for link in range(kept):
        for field in range(4):
            links.records[first_link + link, field] = records[link, field]
    links.numbers[NUM_LINKS] = first_link + kept
    links.numbers[PRUNED_BEFORE] = links.numbers[PRUNED_FRAMES]
    links.numbers[PRUNED_FRAMES] = frames - 1
    links.numbers[PRUNED_SIZE] = token + first_link + kept
    return token - count
