import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.toy_world import status_of
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.features.network_features import NetworkFeatures
from wfst_asr.fst.manifest import Manifest
from wfst_asr.io.data_dir import DataDir, write_data_dir
from wfst_asr.neural.fit import seeded
from wfst_asr.neural.networks import RecurrentNetwork
from wfst_asr.neural.options import FitOptions, RecurrentOptions
from wfst_asr.recipe.ctc_training import split_valid, train_ctc
from wfst_asr.recipe.neural_model import NeuralModel, read_neural_model, write_neural_model
from wfst_asr.recipe.scorers import check_graph_of_scorer, is_trained_model, scorer_for
from wfst_asr.recipe.streaming import stream_model
from wfst_asr.train.ctc import CtcOptions

TOKENS = ("<blank>", "N", "O", "|")
RATE = 8000
SOUND = np.random.default_rng(0).normal(0, 500, RATE).astype(np.float32)


def model_of(tokens: tuple[str, ...] = TOKENS) -> NeuralModel:
    features = NetworkFeatures(sample_rate_hz=RATE, num_bins=10)
    network = seeded(0, lambda: RecurrentNetwork(RecurrentOptions(10, len(tokens), hidden=5)))
    assert isinstance(network, RecurrentNetwork)
    return NeuralModel(network.eval(), tokens, features, training={"epochs": 3})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_neural_model(model_of(), tmp_path / "model", history=[{"epoch": 1.0}])
    return tmp_path / "model"


def test_a_model_reads_back_with_the_same_scores(folder: Path) -> None:
    wanted, found = model_of(), read_neural_model(folder)
    assert (found.scores(SOUND) == wanted.scores(SOUND)).all()
    assert found.scores(SOUND).shape == (50, 4)
    assert np.allclose(np.exp(found.scores(SOUND)).sum(axis=1), 1, atol=1e-5)
    assert (found.tokens, found.features, found.boundary) == (wanted.tokens, wanted.features, wanted.boundary)
    assert found.frame_shift_s == pytest.approx(0.02)
    assert found.training == {"epochs": 3}
    assert (folder / "tokens.txt").read_text() == "<blank> 0\nN 1\nO 2\n| 3\n"
    assert sorted(path.name for path in folder.iterdir()) == ["curves.json", "model.json", "tokens.txt", "weights.pt"]


def test_a_recording_without_frames_has_no_scores(folder: Path) -> None:
    assert read_neural_model(folder).scores(np.zeros(3, np.float32)).shape == (0, 4)


def test_words_are_read_off_the_best_tokens() -> None:
    alignment = [0, 1, 1, 2, 2, 0, 3, 3, 0, 1, 0, 1, 2, 3]
    assert model_of().greedy_words(np.log(np.eye(4)[alignment] + 1e-3).astype(np.float32)) == ["NO", "NNO"]


def changed(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.json").unlink(), "model.json: No such file or directory; give the folder"),
        (lambda folder: (folder / "weights.pt").unlink(), "weights.pt: No such file or directory; copy the model's"),
        (
            lambda folder: (folder / "weights.pt").write_bytes((folder / "weights.pt").read_bytes()[:-100]),
            "bytes that are not the weights that model.json was written with; the file is truncated",
        ),
        (
            lambda folder: (folder / "model.json").write_text((folder / "model.json").read_text()[:-50]),
            "model.json: is no JSON .*; the file is truncated",
        ),
        (lambda folder: changed(folder / "model.json", format=2), "format 2, expected 1; use the version of wfst_asr"),
        (lambda folder: changed(folder / "model.json", kind="gan"), "is not of a network of letters"),
        (lambda folder: changed(folder / "model.json", tokens=["a"]), "1 tokens and 10 features for a network of 4"),
        (lambda folder: changed(folder / "model.json", features={"colour": 1}), "'colour' is unknown; expected what"),
        (lambda folder: changed(folder / "model.json", blank=9), "blank 9 or boundary '|' is none of its 4 tokens"),
    ],
)
def test_damaged_folders_are_told(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder)
    with pytest.raises(WfstAsrError, match=message.replace("|", r"\|")):
        read_neural_model(folder)


class Graph:
    """What `check_graph_of_scorer` looks at."""

    def __init__(self, folder: Path, tokens: tuple[str, ...], **manifest: object) -> None:
        self.name, self.num_columns = str(folder), len(tokens)
        told = {"label_kind": "token+1", "num_columns": len(tokens), "column_names": "tokens", "frame_shift_s": 0.02}
        self.manifest = Manifest(**{**told, **manifest})  # type: ignore[arg-type]
        (folder / "tokens.txt").write_text("".join(f"{token} {at}\n" for at, token in enumerate(tokens)))


def test_a_graph_of_other_tokens_is_refused(folder: Path, tmp_path: Path) -> None:
    scorer = scorer_for(folder)
    assert not is_trained_model(folder)
    assert scorer.tokens == TOKENS
    check_graph_of_scorer(Graph(tmp_path, TOKENS), scorer)  # type: ignore[arg-type]
    for tokens, message in (
        (("<blank>", "O", "N", "|"), "column 1 is 'O', but the model's is 'N'; compile the graph with the model's"),
        (("<blank>", "O"), "expects scores of 2 columns, but the model gives 4"),
    ):
        with pytest.raises(WfstAsrError, match=message):
            check_graph_of_scorer(Graph(tmp_path, tokens), scorer)  # type: ignore[arg-type]
    with pytest.raises(WfstAsrError, match="its labels are of kind 'transition-id'"):
        check_graph_of_scorer(Graph(tmp_path, TOKENS, label_kind="transition-id"), scorer)  # type: ignore[arg-type]
    with pytest.warns(WfstAsrWarning, match="was compiled for a frame every 10 ms, but the model gives one every 20"):
        check_graph_of_scorer(Graph(tmp_path, TOKENS, frame_shift_s=0.01), scorer)  # type: ignore[arg-type]


