"""Scores of the English model and of small random ones."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.reference.tied_mixture import log_likelihood
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.sphinx_dynamic import sphinx_dynamic_features
from wfst_asr.features.sphinx_mfcc import sphinx_mfcc
from wfst_asr.sphinx.acoustic_model import SphinxModel, read_model
from wfst_asr.sphinx.gaussians import Codebooks
from wfst_asr.sphinx.scorer import MixtureScorer


@pytest.fixture(scope="module")
def model(english: Path) -> SphinxModel:
    return read_model(english / "en-us")


def drawn_features(codebooks: Codebooks, count: int, rng: np.random.Generator) -> np.ndarray:
    """Features drawn from the model's own Gaussians."""
    book = rng.integers(0, codebooks.num_codebooks, count)
    density = rng.integers(0, codebooks.num_densities, count)
    parts = [
        rng.normal(mean[book, density], np.sqrt(variance[book, density]))
        for mean, variance in zip(codebooks.means, codebooks.variances, strict=True)
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def expected_score(scorer: MixtureScorer, feature: np.ndarray, senone: int) -> float:
    book = int(scorer.senone_codebook[senone])
    means = [mean[book] for mean in scorer.codebooks.means]
    variances = [variance[book] for variance in scorer.codebooks.variances]
    return log_likelihood(feature, means, variances, scorer.log_weights[:, :, senone])


def test_scores_are_those_of_the_definition(model: SphinxModel) -> None:
    rng = np.random.default_rng(0)
    features = drawn_features(model.scorer.codebooks, 150, rng)
    scores = model.log_likelihoods(features)
    assert scores.shape == (150, 5126)
    assert scores.dtype == np.float32
    for frame, senone in zip(rng.integers(0, 150, 60).tolist(), rng.integers(0, 5126, 60).tolist(), strict=True):
        assert scores[frame, senone] == pytest.approx(
            expected_score(model.scorer, features[frame], senone), abs=1e-3, rel=1e-6
        )


@pytest.mark.parametrize(
    ("streams", "densities", "books", "senones", "lowest"),
    [((3,), 1, 1, 5, -3.0), ((2, 1), 5, 3, 200, -8.0), ((1, 2, 1, 3), 7, 2, 90, -26.0), ((2,), 4, 10, 10, -np.inf)],
)
def test_random_models_score_as_defined(
    streams: tuple[int, ...], densities: int, books: int, senones: int, lowest: float
) -> None:
    rng = np.random.default_rng(len(streams))
    means = tuple(rng.normal(size=(books, densities, dim)).astype(np.float32) for dim in streams)
    variances = tuple(rng.uniform(0.1, 2, (books, densities, dim)).astype(np.float32) for dim in streams)
    log_weights = np.full((len(streams), densities, senones), max(lowest, -30.0), dtype=np.float32)
    log_weights[:, 0] = -1.0
    log_weights[0, -1] = lowest if densities > 1 else -1.0
    owner = np.arange(senones) % books if books == senones else np.sort(rng.integers(0, books, senones))
    scorer = MixtureScorer(Codebooks(means, variances), log_weights, owner.astype(np.int32))
    features = rng.normal(size=(37, sum(streams))).astype(np.float32)
    scores = scorer.log_likelihoods(features)
    for frame in range(0, 37, 6):
        for senone in range(0, senones, 1 + senones // 7):
            expected = expected_score(scorer, features[frame], senone)
            assert scores[frame, senone] == pytest.approx(expected, abs=1e-3)


def test_a_frame_scores_the_same_wherever_it_stands(model: SphinxModel) -> None:
    features = drawn_features(model.scorer.codebooks, 140, np.random.default_rng(1))
    scores = model.log_likelihoods(features)
    for frame in (0, 31, 127, 139):
        np.testing.assert_allclose(model.log_likelihoods(features[frame : frame + 1])[0], scores[frame], atol=1e-3)
    assert model.log_likelihoods(features[:0]).shape == (0, 5126)


def test_scores_are_finite_for_every_finite_feature(model: SphinxModel) -> None:
    features = np.array([np.zeros(39), np.full(39, 3e38), np.full(39, -1e12), np.full(39, 1e4)], dtype=np.float32)
    assert np.isfinite(model.log_likelihoods(features)).all()


def test_scores_are_those_of_pocketsphinx_with_all_gaussians(model: SphinxModel, english: Path, tmp_path: Path) -> None:
    """PocketSphinx can keep all 128 Gaussians and write its scores; steps of 0.1, best of a frame 0, clipped."""
    pocketsphinx = pytest.importorskip("pocketsphinx")
    pstrain = pytest.importorskip("pstrain")
    soundfile = pytest.importorskip("soundfile")
    recording = Path(pstrain.__file__).parent / "data" / "sample" / "kevin-alice-16k.wav"
    samples, _ = soundfile.read(recording, dtype="int16", frames=24000)
    decoder = pocketsphinx.Decoder(
        hmm=str(english / "en-us"), allphone=str(english / "en-us-phone.lm.bin"), lm=None, cmn="batch", topn=128,
        compallsen=True, pl_window=0, senlogdir=str(tmp_path), loglevel="FATAL",
    )  # fmt: skip
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), full_utt=True)
    decoder.end_utt()
    (dump,) = tmp_path.glob("*.sen")
    data = dump.read_bytes()
    values = np.frombuffer(data, dtype="<i2", offset=data.index(b"endhdr\n") + 11).reshape(-1, 5127)
    theirs = values[:, 1:] * (1024 * math.log(1.0001))
    options = model.feature_options
    ours = model.log_likelihoods(sphinx_dynamic_features(sphinx_mfcc(samples.astype(np.float32), options), options))
    assert ours.shape == theirs.shape
    ours = ours.max(axis=1, keepdims=True) - ours
    near = ours < 5.0
    difference = np.abs(theirs - ours)[near]
    assert near.sum() > 5000
    assert difference.mean() < 0.25
    assert np.median(difference) < 0.15


