"""Transition probabilities from counts (Kaldi `TransitionModel::MleUpdate`, `transition-model.cc`)."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.transition_model import TransitionModel


def estimate_transitions(
    model: TransitionModel, counts: ArrayLike, *, floor: float = 0.01, min_count: float = 5.0
) -> tuple[TransitionModel, float]:
    """Estimate the transition probabilities: p(arc | transition-state) = its share of the state's count, floored.

    Args:
        model: the old model; states with too small a count keep its probabilities.
        counts: (I + 1,) occupancy of every transition-id, entry 0 unused.
        floor: least probability; flooring and scaling to a sum of one alternate three times, flooring last.
        min_count: least count of a transition-state.

    Returns:
        The new model, and the change of the log likelihood, sum over ids of count * ln(new / old).

    Raises:
        WfstAsrError: counts of another length, negative or not finite; a floor that cannot be.

    >>> from wfst_asr.hmm.topology import HmmTopology, left_to_right
    >>> from wfst_asr.hmm.transition_model import transition_model_from_tree
    >>> from wfst_asr.tree.decision_tree import monophone_tree
    >>> model = transition_model_from_tree(monophone_tree({1: 1}), HmmTopology((left_to_right(1),), {1: 0}))
    >>> new, change = estimate_transitions(model, [0.0, 9.0, 1.0])
    >>> np.exp(new.log_prob[1:].astype(float)).round(3).tolist(), round(change, 3)
    ([0.9, 0.1], 0.725)
    """
    count: NDArray[np.float64] = np.asarray(counts, dtype=np.float64)
    if count.shape != model.log_prob.shape:
        raise WfstAsrError(
            f"{len(count) - 1} counts for {model.num_transition_ids} transition-ids; count with the same model"
        )
    if not np.all(np.isfinite(count[1:])) or np.any(count[1:] < 0):
        raise WfstAsrError("a count of a transition-id is negative or not finite; the statistics are damaged")
    sizes = np.diff(model.first_id[1:])
    if not 0.0 < floor < 1.0 or floor * sizes.max() > 1.0:
        raise WfstAsrError(f"a floor of {floor} for {sizes.max()} transitions of a state; expected a smaller one")
    begin = model.first_id[1:-1] - 1
    count = count[1:]
    total = np.add.reduceat(count, begin)
    wanted = np.repeat((total >= min_count) & (total > 0) & (sizes > 1), sizes)
    prob = count / np.repeat(np.where(total > 0, total, 1.0), sizes)
    for _ in range(3):
        norm = np.add.reduceat(prob, begin)
        prob = np.maximum(prob / np.repeat(np.where(norm > 0, norm, 1.0), sizes), floor)
    old = model.log_prob[1:]
    new = np.where(wanted, np.log(prob), old).astype(np.float32)
    change = float(np.sum(count * (new.astype(np.float64) - old)))
    return replace(model, log_prob=np.concatenate((model.log_prob[:1], new))), change
