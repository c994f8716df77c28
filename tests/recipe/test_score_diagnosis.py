"""Scores as they are and damaged in every way, for a graph of CTC and one of HMM states."""

import json

import numpy as np
import pytest

from tests.decoder.ctc_graphs import ctc_graph, ctc_table, lg_machine
from tests.decoder.test_decode_command import run
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.posteriors import log_softmax
from wfst_asr.decoder.search_graph import make_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table, write_const_fst
from wfst_asr.fst.manifest import Manifest, write_manifest
from wfst_asr.recipe.score_diagnosis import diagnose_scores

LETTERS = "abcdefghijk"
WORDS = ["bad", "cafe", "deck", "fig", "jade", "hack", "ice", "each"]


def word_machine(words):
    arcs, state = [], 1
    for number, word in enumerate(words, start=1):
        at = 0
        for place, letter in enumerate(word):
            to = 0 if place == len(word) - 1 else state
            state += place < len(word) - 1
            arcs.append((at, to, LETTERS.index(letter) + 1, number if place == 0 else 0, 2048 if place == 0 else 0))
            at = to
    return lg_machine(state, arcs, {0: 0})


def ctc_world(blank):
    return ctc_graph(
        ctc_table(word_machine(WORDS), len(LETTERS), blank, "standard"), len(LETTERS), blank, words=["<eps>", *WORDS]
    )


def ctc_scores(blank, *, seed=0, utterances=5, noise=1.0, logits=False):
    """As a peaky network: letters in one or two frames, blanks between, now and then a letter confused."""
    rng = np.random.default_rng(seed)
    columns = [column for column in range(len(LETTERS) + 1) if column != blank]
    made = {}
    for number in range(utterances):
        labels = []
        for word in rng.choice(WORDS, 6):
            for letter in word:
                labels += [columns[LETTERS.index(letter)]] * int(rng.integers(1, 3))
                labels += [blank] * int(rng.integers(0 if labels[-1] % 3 else 1, 4))
            labels += [blank] * int(rng.integers(1, 8))
        raw = noise * rng.normal(size=(len(labels), len(LETTERS) + 1))
        raw[np.arange(len(labels)), labels] += rng.uniform(3, 12, len(labels))
        made[f"u{number}"] = raw.astype(np.float32) if logits else log_softmax(raw)
    return made


NUM_PDFS = 24
PDFS = np.random.default_rng(7).permutation(NUM_PDFS)  # of the states of the words, one after another


