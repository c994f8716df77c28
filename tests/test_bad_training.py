"""Bad input of `wfst-asr train`: named with a reason and counted, training goes on where it can, never a traceback."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.synthetic_speech import DIALS, LANG_OPTIONS, LEXICON, RATE, sound_of, write_tables
from tests.toy_world import status_of
from wfst_asr.io.archives import matrix_writer, read_integer_vectors, read_matrices, vector_writer
from wfst_asr.recipe.model_dir import read_trained_model

Fails = Callable[..., None]
Rows = dict[str, tuple[str, str]]

pytestmark = pytest.mark.filterwarnings("default::wfst_asr.errors.WfstAsrWarning")


def rows_of(folder: Path) -> Rows:
    lines = (line.partition(" ") for line in (folder / "text").read_text().splitlines())
    return {key: (key.split("-")[0], words) for key, _, words in lines}


def reasons_of(folder: str) -> dict[str, str]:
    return dict(line.split("\t") for line in (Path(folder) / "failures.tsv").read_text().splitlines())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def add_bad_utterances() -> None:
    rng = np.random.default_rng(5)
    rows = rows_of(Path("data"))
    sounds = {
        "carl-zeros": (np.zeros(RATE), "saw moss"),
        "carl-constant": (np.full(RATE, 0.1), "saw moss"),
        "carl-noise": (0.002 * rng.normal(size=2 * RATE), "saw moss same"),
        "carl-short": (0.1 * rng.normal(size=800), "saw moss same saw moss"),
        "carl-tiny": (0.1 * rng.normal(size=20), "saw"),
        "carl-empty": (sound_of(["saw"], rng), ""),
        "carl-oov": (sound_of(["saw"], rng), "hello saw"),
    }
    for name, (wave, words) in sounds.items():
        soundfile.write(f"data/wav/{name}.wav", wave, RATE)
        rows[name] = ("carl", words)
    rows["carl-gone"] = rows["carl-junk"] = ("carl", "saw")
    Path("data/wav/carl-junk.wav").write_bytes(b"junk")
    write_tables(Path("data"), rows)


BAD = {
    "carl-constant": "no sound: every sample is 327",
    "carl-empty": "the transcript is empty",
    "carl-gone": "no such file",
    "carl-junk": "carl-junk.wav: ",
    "carl-noise": "no path within beam 40",
    "carl-short": "the audio is too short for its words: 8 frames",
    "carl-tiny": "shorter than a frame",
    "carl-zeros": "no sound: every sample is 0",
}


def test_utterances_that_fail_are_named_and_training_goes_on_to_the_end(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_bad_utterances()
    stages: list[list[object]] = [["mono"], ["deltas", "mono"], ["lda-mllt", "deltas"], ["sat", "lda-mllt"]]
    for name, *earlier in stages:
        capsys.readouterr()
        assert status_of("train", name, "data", "lang", *earlier, name, *DIALS, "--json") == 0
        told = capsys.readouterr()
        assert f"utterances were left out; the reasons are in {name}/failures.tsv" in told.err
        assert name != "mono" or "data: 5 utterances were left out: " in told.err
        summary = json.loads(told.out)
        reasons = reasons_of(str(name))
        assert BAD.keys() - reasons.keys() <= {"carl-noise"}  # some features fit noise as well as anything
        for utterance, reason in reasons.items():
            assert BAD[utterance] in reason
        assert (summary["utterances"], summary["failures"]) == (25 - len(reasons), len(reasons))
        aligned = {key for key, _ in read_integer_vectors(f"{name}/ali.ark")}
        assert aligned == rows_of(Path("data")).keys() - reasons.keys()


def test_a_transcript_of_another_recording_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(Path("data"))
    rows["anna-04"] = ("anna", "ease " * 6)
    write_tables(Path("data"), rows)
    capsys.readouterr()
    assert status_of("train", "mono", "data", "lang", "out", *DIALS, "--json") == 0
    told = capsys.readouterr()
    doubtful = dict(line.split("\t") for line in Path("out/doubtful.tsv").read_text().splitlines())
    assert list(doubtful) == ["anna-04"]
    assert "its words fit the recording badly: other sounds fit better by" in doubtful["anna-04"]
    assert "1 transcripts may not belong to their recordings, the first of 'anna-04'" in told.err
    assert (json.loads(told.out)["doubtful"], reasons_of("out")) == (1, {})
    write_tables(Path("data"), {name: row for name, row in rows.items() if name != "anna-04"})
    assert status_of("train", "mono", "data", "lang", "out", *DIALS) == 0
    assert not Path("out/doubtful.tsv").exists()


def test_words_outside_the_lexicon_without_oov_are_named(here: Path) -> None:
    Path("short.txt").write_text("".join(LEXICON.splitlines(keepends=True)[1:]))
    options = ["--silence-phones", "SIL", "--no-position-dependent"]
    assert status_of("lang", "make", "short.txt", "small", *options) == 0
    rows = rows_of(Path("data"))
    rows["anna-00"] = ("anna", "saw hello moss")
    write_tables(Path("data"), rows)
    assert status_of("train", "mono", "data", "small", "out", *DIALS) == 0
    assert reasons_of("out") == {"anna-00": "word 'hello' has no pronunciation in the lexicon"}


@pytest.mark.parametrize("words", ["hello", ""])
def test_a_corpus_that_nothing_can_be_learned_from_is_refused(here: Path, fails: Fails, words: str) -> None:
    Path("short.txt").write_text("saw S O\n")
    assert status_of("lang", "make", "short.txt", "small", "--silence-phones", "SIL", "--no-position-dependent") == 0
    write_tables(Path("data"), {name: (row[0], words) for name, row in rows_of(Path("data")).items()})
    reason = "word 'hello' has no pronunciation in the lexicon" if words else "the transcript is empty"
    fails(f"not one of 16 utterances can be trained on; 'anna-00': {reason}", "train", "mono", "data", "small", "out")
    assert not Path("out").exists()


def test_a_corpus_too_short_for_its_words_is_refused(here: Path, fails: Fails) -> None:
    rows = {name: (row[0], " ".join(["mass"] * 500)) for name, row in rows_of(Path("data")).items()}
    write_tables(Path("data"), rows)
    fails("'anna-00': the audio is too short for its words", "train", "mono", "data", "lang", "out")
    assert not Path("out").exists()


def test_a_corpus_of_silence_is_refused(here: Path, fails: Fails) -> None:
    for wave in Path("data/wav").iterdir():
        soundfile.write(wave, np.zeros(RATE), RATE)
    fails("data: not one of 16 utterances can be used; 'anna-00': no sound", "train", "mono", "data", "lang", "out")
    assert not Path("out").exists()


def test_one_utterance_is_enough_for_every_stage(here: Path) -> None:
    name, row = next(iter(rows_of(Path("data")).items()))
    write_tables(Path("data"), {name: row})
    stages: list[list[object]] = [["mono"], ["deltas", "mono"], ["lda-mllt", "mono"], ["sat", "deltas"]]
    for stage, *earlier in stages:
        assert status_of("train", stage, "data", "lang", *earlier, stage, *DIALS, "--num-jobs", 3) == 0
        assert [key for key, _ in read_integer_vectors(f"{stage}/ali.ark")] == [name]
        assert read_trained_model(str(stage)).gmm.num_gaussians > 0


def test_a_long_utterance_is_trained_on(here: Path) -> None:
    rng = np.random.default_rng(1)
    words = rng.choice(["saw", "moss", "mass", "ease", "same"], 150).tolist()
    soundfile.write("data/wav/anna-long.wav", sound_of(words, rng), RATE)
    write_tables(Path("data"), {**rows_of(Path("data")), "anna-long": ("anna", " ".join(words))})
    assert status_of("train", "mono", "data", "lang", "out", *DIALS) == 0
    assert reasons_of("out") == {}
    assert len(dict(read_integer_vectors("out/ali.ark"))["anna-long"]) > 4500


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("spk2utt", "anna anna-00\nanna anna-02\n", "the id 'anna' is in line 1 already; keep one"),
        ("spk2utt", None, "is of speaker 'anna', but utt2spk says 'bert'; make them agree"),
        ("utt2spk", "anna-00 anna\nanna-00 bert\n", "the id 'anna-00' is in line 1 already; keep one"),
        ("utt2spk", "anna-00 anna\n", "utterance 'anna-02' of wav.scp has no line; add it"),
        ("text", "anna-00 saw\n", "utterance 'anna-02' of wav.scp has no line; add it"),
        ("text", "other saw\n", "utterance 'other' is not in wav.scp; remove the line"),
        ("wav.scp", "", "there are no utterances"),
    ],
)
def test_tables_that_disagree_are_refused(here: Path, fails: Fails, name: str, text: str | None, message: str) -> None:
    all_of_anna = "anna " + " ".join(rows_of(Path("data"))) + "\n"
    Path("data", name).write_text(all_of_anna if text is None else text)
    if name == "wav.scp":
        for other in ("text", "utt2spk"):
            Path("data", other).write_text("")
        message = "there are no recordings"
    fails(message, "train", "mono", "data", "lang", "out")
    assert not Path("out").exists()


def test_missing_parts_are_told(here: Path, trained_on_spoken: Path, fails: Fails) -> None:
    fails("nowhere: no such folder; expected a data directory", "train", "mono", "nowhere", "lang", "out")
    fails("nowhere", "train", "mono", "data", "nowhere", "out")
    fails("nowhere: no such folder; give the folder of a model", "train", "sat", "data", "lang", "nowhere", "out")
    fails("lang: has no final.mdl", "train", "deltas", "data", "lang", "lang", "out")
    Path("data/text").unlink()
    fails("data/text: no such file; training needs the transcripts", "train", "mono", "data", "lang", "out")
    assert not Path("out").exists()


def test_phones_never_seen_are_told(here: Path, trained_on_spoken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("more.txt").write_text(LEXICON + "zoo ZZ O\nvoice V IY S\n")
    assert status_of("lang", "make", "more.txt", "more", *LANG_OPTIONS) == 0
    for stage, *earlier in (["mono"], ["deltas", "mono"]):
        capsys.readouterr()
        assert status_of("train", stage, "data", "more", *earlier, stage, *DIALS) == 0
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert f"note: {stage}: 2 phones were never seen in training" in told
        assert "'V', 'ZZ'" in told
    first = json.loads(Path("deltas/tree.jsonl").read_text().splitlines()[0])
    assert first["unseen_phones"] == ["SPN", "V", "ZZ"]


def test_a_lang_directory_of_other_phones_or_states_is_refused(
    here: Path, trained_on_spoken: Path, fails: Fails
) -> None:
    Path("more.txt").write_text(LEXICON + "aha AA\n")
    assert status_of("lang", "make", "more.txt", "more", *LANG_OPTIONS) == 0
    command = ["train", "deltas", "data", "more", trained_on_spoken / "mono", "out"]
    fails("more: its phone 'AA' has the number 4, but none in", *command)
    assert status_of("lang", "make", here / "more.txt", "more", *LANG_OPTIONS, "--num-states", 2) == 0
    shutil.copy("lang/phones.txt", "more/phones.txt")
    Path("short.txt").write_text(LEXICON)
    assert status_of("lang", "make", "short.txt", "fewer", *LANG_OPTIONS, "--num-states", 2) == 0
    fails("fewer/topo: the HMM of phone 'A' has other states than in", *command[:3], "fewer", *command[4:])
    assert not Path("out").exists()


def test_wrong_alignments_are_told(here: Path, trained_on_spoken: Path, fails: Fails) -> None:
    ali = here / "ali"
    shutil.copytree(trained_on_spoken / "mono", ali)
    command = ["train", "deltas", "data", "lang", ali, "out", *DIALS]
    found = dict(read_integer_vectors(ali / "ali.ark"))

    def write(ids: dict[str, np.ndarray]) -> None:
        with vector_writer(ali / "ali.ark") as write_one:
            for name in sorted(ids):
                write_one(name, ids[name])

    content = (ali / "ali.ark").read_bytes()
    (ali / "ali.ark").write_bytes(content[: len(content) // 3])
    fails("the archive ends in the middle of", *command)
    (ali / "ali.ark").unlink()
    fails("ali.ark: no such file; align the data with: wfst-asr align", *command)
    write({name: ids + 1000 for name, ids in found.items()})
    fails("the alignment of 'anna-00' is not of", *command)
    write({f"other-{name}": ids for name, ids in found.items()})
    fails("not one of 16 utterances has an alignment that fits; give the folder", *command)
    write({name: ids[:-4] for name, ids in found.items()})
    fails("has an alignment that fits ('anna-00': its alignment has", *command)
    rng = np.random.default_rng(0)
    write({name: rng.permutation(ids) for name, ids in found.items()})
    fails("has an alignment that fits ('anna-00': its alignment is not of the model", *command)
    saw = {name: (row[0], "saw") for name, row in rows_of(here / "data").items()}
    write(found)
    write_tables(here / "data", saw)
    fails("not one alignment is of the words of its utterance", *command)
    assert not Path("out").exists()


def test_features_that_are_no_numbers_are_left_out(here: Path) -> None:
    assert status_of("features", "extract", "data", "data", "--sample-rate", RATE) == 0
    features = {name: matrix.copy() for name, matrix in read_matrices("data/feats.scp")}
    first, second, third, fourth = sorted(features)[:4]
    features[first][5, 3] = np.nan
    features[second][:] = 3.0
    features[third][7, 2] = np.inf
    del features[fourth]
    with matrix_writer("data/feats.ark", scp="data/feats.scp") as write:
        for name in sorted(features):
            write(name, features[name])
    assert status_of("train", "mono", "data", "lang", "out", *DIALS) == 0
    found = reasons_of("out")
    assert found[first] == "its features hold a value that is no finite number, first in frame 5"
    assert found[second].startswith("no sound: all ")
    assert found[third] == "its features hold a value that is no finite number, first in frame 7"
    assert found[fourth] == "feats.scp has no features of it"
    assert len(found) == 4


def test_damaged_features_are_told(here: Path, fails: Fails) -> None:
    assert status_of("features", "extract", "data", "data", "--sample-rate", RATE) == 0
    content = Path("data/feats.ark").read_bytes()
    Path("data/feats.ark").write_bytes(content[:20000])
    fails("feats.ark: the archive ends in the middle of", "train", "mono", "data", "lang", "out")
    with matrix_writer("data/feats.ark", scp="data/feats.scp") as write:
        for name in rows_of(Path("data")):
            write(name, np.ones((100, 40), np.float32))
    fails("have 40 dimensions, expected 13 cepstra", "train", "mono", "data", "lang", "out")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "mono", "data", "lang"],
        ["train", "mono", "data", "lang", "out", "--num-iterations", "0"],
        ["train", "mono", "data", "lang", "out", "--num-jobs", "0"],
        ["train", "mono", "data", "lang", "out", "--beam", "0"],
        ["train", "mono", "data", "lang", "out", "--beam", "nan"],
        ["train", "mono", "data", "lang", "out", "--num-gaussians", "5", "--frames-per-gaussian", "5"],
        ["train", "deltas", "data", "lang", "ali", "out", "--num-leaves", "5", "--frames-per-leaf", "5"],
        ["train", "deltas", "data", "lang", "out"],
        ["train", "trees", "data", "lang", "out"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told(arguments: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = status_of(*arguments)
    told = capsys.readouterr().err
    assert status == (1 if "nan" in arguments else 2), told
    assert "Traceback" not in told
    assert not Path("out").exists()


def test_questions_of_unknown_phones_are_told(here: Path, trained_on_spoken: Path, fails: Fails) -> None:
    Path("questions.txt").write_text("vowels A O XX\n")
    command = ["train", "deltas", "data", "lang", trained_on_spoken / "mono", "out", *DIALS, "--questions"]
    fails("XX", *command, "questions.txt")
    fails("nowhere.txt: ", *command, "nowhere.txt")
    Path("questions.txt").write_text("vowels A O IY\nlabials M\n")
    assert status_of(*command, "questions.txt", "--max-depth", 2, "--min-count", 10) == 0


def test_a_log_that_is_missing_or_damaged_is_not_drawn(here: Path, trained_on_spoken: Path, fails: Fails) -> None:
    pytest.importorskip("matplotlib")
    fails("log.jsonl: no such file", "train", "plot", "lang", "log.png")
    shutil.copytree(trained_on_spoken / "mono", "mono")
    Path("mono/log.jsonl").write_text("{}\n")
    fails("mono/log.jsonl:1:", "train", "plot", "mono", "log.png")
    assert not Path("log.png").exists()
