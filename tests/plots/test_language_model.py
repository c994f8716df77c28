import sys

import pytest
from click.testing import CliRunner

from wfst_asr.cli.lm_diagnose import diagnose as diagnose_command
from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.diagnose import diagnose_text
from wfst_asr.lm.text import text_of_sentences
from wfst_asr.plots.language_model import plot_diagnosis

TEXTS = [["a b c", "a b", "a b d", "c"], ["a"]]


@pytest.mark.parametrize("sentences", TEXTS, ids=["some", "one word"])
def test_the_plot_is_an_image_also_of_a_text_without_a_fit(tmp_path, sentences):
    pytest.importorskip("matplotlib")
    plot_diagnosis(diagnose_text(text_of_sentences(sentences), order=2), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_draws_and_refuses_other_kinds_before_it_reads(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "text").write_text("a b\nb\n")
    run = CliRunner().invoke
    args = [str(tmp_path / "text"), "--plot"]
    assert run(diagnose_command, [*args, str(tmp_path / "plot.svg")], catch_exceptions=False).exit_code == 0
    assert "<svg" in (tmp_path / "plot.svg").read_text()
    with pytest.raises(WfstAsrError, match=r"plot\.xyz: no kind of image that matplotlib writes"):
        run(diagnose_command, [str(tmp_path / "no such"), "--plot", str(tmp_path / "plot.xyz")], catch_exceptions=False)


def test_a_missing_matplotlib_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(WfstAsrError, match=r"plots need matplotlib; install it with: pip install 'wfst-asr\[plots\]'"):
        plot_diagnosis(diagnose_text(text_of_sentences(["a"]), order=1), tmp_path / "plot.png")
