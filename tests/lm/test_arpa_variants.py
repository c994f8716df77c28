"""ARPA files as other tools and other hands write them, and what is refused."""

import gzip

import numpy as np
import pytest

from tests.lm.test_arpa import LN10, TRIGRAM, same_model, written
from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lm.arpa import read_arpa


def changed(*pairs):
    text = TRIGRAM
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(
    "text",
    [
        TRIGRAM[:-1],  # no line end after \end\
        TRIGRAM + "made on a Monday\n\\1-grams:\n\\foo\\\n",
        "# a comment\n\\1-grams:\nnot these\n" + TRIGRAM,
        "\ufeff" + TRIGRAM,
        TRIGRAM.replace("\n", "\n\n"),
        TRIGRAM.replace("\n", " \t\n"),
        changed(("ngram 1=4", "ngram  1 = 4"), ("ngram 2=3", "ngram 2= 3\ncomment")),
        changed(("ngram 3=1", "ngram 3=1\nngram 4=0"), ("\\end\\", "\\4-grams:\n\n\\end\\")),
        changed(("ngram 3=1", "ngram 3=1\nngram 4=0")),
        changed(("<s> a b\n", "<s> a b\t-0.7\n")),
        changed(("<s> a b\n", "<s> a b\t0\n")),
        changed(("\\2-grams:", "\\2-grams: ")),
        changed(
            ("-0.25", "-25e-2"), ("-0.125", "-.125"), ("-0.3\t", "-3E-01\t"), ("-0.1\n", "-0.10000000000000000000000\n")
        ),
        changed(("a b\n", "a b 0\n")),
        changed(("-1\t</s>", "-1.\t</s>\t-0")),
        changed(("-1\t</s>", "-0001.000\t</s>\t+0e5")),
    ],
)
def test_variants_of_the_format_read_alike(tmp_path, text):
    same_model(read_arpa(written(tmp_path, text)), read_arpa(written(tmp_path, TRIGRAM, "plain.arpa")))


@pytest.mark.parametrize("number", ["-inf", "-Inf", "-infinity", "-99", "-99.0", "-150.5"])
def test_impossible_words_have_a_low_or_no_probability(tmp_path, number):
    model = read_arpa(written(tmp_path, changed(("-0.75\tb", f"{number}\tb"))))
    assert model.levels[0].log_prob[3] == pytest.approx(float(number) * LN10)


def test_numbers_are_rounded_as_python_rounds_them(tmp_path):
    rng = np.random.default_rng(5)
    numbers = [
        f"-{mantissa}e{power}"
        for mantissa, power in zip(rng.integers(10**18, size=200), rng.integers(-40, -10, 200), strict=True)
    ]
    numbers += [f"-{rng.integers(10**9)}.{rng.integers(10**digits)}" for digits in range(1, 18) for _ in range(20)]
    numbers += [repr(-number) for number in rng.exponential(3, 300).tolist()] + [
        "-0.1e-5",
        "-1e22",
        "-1e23",
        "-9007199254740993",
    ]
    lines = "".join(f"{number}\tw{i}\t{number}\n" for i, number in enumerate(numbers))
    text = f"\\data\\\nngram 1={len(numbers)}\nngram 2=1\n\n\\1-grams:\n{lines}\n\\2-grams:\n-1 w0 w1\n\n\\end\\\n"
    model = read_arpa(written(tmp_path, text))
    expected = np.array([float(number) for number in numbers]) * LN10
    np.testing.assert_array_equal(model.levels[0].log_prob, expected)
    np.testing.assert_array_equal(model.levels[0].backoff, expected)


def test_more_numbers_of_many_digits_than_the_kernel_keeps_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("wfst_asr.lm.arpa_reader._ODD_FIELDS", 2)
    text = TRIGRAM.replace("-0.", "-0.300000000000000000000")
    model = read_arpa(written(tmp_path, text))
    assert model.levels[0].log_prob[2] == -0.3000000000000000000005 * LN10
    assert model.levels[0].backoff[3] == -0.300000000000000000000125 * LN10
    assert model.levels[2].log_prob[0] == -0.3000000000000000000002 * LN10


def test_a_backoff_column_at_the_highest_order_is_ignored_but_checked(tmp_path):
    text = changed(("<s> a b\n", "<s> a b\t-0.7\n"))
    assert read_arpa(written(tmp_path, text)).levels[2].backoff.tolist() == [0.0]
    with pytest.raises(WfstAsrError, match=r"lm.arpa:18: 'x' is not a number"):
        read_arpa(written(tmp_path, text.replace("b\t-0.7\n", "b\tx\n")))


def test_histories_without_end_are_added_at_every_order(tmp_path):
    text = "\\data\\\nngram 1=3\nngram 2=0\nngram 3=0\nngram 4=2\n\n\\1-grams:\n-1 a\n-1 b\n-1 c\n\n\\2-grams:\n\n\\3-grams:\n\n"
    text += "\\4-grams:\n-0.5 a b c a\n-0.25 a b c b\n\n\\end\\\n"
    with pytest.warns(WfstAsrWarning, match="2 histories of listed n-grams are not listed"):
        model = read_arpa(written(tmp_path, text), add_histories=True)
    assert model.num_ngrams == (3, 1, 1, 2)
    assert model.log_prob("b", ["a", "b", "c"]) == pytest.approx(-0.25 * LN10)
    assert model.log_prob("c", ["b", "a", "b"]) == pytest.approx(-1 * LN10)


