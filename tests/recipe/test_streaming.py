"""`StreamingRecogniser` and `wfst-asr stream` on made-up speech."""

import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.synthetic_speech import RATE, Spoken, sound_of
from tests.toy_world import status_of
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.endpoint import EndpointOptions, EndpointRule
from wfst_asr.decoder.online import Utterance
from wfst_asr.decoder.search_graph import load_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.features.online_cmvn import OnlineCmvnOptions
from wfst_asr.features.pipeline_stream import online_pipeline_features
from wfst_asr.recipe.streaming import (
    StreamingRecogniser,
    StreamOptions,
    TrainedStreamModel,
    load_stream,
    stream_model,
)

SAID = (["mass", "moss", "same"], ["saw", "ease"], ["moss", "saw", "mass"])
ENDS = EndpointOptions(rule4=EndpointRule(True, 0.25))
OPTIONS = StreamOptions(endpoint=ENDS, cmvn=OnlineCmvnOptions(min_window=60))


@pytest.fixture(scope="module")
def graph(spoken: Spoken, trained_on_spoken: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streaming")
    lines = (spoken.data / "text").read_text().splitlines()
    (folder / "words").write_text("".join(line.partition(" ")[2] + "\n" for line in lines))
    lm = folder / "lm.arpa"
    assert status_of("lm", "train", folder / "words", lm, "--order", 1, "--smoothing", "witten-bell") == 0
    model = trained_on_spoken / "mono"
    assert status_of("graph", "compile", spoken.lang, model, folder / "graph", "--lm", lm) == 0
    return folder / "graph"


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    rng = np.random.default_rng(2)
    pause = 0.002 * rng.normal(size=int(0.4 * RATE))
    wave = np.concatenate([part for words in SAID for part in (sound_of(words, rng), pause)])
    return (wave * 32768).astype(np.int16)


def recognise(recogniser: StreamingRecogniser, samples: np.ndarray, sizes: list[int]) -> list[Any]:
    events: list[Any] = []
    at, number = 0, 0
    while at < len(samples):
        size = sizes[number % len(sizes)]
        events += recogniser.accept_samples(samples[at : at + size])
        at, number = at + size, number + 1
    return [*events, *recogniser.finish()]


def test_words_partials_and_endpoints_come_while_the_sound_arrives(
    graph: Path, trained_on_spoken: Path, talk: np.ndarray
) -> None:
    recogniser = load_stream(graph, trained_on_spoken / "mono", OPTIONS)
    events = recognise(recogniser, talk, [RATE // 10])
    utterances = [event for event in events if isinstance(event, Utterance)]
    assert [list(u.result.words) for u in utterances if u.result.words] == list(SAID)
    assert [u.number for u in utterances] == list(range(len(utterances)))
    assert all(u.endpoint is not None for u in utterances[:2])
    partials = [event for event in events if not isinstance(event, Utterance)]
    assert len(partials) > 6
    for before, after in itertools.pairwise(partials):
        if before.number == after.number:
            assert after.words[: before.num_stable] == before.words[: before.num_stable]
    # as whole-file decoding of the same frames
    model = stream_model(trained_on_spoken / "mono")
    assert isinstance(model, TrainedStreamModel)
    features = online_pipeline_features(model.model.pipeline, talk.astype(np.float32), OPTIONS.cmvn)
    loaded = load_graph(graph)
    assert utterances[-1].end_frame == len(features)
    for utterance in utterances:
        alone = decode(loaded, model.scores(features[utterance.first_frame : utterance.end_frame]), OPTIONS.search)
        assert alone.words == utterance.result.words
    with pytest.raises(WfstAsrError, match="the stream has been finished"):
        recogniser.accept_samples(talk)


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=4))
def test_the_same_sound_gives_the_same_bits_in_any_pieces(
    graph: Path, trained_on_spoken: Path, talk: np.ndarray, sizes: list[int]
) -> None:
    model, loaded = stream_model(trained_on_spoken / "mono"), load_graph(graph)
    whole = recognise(StreamingRecogniser(model, loaded, OPTIONS), talk, [len(talk)])
    pieces = recognise(StreamingRecogniser(model, loaded, OPTIONS), talk, [max(sizes), *sizes])
    assert len(whole) == len(pieces)
    for ours, theirs in zip(pieces, whole, strict=True):
        assert ours.word_times == theirs.word_times
        if isinstance(ours, Utterance):
            assert ours.result.total_cost == theirs.result.total_cost
            assert ours.endpoint == theirs.endpoint


def test_bad_sound_and_a_graph_of_another_model_are_refused(
    graph: Path, trained_on_spoken: Path, toy_world: Path
) -> None:
    recogniser = load_stream(graph, trained_on_spoken / "mono")
    with pytest.raises(WfstAsrError, match="expected one channel"):
        recogniser.accept_samples(np.zeros((4, 2)))
    with pytest.raises(WfstAsrError, match="NaN or infinite"):
        recogniser.accept_samples(np.array([0.0, np.nan]))
    with pytest.raises(WfstAsrError, match="was compiled with another model"):
        load_stream(graph, trained_on_spoken / "deltas")
    with pytest.raises(WfstAsrError, match="no such folder"):
        stream_model("nowhere")


def test_the_command_prints_utterances_words_or_events(
    graph: Path, trained_on_spoken: Path, talk: np.ndarray, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write("talk.wav", talk, RATE)
    command = ("stream", "talk.wav", "--graph", graph, "--model", trained_on_spoken / "mono")
    rule = ("--endpoint-rule", "rule4.min-trailing-silence=0.25", "--endpoint-rule", "rule1=off")
    assert status_of(*command, *rule) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [" ".join(words) for words in SAID]
    assert status_of(*command, *rule, "--times", "--chunk-ms", 33) == 0
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == [w for words in SAID for w in words]
    assert status_of(*command, *rule, "--json", "--confidence") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {event["type"] for event in events} == {"partial", "endpoint", "final"}
    assert [event["text"] for event in events if event["type"] == "final" and event["text"]] == lines
    assert all(0 <= word["confidence"] <= 1 for event in events for word in event.get("words", ()))
    assert "s of silence after speech" in next(event["reason"] for event in events if event["type"] == "endpoint")
    assert status_of(*command, "--no-endpoint", "--no-partials", "--json") == 0
    assert [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()] == ["final"]


class Interrupted(io.BytesIO):
    """Sound that Ctrl-C ends after a second and a half."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 3 * RATE:
            raise KeyboardInterrupt
        return super().read(size)


def test_standard_input_is_raw_sound(
    graph: Path,
    trained_on_spoken: Path,
    talk: np.ndarray,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def given(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    command = ("stream", "-", "--graph", graph, "--model", trained_on_spoken / "mono")
    given(talk.astype("<i2").tobytes() + b"\0")
    assert status_of(*command) == 0
    assert capsys.readouterr().out.split() == [w for words in SAID for w in words]
    given(b"")
    assert status_of(*command) == 0
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(Interrupted(talk.astype("<i2").tobytes())))
    assert status_of(*command) == 0
    assert capsys.readouterr().out.split()[0] == SAID[0][0]
    given(b"RIFF....WAVE")
    assert status_of(*command) == 1
    assert "standard input is a wav file; expected raw 16-bit samples" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["no.wav"], 1, "no.wav: no such file"),
        (["-", "--chunk-ms", "0"], 1, "--chunk-ms is 0, expected a number above 0"),
        (["-", "--endpoint-rule", "rule9=off"], 1, "endpoint setting 'rule9=off': expected such as"),
        (["-", "--endpoint-rule", "rule2.min_trailing_silence=-1"], 1, "min_trailing_silence is -1.0, expected"),
        (["-", "--confidence"], 2, "--confidence is shown with --json only"),
        (["-", "--model", "x"], 2, "--model needs --graph"),
        (["-", "--graph", "nowhere"], 1, "nowhere"),
    ],
)
def test_mistakes_are_told(
    arguments: list[str], status: int, message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of("stream", *arguments) == status
    assert message in capsys.readouterr().err