def test_a_network_that_reads_both_ways_does_not_stream(folder: Path) -> None:
    with pytest.raises(WfstAsrError, match="is a network that reads both ways, which needs the whole recording"):
        stream_model(folder)


def tones(folder: Path, count: int, seed: int) -> Path:
    """Write a data directory of two words, N a low and O a high tone."""
    rng = np.random.default_rng(seed)
    paths, text, speakers = {}, {}, {}
    (folder / "wav").mkdir(parents=True)
    for number in range(count):
        words = ["".join(rng.choice(["N", "O"], size=2)) for _ in range(rng.integers(1, 3))]
        pieces = [rng.normal(0, 3, 800)]
        for letter in " ".join(words):
            at = np.arange(int(rng.integers(700, 1200))) / RATE
            pieces += [{"N": 3000, "O": 3000, " ": 0}[letter] * np.sin(2 * np.pi * (300 + 1200 * (letter == "O")) * at)]
            pieces += [rng.normal(0, 3, 400)]
        name = f"s{number % 3}-{number}"
        paths[name] = folder / "wav" / f"{name}.wav"
        soundfile.write(paths[name], np.concatenate(pieces).astype(np.int16), RATE)
        text[name], speakers[name] = " ".join(words), f"s{number % 3}"
    write_data_dir(DataDir(paths, text=text, utt2spk=speakers), folder)
    return folder


DIALS = ("--hidden", 16, "--num-layers", 1, "--dropout", 0, "--batch-frames", 500, "--learning-rate", 0.02)


def test_the_command_trains_tells_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, valid = tones(tmp_path / "data", 40, 1), tones(tmp_path / "valid", 8, 2)
    arguments = ("train", "ctc", data, tmp_path / "model", "--valid", valid, "--epochs", 15, *DIALS, "--json")
    assert status_of(*arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["word_errors"] < 20
    assert told["utterances"] == 40
    assert told["tokens"] == 4
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"curves.json", "model.json", "tokens.txt", "weights.pt"} <= names <= {
        "curves.json", "curves.svg", "model.json", "tokens.txt", "weights.pt",
    }  # fmt: skip
    curves = json.loads((tmp_path / "model" / "curves.json").read_text())
    assert [record["epoch"] for record in curves] == list(range(1, 16))


def test_slices_are_heard_too(tmp_path: Path) -> None:
    data = tones(tmp_path / "data", 6, 1)
    assert status_of("train", "ctc", data, tmp_path / "model", "--features", "slices", "--epochs", 1, *DIALS) == 0
    assert read_neural_model(tmp_path / "model").frame_shift_s == pytest.approx(0.02)


def test_a_killed_command_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    data = tones(tmp_path / "data", 30, 1)
    arguments = ["train", "ctc", str(data), "MODEL", "--epochs", "6", *map(str, DIALS)]
    assert status_of(*_at(arguments, tmp_path / "whole")) == 0
    program = "from wfst_asr.cli.main import main; main({!r})"
    child = subprocess.Popen([sys.executable, "-c", program.format(_at(arguments, tmp_path / "killed"))])
    checkpoint = tmp_path / "killed" / ".training" / "checkpoint"
    while child.poll() is None and not checkpoint.exists():
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert status_of(*_at(arguments, tmp_path / "killed")) == 0
    whole, killed = (read_neural_model(tmp_path / name) for name in ("whole", "killed"))
    for first, second in zip(whole.network.state_dict().values(), killed.network.state_dict().values(), strict=True):
        assert (first == second).all()
    assert not (tmp_path / "killed" / ".training").exists()


def _at(arguments: list[str], folder: Path) -> list[str]:
    return [str(folder) if one == "MODEL" else one for one in arguments]


def test_what_cannot_be_used_is_counted_and_told(tmp_path: Path) -> None:
    data = tones(tmp_path / "data", 6, 1)
    lines = (data / "text").read_text().splitlines()
    (data / "text").write_text("\n".join([lines[0] + " NONONONONONONONONONO" * 9, *lines[1:]]) + "\n")
    (data / "wav" / f"{lines[1].split()[0]}.wav").write_bytes(b"no sound")
    options = CtcOptions(
        NetworkFeatures(sample_rate_hz=RATE, num_bins=20), RecurrentOptions(hidden=8), fit=FitOptions(epochs=1)
    )
    with pytest.warns(WfstAsrWarning, match=r"2 of \d+ utterances were left out: .* frames for a spelling"):
        summary = train_ctc(data, tmp_path / "model", valid_dir=data, options=options)
    assert summary.left_out == 2


def test_a_tenth_of_the_speakers_or_utterances_is_held_out() -> None:
    paths = {f"s{speaker:02}-{number}": Path("x") for speaker in range(20) for number in range(3)}
    many = DataDir(paths, text=dict.fromkeys(paths, "A"), utt2spk={name: name[:3] for name in paths})
    train, valid = split_valid(many)
    assert len(valid.spk2utt) == 2
    assert set(train.spk2utt) | set(valid.spk2utt) == set(many.spk2utt)
    assert len(train.utterances) == 54
    one = DataDir(paths, text=dict.fromkeys(paths, "A"), utt2spk=dict.fromkeys(paths, "s"))
    train, valid = split_valid(one)
    assert (len(train.utterances), len(valid.utterances)) == (54, 6)
    with pytest.raises(WfstAsrError, match="one utterance is not enough"):
        split_valid(DataDir({"a": Path("x")}, text={"a": "A"}))
