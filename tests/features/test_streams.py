"""Features of sound that arrives in pieces are those of the whole, whatever the pieces."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.live_mean import naive_live_means
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.cmvn import cmvn_stats, sliding_cmvn
from wfst_asr.features.frames import FrameOptions
from wfst_asr.features.mfcc import MfccOptions, mfcc
from wfst_asr.features.online_cmvn import OnlineCmvn, OnlineCmvnOptions
from wfst_asr.features.pipeline import FeaturePipeline
from wfst_asr.features.pipeline_stream import MfccStream, PipelineStream, online_pipeline_features
from wfst_asr.features.sphinx_dynamic import LiveMean
from wfst_asr.features.sphinx_mfcc import sphinx_mfcc
from wfst_asr.features.sphinx_options import SphinxFeatureOptions
from wfst_asr.features.sphinx_stream import OnlineCmnOptions, SphinxFeatureStream, online_sphinx_features
from wfst_asr.features.streams import FeatureStream

CLOSE = 1e-5
cuts = st.lists(st.integers(0, 9000), max_size=8)


def sound(samples: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.choice([1.0, 300.0, 3000.0], size=samples // 400 + 1), 400)[:samples]
    return (loudness * rng.standard_normal(samples)).astype(np.float32)


def pieces(total: int, where: list[int]) -> list[slice]:
    return [slice(a, b) for a, b in itertools.pairwise([0, *sorted(min(c, total) for c in where), total])]


def streamed(stream: FeatureStream, samples: np.ndarray, where: list[int], take: int) -> np.ndarray:
    parts = []
    for piece in pieces(len(samples), where):
        stream.accept(samples[piece])
        while stream.ready >= take:
            parts.append(stream.take(take))
    stream.finish()
    parts.append(stream.take(stream.ready))
    assert stream.ready == 0
    return np.concatenate([part for part in parts if len(part)]) if any(map(len, parts)) else np.empty((0, 0))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 9000), cuts, st.integers(0, 9), st.integers(1, 20), st.integers(1, 9), st.booleans())
def test_sliding_normalisation_is_that_of_the_whole(
    size: int, where: list[int], seed: int, window: int, least: int, known: bool
) -> None:
    rng = np.random.default_rng(seed)
    frames = rng.normal(size=(size % 60, 2)).astype(np.float32)
    prior = cmvn_stats(rng.normal(size=(9, 2)).astype(np.float32)) if known else None
    options = OnlineCmvnOptions(window=window, min_window=least, prior_frames=5)
    for norm_vars in (False, True):
        stream = OnlineCmvn(options, norm_vars=norm_vars, prior=prior)
        parts = [stream.accept(frames[piece]) for piece in pieces(len(frames), [cut % 60 for cut in where])]
        parts.append(stream.finish())
        found = np.concatenate([p for p in parts if len(p)]) if len(frames) else frames
        expected = sliding_cmvn(
            frames, window=window, min_window=least, norm_vars=norm_vars, prior=prior, prior_frames=5
        )
        np.testing.assert_allclose(found, expected, atol=CLOSE)


def test_a_prior_is_worth_no_more_than_the_window_lacks() -> None:
    frames = np.array([[4.0], [4.0], [4.0]], dtype=np.float32)
    prior = np.array([[0.0, 100.0], [0.0, 0.0]])
    found = sliding_cmvn(frames, window=2, prior=prior, prior_frames=50)
    np.testing.assert_allclose(found[:, 0], [2.0, 0.0, 0.0])
    found = sliding_cmvn(frames, window=600, prior=prior, prior_frames=2)
    np.testing.assert_allclose(found[:, 0], [4 - 4 / 3, 4 - 8 / 4, 4 - 12 / 5])
    with pytest.raises(WfstAsrError, match="a centred window takes no prior"):
        sliding_cmvn(frames, center=True, prior=prior)
    with pytest.raises(WfstAsrError, match=r"shape \(1, 2\)"):
        sliding_cmvn(frames, prior=prior[:1])


PIPELINES = {
    "deltas": FeaturePipeline(),
    "variances": FeaturePipeline(norm_vars=True, delta_order=1),
    "energy": FeaturePipeline(mfcc=MfccOptions(use_energy=True, htk_compat=True), delta_order=0),
    "splice": FeaturePipeline(delta_order=0, splice=(3, 2), matrix=np.random.default_rng(0).normal(size=(10, 79)) / 10),
}


@pytest.mark.parametrize("name", PIPELINES)
@settings(deadline=None, max_examples=15)
@given(st.integers(0, 9000), cuts, st.integers(0, 9), st.integers(1, 12), st.booleans())
def test_pipeline_features_are_those_of_the_whole(
    name: str, size: int, where: list[int], seed: int, take: int, known: bool
) -> None:
    pipeline, samples = PIPELINES[name], sound(size, seed)
    options = OnlineCmvnOptions(window=20, min_window=7)
    prior = cmvn_stats(mfcc(sound(3000, 5), pipeline.mfcc)) if known else None
    found = streamed(PipelineStream(pipeline, options, prior=prior), samples, where, take)
    expected = online_pipeline_features(pipeline, samples, options, prior=prior)
    assert len(found) == len(expected)
    if len(found):
        np.testing.assert_allclose(found, expected, atol=10 * CLOSE, rtol=CLOSE)


def test_pipeline_frames_are_given_as_soon_as_what_follows_is_there() -> None:
    pipeline = FeaturePipeline()
    stream = PipelineStream(pipeline, prior=cmvn_stats(np.ones((9, 13), np.float32)))
    stream.accept(sound(400 + 159, 1))  # one frame, all but a sample of the second
    stream.accept(sound(160 * 3, 2))
    assert stream.ready == 0
    stream.accept(sound(1, 3))
    assert stream.ready == 1
    waits = PipelineStream(pipeline, OnlineCmvnOptions(min_window=50))
    waits.accept(sound(160 * 48 + 400, 1))
    assert waits.ready == 0
    waits.accept(sound(160, 1))
    assert waits.ready == 46


SPHINX = {
    "english": SphinxFeatureOptions(nfilt=25, lowerf=130, upperf=6800, transform="dct", lifter=22, cmninit="40,3,-1"),
    "plain": SphinxFeatureOptions(remove_noise=False, remove_dc=True, feat="s3_1x39"),
    "long": SphinxFeatureOptions(feat="1s_c_d_ld_dd"),
}


@pytest.mark.parametrize("name", SPHINX)
@pytest.mark.parametrize("kind", ["following", "live", "none"])
@settings(deadline=None, max_examples=10)
@given(st.integers(0, 9000), cuts, st.integers(0, 9), st.integers(1, 12))
def test_sphinx_features_are_those_of_the_whole(
    name: str, kind: str, size: int, where: list[int], seed: int, take: int
) -> None:
    options, samples = SPHINX[name], sound(size, seed)
    cmn = OnlineCmnOptions(kind, window=15, prior_frames=4)
    found = streamed(SphinxFeatureStream(options, cmn), samples, where, take)
    expected = online_sphinx_features(sphinx_mfcc(samples, options), options, cmn)
    assert len(found) == len(expected)
    if len(found):
        np.testing.assert_allclose(found, expected, atol=10 * CLOSE, rtol=CLOSE)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 1200), min_size=1, max_size=4), st.integers(0, 9))
def test_a_live_mean_is_held_through_an_utterance_and_updated_after_it(lengths: list[int], seed: int) -> None:
    options = SphinxFeatureOptions(ncep=3, feat="1s_c", cmninit="4,3,-1")
    rng = np.random.default_rng(seed)
    cepstra = rng.normal(size=(sum(lengths), 3)).astype(np.float32) + 1
    ends = tuple(int(end) for end in np.cumsum(lengths))[:-1]
    found = online_sphinx_features(cepstra, options, OnlineCmnOptions("live"), utterance_ends=ends)
    means = naive_live_means(cepstra.tolist(), LiveMean.from_options(options).mean.tolist(), ends)
    np.testing.assert_allclose(found, cepstra - np.array(means), atol=CLOSE)


def test_what_needs_the_whole_recording_is_refused() -> None:
    with pytest.raises(WfstAsrError, match="-varnorm no -agc max"):
        SphinxFeatureStream(SphinxFeatureOptions(agc="max"))
    with pytest.raises(WfstAsrError, match="streams take no dither"):
        SphinxFeatureStream(SphinxFeatureOptions(dither=True))
    with pytest.raises(WfstAsrError, match="streams take no dither"):
        MfccStream(MfccOptions(frames=FrameOptions(dither=1.0)))
    with pytest.raises(WfstAsrError, match="snip_edges"):
        MfccStream(MfccOptions(frames=FrameOptions(snip_edges=False)))
    with pytest.raises(WfstAsrError, match="'batch'; expected one of"):
        OnlineCmnOptions("batch")
    with pytest.raises(WfstAsrError, match="of 3 dimensions; expected 13"):
        PipelineStream(FeaturePipeline(), prior=cmvn_stats(np.ones((2, 3), np.float32)))
