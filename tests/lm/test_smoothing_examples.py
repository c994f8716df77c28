"""Worked examples of the smoothings, with the numbers by hand, and models of KenLM's lmplz.

The formulas by the way of the article "Speech Recognition: Acoustic, Lexicon & Language Model", of Chen and
Goodman, "An empirical study of smoothing techniques for language modeling" (1998), and of Jurafsky and Martin, "Speech and
language processing" (3rd edition, chapter 3).
"""

import math
from pathlib import Path

import numpy as np
import pytest

from tests.reference import ngram_discounts, ngram_smoothing
from tests.reference.ngram_counts import read_arpa
from wfst_asr.lm.counts import count_ngrams
from wfst_asr.lm.counts_of_counts import CountsOfCounts
from wfst_asr.lm.estimate import EstimateOptions, estimate_model
from wfst_asr.lm.good_turing import good_turing_discounts, turing_counts
from wfst_asr.lm.text import text_of_sentences

GOLDEN = Path(__file__).parent.parent / "golden" / "lm"

# Gale and Sampson (1995), the example that comes with their program: r, n_r and r* (a selection).
PROSODY = """1 120 2 40 3 24 4 13 5 15 6 5 7 11 8 2 9 2 10 1 12 3 14 2 15 1 16 1 17 3 19 1 20 3 21 2 23 3 24 3 25 3 26 2
    27 2 28 1 31 2 32 2 33 1 34 2 36 2 41 3 43 1 45 3 46 1 47 1 50 1 71 1 84 1 101 1 105 1 121 1 124 1 146 1 162 1 193 1
    199 1 224 1 226 1 254 1 257 1 339 1 421 1 456 1 481 1 483 1 1140 1 1256 1 1322 1 1530 1 2131 1 2395 1 6925 1 7846 1"""
PROSODY_STARRED = {
    1: 0.7628079,
    2: 1.706448,
    3: 2.679796,
    4: 3.663988,
    5: 4.653366,
    10: 9.627446,
    50: 49.57351,
    1140: 1138.636,
}


def train(sentences, order, smoothing, *, vocabulary=None, **options):
    """Return p(word, history) of a model of the package."""
    counts = count_ngrams(text_of_sentences(sentences), order, vocabulary=vocabulary, unknown=None)
    model = estimate_model(counts, EstimateOptions(smoothing, **options)).model
    return lambda word, *history: math.exp(model.log_prob(word, history))


SAM = ["I am Sam", "Sam I am", "I do not like green eggs and ham"]


def test_maximum_likelihood_of_the_sam_bigrams():
    """Jurafsky and Martin, section 3.1.2."""
    p = train(SAM, 2, "maximum-likelihood")
    assert p("I", "<s>") == pytest.approx(2 / 3)
    assert p("Sam", "<s>") == pytest.approx(1 / 3)
    assert p("am", "I") == pytest.approx(2 / 3)
    assert p("</s>", "Sam") == pytest.approx(1 / 2)
    assert p("do", "I") == pytest.approx(1 / 3)
    assert p("ham", "I") == 0


def test_add_one_of_the_sam_bigrams():
    """(c(v w) + 1) / (c(v) + V); V = 11: I am Sam do not like green eggs and ham </s>."""
    p = train(SAM, 2, "add-k", k=1.0)
    assert p("I", "<s>") == pytest.approx(3 / 14)  # (2 + 1) / (3 + 11)
    assert p("am", "I") == pytest.approx(3 / 14)  # (2 + 1) / (3 + 11)
    assert p("Sam", "am") == pytest.approx(2 / 13)  # (1 + 1) / (2 + 11)
    assert p("ham", "I") == pytest.approx(1 / 14)  # (0 + 1) / (3 + 11)


# Eighteen fish: 10 carp, 3 perch, 2 whitefish, a trout, a salmon and, in the place of the eel, the end of the trip.
FISH = ["carp " * 10 + "perch perch perch whitefish whitefish trout salmon"]


