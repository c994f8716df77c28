"""From recordings of digits to a network of letters, its graph T o L o G and words, by the stages of the recipe."""

from pathlib import Path

import pytest

from tests.toy_world import status_of
from wfst_asr.features.network_features import NetworkFeatures
from wfst_asr.io.data_dir import read_data_dir, write_data_dir
from wfst_asr.io.data_parts import with_utterances
from wfst_asr.neural.options import AugmentOptions, FitOptions, RecurrentOptions
from wfst_asr.recipe.ctc_evaluation import GraphDecoding, evaluate_greedy, evaluate_with_graph
from wfst_asr.recipe.ctc_language import compile_spelling_graph, make_spelling_lang
from wfst_asr.recipe.ctc_training import train_ctc
from wfst_asr.recipe.language import LM_NAME, make_language_model
from wfst_asr.recipe.prepare_fsdd import join_digits, prepare_fsdd
from wfst_asr.train.ctc import CtcOptions

DIGITS, SPEAKERS, INDICES = ("6", "9"), ("jackson", "lucas", "nicolas", "george"), range(28)
OPTIONS = CtcOptions(
    features=NetworkFeatures(sample_rate_hz=8000, num_bins=30, padding_s=0.05),
    network=RecurrentOptions(num_layers=1, hidden=48, dropout=0.1, centred=False),
    augment=AugmentOptions(band_masks=1, band_width=5, frame_masks=0.5, frame_width=5),
    fit=FitOptions(epochs=20, batch_frames=1000, learning_rate=0.01),
)


@pytest.fixture(scope="module")
def made(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data/, strings/, model/, lang/ and graph/ of six and nine."""
    root = tmp_path_factory.mktemp("digits")
    data = read_data_dir(corpora / "fsdd")
    chosen = [
        f"{speaker}-{digit}-{index}"
        for speaker in SPEAKERS
        for digit in DIGITS
        for index in INDICES
        if f"{speaker}-{digit}-{index}" in data.recordings
    ]
    write_data_dir(with_utterances(data, chosen), root / "corpus")
    prepare_fsdd(root / "corpus", root / "data")
    train, valid, test = (root / "data" / name for name in ("train", "valid", "test"))
    join_digits(train, root / "strings-train", recordings=corpora, digits=(2, 4))
    join_digits(test, root / "strings-test", recordings=corpora, digits=(2, 4), seed=1)
    train_ctc((train, root / "strings-train"), root / "model", valid_dir=valid, options=OPTIONS)
    make_spelling_lang(root / "lang", model_dir=root / "model", data_dir=train)
    make_language_model(root / "lm", data_dir=root / "strings-train", lang_dir=root / "lang", order=1)
    grammar = root / "lm" / LM_NAME
    compile_spelling_graph(root / "graph", lang_dir=root / "lang", grammar=grammar, model_dir=root / "model")
    return root


def test_letters_spell_most_digits_right(made: Path, tmp_path: Path) -> None:
    figures = evaluate_greedy(tmp_path, model_dir=made / "model", data_dir=made / "data" / "test")
    assert figures["words"] == 40
    assert figures["wer"] <= 20
    assert figures["ler"] <= 10
    assert (tmp_path / "text").read_text().count("\n") == 40


def test_the_graph_leaves_fewer_errors_than_the_letters(made: Path, tmp_path: Path) -> None:
    strings, model = made / "strings-test", made / "model"
    letters = evaluate_greedy(tmp_path / "letters", model_dir=model, data_dir=strings)
    words = evaluate_with_graph(
        tmp_path / "words",
        model_dir=model,
        graph_dir=made / "graph",
        data_dir=strings,
        valid_dir=made / "data" / "valid",
        decoding=GraphDecoding(lm_weights=(1.0, 2.0), insertion_penalties=(0.0, 1.0)),
    )
    assert words["wer_default"] <= max(letters["wer"], 5)
    assert words["wer_best"] <= words["wer"] <= 10
    assert {words["lm_weight"], words["insertion_penalty"]} <= {0.0, 1.0, 2.0}


def test_the_command_decodes_with_the_network(made: Path, tmp_path: Path) -> None:
    arguments = ("decode", made / "graph", made / "data" / "test", tmp_path, "--model", made / "model")
    assert status_of(*arguments) == 0
    wanted = read_data_dir(made / "data" / "test").text or {}
    found = dict(line.split(maxsplit=1) for line in (tmp_path / "text").read_text().splitlines() if " " in line)
    assert sum(found.get(name) != text for name, text in wanted.items()) <= 2
    times = [line.split() for line in (tmp_path / "ctm").read_text().splitlines()]
    assert all(float(row[2]) + float(row[3]) < 1.5 for row in times)


def test_a_graph_of_another_kind_is_refused(
    made: Path, toy_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = next(path.parent for path in sorted(toy_world.rglob("HCLG.fst")))
    assert status_of("decode", graph, made / "data" / "test", tmp_path, "--model", made / "model") == 1
    told = capsys.readouterr().err
    assert "columns, but the model gives" in told or "its labels are of kind" in told
