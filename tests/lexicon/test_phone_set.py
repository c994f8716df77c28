import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lexicon.phone_set import PhoneSet


def test_phones_of_a_lexicon_are_split_into_silence_and_speech():
    lexicon = Lexicon.from_pairs([("b", "B IY"), ("<unk>", "SPN")])
    phones = PhoneSet.of_lexicon(lexicon, silence=("SIL", "SPN"))
    assert phones.silence_phones == ("SIL", "SPN")
    assert phones.nonsilence_phones == ("B", "IY")
    assert phones.word_boundary("SIL") == "nonword"


def test_positions_are_marked():
    phones = PhoneSet(("SIL",), ("A", "B"), position_dependent=True)
    assert phones.in_word(("A",)) == ("A_S",)
    assert phones.in_word(("A", "B")) == ("A_B", "B_E")
    assert phones.variants("SIL") == ("SIL", "SIL_B", "SIL_E", "SIL_I", "SIL_S")
    assert phones.variants("A") == ("A_B", "A_E", "A_I", "A_S")
    assert [phones.word_boundary(p) for p in phones.variants("SIL")] == [
        "nonword",
        "begin",
        "end",
        "internal",
        "singleton",
    ]


def test_bad_sets_are_refused():
    with pytest.raises(WfstAsrError, match="phone 'A' is listed twice"):
        PhoneSet(("SIL", "A"), ("A",))
    with pytest.raises(WfstAsrError, match="optional silence 'SIL' is not a silence phone"):
        PhoneSet(("SPN",), ("A",))
    with pytest.raises(WfstAsrError, match="phone 'A_B' ends in '_B' already"):
        PhoneSet(("SIL",), ("A_B",), position_dependent=True)
