"""Kernel of the context expansion: states are (state of LG, the last N - 1 phones), made on the fly."""

import numpy as np
from numba import njit

from wfst_asr.fst._growing_kernels import grown, mixed, rehashed


@njit(cache=True, nogil=True)
def _grown_rows(rows: np.ndarray, needed: int) -> np.ndarray:
    if needed <= rows.shape[0]:
        return rows
    larger = np.empty((max(needed, 2 * rows.shape[0]), rows.shape[1]), rows.dtype)
    larger[: rows.shape[0]] = rows
    return larger


@njit(cache=True, nogil=True)
def _row_hash(row: np.ndarray) -> np.int64:
    h = np.uint64(0x9E3779B97F4A7C15)
    for value in row:
        h = mixed(h + np.uint64(value))
    return np.int64(h >> np.uint64(1))


@njit(cache=True, nogil=True)
def expand_context(  # type: ignore[no-untyped-def]
    first_arc, ilabel, olabel, cost, nextstate, final_cost, start, disambig_window, end_symbol, width, central, empty
):
    """Compose the inverse of C with a machine over phones.

    The machine (CSR arrays) must have its end-symbol loop already.  `disambig_window` (labels,) is 0 where a label is
    a disambiguation symbol, else -1, and is filled in place with the windows that the symbols get.  `end_symbol` is
    the label `$` for "no phone follows", 0 without right context.  `width` and `central` are N and P.  `empty` is the
    window on arcs whose central phone is not there yet: 1 for the pseudo-epsilon, 0 for epsilon.

    Returns (first, (ilabel, olabel, cost, nextstate), final, windows); windows is (W, N + 1) int32, whose last column
    holds the label where a window is a disambiguation symbol, else 0.
    """
    # Histories of N - 1 phones, numbered as met, and the arcs of C's inverse met so far by (history, symbol).
    past = width - 1
    histories = np.zeros((64, max(past, 1)), np.int32)
    history_keys = np.zeros(64, np.int64)
    history_slots = np.full(256, -1, np.int32)
    num_histories = 1
    history_keys[0] = _row_hash(histories[0, :past])
    history_slots[mixed(np.uint64(history_keys[0])) & np.uint64(255)] = 0
    memo_keys = np.zeros(256, np.int64)
    memo_window = np.zeros(256, np.int32)
    memo_next = np.zeros(256, np.int32)
    memo_slots = np.full(1024, -1, np.int32)
    num_memo = 0
    windows = np.zeros((64, width + 1), np.int32)  # the last column: a disambiguation symbol's label
    num_windows = 1 + empty
    # States of the result: pairs (state of LG, history), numbered breadth first.
    pair_keys = np.zeros(1024, np.int64)
    pair_slots = np.full(4096, -1, np.int32)
    pair_keys[0] = np.int64(start) << 32
    pair_slots[mixed(np.uint64(pair_keys[0])) & np.uint64(4095)] = 0
    num_states = 1
    out_first = np.zeros(1024, np.int64)
    out_final = np.zeros(1024, np.float32)
    out_ilabel = np.zeros(4096, np.int32)
    out_olabel = np.zeros(4096, np.int32)
    out_cost = np.zeros(4096, np.float32)
    out_next = np.zeros(4096, np.int32)
    num_arcs = 0
    row = np.zeros(max(past, 1), np.int32)
    state = 0
    while state < num_states:
        lg_state = pair_keys[state] >> 32
        history = pair_keys[state] & 0xFFFFFFFF
        out_first = grown(out_first, state + 2)
        out_final = grown(out_final, state + 1)
        out_first[state] = num_arcs
        complete = end_symbol == 0 or histories[history, central] == end_symbol
        out_final[state] = final_cost[lg_state] if complete else np.inf
        for arc in range(first_arc[lg_state], first_arc[lg_state + 1]):
            symbol = ilabel[arc]
            next_history = history
            if symbol == 0:
                window = 0
            elif disambig_window[symbol] >= 0:
                if disambig_window[symbol] == 0:
                    windows = _grown_rows(windows, num_windows + 1)
                    windows[num_windows, :] = 0
                    windows[num_windows, width] = symbol
                    disambig_window[symbol] = num_windows
                    num_windows += 1
                window = disambig_window[symbol]
            else:
                ended = past > 0 and end_symbol != 0 and histories[history, past - 1] == end_symbol
                if symbol == end_symbol:
                    if complete:
                        continue  # one more would make `$` the central phone
                elif ended:
                    continue  # no phone follows `$`
                key = (np.int64(history) << 32) | np.int64(symbol)
                slot = mixed(np.uint64(key)) & np.uint64(memo_slots.shape[0] - 1)
                while memo_slots[slot] >= 0 and memo_keys[memo_slots[slot]] != key:
                    slot = (slot + np.uint64(1)) & np.uint64(memo_slots.shape[0] - 1)
                if memo_slots[slot] < 0:
                    memo_keys = grown(memo_keys, num_memo + 1)
                    memo_window = grown(memo_window, num_memo + 1)
                    memo_next = grown(memo_next, num_memo + 1)
                    memo_keys[num_memo] = key
                    centre = symbol if central == past else histories[history, central]
                    if centre == 0:
                        memo_window[num_memo] = empty
                    else:
                        windows = _grown_rows(windows, num_windows + 1)
                        for i in range(width):
                            value = symbol if i == past else histories[history, i]
                            windows[num_windows, i] = 0 if value == end_symbol else value
                        windows[num_windows, width] = 0
                        memo_window[num_memo] = num_windows
                        num_windows += 1
                    for i in range(past):
                        row[i] = symbol if i == past - 1 else histories[history, i + 1]
                    row_key = _row_hash(row[:past])
                    at = mixed(np.uint64(row_key)) & np.uint64(history_slots.shape[0] - 1)
                    while history_slots[at] >= 0:
                        if np.array_equal(histories[history_slots[at], :past], row[:past]):
                            break
                        at = (at + np.uint64(1)) & np.uint64(history_slots.shape[0] - 1)
                    if history_slots[at] < 0:
                        histories = _grown_rows(histories, num_histories + 1)
                        history_keys = grown(history_keys, num_histories + 1)
                        histories[num_histories] = row
                        history_keys[num_histories] = row_key
                        history_slots[at] = num_histories
                        num_histories += 1
                    memo_next[num_memo] = history_slots[at]
                    if 2 * num_histories > history_slots.shape[0]:
                        history_slots = rehashed(history_slots, history_keys, num_histories)
                    memo_slots[slot] = num_memo
                    entry = num_memo
                    num_memo += 1
                    if 2 * num_memo > memo_slots.shape[0]:
                        memo_slots = rehashed(memo_slots, memo_keys, num_memo)
                else:
                    entry = memo_slots[slot]
                window = memo_window[entry]
                next_history = memo_next[entry]
            pair = (np.int64(nextstate[arc]) << 32) | np.int64(next_history)
            slot = mixed(np.uint64(pair)) & np.uint64(pair_slots.shape[0] - 1)
            while pair_slots[slot] >= 0 and pair_keys[pair_slots[slot]] != pair:
                slot = (slot + np.uint64(1)) & np.uint64(pair_slots.shape[0] - 1)
            dest = pair_slots[slot]
            if dest < 0:
                dest = num_states
                pair_keys = grown(pair_keys, num_states + 1)
                pair_keys[num_states] = pair
                pair_slots[slot] = num_states
                num_states += 1
                if 2 * num_states > pair_slots.shape[0]:
                    pair_slots = rehashed(pair_slots, pair_keys, num_states)
            if num_arcs + 1 > out_ilabel.shape[0]:
                out_ilabel = grown(out_ilabel, num_arcs + 1)
                out_olabel = grown(out_olabel, num_arcs + 1)
                out_cost = grown(out_cost, num_arcs + 1)
                out_next = grown(out_next, num_arcs + 1)
            out_ilabel[num_arcs] = window
            out_olabel[num_arcs] = olabel[arc]
            out_cost[num_arcs] = cost[arc]
            out_next[num_arcs] = dest
            num_arcs += 1
        state += 1
    out_first = grown(out_first, num_states + 1)
    out_first[num_states] = num_arcs
    arcs = (out_ilabel[:num_arcs], out_olabel[:num_arcs], out_cost[:num_arcs], out_next[:num_arcs])
    return out_first[: num_states + 1], arcs, out_final[:num_states], windows[:num_windows]
