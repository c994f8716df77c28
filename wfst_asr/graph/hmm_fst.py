"""H: the HMM of every context window, as a transducer from transition-ids to windows."""

from collections.abc import Sequence

import numpy as np
import pynini

from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import ARC_DTYPE, ArcTable, arc_table
from wfst_asr.fst.convert import to_pynini
from wfst_asr.graph.context_fst import ContextWindow, is_disambig_window
from wfst_asr.hmm.topology import NO_PDF
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.tree.context_dependency import ContextDependency

_Arc = tuple[int, int, int, float]  # state, next state, input label, cost; -1 is the loop state


def hmm_fst(
    context_windows: Sequence[ContextWindow],
    tree: ContextDependency,
    model: TransitionModel,
    *,
    transition_scale: float = 1.0,
) -> pynini.Fst:
    """Build H without self-loops: one path of transition-ids for every way through a window's HMM.

    See `hmm_table`, which returns the same machine as arrays.

    >>> from wfst_asr.hmm.topology import HmmTopology, left_to_right
    >>> from wfst_asr.hmm.transition_model import transition_model_from_tree
    >>> from wfst_asr.tree.decision_tree import monophone_tree
    >>> tree = monophone_tree({1: 2})
    >>> model = transition_model_from_tree(tree, HmmTopology((left_to_right(2),), {1: 0}))
    >>> h = hmm_fst([(), (1,), (-5,)], tree, model)
    >>> sorted((arc.ilabel, arc.olabel) for state in h.states() for arc in h.arcs(state))
    [(2, 1), (4, 0), (5, 2)]
    """
    return to_pynini(hmm_table(context_windows, tree, model, transition_scale=transition_scale))


def hmm_table(
    context_windows: Sequence[ContextWindow],
    tree: ContextDependency,
    model: TransitionModel,
    *,
    transition_scale: float = 1.0,
) -> ArcTable:
    """Build H without self-loops as arrays (Kaldi `GetHTransducer`).

    State 0 is start and final; every window's HMM leaves it and comes back to it.  The window is the output label of
    the HMM's first arc.  Windows with the same phone and pdf-ids share their states.

    Args:
        context_windows: as `compose_context` returns them; the output labels of H are indices into them.
        tree: gives the pdf-ids of a window.
        model: gives the transition-ids, which are the input labels of H, and their probabilities.
        transition_scale: factor on the log probabilities of the transitions other than self-loops.

    Returns:
        H, with -transition_scale ln p(transition | no self-loop) as costs.  The k-th disambiguation symbol of
        `context_windows` (k = 0, 1 ...) has the input label `model.num_transition_ids + 1 + k`.

    Raises:
        WfstAsrError: the tree has no pdf for a window, or the model has no such tuple; the phone has no topology.
    """
    arcs: list[_Arc] = []
    starts: list[tuple[int, int, float, int]] = []  # input label, window, cost, next state
    pieces: dict[tuple[int, ...], list[_Arc]] = {}
    num_states = 1
    num_disambig = 0
    for window_id, window in enumerate(context_windows):
        if not window:
            continue
        if is_disambig_window(window):
            num_disambig += 1
            starts.append((model.num_transition_ids + num_disambig, window_id, 0.0, 0))
            continue
        if len(window) != tree.context_width:
            raise WfstAsrError(
                f"context window {window} has {len(window)} phones, but the tree asks for {tree.context_width}; "
                "compose C with the tree's own context width"
            )
        phone = window[tree.central_position]
        pdfs = tuple(tree.pdf_id(window, c) for c in range(model.topology.num_pdf_classes(phone)))
        key = (phone, *pdfs)
        if key not in pieces:
            pieces[key], body, num_new = _phone_piece(phone, pdfs, model, transition_scale, num_states)
            arcs += body
            num_states += num_new
        starts += [(ilabel, window_id, cost, dest) for _, dest, ilabel, cost in pieces[key]]
    records = np.empty(len(starts) + len(arcs), dtype=ARC_DTYPE)
    rows = [(i, o, c, n) for i, o, c, n in starts] + [(i, 0, c, n) for _, n, i, c in arcs]
    records[:] = rows
    source = [0] * len(starts) + [arc[0] for arc in arcs]
    return arc_table(num_states, records, source=source, finals={0: 0.0})


def _phone_piece(
    phone: int, pdfs: tuple[int, ...], model: TransitionModel, scale: float, first_state: int
) -> tuple[list[_Arc], list[_Arc], int]:
    """Return the arcs that enter a phone's HMM from the loop state, its other arcs, and how many states they need."""
    states = model.topology.states(phone)
    final = len(states) - 1
    arcs: list[_Arc] = []
    for number, state in enumerate(states[:-1]):
        if state.forward_pdf_class == NO_PDF:
            arcs += [(number, dest, 0, -scale * float(np.log(prob))) for dest, prob in state.transitions]
            continue
        loop_class = state.self_loop_pdf_class
        loop_pdf = pdfs[loop_class] if loop_class != NO_PDF else NO_PDF
        transition_state = model.find(phone, number, pdfs[state.forward_pdf_class], loop_pdf)
        first_id = int(model.first_id[transition_state])
        for index, (dest, _) in enumerate(state.transitions):
            if dest != number:
                label = first_id + index
                arcs.append((number, dest, label, -scale * float(model.forward_log_prob[label])))
    entered = {dest for _, dest, *_ in arcs if dest != final}
    numbering = {number: first_state + i for i, number in enumerate(sorted(entered))}
    numbering[final] = 0
    enter = [(-1, numbering[dest], label, cost) for number, dest, label, cost in arcs if number == 0]
    body = [
        (numbering[number], numbering[dest], label, cost)
        for number, dest, label, cost in arcs
        if number in numbering and number != final
    ]
    return enter, body, len(entered)