def test_bad_features_are_refused(model: SphinxModel) -> None:
    with pytest.raises(WfstAsrError, match=r"expects \(frames, 39\)"):
        model.log_likelihoods(np.zeros((3, 13), dtype=np.float32))
    features = np.zeros((3, 39), dtype=np.float32)
    features[1, 5] = np.nan
    with pytest.raises(WfstAsrError, match="features of 1 frames are not finite, the first of them frame 1"):
        model.log_likelihoods(features)


def test_the_model_has_topologies_and_fillers(model: SphinxModel) -> None:
    costs = model.hmm(5)
    assert costs.shape == (3, 4)
    np.testing.assert_allclose(np.exp(-model.transition_costs.astype(float)).sum(axis=2), 1.0, atol=1e-6)
    assert np.isposinf(costs[2, 0])
    assert ("[NOISE]", "+NSN+") in model.fillers
    assert model.num_senones == 5126


def test_folders_that_do_not_fit_are_refused(english: Path, tmp_path: Path) -> None:
    with pytest.raises(WfstAsrError, match="no such folder"):
        read_model(tmp_path / "none")
    copy = tmp_path / "model"
    shutil.copytree(english / "en-us", copy)
    params = (copy / "feat.params").read_text()
    (copy / "feat.params").write_text(params.replace("26-38", "26-37"))
    with pytest.raises(WfstAsrError, match=r"streams of \[13, 13, 12\] dimensions; the means have \[13, 13, 13\]"):
        read_model(copy)
    (copy / "feat.params").write_text(params.replace("0-12/13-25", "13-25/0-12"))
    columns = read_model(copy).columns
    assert columns is not None
    assert columns[:3].tolist() == [13, 14, 15]
    (copy / "sendump").unlink()
    with pytest.raises(WfstAsrError, match="sendump: no such file"):
        read_model(copy)
