"""HCLG built directly on arrays, for a plain lexicon and a back-off grammar; the OpenFst path is the definition.

    det(L o G) as lexical trees -> C on the fly -> equal states merged on HMM labels -> HMM states -> self-loops

Every step keeps the weighted relation that the composition and determinization of the four machines have; it only
avoids making what they would make and throw away.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable
from wfst_asr.graph.lexical_tree import Machine, PronunciationArrays, lexical_tree_lg
from wfst_asr.graph.step_clock import StepClock


@dataclass(frozen=True)
class WindowHmms:
    """Which HMM stands for a phone between two others, and what its states are (left-to-right, without skips).

    Attributes:
        hmm_of: (left classes, phones + 1, right classes) int32 HMM number; monophones have one class a side.
        left_class: (phones + 1,) int32 class of a phone as left context; 0 is also "no phone before".
        right_class: (phones + 1,) int32 class of a phone as right context; entry 0 is "no phone after".
        hmm_first: (HMMs + 1,) int64 offsets into `hmm_unit`; HMMs in lexicographic order of their units.
        hmm_unit: flat units (emitting states) of the HMMs.
        unit_label: (units,) int32 input label of each unit in HCLG.
        unit_enter_cost: (units,) float, paid once a visit: the scaled cost of the transition out of the state.
        unit_loop_cost: (units,) float, the scaled cost of the self-loop.
    """

    hmm_of: NDArray[np.int32]
    left_class: NDArray[np.int32]
    right_class: NDArray[np.int32]
    hmm_first: NDArray[np.int64]
    hmm_unit: NDArray[np.int32]
    unit_label: NDArray[np.int32]
    unit_enter_cost: NDArray[np.float64]
    unit_loop_cost: NDArray[np.float64]

    def __post_init__(self) -> None:
        if np.any(np.diff(self.hmm_first) < 1):
            raise WfstAsrError(
                "an HMM has no emitting state; the direct compiler needs at least one, use the OpenFst path"
            )


def merge_equal_states(machine: Machine, *, rounds: int = 3) -> Machine:
    """Merge states that have the same arcs and final cost, and number the rest depth first.

    Equal to minimisation of the machine as an unweighted acceptor of (ilabel, olabel, cost) on every part without
    cycles; states that only a cycle could prove equal stay apart.  Linear time a round.
    """
    from wfst_asr.graph import _arrays_kernels as kernels

    m = machine
    rep = np.arange(m.num_states, dtype=np.int32)
    order = kernels.finishing_order(m.start, m.first, m.nextstate)
    for _ in range(rounds):
        if kernels.merge_round(order, m.first, m.ilabel, m.olabel, m.cost, m.nextstate, m.final, rep) == 0:
            break
    return _compact(m, rep)


def _compact(m: Machine, rep: NDArray[np.int32]) -> Machine:
    from wfst_asr.graph import _arrays_kernels as kernels

    new_number, count, arcs = kernels.preorder_of_merged(m.start, m.first, m.nextstate, rep)
    arrays = kernels.renumbered(new_number, count, arcs, m.first, m.ilabel, m.olabel, m.cost, m.nextstate, m.final, rep)
    return Machine(*arrays)


def context_windows_of(lg: Machine, hmms: WindowHmms) -> Machine:
    """Compose C with LG on the fly: the result's input labels are HMM numbers + 1, its outputs words."""
    from wfst_asr.graph._window_kernels import expand_windows

    arrays = expand_windows(
        lg.start, lg.first, lg.ilabel, lg.olabel, lg.cost, lg.nextstate, lg.final,
        hmms.hmm_of, hmms.left_class, hmms.right_class,
    )  # fmt: skip
    return Machine(*arrays)


