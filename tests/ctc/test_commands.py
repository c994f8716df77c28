"""`wfst-asr ctc`: what it prints, and what it says of bad input."""

import json
import warnings

import numpy as np
import pytest
import soundfile

from tests.ctc.test_candidates import article_scores
from tests.toy_world import status_of
from wfst_asr.io.archives import matrix_writer

ARPA = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-99\t<s>\t0
-1\t</s>
-1\thello\t0
-4\thullo\t0

\\2-grams:
-0.1\t<s> hello
-0.1\thello </s>

\\end\\
"""
TOKENS = "<blank> 0\nA 1\nE 2\nH 3\nL 4\nO 5\nU 6\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which the command replaces
    np.save("hello.npy", article_scores())
    (tmp_path / "tokens.txt").write_text(TOKENS)
    (tmp_path / "lm.arpa").write_text(ARPA)


def printed(capsys, *arguments):
    capsys.readouterr()
    assert status_of("ctc", *arguments) == 0
    return capsys.readouterr()


def test_collapse_shows_both_steps(capsys):
    assert printed(capsys, "collapse", "HHHEE_LL_LLLOOO").out == "HHHEE_LL_LLLOOO -> HE_L_LO -> HELLO\n"
    assert json.loads(printed(capsys, "collapse", "aa-a", "--blank", "-", "--json").out)["text"] == "aa"


def test_greedy_prints_text_steps_and_times(capsys):
    scores = ("greedy", "hello.npy", "--tokens", "tokens.txt")
    assert printed(capsys, *scores).out == "hello HELLO\n"
    steps = printed(capsys, *scores, "--steps").out.split()
    assert [steps[i] for i in (8, 11, 14)] == ["HHHEE_LL_LLLOOO", "HE_L_LO", "HELLO"]
    record = json.loads(printed(capsys, *scores, "--json").out)
    assert [(token["token"], token["start_s"], token["end_s"]) for token in record["tokens"]][:2] == [
        ("H", 0.0, 0.06),
        ("E", 0.06, 0.1),
    ]


def test_greedy_draws(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    soundfile.write("hello.wav", np.random.default_rng(0).normal(0, 0.1, 4800), 16000)
    printed(capsys, "greedy", "hello.npy", "--tokens", "tokens.txt", "--plot", "a.png", "--audio", "hello.wav")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_search_lists_the_n_best_and_writes_them(capsys, tmp_path):
    scores = ("search", "hello.npy", "--tokens", "tokens.txt")
    assert printed(capsys, *scores).out == "hello HELLO\n"
    assert printed(capsys, *scores, "--nbest", 2).out.splitlines()[0] == "hello-1 HELLO"
    printed(capsys, *scores, "--nbest", 3, "--json", "--output", "nbest.jsonl")
    records = [json.loads(line) for line in (tmp_path / "nbest.jsonl").read_text().splitlines()]
    assert [record["rank"] for record in records] == [1, 2, 3]
    assert records[0]["log_prob"] > records[1]["log_prob"]


def test_archives_and_npz_hold_several_utterances(capsys):
    both = {"a": article_scores(), "b": article_scores()[:5]}
    np.savez("scores.npz", **both)
    with matrix_writer("scores.ark") as write:
        for name, matrix in both.items():
            write(name, matrix.astype(np.float32))
    for file in ("scores.npz", "scores.ark"):
        assert printed(capsys, "greedy", file, "--tokens", "tokens.txt").out == "a HELLO\nb HE\n"
        assert printed(capsys, "search", file, "--tokens", "tokens.txt", "--utterance", "b").out == "b HE\n"


@pytest.mark.filterwarnings("always::wfst_asr.errors.WfstAsrWarning")
def test_candidates_of_the_article_come_out_in_its_order(capsys):
    arguments = ("candidates", "hello.npy", "AULLO", "HULLO", "HELLO", "--tokens", "tokens.txt", "--lm", "lm.arpa")
    shown = printed(capsys, *arguments)
    assert "does not list 1 of the words and takes them for impossible: AULLO" in shown.err
    assert shown.out.index("HELLO") < shown.out.index("│ HULLO") < shown.out.index("│ AULLO")
    assert "HULLO loses to HELLO by" in shown.out
    record = json.loads(printed(capsys, *arguments, "--json").out)
    assert [one["text"] for one in record["candidates"]] == ["HELLO", "HULLO", "AULLO"]
    assert record["candidates"][0]["lm_logprob"] == pytest.approx(-0.2 * np.log(10), abs=1e-3)
    assert record["candidates"][1]["to_win"]["gap"] > 5
    assert record["candidates"][2]["score"] is None


def test_candidates_are_found_where_none_is_given(capsys):
    record = json.loads(
        printed(capsys, "candidates", "hello.npy", "--tokens", "tokens.txt", "--nbest", 4, "--json").out
    )
    assert len(record["candidates"]) == 4
    assert record["candidates"][0]["text"] == "HELLO"
    assert record["candidates"][0]["lm_logprob"] is None


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("none.npy: no such file", ("greedy", "none.npy", "--tokens", "tokens.txt")),
        ("text.npy: is no array that NumPy wrote", ("greedy", "text.npy", "--tokens", "tokens.txt")),
        ("'hello' has 7 columns, but few.txt names 2 tokens; give the tokens", ("search", "hello.npy", "--tokens", "few.txt")),
        ("has 15 columns, but tokens.txt names 7 tokens; it may be transposed", ("search", "turned.npy", "--tokens", "tokens.txt")),
        ("no blank among A B; name it (--blank NAME)", ("greedy", "hello.npy", "--tokens", "blankless.txt")),
        ("blank 'X' is not among the tokens", ("greedy", "hello.npy", "--tokens", "tokens.txt", "--blank", "X")),
        ("'nan': scores at frame 2, column 1: nan", ("greedy", "nan.npy", "--tokens", "tokens.txt")),
        ("'probs': scores at frame 0 are probabilities", ("search", "probs.npy", "--tokens", "tokens.txt")),
        ("'hello': 'X' of 'HEX' is no token", ("candidates", "hello.npy", "HEX", "--tokens", "tokens.txt")),
        ("no utterance 'other' in it", ("greedy", "hello.npy", "--tokens", "tokens.txt", "--utterance", "other")),
        ("flat.npy", ("greedy", "flat.npy", "--tokens", "tokens.txt")),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_one_sentence(fails, tmp_path, message, arguments):
    scores = article_scores()
    (tmp_path / "text.npy").write_text("not an array")
    (tmp_path / "few.txt").write_text("<blank> 0\nA 1\n")
    (tmp_path / "blankless.txt").write_text("A 0\nB 1\n")
    np.save("turned.npy", np.ascontiguousarray(scores.T))
    np.save("probs.npy", np.exp(scores))
    np.save("flat.npy", scores[0])
    scores[2, 1] = np.nan
    np.save("nan.npy", scores)
    if message == "flat.npy":
        message = "'flat': CTC scores of shape (7,), expected (frames, labels)"
    fails(message, "ctc", *arguments)
