"""Alignments read as phones in their context, and carried over from one tree of tied states to another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.transition_model import TransitionModel
from wfst_asr.tree.context_dependency import ContextDependency


@dataclass(frozen=True)
class PhoneSegments:
    """The phones of alignments, one after another.

    Attributes:
        phone: (n,) phone ids; 0 stands between utterances, as often as the widest context asks for.
        segment: (T,) place in `phone` of every frame.
    """

    phone: NDArray[np.int32]
    segment: NDArray[np.int64]

    def windows(self, context_width: int, central_position: int) -> NDArray[np.int32]:
        """Return the (n, N) context window around every phone; 0 beyond the ends of an utterance."""
        count = len(self.phone)
        padded = np.concatenate(
            (np.zeros(central_position, np.int32), self.phone, np.zeros(context_width, np.int32))
        ).astype(np.int32)
        windows = np.stack([padded[k : k + count] for k in range(context_width)], axis=1)
        return windows


def phone_segments(alignments: list[NDArray[np.int32]], model: TransitionModel, *, padding: int = 2) -> PhoneSegments:
    """Find the phones of alignments (transition-ids, each HMM state's forward transition before its self-loops).

    Args:
        alignments: (T,) transition-ids of each utterance.
        model: their transition model.
        padding: zeros between utterances; at least N - 1 for windows of N phones.

    Returns:
        The phones; `segment` is for the frames of all alignments one after another.
    """
    phones, segments, at = [], [], 0
    gap = np.zeros(padding, dtype=np.int32)
    for ids in alignments:
        starts = np.flatnonzero(~model.is_self_loop[ids])
        if len(ids) == 0 or len(starts) == 0 or starts[0] != 0:
            raise WfstAsrError("an alignment does not begin with a forward transition; align again with this model")
        visit_ends_phone = model.is_final[ids[starts]]
        phone_of_visit = np.concatenate(([0], np.cumsum(visit_ends_phone)[:-1]))
        lengths = np.diff(np.append(starts, len(ids)))
        segments.append(at + np.repeat(phone_of_visit, lengths))
        first_visits = np.flatnonzero(np.concatenate(([True], visit_ends_phone[:-1])))
        found = model.phone[ids[starts[first_visits]]]
        phones += [found, gap]
        at += len(found) + padding
    if not phones:
        return PhoneSegments(np.empty(0, np.int32), np.empty(0, np.int64))
    return PhoneSegments(np.concatenate(phones).astype(np.int32), np.concatenate(segments).astype(np.int64))


def why_no_path(transition_ids: NDArray[np.int32], model: TransitionModel) -> str:
    """Tell why transition-ids (forward transitions first) are no path through the HMMs of a model; "" if they are one.

    >>> from wfst_asr.hmm.topology import HmmTopology, left_to_right
    >>> from wfst_asr.hmm.transition_model import transition_model_from_tree
    >>> from wfst_asr.tree.decision_tree import monophone_tree
    >>> model = transition_model_from_tree(monophone_tree({1: 2}), HmmTopology((left_to_right(2),), {1: 0}))
    >>> why_no_path(np.array([2, 1, 4]), model), why_no_path(np.array([2, 3, 4]), model)
    ('', 'frame 1 has a self-loop of another HMM state than the frame before')
    """
    ids = transition_ids
    if len(ids) == 0 or ids.min() < 1 or ids.max() > model.num_transition_ids:
        return f"it has ids outside 1 to {model.num_transition_ids}"
    forward = np.flatnonzero(~model.is_self_loop[ids])
    if len(forward) == 0 or forward[0] != 0:
        return "it does not begin with a forward transition"
    states = model.transition_state[ids]
    wrong = np.flatnonzero(np.repeat(states[forward], np.diff(np.append(forward, len(ids)))) != states)
    if len(wrong):
        return f"frame {wrong[0]} has a self-loop of another HMM state than the frame before"
    left = ids[forward]
    ends = model.is_final[left]
    follows = (model.phone[left[1:]] == model.phone[left[:-1]]) & (
        model.hmm_state[left[1:]] >= model.next_hmm_state[left[:-1]]  # states that emit nothing may lie between
    )
    broken = np.flatnonzero(~(ends[:-1] | follows))
    if len(broken):
        return f"the phone at frame {forward[broken[0]]} goes on with a state that does not follow"
    return "" if ends[-1] else "it ends inside of a phone"


def convert_alignments(
    alignments: list[NDArray[np.int32]],
    old: TransitionModel,
    new: TransitionModel,
    tree: ContextDependency,
) -> list[NDArray[np.int32]]:
    """Carry alignments over to a model of another tree and the same topology (Kaldi `convert-ali`).

    Raises:
        WfstAsrError: the new model has no such phone or state.
    """
    if not alignments:
        return []
    segments = phone_segments(alignments, old, padding=max(tree.context_width - 1, 1))
    windows = segments.windows(tree.context_width, tree.central_position)
    ids = np.concatenate(alignments)
    if not np.array_equal(windows[segments.segment, tree.central_position], old.phone[ids]):
        raise WfstAsrError("the alignments are not of this transition model; align again")
    distinct, window_of = _distinct_rows(windows)
    num_states = 1 + max(len(entry) for entry in old.topology.entries)
    keys, which = np.unique(window_of[segments.segment] * num_states + old.hmm_state[ids], return_inverse=True)
    first = np.empty(len(keys), dtype=np.int64)
    for index, key in enumerate(keys.tolist()):
        window, state = distinct[key // num_states], key % num_states
        phone = window[tree.central_position]
        hmm_state = new.topology.states(phone)[state]
        forward = tree.pdf_id(window, hmm_state.forward_pdf_class)
        loop = forward
        if hmm_state.self_loop_pdf_class != hmm_state.forward_pdf_class:
            loop = tree.pdf_id(window, hmm_state.self_loop_pdf_class)
        first[index] = new.first_id[new.find(phone, state, forward, loop)]
    arcs = ids - old.first_id[old.transition_state[ids]]
    converted = (first[which.reshape(-1)] + arcs).astype(np.int32)
    ends = np.cumsum([len(part) for part in alignments])
    return np.split(converted, ends[:-1])


def _distinct_rows(windows: NDArray[np.int32]) -> tuple[list[tuple[int, ...]], NDArray[np.int64]]:
    """Return the distinct windows, and which of them every row is."""
    base = int(windows.max(initial=0)) + 1
    code = np.zeros(len(windows), dtype=np.int64)
    for column in windows.T:
        code = code * base + column
    _, example, which = np.unique(code, return_index=True, return_inverse=True)
    return [tuple(row) for row in windows[example].tolist()], which.reshape(-1)
