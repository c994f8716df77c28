import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.dynamic_features import naive_deltas, naive_sliding_cmvn, naive_sphinx_1s_c_d_dd
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.cmvn import add_stats, apply_cmvn, cmvn_stats, sliding_cmvn
from wfst_asr.features.deltas import add_deltas, splice
from wfst_asr.features.sphinx_dynamic import LiveMean, sphinx_batch_mean, sphinx_dynamic_features
from wfst_asr.features.sphinx_options import SphinxFeatureOptions


def random_features(frames: int, dim: int = 3, mean: float = 10.0) -> np.ndarray:
    return np.random.default_rng(frames).normal(mean, 4.0, (frames, dim)).astype(np.float32)


@given(st.integers(1, 30), st.integers(0, 3), st.integers(1, 4))
def test_deltas_are_the_slopes_frame_by_frame(frames: int, order: int, window: int) -> None:
    features = random_features(frames)
    expected = naive_deltas(features, order, window)
    np.testing.assert_allclose(add_deltas(features, order=order, window=window), expected, atol=1e-4)


def test_no_frames_stay_no_frames() -> None:
    nothing = np.zeros((0, 13), dtype=np.float32)
    assert add_deltas(nothing).shape == (0, 39)
    assert splice(nothing).shape == (0, 117)
    assert apply_cmvn(nothing).shape == (0, 13)
    assert sliding_cmvn(nothing).shape == (0, 13)
    assert sphinx_dynamic_features(nothing, SphinxFeatureOptions()).shape == (0, 39)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 20), st.booleans(), st.booleans())
def test_sliding_cmvn_is_kaldis_window_by_window(frames, window, min_window, center, norm_vars) -> None:
    features = random_features(frames)
    expected = naive_sliding_cmvn(features, window, min_window, center, norm_vars)
    ours = sliding_cmvn(features, window=window, min_window=min_window, center=center, norm_vars=norm_vars)
    np.testing.assert_allclose(ours, expected, atol=1e-3)


def test_speaker_statistics_normalise_the_speakers_utterances_together() -> None:
    parts = [random_features(50), random_features(70, mean=3.0)]
    stats = add_stats(cmvn_stats(part) for part in parts)
    normalised = np.concatenate([apply_cmvn(part, stats, norm_vars=True) for part in parts])
    np.testing.assert_allclose(normalised.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(axis=0), 1.0, atol=1e-5)
    assert abs(apply_cmvn(parts[0], stats).mean()) > 1


def test_statistics_that_do_not_fit_are_errors() -> None:
    with pytest.raises(WfstAsrError, match=r"have shape \(2, 5\); expected \(2, 4\) for features of 3 dimensions"):
        apply_cmvn(random_features(5), cmvn_stats(random_features(5, 4)))
    with pytest.raises(WfstAsrError, match="are of no frames"):
        apply_cmvn(random_features(5), np.zeros((2, 4)))
    with pytest.raises(WfstAsrError, match="no normalisation statistics"):
        add_stats([])
    with pytest.raises(WfstAsrError, match="expected one shape"):
        add_stats([np.zeros((2, 4)), np.zeros((2, 5))])


@given(st.integers(1, 20))
def test_sphinx_differences_are_feat_cs_frame_by_frame(frames: int) -> None:
    cepstra = random_features(frames, 13)
    ours = sphinx_dynamic_features(cepstra, SphinxFeatureOptions(), cmn="none")
    np.testing.assert_allclose(ours, naive_sphinx_1s_c_d_dd(cepstra), atol=1e-4)
    mean = cepstra.mean(axis=0)
    normalised = sphinx_dynamic_features(cepstra, SphinxFeatureOptions(), cmn=mean)
    np.testing.assert_allclose(normalised, naive_sphinx_1s_c_d_dd(cepstra - mean), atol=1e-4)


def test_batch_mean_skips_quiet_frames_and_zeroes_the_rest() -> None:
    cepstra = random_features(40, 13, mean=50.0)
    cepstra[:5, 0] = -3.0
    mean = sphinx_batch_mean(cepstra)
    np.testing.assert_allclose(mean, cepstra[5:].mean(axis=0), rtol=1e-5)
    features = sphinx_dynamic_features(cepstra, SphinxFeatureOptions(cmn="batch"))
    np.testing.assert_allclose(features[5:, :13].mean(axis=0), 0.0, atol=1e-5)
    quiet = np.full((4, 2), -1.0, dtype=np.float32)
    assert sphinx_batch_mean(quiet).tolist() == [-1.0, -1.0]


def test_live_mean_moves_from_the_prior_to_the_recordings() -> None:
    options = SphinxFeatureOptions(cmninit="40,3,-1")
    live = LiveMean.from_options(options)
    assert live.mean[:4].tolist() == [40.0, 3.0, -1.0, 0.0]
    cepstra = random_features(500, 13)
    after = live.updated(cepstra)
    loud = cepstra[cepstra[:, 0] >= 0]
    expected = (500 * live.mean + loud.sum(axis=0)) / (500 + len(loud))
    np.testing.assert_allclose(after.mean, expected, rtol=1e-5)
    assert after.num_frames == 500
    with pytest.raises(WfstAsrError, match="-cmninit is '40;3'"):
        LiveMean.from_options(SphinxFeatureOptions(cmninit="40;3"))


def test_other_kinds_of_sphinx_features_have_their_columns() -> None:
    cepstra = random_features(9, 13)
    widths = {"1s_c": 13, "1s_c_d": 26, "1s_c_d_dd": 39, "1s_c_d_ld_dd": 52, "s3_1x39": 39}
    full = sphinx_dynamic_features(cepstra, SphinxFeatureOptions())
    for name, width in widths.items():
        assert sphinx_dynamic_features(cepstra, SphinxFeatureOptions(feat=name)).shape == (9, width)
    s3 = sphinx_dynamic_features(cepstra, SphinxFeatureOptions(feat="s3_1x39"))
    assert np.array_equal(s3[:, 24:27], full[:, [0, 13, 26]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feat": "s2_4x"}, "-feat is 's2_4x'; expected one of 1s_c"),
        ({"cmn": "cmn"}, "-cmn is 'cmn'; expected batch, live or none"),
        ({"agc": "emax"}, "-agc is 'emax'; expected none or max"),
    ],
)
def test_unknown_sphinx_kinds_are_errors(options: dict[str, str], message: str) -> None:
    with pytest.raises(WfstAsrError, match=message):
        sphinx_dynamic_features(random_features(5, 13), SphinxFeatureOptions(**options))
    with pytest.raises(WfstAsrError, match=r"mean has shape \(12,\); expected \(13,\)"):
        sphinx_dynamic_features(random_features(5, 13), SphinxFeatureOptions(), cmn=np.zeros(12))
