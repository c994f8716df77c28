"""Corpora as their homes pack them and as Kaldi data directories, made into train/ and test/; lexicons and models."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.features.mfcc import MfccOptions
from wfst_asr.io.data_dir import read_data_dir
from wfst_asr.lm.model_files import read_model
from wfst_asr.recipe.corpus_features import load_corpus
from wfst_asr.recipe.feature_stage import extract_features
from wfst_asr.recipe.given import Given
from wfst_asr.recipe.language import make_lang, make_language_model, read_pronunciations
from wfst_asr.recipe.prepare_an4 import prepare_an4
from wfst_asr.recipe.prepare_librispeech import prepare_librispeech
from wfst_asr.recipe.prepare_yesno import prepare_yesno
from wfst_asr.recipe.stages import Recipe


def sound(path: Path, *, rate: int = 16000, seconds: float = 0.3, kind: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = np.random.default_rng(len(path.name)).normal(size=int(rate * seconds)) * 0.1
    soundfile.write(path, wave, rate, subtype="PCM_16", format=kind)


def data_dir(folder: Path, utterances: dict[str, str], *, speaker: str = "s") -> None:
    for name in utterances:
        sound(folder / "flac" / f"{name}.flac")
    (folder / "wav.scp").write_text("".join(f"{name} flac/{name}.flac\n" for name in sorted(utterances)))
    (folder / "text").write_text("".join(f"{name} {utterances[name]}\n" for name in sorted(utterances)))
    (folder / "utt2spk").write_text("".join(f"{name} {speaker}\n" for name in sorted(utterances)))


def test_yesno_takes_words_from_names_and_splits_by_name(tmp_path: Path) -> None:
    for number in range(5):
        sound(tmp_path / "waves_yesno" / f"{'_'.join(f'{number:03b}')}.wav", rate=8000)
    (tmp_path / "waves_yesno" / "README").write_text("read me")
    figures = prepare_yesno(tmp_path, tmp_path.with_suffix(".out"), num_train=3)
    assert figures == {"train_utterances": 3, "train_speakers": 1, "test_utterances": 2, "test_speakers": 1}
    assert read_data_dir(tmp_path.with_suffix(".out") / "train").text == {
        "0_0_0": "NO NO NO",
        "0_0_1": "NO NO YES",
        "0_1_0": "NO YES NO",
    }
    assert list(read_data_dir(tmp_path.with_suffix(".out") / "test").utterances) == ["0_1_1", "1_0_0"]
    with pytest.raises(WfstAsrError, match="has 5 recordings; expected more than the 5 to train on"):
        prepare_yesno(tmp_path, tmp_path.with_suffix(".out"), num_train=5)
    (tmp_path / "empty").mkdir()
    with pytest.raises(WfstAsrError, match=r"has neither a wav.scp nor recordings named like 0_1"):
        prepare_yesno(tmp_path / "empty", tmp_path.with_suffix(".out"))
    with pytest.raises(WfstAsrError, match="no such folder; --corpus names the folder"):
        prepare_yesno(tmp_path / "no", tmp_path.with_suffix(".out"))


def test_yesno_reads_a_data_directory(tmp_path: Path) -> None:
    data_dir(tmp_path / "c", {"b": "YES", "a": "NO", "c": "NO NO"})
    prepare_yesno(tmp_path / "c", tmp_path.with_suffix(".out"), num_train=2)
    assert read_data_dir(tmp_path.with_suffix(".out") / "train").text == {"a": "NO", "b": "YES"}


def an4_as_packed(root: Path) -> None:
    etc = root / "an4" / "etc"
    etc.mkdir(parents=True)
    rows = {
        "train": [("an4_clstk/fash", "an251-fash-b", "<s> YES </s>")],
        "test": [("an4test_clstk/fcaw", "an406-fcaw-b", "RUBOUT G  M")],
    }
    for name, members in rows.items():
        (etc / f"an4_{name}.fileids").write_text("".join(f"{place}/{stem}\n" for place, stem, _ in members))
        lines = (f"{words} ({stem})\n" for _, stem, words in members)
        (etc / f"an4_{name}.transcription").write_text("".join(lines))
        for place, stem, _ in members:
            sound(root / "an4" / "wav" / place / f"{stem}.sph", kind="NIST")
    (etc / "an4.dic").write_text("G   JH IY\nM\tEH M\nRUBOUT  R AH B AW T\nYES   Y EH S\nYES(2)  Y AH S\n")


def test_an4_reads_what_cmu_packs(tmp_path: Path) -> None:
    an4_as_packed(tmp_path)
    prepare_an4(tmp_path, tmp_path.with_suffix(".out"))
    train, test = (read_data_dir(tmp_path.with_suffix(".out") / name) for name in ("train", "test"))
    assert train.text == {"fash-an251-fash-b": "YES"}
    assert test.text == {"fcaw-an406-fcaw-b": "RUBOUT G M"}
    assert train.utt2spk == {"fash-an251-fash-b": "fash"}
    assert len(train.read_audio("fash-an251-fash-b").samples) == 4800
    assert "YES Y AH S\n" in (tmp_path.with_suffix(".out") / "lexicon.txt").read_text()


def test_an4_tells_what_does_not_fit(tmp_path: Path) -> None:
    an4_as_packed(tmp_path)
    etc = tmp_path / "an4" / "etc"
    (etc / "an4_test.transcription").write_text("RUBOUT G M (an407-fcaw-b)\n")
    with pytest.raises(WfstAsrError, match=r"an4_test.transcription:1: .* expected 'WORDS \(an406-fcaw-b\)'"):
        prepare_an4(tmp_path, tmp_path.with_suffix(".out"))
    (etc / "an4_test.transcription").write_text("")
    with pytest.raises(WfstAsrError, match=r"has 0 transcripts, but an4_test.fileids has 1 files"):
        prepare_an4(tmp_path, tmp_path.with_suffix(".out"))
    (tmp_path / "an4" / "wav" / "an4_clstk" / "fash" / "an251-fash-b.sph").unlink()
    with pytest.raises(WfstAsrError, match=r"an251-fash-b.sph: no such file, and 0 others; fetch the corpus again"):
        prepare_an4(tmp_path, tmp_path.with_suffix(".out"))
    (etc / "an4.dic").unlink()
    with pytest.raises(WfstAsrError, match=r"has no an4.dic; name a file of pronunciations with --lexicon"):
        prepare_an4(tmp_path, tmp_path.with_suffix(".out"))


def test_librispeech_reads_what_openslr_packs(tmp_path: Path) -> None:
    root = tmp_path / "LibriSpeech"
    for name, reader in (("train-clean-5", "19"), ("dev-clean-2", "84")):
        chapter = root / name / reader / "7"
        sound(chapter / f"{reader}-7-0000.flac")
        (chapter / f"{reader}-7.trans.txt").write_text(f"{reader}-7-0000 SOME WORDS\n")
    (root / "SPEAKERS.TXT").write_text("; reader | sex\n19  | F | train | 5 | Name\n84 | M | dev | 5 | Name\n85 | M\n")
    prepare_librispeech(tmp_path, tmp_path.with_suffix(".out"))
    train = read_data_dir(tmp_path.with_suffix(".out") / "train")
    assert (train.text, train.utt2spk, train.spk2gender) == (
        {"19-7-0000": "SOME WORDS"},
        {"19-7-0000": "19"},
        {"19": "f"},
    )
    (root / "train-clean-5" / "19" / "7" / "19-7-0000.flac").unlink()
    with pytest.raises(WfstAsrError, match=r"19-7.trans.txt:1: utterance '19-7-0000' has no recording beside it"):
        prepare_librispeech(tmp_path, tmp_path.with_suffix(".out"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(WfstAsrError, match="has no folder train, train-clean-5"):
        prepare_librispeech(tmp_path / "empty", tmp_path.with_suffix(".out"))


def test_utterances_without_recording_or_transcript_are_left_out_and_told_once(tmp_path: Path) -> None:
    data_dir(tmp_path / "c" / "train", {"a": "ONE", "b": "TWO", "c": "THREE"})
    data_dir(tmp_path / "c" / "dev", {"d": "ONE"})
    (tmp_path / "c" / "train" / "flac" / "b.flac").unlink()
    (tmp_path / "c" / "train" / "text").write_text("a ONE\nb TWO\nx NOBODY\n")
    with pytest.warns(WfstAsrWarning, match=r"2 of 3 utterances were left out \(b, c\); the first problem: .*text"):
        prepare_librispeech(tmp_path / "c", tmp_path.with_suffix(".out"))
    assert read_data_dir(tmp_path.with_suffix(".out") / "train").text == {"a": "ONE"}
    (tmp_path / "c" / "dev" / "text").unlink()
    with (
        pytest.warns(WfstAsrWarning, match="2 of 3"),
        pytest.raises(WfstAsrError, match=r"dev/text: no such file; expected 'utterance-id WORDS'"),
    ):
        prepare_librispeech(tmp_path / "c", tmp_path.with_suffix(".out"))


def test_pronunciations_are_read_in_kaldi_and_in_sphinx_form(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("RED R EH D\nRED(2) R IY D\n")
    (tmp_path / "b").write_text("RED R EH D\nRED R IY D\n(RED) R EH D\n")
    first, second = (read_pronunciations(tmp_path / name, extra=[("<UNK>", "SIL"), ("RED", "R")]) for name in "ab")
    assert [(entry.word, *entry.phones) for entry in first.entries] == [
        ("RED", "R", "EH", "D"),
        ("RED", "R", "IY", "D"),
        ("<UNK>", "SIL"),
    ]
    assert "(RED)" in second.words
    with pytest.raises(WfstAsrError, match="no such file; expected a lexicon"):
        read_pronunciations(tmp_path / "c")


def test_a_model_of_the_transcripts_knows_the_words_of_the_lexicon(tmp_path: Path) -> None:
    data_dir(tmp_path / "data", {"a": "NO NO YES", "b": "NO"})
    entries = (("NO", "N"), ("YES", "Y"), ("MAYBE", "M"), ("<SIL>", "SIL"))
    figures = make_lang(tmp_path / "lang", entries=entries, oov="<SIL>")
    assert figures == {"words": 4, "pronunciations": 4, "phones": 4}
    assert (tmp_path / "lang" / "phones" / "silence.txt").read_text() == "SIL\n"
    for name in ("lm", "again"):
        (tmp_path / name).mkdir()
    make_language_model(tmp_path / "lm", data_dir=tmp_path / "data", lang_dir=tmp_path / "lang", order=1)
    model = read_model(tmp_path / "lm" / "lm.ngram")
    probabilities = {word: math.exp(model.log_prob(word, [])) for word in ("NO", "YES", "MAYBE", "</s>")}
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert probabilities["NO"] > probabilities["</s>"] > probabilities["YES"] > probabilities["MAYBE"] > 0
    figures = make_language_model(
        tmp_path / "again",
        data_dir=tmp_path / "data",
        lang_dir=tmp_path / "lang",
        lm=tmp_path / "lm" / "lm.ngram",
    )
    assert figures == {"order": 1, "ngrams": 5}
    assert (tmp_path / "again" / "lm.ngram").exists()


def test_stored_features_are_those_of_the_recordings_and_may_be_moved(tmp_path: Path) -> None:
    data_dir(tmp_path / "data" / "train", {"a": "NO", "b": "YES"})
    options = MfccOptions()
    figures = extract_features(tmp_path / "f", data_dir=tmp_path / "data", recordings=tmp_path / "data", mfcc=options)
    assert figures == {"train_frames": 56}
    (tmp_path / "f").rename(tmp_path / "g")
    stored, computed = load_corpus(tmp_path / "g" / "train", options), load_corpus(tmp_path / "data" / "train", options)
    np.testing.assert_array_equal(stored.features, computed.features)
    assert stored.words == (("NO",), ("YES",))


def test_what_is_not_given_is_looked_for_or_fetched(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("")
    recipe = Recipe("r", tmp_path / "work")
    given = Given(corpus=tmp_path)
    assert given.corpus_of(recipe, ()) == tmp_path
    assert not recipe.stages
    assert given.lexicon_among(tmp_path / "a", tmp_path / "b") == tmp_path / "b"
    with pytest.raises(WfstAsrError, match=r"a: no such file; name a language model \(ARPA\) with --lm"):
        given.lm_among(tmp_path / "a")
    assert Given(lm=tmp_path / "b").lm_among(tmp_path / "a") == tmp_path / "b"
    fetching = Given()
    assert fetching.corpus_of(recipe, ()) == tmp_path / "work" / "corpus"
    assert fetching.lexicon_among(tmp_path / "work" / "corpus" / "a") == tmp_path / "work" / "corpus" / "a"
    assert [stage.name for stage in recipe.stages] == ["fetch"]
