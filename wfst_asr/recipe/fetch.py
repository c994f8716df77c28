"""Fetch a corpus from its public home: with checksums, written aside, going on where an earlier try stopped."""

import hashlib
import http.client
import json
import tarfile
import time
import urllib.error
import urllib.request
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wfst_asr.errors import WfstAsrError, WfstAsrWarning

FETCHED = "fetched.json"
_BLOCK = 1 << 20
_TRIES = 4
_TIMEOUT_S = 60


@dataclass(frozen=True)
class PublicFile:
    """A file of a corpus at its public home.

    Attributes:
        name: of the file.
        addresses: where it is to be had, the home first; the next one is tried where one fails or gives another file.
        sha256: of its content; None where none is known.
        md5: of its content, as many homes publish it; None where none is known.
        unpack: whether it is an archive (tar) that is to be unpacked.
    """

    name: str
    addresses: tuple[str, ...]
    sha256: str | None = None
    md5: str | None = None
    unpack: bool = True


class _OtherFileError(WfstAsrError):
    """The address gave a file whose checksum is not the expected one."""


def fetch_corpus(
    out_dir: Path,
    *,
    files: Sequence[PublicFile],
    tell: Callable[[str], None] | None = None,
    pause_s: float = 2.0,
) -> dict[str, Any]:
    """Fetch files into a folder, check them, and unpack the archives; files that are there already are left.

    `fetched.json` in the folder says where each file came from, its size and its SHA-256.  Where neither checksum is
    known beforehand, the one found is written there and a warning says so.  A connection that breaks is taken up where
    it broke, in this call and in the next one.

    Args:
        out_dir: the folder.
        files: what to fetch.
        tell: called with a line about what goes on.
        pause_s: seconds before the second try of an address, twice as many before each further one.

    Returns:
        The number of bytes, and of files.

    Raises:
        WfstAsrError: no address gives a file, its checksum is another at all of them, or it cannot be unpacked.
    """
    tell = tell or (lambda _: None)
    out_dir.mkdir(parents=True, exist_ok=True)
    note = out_dir / FETCHED
    done: dict[str, dict[str, Any]] = json.loads(note.read_text("utf-8")) if note.exists() else {}
    for file in files:
        if file.name in done:
            continue
        address, digest = _fetch(file, out_dir, tell, pause_s)
        path = out_dir / file.name
        if file.sha256 is None and file.md5 is None:
            warnings.warn(
                f"{file.name}: no checksum is published for it; its SHA-256 {digest} is recorded in {FETCHED}",
                WfstAsrWarning,
                stacklevel=2,
            )
        record = {"address": address, "bytes": path.stat().st_size, "sha256": digest}
        if file.unpack:
            tell(f"unpacking {file.name}")
            try:
                _unpack(path, out_dir)
            finally:  # a bad archive is fetched anew
                path.unlink()
        done[file.name] = record
        aside = note.with_suffix(".part")
        aside.write_text(json.dumps(done, indent=1), encoding="utf-8")
        aside.replace(note)
    return {"bytes": sum(int(record["bytes"]) for record in done.values()), "files": len(done)}


def _fetch(file: PublicFile, folder: Path, tell: Callable[[str], None], pause_s: float) -> tuple[str, str]:
    """Fetch a file from the first address that gives it; return that address and the SHA-256."""
    part, path = folder / f"{file.name}.part", folder / file.name
    reasons = []
    for address in file.addresses:
        for number in range(_TRIES):
            try:
                if not path.exists():
                    tell(f"fetching {address}")
                    _download(address, part, tell)
                    part.replace(path)
                return address, _checked(path, file)
            except _OtherFileError as error:
                path.unlink(missing_ok=True)
                reasons.append(f"{address}: {error}")
                break
            except (urllib.error.HTTPError, urllib.error.URLError) as error:
                reason = error.reason if isinstance(error, urllib.error.URLError) else error
                reasons.append(f"{address}: {reason}")
                if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                    break
                if isinstance(error.reason, OSError) and not part.exists():
                    break  # no such host, no network
            except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
                reasons.append(f"{address}: {error or type(error).__name__}")
            except OSError as error:
                raise WfstAsrError(f"{part}: writing failed ({error.strerror}); free some space") from error
            if number + 1 < _TRIES:
                time.sleep(pause_s * 2**number)
    told = "; ".join(dict.fromkeys(reasons))
    raise WfstAsrError(
        f"could not fetch {file.name} ({told}); run again to go on, "
        "or name a folder that holds the corpus with --corpus"
    )


def _download(address: str, part: Path, tell: Callable[[str], None]) -> None:
    """Append to `part` what is missing of the file at the address."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"User-Agent": "wfst-asr", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is missing, or the file there is a shorter one
            if error.headers.get("Content-Range", "").rpartition("/")[2] == str(have):
                return
            part.unlink()
            raise ConnectionError("the file there is shorter than what was fetched; beginning anew") from error
        raise
    with response:
        goes_on = response.status == 206 and str(response.headers.get("Content-Range", "")).startswith(f"bytes {have}-")
        have = have if goes_on else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        told_at = time.monotonic()
        with part.open("ab" if goes_on else "wb") as out:
            while block := response.read(_BLOCK):
                out.write(block)
                have += len(block)
                if time.monotonic() - told_at > 10:
                    told_at = time.monotonic()
                    tell(f"{part.stem}: {have >> 20} MB" + (f" of {total >> 20} MB" if total else ""))
    if total is not None and have < total:
        raise ConnectionError(f"the connection broke after {have} of {total} bytes")


def _checked(path: Path, file: PublicFile) -> str:
    """Return the SHA-256 of a file that has the checksums it should have.

    Raises:
        _OtherFileError: it has not.
    """
    sums = {"sha256": hashlib.sha256(), "md5": hashlib.md5(usedforsecurity=False)}
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            for found in sums.values():
                found.update(block)
    for kind, wanted in (("sha256", file.sha256), ("md5", file.md5)):
        if wanted is not None and sums[kind].hexdigest() != wanted:
            raise _OtherFileError(f"its {kind} is {sums[kind].hexdigest()}, expected {wanted}")
    return sums["sha256"].hexdigest()


def _unpack(path: Path, folder: Path) -> None:
    """Unpack an archive; entries that would leave the folder are refused."""
    try:
        with tarfile.open(path) as archive:
            root = folder.resolve()
            for member in archive.getmembers():
                if not (root / member.name).resolve().is_relative_to(root) or not (member.isfile() or member.isdir()):
                    if member.issym() or member.islnk():
                        continue  # links are left out
                    raise WfstAsrError(f"{path.name}: its entry '{member.name}' does not belong into a folder")
                archive.extract(member, root, set_attrs=False, **_PLAIN)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise WfstAsrError(f"{path}: cannot be unpacked ({error}); run again to fetch it anew") from error


_PLAIN: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
