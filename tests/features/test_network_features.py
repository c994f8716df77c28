import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.network_features import NetworkFeatures


@pytest.mark.parametrize("kind", ["fbank", "slices"])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_shapes_and_shifts_are_as_told(kind: str, rate: int) -> None:
    features = NetworkFeatures(kind, rate, 30)
    made = features.of(np.random.default_rng(0).normal(0, 1000, 2 * rate).astype(np.float32))
    assert made.shape == (round(2 / features.frame_shift_s), features.num_features)
    assert made.dtype == np.float32


@pytest.mark.parametrize("kind", ["fbank", "slices"])
def test_digital_silence_is_0_and_mostly_below_what_rounding_leaves(kind: str) -> None:
    features = NetworkFeatures(kind)
    assert (features.of(np.zeros(3200, np.float32)) == 0).all()
    noise = np.rint(np.random.default_rng(0).uniform(-1, 1, 32000)).astype(np.float32)
    assert (features.of(noise) > 0).mean() > 0.8


def test_padding_adds_frames_at_both_ends() -> None:
    sound = np.random.default_rng(0).normal(0, 1000, 16000).astype(np.float32)
    assert len(NetworkFeatures(padding_s=0.05).of(sound)) == len(NetworkFeatures().of(sound)) + 10


def test_features_that_there_are_not_are_refused() -> None:
    with pytest.raises(WfstAsrError, match="features are of kind 'mfcc'; expected one of: fbank, slices"):
        NetworkFeatures("mfcc")
    with pytest.raises(WfstAsrError, match="padding_s is -1"):
        NetworkFeatures(padding_s=-1)
    with pytest.raises(WfstAsrError, match="sample_rate_hz is 0"):
        NetworkFeatures(sample_rate_hz=0)