def test_good_turing_of_the_fish():
    """The next fish is new with probability n_1 / N = 3/18, here catfish or bass."""
    p = train(FISH, 1, "good-turing", vocabulary=["carp", "perch", "whitefish", "trout", "salmon", "catfish", "bass"])
    assert p("catfish") == pytest.approx(3 / 36)
    # Z_1 = 2 * 3 / 2 = 3, Z_2 = 2 / (3 - 1) = 1, Z_3 = 2 / (10 - 2) = 0.25, Z_10 = 2 / (17 - 3) = 1 / 7
    x = [math.log(r) for r in (1, 2, 3, 10)]
    y = [math.log(z) for z in (3, 1, 0.25, 1 / 7)]
    b = (4 * sum(u * v for u, v in zip(x, y, strict=True)) - sum(x) * sum(y)) / (
        4 * sum(u * u for u in x) - sum(x) ** 2
    )
    # Turing's 1* = 2 * 1 / 3 is within 1.96 deviations, sqrt(4 / 9 * (1 + 1 / 3)) = 0.77, of the fit's 2 * 2^b, so the fit's
    smooth = {r: (r + 1) * ((r + 1) / r) ** b for r in (1, 2, 3, 10)}
    scale = 15 / (3 * smooth[1] + smooth[2] + smooth[3] + smooth[10])
    assert p("trout") == pytest.approx(smooth[1] * scale / 18)
    assert p("carp") == pytest.approx(smooth[10] * scale / 18)


def test_turing_estimate_of_the_trout():
    """1* = 2 n_2 / n_1 = 2 * 1 / 3."""
    n = {1: 3, 2: 1, 3: 1, 10: 1}
    found = CountsOfCounts(np.array(list(n)), np.array(list(n.values())))
    assert turing_counts(found, 3) == pytest.approx([2 / 3, 3, 0])  # 2 * 1 / 3, 3 * 1 / 1, 4 * 0 / 1
    assert ngram_discounts.srilm_good_turing(n, 2)[1] == 1  # d_1 = (2/3 - 3 * 1/3) / (1 - 3 * 1/3): out of range


def test_simple_good_turing_of_gale_and_sampson():
    numbers = [int(number) for number in PROSODY.split()]
    n = dict(zip(numbers[::2], numbers[1::2], strict=True))
    assert sum(r * n[r] for r in n) == 30902
    starred = ngram_discounts.good_turing(n)
    assert {r: starred[r] for r in PROSODY_STARRED} == pytest.approx(PROSODY_STARRED, rel=1e-6)
    ours = good_turing_discounts(CountsOfCounts(np.array(numbers[::2]), np.array(numbers[1::2]))).discounted
    assert {r: ours[r] for r in PROSODY_STARRED} == pytest.approx(PROSODY_STARRED, rel=1e-6)


# Single-word sentences: 6 words once, 2 words twice, 1 word three times.
KATZ = [*"abcdef", "g", "g", "h", "h", "i", "i", "i"]
KATZ_WORDS = [*"abcdefghi", "z"]


