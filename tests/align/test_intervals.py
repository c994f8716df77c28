import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wfst_asr.align.intervals import (
    SILENCE,
    frame_log_likelihoods,
    is_reordered,
    phone_log_likelihoods,
    positions_of_frames,
    positions_of_phones,
    split_alignment,
    word_segments,
)
from wfst_asr.errors import WfstAsrError
from wfst_asr.hmm.topology import kaldi_topology
from wfst_asr.hmm.transition_model import transition_model_from_tree
from wfst_asr.tree.decision_tree import monophone_tree

TOPOLOGY = kaldi_topology([3, 4, 5], [1, 2], num_silence_states=5, skip_prob=0.125, states_of_phone={2: 1, 5: 1})
MODEL = transition_model_from_tree(monophone_tree({1: 5, 2: 1, 3: 3, 4: 3, 5: 1}), TOPOLOGY)


def random_path(rng: np.random.Generator, phones: Sequence[int]) -> tuple[list[int], list[tuple[int, int, int]]]:
    """A walk through the HMMs in reordered order: its transition-ids, and (phone, state, frames) of every visit."""
    ids: list[int] = []
    visits = []
    for phone in phones:
        state = 0
        while state < len(TOPOLOGY.states(phone)) - 1:
            of_state = np.flatnonzero((MODEL.phone == phone) & (MODEL.hmm_state == state))
            loops = of_state[MODEL.is_self_loop[of_state]]
            forward = int(rng.choice(of_state[~MODEL.is_self_loop[of_state]]))
            count = int(rng.integers(0, 4))
            ids += [forward, *[int(loops[0])] * count]
            visits.append((phone, state, count + 1))
            state = int(MODEL.next_hmm_state[forward])
    return ids, visits


def loops_first(ids: Sequence[int]) -> list[int]:
    """The same path with self-loops before the forward transition."""
    groups: list[list[int]] = []
    for label in ids:
        if MODEL.is_self_loop[label]:
            groups[-1].append(label)
        else:
            groups.append([label])
    return [label for group in groups for label in (*group[1:], group[0])]


def split_as_kaldi_does(ids: Sequence[int], *, reordered: bool) -> list[tuple[int, int]]:
    """(phone, end) of each phone, frame by frame."""
    found, at = [], 0
    while at < len(ids):
        if MODEL.is_final[ids[at]]:
            phone = int(MODEL.phone[ids[at]])
            while reordered and at + 1 < len(ids) and MODEL.is_self_loop[ids[at + 1]]:
                at += 1
            found.append((phone, at + 1))
        at += 1
    return found


def tells_its_order(visits: list[tuple[int, int, int]], *, reordered: bool) -> bool:
    """Whether some self-loop is not between two forward transitions of its own state, where either may be its own."""
    step = 1 if reordered else -1
    for at, (phone, state, count) in enumerate(visits):
        beside = visits[at + step][:2] if 0 <= at + step < len(visits) else None
        if count > 1 and beside != (phone, state):
            return True
    return False


@settings(max_examples=60)
@given(phones=st.lists(st.integers(1, 5), max_size=7), seed=st.integers(0, 10**6))
@example(phones=[2, 2], seed=2396)  # forward, loop, loop, forward of one state: in either order
def test_an_alignment_is_cut_where_the_hmms_were_joined(phones: list[int], seed: int) -> None:
    ids, visits = random_path(np.random.default_rng(seed), phones)
    for path, reordered in ((ids, True), (loops_first(ids), False)):
        found = split_alignment(np.array(path, dtype=np.int32), MODEL, reordered=reordered)
        assert list(zip(found.phone, found.first_frame[1:], strict=True)) == split_as_kaldi_does(
            path, reordered=reordered
        )
        durations = np.diff(found.state_first_frame)
        of_state = found.phone[found.phone_of_state]
        assert list(zip(of_state, found.hmm_state, durations, strict=True)) == visits
        assert found.frame_phone.tolist() == [phone for phone, _, count in visits for _ in range(count)]
        assert found.num_frames == len(ids)
        if tells_its_order(visits, reordered=reordered):
            assert is_reordered(np.array(path, dtype=np.int32), MODEL) == reordered


def test_damaged_alignments_are_told() -> None:
    ids, _ = random_path(np.random.default_rng(4), [3, 4])
    good = np.array(ids, dtype=np.int32)
    with pytest.raises(WfstAsrError, match="a transition-id outside 1 to"):
        split_alignment(np.array([1, 10**6]), MODEL)
    with pytest.raises(WfstAsrError, match="ends inside of phone"):
        split_alignment(good[:2], MODEL, reordered=True)
    forward = np.flatnonzero(~MODEL.is_self_loop[good])
    wrong = np.insert(good, forward[1], int(MODEL.self_loop_id[MODEL.transition_state[good[-1]]]))
    with pytest.raises(WfstAsrError, match="a self-loop of another state than the frame beside it"):
        split_alignment(wrong, MODEL, reordered=True)
    with pytest.raises(WfstAsrError, match="phone 3 of the alignment ends at frame"):
        split_alignment(np.concatenate((good[: forward[1]], good[np.flatnonzero(MODEL.phone[good] == 4)])), MODEL)
    loop = int(MODEL.self_loop_id[MODEL.transition_state[good[0]]])
    with pytest.raises(WfstAsrError, match="begins inside of an HMM state"):
        split_alignment(np.insert(good, 0, loop), MODEL, reordered=True)


