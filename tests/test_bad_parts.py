"""Bad lexicons, language models, models, places and options: one sentence, exit status 1, nothing half-written."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.toy_world import ARPA, LANG_OPTIONS, LEXICON, status_of

Fails = Callable[..., None]


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
        ["lang", "make", "lexicon.txt", "out", "--num-silence-states", "0"],
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
    assert run.stderr.startswith(b"forecast: ")
    assert run.stderr.count(b"\n") == 1
    for told in (run.stdout, run.stderr):
        assert b"\x1b" not in told
        assert b"\r" not in told
