from pathlib import Path

import kaldi_native_io
import numpy as np
import pytest

from tests.gmm.mixtures import random_model
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.pipeline import FeaturePipeline
from wfst_asr.gmm.acoustic_model import AcousticModel
from wfst_asr.hmm.topology import HmmState, HmmTopology, left_to_right, silence_topology
from wfst_asr.hmm.transition_model import TransitionModel, transition_model_from_tree
from wfst_asr.io.archives import read_matrices
from wfst_asr.kaldi.acoustic_model import model_bytes, read_model, write_model
from wfst_asr.kaldi.matrix import read_matrix, write_matrix
from wfst_asr.tree.decision_tree import monophone_tree


def small_model() -> tuple[TransitionModel, AcousticModel]:
    topology = HmmTopology((left_to_right(3, skip_prob=0.1), silence_topology(5)), {1: 1, 2: 0, 4: 0})
    transitions = transition_model_from_tree(monophone_tree({1: 5, 2: 3, 4: 3}), topology)
    return transitions, random_model(0, num_pdfs=transitions.num_pdfs, dim=3)


@pytest.mark.parametrize("binary", [True, False])
def test_a_model_reads_back_as_it_was_written_and_then_stays_the_same(tmp_path: Path, binary: bool) -> None:
    transitions, model = small_model()
    write_model(transitions, model, tmp_path / "final.mdl", binary=binary)
    read_transitions, read = read_model(tmp_path / "final.mdl")
    np.testing.assert_array_equal(read_transitions.tuples, transitions.tuples)
    np.testing.assert_array_equal(read_transitions.log_prob, transitions.log_prob)
    assert read_transitions.topology.entry_of_phone == transitions.topology.entry_of_phone
    np.testing.assert_array_equal(read.offsets, model.offsets)
    for name in ("weights", "means", "variances"):
        np.testing.assert_allclose(getattr(read, name), getattr(model, name), rtol=1e-6)
    assert model_bytes(read_transitions, read, binary=binary) == (tmp_path / "final.mdl").read_bytes()
    assert model_bytes(*read_model(tmp_path / "final.mdl")) == model_bytes(read_transitions, read)


@pytest.mark.parametrize("binary", [True, False])
def test_self_loops_with_pdfs_of_their_own_read_back(tmp_path: Path, binary: bool) -> None:
    entry = (HmmState(0, 1, ((0, 0.5), (1, 0.5))), HmmState())
    transitions = transition_model_from_tree(monophone_tree({1: 2}), HmmTopology((entry,), {1: 0}))
    write_model(transitions, random_model(0, num_pdfs=2), tmp_path / "final.mdl", binary=binary)
    read, _ = read_model(tmp_path / "final.mdl")
    assert read.tuples.tolist() == [[1, 0, 0, 1]]
    assert read.topology == transitions.topology


def test_kaldis_model_is_written_as_kaldi_wrote_it(tmp_path: Path, corpora: Path) -> None:
    golden = corpora / "kaldi_an4" / "model" / "final.mdl"
    transitions, model = read_model(golden)
    assert (model.num_pdfs, model.num_gaussians, model.dim) == (632, 9058, 40)
    np.testing.assert_allclose(np.add.reduceat(model.weights, model.offsets[:-1]), 1.0, atol=1e-5)
    ours, theirs = np.frombuffer(model_bytes(transitions, model), np.uint8), np.fromfile(golden, np.uint8)
    assert len(ours) == len(theirs)
    assert np.count_nonzero(ours != theirs) < 20  # last bits of Gaussian constants, which Kaldi computes when it reads
    write_model(transitions, model, tmp_path / "text.mdl", binary=False)
    assert model_bytes(*read_model(tmp_path / "text.mdl")) == ours.tobytes()


def test_scores_are_those_of_gmm_compute_likes(corpora: Path) -> None:
    folder = corpora / "kaldi_an4"
    _, model = read_model(folder / "model" / "final.mdl")
    golden = dict(read_matrices(folder / "loglikes.ark"))
    for utterance, features in read_matrices(folder / "feats_final.ark"):
        assert_scores_equal(model.log_likelihoods(features), golden.pop(utterance))
    assert not golden


