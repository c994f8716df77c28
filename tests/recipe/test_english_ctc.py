"""English by hama's network: its graph, words with exact times, and the command line."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from wfst_asr.cli.transcribe import transcribe
from wfst_asr.errors import WfstAsrError
from wfst_asr.recipe.english_ctc import CtcRecogniser, EnglishCtcOptions, compile_english_ctc_graph, is_current
from wfst_asr.recipe.english_graph import english_files
from wfst_asr.score.wer import score_texts

pytestmark = [
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("hama", "onnxruntime", "pocketsphinx")),
        reason="needs the extras english and english-ctc",
    ),
    pytest.mark.filterwarnings("ignore:.*of the language model:wfst_asr.errors.WfstAsrWarning"),
]
OPTIONS = EnglishCtcOptions(max_words=3000)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("english-ctc") / "graph"
    compile_english_ctc_graph(english_files(), folder, OPTIONS)
    return folder


def test_a_graph_is_current_for_its_own_options_alone(graph: Path) -> None:
    assert is_current(graph, english_files(), OPTIONS)
    assert not is_current(graph, english_files(), EnglishCtcOptions(max_words=3001))
    assert not is_current(graph / "nowhere", english_files(), OPTIONS)


def test_read_speech_is_recognised_with_the_times_of_its_words(graph: Path, corpora: Path) -> None:
    recogniser = CtcRecogniser.load(graph)
    data = corpora / "librispeech_mini" / "dev"
    texts = dict(line.split(None, 1) for line in (data / "text").read_text().splitlines())
    paths = dict(line.split() for line in (data / "wav.scp").read_text().splitlines())
    chosen = sorted(texts)[12:20]
    found = {}
    for name in chosen:
        result = recogniser.recognise(recogniser.read(data / paths[name]).samples)
        found[name] = [word.upper() for word in result.words]
        assert result.times_exact
        starts = [word.start_frame for word in result.word_times]
        assert starts == sorted(starts)
    scores = score_texts({name: texts[name].split() for name in chosen}, found)
    assert scores.error_rate < 0.3  # 3,000 words; with all of them about 0.1


def test_transcribe_takes_the_network_by_name(graph: Path, corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wfst_asr.cli import transcribe as command

    monkeypatch.setattr(command, "english_ctc_recogniser", lambda *_, **__: CtcRecogniser.load(graph))
    recording = next((corpora / "librispeech_mini" / "dev" / "flac").iterdir())
    run = CliRunner().invoke(transcribe, ["--model", "english-ctc", "--json", "--confidence", str(recording)])
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert len(told["words"]) > 3
    assert all(0 <= word["confidence"] <= 1 for word in told["words"])
    refused = CliRunner().invoke(transcribe, ["--model", "english-ctc", "--cmn", "live", str(recording)])
    assert refused.exit_code == 2
    assert "--cmn is of the model english" in refused.output


def test_silence_gives_no_words(graph: Path) -> None:
    rng = np.random.default_rng(0)
    quiet = rng.normal(scale=2.0, size=16000).astype(np.float32)
    assert CtcRecogniser.load(graph).recognise(quiet).words == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_words": -1}, "max_words is -1"),
        ({"boundary_prob": 1.0}, "boundary_prob"),
        ({"topology": "x"}, "topology 'x'"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(WfstAsrError, match=message):
        EnglishCtcOptions(**options)  # type: ignore[arg-type]