def test_likelihoods_of_phones_are_sums_over_their_frames() -> None:
    rng = np.random.default_rng(2)
    ids, _ = random_path(rng, [1, 3, 5, 1])
    path = np.array(ids, dtype=np.int32)
    scores = rng.normal(size=(len(path), 13)).astype(np.float32)
    frames = frame_log_likelihoods(path, scores, MODEL)
    aligned = split_alignment(path, MODEL)
    likelihoods = phone_log_likelihoods(aligned, frames)
    for number, (start, end) in enumerate(itertools.pairwise(aligned.first_frame.tolist())):
        expected = sum(float(scores[t, MODEL.pdf_id[path[t]]]) for t in range(start, end))
        assert likelihoods[number] == pytest.approx(expected)
    order = rng.permutation(13)
    columns = np.argsort(order)
    assert np.array_equal(frame_log_likelihoods(path, scores[:, order], MODEL, columns=columns), frames)
    with pytest.raises(WfstAsrError, match="frames of scores for an alignment of"):
        frame_log_likelihoods(path, scores[1:], MODEL)
    with pytest.raises(WfstAsrError, match="log likelihoods for an alignment of"):
        phone_log_likelihoods(aligned, frames[1:])
    assert phone_log_likelihoods(split_alignment(path[:0], MODEL), frames[:0]).tolist() == []


def test_words_are_gathered_from_positions_and_silences_stay_apart() -> None:
    rng = np.random.default_rng(0)
    ids, _ = random_path(rng, [1, 1, 3, 4, 3, 4, 1, 5])
    aligned = split_alignment(np.array(ids, dtype=np.int32), MODEL)
    position = np.array([-1, -1, 0, 0, 1, 1, -1, 2], dtype=np.int32)
    by_frame = np.repeat(position, np.diff(aligned.first_frame))
    assert np.array_equal(positions_of_frames(aligned, by_frame), position)
    words = word_segments(aligned, position)
    assert [word.position for word in words] == [-1, -1, 0, 1, -1, 2]
    assert [word.phones for word in words] == [(1,), (1,), (3, 4), (3, 4), (1,), (5,)]
    assert [word.first_phone for word in words] == [0, 1, 2, 4, 6, 7]
    assert [word.start_frame for word in words[1:]] == [word.end_frame for word in words[:-1]]
    assert words[-1].end_frame == aligned.num_frames


PRONUNCIATIONS: dict[int, list[tuple[tuple[int, ...], float]]] = {
    1: [((3,), 0.5), ((3, 4), 0.25)],
    2: [((4, 3), 0.0), ((3,), 1.0)],
    3: [((1,), 0.0)],
}


def divisions(phones: tuple[int, ...], words: Sequence[int], number: int = 0) -> Iterator[tuple[float, list[int]]]:
    """Every division with its cost."""
    if not phones and number == len(words):
        yield 0.0, []
    if phones and phones[0] == 1:
        yield from ((cost, [SILENCE, *rest]) for cost, rest in divisions(phones[1:], words, number))
    if number < len(words):
        for variant, own in PRONUNCIATIONS[words[number]]:
            if phones[: len(variant)] == variant:
                for cost, rest in divisions(phones[len(variant) :], words, number + 1):
                    yield cost + own, [number] * len(variant) + rest


@settings(max_examples=100)
@given(words=st.lists(st.sampled_from([1, 2, 3]), max_size=5), data=st.data())
def test_phones_are_divided_among_words_by_the_best_pronunciations(words: list[int], data: st.DataObject) -> None:
    phones: list[int] = []
    for word in (*words, None):
        phones += [1] * data.draw(st.integers(0, 2))
        if word is not None:
            phones += data.draw(st.sampled_from(PRONUNCIATIONS[word]))[0]
    found = positions_of_phones(phones, words, PRONUNCIATIONS, {1}).tolist()
    every = list(divisions(tuple(phones), words))
    costs = {tuple(division): cost for cost, division in sorted(every, key=lambda pair: -pair[0])}
    assert costs[tuple(found)] == pytest.approx(min(costs.values()))


@pytest.mark.parametrize(("phones", "words"), [([3, 5], [1]), ([3], [1, 1]), ([], [2]), ([3], []), ([3], [9])])
def test_phones_of_other_words_are_refused(phones: list[int], words: list[int]) -> None:
    with pytest.raises(WfstAsrError, match=r"are not the pronunciations of the .* words of the transcript"):
        positions_of_phones(phones, words, PRONUNCIATIONS, {1})
