import gzip

import numpy as np
import pytest

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lm.arpa import read_arpa, write_arpa
from wfst_asr.lm.suffix_links import suffix_links

LN10 = np.log(10)
TRIGRAM = """\\data\\
ngram 1=4
ngram 2=3
ngram 3=1

\\1-grams:
-99\t<s>\t-0.5
-1\t</s>
-0.5\ta\t-0.25
-0.75\tb\t-0.125

\\2-grams:
-0.3\t<s> a\t-0.1
-0.4\ta b
-0.6\ta </s>

\\3-grams:
-0.2\t<s> a b

\\end\\
"""


def written(tmp_path, text, name="lm.arpa"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_levels_hold_natural_logs(tmp_path):
    model = read_arpa(written(tmp_path, TRIGRAM))
    assert model.words == ("<s>", "</s>", "a", "b")
    assert model.num_ngrams == (4, 3, 1)
    assert model.levels[0].log_prob[2] == pytest.approx(-0.5 * LN10)
    assert model.levels[0].backoff.tolist() == pytest.approx([-0.5 * LN10, 0, -0.25 * LN10, -0.125 * LN10])
    s, end, a, b = range(4)
    assert model.find([s, a, b]) == 0
    assert model.find([a, a]) == -1
    assert model.levels[1].log_prob[model.find([a, end])] == pytest.approx(-0.6 * LN10)


def test_probabilities_back_off(tmp_path):
    model = read_arpa(written(tmp_path, TRIGRAM))
    assert model.log_prob("b", ["<s>", "a"]) == pytest.approx(-0.2 * LN10)
    assert model.log_prob("b", ["b", "a"]) == pytest.approx(-0.4 * LN10)
    assert model.log_prob("</s>", ["<s>", "a"]) == pytest.approx((-0.1 - 0.6) * LN10)
    assert model.log_prob("a", ["a", "b"]) == pytest.approx((-0.125 - 0.5) * LN10)
    assert model.score("a b") == pytest.approx((-0.3 - 0.2 - 0.125 - 1) * LN10)


def test_a_word_outside_the_vocabulary_is_impossible_without_unk_and_hides_the_words_before_it(tmp_path):
    model = read_arpa(written(tmp_path, TRIGRAM))
    assert model.log_prob("c", ["a"]) == -np.inf
    assert model.score(["c"]) == -np.inf
    assert model.log_prob("b", ["a", "c"]) == model.log_prob("b")


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", ["\t", "  "])
@pytest.mark.parametrize("junk", ["", "made by hand\n\n"])
def test_variants_of_the_format_read_alike(tmp_path, line_end, separator, junk):
    text = (junk + TRIGRAM).replace("\t", separator).replace("\n", line_end)
    same_model(read_arpa(written(tmp_path, text)), read_arpa(written(tmp_path, TRIGRAM, "plain.arpa")))


def test_gzipped_file_reads_alike(tmp_path):
    path = written(tmp_path, gzip.compress(TRIGRAM.encode()), "lm.arpa.gz")
    same_model(read_arpa(path), read_arpa(written(tmp_path, TRIGRAM)))


def same_model(one, other):
    assert one.words == other.words
    for a, b in zip(one.levels, other.levels, strict=True):
        for name in ("word", "log_prob", "backoff", "first_child"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("name", ["out.arpa", "out.arpa.gz"])
def test_written_model_reads_back_exactly(tmp_path, name):
    model = read_arpa(written(tmp_path, TRIGRAM))
    write_arpa(model, tmp_path / name)
    same_model(read_arpa(tmp_path / name), model)


def test_order_of_lines_does_not_matter(tmp_path):
    lines = TRIGRAM.split("\n")
    lines[12:15] = lines[14:11:-1]
    same_model(read_arpa(written(tmp_path, "\n".join(lines))), read_arpa(written(tmp_path, TRIGRAM, "sorted.arpa")))


def test_absent_history_is_refused_with_its_line(tmp_path):
    text = TRIGRAM.replace("ngram 3=1", "ngram 3=2").replace("<s> a b\n", "<s> a b\n-0.35\tb b a\n")
    with pytest.raises(WfstAsrError, match=r":19: the history 'b b' of the n-gram 'b b a' is not listed; .*--add-hist"):
        read_arpa(written(tmp_path, text))


def test_absent_history_is_added_on_request_without_changing_a_probability(tmp_path):
    text = TRIGRAM.replace("ngram 3=1", "ngram 3=2").replace("<s> a b\n", "<s> a b\n-0.35\tb b a\n")
    with pytest.warns(WfstAsrWarning, match="1 histories of listed n-grams are not listed"):
        model = read_arpa(written(tmp_path, text), add_histories=True)
    before = read_arpa(written(tmp_path, TRIGRAM, "before.arpa"))
    assert model.num_ngrams == (4, 4, 2)
    assert model.log_prob("a", ["b", "b"]) == pytest.approx(-0.35 * LN10)
    for history in (["b"], ["a", "b"], ["a"], []):
        for word in ("</s>", "a", "b"):
            assert model.log_prob(word, history) == pytest.approx(before.log_prob(word, history))


def test_suffix_links_name_the_longest_listed_suffix(tmp_path):
    model = read_arpa(written(tmp_path, TRIGRAM))
    links = suffix_links(model)
    number = {
        (0,): 1, (1,): 2, (2,): 3, (3,): 4,
        **{gram: 5 + model.find(gram) for gram in [(0, 2), (2, 3), (2, 1)]},
        (0, 2, 3): 8,
    }  # fmt: skip
    assert links.suffix[number[0, 2, 3]] == number[2, 3]
    assert links.suffix[number[0, 2]] == number[2,]
    assert links.suffix[number[2, 1]] == number[1,]
    assert links.parent[number[0, 2, 3]] == number[0, 2]
    assert links.suffix[number[2,]] == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ngram 2=3", "ngram 2=5", r"lm.arpa:12: the header announces 5 2-grams, the file has 3"),
        ("\\end\\\n", "", r"no line '\\end\\' at its end; the file is truncated"),
        ("-0.4\ta b", "x\ta b", r"lm.arpa:14: 'x' is not a number"),
        ("-0.1\n", "nan\n", r"lm.arpa:13: 'nan' is not a number"),
        ("-0.4\ta b", "0.4\ta b", r"lm.arpa:14: log10 probability 0.4 is above 0"),
        ("a b\n-0.6", "a c\n-0.6", r"lm.arpa:14: word 'c' of the 2-gram 'a c' has no unigram"),
        ("-0.6\ta </s>", "-0.6\ta b", r"lm.arpa:15: n-gram 'a b' comes twice, first at line 14"),
        ("-0.75\tb", "-0.75\ta", r"lm.arpa:10: n-gram 'a' comes twice"),
        ("-0.6\ta </s>", "-0.6\ta", r"lm.arpa:15: '-0.6 a' has 2 fields, expected 3 or 4"),
        ("-0.6\ta </s>", "-0.6\ta b c d e", r"lm.arpa:15: .* has 6 fields"),
        ("\\2-grams:", "\\4-grams:", r"lm.arpa:12: '\\4-grams:', expected '\\2-grams:'"),
        ("ngram 2=3", "ngram 2=x", r"lm.arpa:3: 'ngram 2=x', expected a count"),
        ("\\data\\", "data", r"no line '\\data\\'"),
        ("\\3-grams:\n-0.2\t<s> a b\n", "", r"announces 1 3-grams, the file has no section"),
    ],
)
def test_damaged_files_are_told_with_their_line(tmp_path, old, new, message):
    assert old in TRIGRAM
    with pytest.raises(WfstAsrError, match=message):
        read_arpa(written(tmp_path, TRIGRAM.replace(old, new, 1)))


def test_truncated_gzip_is_told(tmp_path):
    data = gzip.compress(TRIGRAM.encode())
    with pytest.raises(WfstAsrError, match="gzip data is truncated"):
        read_arpa(written(tmp_path, data[:-12], "lm.arpa.gz"))


def test_missing_file_is_told(tmp_path):
    with pytest.raises(WfstAsrError, match="cannot be read"):
        read_arpa(tmp_path / "none.arpa")


def test_every_history_of_the_an4_model_sums_to_one(corpora):
    model = read_arpa(corpora / "lm" / "an4.arpa.gz")
    start = model.word_ids["<s>"]
    spoken = [w for w in range(len(model.words)) if w != start]
    for history in ([], [5], [start], [start, 5], [7, 9]):
        total = np.exp(model.log_probs(np.array([[*history, w] for w in spoken]))).sum()
        assert total == pytest.approx(1.0, abs=1e-3)
