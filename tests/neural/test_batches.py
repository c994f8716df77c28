import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wfst_asr.neural.augment import augmented, resampled
from wfst_asr.neural.batches import batches_of
from wfst_asr.neural.options import NO_AUGMENTATION, AugmentOptions


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 200), st.integers(0, 5))
def test_every_utterance_is_in_one_batch_and_no_batch_is_too_large(lengths: list[int], most: int, seed: int) -> None:
    batches = batches_of(lengths, most, np.random.default_rng(seed))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= most
    assert batches == batches_of(lengths, most, np.random.default_rng(seed))


def test_batches_differ_from_epoch_to_epoch() -> None:
    lengths = list(range(20, 60))
    assert batches_of(lengths, 300, np.random.default_rng(0)) != batches_of(lengths, 300, np.random.default_rng(1))


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 1000))
def test_varied_features_stay_finite_and_long_enough(frames: int, bands: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((frames, bands)).astype(np.float32)
    least = rng.integers(1, frames + 1)
    options = AugmentOptions(tempo=0.5, warp=0.3, noise=0.1, frame_masks=20.0)
    made = augmented(features, options, rng, min_frames=int(least))
    assert made.dtype == np.float32
    assert made.shape[1] == bands
    assert least <= len(made) <= round(1.5 * frames) + 1
    assert np.isfinite(made).all()


def test_features_are_not_changed_in_place_and_nothing_is_done_without_options() -> None:
    features = np.random.default_rng(0).standard_normal((50, 10)).astype(np.float32)
    before = features.copy()
    assert augmented(features, NO_AUGMENTATION, np.random.default_rng(0)) is features
    made = augmented(features, AugmentOptions(), np.random.default_rng(1))
    assert (features == before).all()
    assert made.shape != features.shape or (made != features).any()


def test_resampling_keeps_the_ends_and_shifts_bands() -> None:
    ramp = np.outer(np.ones(5, np.float32), np.arange(10, dtype=np.float32))
    assert resampled(ramp, 5, 0.5)[0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]
    assert resampled(ramp.T, 19)[:, 0].tolist() == [at / 2 for at in range(19)]
