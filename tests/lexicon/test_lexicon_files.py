import pytest

from wfst_asr.errors import WfstAsrError
from wfst_asr.lexicon.files import read_lexicon, read_lexicon_file, read_silence_probs, write_lexicon
from wfst_asr.lexicon.lexicon import Lexicon, Pronunciation
from wfst_asr.lexicon.silence_probs import PronunciationSilence


def written(tmp_path, text, name="lexicon.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_plain_lexicon_keeps_the_order_of_its_file(tmp_path):
    lexicon = read_lexicon(written(tmp_path, "b B IY\r\na AH\na\tEY\n\n"))
    assert lexicon == Lexicon.from_pairs([("b", "B IY"), ("a", "AH"), ("a", "EY")])


@pytest.mark.parametrize("name", ["lexiconp.txt", "dictionary"])
def test_probabilities_are_found_by_name_or_by_content(tmp_path, name):
    lexicon = read_lexicon(written(tmp_path, "a 1.0 AH\na 0.25 EY\n", name))
    assert lexicon.entries == (Pronunciation("a", ("AH",), 1.0), Pronunciation("a", ("EY",), 0.25))


def test_the_form_can_be_chosen(tmp_path):
    path = written(tmp_path, "one 1 2\ntwo 1 3\n", "digits")
    assert read_lexicon(path, form="plain").entries[0].phones == ("1", "2")
    assert read_lexicon(path).entries[0] == Pronunciation("one", ("2",), 1.0)


def test_silence_probabilities_are_read(tmp_path):
    path = written(tmp_path, "a 1.0 0.5 1.25 0.75 AH\nb 0.5 0.25 1.5 0.5 B IY\n", "lexiconp_silprob.txt")
    found = read_lexicon_file(path)
    assert found.lexicon.entries[1] == Pronunciation("b", ("B", "IY"), 0.5)
    assert found.silence == (PronunciationSilence(0.5, 1.25, 0.75), PronunciationSilence(0.25, 1.5, 0.5))
    probs = read_silence_probs(
        written(tmp_path, "<s> 0.75\n</s>_s 2.5\n</s>_n 0.25\noverall 0.2\n", "silprob.txt"), found.silence
    )
    assert (probs.begin, probs.end_after_silence, probs.end_after_none, probs.overall) == (0.75, 2.5, 0.25, 0.2)
    with pytest.raises(WfstAsrError, match="has no line 'overall'"):
        read_silence_probs(written(tmp_path, "<s> 0.75\n</s>_s 2.5\n</s>_n 0.25\n", "silprob.txt"), found.silence)


@pytest.mark.parametrize("form", ["plain", "probabilities"])
def test_written_lexicon_reads_back(tmp_path, form):
    prob = 1.0 if form == "plain" else 0.1
    lexicon = Lexicon((Pronunciation("ä", ("AH", "N"), prob), Pronunciation("b", ("B",), 1.0)))
    write_lexicon(lexicon, tmp_path / "out", form=form)
    assert read_lexicon(tmp_path / "out", form=form) == lexicon


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("a AH\nb\n", "lexicon.txt", r"lexicon.txt:2: word 'b' has no phones"),
        (
            "a AH\nb B\na AH\n",
            "lexicon.txt",
            r"lexicon.txt:3: word 'a' has the pronunciation 'AH' twice, first at line 1",
        ),
        ("a 1.5 AH\n", "lexiconp.txt", r"lexiconp.txt:1: .*probability of 1.5; expected \(0, 1\]"),
        ("a 0 AH\n", "lexiconp.txt", r"lexiconp.txt:1: .*probability of 0.0"),
        ("a nan AH\n", "lexiconp.txt", r"lexiconp.txt:1: .*probability of nan"),
        ("a x AH\n", "lexiconp.txt", r"lexiconp.txt:1: 'x' is not a number"),
        ("a 1 1.0 1 1 AH\n", "lexiconp_silprob.txt", r"silprob.txt:1: probability of silence after a word is 1.0"),
        ("<eps> AH\n", "lexicon.txt", r"lexicon.txt:1: '<eps>' is reserved"),
        ("a AH #1\n", "lexicon.txt", r"lexicon.txt:1: '#1' is reserved"),
        ("\n", "lexicon.txt", r"lexicon.txt: has no entries"),
    ],
)
def test_bad_lines_are_told(tmp_path, text, name, message):
    with pytest.raises(WfstAsrError, match=message):
        read_lexicon(written(tmp_path, text, name))
