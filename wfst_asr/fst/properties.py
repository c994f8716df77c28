"""What can be told of a machine at a glance: sizes, epsilons, determinism, labels."""

from dataclasses import dataclass

import numpy as np

from wfst_asr.fst.arcs import ArcTable


@dataclass(frozen=True)
class MachineProperties:
    """Sizes and properties of a machine.

    Attributes:
        states: number of states.
        arcs: number of arcs.
        final_states: number of states with a final cost.
        input_epsilons: arcs with input epsilon.
        output_epsilons: arcs with output epsilon.
        epsilon_arcs: arcs with both.
        self_loops: arcs that stay in their state.
        max_arcs_of_state: the largest number of arcs that leave one state.
        distinct_inputs: number of input labels in use, epsilon apart.
        distinct_outputs: number of output labels in use, epsilon apart.
        max_input: largest input label.
        max_output: largest output label.
        input_deterministic: no state has two arcs with one input label, or an arc with input epsilon.
        lowest_cost: the smallest cost on an arc; infinity without arcs.
        highest_cost: the largest finite cost on an arc; -infinity without arcs.
    """

    states: int
    arcs: int
    final_states: int
    input_epsilons: int
    output_epsilons: int
    epsilon_arcs: int
    self_loops: int
    max_arcs_of_state: int
    distinct_inputs: int
    distinct_outputs: int
    max_input: int
    max_output: int
    input_deterministic: bool
    lowest_cost: float
    highest_cost: float


def describe(table: ArcTable) -> MachineProperties:
    """Return the sizes and properties of a machine; linear, but for one sort of the arcs.

    >>> from wfst_asr.fst.arcs import arc_table
    >>> facts = describe(arc_table(2, [(0, 1, 3, 4, 0.5), (0, 0, 3, 0, 1.0)], finals={1: 0.0}))
    >>> facts.input_deterministic, facts.self_loops, facts.output_epsilons, facts.max_arcs_of_state
    (False, 1, 1, 2)
    """
    source, ilabel, olabel = table.source(), table.arcs["ilabel"], table.arcs["olabel"]
    cost = table.arcs["cost"][np.isfinite(table.arcs["cost"])]
    keys = (source.astype(np.int64) << 32) | ilabel.astype(np.int64)
    epsilons = int(np.count_nonzero(ilabel == 0))
    return MachineProperties(
        states=table.num_states,
        arcs=table.num_arcs,
        final_states=int(np.count_nonzero(np.isfinite(table.final_cost))),
        input_epsilons=epsilons,
        output_epsilons=int(np.count_nonzero(olabel == 0)),
        epsilon_arcs=int(np.count_nonzero((ilabel == 0) & (olabel == 0))),
        self_loops=int(np.count_nonzero(source == table.arcs["nextstate"])),
        max_arcs_of_state=int(np.diff(table.first_arc).max(initial=0)),
        distinct_inputs=int(np.count_nonzero(np.unique(ilabel))),
        distinct_outputs=int(np.count_nonzero(np.unique(olabel))),
        max_input=int(ilabel.max(initial=0)),
        max_output=int(olabel.max(initial=0)),
        input_deterministic=epsilons == 0 and len(np.unique(keys)) == len(keys),
        lowest_cost=float(cost.min(initial=np.inf)),
        highest_cost=float(cost.max(initial=-np.inf)),
    )
