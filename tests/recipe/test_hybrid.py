"""Hybrid networks from the alignments of Gaussian mixtures: training, the model's folder, decoding over the same graph."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.synthetic_speech import Spoken, write_speech
from tests.toy_world import status_of
from tests.train.stages import LDA_MLLT, MONO
from wfst_asr.errors import WfstAsrError
from wfst_asr.io.archives import read_integer_vectors, vector_writer
from wfst_asr.neural.options import FitOptions
from wfst_asr.neural.tdnn_options import TdnnOptions
from wfst_asr.recipe.decoding import SetOptions
from wfst_asr.recipe.evaluation import EvaluationOptions, evaluate
from wfst_asr.recipe.hybrid_training import train_hybrid
from wfst_asr.recipe.language import make_language_model
from wfst_asr.recipe.model_dir import read_trained_model
from wfst_asr.recipe.scorers import scorer_for
from wfst_asr.recipe.streaming import stream_model
from wfst_asr.recipe.trained_graph import compile_trained_graph
from wfst_asr.recipe.training import train_mllt, train_mono
from wfst_asr.train.hybrid import AlignedFrames, HybridOptions, train_hybrid_network

torch = pytest.importorskip("torch")

SMALL = HybridOptions(
    network=TdnnOptions(hidden=32, kernels=(3, 3), dilations=(1, 3), dropout=0.1),
    fit=FitOptions(epochs=12, batch_frames=600, learning_rate=1e-2),
)
EVALUATION = EvaluationOptions(SetOptions(lm_weights=(4.0, 8.0), insertion_penalties=(0.0,)), default_lm_weight=8.0)


@pytest.fixture(scope="module")
def world(spoken: Spoken, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with test/, the model lda-mllt/ and its graph, and the network hybrid/ of its states."""
    root = tmp_path_factory.mktemp("hybrid")
    train_mono(spoken.data, spoken.lang, root / "mono", options=MONO)
    train_mllt(spoken.data, spoken.lang, root / "mono", root / "lda-mllt", options=LDA_MLLT)
    make_language_model(root, data_dir=spoken.data, lang_dir=spoken.lang, order=2)
    compile_trained_graph(spoken.lang, root / "lm.ngram", root / "lda-mllt", root / "graph")
    write_speech(root / "test", utterances=6, seed=1)
    summary = train_hybrid(root / "lda-mllt", spoken.data, root / "lda-mllt", root / "hybrid", options=SMALL)
    assert summary.left_out == 0
    assert summary.frame_errors < 50
    return root


def test_the_network_is_decoded_over_the_graph_of_the_gaussians(world: Path, tmp_path: Path) -> None:
    gaussians = evaluate(world / "lda-mllt", world / "graph", world / "test", tmp_path / "a", options=EVALUATION)
    network = evaluate(world / "hybrid", world / "graph", world / "test", tmp_path / "b", options=EVALUATION)
    assert network.words == gaussians.words
    assert network.wer < 20.0
    command = ["decode", world / "graph", world / "test", tmp_path / "out", "--model", world / "hybrid"]
    assert status_of(*command) == 0
    assert len((tmp_path / "out" / "text").read_text().splitlines()) == 6


def test_scores_are_posteriors_divided_by_the_priors_counted(world: Path) -> None:
    model = read_trained_model(world / "hybrid")
    network = model.network
    assert network is not None
    features = np.random.default_rng(0).normal(size=(7, model.pipeline.dim)).astype(np.float32)
    posteriors = network.log_posteriors(features)
    assert np.allclose(np.exp(posteriors).sum(axis=1), 1, atol=1e-4)
    priors = np.maximum(network.counts / network.counts.sum(), 1e-5)
    assert np.allclose(network.log_likelihoods(features), posteriors - np.log(priors), atol=1e-4)
    told = json.loads((world / "hybrid" / "hybrid.json").read_text())
    assert sum(told["counts"]) == told["training"]["frames"]
    scorer = scorer_for(world / "hybrid")
    assert scorer.num_columns == network.num_pdfs
    samples = 100 * np.random.default_rng(0).normal(size=8000).astype(np.float32)
    assert np.isfinite(scorer.scores(samples)).all()


def test_the_gaussians_stay_for_aligning(world: Path) -> None:
    plain, alone = read_trained_model(world / "lda-mllt"), read_trained_model(world / "hybrid", network=False)
    assert alone.network is None
    assert alone.pipeline.dim == plain.pipeline.dim
    assert (world / "hybrid" / "final.mdl").read_bytes() == (world / "lda-mllt" / "final.mdl").read_bytes()


