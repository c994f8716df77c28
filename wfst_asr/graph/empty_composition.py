"""Why a composition is empty: the symbols that one side has and the other never offers, or where all paths end."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wfst_asr.fst.arcs import ArcTable
from wfst_asr.fst.ops import Machine, as_table, connect

Name = Callable[[int], str]
_MAX_PAIRS = 200_000


def why_empty(
    left: Machine, right: Machine, *, name: Name = str, left_name: str = "L", right_name: str = "G", kind: str = "word"
) -> str:
    """Explain why left o right has no path.

    Args:
        left: the machine whose outputs are matched.
        right: the machine whose inputs are matched.
        name: gives the name of a symbol between the two.
        left_name: how the text calls `left`.
        right_name: how the text calls `right`.
        kind: what the symbols between the two are.

    Returns:
        A clause that can follow "... is empty: ".

    >>> from wfst_asr.fst.arcs import arc_table
    >>> l = arc_table(1, [(0, 0, 9, 1, 0.0)], finals={0: 0.0})
    >>> g = arc_table(2, [(0, 1, 2, 2, 0.0)], finals={1: 0.0})
    >>> why_empty(l, g, name={1: "yes", 2: "no"}.__getitem__)
    "every path of G needs the word 'no', which L lacks"
    """
    one, other = as_table(left), as_table(right)
    for table, who in ((one, left_name), (other, right_name)):
        if connect(table).num_states == 0:
            return f"{who} itself has no path from its start to an end"
    offered, wanted = _labels(one.arcs["olabel"]), _labels(other.arcs["ilabel"])
    for table, side, missing, names in (
        (other, "ilabel", np.setdiff1d(wanted, offered), (right_name, left_name)),
        (one, "olabel", np.setdiff1d(offered, wanted), (left_name, right_name)),
    ):
        if len(missing) and _needs(table, side, missing):
            alone = [label for label in missing[:50].tolist() if _needs(table, side, np.array([label]))]
            needed = alone or missing.tolist()
            what = f"the {kind}{'s' if len(needed) > 1 else ''}" if alone else f"one of the {kind}s"
            listed = _listed(needed, name)
            return f"every path of {names[0]} needs {what} {listed}, which {names[1]} lacks"
    lacking = np.setdiff1d(wanted, offered)
    also = f"; {left_name} lacks {_listed(lacking.tolist(), name)}" if len(lacking) else ""
    return f"{_where_it_ends(one, other, name, left_name, right_name, kind)}{also}"


def _labels(column: NDArray[np.int32]) -> NDArray[np.int32]:
    labels: NDArray[np.int32] = np.unique(column)
    kept: NDArray[np.int32] = labels[labels != 0]
    return kept


def _needs(table: ArcTable, side: str, labels: NDArray[np.int32]) -> bool:
    """Tell whether a machine has no path without these labels."""
    keep = ~np.isin(table.arcs[side], labels)
    kept_before = np.concatenate(([0], np.cumsum(keep)))
    rest = ArcTable(table.start, kept_before[table.first_arc], table.arcs[keep], table.final_cost)
    return connect(rest).num_states == 0


def _listed(labels: list[int], name: Name) -> str:
    shown = ", ".join(f"'{name(label)}'" for label in labels[:5])
    return shown + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")


def _where_it_ends(left: ArcTable, right: ArcTable, name: Name, left_name: str, right_name: str, kind: str) -> str:
    """Walk the pairs of states breadth first and tell what the last one that was reached offers on either side."""
    begin = (left.start, right.start)
    back: dict[tuple[int, int], tuple[tuple[int, int], int] | None] = {begin: None}
    queue = [begin]
    for pair in queue:
        if len(queue) > _MAX_PAIRS:
            return f"no {kind}s lead both {left_name} and {right_name} to an end"
        one = left.arcs[left.first_arc[pair[0]] : left.first_arc[pair[0] + 1]]
        other = right.arcs[right.first_arc[pair[1]] : right.first_arc[pair[1] + 1]]
        moves = [((int(to), pair[1]), 0) for to in one["nextstate"][one["olabel"] == 0]]
        moves += [((pair[0], int(to)), 0) for to in other["nextstate"][other["ilabel"] == 0]]
        for label in np.intersect1d(_labels(one["olabel"]), _labels(other["ilabel"])).tolist():
            targets = other["nextstate"][other["ilabel"] == label]
            moves += [((int(p), int(q)), label) for p in one["nextstate"][one["olabel"] == label] for q in targets]
        for to, label in moves:
            if to not in back:
                back[to] = (pair, label)
                queue.append(to)
    last, offers = queue[-1], []
    for pair in reversed(queue):  # the last pair with something to offer on the right and nothing that fits on the left
        arcs = right.arcs[right.first_arc[pair[1]] : right.first_arc[pair[1] + 1]]
        offers = _labels(arcs["ilabel"]).tolist()
        if offers:
            last = pair
            break
    path = []
    at = last
    while (link := back[at]) is not None:
        at, label = link
        if label:
            path.append(label)
    after = " ".join(name(label) for label in reversed(path))
    where = f"after '{after}'" if after else "at the start"
    goes_on = f"goes on with {_listed(offers, name)} only" if offers else "ends"
    return (
        f"{where}, at state {last[0]} of {left_name} and {last[1]} of {right_name}, {right_name} {goes_on}, "
        f"which {left_name} does not offer there"
    )
