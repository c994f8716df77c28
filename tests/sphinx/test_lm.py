"""The binary trie language model."""

import math
import struct
from pathlib import Path

import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lm.backoff import NGramModel
from wfst_asr.sphinx.lm import read_lm


@pytest.fixture(scope="module")
def model(english: Path) -> NGramModel:
    return read_lm(english / "en-us.lm.bin")


def log_prob(model: NGramModel, ngram: list[int]) -> float:
    """Katz's definition, one n-gram at a time."""
    entry = model.find(ngram)
    if entry >= 0:
        return float(model.levels[len(ngram) - 1].log_prob[entry])
    history = model.find(ngram[:-1])
    weight = float(model.levels[len(ngram) - 2].backoff[history]) if history >= 0 else 0.0
    return weight + log_prob(model, ngram[1:])


def sampled_ngrams(model: NGramModel, order: int, count: int, rng: np.random.Generator) -> list[list[int]]:
    """Listed n-grams of an order."""
    result = []
    for entry in rng.integers(0, len(model.levels[order - 1]), count).tolist():
        words: list[int] = []
        for level in range(order - 1, -1, -1):
            words.insert(0, int(model.levels[level].word[entry]))
            entry = int(model.parents[level][entry])
        result.append(words)
    return result


def test_probabilities_are_those_of_pocketsphinx_for_listed_and_other_ngrams(model: NGramModel, english: Path) -> None:
    pocketsphinx = pytest.importorskip("pocketsphinx")
    log_math = pocketsphinx.LogMath()  # its `prob` takes the predicted word first, then the words before it, backwards
    theirs = pocketsphinx.NGramModel(pocketsphinx.Config(), log_math, str(english / "en-us.lm.bin"))
    rng = np.random.default_rng(0)
    ngrams = [ngram for order in (1, 2, 3) for ngram in sampled_ngrams(model, order, 1000, rng)]
    ngrams += [[*ngram[:-1], word] for ngram, word in zip(ngrams[1000:], rng.integers(0, 72547, 2000), strict=True)]
    ngrams += [[*ngram[1:], ngram[0]] for ngram in ngrams[1000:3000]]
    ngrams += rng.integers(0, 72547, (1000, 3)).tolist()
    listed = 0
    for ngram in ngrams:
        words = [model.words[i] for i in ngram]
        ours = log_prob(model, ngram)
        assert ours == pytest.approx(theirs.prob(words[::-1]) * math.log(1.0001), abs=4e-4), words
        listed += model.find(ngram) >= 0
    assert 3000 <= listed < len(ngrams) - 1000


def test_the_levels_are_sorted_by_history_and_word(model: NGramModel) -> None:
    assert model.num_ngrams == (72547, 2051541, 1669625)
    for level, parents in zip(model.levels[1:], model.parents[1:], strict=True):
        key = parents * len(model.words) + level.word
        assert (np.diff(key) > 0).all()
        assert len(level) == len(parents)
    assert all(np.isfinite(level.log_prob).all() for level in model.levels)
    assert (model.levels[2].backoff == 0).all()


def test_the_probabilities_after_a_history_sum_to_one(model: NGramModel) -> None:
    unigrams, bigrams = model.levels[0], model.levels[1]
    for word in ("the", "of", "session"):
        history = model.word_ids[word]
        children = slice(unigrams.first_child[history], unigrams.first_child[history + 1])
        probs = np.exp(unigrams.log_prob + unigrams.backoff[history])
        probs[bigrams.word[children]] = np.exp(bigrams.log_prob[children])
        assert probs.sum() == pytest.approx(1.0, abs=0.02)


def packed(fields: list[tuple[int, int]]) -> int:
    value, shift = 0, 0
    for number, width in fields:
        value |= number << shift
        shift += width
    return value


def tiny_lm(*, unigram_next: tuple[int, ...] = (0, 0, 1, 2), words: bytes = b"a\0b\0c\0", word: int = 2) -> bytes:
    """Trigram model of 3 words with bigrams (a b), (b c) and the trigram (c b c): its history (c b) is not listed."""
    data = b"Trie Language Model" + struct.pack("<B3I", 3, 3, 2, 1) + struct.pack("<I", 0)
    tables = np.zeros((3, 1 << 16), dtype="<f4")
    tables[0, :3], tables[1, :3], tables[2, :2] = [0, -1000, -2000], [0, -300, -400], [0, -500]
    data += tables.tobytes()
    for prob, backoff, child in zip((-7000.0, -8000.0, -9000.0, 0), (-10, -20, -30, 0), unigram_next, strict=True):
        data += struct.pack("<ffI", prob, backoff, child)
    middle = [
        [(0, 2), (1, 16), (1, 16), (0, 1)],
        [(1, 2), (2, 16), (2, 16), (0, 1)],
        [(0, 2), (0, 16), (0, 16), (1, 1)],
    ]
    for records, width in ((middle, 35), ([[(word, 2), (1, 16)]], 18)):
        bits = sum(packed(record) << (i * width) for i, record in enumerate(records))
        count = 3 if records is middle else 2
        data += bits.to_bytes((count * width + 7) // 8 + 8, "little")
    return data + struct.pack("<I", len(words)) + words


def test_a_tiny_model_gets_its_missing_history(tmp_path: Path) -> None:
    (tmp_path / "tiny.lm.bin").write_bytes(tiny_lm())
    with pytest.warns(WfstAsrWarning, match="inserted 1 histories"):
        model = read_lm(tmp_path / "tiny.lm.bin")
    assert model.words == ("a", "b", "c")
    assert model.num_ngrams == (3, 3, 1)
    unit = math.log(1.0001)
    a, b, c = 0, 1, 2
    for ngram, value in (
        ([b], -8000),
        ([a, b], -1000),
        ([b, c], -2000),
        ([c, b], -8030),
        ([c, b, c], -500),
        ([a, b, c], -2300),
        ([c, b, a], -7020),
    ):
        assert log_prob(model, ngram) == pytest.approx(value * unit), ngram


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\\data\\\n", "not a binary trie language model"),
        (tiny_lm(unigram_next=(0, 2, 1, 2)), "pointers to its 2-grams are not in order"),
        (tiny_lm(word=3), "a 3-gram has an unknown word"),
        (tiny_lm(words=b"a\0b\0b\0"), "2 distinct words for 3 unigrams"),
        (tiny_lm(words=b"a\0b\0\xff\0"), "not UTF-8"),
        (tiny_lm() + b"x", "1 bytes follow the end"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "tiny.lm.bin").write_bytes(data)
    with pytest.raises(WfstAsrError, match=message):
        read_lm(tmp_path / "tiny.lm.bin")


@pytest.mark.parametrize("size", [19, 20, 33, 1000, -5, -12, -25, -30])
def test_a_truncated_file_is_noticed(tmp_path: Path, size: int) -> None:
    (tmp_path / "tiny.lm.bin").write_bytes(tiny_lm()[:size])
    with pytest.raises(WfstAsrError, match="truncated or damaged"):
        read_lm(tmp_path / "tiny.lm.bin")
