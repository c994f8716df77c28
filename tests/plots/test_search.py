"""The plot of what a search did in each frame."""

import numpy as np
import pytest

from wfst_asr.decoder.search_counts import FrameStatistics
from wfst_asr.errors import WfstAsrError
from wfst_asr.plots.search import draw_search


def statistics(frames, *, beam=10.0, limited=()):
    tokens = np.arange(1, frames + 1) ** 2
    cut = np.isin(np.arange(frames), limited)
    return FrameStatistics(tokens, 3 * tokens, np.arange(frames) * 5.0, np.where(cut, beam / 2, beam), cut)


def test_limited_frames_are_counted_and_shaded(tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("one.svg", "two.svg"):
        draw_search(statistics(9, limited=[0, 3, 4, 8]), tmp_path / name, title="u$1$")
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    assert "<dc:date>" not in text
    for word in ("u$1$", "tokens", "arcs followed", "cut by max_active: 4 of 9 frames", "beam used"):
        assert f">{word}</text>" in text
    assert text.count('<g id="PolyCollection_') + text.count('<g id="FillBetweenPolyCollection_') == 2


def test_nothing_is_shaded_where_nothing_is_limited(tmp_path):
    pytest.importorskip("matplotlib")
    draw_search(statistics(300, beam=np.inf), tmp_path / "all.svg")
    text = (tmp_path / "all.svg").read_text()
    assert "all tokens were followed" in text
    assert "max_active" not in text
    draw_search(statistics(1), tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_told(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(WfstAsrError, match="without frames"):
        draw_search(statistics(0), tmp_path / "none.png")
    with pytest.raises(WfstAsrError, match="no kind of image"):
        draw_search(statistics(3), tmp_path / "plot.xyz")
