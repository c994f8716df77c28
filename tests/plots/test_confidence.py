"""The reliability diagram and the picture of a confusion network."""

import numpy as np
import pytest

from tests.lattice.word_lattices import linear_compact
from wfst_asr.errors import WfstAsrError
from wfst_asr.lattice.confusion import confusion_network
from wfst_asr.plots.confidence import draw_confusion_network, draw_reliability
from wfst_asr.score.calibration import fit_logistic

NAMES = ["<eps>", "a", "b$_c", "$", "d"]


def test_reliability_is_an_image(tmp_path):
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(1)
    confidences = rng.random(200)
    correct = rng.random(200) < confidences
    draw_reliability(confidences, correct, tmp_path / "plain.png")
    draw_reliability(confidences, correct, tmp_path / "both.png", calibration=fit_logistic(confidences, correct))
    for name in ("plain.png", "both.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(WfstAsrError, match="no kind of image"):
        draw_reliability(confidences, correct, tmp_path / "plot.xyz")


@pytest.mark.parametrize("texts", [[((1, 2, 3), 0.0), ((1, 4), 1.0)], [((), 0.0)]], ids=["words", "no words"])
def test_a_confusion_network_is_an_image(tmp_path, texts):
    pytest.importorskip("matplotlib")
    network = confusion_network(linear_compact(texts))
    draw_confusion_network(network, NAMES, tmp_path / "network.png")
    assert (tmp_path / "network.png").read_bytes().startswith(b"\x89PNG")


def test_words_without_names_are_told(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(WfstAsrError, match="word 7 has no name"):
        draw_confusion_network(confusion_network(linear_compact([((7,), 0.0)])), NAMES, tmp_path / "network.png")
