"""T: the topology of connectionist temporal classification as a transducer, and T o LG.

T takes one label a frame, a token or the blank, and gives out units: repetitions of a token are one unit, and blanks
none.  Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification" (2006), section 3.1; as a
transducer Miao, Gowayyed and Metze, "EESEN" (2015), section 3.1; the variants are those of Laptev, Majumdar and
Ginsburg, "CTC variations through new WFST topologies" (2022), section 3.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ArcTable, arc_table
from wfst_asr.graph.lexical_tree import Machine

CtcTopology = Literal["standard", "compact", "no-blank"]
CTC_TOPOLOGIES: tuple[CtcTopology, ...] = get_args(CtcTopology)


def check_topology(topology: str) -> None:
    """Refuse a name that is none of CTC_TOPOLOGIES.

    Raises:
        WfstAsrError: it is not.
    """
    if topology not in CTC_TOPOLOGIES:
        raise WfstAsrError(f"CTC topology '{topology}', expected one of {', '.join(CTC_TOPOLOGIES)}")


def ctc_fst(
    label_of: Mapping[int, int],
    *,
    blank_label: int,
    disambig: Mapping[int, int] | None = None,
    topology: CtcTopology = "standard",
) -> ArcTable:
    """Build T.

    Topologies:
        standard: between two equal units there must be a blank; deterministic.  U + 1 states, about U^2 arcs.
        no-blank: a repeated token may also be the same unit once more, so that the blank between is not needed.
        compact: as no-blank, but a token leads back by an epsilon to the state of the blank, in about 3 U arcs.

    Args:
        label_of: input label of each unit, by the unit's id (T's output label).
        blank_label: input label of the blank.
        disambig: input label of each disambiguation symbol, by the symbol's id on the output side; they pass through.
        topology: see above.

    Returns:
        T; state 0 is the start and the state of the blank, all states are final, all costs are 0.

    Raises:
        WfstAsrError: no unit, a unit with epsilon's or the blank's label, or an unknown topology.

    >>> t = ctc_fst({1: 2, 2: 3}, blank_label=1)
    >>> t.num_states, t.num_arcs
    (3, 9)
    >>> ctc_fst({1: 2, 2: 3}, blank_label=1, topology="compact").num_arcs
    7
    """
    check_topology(topology)
    if not label_of:
        raise WfstAsrError("CTC topology of no units; expected at least one token beside the blank")
    for unit, label in label_of.items():
        if unit < 1 or label < 1 or label == blank_label:
            raise WfstAsrError(
                f"unit {unit} has label {label}; expected a unit of at least 1 and a label that is neither epsilon (0) "
                f"nor the blank ({blank_label})"
            )
    labels = sorted(set(label_of.values()))
    state_of = {label: state for state, label in enumerate(labels, start=1)}
    rows = [(0, 0, blank_label, 0, 0.0)]
    for label, state in state_of.items():
        rows.append((state, state, label, 0, 0.0))
        rows.append((state, 0, 0 if topology == "compact" else blank_label, 0, 0.0))
    for unit, label in sorted(label_of.items()):
        into = state_of[label]
        rows.append((0, into, label, unit, 0.0))
        if topology != "compact":
            others = (state for state in state_of.values() if state != into or topology == "no-blank")
            rows.extend((state, into, label, unit, 0.0) for state in others)
    for symbol, label in sorted((disambig or {}).items()):
        states = (0,) if topology == "compact" else range(len(labels) + 1)
        rows.extend((state, state, label, symbol, 0.0) for state in states)
    return arc_table(len(labels) + 1, rows, finals=dict.fromkeys(range(len(labels) + 1), 0.0))


def ctc_expansion(lg: Machine, token_of: NDArray[np.int32], *, blank_label: int, topology: CtcTopology) -> Machine:
    """Compose T with LG on arrays, without T; the result equals `compose(ctc_fst(...), LG)`.

    Args:
        lg: det(L o G), its input labels units, 0 for epsilon (no disambiguation symbols).
        token_of: (units + 1,) input label of each unit, entry 0 is 0.
        blank_label: input label of the blank.
        topology: see `ctc_fst`.

    Returns:
        A machine of tokens and words.  Linear in its size, which for plain lexicons is about twice that of LG.
    """
    from wfst_asr.graph import _ctc_kernels as kernels

    check_topology(topology)
    number = {"standard": kernels.STANDARD, "compact": kernels.COMPACT, "no-blank": kernels.NO_BLANK}[topology]
    token_of = np.ascontiguousarray(token_of, dtype=np.int32)
    num_labels = int(max(token_of.max(initial=0), blank_label)) + 1
    return Machine(
        *kernels.expand_ctc(lg.start, lg.first, lg.arcs, lg.final, token_of, num_labels, blank_label, number)
    )
