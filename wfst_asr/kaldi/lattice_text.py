"""Kaldi's text lattices: OpenFst's lines of arcs and final states, with weights `graph,acoustic[,labels]`.

Costs are written with six digits where these give the float32 back, else with as many as it takes.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from wfst_asr.kaldi.lattice_binary import DamagedError
from wfst_asr.kaldi.lattice_record import KaldiLattice, blank

_Weight = tuple[float, float, list[int]]
_ONE: _Weight = (0.0, 0.0, [])
_INT32_MAX = 2**31 - 1


def parse_lattice(lines: Iterable[tuple[int, bytes]], *, compact_if_unclear: bool) -> KaldiLattice:
    """Read the lines of one lattice, each with its byte in the file.

    Lines of arcs tell the kind: `state next word [weight]` in a CompactLattice, `state next label word [weight]` in a
    Lattice; without arcs, the weights tell by a third part.

    Raises:
        DamagedError: a line is none of an arc or of a final state.
    """
    sources: list[int] = []
    arcs: list[tuple[int, int, int, _Weight]] = []
    finals: dict[int, _Weight] = {}
    compact: bool | None = None
    start = -1
    for at, line in lines:
        columns = line.split()
        try:
            if len(columns) > 5:
                raise ValueError
            kind = _kind(columns)
            if kind is not None and compact not in (None, kind):
                raise ValueError
            compact = compact if kind is None else kind
            state = _label(columns[0])
            start = state if start < 0 else start
            if len(columns) <= 2:
                finals[state] = _weight(columns[1]) if len(columns) == 2 else _ONE
                continue
            labels = [_label(c) for c in columns[1 : 3 if compact else 4]]
            rest = columns[1 + len(labels) :]
            arcs.append((labels[0], labels[1], labels[-1], _weight(rest[0]) if rest else _ONE))
            sources.append(state)
        except (ValueError, IndexError):
            shown = line[:60].decode("utf-8", errors="replace").strip()
            raise DamagedError(f"has the line {shown!a}, which is no arc and no final state of its kind", at) from None
    num_states = 1 + max([*sources, *(a[0] for a in arcs), *finals], default=-1)
    if num_states > 10 * (len(arcs) + len(finals) + 1):
        raise DamagedError(f"has {num_states} states on {len(arcs) + len(finals)} lines", at)
    order = np.argsort(np.array(sources, dtype=np.int64), kind="stable")
    arcs = [arcs[i] for i in order]
    final_of = [finals.get(s, (np.inf, np.inf, [])) for s in range(num_states)]
    sizes = (len(arcs), sum(len(a[3][2]) for a in arcs), sum(len(w[2]) for w in final_of))
    raw = blank(compact_if_unclear if compact is None else compact, start, num_states, sizes)
    if sources:
        np.cumsum(np.bincount(sources, minlength=num_states), out=raw.first_arc[1:])
        raw.nextstate[:] = [a[0] for a in arcs]
        raw.ilabel[:] = [a[1] for a in arcs]
        raw.olabel[:] = [a[2] for a in arcs]
        with np.errstate(
            over="ignore"
        ):  # what is too large becomes infinite, and is refused where lattices are checked
            raw.cost[:] = [a[3][:2] for a in arcs]
        raw.first_label[1:] = np.cumsum([len(a[3][2]) for a in arcs])
        raw.labels[:] = [label for a in arcs for label in a[3][2]]
    if num_states:
        with np.errstate(over="ignore"):
            raw.final[:] = [w[:2] for w in final_of]
        raw.first_final_label[1:] = np.cumsum([len(w[2]) for w in final_of])
        raw.final_labels[:] = [label for w in final_of for label in w[2]]
    return raw


def _kind(columns: list[bytes]) -> bool | None:
    """Tell whether a line belongs to a CompactLattice; None where it may be of either kind."""
    if len(columns) in (1, 2):
        return None if len(columns) == 1 else columns[1].count(b",") == 2
    if len(columns) == 4:
        return b"," in columns[3]
    return len(columns) == 3


def _label(text: bytes) -> int:
    number = int(text)
    if not 0 <= number <= _INT32_MAX:
        raise ValueError
    return number


def _weight(text: bytes) -> _Weight:
    graph, acoustic, *string = text.split(b",")
    if len(string) > 1:
        raise ValueError
    return float(graph), float(acoustic), [_label(x) for x in string[0].split(b"_")] if string and string[0] else []


def format_lattice(raw: KaldiLattice) -> str:
    """Return the lines of a lattice, the start state's first, an empty line at the end."""
    weights = _weights(raw.cost, raw.first_label, raw.labels, compact=raw.compact)
    final_weights = _weights(raw.final, raw.first_final_label, raw.final_labels, compact=raw.compact)
    if raw.start < 0 or (
        raw.first_arc[raw.start] == raw.first_arc[raw.start + 1] and raw.final[raw.start, 0] == np.inf
    ):
        return "\n"  # without a line of its own the start would be lost; there is no path anyway
    lines = []
    states = range(raw.num_states)
    for s in sorted(states, key=lambda s: s != raw.start):
        for a in range(int(raw.first_arc[s]), int(raw.first_arc[s + 1])):
            labels = f"{raw.ilabel[a]}" if raw.compact else f"{raw.ilabel[a]}\t{raw.olabel[a]}"
            lines.append(f"{s}\t{raw.nextstate[a]}\t{labels}{weights[a]}\n")
        if np.isfinite(raw.final[s, 0]):
            lines.append(f"{s}{final_weights[s]}\n")
    return "".join(lines) + "\n"


def _weights(
    cost: NDArray[np.float32], first: NDArray[np.int64], labels: NDArray[np.int32], *, compact: bool
) -> list[str]:
    """Return the column of each weight, with the tab before it; nothing for a weight of zero cost and no labels."""
    result = []
    for i, (graph, acoustic) in enumerate(cost):
        string = labels[first[i] : first[i + 1]]
        if graph == 0 and acoustic == 0 and not len(string):
            result.append("")
            continue
        text = f"\t{_number(graph)},{_number(acoustic)}"
        result.append(f"{text},{'_'.join(map(str, string.tolist()))}" if compact else text)
    return result


def _number(value: np.float32) -> str:
    for digits in (6, 7, 8):
        text = f"{value:.{digits}g}"
        if np.float32(text) == value:
            return text
    return f"{value:.9g}"