def assert_scores_equal(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Kaldi's sums in single precision are themselves up to 0.005 off at -600, and 0.02 at -20,000."""
    difference = np.abs(ours - theirs)
    assert difference.mean() < 3e-5
    assert difference[theirs > -200].max() < 1e-3
    assert (difference / np.abs(theirs)).max() < 2e-5


def test_features_from_raw_cepstra_are_kaldis_and_their_scores(corpora: Path) -> None:
    """The speakers' means are of recordings that are not in the archive: they are solved for, 13 numbers of 40."""
    folder = corpora / "kaldi_an4"
    _, model = read_model(folder / "model" / "final.mdl")
    matrix = read_matrix(folder / "model" / "final.mat")
    pipeline = FeaturePipeline(delta_order=0, splice=(4, 4), matrix=matrix)
    raw, golden, scores = (
        dict(read_matrices(folder / f"{name}.ark")) for name in ("mfcc_raw", "feats_final", "loglikes")
    )
    speakers: dict[str, list[str]] = {}
    for line in (folder / "utt2spk").read_text().splitlines():
        utterance, speaker = line.split()
        speakers.setdefault(speaker, []).append(utterance)
    stats = np.zeros((2, 14))
    stats[0, 13] = 1.0
    of_mean = matrix.reshape(40, 9, 13).sum(axis=1)
    for utterances in speakers.values():
        offsets = [pipeline.apply(raw[name], stats) - golden[name] for name in utterances]
        offset = np.concatenate(offsets).astype(np.float64).mean(axis=0)
        mean, residual, *_ = np.linalg.lstsq(of_mean, offset, rcond=None)
        assert residual < 1e-11
        own = stats.copy()
        own[0, :13] = mean
        for name in utterances:
            features = pipeline.apply(raw[name], own)
            np.testing.assert_allclose(features, golden[name], atol=2e-5)
            assert_scores_equal(model.log_likelihoods(features), scores[name])


@pytest.mark.parametrize("binary", [True, False])
def test_damaged_models_are_told_in_a_sentence_that_names_the_file(tmp_path: Path, binary: bool) -> None:
    whole, path = model_bytes(*small_model(), binary=binary), tmp_path / "final.mdl"
    rng = np.random.default_rng(0)
    cases = [whole[: len(whole) * part // 40] for part in range(40)]
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        cases.append(bytes(damaged))
    messages = []
    for case in cases:
        path.write_bytes(case)
        try:
            read_model(path)
        except WfstAsrError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all(message.startswith(str(path)) and "\n" not in message for message in messages)


def test_models_that_do_not_belong_together_are_told(tmp_path: Path) -> None:
    transitions, model = small_model()
    with pytest.raises(WfstAsrError, match="a transition model of 11 pdfs with Gaussians of 4"):
        write_model(transitions, random_model(0), tmp_path / "final.mdl")
    whole = model_bytes(transitions, model, binary=False)
    at = whole.index(b"<DIMENSION>")
    few = model_bytes(*_one_pdf(), binary=False)
    (tmp_path / "mixed").write_bytes(whole[:at] + few[few.index(b"<DIMENSION>") :])
    with pytest.raises(WfstAsrError, match="the HMMs have 11 pdfs and the Gaussians are of 1"):
        read_model(tmp_path / "mixed")
    (tmp_path / "network").write_bytes(whole[:at] + b"<Nnet3> ")
    with pytest.raises(WfstAsrError, match="'<Nnet3>' where <DIMENSION> was expected"):
        read_model(tmp_path / "network")


def _one_pdf() -> tuple[TransitionModel, AcousticModel]:
    transitions = transition_model_from_tree(monophone_tree({1: 1}), HmmTopology((left_to_right(1),), {1: 0}))
    return transitions, random_model(0, num_pdfs=1)


@pytest.mark.parametrize("binary", [True, False])
def test_a_matrix_reads_back_here_and_in_kaldis_own_code(tmp_path: Path, binary: bool) -> None:
    matrix = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    write_matrix(matrix, tmp_path / "final.mat", binary=binary)
    np.testing.assert_array_equal(read_matrix(tmp_path / "final.mat"), matrix)
    np.testing.assert_array_equal(kaldi_native_io.FloatMatrix.read(str(tmp_path / "final.mat")).numpy(), matrix)


def test_kaldis_matrices_are_written_byte_for_byte(tmp_path: Path, corpora: Path) -> None:
    for name, shape in (("final.mat", (40, 117)), ("full.mat", (117, 117))):
        golden = corpora / "kaldi_an4" / "model" / name
        matrix = read_matrix(golden)
        assert matrix.shape == shape
        write_matrix(matrix, tmp_path / name)
        assert (tmp_path / name).read_bytes() == golden.read_bytes()


def test_damaged_matrices_are_told(tmp_path: Path) -> None:
    path = tmp_path / "final.mat"
    for content, message in (
        (b" [\n 1 2\n 3 ]\n", "rows differ in length"),
        (b" [\n 1 2\n 3 4", "ends within"),
        (b" [\n 1 x\n 3 4 ]\n", "a word where a number was expected"),
        (b" [ ]\n", "an empty matrix"),
        (b" [ nan 1 ]\n", "not a number"),
        (b"\0BFM \x04\x02\0\0\0\x04\x02\0\0\0abc", "the file ends early"),
        (b"\0BCM \x04", "'CM' where FM or DM or FV or DV was expected"),
    ):
        path.write_bytes(content)
        with pytest.raises(WfstAsrError, match=message):
            read_matrix(path)
    with pytest.raises(WfstAsrError, match="is no matrix"):
        write_matrix(np.zeros(3), path)
    with pytest.raises(WfstAsrError, match="cannot be read"):
        read_matrix(tmp_path / "missing")
