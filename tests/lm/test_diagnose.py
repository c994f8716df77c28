import json
import math
from collections import Counter

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from wfst_asr.cli.lm_diagnose import diagnose as diagnose_command
from wfst_asr.errors import WfstAsrError
from wfst_asr.lm.diagnose import Unseen, diagnose_text
from wfst_asr.lm.text import text_of_sentences

sentences = st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6), min_size=2, max_size=12)


def ngrams(lines: list[list[str]], n: int) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        words = ["<s>", *line, "</s>"]
        found.update(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    found.pop(("<s>",), None)
    return found


def unseen(asked: list[list[str]], known: list[list[str]], n: int) -> Unseen:
    there, other = ngrams(asked, n), ngrams(known, n)
    new = {gram: count for gram, count in there.items() if gram not in other}
    return Unseen(sum(there.values()), sum(new.values()), len(there), len(new))


@settings(max_examples=60, deadline=None)
@given(sentences, st.integers(1, 4))
def test_unseen_n_grams_are_those_of_a_naive_comparison(lines: list[list[str]], order: int) -> None:
    found = diagnose_text(text_of_sentences(lines), order=order)
    middle = (len(lines) + 1) // 2
    for one in found.orders:
        assert one.second_half == unseen(lines[middle:], lines[:middle], one.order)
        assert one.alternating == unseen(lines[1::2], lines[::2], one.order)


@settings(max_examples=60, deadline=None)
@given(sentences)
def test_counts_of_counts_and_coverage_are_those_of_a_naive_count(lines: list[list[str]]) -> None:
    found = diagnose_text(text_of_sentences(lines), order=3)
    for one in found.orders:
        expected = Counter(ngrams(lines, one.order).values())
        assert dict(zip(one.counts.r.tolist(), one.counts.n.tolist(), strict=True)) == expected
    words = Counter(word for line in lines for word in line)
    first = Counter(word for line in lines[: (len(lines) + 1) // 2] for word in line)
    second = [word for line in lines[(len(lines) + 1) // 2 :] for word in line]
    for c in found.coverage:
        assert c.covered == pytest.approx(sum(n for _, n in words.most_common(c.size)) / words.total())
        known = {word for word, _ in first.most_common(c.size)}
        assert c.oov_rate == pytest.approx(sum(word not in known for word in second) / len(second))
    assert [c.size for c in found.coverage] == [size for size in (1, 2) if size < len(words)] + [len(words)]
    assert (found.num_types, found.num_tokens, found.num_sentences) == (len(words), words.total(), len(lines))


def test_a_worked_example() -> None:
    # first half: a b c / a b; second half: a b d / c
    found = diagnose_text(text_of_sentences(["a b c", "a b", "a b d", "c"]), order=3)
    # <s> a b and nothing else of (<s> a b, a b d, b d </s>, <s> c </s>) is in the first half
    assert found.orders[2].second_half == Unseen(tokens=4, unseen_tokens=3, types=4, unseen_types=3)
    assert found.orders[2].second_half.token_share == 0.75
    # bigrams: <s> a 3, a b 3, c </s> 2, b c, b </s>, b d, d </s>, <s> c once: n_1 = 5, n_2 = 1, n_3 = 2
    bigrams = found.orders[1]
    assert [bigrams.counts.number(r) for r in (1, 2, 3)] == [5, 1, 2]
    assert bigrams.absolute == pytest.approx(5 / 7)
    assert bigrams.modified is None
    assert bigrams.notes["absolute"] is None
    assert "n_4 = 0" in (bigrams.notes["modified-kneser-ney"] or "")
    assert math.isnan(bigrams.good_turing[4])
    assert "--smoothing witten-bell" in found.advice


def test_a_single_sentence_has_no_halves() -> None:
    found = diagnose_text(text_of_sentences(["a"]), order=2)
    assert all(one.second_half is None and one.alternating is None for one in found.orders)
    assert [(c.size, c.covered, c.oov_rate) for c in found.coverage] == [(1, 1.0, None)]


def test_the_command_prints_one_json_object_or_tables(tmp_path) -> None:
    (tmp_path / "text").write_text("a b c\na b\na b d\nc\n")
    run = CliRunner().invoke(diagnose_command, [str(tmp_path / "text"), "--json"], catch_exceptions=False)
    told = json.loads(run.stdout)
    assert told["orders"][2]["second_half_unseen_in_first"]["token_share"] == 0.75
    assert told["orders"][1]["counts_of_counts"][:3] == [5, 1, 2]
    assert told["coverage"][-1] == {"size": 4, "covered": 1.0, "oov_rate": 0.25}
    shown = CliRunner().invoke(diagnose_command, [str(tmp_path / "text")], catch_exceptions=False).stdout
    assert "3-grams    75.0% of running ones (3/4)" in shown
    assert shown.splitlines()[-1] == told["advice"]
    (tmp_path / "one").write_text("a\n")
    shown = CliRunner().invoke(diagnose_command, [str(tmp_path / "one")], catch_exceptions=False).stdout
    assert "a single sentence has no halves" in shown


def test_an_empty_text_is_told(tmp_path) -> None:
    (tmp_path / "text").write_text("\n")
    with pytest.raises(WfstAsrError, match="has no words"):
        CliRunner().invoke(diagnose_command, [str(tmp_path / "text")], catch_exceptions=False)
