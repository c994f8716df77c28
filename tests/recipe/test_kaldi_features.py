"""The features of a model folder of Kaldi's, from its files and dimensions."""

from pathlib import Path

import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.recipe.kaldi_features import described, kaldi_pipeline


def test_without_a_matrix_the_dimensions_tell_the_differences(tmp_path: Path) -> None:
    assert kaldi_pipeline(tmp_path, 39, None).delta_order == 2
    assert kaldi_pipeline(tmp_path, 13, None).delta_order == 0
    pipeline = kaldi_pipeline(tmp_path, 39, None, sample_rate_hz=8000.0)
    assert pipeline.sample_rate_hz == 8000
    assert pipeline.mfcc.use_energy is False


@pytest.mark.parametrize(("columns", "splice"), [(91, (3, 3)), (117, (4, 4)), (118, (4, 4)), (13, (0, 0))])
def test_the_columns_of_a_matrix_tell_the_frames_spliced(tmp_path: Path, columns: int, splice: tuple[int, int]) -> None:
    pipeline = kaldi_pipeline(tmp_path, 10, np.zeros((10, columns)))
    assert (pipeline.splice, pipeline.delta_order, pipeline.dim) == (splice, 0, 10)


def test_a_matrix_on_differences(tmp_path: Path) -> None:
    (tmp_path / "splice_opts").write_text("--left-context=0 --right-context=0\n")
    assert kaldi_pipeline(tmp_path, 10, np.zeros((10, 40))).delta_order == 2


def test_the_option_files_that_the_training_left_are_read(tmp_path: Path) -> None:
    (tmp_path / "splice_opts").write_text("--left-context=3 --right-context=5\n")
    (tmp_path / "cmvn_opts").write_text("--norm-vars=true --norm-means=true\n")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mfcc.conf").write_text(
        "--use-energy=false  # only non-default\n--sample-frequency=8000\n--num-mel-bins=30\n--high-freq=-200\n"
        "--dither=1.0\n\n--snip_edges=false\n"
    )
    pipeline = kaldi_pipeline(tmp_path, 40, np.zeros((40, 117)), sample_rate_hz=16000.0)
    assert (pipeline.splice, pipeline.norm_vars, pipeline.sample_rate_hz) == ((3, 5), True, 8000)
    assert (pipeline.mfcc.mel.num_bins, pipeline.mfcc.mel.high_freq_hz) == (30, -200.0)
    assert pipeline.mfcc.frames.snip_edges is False
    assert described(pipeline) == (
        "13 MFCC at 8000 Hz, mean and variance normalised, 3 + 5 frames spliced, a matrix of 40 x 117"
    )


def test_a_config_has_kaldis_own_defaults(tmp_path: Path) -> None:
    (tmp_path / "mfcc.conf").write_text("--num-ceps=20\n")
    pipeline = kaldi_pipeline(tmp_path, 60, None)
    assert (pipeline.mfcc.use_energy, pipeline.mfcc.num_ceps, pipeline.delta_order) == (True, 20, 2)


@pytest.mark.parametrize(
    ("name", "content", "dim", "columns", "message"),
    [
        ("mfcc.conf", "--num-ceps=x", 39, 0, "'--num-ceps=x' cannot be read"),
        ("mfcc.conf", "--use-energy=maybe", 39, 0, "'--use-energy=maybe' cannot be read"),
        ("mfcc.conf", "--vtln-low=60", 39, 0, "option '--vtln-low' has no equivalent"),
        ("mfcc.conf", "num-ceps=13", 39, 0, "found 'num-ceps=13'; expected options such as"),
        ("cmvn_opts", "--norm-means=false", 39, 0, "without mean normalisation"),
        ("delta_opts", "--delta-window=3", 39, 0, "a delta window of 3; expected 2"),
        ("splice_opts", "--left-context=x", 40, 117, "'--left-context=x' cannot be read"),
        ("none", "", 40, 0, "Gaussians of 40 dimensions and no final.mat do not fit 13 cepstra; copy the mfcc.conf"),
        ("none", "", 40, 100, "a final.mat of 100 columns, with 3 \\+ 3 frames spliced do not fit 13 cepstra"),
    ],
)
def test_what_fits_no_features_is_told(
    tmp_path: Path, name: str, content: str, dim: int, columns: int, message: str
) -> None:
    (tmp_path / name).write_text(content + "\n")
    with pytest.raises(WfstAsrError, match=message):
        kaldi_pipeline(tmp_path, dim, np.zeros((dim, columns)) if columns else None)
