"""The picture of letters over time."""

import numpy as np
import pytest

from wfst_asr.ctc.tokens import make_tokens
from wfst_asr.errors import WfstAsrError
from wfst_asr.plots.ctc import draw_letters

TOKENS = make_tokens(["A", "<blank>", "$", "^"])


@pytest.mark.parametrize("frames", [1, 200])
def test_letters_are_an_image_with_and_without_the_recording(tmp_path, frames):
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    scores = np.log(rng.dirichlet(np.full(4, 0.2), frames))
    draw_letters(scores, TOKENS, tmp_path / "letters.png")
    sound = rng.normal(0, 300, frames * 160 + 160)
    draw_letters(scores, TOKENS, tmp_path / "both.png", samples=sound, sample_rate_hz=8000, title="a$_b", max_rows=2)
    for name in ("letters.png", "both.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_nothing_but_blank_is_drawn_too(tmp_path):
    pytest.importorskip("matplotlib")
    draw_letters(np.log([[0.01, 0.97, 0.01, 0.01]] * 5), TOKENS, tmp_path / "letters.svg")
    assert "blank" in (tmp_path / "letters.svg").read_text()


def test_what_cannot_be_drawn_is_told(tmp_path):
    pytest.importorskip("matplotlib")
    scores = np.log(np.full((3, 4), 0.25))
    with pytest.raises(WfstAsrError, match="without frames"):
        draw_letters(scores[:0], TOKENS, tmp_path / "letters.png")
    with pytest.raises(WfstAsrError, match="shorter than a slice"):
        draw_letters(scores, TOKENS, tmp_path / "letters.png", samples=np.zeros(10))
    with pytest.raises(WfstAsrError, match="no kind of image"):
        draw_letters(scores, TOKENS, tmp_path / "letters.xyz")
