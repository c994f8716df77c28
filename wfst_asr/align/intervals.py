"""What an alignment says: the phones, HMM states and words of an utterance, and the frames of each.

As Kaldi's `SplitToPhones` (`hmm-utils.cc`), `ali-to-phones` and `lattice-align-words-lexicon`, for one best path.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.transition_model import TransitionModel

SILENCE = -1


@dataclass(frozen=True)
class AlignedPhones:
    """The phones of an utterance and their HMM states, which both tile its frames.

    Attributes:
        phone: (n,) int32 phone ids.
        first_frame: (n + 1,) int64; phone i has the frames `first_frame[i]:first_frame[i + 1]`.
        hmm_state: (m,) int16 HMM state of every visit to a state.
        pdf_id: (m,) int32 pdf-id of the frame on which the state is entered.
        state_first_frame: (m + 1,) int64; visit j has the frames `state_first_frame[j]:state_first_frame[j + 1]`.
    """

    phone: NDArray[np.int32]
    first_frame: NDArray[np.int64]
    hmm_state: NDArray[np.int16]
    pdf_id: NDArray[np.int32]
    state_first_frame: NDArray[np.int64]

    @property
    def num_frames(self) -> int:
        return int(self.first_frame[-1])

    @cached_property
    def phone_of_state(self) -> NDArray[np.int64]:
        """(m,) the index into `phone` that each visit to a state belongs to."""
        return np.searchsorted(self.first_frame, self.state_first_frame[:-1], side="right") - 1

    @cached_property
    def frame_phone(self) -> NDArray[np.int32]:
        """(T,) phone id by frame."""
        return np.repeat(self.phone, np.diff(self.first_frame))


@dataclass(frozen=True)
class WordSegment:
    """A word, or the silence between words, of a path.

    Attributes:
        position: position in the transcript; `SILENCE` between words.
        start_frame: its first frame.
        end_frame: the frame after its last.
        phones: ids of the phones of the pronunciation that was used.
        first_phone: index of the first of them in `AlignedPhones.phone`.
    """

    position: int
    start_frame: int
    end_frame: int
    phones: tuple[int, ...]
    first_phone: int


def is_reordered(transition_ids: NDArray[np.int32], model: TransitionModel) -> bool:
    """Tell whether self-loops follow their state's forward transition, as in Kaldi's alignments, or come before it.

    An alignment without self-loops is both, and counts as reordered.
    """
    ids = np.asarray(transition_ids)
    states, loops = model.transition_state[ids], model.is_self_loop[ids]
    changes = np.flatnonzero((states[1:] != states[:-1]) & (loops[1:] | loops[:-1]))
    if len(changes):
        return bool(loops[changes[0]])
    return not (len(loops) and loops[0])


def split_alignment(
    transition_ids: NDArray[np.int32], model: TransitionModel, *, reordered: bool | None = None
) -> AlignedPhones:
    """Cut an alignment into phones and HMM states (Kaldi `SplitToPhones`).

    Args:
        transition_ids: (T,) the transition-id of every frame.
        model: the transition model of these ids.
        reordered: whether self-loops follow the forward transition; None: as `is_reordered` finds.

    Raises:
        WfstAsrError: an id that the model has not, a self-loop of another state than its neighbours, a phone that ends
            before its last state.

    >>> from wfst_asr.hmm.topology import HmmTopology, left_to_right
    >>> from wfst_asr.hmm.transition_model import transition_model_from_tree
    >>> from wfst_asr.tree.decision_tree import monophone_tree
    >>> topology = HmmTopology((left_to_right(2),), {1: 0})
    >>> model = transition_model_from_tree(monophone_tree({1: 2}), topology)
    >>> found = split_alignment(np.array([2, 1, 4, 3, 3, 2, 4]), model)
    >>> found.phone.tolist(), found.first_frame.tolist(), found.state_first_frame.tolist()
    ([1, 1], [0, 5, 7], [0, 2, 5, 6, 7])
    """
    ids = np.asarray(transition_ids, dtype=np.int64)
    if len(ids) and not 1 <= ids.min() <= ids.max() <= model.num_transition_ids:
        raise WfstAsrError(
            f"the alignment has a transition-id outside 1 to {model.num_transition_ids}; take the model that made it"
        )
    if reordered is None:
        reordered = is_reordered(ids.astype(np.int32), model)
    states, loops = model.transition_state[ids], model.is_self_loop[ids]
    if reordered:  # a visit to a state is its forward transition, then self-loops
        forward = np.flatnonzero(~loops)
        bounds = np.append(forward, len(ids)).astype(np.int64)
    else:  # self-loops, then the forward transition
        forward = np.flatnonzero(~loops)
        bounds = np.concatenate(([0], forward + 1)).astype(np.int64)
    if len(ids) and (bounds[0] != 0 or bounds[-1] != len(ids)):
        raise WfstAsrError(f"the alignment {'begins' if reordered else 'ends'} inside of an HMM state; align again")
    entered = ids[forward]
    wrong = np.flatnonzero(np.repeat(states[forward], np.diff(bounds)) != states)
    if len(wrong):
        raise WfstAsrError(
            f"the alignment has at frame {wrong[0]} a self-loop of another state than the frame beside it; "
            "take the model that made it"
        )
    is_last = model.is_final[entered]
    phone = model.phone[entered]
    inside = np.flatnonzero((phone[1:] != phone[:-1]) & ~is_last[:-1])
    if len(inside):
        raise WfstAsrError(
            f"phone {phone[inside[0]]} of the alignment ends at frame {bounds[inside[0] + 1]} before its last state; "
            "take the model that made it"
        )
    if len(ids) and not is_last[-1]:
        raise WfstAsrError(f"the alignment ends inside of phone {phone[-1]}; align again with a wider beam")
    last = np.flatnonzero(is_last)
    return AlignedPhones(
        phone=phone[last],
        first_frame=np.concatenate(([0], bounds[last + 1])).astype(np.int64),
        hmm_state=model.hmm_state[entered],
        pdf_id=model.pdf_id[entered],
        state_first_frame=bounds,
    )


def frame_log_likelihoods(
    transition_ids: NDArray[np.int32],
    scores: NDArray[np.float32],
    model: TransitionModel,
    *,
    columns: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Return (T,) the acoustic log likelihood of every frame on a path.

    Args:
        transition_ids: (T,) the path.
        scores: (T, C) log likelihoods, unscaled.
        model: gives the pdf-id of every transition-id.
        columns: (P,) column of every pdf-id; None: the pdf-ids are the columns.

    Raises:
        WfstAsrError: scores of another number of frames.
    """
    if len(scores) != len(transition_ids):
        raise WfstAsrError(f"{len(scores)} frames of scores for an alignment of {len(transition_ids)} frames")
    pdfs = model.pdf_id[np.asarray(transition_ids)]
    return scores[np.arange(len(pdfs)), pdfs if columns is None else columns[pdfs]].astype(np.float64)


