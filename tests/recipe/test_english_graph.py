"""The English graph: its options, vocabulary, HMMs of triphones and labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.fst.manifest import Manifest, write_manifest
from wfst_asr.lm.arpa import read_arpa
from wfst_asr.recipe.english_graph import (
    EnglishFiles,
    EnglishGraphOptions,
    compile_english_graph,
    english_files,
    graph_words,
    input_hashes,
    is_current,
    senone_input_labels,
    sphinx_window_hmms,
)
from wfst_asr.sphinx.acoustic_model import SphinxModel, read_model

ARPA = r"""\data\
ngram 1=6

\1-grams:
-1 </s>
-99 <s>
-0.9 often
-1.5 rare
-1.2 some
-2 unspoken

\end\
"""


@pytest.fixture(scope="module")
def model() -> SphinxModel:
    pytest.importorskip("pocketsphinx")
    return read_model(english_files().model_dir)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_words": -5}, "max_words is -5; expected 0 .all words. or a positive number"),
        ({"silence_prob": 0.0}, "silence_prob is 0.0; expected a probability between 0 and 1"),
        ({"silence_prob": 1.0}, "silence_prob is 1.0"),
        ({"silence_prob": float("nan")}, "silence_prob is nan"),
        ({"word_insertion_penalty": float("inf")}, "word_insertion_penalty is inf; expected a number"),
        ({"transition_scale": 0.0}, "transition_scale is 0.0; expected a positive number"),
        ({"acoustic_scale": float("nan")}, "acoustic_scale is nan"),
    ],
)
def test_options_are_checked(values: dict[str, float], message: str) -> None:
    with pytest.raises(WfstAsrError, match=message):
        EnglishGraphOptions(**values)  # type: ignore[arg-type]


def test_words_are_the_commonest_that_have_a_pronunciation(tmp_path: Path) -> None:
    (tmp_path / "lm.arpa").write_text(ARPA)
    lm = read_arpa(tmp_path / "lm.arpa")
    spoken = {"often", "rare", "some"}
    assert graph_words(lm, {*spoken, "unspoken", "other"}, 0) == ["often", "rare", "some", "unspoken"]
    with pytest.warns(WfstAsrWarning, match="1 words of the language model have no pronunciation .* such as unspoken"):
        assert graph_words(lm, spoken, 2) == ["often", "some"]
    with pytest.raises(WfstAsrError, match="no word of the language model is in the dictionary"):
        graph_words(lm, {"other"}, 0)


def test_hmms_of_windows_have_the_senones_and_transitions_of_the_model(model: SphinxModel) -> None:
    scale = 0.5
    hmms = sphinx_window_hmms(model, transition_scale=scale)
    context = model.context
    rng = np.random.default_rng(0)
    num_phones = len(context.phones)
    for _ in range(500):
        left, right = rng.integers(0, num_phones + 1, 2).tolist()
        phone = int(rng.integers(1, num_phones + 1))
        hmm = hmms.hmm_of[hmms.left_class[left], phone, hmms.right_class[right]]
        units = hmms.hmm_unit[hmms.hmm_first[hmm] : hmms.hmm_first[hmm + 1]]
        pdf_ids = [context.pdf_id((left, phone, right), state) for state in range(model.mdef.num_states)]
        assert (hmms.unit_label[units] - 1).tolist() == pdf_ids
        _, tmat = context.window_hmms([[left, phone, right]])
        matrix = model.transitions[int(tmat[0])]
        states = np.arange(model.mdef.num_states)
        np.testing.assert_allclose(hmms.unit_loop_cost[units], -scale * np.log(matrix[states, states]), rtol=1e-5)
        np.testing.assert_allclose(hmms.unit_enter_cost[units], -scale * np.log(matrix[states, states + 1]), rtol=1e-5)


def test_labels_are_senones_and_one_with_phone_and_state(model: SphinxModel) -> None:
    labels = senone_input_labels(model)
    assert labels["column"].tolist() == list(range(-1, model.num_senones))
    context = model.context
    rng = np.random.default_rng(1)
    for _ in range(200):
        left, right = rng.integers(0, len(context.phones) + 1, 2).tolist()
        phone, state = int(rng.integers(1, len(context.phones) + 1)), int(rng.integers(model.mdef.num_states))
        label = labels[context.pdf_id((left, phone, right), state) + 1]
        assert (label["hmm_state"], label["phone"]) == (state, context.base_of_phone[phone] + 1)


def test_a_graph_is_current_until_an_option_or_a_file_changes(tmp_path: Path) -> None:
    files = EnglishFiles(tmp_path / "model", tmp_path / "words.dict", tmp_path / "lm.bin")
    files.model_dir.mkdir()
    for path in (files.dictionary, files.language_model, files.model_dir / "mdef"):
        path.write_text(path.name)
    (files.model_dir / "transition_matrices").write_text("0.5")
    options = EnglishGraphOptions()
    graph = tmp_path / "graph"
    assert not is_current(graph, files, options)
    manifest = Manifest(
        label_kind="pdf-id+1",
        num_columns=3,
        column_names="senone",
        inputs=input_hashes(files),
        options=vars(options),
    )
    write_manifest(graph, manifest)
    assert is_current(graph, files, options)
    for name in vars(options):
        assert not is_current(graph, files, replace(options, **{name: 0.25 if name != "max_words" else 7}))
    files.dictionary.write_text("other words")
    assert not is_current(graph, files, options)
    (graph / "manifest.json").write_text("{")
    assert not is_current(graph, files, options)


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    files = EnglishFiles(tmp_path / "no", tmp_path / "no", tmp_path / "no")
    (tmp_path / "file").write_text("")
    with pytest.raises(WfstAsrError, match="cannot be written"):
        compile_english_graph(files, tmp_path / "file" / "graph", EnglishGraphOptions())