def test_katz_discounts_and_alpha():
    """Threshold k = 2.

    Bigrams: n_1 = 12 (<s> a, a </s>, ...), n_2 = 4, n_3 = 2; A = 3 * 2 / 12 = 1/2;
    d_1 = (2 * 4 / 12 - A) / (1 - A) = 1/3, d_2 = (3 * 2 / (2 * 4) - A) / (1 - A) = 1/2, d_3 = 1;
    freed: 12 * 2/3 * 1 + 4 * 1/2 * 2 = 12 = n_1.
    Unigrams: n_1 = 6, n_2 = 2, n_3 = 1, n_13 = 1 (</s>), of 26; the same d; freed 6, all for the unseen z.
    """
    p = train(KATZ, 2, "katz", vocabulary=KATZ_WORDS, katz_threshold=2)
    assert p("a") == pytest.approx(1 / 78)  # 1/3 of 1 of 26
    assert p("g") == pytest.approx(1 / 26)  # 1/2 of 2 of 26
    assert p("i") == pytest.approx(3 / 26)
    assert p("z") == pytest.approx(6 / 26)
    assert p("a", "<s>") == pytest.approx(1 / 39)  # 1/3 of 1 of 13
    assert p("g", "<s>") == pytest.approx(1 / 13)
    assert p("i", "<s>") == pytest.approx(3 / 13)
    # left after <s>: 6/13; for </s> and z, which have 13/26 + 6/26: alpha = (6/13) / (19/26) = 12/19
    assert p("</s>", "<s>") == pytest.approx(12 / 19 * 1 / 2)
    assert p("z", "<s>") == pytest.approx(12 / 19 * 3 / 13)
    # left after a: 2/3; for all but </s>: alpha = (2/3) / (1 - 1/2) = 4/3
    assert p("</s>", "a") == pytest.approx(1 / 3)
    assert p("z", "a") == pytest.approx(4 / 3 * 3 / 13)
    assert p("z", "i") == pytest.approx(0 + 1 / 4 / (1 / 2) * 3 / 13)  # all counts kept: 3 / (3 + 1), 1/4 is left


def test_katz_frees_what_the_singletons_are():
    """sum over r of n_r (1 - d_r) r = n_1."""
    for n in ({1: 12, 2: 4, 3: 2}, {1: 100, 2: 40, 3: 22, 4: 14, 5: 10, 6: 7, 9: 3}):
        k = 2 if 4 not in n else 5
        starred = ngram_discounts.katz(n, k)
        assert sum(n[r] * (r - starred[r]) for r in n) == n[1]
    assert ngram_discounts.katz({1: 12, 2: 4, 3: 2}, 2) == {1: pytest.approx(1 / 3), 2: pytest.approx(1), 3: 3}


@pytest.mark.parametrize("smoothing", ["katz", "absolute"])
def test_tenth_symbol_is_an_obelus(smoothing):
    """A 5-gram never seen is its 4-gram times the weight alpha of its history.

    5-grams: n_1 = 2, n_2 = 3, D = 2 / (2 + 6) = 1/4; 4-grams: n_1 = 3, n_2 = 4, D = 3 / 11.  (No class above 2, and more
    twos than ones: Katz has no estimate and discounts absolutely.)
    After "10th symbol is an": asterisk 2 of 2, (2 - 1/4) / 2 = 7/8; left 1/8.
    After "symbol is an": asterisk (2 - 3/11) / 3 = 19/33, obelus (1 - 3/11) / 3 = 8/33.
    alpha(10th symbol is an) = (1/8) / (1 - 19/33) = 33/112.
    """
    text = ["symbol is an obelus", "10th symbol is an asterisk", "10th symbol is an asterisk"]
    p = train(text, 5, smoothing)
    assert p("asterisk", "10th", "symbol", "is", "an") == pytest.approx(7 / 8)
    assert p("obelus", "symbol", "is", "an") == pytest.approx(8 / 33)
    assert p("obelus", "10th", "symbol", "is", "an") == pytest.approx(33 / 112 * 8 / 33)  # = 1/14


SAN_FRANCISCO = [*["san francisco"] * 4, "reading glasses", "my glasses", "new glasses"]