def expand_to_hmm_states(clg: Machine, hmms: WindowHmms) -> ArcTable:
    """Replace HMM labels by chains of states with self-loops, and epsilon arcs by what follows where nothing grows."""
    from wfst_asr.graph import _arrays_kernels as arrays
    from wfst_asr.graph import _epsilon_kernels as epsilons
    from wfst_asr.graph import _hmm_kernels as kernels

    enter = np.rint(hmms.unit_enter_cost * arrays.COST_UNITS).astype(np.int32)
    last_unit = hmms.hmm_unit[hmms.hmm_first[1:] - 1]
    absorbed = kernels.absorbed_loops(clg.start, clg.first, clg.ilabel, clg.nextstate, clg.final, last_unit)
    first, ilabel, olabel, cost, nextstate, loop = kernels.expand_hmms(
        clg.first, clg.ilabel, clg.olabel, clg.cost, clg.nextstate, absorbed, hmms.hmm_first, hmms.hmm_unit, enter
    )
    final = np.full(len(loop), arrays.NOT_FINAL, dtype=np.int32)
    final[: clg.num_states] = clg.final
    inlinable = epsilons.inlinable_states(clg.start, first, ilabel, olabel, nextstate, final, loop)
    first, ilabel, olabel, cost, nextstate = epsilons.without_local_epsilons(
        first, ilabel, olabel, cost, nextstate, inlinable
    )
    rep = np.arange(len(loop), dtype=np.int32)
    new_number, count, num_arcs = arrays.preorder_of_merged(clg.start, first, nextstate, rep)
    keep = new_number >= 0
    new_loop = np.empty(count, dtype=np.int32)
    new_loop[new_number[keep]] = loop[keep]
    m = Machine(*arrays.renumbered(new_number, count, num_arcs, first, ilabel, olabel, cost, nextstate, final, rep))
    del first, ilabel, olabel, cost, nextstate, rep, new_number
    loop_cost = hmms.unit_loop_cost.astype(np.float32)
    first, ilabel, olabel, float_cost, nextstate = epsilons.with_self_loops(
        m.first, m.ilabel, m.olabel, m.cost, m.nextstate, new_loop,
        hmms.unit_label, loop_cost, np.float32(1.0 / arrays.COST_UNITS),
    )  # fmt: skip
    records = np.empty(len(ilabel), dtype=ARC_DTYPE)
    records["ilabel"], records["olabel"], records["cost"], records["nextstate"] = ilabel, olabel, float_cost, nextstate
    final_cost = np.where(m.final == arrays.NOT_FINAL, np.inf, m.final / arrays.COST_UNITS).astype(np.float32)
    return ArcTable(m.start, first, records, final_cost)


def direct_hclg(
    pronunciations: PronunciationArrays,
    grammar: ArcTable,
    hmms: WindowHmms,
    *,
    backoff_label: int,
    silence_phone: int = 0,
    silence_prob: float = 0.5,
    clock: StepClock | None = None,
) -> ArcTable:
    """Compile HCLG from arrays.

    Args:
        pronunciations: the lexicon (`pronunciation_arrays`).
        grammar: G as arrays; a back-off model through `grammar_arcs`, or any acceptor of words.
        hmms: context and HMM states.
        backoff_label: label of `#0` in G.
        silence_phone: the optional silence, 0 for none.
        silence_prob: its probability.
        clock: records the steps and tells them while they run.

    Returns:
        HCLG; input labels are `hmms.unit_label`, outputs words, self-loops are included.
    """
    clock = clock or StepClock()
    with clock.step("det(L o G)") as size:
        lg = lexical_tree_lg(
            pronunciations, grammar, backoff_label=backoff_label, silence_phone=silence_phone, silence_prob=silence_prob
        )
        size.set(lg.num_states, lg.num_arcs)
    with clock.step("min(LG)") as size:
        lg = merge_equal_states(lg, rounds=1)
        size.set(lg.num_states, lg.num_arcs)
    with clock.step("C o LG") as size:
        clg = context_windows_of(lg, hmms)
        del lg
        size.set(clg.num_states, clg.num_arcs)
    with clock.step("min(CLG)") as size:
        clg = merge_equal_states(clg, rounds=2)
        size.set(clg.num_states, clg.num_arcs)
    with clock.step("H o CLG, self-loops") as size:
        hclg = expand_to_hmm_states(clg, hmms)
        size.set(hclg.num_states, hclg.num_arcs)
    return hclg
