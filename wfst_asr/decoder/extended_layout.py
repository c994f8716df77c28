"""The layout of a graph to which arcs and states were added, made of the layout it had before.

Blocks that grow stand anew behind all others, as do those of new states; their old places are left empty of use.  So
the words are copied once, arcs to what moved are led there, and nothing is sorted.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfst_asr.decoder.layout import EMITTING_WORDS, EPSILON_WORDS, HEADER_WORDS, SearchLayout
from wfst_asr.decoder.prepared_file import PreparedGraph, fingerprint, read_prepared, write_prepared
from wfst_asr.decoder.search_graph import PREPARED_NAME
from wfst_asr.fst.arcs import ARC_DTYPE, STATE_DTYPE, map_const_fst

Row = tuple[int, int, float, int]  # ilabel, olabel, cost, next state


def extend_prepared(before: Path, after: Path, columns: NDArray[np.int32], added: Mapping[int, Sequence[Row]]) -> bool:
    """Write the prepared file of a graph from that of the graph before something was added to it.

    Args:
        before: the const FST before; its prepared file stands beside it.
        after: the const FST with all, new arcs behind those of their states and new states behind all others.
        columns: (L,) score column of each input label.
        added: the arcs that were added, by state; every new state has an entry.

    Returns:
        Whether that was possible: there is a prepared file before, and no epsilon arc needs other levels than it has.
        Where not, the graph is prepared as a whole at its first use.
    """
    old = read_prepared(before.with_name(PREPARED_NAME), before, mark=fingerprint(before, columns))
    if old is None:
        return False
    _, states, arcs = map_const_fst(after)
    layout = extended_layout(old, states, arcs, columns, added)
    if layout is None:
        return False
    states_at = after.stat().st_size - STATE_DTYPE.itemsize * len(states) - ARC_DTYPE.itemsize * len(arcs)
    made = PreparedGraph.of_file(layout, after, states_at, len(states), len(arcs))
    return write_prepared(after.with_name(PREPARED_NAME), made, mark=fingerprint(after, columns))


def extended_layout(
    old: PreparedGraph,
    states: NDArray[np.void],
    arcs: NDArray[np.void],
    columns: NDArray[np.int32],
    added: Mapping[int, Sequence[Row]],
) -> SearchLayout | None:
    """Return the layout with what was added, or None; see `extend_prepared`.

    Args:
        old: the layout before, with its graph.
        states: (S,) states of the whole graph.
        arcs: its arcs.
        columns: score columns of labels.
        added: see `extend_prepared`.
    """
    from wfst_asr.decoder import _extension_kernels as kernels

    num_old, before = len(old.states), old.layout
    again = [state for state in sorted(added) if added[state] or state >= num_old]
    rows = {state: _rows(states, arcs, state) for state in again}
    outside = {row[3] for state in again for row in rows[state] if row[3] not in rows}
    known = np.array(sorted(outside | {state for state in again if state < num_old}), dtype=np.int64)
    block_of = np.full(num_old, -1, dtype=np.int32)
    block_of[before.state] = np.arange(len(before.state), dtype=np.int32)
    blocks = block_of[known]
    if (blocks < 0).any():
        return None
    del block_of
    address = dict(zip(known.tolist(), before.block_start[blocks].tolist(), strict=True))
    starts, end = {}, len(before.words)
    for state in again:
        starts[state] = end
        end += _block_size(state, rows[state])
    if end >= 1 << before.code_shift:
        return None
    words = np.empty(end, dtype=np.uint32)
    words[: len(before.words)] = before.words
    told = np.array(sorted(address.values()), dtype=np.int64)
    state_at = {place: state for state, place in address.items()}
    moved_to = np.array([starts.get(state_at[place], -1) for place in told.tolist()], dtype=np.int64)
    seen = kernels.redirect(words[: len(before.words)], before.code_shift, told, moved_to)
    codes = {state_at[place]: code for place, code in zip(told.tolist(), seen.tolist(), strict=True)}
    level = _levels(codes, rows, (1 << (32 - before.code_shift)) - 1)
    if level is None:
        return None
    target = {
        state: place | (codes[state] << before.code_shift) for state, place in address.items() if state not in rows
    }
    target |= {state: place | (level[state] << before.code_shift) for state, place in starts.items()}
    costs = words.view(np.float32)
    for state, at in starts.items():
        _fill_block(words, costs, at, state, rows[state], target, columns)
    words.setflags(write=False)
    start_state = int(before.state[0])
    return SearchLayout(
        words,
        np.concatenate((before.block_start, np.array(list(starts.values()), dtype=np.uint32))),
        np.concatenate((before.state, np.array(again, dtype=np.int32))),
        target[start_state] if start_state in starts else before.start,
        before.code_shift,
    )


def _rows(states: NDArray[np.void], arcs: NDArray[np.void], state: int) -> list[Row]:
    low = int(states["first_arc"][state])
    found: list[Row] = arcs[low : low + int(states["num_arcs"][state])].tolist()
    return found


def _split(state: int, rows: Sequence[Row]) -> tuple[Row | None, list[Row], list[Row]]:
    """Return the first self-loop, the other arcs that read something, and those that read nothing."""
    loop = next((row for row in rows if row[0] and row[3] == state), None)
    return loop, [row for row in rows if row[0] and row is not loop], [row for row in rows if not row[0]]


def _block_size(state: int, rows: Sequence[Row]) -> int:
    _, emitting, epsilon = _split(state, rows)
    return HEADER_WORDS + EMITTING_WORDS * len(emitting) + EPSILON_WORDS * len(epsilon)


def _levels(codes: Mapping[int, int], rows: Mapping[int, Sequence[Row]], last: int) -> dict[int, int] | None:
    """Return a code for each state that is laid out again or new, such that epsilon arcs rise; None where none fits.

    Args:
        codes: of old states, -1 where no arc led to one.
        rows: arcs of the states that are laid out.
        last: the code of states on and behind epsilon cycles.
    """
    if last in codes.values() or any(code < 0 and state not in rows for state, code in codes.items()):
        return None
    ahead = {state: [row[3] for row in found if not row[0]] for state, found in rows.items()}
    level = {state: max(codes.get(state, 1), 1) if targets else 0 for state, targets in ahead.items()}
    changed = True
    while changed:
        changed = False
        for state, targets in ahead.items():
            for target in targets:
                there = level.get(target, codes.get(target, 0))
                if 0 < there <= level[state]:
                    if target not in level or level[state] + 1 >= last:
                        return None
                    level[target], changed = level[state] + 1, True
    if any(codes.get(state, -1) not in (-1, code) for state, code in level.items()):
        return None  # old arcs tell another code
    return level


def _fill_block(
    words: NDArray[np.uint32],
    costs: NDArray[np.float32],
    at: int,
    state: int,
    rows: Sequence[Row],
    target: Mapping[int, int],
    columns: NDArray[np.int32],
) -> None:
    loop, emitting, epsilon = _split(state, rows)
    words[at], costs[at + 1] = 0, 0.0
    if loop:
        words[at], costs[at + 1] = columns[loop[0]] + 1, loop[2]
    words[at + 2], words[at + 3] = len(emitting), len(epsilon)
    at += HEADER_WORDS
    for row in emitting:
        words[at], words[at + 1], costs[at + 2] = columns[row[0]], target[row[3]], row[2]
        at += EMITTING_WORDS
    for row in epsilon:
        words[at], costs[at + 1] = target[row[3]], row[2]
        at += EPSILON_WORDS
