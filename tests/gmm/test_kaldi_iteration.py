"""One iteration of monophone training beside Kaldi's own code: scores, statistics, update, split and merge."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.gmm.mixtures import random_frames, random_model
from wfst_asr.gmm.accumulate import accumulate
from wfst_asr.gmm.acoustic_model import AcousticModel, single_gaussians
from wfst_asr.gmm.estimate import estimate
from wfst_asr.gmm.mixup import merge_to, split_to
from wfst_asr.io.archives import read_matrices
from wfst_asr.kaldi.transition_model import read_transition_model

needs_kaldi = pytest.mark.skipif(
    importlib.util.find_spec("kaldi_hmm_gmm") is None, reason="needs the extra 'test': kaldi_hmm_gmm"
)
ORACLE = Path(__file__).parent.parent / "reference" / "kaldi_gmm.py"


def compare_iteration(
    folder: Path, model: AcousticModel, features: NDArray[np.float32], pdfs: NDArray[np.int32], *, soft: bool = False
) -> None:
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.1, 1.0, len(pdfs)).astype(np.float32) if soft else np.ones(len(pdfs), np.float32)
    num_split, num_merge = model.num_gaussians + 20, model.num_gaussians - 5
    np.savez(
        folder / "in.npz", offsets=model.offsets, weights=model.weights, means=model.means, variances=model.variances,
        features=features, pdf_ids=pdfs, entry_weights=weights, num_split=num_split, num_merge=num_merge,
    )  # fmt: skip
    subprocess.run([sys.executable, ORACLE, folder / "in.npz", folder / "out.npz"], check=True)
    with np.load(folder / "out.npz") as file:
        kaldi = dict(file)

    np.testing.assert_allclose(model.log_likelihoods(features[:50]), kaldi["scores"], rtol=1e-5, atol=1e-3)
    statistics = accumulate(model, features, pdfs, weights=weights)
    scale = np.maximum(statistics.occupancy, 1.0)[:, None]
    np.testing.assert_allclose(statistics.occupancy, kaldi["occupancy"], rtol=1e-4, atol=1e-3)
    assert np.abs((statistics.first - kaldi["first"]) / scale).max() < 1e-2
    np.testing.assert_allclose(statistics.second, kaldi["second"], rtol=2e-3, atol=1e-2)
    assert statistics.log_likelihood == pytest.approx(float(kaldi["log_likelihood"]), rel=1e-5)

    result = estimate(model, statistics)
    assert result.frames == pytest.approx(float(kaldi["frames"]), rel=1e-5)
    assert result.objective_change / result.frames == pytest.approx(float(kaldi["change"] / kaldi["frames"]), abs=2e-3)
    assert_models_equal(result.model, kaldi, "updated")
    occupancy = statistics.pdf_occupancy(model)
    updated = kaldi_model(kaldi, "updated")
    assert kaldi["split_offsets"][-1] > updated.num_gaussians
    assert kaldi["merged_offsets"][-1] < model.num_gaussians
    assert_models_equal(
        split_to(updated, occupancy, num_gaussians=num_split, perturb=0.0, rng=np.random.default_rng(0)), kaldi, "split"
    )
    assert_models_equal(merge_to(model, occupancy, num_gaussians=num_merge), kaldi, "merged")


def kaldi_model(arrays: dict[str, NDArray[np.float64]], name: str) -> AcousticModel:
    offsets, *parts = (arrays[f"{name}_{part}"] for part in ("offsets", "weights", "means", "variances"))
    return AcousticModel(offsets, *(part.astype(np.float64) for part in parts))


def assert_models_equal(ours: AcousticModel, arrays: dict[str, NDArray[np.float64]], name: str) -> None:
    theirs = kaldi_model(arrays, name)
    np.testing.assert_array_equal(ours.offsets, theirs.offsets)
    np.testing.assert_allclose(ours.weights, theirs.weights, atol=2e-5)
    np.testing.assert_allclose(ours.variances, theirs.variances, rtol=1e-4)
    assert np.abs((ours.means - theirs.means) / np.sqrt(theirs.variances)).max() < 1e-4


@needs_kaldi
@pytest.mark.parametrize("soft", [False, True])
def test_an_iteration_on_random_mixtures_is_kaldis(tmp_path: Path, soft: bool) -> None:
    frames, pdfs = random_frames(1, random_model(1, num_pdfs=8, dim=13, spread=3.0), 1500)
    model = random_model(2, num_pdfs=8, dim=13, spread=2.0)
    compare_iteration(tmp_path, model, frames, pdfs, soft=soft)


@needs_kaldi
def test_an_iteration_of_monophone_training_on_recordings_is_kaldis(tmp_path: Path, corpora: Path) -> None:
    folder = corpora / "kaldi_an4"
    transitions = read_transition_model(folder / "model" / "final.mdl")
    aligned = (line.split() for line in (folder / "lattices" / "1best.ali").read_text().splitlines())
    labels = {utterance: np.array(ids, dtype=np.int64) for utterance, *ids in aligned}
    features = dict(read_matrices(folder / "feats_final.ark"))
    ids = np.concatenate([labels[utterance] for utterance in features])
    state = transitions.phone[ids].astype(np.int64) * 8 + transitions.hmm_state[ids]
    pdfs = np.unique(state, return_inverse=True)[1].astype(np.int32)
    frames = np.concatenate(list(features.values()))
    assert len(frames) == len(pdfs)
    count = np.bincount(pdfs).astype(np.float64)
    first, second = np.zeros((len(count), 40)), np.zeros((len(count), 40))
    np.add.at(first, pdfs, frames)
    np.add.at(second, pdfs, frames.astype(np.float64) ** 2)
    flat = single_gaussians(count, first, second, variance_floor=0.01)
    start = split_to(flat, count, num_gaussians=len(count) + 40, perturb=0.1, rng=np.random.default_rng(0))
    compare_iteration(tmp_path, start, frames, pdfs)