def test_kneser_ney_knows_that_francisco_follows_san_alone():
    """Jurafsky and Martin, section 3.6: "I can't see without my reading Francisco".

    Different words before: francisco 1, glasses 3, </s> 2, san, reading, my, new 1 each; 10 in all; D = 5 / (5 + 2) = 5/7;
    interpolated with 1/7 by 7 * (5/7) / 10 = 1/2: (1 - 5/7) / 10 + 1/14 = 1/10, (3 - 5/7) / 10 + 1/14 = 3/10.
    Bigrams: n_1 = 6, n_2 = 0, D = 1/2; after reading: glasses (1 - 1/2) / 1, left 1/2.
    """
    p = train(SAN_FRANCISCO, 2, "kneser-ney", interpolate=True)
    assert p("francisco") == pytest.approx(1 / 10)
    assert p("glasses") == pytest.approx(3 / 10)
    assert p("glasses", "reading") == pytest.approx(1 / 2 + 1 / 2 * 3 / 10)
    assert p("francisco", "reading") == pytest.approx(1 / 2 * 1 / 10)
    p = train(SAN_FRANCISCO, 2, "kneser-ney", interpolate=False)
    assert p("glasses", "reading") == pytest.approx(1 / 2)
    assert p("francisco", "reading") == pytest.approx(1 / 2 / (1 - 3 / 10) * 1 / 10)
    p = train(SAN_FRANCISCO, 2, "absolute", interpolate=True)  # which counts every francisco
    assert p("francisco") > p("glasses")


def test_witten_bell_by_hand():
    """a b, a b, a c: of 9 events 4 different, p(w) = (c + 4 / 4) / (9 + 4); after a 3, 2 different."""
    p = train(["a b", "a b", "a c"], 2, "witten-bell", interpolate=True)
    assert [p(w) for w in ("a", "b", "c", "</s>")] == pytest.approx([4 / 13, 3 / 13, 2 / 13, 4 / 13])
    assert p("b", "a") == pytest.approx((2 + 2 * 3 / 13) / 5)
    assert p("a", "a") == pytest.approx((0 + 2 * 4 / 13) / 5)
    p = train(["a b", "a b", "a c"], 2, "witten-bell", interpolate=False)
    assert [p(w) for w in ("a", "b", "c", "</s>")] == pytest.approx([4 / 13, 3 / 13, 2 / 13, 4 / 13])
    assert p("b", "a") == pytest.approx(2 / 5)
    assert p("a", "a") == pytest.approx(2 / 5 / (8 / 13) * 4 / 13)  # = 1/5


@pytest.mark.parametrize(("name", "order"), [("kneser_ney_3_sentences", 3), ("kneser_ney_160_sentences", 4)])
def test_modified_kneser_ney_is_lmplz(name, order):
    """n-grams, probabilities and back-off weights; lmplz calculates in 32 bits."""
    sentences = (GOLDEN / f"{name}.txt").read_text().splitlines()
    expected = read_arpa(GOLDEN / f"{name}.arpa")
    words = [ngram[0] for ngram in expected[1]]
    counts = count_ngrams(text_of_sentences(sentences), order, vocabulary=words)
    model = estimate_model(counts, EstimateOptions("modified-kneser-ney", interpolate=True)).model
    assert model.num_ngrams == tuple(len(level) for level in expected.values())
    for n, level in expected.items():
        for ngram, (log10_prob, log10_backoff) in level.items():
            entry = model.find([model.word_ids[word] for word in ngram])
            assert entry >= 0
            if ngram != ("<s>",):
                assert model.levels[n - 1].log_prob[entry] / math.log(10) == pytest.approx(log10_prob, abs=2e-6)
            if n < order:
                assert model.levels[n - 1].backoff[entry] / math.log(10) == pytest.approx(log10_backoff, abs=2e-6)


@pytest.mark.parametrize(("name", "order"), [("kneser_ney_3_sentences", 3), ("kneser_ney_160_sentences", 4)])
def test_naive_modified_kneser_ney_is_lmplz(name, order):
    sentences = [line.split() for line in (GOLDEN / f"{name}.txt").read_text().splitlines()]
    expected = read_arpa(GOLDEN / f"{name}.arpa")
    events = [ngram[0] for ngram in expected[1] if ngram != ("<s>",)]
    p = ngram_smoothing.modified_kneser_ney(sentences, events, order, interpolate=True)
    for level in expected.values():
        for ngram, (log10_prob, _) in level.items():
            if ngram != ("<s>",):
                assert math.log10(p(ngram[-1], ngram[:-1])) == pytest.approx(log10_prob, abs=2e-6)
