from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.features.network_features import NetworkFeatures
from wfst_asr.neural.options import NO_AUGMENTATION, FitOptions, RecurrentOptions
from wfst_asr.train.ctc import CtcOptions, SpokenText, labels_of, tokens_of, train_ctc_network

LETTERS = "ABC"
OPTIONS = CtcOptions(
    features=NetworkFeatures(sample_rate_hz=8000, num_bins=6),
    network=RecurrentOptions(hidden=24, num_layers=1, dropout=0.0, centred=False),
    augment=NO_AUGMENTATION,
    fit=FitOptions(epochs=12, batch_frames=400, learning_rate=0.02),
)


def spoken(count: int, seed: int) -> list[SpokenText]:
    """Return words whose letters are seen in the features, each for some frames."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        words = tuple("".join(rng.choice(list(LETTERS), size=rng.integers(1, 4))) for _ in range(rng.integers(1, 4)))
        rows = []
        for letter in " ".join(words):
            row = np.eye(6)[LETTERS.index(letter) if letter in LETTERS else 3]
            rows += [row] * int(rng.integers(4, 8)) + [np.zeros(6)] * 2
        features = np.array(rows) + 0.1 * rng.standard_normal((len(rows), 6))
        found.append(SpokenText(f"utterance-{number}", features.astype(np.float32), words))
    return found


def test_a_network_learns_to_spell() -> None:
    trained = train_ctc_network(spoken(80, 1), spoken(20, 2), OPTIONS)
    assert trained.tokens == ("<blank>", "A", "B", "C", "|")
    assert trained.best["token_errors"] < 5
    assert trained.best["word_errors"] < 10
    assert trained.utterances == 80
    assert not trained.network.training


def test_the_same_data_and_options_go_on_from_a_checkpoint_and_others_do_not(tmp_path: Path) -> None:
    short = replace(OPTIONS, fit=replace(OPTIONS.fit, epochs=2))
    checkpoint = tmp_path / "checkpoint"
    first = train_ctc_network(spoken(20, 1), spoken(5, 2), short, checkpoint=checkpoint)
    again = train_ctc_network(
        spoken(20, 1),
        spoken(5, 2),
        replace(short, fit=replace(short.fit, checkpoint_s=0.0)),  # how often does not matter
        checkpoint=checkpoint,
        progress=lambda *_: pytest.fail("trained"),
    )
    assert again.history == first.history
    for options, data in ((replace(short, boundary="_"), spoken(20, 1)), (short, spoken(21, 1))):
        with pytest.warns(UserWarning, match="is of other data or options; training begins anew"):
            train_ctc_network(data, spoken(5, 2), options, checkpoint=checkpoint)


def test_what_cannot_be_trained_on_is_left_out_with_its_reason() -> None:
    short = SpokenText("short", np.zeros((7, 6), np.float32), ("AAB", "A"))
    silent = SpokenText("silent", np.zeros((7, 6), np.float32), ())
    foreign = SpokenText("foreign", np.zeros((70, 6), np.float32), ("AÄ",))
    options = replace(OPTIONS, tokens=tuple(LETTERS), fit=replace(OPTIONS.fit, epochs=1))
    trained = train_ctc_network([*spoken(5, 1), short, silent, foreign], spoken(5, 2), options)
    assert trained.utterances == 5
    assert trained.left_out == {
        "short": "4 frames for a spelling that needs 6",
        "silent": "no words",
        "foreign": "'Ä' of the word 'AÄ' is no token",
    }
    with pytest.raises(WfstAsrError, match="not one of 1 utterances can be trained on; 'silent': no words"):
        train_ctc_network([silent], spoken(1, 1), replace(options))
    with pytest.raises(WfstAsrError, match="not one of 0 utterances can be validated with"):
        train_ctc_network(spoken(5, 1), [], options)


def test_words_may_run_into_one_another() -> None:
    assert tokens_of([("AB", "A")], boundary="") == ("<blank>", "A", "B")
    assert labels_of(("AB", "A"), ("<blank>", "A", "B"), boundary="") == (1, 2, 1)


def test_a_boundary_that_is_a_letter_is_refused() -> None:
    with pytest.raises(WfstAsrError, match="the boundary '-' between words is a letter of the transcripts"):
        tokens_of([("TWENTY-ONE",)], boundary="-")
    with pytest.raises(WfstAsrError, match="the transcripts have no words"):
        tokens_of([()])
