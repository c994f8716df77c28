"""C: phonetic context.  C transduces context windows to phones; here it is composed without being built.

C's input labels number context windows; its output labels are phones and disambiguation symbols.  A window has N
phones, of which number P (0-based) is the phone itself: triphones are N = 3, P = 1.  A place beyond the begin or the
end of the utterance holds 0.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pynini

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable, arc_table
from wfst_asr.fst.convert import from_pynini, to_pynini
from wfst_asr.graph._context_kernels import expand_context

ContextWindow = tuple[int, ...]
PSEUDO_EPSILON: ContextWindow = (0,)


def is_disambig_window(window: Sequence[int]) -> bool:
    """Tell whether a context window stands for a disambiguation symbol (or the pseudo-epsilon `#-1`), not a phone."""
    return len(window) == 1 and window[0] <= 0


def compose_context(
    lg: pynini.Fst | ArcTable, disambig: Iterable[int], *, context_width: int, central_position: int
) -> tuple[Any, tuple[ContextWindow, ...]]:
    """Compose C with a machine over phones: CLG = C o LG (Kaldi `ComposeContext`, `fstext/context-fst.cc`).

    With right context (N - P - 1 > 0) a window is known only N - P - 1 phones late, so every final state of LG gets
    a loop of an end symbol `$` that pushes the last windows out, and the first arcs carry the pseudo-epsilon `#-1`
    (epsilon, if there are no disambiguation symbols), which keeps CLG determinizable.

    Args:
        lg: a machine whose input labels are phones and disambiguation symbols; all others count as phones.
        disambig: ids of the disambiguation symbols on the input side of `lg`; they pass through.
        context_width: N >= 1.
        central_position: P, 0 <= P < N.

    Returns:
        CLG, of the same kind as `lg` (pynini.Fst or ArcTable), whose input labels index the second value: the
        context windows in order of discovery.  Window 0 is () for epsilon, (0,) the pseudo-epsilon, (-d,) the
        disambiguation symbol d, any other N phones.  Output labels and costs are those of `lg`.

    Raises:
        WfstAsrError: N or P out of range.

    Linear in the size of the result, which is visited breadth first.

    >>> lg = arc_table(3, [(0, 1, 7, 1, 0.0), (1, 2, 8, 0, 0.5)], finals={2: 0.0})
    >>> clg, windows = compose_context(lg, [9], context_width=3, central_position=1)
    >>> windows
    ((), (0,), (0, 7, 8), (7, 8, 0))
    >>> clg.arcs["ilabel"].tolist(), clg.arcs["olabel"].tolist()
    ([1, 2, 3], [1, 0, 0])
    """
    if not 0 <= central_position < context_width:
        raise WfstAsrError(
            f"context: central position {central_position} in a window of {context_width} phones; expected 0 <= P < N"
        )
    table = lg if isinstance(lg, ArcTable) else from_pynini(lg)
    symbols = sorted(set(disambig))
    if table.num_states == 0 or table.start < 0:
        return lg, ((),)
    end_symbol = 0
    highest = max([int(table.arcs["ilabel"].max(initial=0)), *symbols])
    if central_position + 1 < context_width:
        end_symbol = highest + 1
        table = add_end_symbol(table, end_symbol)
    disambig_window = np.full(highest + 2, -1, dtype=np.int32)
    disambig_window[symbols] = 0
    empty = int(end_symbol > 0 and len(symbols) > 0)
    arcs = table.arcs
    first, columns, final, rows = expand_context(
        table.first_arc,
        np.ascontiguousarray(arcs["ilabel"]),
        np.ascontiguousarray(arcs["olabel"]),
        np.ascontiguousarray(arcs["cost"]),
        np.ascontiguousarray(arcs["nextstate"]),
        table.final_cost,
        table.start,
        disambig_window,
        end_symbol,
        context_width,
        central_position,
        empty,
    )
    records = np.empty(len(columns[0]), dtype=ARC_DTYPE)
    for name, column in zip(("ilabel", "olabel", "cost", "nextstate"), columns, strict=True):
        records[name] = column
    windows: list[ContextWindow] = [()] + [PSEUDO_EPSILON] * empty
    windows += [(-row[-1],) if row[-1] else tuple(row[:-1]) for row in rows[1 + empty :].tolist()]
    clg = ArcTable(0, first, records, final)
    return (clg if isinstance(lg, ArcTable) else to_pynini(clg)), tuple(windows)


def add_end_symbol(table: ArcTable, end_symbol: int) -> ArcTable:
    """Let every accepted input be followed by any number of end symbols (Kaldi `AddSubsequentialLoop`).

    The final states keep their final costs; a new last state with a loop of `end_symbol` is entered at that cost.
    """
    finals = np.flatnonzero(np.isfinite(table.final_cost))
    last = table.num_states
    extra = np.zeros(len(finals) + 1, dtype=ARC_DTYPE)
    extra["ilabel"] = end_symbol
    extra["nextstate"] = last
    extra["cost"][:-1] = table.final_cost[finals]
    return arc_table(
        last + 1,
        np.concatenate((table.arcs, extra)),
        source=np.concatenate((table.source(), finals, [last])),
        finals=np.append(table.final_cost, np.float32(0.0)),
        start=table.start,
    )


def context_fst(
    phones: Sequence[int], disambig: Sequence[int] = (), *, context_width: int, central_position: int
) -> tuple[pynini.Fst, tuple[ContextWindow, ...]]:
    """Build the whole of C for a small phone set: a machine to look at, and the definition of `compose_context`.

    C is composed with the machine that accepts every sequence of phones and disambiguation symbols.  C o LG, with
    this C, has the same paths as `compose_context` (windows are numbered otherwise).

    Args:
        phones: phone ids.
        disambig: ids of disambiguation symbols.
        context_width: N.
        central_position: P.

    Returns:
        C, whose input labels number the returned windows and whose output labels are phones, and the windows.

    Raises:
        WfstAsrError: N or P out of range, or more than a million windows (then compose on the fly).

    >>> c, windows = context_fst([1, 2], context_width=2, central_position=1)
    >>> c.num_states(), len(windows) - 1
    (3, 6)
    """
    if len(phones) ** context_width > 1_000_000:
        raise WfstAsrError(
            f"context: {len(phones)} phones in windows of {context_width} make more than a million windows; "
            "use compose_context, which builds only those that occur"
        )
    labels = [*phones, *disambig]
    anything = arc_table(1, [(0, 0, label, label, 0.0) for label in labels], finals={0: 0.0})
    table, windows = compose_context(anything, disambig, context_width=context_width, central_position=central_position)
    return to_pynini(table), windows


def all_windows(phones: Sequence[int], *, context_width: int, central_position: int) -> list[ContextWindow]:
    """List the windows that can occur in utterances: zeros only before the first and after the last phone.

    >>> all_windows([1, 2], context_width=2, central_position=1)
    [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]
    """
    right = context_width - central_position - 1
    return [
        (0,) * left_pad + middle + (0,) * right_pad
        for left_pad in range(central_position, -1, -1)
        for right_pad in range(right, -1, -1)
        for middle in product(phones, repeat=context_width - left_pad - right_pad)
    ]
