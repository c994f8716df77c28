from dataclasses import replace

import pynini
import pytest
from click.testing import CliRunner

from wfst_asr.cli.lang import lang as lang_command
from wfst_asr.cli.lm import lm as lm_command
from wfst_asr.errors import WfstAsrError
from wfst_asr.graph.lang_dir import make_lang_dir, read_lang_dir
from wfst_asr.graph.lang_validation import validate_lang_dir
from wfst_asr.lexicon.files import read_lexicon, read_lexicon_file, read_silence_probs
from wfst_asr.lexicon.lexicon import Lexicon
from wfst_asr.lexicon.phone_set import PhoneSet
from wfst_asr.lexicon.silence_probs import PronunciationSilence, SilenceProbs

LEXICON = Lexicon.from_pairs(
    [("<UNK>", "SPN"), ("red", "R EH D"), ("read", "R EH D"), ("read", "R IY D"), ("a", "AH"), ("an", "AH N")]
)
ARPA = """\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-99\t<s>\t-0.5
-1\t</s>
-0.5\tred\t-0.25
-0.75\ta\t-0.125
-2\tother

\\2-grams:
-0.3\t<s> a
-0.4\ta red

\\end\\
"""


def phone_set(position_dependent=True):
    return PhoneSet.of_lexicon(LEXICON, silence=("SIL", "SPN"), position_dependent=position_dependent)


@pytest.mark.parametrize("position_dependent", [False, True])
def test_a_made_directory_is_sound_and_reads_back(tmp_path, position_dependent):
    made = make_lang_dir(LEXICON, tmp_path / "lang", phone_set(position_dependent))
    assert validate_lang_dir(tmp_path / "lang") == []
    assert made.oov == "<UNK>"
    assert made.position_dependent == position_dependent
    assert made.optional_silence == "SIL"
    assert made.disambiguation_phones == ("#0", "#1", "#2", "#3")
    assert list(made.words) == ["<eps>", "<UNK>", "a", "an", "read", "red", "#0", "<s>", "</s>"]
    assert made.topology().num_pdf_classes(made.phones["SIL"]) == 5
    assert made.topology().num_pdf_classes(made.phones["D_E" if position_dependent else "D"]) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["lang"]


def test_the_lexicon_is_kept_with_its_probabilities(tmp_path):
    lexicon = Lexicon(tuple(replace(entry, prob=1 / (3 + i)) for i, entry in enumerate(LEXICON.entries)))
    make_lang_dir(lexicon, tmp_path / "lang", phone_set())
    assert read_lexicon(tmp_path / "lang" / "lexiconp.txt") == lexicon
    around = tuple(PronunciationSilence(0.2, 1.5, 0.5 + 0.1 * i) for i in range(len(lexicon.entries)))
    silence = SilenceProbs(0.25, 0.75, 1.25, 0.5, around)
    make_lang_dir(lexicon, tmp_path / "silences", phone_set(), silence=silence)
    found = read_lexicon_file(tmp_path / "silences" / "lexiconp_silprob.txt")
    assert found.lexicon == lexicon
    assert read_silence_probs(tmp_path / "silences" / "silprob.txt", found.silence) == silence
    assert not (tmp_path / "silences" / "lexiconp.txt").exists()


def test_making_again_keeps_other_files(tmp_path):
    make_lang_dir(LEXICON, tmp_path / "lang", phone_set())
    (tmp_path / "lang" / "note").write_text("mine")
    make_lang_dir(LEXICON, tmp_path / "lang", phone_set(), silence_prob=0.1)
    assert (tmp_path / "lang" / "note").read_text() == "mine"
    assert validate_lang_dir(tmp_path / "lang") == []