def test_streams_are_refused(world: Path) -> None:
    with pytest.raises(WfstAsrError, match="sees frames to come"):
        stream_model(world / "hybrid")


@pytest.mark.parametrize(("name", "message"), [("hybrid.pt", "not the weights"), ("hybrid.json", "cannot be read")])
def test_damaged_files_are_told(world: Path, tmp_path: Path, name: str, message: str) -> None:
    for path in (world / "hybrid").iterdir():
        content = path.read_bytes()
        (tmp_path / path.name).write_bytes(content[: len(content) // 2] if path.name == name else content)
    with pytest.raises(WfstAsrError, match=message):
        read_trained_model(tmp_path)


def test_alignments_that_do_not_fit_are_told(world: Path, spoken: Spoken, tmp_path: Path) -> None:
    with vector_writer(tmp_path / "large.ark") as write:
        for utterance, labels in read_integer_vectors(world / "lda-mllt" / "ali.ark"):
            write(utterance, labels + 10000)
    with pytest.raises(WfstAsrError, match="give the alignments of that model"):
        train_hybrid(world / "mono", spoken.data, tmp_path / "large.ark", tmp_path / "out", options=SMALL)
    with vector_writer(tmp_path / "short.ark") as write:
        for utterance, labels in read_integer_vectors(world / "lda-mllt" / "ali.ark"):
            write(utterance, labels[:-1])
    with pytest.raises(WfstAsrError, match="alignments of 0 utterances"):
        train_hybrid(world / "mono", spoken.data, tmp_path / "short.ark", tmp_path / "out", options=SMALL)
    with pytest.raises(WfstAsrError, match="no such file"):
        train_hybrid(world / "mono", spoken.data, tmp_path / "ali.ark", tmp_path / "out", options=SMALL)


def test_the_command_trains(world: Path, spoken: Spoken, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "hybrid", world / "lda-mllt", spoken.data, world / "lda-mllt", tmp_path / "h"]
    assert status_of(*command, "--epochs", 1, "--hidden", 16, "--json") == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["epochs"] == 1
    assert told["pdfs"] == read_trained_model(tmp_path / "h").gmm.num_pdfs


def examples(seed: int, count: int) -> list[AlignedFrames]:
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(99).normal(size=(4, 5))
    made = []
    for number in range(count):
        pdfs = np.repeat(rng.integers(0, 4, 8), 3)
        made.append(
            AlignedFrames(f"u{number}", (means[pdfs] + 0.3 * rng.normal(size=(24, 5))).astype(np.float32), pdfs)
        )
    return made


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    train, valid = examples(0, 8), examples(1, 2)
    options = replace(SMALL, fit=replace(SMALL.fit, epochs=3, batch_frames=96, checkpoint_steps=1))
    whole = train_hybrid_network(train, valid, 4, options)

    class StoppedError(Exception):
        pass

    count = 0

    def stop(*_: object) -> None:
        nonlocal count
        count += 1
        if count == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_hybrid_network(train, valid, 4, options, checkpoint=tmp_path / "c", progress=stop)
    resumed = train_hybrid_network(train, valid, 4, options, checkpoint=tmp_path / "c")
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert whole.counts.tolist() == np.bincount(np.concatenate([one.pdfs for one in train]), minlength=4).tolist()


def test_an_utterance_scores_the_same_alone_and_beside_longer_ones() -> None:
    trained = train_hybrid_network(examples(0, 4), examples(1, 2), 4, replace(SMALL, fit=replace(SMALL.fit, epochs=1)))
    features = torch.randn(1, 30, 5)
    with torch.inference_mode():
        alone = trained.network(features[:, :17], torch.tensor([17]))[0]
        beside = trained.network(features.expand(2, 30, 5), torch.tensor([17, 30]))[0, :17]
    assert torch.allclose(alone, beside, atol=1e-5)


def test_what_cannot_be_trained_on_is_told() -> None:
    good = examples(0, 2)
    with pytest.raises(WfstAsrError, match="2 utterances to train on and 0 to validate with"):
        train_hybrid_network(good, [], 4)
    short = replace(good[0], pdfs=good[0].pdfs[:-1])
    with pytest.raises(WfstAsrError, match="24 frames and an alignment of 23"):
        train_hybrid_network([short], good, 4)
    with pytest.raises(WfstAsrError, match="expected as many, below 2"):
        train_hybrid_network(good, good, 2)
    with pytest.raises(WfstAsrError, match="expected odd kernels"):
        TdnnOptions(kernels=(2,), dilations=(1,))
