import numpy as np
import pytest

from wfst_asr.decoder.acoustic_scores import check_scores
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.search_graph import make_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table


def test_float32_in_order_is_not_copied():
    scores = np.zeros((3, 2), dtype=np.float32)
    assert check_scores(scores, 2) is scores


class ArrayLike:
    def __array__(self, dtype=None, copy=None):
        return np.ones((2, 2), dtype=np.float64)


class DlpackOnly:
    def __init__(self):
        self.array = np.ones((2, 2), dtype=np.float32)

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize(
    "scores", [[[1, 1], [1, 1]], ArrayLike(), DlpackOnly(), np.ones((2, 2), np.float16), np.ones((2, 4))[:, ::2]]
)
def test_anything_like_an_array_is_taken(scores):
    checked = check_scores(scores, 2)
    assert checked.dtype == np.float32
    assert checked.flags.c_contiguous
    assert (checked == 1).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_frame_and_column_of_a_bad_score_are_told(bad):
    scores = np.zeros((5, 4))
    scores[3, 2] = bad
    with pytest.raises(WfstAsrError, match=rf"frame 3, column 2: {bad}"):
        check_scores(scores, 4)
    with pytest.raises(WfstAsrError, match=r"frame 103, column 2"):
        check_scores(scores, 4, first_frame=100)


def test_nan_beside_minus_infinity_is_seen():
    with pytest.raises(WfstAsrError, match="frame 0, column 1: nan"):
        check_scores([[-np.inf, np.nan]], 2)


def test_minus_infinity_is_allowed():
    assert np.isneginf(check_scores([[-np.inf, 0.0]], 2)[0, 0])


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((3, 5)), "5 columns, but the graph expects 2 .senone."),
        (np.zeros(3), r"shape \(3,\), expected \(frames, columns\)"),
        (np.array([["a", "b"]]), "expected floating-point numbers"),
        ([[1.0], [1.0, 2.0]], "cannot be read as an array"),
    ],
)
def test_other_scores_are_refused(scores, message):
    with pytest.raises(WfstAsrError, match=message):
        check_scores(scores, 2, column_names="senone")


def test_no_frames():
    graph = make_search_graph(arc_table(1, [(0, 0, 1, 1, 0.0)], finals={0: 0.0}), [-1, 0])
    with pytest.raises(WfstAsrError, match="no frames"):
        decode(graph, np.zeros((0, 1)))