def test_long_and_strange_words_are_words(tmp_path):
    names = [
        "x" * 5000,
        "\\end\\",
        "\\1-grams:",
        "-0.5",
        "ngram",
        "日本語",
        "a\u3000b",
        "na\u00efve",
        "\u00a0",
        "#",
        "1=1",
    ]
    lines = "".join(f"-1 {name} -0.5\n" for name in names)
    text = f"\\data\\\nngram 1={len(names)}\nngram 2=1\n\\1-grams:\n{lines}\\2-grams:\n-1 \\end\\ -0.5\n\\end\\\n"
    model = read_arpa(written(tmp_path, text))
    assert model.words == tuple(names)
    assert model.find([1, 3]) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", r"no line '\\data\\'"),
        (bytes(range(256)) * 9, r"no line '\\data\\'"),
        (changed(("-0.4\ta b", "-0.4_1\ta b")), r"lm.arpa:14: '-0.4_1' is not a number"),
        (changed(("-0.4\ta b", "inf\ta b")), r"lm.arpa:14: 'inf' is not a number"),
        (changed(("-0.4\ta b", "-\ta b")), r"lm.arpa:14: '-' is not a number"),
        (changed(("-0.4\ta b", "-1e\ta b")), r"lm.arpa:14: '-1e' is not a number"),
        (changed(("-0.4\ta b", "-NaN\ta b")), r"lm.arpa:14: '-NaN' is not a number"),
        (changed(("-0.4\ta b", "0.00000000000000000000001\ta b")), r"lm.arpa:14: log10 probability 1e-23 is above 0"),
        (changed(("-0.4\ta b", "1e-5\ta b")), r"lm.arpa:14: log10 probability 1e-05 is above 0"),
        (changed(("-0.4\ta b", "-0.4\ta")), r"lm.arpa:14: '-0.4 a' has 2 fields"),
        (changed(("\ta b\n", "\ta b x\n")), r"lm.arpa:14: 'x' is not a number"),
        (changed(("-0.5\ta\t-0.25\n", "")), r"lm.arpa:6: the header announces 4 1-grams, the file has 3"),
        (changed(("ngram 1=4", "ngram 1=999999999999999")), r"announces 999999999999999 1-grams, the file has 4"),
        (changed(("ngram 1=4", "ngram 1=99999999999999999999")), r"lm.arpa:2: .*expected a count"),
        (changed(("ngram 2=3", "ngram 1=3")), r"lm.arpa:3: 'ngram 1=3', but there is a count of 1-grams already"),
        (changed(("ngram 2=3\n", "")), r"lm.arpa:1: the header has no counts"),
        (changed(("\\2-grams:", "\\1-grams:")), r"lm.arpa:12: '\\1-grams:', expected '\\2-grams:'"),
        ("\\data\\\nngram 1=0\n\n\\1-grams:\n\n\\end\\\n", "has no n-grams"),
        ("\\data\\\nngram 1=0\nngram 2=1\n\n\\1-grams:\n\n\\2-grams:\n-1 a b\n\n\\end\\\n", "word 'a' .* has no unigram"),
        ("\\data\\\n\\end\\\n", "the header has no counts"),
        (TRIGRAM.encode().replace(b"\tb\t", b"\tb\xff\t").replace(b"a b", b"a b\xff"), r"lm.arpa:10: has words that are not UTF-8"),
    ],
)  # fmt: skip
def test_damaged_files_are_told(tmp_path, text, message):
    with pytest.raises(WfstAsrError, match=message):
        read_arpa(written(tmp_path, text))


@pytest.mark.parametrize("cut", range(0, len(TRIGRAM) - 6, 7))
def test_a_file_cut_anywhere_is_refused(tmp_path, cut):
    with pytest.raises(WfstAsrError, match=r"has no line '\\(data|end)\\'"):
        read_arpa(written(tmp_path, TRIGRAM[:cut]))


def test_a_gzipped_file_cut_anywhere_is_refused(tmp_path):
    data = gzip.compress(TRIGRAM.encode())
    for cut in range(2, len(data) - 1, 9):
        with pytest.raises(WfstAsrError, match="gzip data is truncated or damaged"):
            read_arpa(written(tmp_path, data[:cut], "lm.arpa.gz"))


def test_the_first_of_several_repeated_lines_is_told(tmp_path):
    text = changed(("ngram 2=3", "ngram 2=5"), ("-0.6\ta </s>\n", "-0.6\ta </s>\n-0.6\ta b\n\n-0.3\t<s> a\n"))
    with pytest.raises(WfstAsrError, match=r"lm.arpa:16: n-gram 'a b' comes twice, first at line 14"):
        read_arpa(written(tmp_path, text))
