import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import tree_building as naive
from tests.tree.speech import make_speech
from wfst_asr.errors import WfstAsrError
from wfst_asr.tree import stats as stats_module
from wfst_asr.tree.stats import (
    TreeStatistics,
    accumulate_tree_statistics,
    context_windows,
    gaussian_log_likelihood,
    merge_tree_statistics,
)

SILENCE = frozenset({1})


def equal(a: TreeStatistics, b: TreeStatistics) -> None:
    assert a.windows.tolist() == b.windows.tolist()
    assert a.pdf_class.tolist() == b.pdf_class.tolist()
    for name in ("count", "first", "second"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("block", [7, 1 << 16])
def test_sums_are_those_of_the_frames_one_by_one(seed: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats_module, "_BLOCK", block)
    speech = make_speech(seed)
    stats = speech.statistics(context_free=SILENCE)
    expected: dict[tuple[tuple[int, ...], int], list[np.ndarray]] = {}
    for window, pdf_class, vector in speech.frames(SILENCE):
        expected.setdefault((window, pdf_class), []).append(np.array(vector))
    keys = [(tuple(row), int(c)) for row, c in zip(stats.windows.tolist(), stats.pdf_class, strict=True)]
    assert keys == sorted(expected)
    for row, key in enumerate(keys):
        vectors = np.array(expected[key])
        assert stats.count[row] == len(vectors)
        np.testing.assert_allclose(stats.first[row], vectors.sum(axis=0), rtol=1e-12)
        np.testing.assert_allclose(stats.second[row], (vectors**2).sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_utterances_accumulated_apart_and_merged_are_the_whole(seed: int) -> None:
    speech = make_speech(seed)
    parts = []
    for low, high in zip(speech.first_segment[:-1], speech.first_segment[1:], strict=True):
        mine = (speech.frame_segment >= low) & (speech.frame_segment < high)
        parts.append(
            accumulate_tree_statistics(
                speech.features[mine],
                speech.segment_phone[low:high],
                speech.frame_segment[mine] - low,
                speech.frame_pdf_class[mine],
            )
        )
    whole = speech.statistics()
    equal(merge_tree_statistics(parts), whole)
    equal(parts[0] + parts[1] + merge_tree_statistics(parts[2:]), whole)
    assert whole.frames == len(speech.features)


def test_frames_that_are_left_out_leave_no_row() -> None:
    features = np.ones((4, 1))
    stats = accumulate_tree_statistics(features, np.array([3, 4]), np.array([0, -1, -1, 1]), np.array([0, 0, 0, 2]))
    assert stats.windows.tolist() == [[0, 3, 4], [3, 4, 0]]
    assert stats.pdf_class.tolist() == [0, 2]
    assert stats.count.tolist() == [1.0, 1.0]


def test_no_frames_give_no_rows() -> None:
    none = np.zeros(0, np.int32)
    stats = accumulate_tree_statistics(np.zeros((0, 3), np.float32), none, none, none)
    assert (len(stats), stats.context_width, stats.dim) == (0, 3, 3)


@given(st.lists(st.lists(st.integers(1, 4), max_size=5), min_size=1, max_size=4), st.integers(1, 4), st.data())
def test_windows_look_into_their_own_utterance_only(
    utterances: list[list[int]], width: int, data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, width - 1))
    expected = []
    for phones in utterances:
        for i in range(len(phones)):
            places = [i + column - position for column in range(width)]
            window = [phones[p] if 0 <= p < len(phones) else 0 for p in places]
            expected.append([0] * position + [1] + [0] * (width - position - 1) if phones[i] == 1 else window)
    sequence = np.array([phone for phones in utterances for phone in phones], np.int32)
    bounds = np.cumsum([0, *map(len, utterances)])
    windows = context_windows(sequence, bounds, context_width=width, central_position=position, context_free=SILENCE)
    assert windows.reshape(-1, width).tolist() == expected


@pytest.mark.parametrize("floor", [0.01, 5.0])
def test_the_likelihood_is_that_of_every_frame_under_its_gaussian(floor: float) -> None:
    frames = make_speech(1).frames()
    vectors = np.array([vector for _, _, vector in frames])
    sums = np.array([len(vectors)]), vectors.sum(axis=0)[None], (vectors**2).sum(axis=0)[None]
    assert gaussian_log_likelihood(*sums, floor=floor)[0] == pytest.approx(naive.log_likelihood(frames, floor))


def test_nothing_has_likelihood_one() -> None:
    assert gaussian_log_likelihood(np.zeros(1), np.zeros((1, 2)), np.zeros((1, 2)), floor=0.1).tolist() == [0.0]


def test_what_does_not_fit_is_refused() -> None:
    speech = make_speech(0)
    with pytest.raises(WfstAsrError, match="frames of features, but 3 with a segment"):
        accumulate_tree_statistics(speech.features, speech.segment_phone, np.zeros(3, int), speech.frame_pdf_class)
    with pytest.raises(WfstAsrError, match="a frame is of segment 1, but there are 1"):
        accumulate_tree_statistics(np.ones((2, 1)), np.array([5]), np.array([0, 1]), np.array([0, 0]))
    with pytest.raises(WfstAsrError, match=r"\(3, 1, 2\) and \(5, 2, 2\) cannot be merged"):
        speech.statistics() + speech.statistics(context_width=5, central_position=2)
    with pytest.raises(WfstAsrError, match="nothing to merge"):
        merge_tree_statistics([])
    with pytest.raises(WfstAsrError, match="central position 3"):
        speech.statistics(central_position=3)