def test_an4_directory_is_kaldis_own(corpora, tmp_path):
    result = CliRunner().invoke(
        lang_command,
        ["make", str(corpora / "lm" / "an4_lexicon.txt"), str(tmp_path / "lang"), "--silence-phones", "SIL"],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    folder = corpora / "kaldi_an4"
    compared = 0
    for path in (tmp_path / "lang").rglob("*"):
        if path.suffix in (".txt", ".int", ".csl", "") and path.is_file() and path.name != "lexiconp.txt":
            kaldi = folder / "lang" / path.relative_to(tmp_path / "lang")
            kaldi = kaldi if kaldi.exists() else folder / "graph" / path.name
            assert rows(path) == rows(kaldi), path.name
            compared += 1
    assert compared >= 25
    assert len(rows(folder / "lang" / "topo")) > 10


def rows(path):
    return [line.split() for line in path.read_text().splitlines()]


def test_every_problem_is_listed(tmp_path):
    folder = tmp_path / "lang"
    made = make_lang_dir(LEXICON, folder, phone_set())
    (folder / "phones" / "silence.txt").write_text("SIL\n")
    (folder / "phones" / "word_boundary.txt").write_text("SIL nonword\n")
    (folder / "oov.txt").write_text("nothing\n")
    (folder / "topo").write_text("<Topology>\n")
    (folder / "L.fst").write_bytes((folder / "L_disambig.fst").read_bytes())
    g = pynini.accep("a")
    g.write(str(folder / "G.fst"))
    problems = "\n".join(validate_lang_dir(folder))
    for expected in (
        "in none of the phone lists",
        "word_boundary.txt: 'AH_B'",
        "silence.int: does not hold the ids of silence.txt",
        "'nothing' is not in words.txt",
        "topo",
        "L.fst: has disambiguation symbols",
        "G.fst: ilabels [97] have no name",
    ):
        assert expected in problems
    assert made.words["#0"] == 6


def test_missing_files_are_listed_together(tmp_path):
    folder = tmp_path / "lang"
    make_lang_dir(LEXICON, folder, phone_set())
    (folder / "L.fst").unlink()
    (folder / "topo").unlink()
    assert len(validate_lang_dir(folder)) == 2


def test_damaged_machine_is_told(tmp_path):
    folder = tmp_path / "lang"
    make_lang_dir(LEXICON, folder, phone_set())
    (folder / "L.fst").write_bytes(b"not an FST")
    (problem,) = validate_lang_dir(folder)
    assert "L.fst: cannot be read as an FST" in problem


def test_bad_requests_are_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(WfstAsrError, match="the word '<NO>' for words outside the vocabulary is not in the lexicon"):
        make_lang_dir(LEXICON, tmp_path / "lang", phone_set(), oov="<NO>")
    with pytest.raises(WfstAsrError, match="word 'red' has the phone 'R', which is in no phone set"):
        make_lang_dir(LEXICON, tmp_path / "lang", PhoneSet(("SIL", "SPN"), ("EH",)))
    with pytest.raises(WfstAsrError, match="silence_prob is 2"):
        make_lang_dir(LEXICON, tmp_path / "lang", phone_set(), silence_prob=2.0)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(WfstAsrError, match=r"cannot be written|writing failed"):
        make_lang_dir(LEXICON, tmp_path / "file" / "lang", phone_set())
    with pytest.raises(WfstAsrError, match="no such directory; make it with: wfst-asr lang make"):
        read_lang_dir(tmp_path / "none")


def test_commands_make_compile_and_check(tmp_path):
    (tmp_path / "lexicon.txt").write_text("".join(f"{e.word} {' '.join(e.phones)}\n" for e in LEXICON.entries))
    (tmp_path / "lm.arpa").write_text(ARPA)
    folder = str(tmp_path / "lang")
    run = CliRunner().invoke
    made = run(lang_command, ["make", str(tmp_path / "lexicon.txt"), folder, "--no-position-dependent"])
    assert made.exit_code == 0, made.output
    assert "5 words, 6 pronunciations" in made.output
    with pytest.warns(UserWarning, match=r"1 of 7 n-grams were dropped: .* 1 are outside .*\('other'\)"):
        compiled = run(lm_command, ["compile", str(tmp_path / "lm.arpa"), folder])
    assert compiled.exit_code == 0, compiled.output
    assert (tmp_path / "lang" / "G.fst").exists()
    assert "sound" in run(lang_command, ["validate", folder]).output
    assert '"ngrams": [5, 2]' in run(lm_command, ["info", str(tmp_path / "lm.arpa"), "--json"]).output


def test_silence_probabilities_reach_the_machines(tmp_path):
    (tmp_path / "lexiconp_silprob.txt").write_text("a 1.0 0.5 1.25 0.75 AH\nred 0.5 0.25 1.5 0.5 R EH D\n")
    (tmp_path / "silprob.txt").write_text("<s> 0.75\n</s>_s 2.5\n</s>_n 0.25\noverall 0.2\n")
    args = ["make", str(tmp_path / "lexiconp_silprob.txt"), str(tmp_path / "lang"), "--silence-phones", "SIL"]
    result = CliRunner().invoke(lang_command, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert validate_lang_dir(tmp_path / "lang") == []
    assert pynini.Fst.read(str(tmp_path / "lang" / "L.fst")).num_states() == 3 + 1 + 3
