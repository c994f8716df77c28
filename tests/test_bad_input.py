"""Bad scores, graphs, sound and data: one sentence, exit status 1, nothing half-written."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pynini
import pytest
import pywrapfst
import soundfile

from tests.toy_world import NUM_COLUMNS, status_of
from wfst_asr.io.archives import matrix_writer

SCORES = np.zeros((5, NUM_COLUMNS), dtype=np.float32)


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
        (with_value(np.nan), "'u': scores at frame 3, column 4: nan, expected a number below 1e+30"),
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
