import warnings

import pytest

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.lm.classes import is_class_token, read_class


def test_a_list_of_entries_is_uniform(tmp_path):
    (tmp_path / "city").write_text("london\nnew york\n\n  york \n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        city = read_class(tmp_path / "city", "$CITY")
    assert city.entries == (("london",), ("new", "york"), ("york",))
    assert city.probs == pytest.approx([1 / 3] * 3)


def test_probabilities_come_before_the_words_and_repeated_entries_add_up(tmp_path):
    (tmp_path / "city").write_text("\ufeff0.5 london\n.25 new york\n0.125 london\n1.25e-1 york\n0 paris\n", "utf-8")
    city = read_class(tmp_path / "city", "$CITY")
    assert dict(zip(city.entries, city.probs, strict=True)) == {
        ("london",): 0.625,
        ("new", "york"): 0.25,
        ("york",): 0.125,
    }


def test_probabilities_that_do_not_sum_to_one_are_divided_with_a_note(tmp_path):
    (tmp_path / "city").write_text("3 london\n1 york\n")
    with pytest.warns(WfstAsrWarning, match="probabilities of the class '\\$CITY' sum to 4; they were divided"):
        assert read_class(tmp_path / "city", "$CITY").probs == (0.75, 0.25)
    (tmp_path / "city").write_text("3 london\nyork\n")
    with pytest.warns(WfstAsrWarning, match=r"sum to 4 \(1 entries without one count 1\)"):
        assert read_class(tmp_path / "city", "$CITY").probs == (0.75, 0.25)


@pytest.mark.parametrize("name", ["CITY", "$CITY"])
def test_a_file_of_several_classes_gives_the_one_asked_for(tmp_path, name):
    (tmp_path / "all").write_text("$DAY monday\n$CITY 0.75 london\n$CITY 0.25 new york\n$DAY friday\n")
    city = read_class(tmp_path / "all", name)
    assert (city.entries, city.probs) == ((("london",), ("new", "york")), (0.75, 0.25))
    assert read_class(tmp_path / "all", "DAY").entries == (("monday",), ("friday",))


def test_a_number_alone_is_a_word(tmp_path):
    (tmp_path / "digits").write_text("1\n2\n")
    assert read_class(tmp_path / "digits", "$DIGIT").entries == (("1",), ("2",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "nothing to put in the place of the class '\\$X': it has no entries"),
        (b"\n \n", "it has no entries"),
        (b"0 a\n0 b\n", "all its entries have probability 0"),
        (b"a\n-0.5 b\n", "x:2: probability '-0.5' of 'b', expected 0 to 1"),
        (b"nan b\n", "x:1: probability 'nan' of 'b'"),
        (b"$X a\n$X\n", "x:2: an entry of the class '\\$X' has no words"),
        (b"caf\xe9\n", "x: not UTF-8 text"),
    ],
)
def test_bad_class_files_are_told(tmp_path, text, message):
    (tmp_path / "x").write_bytes(text)
    with pytest.raises(WfstAsrError, match=message):
        read_class(tmp_path / "x", "$X")


def test_a_missing_class_file_is_told(tmp_path):
    with pytest.raises(WfstAsrError, match="none: cannot be read"):
        read_class(tmp_path / "none", "$X")


def test_class_tokens_have_a_dollar_and_a_name():
    assert is_class_token("$NAME")
    assert not is_class_token("$")
    assert not is_class_token("<unk>")