def phone_log_likelihoods(aligned: AlignedPhones, frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) the acoustic log likelihood of every phone, the sum of its frames' in `frames` (T,)."""
    if len(frames) != aligned.num_frames:
        raise WfstAsrError(f"{len(frames)} log likelihoods for an alignment of {aligned.num_frames} frames")
    return np.add.reduceat(frames, aligned.first_frame[:-1]) if len(aligned.phone) else np.zeros(0)


def word_segments(aligned: AlignedPhones, position_of_phone: NDArray[np.int32]) -> tuple[WordSegment, ...]:
    """Gather the phones of each word, and the silences between words, one segment a silence phone.

    Args:
        aligned: the phones.
        position_of_phone: (n,) position in the transcript of the word of every phone; `SILENCE` between words.
    """
    positions = np.asarray(position_of_phone)
    begins = np.ones(len(positions), dtype=bool)
    begins[1:] = (positions[1:] != positions[:-1]) | (positions[1:] == SILENCE)
    starts = np.flatnonzero(begins).tolist()
    return tuple(
        WordSegment(
            position=int(positions[start]),
            start_frame=int(aligned.first_frame[start]),
            end_frame=int(aligned.first_frame[end]),
            phones=tuple(aligned.phone[start:end].tolist()),
            first_phone=start,
        )
        for start, end in zip(starts, [*starts[1:], len(positions)], strict=True)
    )


def positions_of_frames(aligned: AlignedPhones, frame_position: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return (n,) the position in the transcript of every phone, from that of every frame.

    Args:
        aligned: the phones.
        frame_position: (T,) `state_word` of a training graph at the state of every frame.
    """
    return np.asarray(frame_position)[aligned.first_frame[:-1]].astype(np.int32)


def positions_of_phones(
    phones: Sequence[int],
    words: Sequence[int],
    pronunciations: Mapping[int, Sequence[tuple[tuple[int, ...], float]]],
    silences: AbstractSet[int],
) -> NDArray[np.int32]:
    """Divide the phones of a path among the words of its transcript (Kaldi `lattice-align-words-lexicon`).

    Where several divisions fit, one with the best pronunciations is taken, always the same.

    Args:
        phones: (n,) phone ids.
        words: word ids of the transcript.
        pronunciations: by word id, phone ids (with position marks where the phones have them) and cost.
        silences: phones that may stand between words.

    Returns:
        (n,) int32 position in the transcript, or `SILENCE`.

    Raises:
        WfstAsrError: the phones are not those of the words with silence between.

    >>> positions_of_phones([9, 3, 4, 9, 3], [1, 2], {1: [((3,), 0.7), ((3, 4), 0.7)], 2: [((3,), 0.0)]}, {9}).tolist()
    [-1, 0, 0, -1, 1]
    """
    spoken = tuple(phones)
    layer: _Layer = {0: (0.0, 0, False)}
    layers = []
    for word in (*words, None):
        for entry in sorted(layer):  # pass over the silences that follow
            at, cost = entry, layer[entry][0]
            while at < len(spoken) and spoken[at] in silences and cost < layer.get(at + 1, _FAR)[0]:
                layer[at + 1] = (cost, at, False)
                at += 1
        layers.append(layer)
        if word is None or not layer:
            break
        following: _Layer = {}
        for at in sorted(layer):
            for variant, cost in pronunciations.get(word, ()):
                end, total = at + len(variant), layer[at][0] + cost
                if variant and spoken[at:end] == tuple(variant) and total < following.get(end, _FAR)[0]:
                    following[end] = (total, at, True)
        layer = following
    if len(layers) <= len(words) or len(spoken) not in layers[-1]:
        raise WfstAsrError(
            f"the {len(spoken)} phones of the alignment are not the pronunciations of the {len(words)} words of the "
            f"transcript with silence between (they part at word {min(len(layers), len(words))}); take the lang "
            "directory and the transcript that were aligned"
        )
    result = np.full(len(spoken), SILENCE, dtype=np.int32)
    at = len(spoken)
    number = len(words)
    while at > 0:
        _, begin, is_word = layers[number][at]
        if is_word:
            number -= 1
            result[begin:at] = number
        at = begin
    return result


_Layer = dict[int, tuple[float, int, bool]]  # by number of phones used: cost, phones used before, whether a word ends
_FAR = (np.inf, 0, False)
