"""Other readers score the files that we write as we do, and we read theirs."""

from pathlib import Path

import arpa
import kaldilm
import numpy as np
import pocketsphinx
import pytest

from wfst_asr.lm.arpa import read_arpa, write_arpa

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "lm"
LN10 = np.log(10)
MODELS = ["kneser_ney_3_sentences.arpa", "kneser_ney_160_sentences.arpa", "scoring_3gram.arpa.gz"]


@pytest.fixture(params=MODELS)
def model(request):
    return read_arpa(GOLDEN / request.param)


@pytest.fixture
def ours(model, tmp_path):
    write_arpa(model, tmp_path / "ours.arpa")
    return str(tmp_path / "ours.arpa")


def sentences(model, seed=0):
    """Return sentences made of listed n-grams and of words at random."""
    rng = np.random.default_rng(seed)
    spoken = [word for word in model.words if not word.startswith("<")]
    for length in (0, 1, 2, 5, 8, 12, 12, 12):
        yield [str(word) for word in rng.choice(spoken, length)]
    for _ in range(12):
        words = ["<s>"]
        while len(words) < 15 and words[-1] != "</s>":
            entry = model.find(model.ids(words[-model.order + 1 :]).tolist())
            level = model.levels[min(len(words), model.order - 1) - 1]
            children = range(level.first_child[entry], level.first_child[entry + 1]) if entry >= 0 else ()
            following = [model.words[model.levels[min(len(words), model.order - 1)].word[child]] for child in children]
            words.append(str(rng.choice([word for word in following if word != "<unk>"] or spoken)))
        yield [word for word in words if not word.startswith("<")]


def test_the_arpa_package_scores_alike(model, ours):
    theirs = arpa.loadf(ours)[0]
    for sentence in filter(None, sentences(model)):  # it takes no empty one
        assert theirs.log_s(tuple(sentence)) == pytest.approx(model.score(sentence) / LN10, abs=1e-4)


def test_what_the_arpa_package_writes_is_read(model, ours, tmp_path):
    arpa.dumpf(arpa.loadf(ours)[0], tmp_path / "theirs.arpa")
    read = read_arpa(tmp_path / "theirs.arpa")
    assert read.num_ngrams == model.num_ngrams
    for sentence in sentences(model):
        assert read.score(sentence) == pytest.approx(model.score(sentence), abs=1e-9)


def test_pocketsphinx_scores_alike(model, ours):
    log_math = pocketsphinx.LogMath(1.00001)  # its scores are integers in this base
    theirs = pocketsphinx.NGramModel(pocketsphinx.Config(lw=1.0, wip=1.0), log_math, ours)
    for sentence in sentences(model):
        words = ["<s>", *sentence, "</s>"]
        score = sum(theirs.prob(words[max(0, i - model.order + 1) : i + 1][::-1]) for i in range(1, len(words)))
        assert log_math.log_to_log10(score) == pytest.approx(model.score(sentence) / LN10, abs=1e-4)


def test_kaldilm_scores_alike(model, ours, tmp_path):
    names = ["<eps>", "<s>", "</s>", *(word for word in model.words if word not in ("<s>", "</s>")), "#0"]
    (tmp_path / "words.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(names)))
    text = kaldilm.arpa2fst(ours, disambig_symbol="#0", read_symbol_table=str(tmp_path / "words.txt"), max_order=-1)
    arcs, final, start = {}, {}, None
    for columns in map(str.split, text.strip().splitlines()):
        start = columns[0] if start is None else start
        cost = float(columns[-1]) if len(columns) in (2, 5) else 0.0
        if len(columns) < 3:
            final[columns[0]] = cost
        else:
            arcs[columns[0], int(columns[2])] = columns[1], cost
    label = {name: i for i, name in enumerate(names)}
    for sentence in sentences(model):
        state, total = start, 0.0
        for word in [*sentence, "</s>"]:
            while (state, label[word]) not in arcs and not (word == "</s>" and state in final):
                state, cost = arcs[state, label["#0"]]
                total += cost
            if word == "</s>":
                total += final[state]
            else:
                state, cost = arcs[state, label[word]]
                total += cost
        assert -total / LN10 == pytest.approx(model.score(sentence) / LN10, abs=1e-4)
