"""Determinization of transducers with removal of input epsilons in one step."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable, arc_table
from wfst_asr.fst.ops import DELTA, Machine, as_table

_MAX_STRING = 256


class StateLimitError(WfstAsrError):
    """A machine passed the number of states that it was allowed."""


def determinize_star(
    machine: Machine,
    *,
    delta: float = DELTA,
    use_log: bool = True,
    max_states: int = -1,
    what: str = "the machine",
    iname: Callable[[int], str] = str,
    oname: Callable[[int], str] = str,
) -> ArcTable:
    """Make a transducer deterministic on its input side, without input epsilons (Kaldi `fstdeterminizestar`).

    A state of the result is a set of (state, output string still owed, cost still owed), reached by one input
    sequence.  The common prefix of the strings and the sum of the costs go onto the arc; costs of several paths with
    the same input add up in the log semiring, so that stochastic machines stay stochastic.

    Args:
        machine: a transducer in which every input sequence has at most one output sequence.
        delta: sets whose costs differ by no more than this are one state; in nats.  OpenFst's default of 1e-6 (2^-10
            in newer versions) splits states that differ by rounding only.
        use_log: add probabilities of alternative paths; else the best path counts (tropical semiring).
        max_states: give up beyond so many states; -1 for no limit.
        what: how error messages call the machine, such as "L o G".
        iname: gives the name of an input label for error messages.
        oname: gives the name of an output label for error messages.

    Returns:
        A deterministic machine: a state has at most one arc an input label.  Input epsilons remain only where an arc
        has to put out more than one label.  Its paths' costs are the (log or tropical) sums over `machine`'s paths.

    Raises:
        WfstAsrError: one input sequence has two output sequences (homophones without disambiguation symbols), an
            owed string grows beyond 256 labels, or `max_states` is passed.

    Exponential at worst, in practice linear in the result. Mohri, "Finite-state transducers in language and speech
    processing", Computational Linguistics 23 (1997), section 3.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> two = arc_table(3, [(0, 1, 1, 7, 0.0), (0, 2, 1, 7, 0.0), (1, 1, 2, 0, 1.0), (2, 2, 3, 0, 1.0)],
    ...                 finals={1: 0.0, 2: 0.0})
    >>> determinize_star(two).num_arcs, round(float(determinize_star(two).arcs["cost"][0]), 4)
    (5, -0.6931)
    """
    from wfst_asr.fst._determinize_kernels import DONE, TOO_MANY, determinize_kernel, spell_out

    table = as_table(machine)
    if table.num_states == 0 or table.start < 0:
        return ArcTable(-1, np.zeros(1, np.int64), np.empty(0, ARC_DTYPE), np.empty(0, np.float32))
    order = np.lexsort((table.arcs["ilabel"], table.source()))
    arcs = table.arcs[order]
    status, failure, num_subsets, columns, strings, trace = determinize_kernel(
        table.first_arc,
        np.ascontiguousarray(arcs["ilabel"]),
        np.ascontiguousarray(arcs["olabel"]),
        np.ascontiguousarray(arcs["cost"]).astype(np.float64),
        np.ascontiguousarray(arcs["nextstate"]),
        table.final_cost.astype(np.float64),
        table.start,
        delta,
        use_log,
        max_states,
        _MAX_STRING,
    )
    if status == TOO_MANY:
        raise StateLimitError(
            f"{what} could not be determinized within {max_states} states; "
            "check the disambiguation symbols, or raise max_states"
        )
    if status != DONE:
        raise _not_determinizable(what, failure, strings, trace, iname, oname)
    source, ilabel, olabel, cost, nextstate, final = spell_out(num_subsets, *columns, *strings)
    records = np.empty(len(source), dtype=ARC_DTYPE)
    columns_out = (ilabel, olabel, cost, nextstate)
    for name, column in zip(("ilabel", "olabel", "cost", "nextstate"), columns_out, strict=True):
        records[name] = column
    return arc_table(len(final), records, source=source, finals=final)


def _not_determinizable(
    what: str,
    failure: NDArray[np.int64],
    strings: tuple[NDArray[np.int32], NDArray[np.int32]],
    trace: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]],
    iname: Callable[[int], str],
    oname: Callable[[int], str],
) -> WfstAsrError:
    """Name the two outputs that clash, and the input they share since the outputs began to differ."""
    parent, label_into, first_element, element_string = trace
    subset, first, second, label = (int(value) for value in failure)
    outputs = [_spelt(number, strings, oname) for number in (first, second)]
    inputs = [(label, max(map(len, outputs)))] if label else []  # with the number of outputs that wait behind each
    while subset > 0:
        owed = element_string[first_element[subset] : first_element[subset + 1]]
        if not owed.any():
            break
        inputs.append((int(label_into[subset]), max(len(_spelt(int(number), strings, oname)) for number in owed)))
        subset = int(parent[subset])
    inputs.reverse()
    if first == second:
        shared = " ".join(iname(i) for i, _ in inputs[:20])
        return WfstAsrError(
            f"{what} could not be determinized: since the input '{shared} ...' more than {_MAX_STRING} output labels "
            f"('{' '.join(outputs[0][:5])} ...') wait for the input to tell them apart; "
            "build the lexicon with disambiguate=True"
        )
    while len(outputs[0]) > 1 and len(outputs[1]) > 1 and outputs[0][-1] == outputs[1][-1]:
        outputs = [names[:-1] for names in outputs]
    most = max(map(len, outputs))
    shared = " ".join(iname(i) for i, waiting in inputs if waiting <= most) or "the empty string"
    return WfstAsrError(
        f"{what} could not be determinized: the words '{' '.join(outputs[0])}' and '{' '.join(outputs[1])}' share the "
        f"pronunciation '{shared}' and have no disambiguation symbol; build the lexicon with disambiguate=True"
    )


def _spelt(string: int, strings: tuple[NDArray[np.int32], NDArray[np.int32]], oname: Callable[[int], str]) -> list[str]:
    labels, rest = strings
    names = []
    while string != 0:
        names.append(oname(int(labels[string])))
        string = int(rest[string])
    return names