def hmm_graph():
    """Words of four states each, with self-loops."""
    arcs, state = [], 1
    for word in range(NUM_PDFS // 4):
        at = 0
        for place in range(4):
            label = int(PDFS[4 * word + place]) + 1
            to = 0 if place == 3 else state
            state += place < 3
            arcs.append((at, to, label, word + 1 if place == 0 else 0, 2.0 if place == 0 else 0.7))
            if to:
                arcs.append((to, to, label, 0, 0.7))
            at = to
    words = ["<eps>", *(f"w{word}" for word in range(NUM_PDFS // 4))]
    manifest = Manifest(label_kind="pdf-id+1", num_columns=NUM_PDFS, column_names="pdf-id", acoustic_scale=0.1)
    return make_search_graph(
        arc_table(state, arcs, finals={0: 0.0}), np.arange(-1, NUM_PDFS), words=words, manifest=manifest
    )


def frames_of_states(rng):
    labels = []
    for word in rng.integers(0, NUM_PDFS // 4, 8):
        for place in range(4):
            labels += [PDFS[4 * word + place]] * int(rng.integers(2, 7))
    return np.array(labels)


def gmm_scores(seed=0):
    """Likelihoods of 12-dimensional Gaussians."""
    rng = np.random.default_rng(seed)
    means = 2.0 * rng.normal(size=(NUM_PDFS, 12))
    made = {}
    for number in range(5):
        points = means[frames_of_states(rng)] + 0.3 * rng.normal(size=(1, 12))
        points = points + rng.normal(size=points.shape)
        made[f"u{number}"] = (-40 - ((points[:, None] - means) ** 2).sum(axis=2) / 2).astype(np.float32)
    return made


def hybrid_scores(seed=0):
    """Posteriors of the classes under uneven priors, divided by these."""
    rng = np.random.default_rng(seed)
    priors = rng.dirichlet(np.full(NUM_PDFS, 3.0))
    posteriors = {
        name: log_softmax((matrix + np.log(priors)).astype(float)) for name, matrix in gmm_scores(seed).items()
    }
    return posteriors, {name: (matrix - np.log(priors)).astype(np.float32) for name, matrix in posteriors.items()}


def kinds(graph, matrices, change=lambda rows: rows, **options):
    found = diagnose_scores(graph, [(name, change(rows)) for name, rows in matrices.items()], **options)
    return [defect.kind for defect in found.findings]


def with_nan(rows):
    damaged = rows.copy()
    damaged[3, 1] = np.nan
    return damaged


LN10 = np.log(10)
DAMAGE = {
    "transposed": (lambda rows: rows.T, ["transposed"], "scores.T"),
    "probabilities": (np.exp, ["probabilities"], "np.log(scores)"),
    "log10": (lambda rows: rows / LN10, ["log10"], "scores * np.log(10)"),
    "sign": (lambda rows: -rows, ["sign"], "scores = -scores"),
    "sign and log10": (lambda rows: -rows / LN10, ["sign"], "-scores * np.log(10)"),
    "NaN": (with_nan, ["nan"], "np.isfinite(scores).all(axis=1)"),
    "columns": (lambda rows: rows[:, :-1], ["columns"], "give the graph"),
}


@pytest.mark.parametrize("blank", [0, len(LETTERS)])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.5, 1.5])
def test_sound_scores_of_ctc_raise_no_alarm(blank, seed, noise):
    matrices = ctc_scores(blank, seed=seed, noise=noise)
    found = diagnose_scores(ctc_world(blank), matrices.items())
    assert found.findings == ()
    assert (found.values, found.shape.column, found.blank) == ("natural logarithms of probabilities", blank, blank)
    assert found.implied_shift_s[0] < 0.05 < 10 * found.implied_shift_s[1]


@pytest.mark.parametrize("seed", range(4))
def test_sound_scores_of_states_raise_no_alarm(seed):
    graph = hmm_graph()
    found = diagnose_scores(graph, gmm_scores(seed).items())
    assert found.findings == ()
    assert "likelihoods" in found.values
    _, divided = hybrid_scores(seed)
    found = diagnose_scores(graph, divided.items())
    assert (found.findings, found.priors) == ((), "divided")


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_scores_of_ctc_are_told_with_the_fix(name):
    change, expected, fix = DAMAGE[name]
    matrices = ctc_scores(0)
    found = diagnose_scores(ctc_world(0), [(u, change(rows)) for u, rows in matrices.items()])
    assert [defect.kind for defect in found.findings] == expected
    assert fix in found.findings[0].fix


@pytest.mark.parametrize("name", ["transposed", "probabilities", "sign", "NaN", "columns"])
def test_damaged_likelihoods_and_hybrid_scores_are_told_with_the_fix(name):
    change, expected, fix = DAMAGE[name]
    graph = hmm_graph()
    for matrices in (gmm_scores(), hybrid_scores()[1]):
        found = diagnose_scores(graph, [(u, change(rows)) for u, rows in matrices.items()])
        assert [defect.kind for defect in found.findings] == expected
        assert fix in found.findings[0].fix


def test_hybrid_scores_of_base_10_are_told():
    assert kinds(hmm_graph(), hybrid_scores()[1], lambda rows: rows / LN10) == ["log10"]


def test_posteriors_that_were_not_divided_are_told():
    posteriors, _ = hybrid_scores()
    found = diagnose_scores(hmm_graph(), posteriors.items())
    assert [defect.kind for defect in found.findings] == ["priors"]
    assert "--priors" in found.findings[0].fix
    assert kinds(hmm_graph(), posteriors, np.exp) == ["probabilities", "priors"]


@pytest.mark.parametrize(
    ("blank", "change", "expected", "line"),
    [
        (0, lambda rows: np.roll(rows, 1, axis=1), "shifted", "scores = np.roll(scores, -1, axis=1)"),
        (0, lambda rows: np.roll(rows, -1, axis=1), "blank end", "scores = np.roll(scores, 1, axis=1)"),
        (11, lambda rows: np.roll(rows, 1, axis=1), "blank end", "scores = np.roll(scores, -1, axis=1)"),
        (11, lambda rows: np.roll(rows, -1, axis=1), "shifted", "scores = np.roll(scores, 1, axis=1)"),
        (
            0,
            lambda rows: np.concatenate([rows[:, :1], np.roll(rows[:, 1:], 1, axis=1)], axis=1),
            "shifted",
            "t = np.delete(np.arange(12), 0); scores[:, t] = np.roll(scores[:, t], -1, axis=1)",
        ),
        (
            0,
            lambda rows: np.insert(rows[:, 1:], 5, rows[:, 0], axis=1),
            "blank column",
            "scores = np.insert(np.delete(scores, 5, axis=1), 0, scores[:, 5], axis=1)",
        ),
    ],
)
def test_columns_elsewhere_are_told_and_the_line_puts_them_right(blank, change, expected, line):
    matrices = ctc_scores(blank)
    found = diagnose_scores(ctc_world(blank), [(u, change(rows)) for u, rows in matrices.items()])
    assert [defect.kind for defect in found.findings] == [expected]
    assert found.findings[0].fix == line
    room = {"np": np, "scores": change(matrices["u0"]).copy()}
    exec(line, room)
    assert np.array_equal(room["scores"], matrices["u0"])
    assert kinds(ctc_world(blank), {u: np.exp(change(rows)) for u, rows in matrices.items()}) == [
        "probabilities",
        expected,
    ]


@pytest.mark.parametrize("step", [-1, 1])
def test_shifted_columns_of_states_are_told(step):
    for matrices in (gmm_scores(), hybrid_scores()[1]):
        found = diagnose_scores(hmm_graph(), [(u, np.roll(rows, step, axis=1)) for u, rows in matrices.items()])
        assert [defect.kind for defect in found.findings] == ["shifted"]
        assert found.findings[0].fix == f"scores = np.roll(scores, {-step}, axis=1)"


def test_logits_are_told_with_both_signs():
    graph, logits = ctc_world(0), ctc_scores(0, logits=True)
    found = diagnose_scores(graph, logits.items())
    assert [defect.kind for defect in found.findings] == ["logits"]
    assert "--logits" in found.findings[0].fix
    assert kinds(graph, logits, lambda rows: -rows) == ["sign", "logits"]


def test_scores_of_another_kind_of_network_are_told():
    wide = {name: rows[:, :12] for name, rows in gmm_scores().items()}
    assert kinds(ctc_world(0), wide) == ["other graph"]
    padded = {
        name: log_softmax(np.concatenate([rows, np.full((len(rows), NUM_PDFS - 12), -30.0)], axis=1))
        for name, rows in ctc_scores(0).items()
    }
    assert kinds(hmm_graph(), padded) == ["other graph"]
    found = diagnose_scores(hmm_graph(), ctc_scores(0).items())
    assert "12 columns, but the graph expects 24 (pdf-id)" in found.findings[0].message
    assert "look like CTC scores" in found.findings[0].message
    assert "wfst-asr graph compile-ctc" in found.findings[0].fix


def test_tokens_and_frame_shift():
    graph, matrices = ctc_world(0), ctc_scores(0)
    tokens = ["<blank>", *LETTERS]
    assert kinds(graph, matrices, tokens=tokens, graph_tokens=tokens) == []
    turned = [*LETTERS, "<blank>"]
    assert kinds(graph, matrices, tokens=turned, graph_tokens=tokens) == ["tokens"]
    found = diagnose_scores(graph, matrices.items(), tokens=["x", *LETTERS], graph_tokens=tokens)
    assert "'x' is in one of the two alone" in found.findings[0].message
    lengths = {name: 0.02 * len(rows) for name, rows in matrices.items()}
    assert kinds(graph, matrices, durations_s=lengths) == []
    found = diagnose_scores(graph, matrices.items(), durations_s={name: 2 * s for name, s in lengths.items()})
    assert found.findings[0].fix == "wfst-asr graph compile-ctc --frame-shift-ms 40"


def test_references_give_error_rates_under_each_hypothesis():
    graph, matrices = ctc_world(0), ctc_scores(0, noise=0.5)
    references = {name: decode(graph, rows).words for name, rows in matrices.items()}
    found = diagnose_scores(graph, matrices.items(), references=references)
    assert found.hypotheses[0].word_errors == 0
    assert min(one.word_errors for one in found.hypotheses[1:3]) > 0.3


def test_rows_of_minus_infinity_and_bad_input():
    dead = {name: np.concatenate([rows, np.full((2, 12), -np.inf)]) for name, rows in ctc_scores(0).items()}
    found = diagnose_scores(ctc_world(0), dead.items())
    assert [defect.kind for defect in found.findings] == ["nan"]
    assert "-inf in all columns" in found.findings[0].message
    with pytest.raises(WfstAsrError, match="no scores to check"):
        diagnose_scores(ctc_world(0), [])
    with pytest.raises(WfstAsrError, match=r"'u' has shape \(3,\)"):
        diagnose_scores(ctc_world(0), [("u", np.zeros(3))])


def test_the_command_tells_defects_and_its_exit_status(tmp_path, capsys):
    graph = ctc_world(0)
    table = ctc_table(word_machine(WORDS), len(LETTERS), 0, "standard")
    write_const_fst(table, tmp_path / "HCLG.fst")
    np.save(tmp_path / "input_labels.npy", graph.input_labels)
    (tmp_path / "words.txt").write_text("".join(f"{word} {i}\n" for i, word in enumerate(["<eps>", *WORDS])))
    (tmp_path / "tokens.txt").write_text("".join(f"{t} {i}\n" for i, t in enumerate(["<blank>", *LETTERS])))
    write_manifest(tmp_path, graph.manifest)
    matrices = ctc_scores(0)
    np.savez(tmp_path / "good.npz", **matrices)
    np.savez(tmp_path / "bad.npz", **{name: -np.roll(rows, 1, axis=1) for name, rows in matrices.items()})
    assert run("scores", "check", tmp_path, tmp_path / "good.npz", "--tokens", tmp_path / "tokens.txt") == 0
    told = capsys.readouterr().out
    assert "the scores fit the graph" in told
    assert "as it is" in told
    assert run("scores", "check", tmp_path, tmp_path / "bad.npz") == 1
    told = capsys.readouterr().out
    assert "fix: scores = -scores\n" in told
    assert "fix: scores = np.roll(scores, -1, axis=1)" in told
    assert run("scores", "check", tmp_path, tmp_path / "bad.npz", "--json") == 1
    record = json.loads(capsys.readouterr().out)
    assert [defect["kind"] for defect in record["findings"]] == ["sign", "shifted"]
    assert record["fits"] is False
    assert run("scores", "check", tmp_path, tmp_path / "none.npz") == 1
    assert "no such file" in capsys.readouterr().err
