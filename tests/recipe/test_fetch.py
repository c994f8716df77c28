"""Fetching: checksums, broken connections, several addresses; from a server on this machine and from files."""

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from wfst_asr.errors import WfstAsrError, WfstAsrWarning
from wfst_asr.recipe.fetch import PublicFile, fetch_corpus


@dataclass
class Server:
    """Files by path, and how the server behaves."""

    files: dict[str, bytes]
    break_after: list[int] = field(default_factory=list)  # bytes of an answer after which the connection breaks
    ranges: bool = True
    errors: list[int] = field(default_factory=list)  # status of answers to come
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    port: int = 0

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server({})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            content = state.files.get(self.path[1:])
            if state.errors or content is None:
                self.send_error(state.errors.pop(0) if state.errors else 404)
                return
            first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
            if first >= len(content) > 0 and first:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - first))
            self.end_headers()
            last = first + state.break_after.pop(0) if state.break_after else len(content)
            self.wfile.write(content[first:last])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.port = listening.server_port
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield state
        listening.shutdown()
        thread.join()


def archive_of(entries: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.type = len(content), kind
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


CORPUS = archive_of({"corpus/a.wav": b"sound" * 1000, "corpus/text": b"a yes\n"})
SHA256, MD5 = hashlib.sha256(CORPUS).hexdigest(), hashlib.md5(CORPUS).hexdigest()


def test_an_archive_is_checked_and_unpacked_and_its_source_recorded(server: Server, tmp_path: Path) -> None:
    server.files = {"corpus.tar.gz": CORPUS, "words.txt": b"yes Y\n"}
    files = [
        PublicFile("corpus.tar.gz", (server.address("corpus.tar.gz"),), sha256=SHA256, md5=MD5),
        PublicFile("words.txt", (server.address("words.txt"),), md5=hashlib.md5(b"yes Y\n").hexdigest(), unpack=False),
    ]
    lines: list[str] = []
    figures = fetch_corpus(tmp_path, files=files, tell=lines.append)
    assert figures == {"bytes": len(CORPUS) + 6, "files": 2}
    assert (tmp_path / "corpus" / "text").read_bytes() == b"a yes\n"
    assert (tmp_path / "words.txt").read_bytes() == b"yes Y\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "fetched.json", "words.txt"]
    record = json.loads((tmp_path / "fetched.json").read_text())["corpus.tar.gz"]
    assert record == {"address": server.address("corpus.tar.gz"), "bytes": len(CORPUS), "sha256": SHA256}
    assert any(line.startswith("fetching http") for line in lines)
    asked = len(server.asked)
    fetch_corpus(tmp_path, files=files)
    assert len(server.asked) == asked


def test_a_file_address_serves_too(tmp_path: Path) -> None:
    (tmp_path / "corpus.tar.gz").write_bytes(CORPUS)
    file = PublicFile("corpus.tar.gz", ((tmp_path / "corpus.tar.gz").as_uri(),), sha256=SHA256)
    out = tmp_path / "out"
    out.mkdir()
    (out / "corpus.tar.gz.part").write_bytes(CORPUS[:100])  # such an address cannot go on: it begins anew
    fetch_corpus(out, files=[file])
    assert (out / "corpus" / "text").exists()


def test_a_broken_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.files, server.break_after = {"corpus.tar.gz": CORPUS}, [50, 60]
    file = PublicFile("corpus.tar.gz", (server.address("corpus.tar.gz"),), sha256=SHA256)
    fetch_corpus(tmp_path, files=[file], pause_s=0)
    assert [asked for _, asked in server.asked] == [None, "bytes=50-", "bytes=110-"]
    assert (tmp_path / "corpus" / "text").exists()


def test_the_next_run_goes_on_with_what_an_earlier_one_left(server: Server, tmp_path: Path) -> None:
    server.files, server.break_after = {"corpus.tar.gz": CORPUS}, [40, 0, 0, 0]
    file = PublicFile("corpus.tar.gz", (server.address("corpus.tar.gz"),), sha256=SHA256)
    with pytest.raises(WfstAsrError, match=r"could not fetch corpus.tar.gz .*broke after 40 of .*run again to go on"):
        fetch_corpus(tmp_path, files=[file], pause_s=0)
    fetch_corpus(tmp_path, files=[file], pause_s=0)
    assert server.asked[-1][1] == "bytes=40-"
    assert (tmp_path / "corpus" / "text").exists()


@pytest.mark.parametrize("left", [len(CORPUS), len(CORPUS) + 5])
def test_a_whole_file_left_by_an_earlier_run_is_taken_and_a_longer_one_dropped(
    server: Server, tmp_path: Path, left: int
) -> None:
    server.files = {"corpus.tar.gz": CORPUS}
    (tmp_path / "corpus.tar.gz.part").write_bytes((CORPUS + b"other")[:left])
    file = PublicFile("corpus.tar.gz", (server.address("corpus.tar.gz"),), sha256=SHA256)
    fetch_corpus(tmp_path, files=[file], pause_s=0)
    assert (tmp_path / "corpus" / "text").exists()
    assert len(server.asked) == (1 if left == len(CORPUS) else 2)


def test_a_server_without_ranges_gives_the_whole_again(server: Server, tmp_path: Path) -> None:
    server.files, server.break_after, server.ranges = {"corpus.tar.gz": CORPUS}, [50], False
    file = PublicFile("corpus.tar.gz", (server.address("corpus.tar.gz"),), sha256=SHA256)
    fetch_corpus(tmp_path, files=[file], pause_s=0)
    assert (tmp_path / "corpus" / "text").exists()


def test_another_file_is_refused_and_the_next_address_tried(server: Server, tmp_path: Path) -> None:
    server.files = {"home": b"we have moved", "mirror": CORPUS}
    both = PublicFile("corpus.tar.gz", (server.address("home"), server.address("mirror")), md5=MD5)
    fetch_corpus(tmp_path / "both", files=[both], pause_s=0)
    assert json.loads((tmp_path / "both" / "fetched.json").read_text())["corpus.tar.gz"]["address"].endswith("mirror")
    one = PublicFile("corpus.tar.gz", (server.address("home"),), md5=MD5)
    with pytest.raises(WfstAsrError, match=rf"its md5 is {hashlib.md5(b'we have moved').hexdigest()}, expected {MD5}"):
        fetch_corpus(tmp_path / "one", files=[one], pause_s=0)
    assert list((tmp_path / "one").iterdir()) == []


def test_errors_of_a_server_are_told_and_passing_ones_tried_again(server: Server, tmp_path: Path) -> None:
    server.files, server.errors = {"corpus.tar.gz": CORPUS}, [503, 500]
    fetch_corpus(
        tmp_path / "a",
        files=[PublicFile("corpus.tar.gz", (server.address("corpus.tar.gz"),), sha256=SHA256)],
        pause_s=0,
    )
    assert len(server.asked) == 3
    with pytest.raises(WfstAsrError, match=r"could not fetch no.tar.gz \(http://.*Not Found\)"):
        fetch_corpus(tmp_path / "b", files=[PublicFile("no.tar.gz", (server.address("no.tar.gz"),))], pause_s=0)
    assert len(server.asked) == 4


def test_no_network_is_told_at_once(tmp_path: Path) -> None:
    file = PublicFile("corpus.tar.gz", ("http://127.0.0.1:9/corpus.tar.gz",), sha256=SHA256)
    with pytest.raises(WfstAsrError, match=r"could not fetch corpus.tar.gz .*name a folder that holds the corpus"):
        fetch_corpus(tmp_path, files=[file], pause_s=60)


def test_a_checksum_that_nobody_published_is_recorded_and_told(server: Server, tmp_path: Path) -> None:
    server.files = {"corpus.tar.gz": CORPUS}
    file = PublicFile("corpus.tar.gz", (server.address("corpus.tar.gz"),))
    with pytest.warns(WfstAsrWarning, match=f"no checksum is published for it; its SHA-256 {SHA256} is recorded"):
        fetch_corpus(tmp_path, files=[file])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive", "cannot be unpacked"),
        (CORPUS[: len(CORPUS) // 2], "cannot be unpacked"),
        (archive_of({"../outside": b"x"}), "its entry '../outside' does not belong into a folder"),
        (archive_of({"/outside": b"x"}), "its entry '/outside' does not belong into a folder"),
        (archive_of({"pipe": b""}, tarfile.FIFOTYPE), "its entry 'pipe' does not belong into a folder"),
    ],
    ids=["none", "cut", "above", "root", "pipe"],
)
def test_bad_archives_are_refused_and_fetched_anew(
    server: Server, tmp_path: Path, content: bytes, message: str
) -> None:
    server.files = {"corpus.tar.gz": content}
    digest = hashlib.sha256(content).hexdigest()
    file = PublicFile("corpus.tar.gz", (server.address("corpus.tar.gz"),), sha256=digest)
    with pytest.raises(WfstAsrError, match=message):
        fetch_corpus(tmp_path / "out", files=[file])
    assert not (tmp_path / "outside").exists()
    assert list((tmp_path / "out").iterdir()) == []
