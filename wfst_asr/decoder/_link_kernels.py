"""Kernels of the links of a lattice search: the arcs into tokens that are not their best ones.

A token's best arc is in the trace; of the others those within the lattice beam of the token's cost are links, chained
from `other[token]`.  Now and then the recent tokens and links are held to the lattice beam: `extra` is what the best
path through a token costs more than the best path into the newest frame, as far as the recent frames tell.  Each
function does nothing where `links` is None.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from wfst_asr.decoder._prefetch import prefetch as _prefetch
from wfst_asr.decoder._trace_kernels import collect, grown

prefetch: Any = _prefetch

# places in `numbers`
NUM_LINKS, NUM_FRAMES, LINKS_FULL, INTERVAL, ENOUGH, PRUNED_FRAMES, PRUNED_BEFORE, PRUNED_SIZE = range(8)
_AHEAD = 4  # tokens between a prefetch and its use
_WITHIN, _WAITS = np.uint8(1), np.uint8(3)


class Links(NamedTuple):
    """What a lattice search keeps beside the trace; few arrays, since each makes every kernel longer to compile.

    Attributes:
        other: (trace,) int32 first link of a token, -1 for none.
        tokens: (trace, 2) uint32 state of a token, and the bits of its float32 cost in its frame.
        extra: (trace,) float32 for prunings: what the best path through a marked token costs more than the best of all.
        marks: (trace + 8,) uint8 for prunings: 1 for a token within the beam, 3 while it waits; zeros between them.
        records: (L, 4) int32 links: token that it comes from; bits of the uint32 address of its arc; bits of the
            float32 cost of the token that it leads to, had it been the best way there; next link of that token, or -1.
        frames: (F, 2) int64 first token and first link of each frame, by frames consumed.
        numbers: (8,) links, frames, whether there was no room for a link, pruning interval, tokens and links that are
            enough for a pruning, frames at the last pruning and at the one before, tokens and links after the last.
        beam: (1,) float32 lattice beam.
    """

    other: Any
    tokens: Any
    extra: Any
    marks: Any
    records: Any
    frames: Any
    numbers: Any
    beam: Any


@njit(cache=True, nogil=True)
def room_for_marks(tokens: int) -> int:
    """Return a number of bytes that is a whole number of 8-byte words."""
    return (tokens + 15) // 8 * 8


def make_links(beam: float, interval: int, trace_size: int, *, enough: int) -> Links:
    """Return links of no frame, with room for half as many as tokens; memory that is not used is never touched."""
    room = Links(
        np.empty(trace_size, np.int32),
        np.empty((trace_size, 2), np.uint32),
        np.empty(trace_size, np.float32),
        np.zeros(room_for_marks(trace_size), np.uint8),
        np.empty((trace_size // 2, 4), np.int32),
        np.zeros((64, 2), np.int64),
        np.empty(8, np.int64),
        np.empty(1, np.float32),
    )
    return emptied_links(room, beam, interval, enough=enough)


def emptied_links(links: Links, beam: float, interval: int, *, enough: int) -> Links:
    """Return links of no frame in the room of others."""
    numbers = np.array([0, 0, 0, interval, enough, 0, 0, 0], np.int64)
    return links._replace(numbers=numbers, beam=np.array([beam], np.float32))


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
    return Links(links.other, links.tokens, links.extra, links.marks, records, links.frames, links.numbers, links.beam)


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
        np.empty(tokens, np.float32),
        np.zeros(room_for_marks(tokens), np.uint8),
        links.records,
        _longer(links.frames, max(2 * frames, len(links.frames))),
        links.numbers,
        links.beam,
    )


@njit(cache=True, nogil=True)
def tokens_worth(links: Any) -> int:
    """Return how many tokens take as much memory as the links."""
    if links is None:
        return 0
    return int(links.numbers[NUM_LINKS] // 3)


@njit(cache=True, nogil=True)
def room_for_step(links: Any, trace_size: int, num: int) -> Any:
    """Return links with room for `num` more of them and one, and for a trace of `trace_size`."""
    if links is None:
        return links
    wide = room_for_tokens(links, trace_size)
    need = wide.numbers[NUM_LINKS] + num + 1
    if need <= len(wide.records):
        return wide
    records = _longer(wide.records, 2 * need)
    return Links(wide.other, wide.tokens, wide.extra, wide.marks, records, wide.frames, wide.numbers, wide.beam)


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
def link_slack(records: Any, record_costs: Any, token_costs: Any, costs: Any, k: Any, token: int, first: int) -> Any:
    """Return what link `k` into a token costs more than the token's best arc.

    Arrays are passed (`links.records` as int32 and as float32, `links.tokens` as float32), not `links`, whose every
    array would be counted as in use once more for each call.  `first` is the first token of the frame of `token`.
    """
    source = records[k, 0]
    if source >= first:  # an epsilon arc, whose source may have become better after the link was made
        new = token_costs[source, 1] + costs[np.int64(np.uint32(records[k, 1])) + 1]
    else:
        new = record_costs[k, 2]
    return max(np.float32(0.0), new - token_costs[token, 1])


@njit(cache=True, nogil=True)
def mark_within(links: Any, trace: Any, costs: Any, last_extra: Any, first_frame: int, end: int, beam: Any) -> None:
    """Mark the tokens from `first_frame` on that lie on a path costing at most `beam` more than the best of all.

    `marks` and `extra` of a token have its place after the first token of that frame.  Goes back from the newest frame,
    whose tokens' own values are `last_extra`, from each marked token to those before it; others are not looked at.
    """
    begin = links.frames[first_frame, 0]
    extra, marks, previous, other = links.extra, links.marks, trace.previous, links.other
    records, record_costs, token_costs = links.records, links.records.view(np.float32), links.tokens.view(np.float32)
    frames = links.numbers[NUM_FRAMES]
    last_first = links.frames[frames - 1, 0]
    ring = np.empty(end - last_first, np.int32)
    below = np.empty(end - last_first, np.int32)
    length: Any = np.int64(0)
    for i in range(end - last_first):
        if last_extra[i] <= beam:
            extra[last_first - begin + i] = last_extra[i]
            ring[length] = last_first - begin + i
            marks[last_first - begin + i] = _WAITS
            length += 1
    for frame in range(frames - 1, first_frame - 1, -1):
        first = links.frames[frame, 0]
        size_below = first - links.frames[frame - 1, 0] if frame > first_frame else np.int64(0)
        if len(below) < size_below:
            below = np.empty(2 * size_below, np.int32)
        size = (links.frames[frame + 1, 0] if frame + 1 < frames else end) - first
        if len(ring) < size:
            wider = np.empty(2 * size, np.int32)
            for j in range(length):
                wider[j] = ring[j]
            ring = wider
        num_below = 0
        place = 0
        while length > 0:
            at = np.int64(ring[place])
            place += 1
            if place == len(ring):
                place = 0
            length -= 1
            marks[at] = _WITHIN
            here = extra[at]
            i = at + begin
            ahead = place + _AHEAD
            if ahead < len(ring) and length > _AHEAD:
                prefetch(records, 4 * np.int64(other[ring[ahead] + begin]))
            source = np.int64(previous[i])
            k = np.int64(other[i])
            through = here
            while True:
                before = source - begin
                if before >= 0 and through <= beam and (marks[before] == 0 or through < extra[before]):
                    extra[before] = through
                    if source < first:
                        if marks[before] == 0:
                            marks[before] = _WAITS
                            below[num_below] = before
                            num_below += 1
                            prefetch(previous, source)
                            prefetch(other, source)
                            prefetch(token_costs, 2 * source)
                    elif marks[before] != _WAITS:
                        marks[before] = _WAITS
                        free = place + length
                        ring[free if free < len(ring) else free - len(ring)] = before
                        length += 1
                if k < 0:
                    break
                source = np.int64(records[k, 0])
                through = here + link_slack(records, record_costs, token_costs, costs, k, i, first)
                k = np.int64(records[k, 3])
        ring, below = below, ring
        length = num_below


@njit(cache=True, nogil=True)
def marked(marks: Any, begin: int, end: int, found: Any) -> int:
    """List the places with a mark from `begin` up to `end`; return their number."""
    eight = marks.view(np.uint64)
    num = 0
    i = begin
    while i < end:
        if not (i % 8 or eight[i >> 3]):
            i += 8
            continue
        if marks[i] != 0:
            found[num] = i
            num += 1
        i += 1
    return num


@njit(cache=True, nogil=True)
def clear_marks(marks: Any, num: int) -> None:
    """Take the marks off the first `num` places."""
    eight = marks.view(np.uint64)
    for i in range((num + 7) // 8):
        eight[i] = 0


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
    mark_within(links, trace, costs, np.zeros(count, np.float32), first_frame, end, beam)
    begin = links.frames[first_frame, 0]
    extra, place, previous, arc, other = links.extra, trace.place, trace.previous, trace.arc, links.other
    live = np.empty(count, np.int64)
    records, record_costs, token_costs = links.records, links.records.view(np.float32), links.tokens.view(np.float32)
    tokens, kept_records = links.tokens, np.empty((1024, 4), np.int32)
    made = links.frames[first_frame, 1]
    token: Any = begin
    stop = begin
    for frame in range(first_frame, frames):
        first = stop
        stop = links.frames[frame + 1, 0] if frame + 1 < frames else end
        links.frames[frame, 0] = token
        links.frames[frame, 1] = made
        if len(live) < stop - first:
            live = np.empty(2 * (stop - first), np.int64)
        num = marked(links.marks, first - begin, stop - begin, live)
        for n in range(num):
            live[n] += begin
            place[live[n]] = token + n
        # links of a frame are moved when all of them have been looked at, and tokens after them
        kept = 0
        for n in range(num):
            i = live[n]
            if n + 2 * _AHEAD < num:
                prefetch(other, live[n + 2 * _AHEAD])
                prefetch(tokens, 2 * live[n + 2 * _AHEAD])
                prefetch(previous, live[n + 2 * _AHEAD])
                prefetch(records, 4 * np.int64(other[live[n + _AHEAD]]))
            here = extra[i - begin]
            chain = np.int32(-1)
            k = np.int64(other[i])
            while k >= 0:
                if here + link_slack(records, record_costs, token_costs, costs, k, i, first) <= beam:
                    if kept == len(kept_records):
                        kept_records = _longer(kept_records, 2 * kept)
                    source = records[k, 0]
                    kept_records[kept, 0] = source if source < begin else place[source]
                    kept_records[kept, 1] = records[k, 1]
                    kept_records[kept, 2] = records[k, 2]
                    kept_records[kept, 3] = chain
                    chain = np.int32(made + kept)
                    kept += 1
                k = np.int64(records[k, 3])
            other[i] = chain
        for n in range(num):
            i, to = live[n], token + n
            before = previous[i]
            previous[to] = before if before < begin else place[before]
            arc[to] = arc[i]
            other[to] = other[i]
            tokens[to, 0] = tokens[i, 0]
            tokens[to, 1] = tokens[i, 1]
        for link in range(kept):
            for field in range(4):
                records[made + link, field] = kept_records[link, field]
        token += num
        made += kept
    clear_marks(links.marks, end - begin)
    links.numbers[NUM_LINKS] = made
    links.numbers[PRUNED_BEFORE] = links.numbers[PRUNED_FRAMES]
    links.numbers[PRUNED_FRAMES] = frames - 1
    links.numbers[PRUNED_SIZE] = token + made
    return token - count
