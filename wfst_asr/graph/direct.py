"""HCLG built directly on arrays, for a plain lexicon and a back-off grammar; the OpenFst path is the definition.

    det(L o G) as lexical trees -> C on the fly -> equal states merged on HMM labels -> HMM states -> self-loops

Every step keeps the weighted relation that the composition and determinization of the four machines have; it only
avoids making what they would make and throw away.
"""

import numpy as np
from numpy.typing import NDArray

from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable
from wfst_asr.fst.content_hash import content_sha256
from wfst_asr.graph.lexical_tree import Machine, PronunciationArrays, lexical_tree_lg
from wfst_asr.graph.step_clock import StepClock
from wfst_asr.graph.window_hmms import WindowHmms


def merge_equal_states(machine: Machine, *, rounds: int = 3) -> Machine:
    """Merge states that have the same arcs and final cost, and number the rest depth first.

    Equal to minimisation of the machine as an unweighted acceptor of (ilabel, olabel, cost) on every part without
    cycles; states that only a cycle could prove equal stay apart.  Linear time a round.
    """
    from wfst_asr.graph import _arrays_kernels as kernels

    rep = np.arange(machine.num_states, dtype=np.int32)
    order = kernels.finishing_order(machine.start, machine.first, machine.arcs)
    for _ in range(rounds):
        if kernels.merge_round(order, machine.first, machine.arcs, machine.final, rep) == 0:
            break
    return Machine(*kernels.merged_machine(machine.start, machine.first, machine.arcs, machine.final, rep))


def context_windows_of(lg: Machine, hmms: WindowHmms) -> Machine:
    """Compose C with LG on the fly: the result's input labels are HMM numbers + 1, its outputs words.

    The arcs of every state are sorted by (ilabel, olabel).
    """
    from wfst_asr.graph._window_kernels import expand_windows

    if hmms.hmm_of.shape[0] == hmms.hmm_of.shape[2] == 1:  # without context a phone is its own window
        arcs = lg.arcs.copy()
        arcs[:, 0] = np.where(arcs[:, 0] > 0, hmms.hmm_of[0, arcs[:, 0], 0] + 1, 0)
        source = np.repeat(np.arange(lg.num_states, dtype=np.int32), np.diff(lg.first))
        return Machine(lg.first, arcs[np.lexsort((arcs[:, 1], arcs[:, 0], source))], lg.final, start=lg.start)
    arrays = expand_windows(lg.start, lg.first, lg.arcs, lg.final, hmms.hmm_of, hmms.left_class, hmms.right_class)
    return Machine(*arrays)


def with_networks(clg: Machine, hmms: WindowHmms) -> Machine:
    """Replace the labels of HMMs that are no chains by networks of chains; the other labels stay."""
    from wfst_asr.graph._network_kernels import expand_networks

    if hmms.num_networks == 0:
        return clg
    first, arcs, final = expand_networks(
        clg.first, clg.arcs, clg.final, hmms.num_chains, hmms.network_first, hmms.network_arcs
    )
    return Machine(first, arcs, final, start=clg.start)


def expand_to_hmm_states(clg: Machine, hmms: WindowHmms) -> ArcTable:
    """Replace HMM labels by chains of states with self-loops, and epsilon arcs by what follows where nothing grows."""
    from wfst_asr.graph import _epsilon_kernels as epsilons
    from wfst_asr.graph import _hmm_kernels as kernels
    from wfst_asr.graph._arrays_kernels import COST_UNITS

    enter = np.rint(hmms.unit_enter_cost * COST_UNITS).astype(np.int32)
    last_unit = hmms.hmm_unit[hmms.hmm_first[1:] - 1]
    absorbed = kernels.absorbed_loops(clg.start, clg.first, clg.arcs, last_unit)
    states, arcs = kernels.expand_hmms(clg.first, clg.arcs, absorbed, hmms.hmm_first, hmms.hmm_unit, enter)
    loop_label = hmms.unit_label if hmms.unit_loop_label is None else hmms.unit_loop_label
    if not loop_label.all():  # units without self-loop
        has_loop = np.concatenate(([0], loop_label != 0))
        states[:, 1] &= np.where(has_loop[states[:, 1] & 0xFFFFFFFF], -1, -1 << 32)
    start, final = clg.start, clg.final
    del clg, absorbed
    inlinable = epsilons.inlinable_states(start, states, arcs, final)
    out = np.empty((len(arcs) + np.count_nonzero(states[:, 1] & 0xFFFFFFFF), 4), dtype=np.int32)
    first, final_cost, num_arcs = epsilons.finished_graph(
        out, out.view(np.float32), start, states, arcs, final, inlinable,
        hmms.unit_label, loop_label, hmms.unit_loop_cost.astype(np.float32),
    )  # fmt: skip
    return ArcTable(0, first, out[:num_arcs].view(ARC_DTYPE).reshape(-1), final_cost)


def spoken_part(grammar: ArcTable, words: NDArray[np.int32], *, backoff_label: int) -> ArcTable:
    """Return the part of G that can be spoken: without words outside `words`, and without states that lead nowhere.

    A G made of a language model with the words of the lexicon needs no such care.
    """
    from wfst_asr.fst.convert import from_pynini, to_pynini

    label = grammar.arcs["ilabel"]
    keep = np.isin(label, words) | (label == 0) | (label == backoff_label)
    kept_before = np.concatenate(([0], np.cumsum(keep)))
    fst = to_pynini(ArcTable(grammar.start, kept_before[grammar.first_arc], grammar.arcs[keep], grammar.final_cost))
    return from_pynini(fst.connect())


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
        clock: records the steps, tells them while they run, and takes over those that were stored.

    Returns:
        HCLG; input labels are those of `hmms`, outputs words, self-loops are included.
    """
    clock = clock or StepClock()
    lg = clock.run(
        "det(L o G)",
        lambda: lexical_tree_lg(
            pronunciations, grammar, backoff_label=backoff_label, silence_phone=silence_phone, silence_prob=silence_prob
        ),
        key=(content_sha256(pronunciations, grammar), backoff_label, silence_phone, float(silence_prob)),
    )
    merged = clock.run("min(LG)", lambda: merge_equal_states(lg.take(), rounds=1), of=[lg])
    model = content_sha256(hmms)
    clg = clock.run("C o LG", lambda: context_windows_of(merged.take(), hmms), of=[merged], key=(model,))
    small = clock.run("min(CLG)", lambda: merge_equal_states(clg.take(), rounds=2), of=[clg])
    small.value()
    with clock.step("H o CLG, self-loops") as size:
        hclg = expand_to_hmm_states(with_networks(small.take(), hmms), hmms)
        size.set(hclg.num_states, hclg.num_arcs, hclg)
    return hclg
