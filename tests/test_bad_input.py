"""Whatever a user gets wrong: one sentence on the standard error stream, exit status 1, and nothing half-written."""

import gzip
import json
import shutil
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pynini
import pytest
import pywrapfst
import soundfile

from tests.toy_world import ARPA, LANG_OPTIONS, LEXICON, NUM_COLUMNS, make_world, status_of
from wfst_asr.io.archives import matrix_writer

SCORES = np.zeros((5, NUM_COLUMNS), dtype=np.float32)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    return folder


@pytest.fixture
def world(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the toy world as working folder."""
    shutil.copytree(made, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # which the command replaces
    return tmp_path / "world"


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    def check(message: str, *arguments: object) -> None:
        capsys.readouterr()
        assert status_of(*arguments) == 1
        told = capsys.readouterr().err
        assert message in told
        assert told.startswith("wfst-asr: ")
        assert told.count("\n") == 1, told

    return check


Fails = Callable[..., None]


def write_scores(path: str, matrix: np.ndarray, *names: str) -> None:
    with matrix_writer(path) as write:
        for name in names or ("u",):
            write(name, matrix)


def with_value(value: float) -> np.ndarray:
    scores = SCORES.copy()
    scores[3, 4] = value
    return scores


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (with_value(np.nan), "'u': scores at frame 3, column 4: nan, expected a number below infinity"),
        (with_value(np.inf), "'u': scores at frame 3, column 4: inf"),
        (SCORES[:, :5], "scores have 5 columns, but the graph expects 14 (pdf-id of final.mdl)"),
        (np.full_like(SCORES, -np.inf), "none of 1 utterances could be decoded: 'u': no path goes through frame 0"),
    ],
)
def test_bad_scores_leave_earlier_output_alone(world: Path, fails: Fails, scores: np.ndarray, message: str) -> None:
    write_scores("bad.ark", scores)
    before = {path.name: path.read_bytes() for path in Path("decoded").iterdir()}
    fails(message, "decode", "graph", "--scores", "bad.ark", "decoded")
    assert {path.name: path.read_bytes() for path in Path("decoded").iterdir()} == before
    fails(message, "decode", "graph", "--scores", "bad.ark", "new/folder")
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "bad.ark: holds no score matrix"),
        (b"hello world\n", "'hello' cannot be read; expected a matrix of Kaldi's"),
        (b"u \0BFM \4\5\0\0\0\4\3\0\0\0abc", "the archive ends in the middle of 'u' (57 bytes are missing)"),
        (b"u \0BFM \4\xff\xff\xff\x7f\4\xff\xff\xff\x7f", "the archive ends in the middle of 'u'"),
        (b"RIFFxx  WAVE", "cannot be read; expected a matrix"),
    ],
)
def test_damaged_archives_are_told(world: Path, fails: Fails, content: bytes, message: str) -> None:
    Path("bad.ark").write_bytes(content)
    fails(message, "decode", "graph", "--scores", "bad.ark", "out")
    assert not Path("out").exists()


def test_an_utterance_comes_once(world: Path, fails: Fails) -> None:
    write_scores("one.ark", SCORES)
    Path("two.ark").write_bytes(2 * Path("one.ark").read_bytes())
    fails("two.ark: utterance 'u' comes twice", "decode", "graph", "--scores", "two.ark", "out")


def test_utterance_ids_may_look_like_paths_and_words_be_unicode(world: Path) -> None:
    names = ("../../etc/x", "/abs/path", "ünï-日本")
    write_scores("odd.ark", SCORES, *names)
    assert status_of("decode", "graph", "--scores", "odd.ark", "out") == 0
    assert tuple(line.split()[0] for line in Path("out/text").read_text("utf-8").splitlines()) == names
    assert sorted(path.name for path in Path("out").iterdir()) == ["costs", "ctm", "text"]


def patched(at_arc: int, kind: str, value: float) -> Callable[[Path], None]:
    def change(graph: Path) -> None:
        data = bytearray((graph / "HCLG.fst").read_bytes())
        _, num_states, num_arcs = struct.unpack_from("<qqq", data, 4 + 9 + 12 + 16)
        assert len(data) == 65 + 20 * num_states + 16 * num_arcs
        struct.pack_into(kind, data, 65 + 20 * num_states + at_arc, value)
        (graph / "HCLG.fst").write_bytes(data)

    return change


def truncated(name: str, size: int) -> Callable[[Path], None]:
    return lambda graph: (graph / name).write_bytes((graph / name).read_bytes()[:size]) and None


def in_manifest(**values: object) -> Callable[[Path], None]:
    def change(graph: Path) -> None:
        record = json.loads((graph / "manifest.json").read_text())
        (graph / "manifest.json").write_text(json.dumps(record | values))

    return change


def as_vector(graph: Path) -> None:
    pynini.Fst.read(str(graph / "HCLG.fst")).write(str(graph / "HCLG.fst"))


def with_log_arcs(graph: Path) -> None:
    log = pynini.arcmap(pynini.Fst.read(str(graph / "HCLG.fst")), map_type="to_log")
    pywrapfst.convert(log, "const").write(str(graph / "HCLG.fst"))


def without(name: str) -> Callable[[Path], None]:
    return lambda graph: (graph / name).unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (truncated("HCLG.fst", 0), "not an OpenFst file"),
        (truncated("HCLG.fst", 30), "ends inside its header; the file is truncated"),
        (truncated("HCLG.fst", 1000), "1000 bytes, but its header announces"),
        (as_vector, "a 'vector' FST, expected 'const'; convert it with: fstconvert --fst_type=const"),
        (with_log_arcs, "arc type 'log', expected 'standard'"),
        (patched(12, "<i", 10**6), "arc 0 leads to state 1000000 of"),
        (patched(0, "<i", -3), "arc 0 has input label -3"),
        (patched(0, "<i", 999), "arc 0 has input label 999, but the labels told are 0 to"),
        (patched(4, "<i", -3), "has an output label below 0"),
        (patched(8, "<f", float("nan")), "arc 0 has cost nan"),
        (patched(-20, "<f", float("nan")), "has a final cost that is no number"),
        (without("HCLG.fst"), "no such file; make it with: wfst-asr graph compile"),
        (without("manifest.json"), "has no manifest.json, which is written last"),
        (without("input_labels.npy"), "has no input_labels.npy beside it"),
        (truncated("input_labels.npy", 200), "input_labels.npy: cannot be read"),
        (truncated("manifest.json", 50), "manifest.json: not JSON"),
        (in_manifest(num_columns=3), "has column 3, but the manifest tells of 3 columns"),
        (in_manifest(num_columns=99), "scores have 14 columns, but the graph expects 99"),
        (in_manifest(num_columns="14"), "num_columns '14', expected a whole number"),
        (in_manifest(label_kind="word"), "label_kind 'word', expected one of transition-id, pdf-id+1"),
        (in_manifest(acoustic_scale=0), "acoustic_scale 0, expected a positive number"),
        (in_manifest(format=2), "format 2 of the manifest, expected 1"),
        (in_manifest(inputs=[]), "inputs [], expected values by name"),
        (in_manifest(steps=[{"name": "x", "states": "q", "arcs": 1}]), "step 'x': expected a name and numbers"),
        (in_manifest(steps=[{"name": "x", "states": 5, "arcs": 6}]), "tells of 5 states and 6 arcs"),
    ],
)
def test_damaged_graph_folders_are_told(
    world: Path, fails: Fails, change: Callable[[Path], None], message: str
) -> None:
    change(Path("graph"))
    fails(message, "decode", "graph", "--scores", "scores.ark", "out")
    assert not Path("out").exists()


def test_a_damaged_prepared_graph_is_made_again(world: Path) -> None:
    prepared, text = Path("graph/HCLG.search"), Path("decoded/text").read_bytes()
    sound = prepared.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [b"", sound[:10], sound[:300], sound[:-1], sound.replace(b'"mark": "', b'"mark": "0')]
    for at in rng.integers(0, len(sound) - 8, 12).tolist():
        damaged.append(sound[:at] + rng.bytes(8) + sound[at + 8 :])
    for data in damaged:
        prepared.write_bytes(data)
        assert status_of("decode", "graph", "--scores", "scores.ark", "out") == 0
        assert Path("out/text").read_bytes() == text
    assert prepared.read_bytes() == sound


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text.wav", "not audio that can be read"),
        ("empty.wav", "the file is empty (0 bytes)"),
        ("silent.wav", "the recording is empty (0 samples)"),
        ("header.wav", "not audio that can be read"),
        ("half.flac", "not audio that can be read"),
        ("nan.wav", "sample 5 is NaN or infinite"),
        ("loud.wav", "times full scale; expected floats of about -1 to 1"),
        ("slow.wav", "its header tells of 1 samples a second"),
        ("folder.wav", "is a folder; expected an audio file"),
        ("missing.wav", "no such file; expected an audio file"),
        ("/dev/null", "is a pipe or a device"),
        ("short.wav", "every recording is shorter than one frame"),
    ],
)
def test_bad_sound_is_told_and_no_features_are_left(world: Path, fails: Fails, name: str, message: str) -> None:
    sound = soundfile.read("sound.wav")[0]
    Path("text.wav").write_text("this is not audio\n" * 50)
    Path("empty.wav").write_bytes(b"")
    Path("header.wav").write_bytes(Path("sound.wav").read_bytes()[:30])
    Path("folder.wav").mkdir()
    soundfile.write("silent.wav", sound[:0], 16000)
    soundfile.write("short.wav", sound[:100], 16000)
    soundfile.write("slow.wav", sound, 1)
    soundfile.write("half.flac", sound, 16000)
    Path("half.flac").write_bytes(Path("half.flac").read_bytes()[:5000])
    soundfile.write("loud.wav", sound * 1e30, 16000, subtype="FLOAT")
    sound[5] = np.nan
    soundfile.write("nan.wav", sound, 16000, subtype="FLOAT")
    Path("data").mkdir()
    Path("data/wav.scp").write_text(f"u1 {Path(name).absolute()}\n")
    fails(message, "features", "extract", "data", "out")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("channels", "rate", "subtype", "note"),
    [
        (2, 44100, "PCM_16", "1 of 1 utterances, 44100 Hz stereo: mixed to one channel and resampled to 16000 Hz"),
        (1, 16000, "PCM_24", None),
        (1, 16000, "PCM_U8", None),
        (1, 16000, "DOUBLE", None),
    ],
)
@pytest.mark.filterwarnings("default")
def test_other_kinds_of_sound_work(
    world: Path, channels: int, rate: int, subtype: str, note: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = soundfile.read("sound.wav")[0]
    soundfile.write("other.wav", np.stack([sound] * channels, axis=1), rate, subtype=subtype)
    Path("data").mkdir()
    Path("data/wav.scp").write_text(f"u1 {world}/other.wav\n")
    assert status_of("features", "extract", "data", "out") == 0
    assert capsys.readouterr().err == (f"wfst-asr: note: {note}\n" if note else "")


@pytest.mark.filterwarnings("default")
def test_a_recording_that_ends_early_is_told(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cut.wav").write_bytes(Path("sound.wav").read_bytes()[:10000])
    Path("data").mkdir()
    Path("data/wav.scp").write_text(f"u1 {world}/cut.wav\n")
    assert status_of("features", "extract", "data", "out") == 0
    assert "16000 Hz mono: it ends before the length that its header tells" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "wav.scp: no such file; a data directory needs"),
        ({"wav.scp": ""}, "there are no utterances"),
        ({"wav.scp": "u1 a.wav\n", "text": "u2 red\n"}, "text:1: utterance 'u2' is not in wav.scp"),
        ({"wav.scp": "u1 a.wav\nu1 b.wav\n"}, "wav.scp:2: the id 'u1' is in line 1 already"),
        ({"wav.scp": "u1 cat a.wav |\n"}, "is a command ('cat a.wav |'), which is not run"),
        ({"wav.scp": "u1 a.wav\n", "segments": "s u1 2 1\n"}, "expected 0 <= start < end"),
        ({"wav.scp": "u1 a.wav\n"}, "a.wav: no such file"),
    ],
)
def test_bad_data_directories_are_told(world: Path, fails: Fails, files: dict[str, str], message: str) -> None:
    Path("data").mkdir()
    for name, text in files.items():
        (Path("data") / name).write_text(text)
    fails(message, "features", "extract", "data", "out")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ARPA.replace("2=3", "2=4"), "the header announces 4 2-grams, the file has 3"),
        (ARPA[:200], r"has no line '\end\' at its end"),
        (gzip.compress(ARPA.encode())[:-20], "its gzip data is truncated or damaged"),
        (ARPA.replace("stop", "stöp").encode("latin-1"), "not UTF-8 text"),
        (ARPA.replace("-0.90309 no", "nan no"), "'nan' is not a number"),
        (ARPA.replace("</s>", "end"), "has no '</s>', so no sentence could end"),
        ("", r"has no line '\data\'"),
    ],
)
def test_damaged_language_models_are_told_and_g_stays(
    world: Path, fails: Fails, content: str | bytes, message: str
) -> None:
    Path("bad.arpa").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = Path("lang/G.fst").read_bytes()
    fails(message, "lm", "compile", "bad.arpa", "lang")
    assert Path("lang/G.fst").read_bytes() == before
    assert not [path for path in Path("lang").iterdir() if path.suffix == ".part"]


@pytest.mark.filterwarnings("default")
def test_words_outside_the_vocabulary_are_told_once_and_gzip_works(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ARPA.replace("1=6", "1=8").replace("-0.90309 stop", "-0.90309 stop\n-1 blue\n-1 käse")
    Path("lm.gz").write_bytes(gzip.compress(text.encode()))
    before = Path("lang/G.fst").read_bytes()
    assert status_of("lm", "compile", "lm.gz", "lang") == 0
    told = capsys.readouterr().err
    assert "2 are outside the word symbols ('blue', 'käse')" in told
    assert told.count("\n") == 1
    assert Path("lang/G.fst").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LEXICON + "red R EH D\n", "bad.txt:5: word 'red' has the pronunciation 'R EH D' twice, first at line 3"),
        (LEXICON + "blue\n", "bad.txt:5: word 'blue' has no phones"),
        (LEXICON + "<eps> R\n", "'<eps>' is reserved"),
        (LEXICON + "hum #1\n", "'#1' is reserved"),
        ("\n\n", "has no entries"),
    ],
)
def test_bad_lexicons_are_told(world: Path, fails: Fails, text: str, message: str) -> None:
    Path("bad.txt").write_text(text)
    fails(message, "lang", "make", "bad.txt", "out", *LANG_OPTIONS)
    assert not Path("out").exists()


def test_reserved_silence_phones_are_told(world: Path, fails: Fails) -> None:
    fails("phone '#1' has a name that is reserved", "lang", "make", "lexicon.txt", "out", "--silence-phones", "SIL,#1")


def test_empty_lines_and_unicode_words_of_a_lexicon_work(world: Path) -> None:
    Path("odd.txt").write_text("\n日本 N IY\n\nüber R OW\n", encoding="utf-8")
    assert status_of("lang", "make", "odd.txt", "out", *LANG_OPTIONS) == 0
    assert "日本 2\n" in Path("out/words.txt").read_text(encoding="utf-8")


def test_a_phone_that_the_model_lacks_is_named(world: Path, fails: Fails) -> None:
    Path("more.txt").write_text(LEXICON + "zoo ZZ OW\n")
    assert status_of("lang", "make", "more.txt", "more", *LANG_OPTIONS) == 0
    assert status_of("lm", "compile", "lm.arpa", "more") == 0
    fails("phone 'ZZ' of the lexicon is not in the model", "graph", "compile", "more", "model", "out")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("lang/G.fst", None, "make it with: wfst-asr lm compile"),
        ("lang/G.fst", b"junk", "not an OpenFst file"),
        ("lang/L_disambig.fst", None, "make it with: wfst-asr lang make"),
        ("lang/words.txt", b"<eps> 0\n", "which words.txt has not"),
        ("lang/phones.txt", b"junk\n", "phones.txt:1: 'junk', expected a name and an id"),
        ("lang/phones/silence.txt", b"\xff\xfe", "silence.txt: not UTF-8 text"),
        ("model/tree", b"junk junk", "'junk' where ContextDependency was expected"),
        ("model/final.mdl", b"", "the file ends where a marker was expected"),
    ],
)
def test_bad_parts_of_a_graph_are_told(
    world: Path, fails: Fails, name: str, content: bytes | None, message: str
) -> None:
    Path(name).unlink()
    if content is not None:
        Path(name).write_bytes(content)
    before = {path.name: path.read_bytes() for path in Path("graph").iterdir()}
    fails(message, "graph", "compile", "lang", "model", "graph")
    assert {path.name: path.read_bytes() for path in Path("graph").iterdir()} == before


@pytest.mark.parametrize("out", ["sound.wav", "sound.wav/below", "/proc/nowhere/x"])
@pytest.mark.parametrize(
    "command",
    [
        ["lang", "make", "lexicon.txt"],
        ["graph", "compile", "lang", "model"],
        ["decode", "graph", "--scores", "scores.ark"],
        ["features", "extract", "data"],
        ["lm", "compile", "lm.arpa", "lang"],
        ["data", "subset", "data", "--first", "1"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_places_that_cannot_be_written_are_told(world: Path, fails: Fails, command: list[str], out: str) -> None:
    Path("data").mkdir()
    Path("data/wav.scp").write_text(f"u1 {world}/sound.wav\n")
    before = Path("sound.wav").read_bytes()
    if command[0] == "lm":
        out = "/dev/null" if out == "sound.wav" else out  # a file may be replaced, a device not
    fails(out, *command, out)
    assert Path("sound.wav").read_bytes() == before
    assert Path("/dev/null").is_char_device()


LIMITED = """
import resource, sys
from wfst_asr.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("size", "command"),
    [
        (300, ["lang", "make", "lexicon.txt", "out"]),
        (500, ["graph", "compile", "lang", "model", "out"]),
        (50, ["lm", "compile", "lm.arpa", "lang", "out/G.fst"]),
        (10, ["decode", "graph", "--scores", "scores.ark", "out"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_full_disk_leaves_nothing(world: Path, size: int, command: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), *command], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert not Path("out").exists()
    assert not list(Path().glob(".*part"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--beam", "-1"], "beam -1.0, expected a number above 0"),
        (["--beam", "nan"], "beam nan"),
        (["--acoustic-scale", "0"], "acoustic_scale 0.0, expected a number above 0"),
        (["--max-active", "-1"], "max_active -1, expected at least 1"),
        (["--min-active", "-1"], "min_active -1, expected 0 or more"),
    ],
)
def test_options_out_of_range_are_told(world: Path, fails: Fails, options: list[str], message: str) -> None:
    fails(message, "decode", "graph", "--scores", "scores.ark", "out", *options)


@pytest.mark.parametrize(
    "arguments",
    [
        ["decode", "graph", "data", "out", "--num-jobs", "0"],
        ["decode", "graph", "data", "out", "--beam", "wide"],
        ["decode", "graph", "out"],
        ["features", "extract", "data", "out", "--seed", "-1"],
        ["features", "extract", "data", "out", "--sample-rate", "0"],
        ["lang", "make", "lexicon.txt", "out", "--num-states", "0"],
        ["lang", "make", "lexicon.txt", "out", "--num-silence-states", "2"],
        ["data", "subset", "data", "out"],
        ["transcribe"],
        ["transcribe", "sound.wav", "--cmn", "loud"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(*arguments) == 2
    assert "Error: " in capsys.readouterr().err


def test_a_closed_pipe_ends_quietly_and_no_terminal_means_no_colours(world: Path) -> None:
    command = [str(Path(sys.executable).parent / "wfst-asr"), "graph", "info", "graph"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == ""
    run = subprocess.run([*command[:1], "graph", "compile", "lang", "model", "g"], capture_output=True, check=True)
    assert run.stderr == b""
    assert b"\x1b" not in run.stdout
    assert b"\r" not in run.stdout
